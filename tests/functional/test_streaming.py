from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rabit.functional.scores import Scores, truncated_exp_
from rabit.functional.softmax import truncated_softmax
from rabit.functional.streaming import (
    chosen_products,
    row_statistics,
    softmax_gather,
    softmax_scatter,
)


def inputs(
    batch: int, channels: int, rows: int, columns: int, width: int, dtype: torch.dtype
) -> list[Tensor]:
    """Features of both sides, a bias, values of the columns and of the rows."""
    generator = torch.Generator().manual_seed(0)
    shapes = (
        (batch, channels, rows),
        (batch, channels, columns),
        (batch, columns),
        (batch, width, columns),
        (batch, width, rows),
    )
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for shape in shapes
    ]


def plain(x: Tensor, z: Tensor, bias: Tensor | None, temperature: float) -> Tensor:
    logits = x.transpose(1, 2) @ z / temperature
    return (logits if bias is None else logits + bias.unsqueeze(1)).softmax(-1)


def streamed(
    x: Tensor,
    z: Tensor,
    bias: Tensor | None,
    there: Tensor,
    back: Tensor,
    temperature: float,
    chunk: int | None,
) -> tuple[Tensor, Tensor]:
    found = softmax_gather(x, z, bias, there, temperature, chunk=chunk)
    log_sum = found.statistics.log_sum
    return found.values, softmax_scatter(x, z, bias, back, log_sum, temperature, chunk)


TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 2e-2}


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 5),
    rows=st.integers(1, 13),
    columns=st.integers(1, 17),
    width=st.integers(1, 3),
    chunk=st.sampled_from((None, 1, 2, 5)),
    biased=st.booleans(),
    temperature=st.sampled_from((0.3, 1.0)),
    dtype=st.sampled_from((torch.float64, torch.float32, torch.bfloat16)),
)
def test_equals_the_stored_matrix(
    batch: int,
    channels: int,
    rows: int,
    columns: int,
    width: int,
    chunk: int | None,
    biased: bool,
    temperature: float,
    dtype: torch.dtype,
) -> None:
    leaves = inputs(batch, channels, rows, columns, width, dtype)
    x, z, bias, there, back = leaves
    used = leaves if biased else [x, z, there, back]
    results = streamed(x, z, bias if biased else None, there, back, temperature, chunk)
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    matrix = plain(wide[0], wide[1], wide[2] if biased else None, temperature)
    expected = (
        torch.einsum("blm,bvm->bvl", matrix, wide[3]),
        torch.einsum("blm,bvl->bvm", matrix, wide[4]),
    )
    used_wide = wide if biased else [wide[0], wide[1], wide[3], wide[4]]
    pairs = list(zip(results, expected, strict=True))
    torch.manual_seed(1)
    pulls = [torch.randn_like(wanted) for wanted in expected]
    found = torch.autograd.grad(results, used, [pull.to(dtype) for pull in pulls])
    pulls = [pull.to(dtype).double() for pull in pulls]
    pairs += zip(found, torch.autograd.grad(expected, used_wide, pulls), strict=True)
    for value, wanted in pairs:
        assert value.dtype == dtype
        scale = TOLERANCE[dtype] * (1 + float(wanted.detach().abs().max()))
        assert torch.allclose(value.double(), wanted, rtol=0, atol=scale)


@pytest.mark.parametrize("chunk", (None, 1, 3))
def test_gradient(chunk: int | None) -> None:
    def function(*leaves: Tensor) -> tuple[Tensor, ...]:
        x, z, bias, there, back = leaves
        places = row_statistics(x, z, bias, 0.5, chunk).places
        return *streamed(x, z, bias, there, back, 0.5, chunk), chosen_products(x, z, places)

    assert torch.autograd.gradcheck(function, inputs(2, 3, 5, 7, 2, torch.float64))


@pytest.mark.parametrize("wanted", range(5))
def test_each_gradient_alone(wanted: int) -> None:
    leaves = inputs(1, 3, 5, 7, 2, torch.float64)
    everything = torch.autograd.grad(sum_of(leaves), leaves)
    for place, leaf in enumerate(leaves):
        leaf.requires_grad_(place == wanted)
    (alone,) = torch.autograd.grad(sum_of(leaves), leaves[wanted])
    assert torch.equal(alone, everything[wanted])


def sum_of(leaves: list[Tensor]) -> Tensor:
    x, z, bias, there, back = leaves
    first, second = streamed(x, z, bias, there, back, 0.5, 2)
    return (first * first).sum() + (second * second).sum()


@pytest.mark.parametrize("chunk", (None, 1, 4))
def test_statistics(chunk: int | None) -> None:
    x, z, bias, there, _ = inputs(2, 4, 9, 23, 2, torch.float64)
    logits = x.transpose(1, 2) @ z / 0.05 + bias.unsqueeze(1)
    own = row_statistics(x, z, bias, 0.05, chunk)
    with_values = softmax_gather(x, z, bias, there, 0.05, chunk=chunk).statistics
    for found in (own, with_values):
        assert torch.equal(found.places, logits.argmax(-1))
        assert torch.allclose(found.log_sum, logits.logsumexp(-1), rtol=0, atol=1e-12)
        assert not found.log_sum.requires_grad
    again = softmax_gather(x, z, bias, there, 0.05, own, chunk).values
    first = softmax_gather(x, z, bias, there, 0.05, chunk=chunk).values
    assert torch.allclose(again, first, rtol=0, atol=1e-12)


def test_equal_scores_choose_the_lowest_column() -> None:
    ones = torch.ones(1, 2, 9)
    for chunk in (None, 1, 2):
        assert not row_statistics(ones, ones, None, 0.1, chunk).places.any()


@pytest.mark.parametrize("temperature", (1e-3, 1e-2, 1e3))
def test_extreme_temperatures(temperature: float) -> None:
    x, z, _, there, back = inputs(1, 4, 9, 23, 2, torch.float32)
    matrix = plain(x.double(), z.double(), None, temperature)
    warped, received = streamed(x, z, None, there, back, temperature, 2)
    expected = torch.einsum("blm,bvm->bvl", matrix, there.double())
    assert torch.allclose(warped.double(), expected, atol=2e-3)
    gradients = torch.autograd.grad(warped.sum() + received.sum(), (x, z, there, back))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_negligible_weights_are_zero() -> None:
    logits = torch.tensor([0.0, -10, -43, -44, -80, -100, -1e4])
    weights = truncated_exp_(logits.clone())
    assert torch.equal(weights != 0, torch.tensor([True, True, True] + [False] * 4))
    assert torch.equal(weights != 0, truncated_softmax(logits) != 0)
    assert torch.equal(weights[:3], logits[:3].exp())


def test_tiles_do_not_outgrow_the_map() -> None:
    scores = Scores(torch.ones(2, 3), torch.ones(2, 5), None, 1.0, (1000, 4))
    assert scores.tile == (3, 4)
    assert [rows.stop for rows in scores.rows()] == [3]
    assert [columns.stop for columns in scores.columns()] == [4, 5]
    assert scores.logits(slice(0, 3), slice(4, 5)).shape == (3, 1)
