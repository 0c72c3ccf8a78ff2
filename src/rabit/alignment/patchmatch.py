"""PatchMatch correspondence, coarse to fine (CoCosNet v2), one of the paper's comparisons.

A point is a match's (row, column) in the exemplar's map: whole, or in between after refinement.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from rabit.alignment.correspondence import Correspondence
from rabit.alignment.matrix import BlockMatrix
from rabit.alignment.nearest import inner_products, nearest_positions
from rabit.alignment.refiner import PatchMatchRefiner, Refinement
from rabit.fields import is_whole
from rabit.functional.dtype import working_dtype
from rabit.functional.normalise import unit_blocks, unit_vectors
from rabit.functional.softmax import truncated_softmax


@dataclass(frozen=True)
class Level:
    """Both sides' features at one resolution, channels last for gathering.

    Args:
        x: (B, H, W, C) features of the condition, of length 1, contiguous.
        z: (B, Hz, Wz, C) features of the exemplar, of length 1, contiguous.
    """

    x: Float[Tensor, "B H W C"]
    z: Float[Tensor, "B Hz Wz C"]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the condition."""
        return self.x.shape[1], self.x.shape[2]

    @property
    def exemplar_size(self) -> tuple[int, int]:
        """(Hz, Wz) of the exemplar."""
        return self.z.shape[1], self.z.shape[2]


@dataclass(frozen=True)
class Matches:
    """What is found at a level.

    Args:
        places: (B, H, W, K) row-major exemplar positions, best first.
        points: (B, H, W, K, 2) the same, or near them after refinement.
    """

    places: Int[Tensor, "B H W K"]
    points: Float[Tensor, "B H W K 2"]


@dataclass(frozen=True)
class Corners:
    """The four exemplar positions around each point.

    Args:
        places: (B, H, W, 4 K) row-major positions, point by point.
        shares: (B, H, W, K, 4) bilinear weights, of sum 1.
    """

    places: Int[Tensor, "B H W 4*K"]
    shares: Float[Tensor, "B H W K 4"]


def patchmatch(
    x: Float[Tensor, "B C H W"],
    z: Float[Tensor, "B C Hz Wz"],
    temperature: float = 0.01,
    candidates: int = 16,
    iterations: int = 4,
    start: int = 64,
    refiner: PatchMatchRefiner | None = None,
) -> Correspondence:
    """Builds softmax(cosine / temperature) over the K best exemplar positions that a search finds.

    The search starts at random on features averaged down to `start` positions a side; each finer
    level goes on from the matches of the one before. It draws from torch's default generator and
    has no gradient; the cosines of what it found have theirs.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar.
        temperature: of the softmax, > 0, in units of the cosine.
        candidates: K, exemplar positions for each of the condition's, 1 <= K <= Hz Wz.
        iterations: of propagation and random search at each level, >= 1.
        start: longest side of the coarsest level in positions, >= 1.
        refiner: moves the matches to points between the positions, where features are sampled
            bilinearly; without it matches are whole positions.

    Returns:
        The correspondence, with the best cosine of each position as its peak.

    Raises:
        ValueError: an option out of range, or a refiner of another number of candidates.

    References:
        Zhou et al., CoCosNet v2: Full-Resolution Correspondence Learning, CVPR 2021.
    """
    _check_options(z.shape[2] * z.shape[3], candidates, iterations, start, refiner)
    finest = Level(_positions(x), _positions(z))
    found = _search(levels(finest, start), candidates, iterations, refiner)
    places = found.places
    if refiner is None:
        scores = inner_products(finest.x, finest.z, places)
        weights = truncated_softmax(scores / temperature)
    else:
        corners = surrounding(found.points, finest.exemplar_size)
        products = inner_products(finest.x, finest.z, corners.places)
        scores = (products.view(corners.shares.shape) * corners.shares).sum(-1)
        weights = truncated_softmax(scores / temperature).unsqueeze(-1) * corners.shares
        weights, places = merged(weights.flatten(3), corners.places)
    matrix = BlockMatrix(
        size=finest.size,
        exemplar_size=finest.exemplar_size,
        weights=weights.flatten(1, 2).unsqueeze(2),
        indices=places.flatten(1, 2),
        block=(1, 1),
        exemplar_block=(1, 1),
        cosine=scores.amax(-1).unsqueeze(1),
    )
    return Correspondence(matrix=matrix)


def _search(
    coarse_to_fine: list[Level],
    candidates: int,
    iterations: int,
    refiner: PatchMatchRefiner | None,
) -> Matches:
    """Searches and refines level by level; returns the last level's matches."""
    found: Matches | None = None
    hidden: Tensor | None = None
    for level in coarse_to_fine:
        height, width = level.exemplar_size
        count = min(candidates, height * width)
        first = None if found is None else children(found.points, level)
        places = nearest_positions(level.x, level.z, count, iterations, first).places
        points = torch.stack([places // width, places % width], dim=-1)
        points = points.to(working_dtype(level.x, level.z))
        if refiner is not None:
            refinement = _refine(refiner, level, places, points, hidden)
            hidden = refinement.hidden
            moved = points + refinement.change[..., :count, :].to(points)
            points = _on_map(moved, level.exemplar_size)
        found = Matches(places, points)
    assert found is not None
    return found


def levels(finest: Level, start: int) -> list[Level]:
    """Halves both maps until no side is longer than `start`; coarsest level first.

    A coarse feature is the mean of the up to four below it, scaled to length 1; gradients flow.

    Args:
        finest: the full size.
        start: longest side of the coarsest level, >= 1.
    """
    found = [finest]
    while max(*found[-1].size, *found[-1].exemplar_size) > start:
        found.append(Level(_halved(found[-1].x), _halved(found[-1].z)))
    return found[::-1]


def _halved(x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B h w C"]:
    wide = x.to(working_dtype(x)).permute(0, 3, 1, 2)
    means = F.avg_pool2d(wide, 2, ceil_mode=True, count_include_pad=False)
    return unit_vectors(means.permute(0, 2, 3, 1).contiguous(), dim=-1)


def _positions(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W C"]:
    return unit_blocks(x, (1,)).view(len(x), x.shape[2], x.shape[3], x.shape[1])


def children(points: Float[Tensor, "B h w K 2"], level: Level) -> Int[Tensor, "B H W K"]:
    """Returns the matches of a level as places of the next finer one.

    A position at twice its parent's coordinates, plus 0 or 1, begins with places at twice the
    parent's matches, plus the same.

    Args:
        points: (B, h, w, K, 2) matches of the coarser level.
        level: the finer level.
    """
    height, width = level.size
    doubled = 2 * points.detach().repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    rows = torch.arange(height, device=points.device) % 2
    columns = torch.arange(width, device=points.device) % 2
    within = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).unsqueeze(2)
    moved = (doubled[:, :height, :width] + within).round_()
    y, x = _on_map(moved, level.exemplar_size).long().unbind(-1)
    return y * level.exemplar_size[1] + x


def surrounding(points: Float[Tensor, "B H W K 2"], size: tuple[int, int]) -> Corners:
    """Returns the positions around points and their bilinear weights.

    Args:
        points: (B, H, W, K, 2) on the map; gradients flow to them from the weights.
        size: (Hz, Wz) of the exemplar's map.
    """
    low = _on_map(points.detach().floor(), (size[0] - 1, size[1] - 1))
    high = _on_map(low + 1, size)
    down, right = (points - low).unbind(-1)
    shares = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
    rows, columns = torch.stack([low, high], dim=-2).long().unbind(-1)
    places = rows.unsqueeze(-1) * size[1] + columns.unsqueeze(-2)
    return Corners(places=places.flatten(3), shares=torch.stack(shares, dim=-1))


def merged(
    weights: Float[Tensor, "B H W n"], places: Int[Tensor, "B H W n"]
) -> tuple[Float[Tensor, "B H W n"], Int[Tensor, "B H W n"]]:
    """Adds up the weights of equal places, since neighbouring points share corners.

    Args:
        weights: (B, H, W, n).
        places: (B, H, W, n) row-major positions.

    Returns:
        Weights and places, the different places first; the rest have weight 0. Gradients flow to
        the weights.
    """
    places, order = places.sort(dim=-1)
    fresh = torch.ones_like(places)
    fresh[..., 1:] = places[..., 1:] != places[..., :-1]
    group = fresh.cumsum(dim=-1) - 1
    sums = torch.zeros_like(weights).scatter_add(-1, group, weights.gather(-1, order))
    return sums, torch.zeros_like(places).scatter(-1, group, places)


def _refine(
    refiner: PatchMatchRefiner,
    level: Level,
    places: Int[Tensor, "B H W K"],
    points: Float[Tensor, "B H W K 2"],
    hidden: Float[Tensor, "B D h w"] | None,
) -> Refinement:
    """Lets the refiner read a level's best matches."""
    height, width = level.size
    rows = torch.arange(height, device=points.device)
    columns = torch.arange(width, device=points.device)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)
    target = (points[..., 0, :] + 0.5) / points.new_tensor(level.exemplar_size)
    offset = target - (grid + 0.5) / points.new_tensor(level.size)
    score = inner_products(level.x, level.z, places[..., :1])
    return refiner(
        level.x.permute(0, 3, 1, 2), offset.permute(0, 3, 1, 2), score.permute(0, 3, 1, 2), hidden
    )


def _on_map(points: Float[Tensor, "... 2"], size: tuple[int, int]) -> Float[Tensor, "... 2"]:
    """Moves points beyond a map of this size to its edge; a side of 0 counts as 1."""
    limit = points.new_tensor([max(side - 1, 0) for side in size])
    return points.clamp(min=torch.zeros_like(limit), max=limit)


def _check_options(
    positions: int, candidates: int, iterations: int, start: int, refiner: PatchMatchRefiner | None
) -> None:
    for name, value, most in (
        ("candidates", candidates, positions),
        ("iterations", iterations, None),
        ("start", start, None),
    ):
        if not is_whole(value) or value < 1 or (most is not None and value > most):
            limit = "at least 1" if most is None else f"1 to {most}, the exemplar's positions"
            raise ValueError(f"{name} is {value!r}, expected a whole number, {limit}")
    if refiner is not None and refiner.candidates != candidates:
        raise ValueError(
            f"candidates is {candidates}, but the refiner was built for {refiner.candidates}; "
            "give the same number"
        )
