"""Batch statistics over several processes, exact however the batch is divided among them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as distributed
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from rabit.functional.dtype import full_precision, working_dtype

AXES = (0, 2, 3)


class Group:
    """A group of processes that share statistics; copies of a network share it.

    Args:
        group: of torch.distributed; None for all processes.
    """

    def __init__(self, group: distributed.ProcessGroup | None = None) -> None:
        self.group = group

    def __deepcopy__(self, memo: dict[int, Any]) -> Group:
        return self

    def gather(self, own: Float[Tensor, " n"]) -> Float[Tensor, "P n"]:
        """Returns what every process gives, in the order of the processes."""
        parts = [torch.empty_like(own) for _ in range(distributed.get_world_size(self.group))]
        distributed.all_gather(parts, own, group=self.group)
        return torch.stack(parts)


def synchronised_norm(
    x: Float[Tensor, "B C H W"],
    running_mean: Float[Tensor, " C"] | None,
    running_variance: Float[Tensor, " C"] | None,
    momentum: float | None,
    epsilon: float,
    group: Group,
) -> Float[Tensor, "B C H W"]:
    """Normalises each channel by the statistics of all processes' features, as of one batch.

    Every process has to call this, and its backward pass, as often as the others.

    Args:
        x: (B, C, H, W) this process's features; B, H and W may differ from process to process.
        running_mean: (C,) moved towards the mean in place; None for none.
        running_variance: (C,) moved towards the unbiased variance in place; None for none.
        momentum: share of the new in the running averages.
        epsilon: added to the variance.
        group: processes that share the statistics.

    Returns:
        (B, C, H, W) with zero mean and unit variance in each channel over all processes. The
        gradient is that of the sum of all processes' losses.

    Raises:
        ValueError: all processes together have no more than one position a channel.
    """
    return _SynchronisedNorm.apply(x, running_mean, running_variance, momentum, epsilon, group)


class _SynchronisedNorm(torch.autograd.Function):
    """Keeps the result and the scale, as the norm of one process."""

    @staticmethod
    @full_precision
    def forward(
        ctx: Any,
        x: Tensor,
        running_mean: Tensor | None,
        running_variance: Tensor | None,
        momentum: float,
        epsilon: float,
        group: Group,
    ) -> Tensor:
        wide = x.to(working_dtype(x))
        count, mean, variance = _statistics(wide, group)
        # To read the number waits for the device; two positions of this process are enough.
        if x.numel() < 2 * x.shape[1] and int(count) < 2:
            raise ValueError(
                f"features of shape {tuple(x.shape)} have {int(count)} position(s) a channel on "
                "all processes together, expected more to normalise over; take larger images or a "
                "larger batch"
            )
        if running_mean is not None and running_variance is not None:
            unbiased = variance * (count / (count - 1))
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_variance.lerp_(unbiased.to(running_variance.dtype), momentum)
        scale = (variance + epsilon).rsqrt().to(wide.dtype)
        normalised = (wide - _wide(mean.to(wide.dtype))).mul_(_wide(scale)).to(x.dtype)
        ctx.group, ctx.count = group, count
        ctx.save_for_backward(normalised, scale)
        return normalised

    @staticmethod
    @once_differentiable
    @full_precision
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        normalised, scale = ctx.saved_tensors
        wide, unit = grad.to(scale.dtype), normalised.to(scale.dtype)
        own = torch.stack([wide.sum(AXES), (wide * unit).sum(AXES)]).double()
        sums = ctx.group.gather(own.flatten()).sum(0).view_as(own)
        mean, along = (sums / ctx.count).to(scale.dtype)
        change = (wide - _wide(mean)).addcmul_(unit, _wide(along), value=-1)
        return change.mul_(_wide(scale)).to(grad.dtype), None, None, None, None, None


def _statistics(
    x: Float[Tensor, "B C H W"], group: Group
) -> tuple[Float[Tensor, ""], Float[Tensor, " C"], Float[Tensor, " C"]]:
    """Positions a channel, mean and biased variance over all processes, merged in float64."""
    count = x.numel() // max(x.shape[1], 1)
    mean = x.sum(AXES) / max(count, 1)
    # Deviations from the own mean, not squares: these cancel where the mean is large.
    deviations = (x - _wide(mean)).square_().sum(AXES)
    own = torch.cat([mean.new_full((1,), count, dtype=torch.float64), mean, deviations])
    counts, means, squares = group.gather(own).split([1, len(mean), len(mean)], dim=1)
    total = counts.sum()
    centre = (counts * means).sum(0) / total
    between = counts * (means - centre).square()
    return total, centre, (squares + between).sum(0) / total


def _wide(numbers: Float[Tensor, " C"]) -> Float[Tensor, "1 C 1 1"]:
    return numbers.view(1, -1, 1, 1)
