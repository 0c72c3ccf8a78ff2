"""Products with a softmax matrix that is never stored, differentiable: see `scores`."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.functional.dtype import full_precision, working_dtype
from rabit.functional.once import first_order
from rabit.functional.scores import (
    Gathered,
    RowStatistics,
    gather,
    gather_anew,
    gradients,
    scatter,
)


@full_precision
def row_statistics(
    x: Float[Tensor, "B C L"],
    z: Float[Tensor, "B C M"],
    bias: Float[Tensor, "B M"] | None,
    temperature: float,
    chunk: int | None = None,
) -> RowStatistics:
    """Finds the largest logit of each row and the logarithm of its sum, in one pass.

    Args:
        x: (B, C, L) features of the query positions.
        z: (B, C, M) features of the exemplar positions.
        bias: (B, M) added to the logits; None for 0.
        temperature: of the softmax, > 0.
        chunk: rows at a time; chosen from the device if None.

    Returns:
        The statistics, float32 (float64 for float64 features).
    """
    with torch.no_grad():
        return gather_anew(x, z, bias, z[:, :0], temperature, chunk).statistics


def softmax_gather(
    x: Float[Tensor, "B C L"],
    z: Float[Tensor, "B C M"],
    bias: Float[Tensor, "B M"] | None,
    values: Float[Tensor, "B V M"],
    temperature: float,
    statistics: RowStatistics | None = None,
    chunk: int | None = None,
) -> Gathered:
    """Returns T V.

    Args:
        x: (B, C, L) features of the query positions.
        z: (B, C, M) features of the exemplar positions.
        bias: (B, M) added to the logits; None for 0.
        values: (B, V, M) values at the exemplar positions.
        temperature: of the softmax, > 0.
        statistics: of the rows, where they are known; else found in the same pass.
        chunk: rows at a time; chosen from the device if None.

    Returns:
        T V, of the values' dtype, and the statistics; gradients flow to x, z, bias and values.
    """
    known = () if statistics is None else (statistics.places, statistics.log_sum)
    out, places, log_sum = _Gather.apply(x, z, bias, values, temperature, chunk, *known)
    return Gathered(out, RowStatistics(places, log_sum))


def softmax_scatter(
    x: Float[Tensor, "B C L"],
    z: Float[Tensor, "B C M"],
    bias: Float[Tensor, "B M"] | None,
    values: Float[Tensor, "B V L"],
    log_sum: Float[Tensor, "B L"],
    temperature: float,
    chunk: int | None = None,
) -> Float[Tensor, "B V M"]:
    """Returns transposed T times V.

    Args:
        x: (B, C, L) features of the query positions.
        z: (B, C, M) features of the exemplar positions.
        bias: (B, M) added to the logits; None for 0.
        values: (B, V, L) values at the query positions.
        log_sum: (B, L) of `row_statistics`; its own gradient is part of this function's.
        temperature: of the softmax, > 0.
        chunk: rows at a time; chosen from the device if None.

    Returns:
        (B, V, M), of the values' dtype; gradients flow to x, z, bias and values.
    """
    return _Scatter.apply(x, z, bias, values, log_sum, temperature, chunk)


def chosen_products(
    x: Float[Tensor, "B C L"], z: Float[Tensor, "B C M"], places: Int[Tensor, "B L"]
) -> Float[Tensor, "B L"]:
    """Returns the inner product of each row with one column.

    Args:
        x: (B, C, L) features of the query positions.
        z: (B, C, M) features of the exemplar positions.
        places: (B, L) column of each row.

    Returns:
        (B, L), float32 (float64 for float64 features); gradients flow to x and z.
    """
    return _ChosenProducts.apply(x, z, places)


class _Gather(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(
        ctx: Any,
        x: Tensor,
        z: Tensor,
        bias: Tensor | None,
        values: Tensor,
        temperature: float,
        chunk: int | None,
        *known: Tensor,
    ) -> tuple[Tensor, ...]:
        if known:
            places, log_sum = known
            wide = gather(x, z, bias, values, log_sum, temperature, chunk)
        else:
            found = gather_anew(x, z, bias, values, temperature, chunk)
            wide, places = found.values, found.statistics.places
            log_sum = found.statistics.log_sum
        out = wide.to(values.dtype)
        ctx.options = (temperature, chunk)
        ctx.save_for_backward(x, z, bias, values, log_sum, out if out.dtype == wide.dtype else wide)
        ctx.mark_non_differentiable(places, log_sum)
        return out, places, log_sum

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, z, bias, values, log_sum, out = ctx.saved_tensors
        temperature, chunk = ctx.options
        shift = (grad * out).sum(1)
        need = ctx.needs_input_grad[:4]
        found = gradients(x, z, bias, log_sum, grad, values, shift, temperature, chunk, need)
        return found.x, found.z, found.bias, found.values, None, None, None, None


class _Scatter(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(
        ctx: Any,
        x: Tensor,
        z: Tensor,
        bias: Tensor | None,
        values: Tensor,
        log_sum: Tensor,
        temperature: float,
        chunk: int | None,
    ) -> Tensor:
        ctx.options = (temperature, chunk)
        ctx.save_for_backward(x, z, bias, values, log_sum)
        return scatter(x, z, bias, values, log_sum, temperature, chunk).to(values.dtype)

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, z, bias, values, log_sum = ctx.saved_tensors
        temperature, chunk = ctx.options
        grad_values = gather(x, z, bias, grad, log_sum, temperature, chunk)
        shift = (values * grad_values).sum(1)
        need = (*ctx.needs_input_grad[:3], False)
        found = gradients(x, z, bias, log_sum, values, grad, shift, temperature, chunk, need)
        return found.x, found.z, found.bias, grad_values.to(values.dtype), None, None, None


class _ChosenProducts(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(ctx: Any, x: Tensor, z: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(x, z, places)
        dtype, index = working_dtype(x, z), places.unsqueeze(1).expand_as(x)
        return z.gather(2, index).to(dtype).mul_(x).sum(1)

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, z, places = ctx.saved_tensors
        index, grad = places.unsqueeze(1).expand_as(x), grad.unsqueeze(1)
        grad_x = (z.gather(2, index) * grad).to(x.dtype) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return grad_x, None, None
        grad_z = torch.zeros_like(z, dtype=grad.dtype).scatter_add_(2, index, x * grad)
        return grad_x, grad_z.to(z.dtype), None
