"""The precision that sums and exponentials are computed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """Returns float64 if one of the tensors is float64, else float32.

    Half precision inputs are stored as they are, but their products accumulate in float32.
    """
    wide = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if wide else torch.float32


def wide_difference(x: Float[Tensor, "*S"], y: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Returns |x - y|, in a precision that sums and means can be taken in."""
    dtype = working_dtype(x, y)
    return (x.to(dtype) - y.to(dtype)).abs()


def full_precision(compute: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Keeps autocast out of a forward or backward pass, which then has the types that it asks for.

    Autocast turns matrix products of float32 tensors into half precision ones, and it is on in a
    backward pass that is started inside of it.

    Args:
        compute: has a tensor among its arguments, whose device is the one that is meant.
    """

    @wraps(compute)
    def outside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        device = next(each.device.type for each in args if isinstance(each, Tensor))
        with torch.autocast(device, enabled=False):
            return compute(*args, **kwargs)

    return outside
