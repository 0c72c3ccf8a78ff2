"""Norms without parameters, in front of which SPADE puts its modulation.

Batch and instance norm keep their result for the backward pass, which what follows keeps too, and
not their input, as torch's do. Statistics of half precision features are float32.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as distributed
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rabit.functional.dtype import working_dtype
from rabit.layers.synchronised import Group, synchronised_norm


class BatchNorm(nn.BatchNorm2d):
    """Normalises each channel over the batch and all positions, in evaluation by running averages.

    Args:
        channels: channels of its input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)
        self.group: Group | None = None

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Returns x with zero mean and unit variance in each channel."""
        if not self.training:
            return super().forward(x)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        if self.group is not None:
            running = (self.running_mean, self.running_var)
            return synchronised_norm(x, *running, self.momentum, self.eps, self.group)
        return _Normalised.apply(x, self.running_mean, self.running_var, self.momentum, self.eps)


class InstanceNorm(nn.Module):
    """Normalises each channel of each sample over its positions."""

    def __init__(self, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Returns x with zero mean and unit variance in each channel of each sample."""
        samples = x.reshape(1, -1, *x.shape[2:])
        return _Normalised.apply(samples, None, None, 0.0, self.epsilon).view(x.shape)


class _Normalised(torch.autograd.Function):
    """Zero mean and unit variance in each channel, differentiated from the result."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        running_mean: Tensor | None,
        running_variance: Tensor | None,
        momentum: float,
        epsilon: float,
    ) -> Tensor:
        if x.numel() == x.shape[1]:
            raise ValueError(
                f"features of shape {tuple(x.shape)} have one position a channel, expected more "
                "to normalise over; take larger images or a larger batch"
            )
        running = (running_mean, running_variance)
        if running_mean is None and working_dtype(x) != x.dtype:
            # Statistics have the type of the running averages, even if these are not kept.
            ones = x.new_ones(x.shape[1], dtype=working_dtype(x))
            running = (ones, ones.clone())
        normalised, _, scale = torch.native_batch_norm(
            x, None, None, *running, True, momentum, epsilon
        )
        ctx.save_for_backward(normalised, scale)
        return normalised

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        normalised, scale = ctx.saved_tensors
        # The norm of what is normalised already changes nothing, so its derivative is the
        # projection alone; the norm's own derivative is that times the scale, as a weight.
        statistics = torch.zeros_like(scale), torch.ones_like(scale)
        grad_x, _, _ = torch.ops.aten.native_batch_norm_backward(
            grad, normalised, scale, None, None, *statistics, True, 0.0, [True, False, False]
        )
        return grad_x, None, None, None, None


class PositionalNorm(nn.Module):
    """Normalises over the channels at each position: no batch statistics, so a batch of any size
    gives what its samples give alone (positional normalisation, Li et al. 2019)."""

    def __init__(self, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Returns x with zero mean and unit variance over its channels."""
        # Layer norm over the last axis of a channels-last view is one fused kernel. Its statistics
        # are float32 in any precision; autocast would make its result so too, and what follows.
        last = x.permute(0, 2, 3, 1)
        with torch.autocast(x.device.type, enabled=False):
            normalised = F.layer_norm(last, last.shape[-1:], eps=self.epsilon)
        return normalised.permute(0, 3, 1, 2)


def synchronise_norms(module: nn.Module, group: distributed.ProcessGroup | None = None) -> None:
    """Makes batch norms share their statistics over the processes, in training.

    The running averages are then the same on all processes, and those of one process with the
    whole batch. Torch's own conversion refuses tensors on the CPU. Without a process group, or
    with one process, nothing changes.

    Args:
        module: changed in place; the names of its tensors stay.
        group: of torch.distributed, initialised; None for all processes.
    """
    if not distributed.is_available() or not distributed.is_initialized():
        return
    shared = distributed.get_world_size(group) > 1
    for layer in module.modules():
        if isinstance(layer, BatchNorm):
            layer.group = Group(group) if shared else None


def plain_norm(kind: str, channels: int) -> nn.Module:
    """Builds a norm without learned parameters.

    Args:
        kind: batch (over all processes after `synchronise_norms`), instance, or position.
        channels: channels of its input.

    Returns:
        The norm.
    """
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "instance":
        return InstanceNorm()
    return PositionalNorm()
