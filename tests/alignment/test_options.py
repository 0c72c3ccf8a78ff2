"""Options, chunks and kinds of input that correspondences take or refuse."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rabit.alignment import correspond
from rabit.alignment.matching import METHODS
from rabit.alignment.options import checked
from rabit.config import SMALLEST_TEMPERATURE, AlignmentConfig


def features(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("method", "option", "value", "expected"),
    (
        ("dense", "temperature", "warm", "a number"),
        ("dense", "temperature", True, "a number"),
        ("transport", "temperature", torch.tensor(0.05), "a number"),
        ("dense", "temperature", 9e-5, "of at least 0.0001"),
        ("ranking", "temperature", float("nan"), "of at least 0.0001"),
        ("ranking", "epsilon", None, "a number"),
        ("transport", "tolerance", "fine", "a number"),
        ("ranking", "block", (2, 2), "a whole number"),
        ("ranking", "block", 2.0, "a whole number"),
        ("ranking", "border", 1.5, "a whole number"),
        ("ranking", "shortlist", True, "a whole number"),
        ("patchmatch", "iterations", "4", "a whole number"),
        ("ranking", "coarse", 4, "whole numbers such as"),
        ("ranking", "coarse", "4", "whole numbers such as"),
        ("ranking", "overlap", "no", "True or False"),
        ("patchmatch", "refiner", 1, "a PatchMatchRefiner or None"),
        ("ranking", "chunk", 0, "at least 1, or None"),
        ("ranking", "chunk", 1.5, "at least 1, or None"),
        ("ranking", "shortlist", 2, "a shortlist of at least k blocks"),
    ),
)
def test_options_of_another_kind_are_named(
    method: str, option: str, value: Any, expected: str
) -> None:
    x, z = features(1, 4, 4, 4), features(1, 4, 4, 4, seed=1)
    with pytest.raises(ValueError, match=f"{option} is .*expected .*{expected}"):
        correspond(x, z, method, **{option: value})


def test_the_larger_blocks_to_retrieve_are_named() -> None:
    x = features(1, 4, 8, 8)
    with pytest.raises(ValueError, match="coarse_k is 0, expected 1 or more"):
        correspond(x, x, coarse=(4,), coarse_k=0)


def test_a_configuration_knows_the_smallest_temperature() -> None:
    assert AlignmentConfig(temperature=SMALLEST_TEMPERATURE).temperature == SMALLEST_TEMPERATURE
    with pytest.raises(ValueError, match="alignment.temperature is 1e-05, expected at least"):
        AlignmentConfig(temperature=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_chunk_is_a_whole_number_of_at_least_one(method: str) -> None:
    built = correspond(features(1, 4, 8, 8), features(1, 4, 8, 8, seed=1), method)
    wrong: tuple[Any, ...] = (-1, 0, 1.5, "1", True)
    for chunk in wrong:
        for warp in (built.warp, built.warp_back):
            with pytest.raises(ValueError, match="chunk is .* expected a whole number"):
                warp(features(1, 3, 8, 8), chunk=chunk)


@pytest.mark.parametrize("method", METHODS)
def test_rows_sum_to_one_at_the_smallest_temperature(method: str) -> None:
    ones, options = torch.ones(1, 1, 16, 16), {"temperature": SMALLEST_TEMPERATURE}
    x, z = features(1, 8, 16, 16), features(1, 8, 16, 16, seed=1)
    # Mass is preserved at such a temperature after more iterations than this takes.
    options |= {"tolerance": 3.0} if method == "transport" else {}
    built = correspond(x, z, method, **options)
    for chunk in (None, 3):
        assert torch.allclose(built.warp(ones, chunk), ones, atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("many", (False, True))
def test_features_whose_squares_overflow_are_named(method: str, many: bool) -> None:
    x, z = features(1, 4, 4, 4), features(1, 4, 4, 4, seed=1)
    large = z * 1e20
    if not many:
        large = z.clone()
        large[0, 1, 2, 3] = -1e20
    with pytest.raises(ValueError, match=r"features z .* expected at most 4.6e\+18.* overflow"):
        correspond(x, large, method, **({"k": 2} if method == "ranking" else {}))
    options = {"candidates": 4} if method == "patchmatch" else {}
    torch.manual_seed(0)
    wanted = correspond(x, z, method, **options)
    torch.manual_seed(0)
    found = correspond(x * 1e18, z * 1e18, method, **options)
    assert torch.allclose(found.peak, wanted.peak, atol=1e-5)


def test_what_is_no_tensor_is_named() -> None:
    x = features(1, 4, 4, 4)
    with pytest.raises(ValueError, match="features z are a list, expected a tensor"):
        correspond(x, x.tolist())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot warp a list, expected a tensor"):
        correspond(x, x).warp(x.tolist())  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_cut_by_slices_alone(method: str) -> None:
    x, z = features(2, 4, 8, 8), features(2, 4, 8, 8, seed=1)
    built = correspond(x, z, method)
    with pytest.raises(ValueError, match=r"rows of the batch are 0, expected a slice such as \[0:"):
        built[0]  # type: ignore[index]
    values = features(2, 3, 8, 8)
    assert torch.allclose(built[1:].warp(values[1:]), built.warp(values)[1:], atol=1e-6)
    assert built[:0].warp(values[:0]).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("method", METHODS)
def test_values_without_channels(method: str) -> None:
    built = correspond(features(1, 4, 8, 8), features(1, 4, 8, 4, seed=1), method)
    assert built.warp(torch.zeros(1, 0, 8, 4)).shape == (1, 0, 8, 8)
    assert built.warp_back(torch.zeros(1, 0, 8, 8)).values.shape == (1, 0, 8, 4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("back", (False, True))
def test_values_of_another_precision_than_the_features(method: str, back: bool) -> None:
    x, z, values = (features(1, 4, 8, 8, seed=seed) for seed in range(3))

    def pulled(values: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(0)
        inputs = (x.clone().requires_grad_(), values.clone().requires_grad_())
        built = correspond(inputs[0], z, method)
        warped = built.warp_back(inputs[1]).values if back else built.warp(inputs[1])
        assert warped.dtype == values.dtype
        return torch.autograd.grad(warped.square().sum(), inputs)

    for found, wanted in zip(pulled(values.double()), pulled(values), strict=True):
        assert torch.allclose(found.float(), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_look_in_inference_mode_leaves_the_gradient(method: str) -> None:
    x = features(1, 4, 8, 8).requires_grad_()
    built = correspond(x, features(1, 4, 8, 8, seed=1), method)
    with torch.inference_mode():
        built.warp(features(1, 3, 8, 8))
        built.matches()
        made_there = correspond(x, x, method)
        made_there.warp(features(1, 3, 8, 8))
    # What is found out about the rows is kept where it can be.
    assert getattr(made_there.matrix, "places", 0) is not None
    built.warp(features(1, 3, 8, 8)).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_backward_pass_inside_of_autocast_has_full_precision(method: str) -> None:
    def pulled(half: bool) -> Tensor:
        torch.manual_seed(0)
        x = features(1, 16, 8, 8).requires_grad_()
        within = torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext()
        with within:
            built = correspond(x, features(1, 16, 8, 8, seed=1), method)
            built.warp(features(1, 3, 8, 8, seed=2)).square().sum().backward()
        assert x.grad is not None
        return x.grad

    assert torch.equal(pulled(half=True), pulled(half=False))


def test_a_search_of_many_iterations() -> None:
    x = features(1, 4, 8, 8)
    built = correspond(x, x, "patchmatch", iterations=70, candidates=4)
    assert torch.allclose(built.peak, torch.ones(1, 1, 8, 8), atol=1e-5)


def test_numbers_of_numpy() -> None:
    x, z = features(1, 4, 8, 8), features(1, 4, 8, 8, seed=1)
    found = checked({"k": np.int64(2), "temperature": np.float32(0.5), "coarse": (4,)})
    assert [type(value) for value in found.values()] == [int, float, tuple]
    ranked = correspond(x, z, k=np.int64(2), epsilon=np.float32(0.5))
    assert torch.equal(ranked.peak, correspond(x, z, k=2, epsilon=0.5).peak)
