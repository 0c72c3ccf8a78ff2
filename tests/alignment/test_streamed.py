from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rabit.alignment import correspond
from rabit.alignment import streamed as module
from rabit.alignment.matrix import BlockMatrix
from rabit.alignment.streamed import SoftmaxMatrix
from rabit.functional import sinkhorn
from rabit.functional.scores import ROWS_CPU


def features(*size: int, batch: int = 2, channels: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, channels, *size)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def matrices(
    x: Tensor, z: Tensor, bias: Tensor | None, temperature: float = 0.3
) -> tuple[SoftmaxMatrix, BlockMatrix]:
    """The same matrix, streamed and stored."""
    size, exemplar_size = (x.shape[2], x.shape[3]), (z.shape[2], z.shape[3])
    rows, columns = x.flatten(2), z.flatten(2)
    logits = rows.transpose(1, 2) @ columns / temperature
    if bias is not None:
        logits = logits + bias.unsqueeze(1)
    stored = BlockMatrix(
        size,
        exemplar_size,
        logits.softmax(-1).unsqueeze(1),
        torch.zeros(len(x), 1, 1, dtype=torch.int64),
        size,
        exemplar_size,
        (rows.transpose(1, 2) @ columns).amax(-1).view(len(x), 1, *size),
    )
    return SoftmaxMatrix(size, exemplar_size, rows, columns, temperature, bias), stored


sides = st.integers(1, 4)


@settings(max_examples=50, deadline=None)
@given(
    size=st.tuples(sides, sides),
    exemplar_size=st.tuples(sides, sides),
    batch=st.integers(1, 2),
    chunk=st.sampled_from((None, 1, 3)),
    biased=st.booleans(),
    scatter_first=st.booleans(),
)
def test_equals_the_stored_matrix(
    size: tuple[int, int],
    exemplar_size: tuple[int, int],
    batch: int,
    chunk: int | None,
    biased: bool,
    scatter_first: bool,
) -> None:
    x, z = features(*size, batch=batch), features(*exemplar_size, batch=batch, seed=1)
    count = exemplar_size[0] * exemplar_size[1]
    bias = features(count, batch=batch, channels=1, seed=2)[:, 0] if biased else None
    there = features(*exemplar_size, batch=batch, channels=3, seed=3)
    back = features(*size, batch=batch, channels=2, seed=4)
    leaves = [leaf for leaf in (x, z, bias, there, back) if leaf is not None]
    outcomes = []
    for matrix in matrices(x, z, bias):
        if scatter_first:
            received, warped = matrix.scatter(back, chunk), matrix.gather(there, chunk)
        else:
            warped, received = matrix.gather(there, chunk), matrix.scatter(back, chunk)
        total = warped.square().sum() + (received * received.detach().cos()).sum()
        gradients = torch.autograd.grad(total, leaves)
        outcomes.append((warped, received, matrix.best(), *gradients))
    for streamed, stored in zip(*outcomes, strict=True):
        assert streamed.shape == stored.shape
        assert torch.allclose(streamed, stored, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("biased", (False, True))
def test_peak_is_the_best_cosine(biased: bool) -> None:
    x, z = features(3, 5), features(4, 2, seed=1)
    bias = 5 * features(8, channels=1, seed=2)[:, 0] if biased else None
    matrix, _ = matrices(x, z, bias)
    expected = torch.einsum("bchw,bcj->bhwj", x, z.flatten(2)).amax(-1).unsqueeze(1)
    pull = torch.randn_like(expected)
    assert torch.allclose(matrix.peak(), expected, rtol=0, atol=1e-12)
    found = torch.autograd.grad(matrix.peak(), (x, z), pull)
    for gradient, wanted in zip(found, torch.autograd.grad(expected, (x, z), pull), strict=True):
        assert torch.allclose(gradient, wanted, rtol=0, atol=1e-12)


def test_a_pass_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[str] = []

    def counted(name: str) -> Any:
        function = getattr(module, name)

        def call(*inputs: Any, **options: Any) -> Any:
            passes.append(name)
            return function(*inputs, **options)

        return call

    for name in ("row_statistics", "softmax_gather", "softmax_scatter"):
        monkeypatch.setattr(module, name, counted(name))
    x, z = features(4, 4), features(4, 4, seed=1)
    built = correspond(x, z, "dense")
    assert passes == []
    built.warp(z)
    assert built.confidence.requires_grad
    built.matches()
    built.detach().matches()
    built[:1].matches()
    assert passes == ["softmax_gather"]
    fresh = correspond(x, z, "dense")
    fresh.warp_back(x)
    fresh.warp(z)
    assert passes[1:] == ["row_statistics", "softmax_scatter", "softmax_gather"]


def test_statistics_of_a_pass_without_gradients_serve_one_with_them() -> None:
    x, z = features(4, 4), features(4, 4, seed=1)
    built, other = correspond(x, z, "dense"), correspond(x, z, "dense-stored")
    with torch.no_grad():
        built.warp(z)
    results = [found.warp(z).square().sum() + found.peak.sum() for found in (built, other)]
    found, wanted = (torch.autograd.grad(result, (x, z)) for result in results)
    for gradient, expected in zip(found, wanted, strict=True):
        assert torch.allclose(gradient, expected, atol=1e-9)


@pytest.mark.parametrize("method", ("dense", "transport"))
def test_selection_of_rows_and_detach(method: str) -> None:
    x, z = features(4, 4, batch=3), features(4, 4, batch=3, seed=1)
    built = correspond(x, z, method, temperature=0.1)
    first = built[1:]
    assert torch.allclose(first.warp(z[1:]), built.warp(z)[1:], atol=1e-12)
    assert torch.allclose(built[1:].warp_back(x[1:]).values, built.warp_back(x).values[1:])
    assert torch.equal(built[:1].confidence, built.confidence[:1])
    assert not built.detach().warp(z.detach()).requires_grad
    assert not built.detach().confidence.requires_grad


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16))
def test_dense_equals_the_stored_form(dtype: torch.dtype) -> None:
    x, z = features(8, 8).detach().to(dtype), features(6, 4, seed=1).detach().to(dtype)
    dense, stored = correspond(x, z, "dense"), correspond(x, z, "dense-stored")
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    assert dense.warp(z).dtype == dtype
    assert torch.allclose(dense.warp(z), stored.warp(z), atol=tolerance)
    assert torch.equal(dense.matches(), stored.matches())
    assert torch.allclose(dense.peak, stored.peak, atol=1e-6)


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that any operation returns."""

    numbers = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.numbers = max([self.numbers, *(tensor.numel() for tensor in tensors)])
        return result


@pytest.mark.parametrize(("method", "options"), (("dense", {}), ("transport", {"tolerance": 0.5})))
def test_nothing_of_the_matrix_is_in_memory(
    method: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinkhorn, "STORED", 0)
    x, z = (features(56, 56, batch=1, channels=4, seed=seed).float() for seed in (0, 1))
    x = x.detach().requires_grad_()
    with Largest() as largest:
        built = correspond(x, z, method, **options)
        total = built.warp(z).sum() + built.confidence.sum()
        (total + built.warp_back(x).values.sum()).backward()
    assert x.grad is not None
    assert largest.numbers <= 4 * ROWS_CPU**2 < (56 * 56) ** 2 / 8
