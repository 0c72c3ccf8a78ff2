"""The precision that sums and exponentials are computed in."""

from __future__ import annotations

import torch
from torch import Tensor


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """Returns float64 if one of the tensors is float64, else float32.

    Half precision inputs are stored as they are, but their products accumulate in float32.
    """
    wide = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if wide else torch.float32
