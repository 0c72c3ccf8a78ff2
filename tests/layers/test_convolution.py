"""Convolutions that keep little: values and gradients of torch's own, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from rabit.layers import convolution
from rabit.layers.convolution import (
    Convolution,
    PaddingMode,
    conv,
    reflect_pad,
    weights_undrawn,
)


def kept_by(run: Callable[[], Tensor]) -> list[Tensor]:
    """Returns what a forward pass keeps for its backward pass."""
    kept: list[Tensor] = []

    def pack(saved: Tensor) -> Tensor:
        kept.append(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        run()
    return kept


def pair(
    spectral: bool, padding_mode: PaddingMode, stride: int = 1, dilation: int = 1
) -> tuple[Convolution, nn.Conv2d]:
    """Returns our layer and torch's with equal weights, in double precision."""
    ours = conv(
        3,
        4,
        stride=stride,
        dilation=dilation,
        spectral_weight=spectral,
        padding_mode=padding_mode,
    ).double()
    plain = nn.Conv2d(
        3, 4, 3, stride, dilation, dilation=dilation, padding_mode=padding_mode
    ).double()
    if spectral:
        spectral_norm(plain)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


@pytest.mark.parametrize("margin", [1, 3])
def test_reflection_equals_torchs_and_keeps_nothing(margin: int) -> None:
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.equal(reflect_pad(x, margin), F.pad(x, (margin,) * 4, mode="reflect"))
    assert not kept_by(lambda: reflect_pad(x, margin))
    assert torch.autograd.gradcheck(lambda x: reflect_pad(x, margin), x[:1, :1])


@pytest.mark.parametrize("margin", [1, 3])
def test_reflection_by_position_equals_torchs_and_keeps_the_layout(
    margin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form for GPUs, which nothing but the layout chooses here."""
    last = torch.channels_last
    by_position = partial(torch.Tensor.is_contiguous, memory_format=last)
    monkeypatch.setattr(convolution, "_by_position", by_position)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64).to(memory_format=last).requires_grad_()
    padded = reflect_pad(x, margin)
    assert torch.equal(padded, F.pad(x, (margin,) * 4, mode="reflect"))
    assert padded.is_contiguous(memory_format=last)
    weight = torch.randn_like(padded)
    (grad,) = torch.autograd.grad(padded, x, weight)
    (expected,) = torch.autograd.grad(F.pad(x, (margin,) * 4, mode="reflect"), x, weight)
    torch.testing.assert_close(grad, expected)
    assert grad.is_contiguous(memory_format=last)
    assert not kept_by(lambda: reflect_pad(x, margin))
    F.leaky_relu(reflect_pad(x, margin), 0.2, inplace=True)  # no view, which would refuse it


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("slope", [None, 0.2])
@pytest.mark.parametrize(
    ("padding_mode", "stride", "dilation"), [("zeros", 2, 1), ("reflect", 1, 1), ("reflect", 1, 2)]
)
def test_values_and_gradients_are_those_of_torchs_layers(
    spectral: bool, slope: float | None, padding_mode: PaddingMode, stride: int, dilation: int
) -> None:
    ours, plain = pair(spectral, padding_mode, stride, dilation)
    x = torch.randn(2, 3, 6, 8, dtype=torch.float64, requires_grad=True)
    # Twice before one backward pass: power iteration gives each pass a weight of its own.
    found = ours(x, slope) + 2 * ours(x + 1, slope)
    first, second = (y if slope is None else F.leaky_relu(y, slope) for y in (x, x + 1))
    expected = plain(first) + 2 * plain(second)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    direction = torch.randn_like(found)
    gradients = [
        torch.autograd.grad(y, (x, *layer.parameters()), direction)
        for y, layer in ((found, ours), (expected, plain))
    ]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_spectral_gradients_are_exact() -> None:
    layer = conv(2, 2, spectral_weight=True, padding_mode="reflect").double().eval()
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: layer(x, 0.2), (x, *layer.parameters()))


def test_only_the_convolved_map_is_kept() -> None:
    layer = conv(3, 4, spectral_weight=True, padding_mode="reflect")
    x = torch.randn(1, 3, 6, 7, requires_grad=True)
    kept = kept_by(lambda: layer(x * 2, 0.2))
    parameters = {parameter.data_ptr() for parameter in layer.parameters()}
    maps = {tuple(v.shape) for v in kept if v.ndim == 4 and v.data_ptr() not in parameters}
    assert maps == {(1, 3, 8, 9)}


def test_spectral_convolution_trains_in_mixed_precision() -> None:
    layer = conv(3, 4, spectral_weight=True).eval()
    x = torch.randn(1, 3, 6, 6, requires_grad=True)
    whole = torch.autograd.grad(layer(x).square().sum(), (x, *layer.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    mixed = torch.autograd.grad(y.float().square().sum(), (x, *layer.parameters()))
    assert y.dtype == torch.bfloat16
    for a, b in zip(mixed, whole, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0.05, atol=0.05 * float(b.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_layer_whose_weights_are_read_is_the_one_they_are_of(dtype: torch.dtype) -> None:
    def layers() -> list[Convolution]:
        return [conv(3, width, spectral_weight=True).to(dtype) for width in (4, 5)]

    drawn = layers()
    with weights_undrawn():
        read = layers()
    for layer, other in zip(read, drawn, strict=True):
        layer.load_state_dict(other.state_dict())
    x = torch.randn(2, 3, 6, 6, dtype=dtype)
    for _ in range(3):  # every forward pass of a training moves the vectors
        for layer, other in zip(read, drawn, strict=True):
            assert torch.equal(layer(x), other(x))
    for layer, other in zip(read, drawn, strict=True):
        assert torch.equal(layer.eval()(x), other.eval()(x))
