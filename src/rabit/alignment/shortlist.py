"""A shortlist in front of the ranking: means of blocks choose which ones are compared exactly.

Scores of concatenated features take b times the operations of scores of means. Where most blocks
are out of the question, the means tell so.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.alignment.levels import rank_candidates
from rabit.alignment.ranking import CHUNKS_A_PRODUCT, Ranking, row_scores, rows_at_once
from rabit.functional.dtype import working_dtype
from rabit.functional.normalise import unit_vectors
from rabit.functional.threshold import largest
from rabit.functional.topk import check_topk


def rank_shortlist(
    x: Float[Tensor, "B N b C"],
    z: Float[Tensor, "B M b C"],
    k: int,
    epsilon: float,
    shortlist: int,
    chunk: int | None = None,
) -> Ranking:
    """Ranks the blocks whose mean features are most alike, by their concatenated features.

    With a shortlist of all blocks it is `rank_blocks`. The choice itself has no gradient.

    Args:
        x: (B, N, b, C) query blocks, features of length 1.
        z: (B, M, b, C) exemplar blocks, features of length 1.
        k: blocks to retrieve, at most those on the shortlist.
        epsilon: regularisation of the top-k in score units, > 0.
        shortlist: blocks that compete for each query block; all if there are fewer.
        chunk: query blocks at a time; chosen from the sizes if None.

    Returns:
        The ranking, float32 (float64 for float64 features).

    Raises:
        ValueError: k outside of 1..shortlist, or epsilon not positive.
    """
    count = min(shortlist, z.shape[1])
    check_topk(count, k, epsilon)
    chosen = _most_alike(x, z, count, chunk)
    queries, exemplars = (side.flatten(2).unsqueeze(2) for side in (x, z))
    prior = torch.zeros(chosen.shape, dtype=working_dtype(x, z), device=x.device)
    scale = 1 / x.shape[2]
    return rank_candidates(queries, exemplars, chosen, prior, k, epsilon, scale, chunk)


@torch.no_grad()
def _most_alike(x: Tensor, z: Tensor, count: int, chunk: int | None) -> Int[Tensor, "B N count"]:
    """Returns the blocks with the most similar means, in ascending order."""
    queries, exemplars = (unit_vectors(side.mean(2), dim=-1) for side in (x, z))
    together = CHUNKS_A_PRODUCT if x.device.type == "cpu" else 1
    found = [
        largest(scores, count)[1]
        for own, exemplar in zip(queries, exemplars, strict=True)
        for _, product in row_scores(own, exemplar, 1.0, chunk, together)
        for scores in product.split(rows_at_once(queries, exemplars, chunk))
    ]
    # Ascending, so that of equal scores the ranking takes the first block on the list, which is the
    # first of all unless more are equal than the list holds.
    return torch.cat(found).sort(dim=1).values.view(*x.shape[:2], count)
