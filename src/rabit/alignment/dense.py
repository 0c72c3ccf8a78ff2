"""Dense correspondence between all positions (CoCosNet), the paper's main comparison."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.alignment.correspondence import Correspondence
from rabit.alignment.matrix import BlockMatrix
from rabit.functional.dtype import working_dtype
from rabit.functional.softmax import truncated_softmax


def dense(
    x: Float[Tensor, "B C H W"], z: Float[Tensor, "B C Hz Wz"], temperature: float = 0.01
) -> Correspondence:
    """Builds softmax(cosine / temperature) over all exemplar positions.

    It stores the matrix of H W rows and Hz Wz columns: a reference, for moderate sizes.

    Args:
        x: (B, C, H, W) features of the condition, of length 1.
        z: (B, C, Hz, Wz) features of the exemplar, of length 1.
        temperature: of the softmax, > 0, in units of the cosine.

    Returns:
        The correspondence, with the best cosine of each position as its peak.
    """
    dtype = working_dtype(x, z)
    cosine = x.flatten(2).transpose(1, 2).to(dtype) @ z.flatten(2).to(dtype)
    size, exemplar_size = (x.shape[2], x.shape[3]), (z.shape[2], z.shape[3])
    matrix = BlockMatrix(
        size=size,
        exemplar_size=exemplar_size,
        weights=truncated_softmax(cosine / temperature).unsqueeze(1),
        indices=cosine.new_zeros(len(x), 1, 1, dtype=torch.int64),
        block=size,
        exemplar_block=exemplar_size,
    )
    return Correspondence(matrix=matrix, peak=cosine.amax(-1).view(len(x), 1, *size))
