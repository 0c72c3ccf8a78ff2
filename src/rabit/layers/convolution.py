"""Convolutions of this family of networks, and how their weights start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from functools import cache
from typing import Any, Literal, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

PaddingMode = Literal["zeros", "reflect"]
ConvolutionType = TypeVar("ConvolutionType", bound=nn.Conv2d)

_undrawn: ContextVar[bool] = ContextVar("undrawn", default=False)


class Convolution(nn.Conv2d):
    """A convolution that keeps little for its backward pass.

    Kept are the numbers that it multiplies with the weight, once: not the map in front of a
    reflection, nor in front of an activation on the reflected map, nor a weight with spectral
    norm, which is divided again from the parameter.
    """

    def reset_parameters(self) -> None:
        """Draws torch's weights for a start, but where weights are left undrawn."""
        if not _undrawn.get():
            super().reset_parameters()

    def forward(
        self, x: Float[Tensor, "B C H W"], slope: float | None = None
    ) -> Float[Tensor, "B D h w"]:
        """Returns the convolved features.

        Args:
            x: (B, C, H, W) features.
            slope: of a leaky ReLU in front of the convolution; none if None.
        """
        padding = tuple(int(side) for side in self.padding)
        padded = self.padding_mode == "reflect" and padding[0] > 0
        if padded:
            x, padding = reflect_pad(x, padding[0]), (0, 0)
        if slope is not None:
            # Each position has its activation, so the padded copy can take it, in place.
            x = F.leaky_relu(x, slope, inplace=padded)
        weight, steps = self.weight, (self.stride, padding, self.dilation)
        if not is_parametrized(self):
            return F.conv2d(x, weight, self.bias, *steps)
        spectral: Any = self.parametrizations
        original, vectors = spectral.weight.original.detach(), spectral.weight[0]
        # The weight's own divisor once more, from the vectors that its division has just used.
        sigma = torch.vdot(vectors._u, torch.mv(original.flatten(1), vectors._v))
        return _SpectralConvolution.apply(x, weight, self.bias, original, sigma, steps)


def reflect_pad(x: Float[Tensor, "B C H W"], margin: int) -> Float[Tensor, "B C h w"]:
    """Pads both axes by reflection; unlike torch's padding it keeps nothing for the backward pass.

    Args:
        x: (B, C, H, W) features.
        margin: positions added at each side, smaller than H and W.

    Returns:
        (B, C, H + 2 margin, W + 2 margin).
    """
    return _ReflectPad.apply(x, margin)


class _ReflectPad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, margin: int) -> Tensor:
        ctx.margin = margin
        if not _by_position(x):
            return F.pad(x, (margin,) * 4, mode="reflect")
        # Torch pads two axes on a GPU in the layout of planes alone, and the copies there and back
        # take longer than the padding. Three axes, the last one not padded, keep the layout.
        batch, channels, height, width = x.shape
        shape = (batch, channels, height + 2 * margin, width + 2 * margin)
        # Written into, not viewed: what follows changes it in place.
        padded = torch.empty(
            shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last
        )
        volume, room = (each.permute(0, 2, 3, 1)[:, None] for each in (x, padded))
        torch.ops.aten.reflection_pad3d.out(volume, [0, 0, *(margin,) * 4], out=room)
        return padded

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        margin: int = ctx.margin
        if _by_position(grad):
            return _fold(_fold(grad, 2, margin), 3, margin), None
        inside = slice(margin, -margin)
        # Only the shape and the layout of the second argument are read.
        like = grad[..., inside, inside]
        return torch.ops.aten.reflection_pad2d_backward(grad, like, [margin] * 4), None


def _by_position(x: Tensor) -> bool:
    """Whether features lie on a GPU with the channels of each position side by side."""
    return x.device.type == "cuda" and x.is_contiguous(memory_format=torch.channels_last)


def _fold(grad: Tensor, axis: int, margin: int) -> Tensor:
    """Adds the gradients of what was reflected on one axis to those of where it came from."""
    length = grad.shape[axis] - 2 * margin
    folded = grad.narrow(axis, margin, length).contiguous(memory_format=torch.channels_last)
    before, after = grad.narrow(axis, 0, margin), grad.narrow(axis, length + margin, margin)
    folded.narrow(axis, 1, margin).add_(before.flip(axis))
    folded.narrow(axis, length - 1 - margin, margin).add_(after.flip(axis))
    return folded


class _SpectralConvolution(torch.autograd.Function):
    """Convolves with a divided weight, and divides the parameter again for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        original: Tensor,
        sigma: Tensor,
        steps: Any,
    ) -> Tensor:
        ctx.save_for_backward(x, original, sigma)
        ctx.steps, ctx.bias_shape = steps, None if bias is None else list(bias.shape)
        return F.conv2d(x, weight, bias, *steps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, original, sigma = ctx.saved_tensors
        weight = original / sigma
        # In mixed precision the gradient has the type that the convolution was computed in.
        operands = (grad, x.to(grad.dtype), weight.to(grad.dtype))
        grads = torch.ops.aten.convolution_backward(
            *operands, ctx.bias_shape, *ctx.steps, False, [0, 0], 1, ctx.needs_input_grad[:3]
        )
        types = (x.dtype, weight.dtype, weight.dtype)
        cast = (g if g is None else g.to(t) for g, t in zip(grads, types, strict=True))
        return *cast, None, None, None


def conv(
    channels_in: int,
    channels_out: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    bias: bool = True,
    spectral_weight: bool = False,
    padding_mode: PaddingMode = "zeros",
) -> Convolution:
    """Builds a convolution that keeps the size at stride 1.

    Args:
        channels_in: input channels.
        channels_out: output channels.
        kernel: odd side of the kernel.
        stride: step of the kernel.
        dilation: spacing of the kernel's taps.
        bias: whether to add a bias (leave it out in front of a norm that would remove it).
        spectral_weight: whether to divide the weight by its largest singular value.
        padding_mode: zeros or reflect.

    Returns:
        The convolution, with spectral norm where asked for.
    """
    layer = Convolution(
        channels_in,
        channels_out,
        kernel,
        stride=stride,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        bias=bias,
        padding_mode=padding_mode,
    )
    return spectral(layer) if spectral_weight else layer


def spectral(layer: ConvolutionType) -> ConvolutionType:
    """Divides a convolution's weight by its largest singular value, from now on.

    The weight starts Xavier normal with gain 1.
    """
    if _undrawn.get():
        # Torch's takes 15 steps towards the singular vectors, which are read with the weight.
        norm = deepcopy(_smallest_norm())
        norm._u, norm._v = map(layer.weight.new_empty, layer.weight.detach().flatten(1).shape)
        register_parametrization(layer, "weight", norm, unsafe=True)
        return layer
    _start(layer, gain=1.0)
    spectral_norm(layer)
    return layer


@cache
def _smallest_norm() -> Any:
    """Torch's spectral norm, of one weight."""
    layer: Any = spectral_norm(nn.Conv2d(1, 1, 1))
    return layer.parametrizations.weight[0]


def hold_spectral(network: nn.Module) -> None:
    """Leaves the vectors of every spectral norm as they are, from now on, in every mode.

    Otherwise each forward pass of a training moves them, so that a batch that is computed in parts
    would be divided by other singular values than one that is computed at once.
    """
    for layer in _spectral_layers(network):
        layer.parametrizations.weight[0].training = False


def advance_spectral(network: nn.Module) -> None:
    """Takes one step of every spectral norm's power iteration towards the singular vectors."""
    for layer in _spectral_layers(network):
        norm = layer.parametrizations.weight[0]
        norm.training = True
        with torch.no_grad():
            norm(layer.parametrizations.weight.original)
        norm.training = False


def _spectral_layers(network: nn.Module) -> list[Any]:
    """Returns the convolutions with spectral norm, the only parametrised ones."""
    return [m for m in network.modules() if isinstance(m, nn.Conv2d) and is_parametrized(m)]


def initialise(module: nn.Module, gain: float) -> None:
    """Starts every convolution from Xavier normal weights and zero biases.

    What a convolution with spectral norm computes first does not depend on the gain, but how far a
    step of Adam moves it does: the smaller its parameter, the farther.

    Args:
        module: the network whose convolutions are initialised in place.
        gain: Xavier gain; 0.02 in CoCosNet's family, larger trains faster for a short budget.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and not is_parametrized(layer):
            _start(layer, gain)
    for layer in _spectral_layers(module):
        if not _undrawn.get():
            layer.parametrizations.weight.original.detach().mul_(gain)


def _start(layer: nn.Conv2d, gain: float) -> None:
    if _undrawn.get():
        return
    nn.init.xavier_normal_(layer.weight, gain=gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


@contextmanager
def weights_undrawn() -> Iterator[None]:
    """Leaves the weights of convolutions that are made inside as their memory comes.

    For those whose every weight is read from a file next: to draw them first takes as long again.
    """
    token = _undrawn.set(True)
    try:
        yield
    finally:
        _undrawn.reset(token)
