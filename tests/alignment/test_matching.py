from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rabit.alignment import Correspondence, correspond
from rabit.functional.normalise import unit_features

METHODS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ranking", {}),
    ("ranking", {"descriptor": "mean", "k": 2}),
    ("ranking", {"block": 4, "k": 1}),
    ("dense", {}),
    ("dense-stored", {}),
    ("transport", {}),
    ("transport", {"temperature": 0.005, "tolerance": 1e-3}),
    ("patchmatch", {}),
    ("patchmatch", {"candidates": 8, "start": 4}),
)


def features(*size: int, batch: int = 2, channels: int = 12, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, *size, generator=generator)


def matrix(built: Correspondence) -> Tensor:
    """T, read off by warping the identity: (B, H W, Hz Wz)."""
    height, width = built.exemplar_size
    identity = torch.eye(height * width).view(1, -1, height, width)
    batch = len(built.peak)
    return built.warp(identity.expand(batch, -1, -1, -1)).flatten(2).transpose(1, 2)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_identical_features_match_themselves(method: str, options: dict[str, Any]) -> None:
    x, values = features(8, 12), features(8, 12, channels=3, seed=1)
    built = correspond(x, x, method, **options)
    assert torch.allclose(built.warp(values), values, atol=1e-3)
    back = built.warp_back(values)
    assert bool(back.received.all())
    assert torch.allclose(back.values, values, atol=1e-3)
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(12.0), indexing="ij")
    grid = torch.stack([columns, rows], dim=-1).expand(2, -1, -1, -1)
    assert torch.equal(built.matches(), grid)
    assert torch.allclose(built.confidence, torch.ones(2, 1, 8, 12), atol=1e-5)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_different_sizes(method: str, options: dict[str, Any]) -> None:
    x, z = features(8, 16), features(12, 4, seed=1)
    built = correspond(x, z, method, **options)
    table = matrix(built)
    assert table.shape == (2, 128, 48)
    assert torch.allclose(table.sum(2), torch.ones(2, 128), atol=1e-5)
    values = features(12, 4, channels=3, seed=2)
    warped = torch.einsum("bij,bcj->bci", table, values.flatten(2)).view(2, 3, 8, 16)
    assert torch.allclose(built.warp(values), warped, atol=1e-5)
    best = table.argmax(2).view(2, 8, 16)
    assert torch.equal(built.matches(), torch.stack([best % 4, best // 4], dim=-1).float())


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_warp_back_averages(method: str, options: dict[str, Any]) -> None:
    x, z = features(4, 8), features(12, 4, seed=1)
    built = correspond(x, z, method, **options)
    table, values = matrix(built), features(4, 8, channels=3, seed=2)
    mass = table.sum(1)
    back = built.warp_back(values)
    assert torch.equal(back.received.flatten(1), mass >= 1e-3)
    expected = torch.einsum("bij,bci->bcj", table, values.flatten(2)) / mass.unsqueeze(1)
    expected = expected.where(back.received.flatten(2), torch.zeros(()))
    assert torch.allclose(back.values.flatten(2), expected, atol=1e-4)


def test_positions_without_mass_are_marked() -> None:
    exemplar = features(4, 4, batch=1)
    query = exemplar[:, :, :2, :2].repeat(1, 1, 2, 2)
    back = correspond(query, exemplar, k=1).warp_back(torch.ones(1, 1, 4, 4))
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[:2, :2] = True
    assert torch.equal(back.received[0, 0], expected)
    assert torch.equal(back.values[0, 0], expected.float())


def test_all_blocks_with_flat_mass_are_dense() -> None:
    x, z = features(6, 8), features(4, 10, seed=1)
    values = features(4, 10, channels=3, seed=2)
    ranking = correspond(x, z, k=10, epsilon=100.0, temperature=0.05)
    dense = correspond(x, z, "dense", temperature=0.05)
    assert torch.allclose(ranking.warp(values), dense.warp(values), atol=1e-5)
    flat = correspond(x, z, k=9, epsilon=100.0, temperature=0.05)
    assert not torch.allclose(flat.warp(values), dense.warp(values), atol=1e-5)


def test_confidence() -> None:
    x, z = features(4, 8), features(6, 4, seed=1)
    first, second = unit_features(x), unit_features(z)
    cosine = torch.einsum("bchw,bcj->bhwj", first, second.flatten(2)).amax(-1)
    dense = correspond(x, z, "dense").confidence
    assert torch.allclose(dense[:, 0], cosine.clamp(0, 1), atol=1e-6)
    ranking = correspond(x, z).confidence
    assert ranking.shape == (2, 1, 4, 8)
    block = ranking.view(2, 2, 2, 4, 2)
    assert torch.equal(block, block[:, :, :1, :, :1].expand_as(block))
    opposite = correspond(x[..., :2, :2], -x[..., :2, :2], k=1)
    assert float(opposite.peak.max()) < 0
    assert float(opposite.confidence.max()) == 0


@pytest.mark.parametrize("method", ("ranking", "dense", "dense-stored", "transport"))
def test_gradient_through_everything(method: str) -> None:
    x = features(4, 4, batch=1, channels=3).double().requires_grad_()
    z = features(2, 6, batch=1, channels=3, seed=1).double().requires_grad_()
    there = features(2, 6, batch=1, channels=2, seed=2).double().requires_grad_()
    back = features(4, 4, batch=1, channels=2, seed=3).double().requires_grad_()
    precise: dict[str, dict[str, float]] = {
        "ranking": {"k": 2, "epsilon": 0.5},
        "transport": {"tolerance": 1e-12},
    }
    options = precise.get(method, {})

    def function(x: Tensor, z: Tensor, there: Tensor, back: Tensor) -> tuple[Tensor, ...]:
        built = correspond(x, z, method, temperature=0.5, **options)
        return built.warp(there), built.warp_back(back).values, built.confidence

    assert torch.autograd.gradcheck(function, (x, z, there, back))


@pytest.mark.parametrize("method", ("ranking", "dense", "dense-stored", "transport", "patchmatch"))
@pytest.mark.parametrize("part", ("warped", "confidence"))
def test_second_derivatives_are_refused(method: str, part: str) -> None:
    """Also of a loss that is linear in the output, whose second derivatives would lack a part."""
    x = features(4, 4, batch=1, channels=3).requires_grad_()
    built = correspond(x, features(4, 4, batch=1, channels=3, seed=1), method, temperature=0.5)
    found = built.warp(features(4, 4, batch=1)) if part == "warped" else built.confidence
    loss = found.sum() + x.square().sum()
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("chunk", (1, 3, 1000))
def test_chunks_do_not_change_the_result(chunk: int) -> None:
    x, z = features(8, 8), features(8, 8, seed=1)
    values = features(8, 8, channels=3, seed=2)
    expected, built = correspond(x, z), correspond(x, z, chunk=chunk)
    assert torch.equal(built.matches(), expected.matches())
    assert torch.allclose(matrix(built), matrix(expected), atol=1e-5)
    assert torch.allclose(built.warp(values, chunk), expected.warp(values), atol=1e-5)
    found, wanted = built.warp_back(values, chunk), expected.warp_back(values)
    assert torch.allclose(found.values, wanted.values, atol=1e-4)


def test_nothing_of_the_matrix_is_saved() -> None:
    x, z = features(64, 64, batch=1, channels=4), features(64, 64, batch=1, channels=4, seed=1)
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    x.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        built = correspond(x, z)
        built.warp(z).sum()
        built.warp_back(z).values.sum()
    blocks = 32 * 32
    # The attention's b k b weights a block are the largest; the block matrix would be 5 times it.
    assert blocks * 48 <= max(sizes) < blocks * blocks / 4


def test_selection_of_rows_and_detach() -> None:
    x, z = features(4, 4, batch=3).requires_grad_(), features(4, 4, batch=3, seed=1)
    values = features(4, 4, batch=3, channels=2, seed=2)
    built = correspond(x, z)
    assert torch.allclose(built[1:].warp(values[1:]), built.warp(values)[1:], atol=1e-6)
    assert torch.equal(built[:1].confidence, built.confidence[:1])
    assert built.warp(values).requires_grad
    assert not built.detach().warp(values).requires_grad
    assert not built.detach().confidence.requires_grad


@pytest.mark.parametrize("method", ("ranking", "dense", "dense-stored", "transport", "patchmatch"))
def test_half_precision(method: str) -> None:
    x, z = features(8, 8).bfloat16(), features(8, 8, seed=1).bfloat16()
    built = correspond(x, z, method)
    assert built.peak.dtype == torch.float32
    assert built.warp(z).dtype == torch.bfloat16
    torch.manual_seed(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = correspond(x.float(), z.float(), method)
        assert inside.peak.dtype == torch.float32
        assert inside.warp(z.float()).dtype == torch.float32
    torch.manual_seed(1)
    outside = correspond(x.float(), z.float(), method)
    assert torch.allclose(inside.peak, outside.peak, atol=1e-6)


def test_a_correspondence_moves_and_tells_what_it_is_in_a_line() -> None:
    built = correspond(features(4, 6), features(8, 4, seed=1))
    assert repr(built) == (
        "Correspondence(batch of 2, from 8×4 positions of the exemplar to 4×6, height × width)"
    )
    assert built == built and built != built.detach()
    moved = built.to("meta")
    assert moved.mass is not None and moved.mass.is_meta and moved.peak.is_meta


def test_residual_is_reported() -> None:
    built = correspond(features(8, 8), features(8, 8, seed=1))
    assert built.residual is not None
    assert built.mass is not None
    assert built.threshold is not None
    assert float(built.residual.max()) < 1e-4
    assert built.mass.shape == (2, 16, 3)


def test_normalised_features() -> None:
    x = features(4, 4) + 3
    unit = unit_features(x)
    expected = F.normalize(x - x.mean(1, keepdim=True), dim=1)
    assert torch.allclose(unit, expected, atol=1e-5)
    flat = torch.ones(1, 4, 2, 2, requires_grad=True)
    unit_features(flat).sum().backward()
    assert flat.grad is not None
    assert bool(flat.grad.isfinite().all())


def test_constant_features_have_finite_gradients() -> None:
    x = torch.ones(1, 4, 8, 8, requires_grad=True)
    z = torch.ones(1, 4, 8, 8, requires_grad=True)
    for method in ("ranking", "dense", "dense-stored", "transport", "patchmatch"):
        built = correspond(x, z, method)
        total = built.warp(z).sum() + built.confidence.sum() + built.warp_back(x).values.sum()
        for gradient in torch.autograd.grad(total, (x, z)):
            assert bool(gradient.isfinite().all())


NAN = torch.full((1, 4, 8, 8), float("nan"))
GOOD = torch.zeros(1, 4, 8, 8)


@pytest.mark.parametrize(
    ("x", "z", "options", "message"),
    (
        (GOOD[..., :7], GOOD, {}, r"8x7 positions \(shape \(1, 4, 8, 7\)\).*2x2 blocks"),
        (GOOD, GOOD, {"k": 17}, "k is 17, expected 1 to 16"),
        (GOOD, GOOD, {"epsilon": 0}, "epsilon is 0"),
        (GOOD, GOOD, {"temperature": 0.0}, "temperature is 0.0"),
        (GOOD, GOOD, {"method": "dense", "temperature": -1.0}, "temperature is -1.0"),
        (GOOD, NAN, {}, r"features z of shape \(1, 4, 8, 8\) contain NaN"),
        (GOOD, GOOD[:, :3], {}, r"\(1, 4, 8, 8\) and z \(1, 3, 8, 8\)"),
        (GOOD, GOOD.expand(2, 4, 8, 8), {}, "the same batch and channels"),
        (GOOD.long(), GOOD, {}, "dtype torch.int64"),
        (GOOD[0], GOOD, {}, r"features x have shape \(4, 8, 8\)"),
        (GOOD[:, :1], GOOD[:, :1], {}, r"\(1, 1, 8, 8\): one channel, centred over channels, is 0"),
        (GOOD, GOOD, {"method": ["ranking"]}, "expected one of ranking, dense"),
        (GOOD, GOOD, {"method": "magic"}, "'magic', expected one of ranking, dense"),
        (GOOD, GOOD, {"width": 3}, "has no option width; it has block, k, temperature"),
        (GOOD, GOOD, {"method": "dense", "k": 3}, "has no option k; it has temperature"),
    ),
)
def test_errors(x: Tensor, z: Tensor, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correspond(x, z, **options)


def test_warp_errors() -> None:
    built = correspond(features(8, 8), features(4, 4, seed=1), k=2)
    with pytest.raises(ValueError, match=r"cannot warp values of shape \(2, 3, 8, 8\).*H = 4"):
        built.warp(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match="cannot warp back values.*B = 2, H = 8"):
        built.warp_back(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="torch.int64 values"):
        built.warp(torch.zeros(2, 3, 4, 4, dtype=torch.int64))


@pytest.mark.parametrize("method", ("ranking", "dense", "dense-stored", "transport"))
def test_many_values_are_averaged_in_half_precision(method: str) -> None:
    """All positions send to one: their sum is more than float16 can hold."""
    x = features(8, 1, batch=1, channels=8)[:, :, :1].expand(1, 8, 32, 32).half()
    z = features(32, 32, batch=1, channels=8, seed=1).half()
    z[..., :2, :2] = x[..., :2, :2]
    back = correspond(x, z, method).warp_back(torch.full((1, 1, 32, 32), 100.0).half())
    assert back.values.dtype == torch.float16
    assert torch.allclose(back.values[back.received].float(), torch.tensor(100.0), rtol=1e-3)


def test_a_correspondence_keeps_its_types() -> None:
    built = correspond(features(4, 4), features(4, 4, seed=1))
    to: Any = built.to
    with pytest.raises(ValueError, match=r"torch.bfloat16 is no device; a correspondence keeps"):
        to(torch.bfloat16)
