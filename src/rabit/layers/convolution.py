"""Convolutions of this family of networks, and how their weights start."""

from __future__ import annotations

from typing import Literal

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

PaddingMode = Literal["zeros", "reflect"]


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
) -> nn.Conv2d:
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
    layer = nn.Conv2d(
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


def spectral(layer: nn.Conv2d) -> nn.Conv2d:
    """Divides a convolution's weight by its largest singular value, from now on.

    The weight starts Xavier normal; its gain does not matter, since the norm removes it.
    """
    nn.init.xavier_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    spectral_norm(layer)
    return layer


def initialise(module: nn.Module, gain: float) -> None:
    """Starts every convolution without spectral norm from Xavier normal weights, zero biases.

    Args:
        module: the network whose convolutions are initialised in place.
        gain: Xavier gain; 0.02 in CoCosNet's family, larger trains faster for a short budget.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and not is_parametrized(layer):
            nn.init.xavier_normal_(layer.weight, gain=gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
