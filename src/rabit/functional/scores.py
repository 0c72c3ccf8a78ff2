"""Products with a softmax matrix T that is never stored.

T_ij = softmax over j of (<x_i, z_j> / temperature + bias_j). Every pass computes the scores anew, a
tile of rows and columns at a time, and needs only the logarithm of each row's sum beside the
inputs: memory is linear in the positions, and so is what is kept for the backward pass.

B batch, C channels of the features, V of the values, L rows (query positions), M columns (exemplar
positions).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from rabit.functional.dtype import working_dtype

# Rows of a tile, which has twice as many columns: 2 MB of float32 stay in a CPU's cache, a GPU
# wants more work a call.
ROWS_CPU = 2**9
ROWS_GPU = 2**12


@dataclass(frozen=True)
class RowStatistics:
    """What one pass over the scores finds out about each row; no gradient flows.

    Args:
        places: (B, L) int64, column of the largest logit.
        log_sum: (B, L) logarithm of the sum of exp(logits).
    """

    places: Int[Tensor, "B L"]
    log_sum: Float[Tensor, "B L"]


@dataclass(frozen=True)
class Gathered:
    """T V and what was found out about T's rows.

    Args:
        values: (B, V, L).
        statistics: of the rows.
    """

    values: Float[Tensor, "B V L"]
    statistics: RowStatistics


@dataclass(frozen=True)
class Gradients:
    """Gradients of the scores' inputs and of the values; None for those not asked for."""

    x: Tensor | None
    z: Tensor | None
    bias: Tensor | None
    values: Tensor | None


class Scores:
    """One image's logits, a tile at a time, in float32 (float64 for float64 features).

    Args:
        x: (C, L) features of the query positions.
        z: (C, M) features of the exemplar positions.
        bias: (M,) added to the logits; None for 0.
        temperature: of the softmax.
        tile: rows and columns at a time.
    """

    def __init__(
        self, x: Tensor, z: Tensor, bias: Tensor | None, temperature: float, tile: tuple[int, int]
    ) -> None:
        dtype = working_dtype(x, z)
        # Rows of features are contiguous in each tile: a column of a map is a long stride.
        self.x = x.T.to(dtype, copy=True, memory_format=torch.contiguous_format).div_(temperature)
        self.z = z.T.to(dtype).contiguous()
        self.bias = None if bias is None else bias.to(dtype)
        self.tile = (min(tile[0], len(self.x)), min(tile[1], len(self.z)))
        self._buffer = self.x.new_empty(self.tile[0] * self.tile[1])

    def rows(self) -> Iterator[slice]:
        """Slices of rows."""
        return _slices(len(self.x), self.tile[0])

    def columns(self) -> Iterator[slice]:
        """Slices of columns."""
        return _slices(len(self.z), self.tile[1])

    def logits(self, rows: slice, columns: slice) -> Float[Tensor, "r c"]:
        """Returns a tile of the logits, valid until the next tile is asked for."""
        x, z = self.x[rows], self.z[columns]
        tile = self._buffer[: len(x) * len(z)].view(len(x), len(z))
        torch.mm(x, z.T, out=tile)
        return tile if self.bias is None else tile.add_(self.bias[columns])

    def weights(
        self, rows: slice, columns: slice, log_sum: Float[Tensor, "r 1"]
    ) -> Float[Tensor, "r c"]:
        """Returns a tile of T, negligible weights 0, valid until the next tile is asked for."""
        return truncated_exp_(self.logits(rows, columns).sub_(log_sum))


def truncated_exp_(logits: Tensor) -> Tensor:
    """Exponential in place; results below about 1e-19 in float32 are 0, as `truncated_softmax`.

    An exponential that underflows takes a CPU a hundred times as long.
    """
    least = torch.finfo(logits.dtype).tiny ** 0.5
    return torch.threshold_(logits.clamp_(min=math.log(least) - 1).exp_(), least, 0.0)


def gather_anew(
    x: Tensor,
    z: Tensor,
    bias: Tensor | None,
    values: Float[Tensor, "B V M"],
    temperature: float,
    chunk: int | None,
) -> Gathered:
    """Returns T V without a graph, in the scores' dtype, and finds the statistics in one pass."""
    shape, dtype = (len(x), x.shape[2]), working_dtype(x, z)
    log_sum = x.new_empty(shape, dtype=dtype)
    places = x.new_zeros(shape, dtype=torch.int64)
    out = log_sum.new_empty(*shape, values.shape[1])
    for image, scores in enumerate(_scores(x, z, bias, temperature, chunk)):
        source = values[image].T.to(dtype).contiguous()
        for rows in scores.rows():
            place = places[image, rows]
            best = torch.full_like(log_sum[image, rows], -math.inf)
            total, sums = torch.zeros_like(best), out[image, rows].zero_()
            for columns in scores.columns():
                logits = scores.logits(rows, columns)
                found, where = logits.max(1)
                place.copy_(torch.where(found > best, where + columns.start, place))
                found = torch.maximum(found, best)
                fading = (best - found).exp_()
                weights = truncated_exp_(logits.sub_(found.unsqueeze(1)))
                total.mul_(fading).add_(weights.sum(1))
                sums.mul_(fading.unsqueeze(1)).addmm_(weights, source[columns])
                best = found
            sums.div_(total.unsqueeze(1))
            log_sum[image, rows] = total.log_().add_(best)
    return Gathered(out.transpose(1, 2).contiguous(), RowStatistics(places, log_sum))


def gather(
    x: Tensor,
    z: Tensor,
    bias: Tensor | None,
    values: Float[Tensor, "B V M"],
    log_sum: Tensor,
    temperature: float,
    chunk: int | None,
) -> Float[Tensor, "B V L"]:
    """Returns T V like `softmax_gather`, in the scores' dtype and without a graph."""
    out = log_sum.new_zeros(len(x), x.shape[2], values.shape[1])
    for image, scores in enumerate(_scores(x, z, bias, temperature, chunk)):
        source = values[image].T.to(out.dtype).contiguous()
        for rows in scores.rows():
            total = log_sum[image, rows, None]
            for columns in scores.columns():
                out[image, rows].addmm_(scores.weights(rows, columns, total), source[columns])
    return out.transpose(1, 2).contiguous()


def scatter(
    x: Tensor,
    z: Tensor,
    bias: Tensor | None,
    values: Float[Tensor, "B V L"],
    log_sum: Tensor,
    temperature: float,
    chunk: int | None,
) -> Float[Tensor, "B V M"]:
    """Returns transposed T times V like `softmax_scatter`, without a graph."""
    out = log_sum.new_zeros(len(z), z.shape[2], values.shape[1])
    for image, scores in enumerate(_scores(x, z, bias, temperature, chunk)):
        source = values[image].T.to(out.dtype).contiguous()
        for rows in scores.rows():
            total = log_sum[image, rows, None]
            for columns in scores.columns():
                out[image, columns].addmm_(scores.weights(rows, columns, total).T, source[rows])
    return out.transpose(1, 2).contiguous()


def gradients(
    x: Tensor,
    z: Tensor,
    bias: Tensor | None,
    log_sum: Float[Tensor, "B L"],
    left: Float[Tensor, "B V L"],
    right: Float[Tensor, "B V M"],
    shift: Float[Tensor, "B L"],
    temperature: float,
    chunk: int | None,
    need: tuple[bool, bool, bool, bool],
) -> Gradients:
    """Pulls the gradient of T, left_i · right_j, back to what T is made of, in one pass.

    The logits' gradient is T_ij (left_i · right_j - shift_i).

    Args:
        x: (B, C, L) as above.
        z: (B, C, M) as above.
        bias: (B, M) or None.
        log_sum: (B, L) of `row_statistics`.
        left: (B, V, L).
        right: (B, V, M).
        shift: (B, L) left_i · (T right)_i, the softmax's own normalisation.
        temperature: of the softmax.
        chunk: rows at a time.
        need: whether the gradients of x, z and bias, and transposed T times left, are wanted.

    Returns:
        The gradients, each of its input's dtype.
    """
    need_x, need_z, need_bias, need_values = need
    dtype = log_sum.dtype
    grad_x, grad_z, grad_values = (
        torch.zeros_like(like.transpose(1, 2), dtype=dtype, memory_format=torch.contiguous_format)
        for like in (x, z, right)
    )
    grad_bias = log_sum.new_zeros(len(z), z.shape[2])
    for image, scores in enumerate(_scores(x, z, bias, temperature, chunk)):
        # One more channel takes the shift off inside the product.
        first = torch.cat([left[image].to(dtype), -shift[image, None].to(dtype)]).T.contiguous()
        second = F.pad(right[image].to(dtype), (0, 0, 0, 1), value=1.0).T.contiguous()
        buffer = log_sum.new_empty(scores.tile[0] * scores.tile[1])
        for rows in scores.rows():
            total = log_sum[image, rows, None]
            for columns in scores.columns():
                weights = scores.weights(rows, columns, total)
                if need_values:
                    grad_values[image, columns].addmm_(weights.T, first[rows, :-1])
                if not (need_x or need_z or need_bias):
                    continue
                pull = buffer[: weights.numel()].view_as(weights)
                torch.mm(first[rows], second[columns].T, out=pull).mul_(weights)
                if need_x:
                    grad_x[image, rows].addmm_(pull, scores.z[columns], alpha=1 / temperature)
                if need_z:
                    grad_z[image, columns].addmm_(pull.T, scores.x[rows])
                if need_bias:
                    grad_bias[image, columns] += pull.sum(0)
    return Gradients(
        x=grad_x.transpose(1, 2).to(x.dtype) if need_x else None,
        z=grad_z.transpose(1, 2).to(z.dtype) if need_z else None,
        bias=grad_bias.to(bias.dtype) if need_bias and bias is not None else None,
        values=grad_values.transpose(1, 2).to(right.dtype) if need_values else None,
    )


def _scores(
    x: Tensor, z: Tensor, bias: Tensor | None, temperature: float, chunk: int | None
) -> Iterator[Scores]:
    rows = chunk or (ROWS_CPU if x.device.type == "cpu" else ROWS_GPU)
    tile = (rows, 2 * rows)
    for image in range(len(x)):
        own = None if bias is None else bias[image]
        yield Scores(x[image], z[image], own, temperature, tile)


def _slices(count: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
