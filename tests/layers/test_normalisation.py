"""Norms that keep their result: values and gradients of torch's own, and what is kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rabit.layers.normalisation import BatchNorm, InstanceNorm

CASES = [(BatchNorm(3), nn.BatchNorm2d(3, affine=False)), (InstanceNorm(), nn.InstanceNorm2d(3))]


@pytest.mark.parametrize(("ours", "plain"), CASES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_torchs_norms(
    ours: nn.Module, plain: nn.Module, layout: torch.memory_format
) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64).mul(3).add(1).to(memory_format=layout)
    x.requires_grad_()
    results = [norm.double()(x) for norm in (ours, plain)]
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)
    direction = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    gradients = [torch.autograd.grad(y, x, direction)[0] for y in results]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ours", [BatchNorm(2), InstanceNorm()])
def test_gradients_are_exact(ours: nn.Module) -> None:
    x = torch.randn(2, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ours.double(), x)


@pytest.mark.parametrize("norm", [BatchNorm(3), InstanceNorm()])
def test_the_input_is_not_kept(norm: nn.Module) -> None:
    kept: list[Tensor] = []

    def pack(saved: Tensor) -> Tensor:
        kept.append(saved)
        return saved

    x = torch.randn(1, 3, 4, 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        y = norm(x)
    assert sorted(v.numel() for v in kept) == [3, 48]
    assert y.data_ptr() in {v.data_ptr() for v in kept}


def test_batch_norm_keeps_torchs_running_averages() -> None:
    ours, plain = BatchNorm(3), nn.BatchNorm2d(3, affine=False)
    for _ in range(3):
        x = torch.randn(2, 3, 4, 4) * 2 + 1
        ours(x), plain(x)
    found, expected = ours.state_dict(), plain.state_dict()
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    torch.testing.assert_close(ours.eval()(x), plain.eval()(x))


def test_batch_norm_is_synchronised_where_it_is_converted() -> None:
    layers = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(BatchNorm(3)))
    assert isinstance(layers[0], nn.SyncBatchNorm) and not layers[0].affine


@pytest.mark.parametrize("norm", [BatchNorm(3), InstanceNorm()])
def test_one_position_cannot_be_normalised(norm: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"one position a channel.*larger images"):
        norm(torch.zeros(1, 3, 1, 1))


@pytest.mark.parametrize("norm", [BatchNorm(3), InstanceNorm()])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_has_statistics_in_float32(norm: nn.Module, dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 8, 8).mul(3).add(1).to(dtype)
    direction = torch.randn(2, 3, 8, 8).to(dtype)
    kept: list[Tensor] = []

    def pack(saved: Tensor) -> Tensor:
        kept.append(saved)
        return saved

    half = x.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        y = norm(half)
    assert {v.dtype for v in kept} == {dtype, torch.float32}
    wide = x.float().requires_grad_()
    expected = norm(wide)
    assert y.dtype == dtype
    # What lies between two numbers of half precision may be rounded to either.
    torch.testing.assert_close(y, expected.to(dtype))
    (found,) = torch.autograd.grad(y, half, direction)
    (whole,) = torch.autograd.grad(expected, wide, direction.float())
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), whole, rtol=0.02, atol=0.02)
