"""Approximate nearest neighbours by PatchMatch: good matches spread to their neighbours.

All positions are worked on at once, and nothing of size L x M is built. Places are numbers of
exemplar positions, row-major.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.alignment.products import candidate_products
from rabit.functional.draws import generator

# Lists of places that are sorted at once.
ROWS = 2**15
# Exponent of the furthest jump: beyond any map.
LARGEST_JUMP = 30
# Best matches of a position around which places are drawn at random.
CENTRES = 2


@dataclass(frozen=True)
class Nearest:
    """The K best exemplar positions found so far for each position of the condition.

    Args:
        places: (B, H, W, K) exemplar positions, all different, best first.
        scores: (B, H, W, K) their inner products, float32 (float64 for float64 features).
    """

    places: Int[Tensor, "B H W K"]
    scores: Float[Tensor, "B H W K"]


@torch.no_grad()
def nearest_positions(
    x: Float[Tensor, "B H W C"],
    z: Float[Tensor, "B Hz Wz C"],
    count: int,
    iterations: int,
    first: Int[Tensor, "B H W n"] | None = None,
) -> Nearest:
    """Searches the exemplar positions whose features have the largest inner products.

    Starts from random positions. Each iteration tries, for every position, the matches of its
    neighbours and then places around its own best matches. Neighbours are a jump away that halves
    from one iteration to the next and ends at 1, so that a good match spreads fast at first.

    Args:
        x: (B, H, W, C) features of the condition, of length 1, contiguous.
        z: (B, Hz, Wz, C) features of the exemplar, of length 1, contiguous.
        count: K, positions to keep, 1 <= K <= Hz Wz.
        iterations: of propagation and random search, at least 0.
        first: (B, H, W, n) positions to begin with, beside K random ones.

    Returns:
        The K best of all positions tried. Draws from torch's default generator of the features'
        device, or from that of `draws.drawing_from`; no gradient flows.

    References:
        Barnes et al., PatchMatch, SIGGRAPH 2009.
    """
    size = (z.shape[1], z.shape[2])
    tried = random_places(x, size, count)
    if first is not None:
        tried = torch.cat([tried, first], dim=-1)
    found = _best(tried, inner_products(x, z, tried), count)
    for iteration in range(iterations):
        jump = 2 ** min(iterations - 1 - iteration, LARGEST_JUMP)
        for step in ((jump, 0), (-jump, 0), (0, jump), (0, -jump)):
            found = _improved(found, x, z, propagated(found.places, step, size))
        found = _improved(found, x, z, nearby(found.places, size))
    return found


def inner_products(
    x: Float[Tensor, "B H W C"], z: Float[Tensor, "B Hz Wz C"], places: Int[Tensor, "B H W n"]
) -> Float[Tensor, "B H W n"]:
    """Returns each position's inner products with n exemplar positions of its own.

    Args:
        x: (B, H, W, C) features of the condition.
        z: (B, Hz, Wz, C) features of the exemplar.
        places: (B, H, W, n) exemplar positions, in [0, Hz Wz).

    Returns:
        (B, H, W, n); gradients flow to both features.
    """
    queries, keys = x.flatten(1, 2).unsqueeze(2), z.flatten(1, 2).unsqueeze(2)
    return candidate_products(queries, keys, places.flatten(1, 2)).view(places.shape)


def random_places(
    x: Float[Tensor, "B H W C"], size: tuple[int, int], count: int
) -> Int[Tensor, "B H W K"]:
    """Returns K different random exemplar positions for each position.

    Args:
        x: (B, H, W, C) features of the condition, for shape and device.
        size: (Hz, Wz) of the exemplar's map.
        count: K, at most Hz Wz.
    """
    total = size[0] * size[1]
    # Stretches of one shuffled list: different within a list without sorting each of them.
    shuffled = torch.randperm(total, generator=generator(), device=x.device)
    start = torch.randint(total, (*x.shape[:3], 1), generator=generator(), device=x.device)
    return shuffled[(start + torch.arange(count, device=x.device)) % total]


def propagated(
    places: Int[Tensor, "B H W K"], step: tuple[int, int], size: tuple[int, int]
) -> Int[Tensor, "B H W K"]:
    """Returns where each position would match if it moved along with one of its neighbours.

    Args:
        places: (B, H, W, K) current matches.
        step: (down, right) from the neighbour to the position. Maps are read as if they went
            round, so that positions at an edge have a neighbour too.
        size: (Hz, Wz) of the exemplar's map; matches beyond it are moved to its edge.
    """
    return _moved(torch.roll(places, step, dims=(1, 2)), step[0], step[1], size)


def nearby(places: Int[Tensor, "B H W K"], size: tuple[int, int]) -> Int[Tensor, "B H W n"]:
    """Draws positions around the best matches, at distances up to r = half the map, r/2, ... 1.

    Args:
        places: (B, H, W, K) current matches, best first.
        size: (Hz, Wz) of the exemplar's map; positions beyond it are moved to its edge.
    """
    octaves = max(1, int(math.log2(max(size))))
    radii = 2 ** torch.arange(octaves, device=places.device)
    centres = places[..., :CENTRES].unsqueeze(-1)
    shape = (2, *centres.shape[:-1], octaves)
    spread = torch.rand(shape, generator=generator(), device=places.device) * 2 - 1
    down, right = (spread * radii).round_().long()
    return _moved(centres, down, right, size).flatten(-2)


def _moved(
    places: Int[Tensor, "..."], down: Tensor | int, right: Tensor | int, size: tuple[int, int]
) -> Int[Tensor, "..."]:
    """Moves places, and keeps them on the map."""
    y = (places // size[1] + down).clamp_(0, size[0] - 1)
    return y.mul_(size[1]).add_((places % size[1] + right).clamp_(0, size[1] - 1))


def _improved(found: Nearest, x: Tensor, z: Tensor, tried: Int[Tensor, "B H W n"]) -> Nearest:
    """Keeps the K best of what was found and what is tried now."""
    places = torch.cat([found.places, tried], dim=-1)
    scores = torch.cat([found.scores, inner_products(x, z, tried)], dim=-1)
    return _best(places, scores, found.places.shape[-1])


def _best(places: Int[Tensor, "B H W n"], scores: Float[Tensor, "B H W n"], count: int) -> Nearest:
    """Keeps the K best of each list's different places, which are at least K."""
    shape = (*places.shape[:3], count)
    parts = zip(places.flatten(0, 2).split(ROWS), scores.flatten(0, 2).split(ROWS), strict=True)
    kept = [_best_distinct(*part, count) for part in parts]
    return Nearest(*(torch.cat(column).view(shape) for column in zip(*kept, strict=True)))


def _best_distinct(
    places: Int[Tensor, "L n"], scores: Float[Tensor, "L n"], count: int
) -> tuple[Int[Tensor, "L K"], Float[Tensor, "L K"]]:
    """Returns the K best different places of each list, and their scores."""
    places, order = places.sort(dim=-1)
    scores = scores.gather(-1, order)
    again = places[:, 1:] == places[:, :-1]
    scores[:, 1:].masked_fill_(again, -math.inf)
    scores, order = scores.topk(count, dim=-1)
    return places.gather(-1, order), scores
