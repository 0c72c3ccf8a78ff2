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


def wide_product(
    a: Float[Tensor, "n m"], b: Float[Tensor, "m l"], out: Float[Tensor, "n l"] | None = None
) -> Float[Tensor, "n l"]:
    """Returns a b in the working precision.

    On a GPU half precision operands of one dtype are multiplied as they are and accumulated in
    float32, which its tensor cores do many times faster than a product of float32 operands;
    elsewhere, and where this torch cannot do that, they become float32 first.

    Args:
        a: (n, m).
        b: (m, l).
        out: where to; of the working dtype.
    """
    dtype = working_dtype(a, b)
    if a.is_cuda and a.dtype == b.dtype != dtype and "dtype_out" in torch.ops.aten.mm.overloads():
        if out is None:
            out = a.new_empty(len(a), b.shape[1], dtype=dtype)
        return torch.ops.aten.mm.dtype_out(a, b, dtype, out=out)
    return torch.mm(a.to(dtype), b.to(dtype), out=out)


def wide_difference(x: Float[Tensor, "*S"], y: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Returns |x - y|, in a precision that sums and means can be taken in."""
    dtype = working_dtype(x, y)
    return (x.to(dtype) - y.to(dtype)).abs()


def full_precision(compute: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Keeps autocast out of a forward or backward pass, which then has the types that it asks for.

    Autocast turns matrix products of float32 tensors into half precision ones, and it is on in a
    backward pass that is started inside of it.

    Args:
        compute: has a tensor among its arguments, whose device is the one that is meant; in a
            backward pass without any gradient it has none.
    """

    @wraps(compute)
    def outside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        devices = (each.device.type for each in args if isinstance(each, Tensor))
        device = next(devices, None)
        if device is None or not torch.is_autocast_enabled(device):
            return compute(*args, **kwargs)
        with torch.autocast(device, enabled=False):
            return compute(*args, **kwargs)

    return outside
