"""SPADE, residual and non-local blocks, and the parameter-free norms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from rabit.layers.convolution import conv, initialise
from rabit.layers.normalisation import PositionalNorm, plain_norm
from rabit.layers.residual import NonLocal, Residual
from rabit.layers.spade import SLOPE, Spade, SpadeResidual


def test_positional_norm_equals_the_plain_formula() -> None:
    x = torch.randn(2, 7, 4, 5, dtype=torch.float64, requires_grad=True)
    variance, mean = torch.var_mean(x, dim=1, keepdim=True, unbiased=False)
    expected = (x - mean) / torch.sqrt(variance + 1e-5)
    torch.testing.assert_close(PositionalNorm()(x), expected)
    assert torch.autograd.gradcheck(PositionalNorm(), x[:1, :, :2, :2])


def test_positional_norm_stays_in_half_precision_under_autocast() -> None:
    x = torch.randn(2, 7, 4, 5).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert PositionalNorm()(x).dtype == torch.bfloat16
    torch.testing.assert_close(
        PositionalNorm()(x).float(), PositionalNorm()(x.float()), atol=0.02, rtol=0.02
    )


def test_positional_norm_does_not_mix_samples() -> None:
    x = torch.randn(3, 6, 4, 4)
    torch.testing.assert_close(PositionalNorm()(x)[1:2], PositionalNorm()(x[1:2]))


@pytest.mark.parametrize("kind", ["batch", "instance", "position"])
def test_plain_norms_have_no_parameters(kind: str) -> None:
    assert not list(plain_norm(kind, 4).parameters())


def test_spade_follows_its_formula() -> None:
    spade = Spade(3, 2, 4, "position")
    x, guide = torch.randn(2, 3, 5, 5), torch.randn(2, 2, 5, 5)
    gamma, beta = spade.modulation(F.relu(spade.shared(guide))).chunk(2, dim=1)
    torch.testing.assert_close(spade(x, guide), PositionalNorm()(x) * (1 + gamma) + beta)


def test_spade_residual_resizes_its_guide_and_changes_channels() -> None:
    block = SpadeResidual(6, 4, 2, 3, "position")
    x, guide = torch.randn(1, 6, 8, 8), torch.randn(1, 2, 16, 16)
    small = F.interpolate(guide, size=(8, 8), mode="nearest")
    assert block.eval()(x, guide).shape == (1, 4, 8, 8)
    torch.testing.assert_close(block(x, guide), block(x, small))
    assert not torch.equal(block(x, guide), block(x, -guide))


def test_a_learned_shortcut_is_guided_where_it_is_asked_for() -> None:
    x, guide = torch.randn(1, 6, 8, 8), torch.randn(1, 2, 8, 8)
    for shortcut in ("plain", "spade"):
        block = SpadeResidual(6, 4, 2, 3, "position", shortcut=shortcut).eval()
        inside = block.conv_in(block.spade_in(x, guide), SLOPE)
        inside = block.conv_out(block.spade_out(inside, guide), SLOPE)
        assert (block.spade_shortcut is not None) == (shortcut == "spade")
        seen = x if block.spade_shortcut is None else block.spade_shortcut(x, guide)
        torch.testing.assert_close(block(x, guide) - inside, block.shortcut(seen))
    assert SpadeResidual(4, 4, 2, 3, "position", shortcut="spade").spade_shortcut is None


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_convolutions_keep_the_size(dilation: int) -> None:
    layer = conv(3, 5, dilation=dilation, padding_mode="reflect")
    assert layer(torch.randn(1, 3, 9, 12)).shape == (1, 5, 9, 12)


def test_spectral_weights_have_norm_one_from_the_start() -> None:
    layer = conv(16, 16, spectral_weight=True).eval()
    norm = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).detach()
    assert 0.9 < float(norm) < 1.2


def test_initialise_sets_the_gain_also_of_parameters_that_spectral_norm_divides() -> None:
    plain: Any = conv(64, 64)
    divided: Any = conv(64, 64, spectral_weight=True).eval()
    before = divided.weight.clone()
    initialise(torch.nn.Sequential(plain, divided), 0.02)
    for parameter in (plain.weight, divided.parametrizations.weight.original):
        deviation = float(parameter.detach().std())
        assert deviation == pytest.approx(0.02 * (2 / (2 * 64 * 9)) ** 0.5, rel=0.05)
    torch.testing.assert_close(divided.weight, before)


def test_non_local_attends_over_all_positions() -> None:
    block = NonLocal(16).eval()
    x = torch.randn(1, 16, 6, 6)
    moved = x.clone()
    moved[..., 5, 5] += 3
    difference = (block(moved) - block(x)).abs().sum(dim=1)[0]
    assert float(difference[0, 0].detach()) > 0
    query, key, value = (layer(x).flatten(2)[0] for layer in (block.query, block.key, block.value))
    weights = torch.softmax(query.T @ key / query.shape[0] ** 0.5, dim=1)
    expected = x + block.strength * (value @ weights.T).view_as(x)
    torch.testing.assert_close(block(x), expected)


def test_non_local_keeps_no_matrix_of_all_pairs() -> None:
    block, kept = NonLocal(16), []

    def pack(saved: torch.Tensor) -> torch.Tensor:
        kept.append(saved.numel())
        return saved

    x = torch.randn(1, 16, 16, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        block(x)
    assert max(kept) == x.numel()


def test_non_local_has_the_gradients_of_its_formula() -> None:
    block = NonLocal(16).double().eval()
    x = torch.randn(2, 16, 5, 6, dtype=torch.float64, requires_grad=True)
    query, key, value = (layer(x).flatten(2) for layer in (block.query, block.key, block.value))
    weights = torch.softmax(query.transpose(1, 2) @ key / query.shape[1] ** 0.5, dim=2)
    expected = x + block.strength * (value @ weights.transpose(1, 2)).view_as(x)
    direction = torch.randn_like(x)
    gradients = [
        torch.autograd.grad(y, (x, *block.parameters()), direction) for y in (block(x), expected)
    ]
    for found, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(found, plain, rtol=1e-9, atol=1e-11)


def test_residual_keeps_the_shape() -> None:
    assert Residual(5)(torch.randn(2, 5, 7, 9)).shape == (2, 5, 7, 9)
