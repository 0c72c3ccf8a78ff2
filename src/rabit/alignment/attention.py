"""Second level: attention of each position inside the retrieved blocks (section 3.1)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rabit.alignment.fused import attend, can_fuse_blocks
from rabit.alignment.products import candidate_products
from rabit.functional.softmax import truncated_softmax


def attend_blocks(
    x: Float[Tensor, "B N b C"],
    z: Float[Tensor, "B M c C"],
    indices: Int[Tensor, "B N k"],
    log_mass: Float[Tensor, "B N k"],
    temperature: float,
    chunk: int | None = None,
    counted: Bool[Tensor, "B N k*c"] | None = None,
) -> Float[Tensor, "B N b k*c"]:
    """Weighs the positions of the retrieved blocks by similarity and by the blocks' mass.

    alpha_ij = softmax over the k c candidates of (<x_i, z_j> / temperature + log p_uv): log p is
    what lets the gradient reach the ranking; for a hard selection it is 0.

    Args:
        x: (B, N, b, C) features of the query blocks, of length 1.
        z: (B, M, c, C) features of the exemplar blocks, of length 1.
        indices: (B, N, k) retrieved exemplar blocks, in [0, M).
        log_mass: (B, N, k) log p of the retrieved blocks.
        temperature: of the softmax, > 0, in units of the cosine.
        chunk: query blocks at a time; chosen from the sizes if None.
        counted: (B, N, k c) which candidates compete, one of a row at least; all if None.

    Returns:
        (B, N, b, k c) weights, each row of sum 1; candidates block by block, best block first.
    """
    if counted is None and can_fuse_blocks(x.shape[2], z.shape[2], indices.shape[2], x, z):
        return attend(x, z, indices, log_mass, temperature)
    logits = candidate_products(x, z, indices, chunk) / temperature
    prior = log_mass.repeat_interleave(z.shape[2], dim=-1).unsqueeze(2)
    logits = logits + prior
    if counted is not None:
        logits = logits.masked_fill(~counted.unsqueeze(2), -torch.inf)
    return truncated_softmax(logits)
