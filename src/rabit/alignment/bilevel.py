"""The paper's correspondence: blocks are ranked, positions attend inside the retrieved blocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from rabit.alignment.attention import attend_blocks
from rabit.alignment.border import bordered
from rabit.alignment.correspondence import Correspondence
from rabit.alignment.fused_bilevel import can_fuse_levels, fused_bilevel
from rabit.alignment.levels import Descriptor, in_row_major, rank_levels
from rabit.alignment.matrix import BlockMatrix
from rabit.alignment.products import candidate_products
from rabit.alignment.ranking import Ranking
from rabit.alignment.shortlist import rank_shortlist
from rabit.config import CONFIDENCES, DESCRIPTORS
from rabit.functional.blocks import from_nested_blocks, nested_order, overlapping_blocks
from rabit.functional.finite import check_finite
from rabit.functional.normalise import unit_blocks

Confidence = Literal["block", "position"]


def bilevel(
    x: Float[Tensor, "B C H W"],
    z: Float[Tensor, "B C Hz Wz"],
    block: int = 2,
    k: int = 3,
    temperature: float = 0.01,
    epsilon: float = 0.04,
    descriptor: Descriptor = "concat",
    coarse: Sequence[int] = (),
    coarse_k: int = 16,
    border: int = 0,
    overlap: bool = False,
    shortlist: int = 0,
    confidence: Confidence = "block",
    chunk: int | None = None,
) -> Correspondence:
    """Builds the bi-level correspondence: top-k ranking of blocks, attention inside them.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar.
        block: side of the blocks in positions; divides all four sizes.
        k: exemplar blocks that each query block retrieves.
        temperature: of the attention, > 0, in units of the cosine.
        epsilon: of the ranking, > 0; 4 / epsilon = 1 / temperature gives both levels one slope.
        descriptor: of a block, "concat" (the paper) or "mean", see `describe_levels`.
        coarse: sides of larger blocks that are ranked first, largest first, each a multiple of the
            next and the last of `block`; the largest divides all four sizes. None is the paper.
        coarse_k: larger blocks that are retrieved, at most as many as there are.
        border: positions around each retrieved block that attention sees as well, with the block's
            mass; the best block's where borders overlap. 0 is the paper. A block of the exemplar
            that lies across its grid is none that can be retrieved; with a border of block - 1 all
            of its positions are seen if any block that holds one of them is.
        overlap: whether the exemplar's blocks begin at every position instead of lying on a grid:
            about b times as many are ranked, and none lies across. A position of several retrieved
            blocks counts once, with the best one's mass. False is the paper; not with `coarse`.
        shortlist: blocks with the most similar means that compete for each query block, at least
            k, see `rank_shortlist`: with 16 nearly the same ranking for b times fewer operations.
            0, the paper, is all blocks; not with `coarse` or the descriptor "mean".
        confidence: the peak of a "block", its best score in the ranking (the paper), or of each
            "position", its best cosine in the retrieved blocks.
        chunk: query blocks at a time; chosen from the sizes if None.

    Returns:
        The correspondence, with the ranking's mass, threshold and residual.

    Raises:
        ValueError: features that are not finite or whose squares overflow, a block that does not
            divide the maps or the larger blocks, k larger than the number of exemplar blocks to
            choose from, epsilon not positive, a negative border or shortlist, a shortlist of fewer
            than k blocks, blocks that overlap inside larger ones, a shortlist in front of them or
            of means, or an unknown descriptor or confidence.
    """
    _check_options(k, coarse, coarse_k, border, overlap, shortlist, descriptor, confidence)
    size, exemplar_size = (x.shape[2], x.shape[3]), (z.shape[2], z.shape[3])
    by_position = border > 0 or overlap
    plain = confidence == "block" and not (coarse or by_position or shortlist)
    if plain and descriptor in DESCRIPTORS and can_fuse_levels(x, z, block, k):
        mean = descriptor == "mean"
        ranking, weights = fused_bilevel(x, z, block, k, temperature, epsilon, chunk, mean)
        places = ranking.indices
    else:
        check_finite(x, z)
        sides = (*coarse, block)
        queries, exemplars = unit_blocks(x, sides), unit_blocks(z, sides)
        ranked = exemplars
        if overlap:
            ranked = overlapping_blocks(from_nested_blocks(exemplars, exemplar_size, sides), block)
        if shortlist:
            ranking = rank_shortlist(queries, ranked, k, epsilon, shortlist, chunk)
        else:
            counts = _counts(z, sides, k, coarse_k)
            ranking = rank_levels(queries, ranked, sides, counts, epsilon, descriptor, chunk)
        weights, places = _attend(
            queries, exemplars, ranking, exemplar_size, sides, border, overlap, temperature, chunk
        )
        if confidence == "position":
            best = candidate_products(queries, ranked, ranking.indices, chunk).amax(-1)
            cosine = from_nested_blocks(best.unsqueeze(-1), size, sides)
    if coarse:
        rows = nested_order(size, sides, x.device)
        ranking = in_row_major(ranking, rows, nested_order(exemplar_size, sides, x.device))
        weights, places = (each[:, rows.argsort()] for each in (weights, places))
    if confidence == "block":
        cosine = ranking.peak.view(len(x), 1, size[0] // block, size[1] // block)
    matrix = BlockMatrix(
        size=size,
        exemplar_size=exemplar_size,
        weights=weights,
        indices=places if by_position else ranking.indices,
        block=(block, block),
        exemplar_block=(1, 1) if by_position else (block, block),
        cosine=cosine,
    )
    return Correspondence(
        matrix=matrix,
        mass=ranking.mass,
        threshold=ranking.threshold,
        residual=ranking.residual,
    )


def _check_options(
    k: int,
    coarse: Sequence[int],
    coarse_k: int,
    border: int,
    overlap: bool,
    shortlist: int,
    descriptor: Descriptor,
    confidence: Confidence,
) -> None:
    for name, number in (("border", border), ("shortlist", shortlist)):
        if number < 0:
            raise ValueError(f"{name} is {number}, expected 0 (none) or more")
    if coarse and coarse_k < 1:
        raise ValueError(f"coarse_k is {coarse_k}, expected 1 or more")
    if 0 < shortlist < k:
        raise ValueError(
            f"shortlist is {shortlist} and k {k}, expected a shortlist of at least k blocks, or 0 "
            "for all"
        )
    if shortlist and (coarse or descriptor == "mean"):
        raise ValueError(
            f"shortlist is {shortlist}, coarse {tuple(coarse)} and descriptor {descriptor!r}: a "
            "shortlist stands in front of two levels and concatenated features; leave one out"
        )
    if overlap and coarse:
        raise ValueError(
            f"overlap is on and coarse is {tuple(coarse)}: blocks inside larger ones lie on their "
            "grid; leave one of them out"
        )
    if confidence not in CONFIDENCES:
        raise ValueError(f"confidence is {confidence!r}, expected 'block' or 'position'")


def _attend(
    queries: Float[Tensor, "B N b C"],
    exemplars: Float[Tensor, "B M b C"],
    ranking: Ranking,
    exemplar_size: tuple[int, int],
    sides: Sequence[int],
    border: int,
    overlap: bool,
    temperature: float,
    chunk: int | None,
) -> tuple[Float[Tensor, "B N b K"], Int[Tensor, "B N L"]]:
    """Returns the weights of the second level, and what they are of: the retrieved blocks or, with
    a border or blocks that overlap, positions in row-major order.
    """
    found, mass = ranking.indices, ranking.log_mass
    if not (border or overlap):
        return attend_blocks(queries, exemplars, found, mass, temperature, chunk), found
    row_major = found if overlap else nested_order(exemplar_size, sides, found.device)[found]
    places, counted = bordered(row_major, exemplar_size, sides[-1], border, overlap)
    nested = nested_order(exemplar_size, (*sides, 1), found.device).argsort()[places]
    mass = mass.repeat_interleave(places.shape[2] // found.shape[2], dim=-1)
    positions = exemplars.flatten(1, 2).unsqueeze(2)
    weights = attend_blocks(queries, positions, nested, mass, temperature, chunk, counted)
    return weights, places


def _counts(z: Tensor, sides: Sequence[int], k: int, coarse_k: int) -> list[int]:
    """How many blocks each level retrieves: no more larger ones than there are to choose from."""
    counts, available = [], (z.shape[2] // sides[0]) * (z.shape[3] // sides[0])
    for large, small in pairwise(sides):
        counts.append(min(coarse_k, available))
        available = counts[-1] * (large // small) ** 2
    return [*counts, k]
