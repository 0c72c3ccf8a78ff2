"""Cases of the fused programs of blocks; `functional/test_fused` runs them in a process of its own.

Triton decides when it is imported whether it compiles for a GPU or interprets on the CPU.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from rabit.alignment import attention, bilevel, correspond, fused_bilevel, matrix
from rabit.alignment import fused as fused_blocks
from rabit.alignment.attention import attend_blocks
from rabit.alignment.fused import attend, can_fuse_blocks, carry
from rabit.alignment.fused_bilevel import can_fuse_levels
from rabit.alignment.matrix import BlockMatrix
from rabit.functional import fused, normalise
from rabit.functional.dtype import wide_product
from rabit.functional.fused_units import unit_rows
from rabit.functional.normalise import SMALLEST_NORM, unit_blocks

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") else "cuda"
DTYPES = (torch.float32, torch.bfloat16)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Sets whether the fused forms are taken; at first they are not."""

    def take(yes: bool) -> None:
        monkeypatch.setattr(fused, "can_fuse", lambda scores, k: yes)
        monkeypatch.setattr(normalise, "can_fuse_units", lambda x: yes)
        monkeypatch.setattr(attention, "can_fuse_blocks", lambda *_: yes)
        monkeypatch.setattr(matrix, "can_fuse_blocks", lambda *_: yes)
        monkeypatch.setattr(bilevel, "can_fuse_levels", lambda *_: yes)

    take(False)
    return take


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def close(found: Tensor, wanted: Tensor) -> bool:
    """Equal but for the order of sums, and what half precision rounds."""
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    error = 1e-5 if found.dtype == torch.float32 else 0.01
    found, wanted = found.detach(), wanted.detach()
    size = float(wanted.abs().max())
    return bool(((found - wanted).abs().float() <= error * (wanted.abs().float() + size)).all())


def near(found: Tensor, wanted: Tensor, tolerance: float) -> bool:
    """Whether the difference is short against what is wanted."""
    size = wanted.detach().float().norm()
    return float((found - wanted).detach().float().norm()) <= tolerance * size + 1e-4


def gradients(output: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    pull = normal(*output.shape, seed=9).to(output.dtype)
    return torch.autograd.grad(output, inputs, pull)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", (torch.contiguous_format, torch.channels_last))
@pytest.mark.parametrize(
    ("shape", "side"), (((2, 6, 4, 8), 2), ((1, 40, 6, 9), 3), ((1, 5, 3, 35), 1))
)
def test_unit_blocks(
    shape: tuple[int, ...],
    side: int,
    layout: torch.memory_format,
    dtype: torch.dtype,
    eager: Callable[[bool], None],
) -> None:
    x = normal(*shape).to(dtype)
    x[0, :, 0, 0] = 0.5
    x = x.to(memory_format=layout).requires_grad_()
    wanted = unit_blocks(x, (side,))
    pulled = gradients(wanted, (x,))
    eager(True)
    found = unit_blocks(x, (side,))
    assert close(found, wanted)
    assert close(gradients(found, (x,))[0], pulled[0])


def test_unit_blocks_that_do_not_fit_say_so(eager: Callable[[bool], None]) -> None:
    eager(True)
    with pytest.raises(ValueError, match="no whole number of 2x2 blocks"):
        unit_blocks(normal(1, 4, 5, 4), (2,))


def test_unit_rows_of_a_part_of_a_map() -> None:
    whole = normal(2, 6, 8, 8)
    part = whole[:, 1:5, 2:6, 4:]
    unit, scale = unit_rows(part, 2, SMALLEST_NORM)
    assert torch.allclose(unit, unit_blocks(part, (2,)), atol=1e-6)
    assert scale.shape == (2, 4, 4, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("inside", "others", "k", "channels"),
    ((4, 4, 3, 300), (9, 1, 2, 6), (2, 16, 2, 5), (1, 4, 5, 7)),
)
def test_attention(inside: int, others: int, k: int, channels: int, dtype: torch.dtype) -> None:
    x = (normal(2, 6, inside, channels) / channels**0.5).to(dtype).requires_grad_()
    z = (normal(2, 7, others, channels, seed=1) / channels**0.5).to(dtype).requires_grad_()
    indices = torch.stack([torch.randperm(7)[:k] for _ in range(12)]).view(2, 6, k).to(DEVICE)
    log_mass = (-normal(2, 6, k, seed=2).abs()).requires_grad_()
    inputs = (x, z, log_mass)
    wanted = attend_blocks(x, z, indices, log_mass, 0.05)
    found = attend(x, z, indices, log_mass, 0.05)
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-6)
    for gradient, expected in zip(gradients(found, inputs), gradients(wanted, inputs), strict=True):
        assert close(gradient, expected)


def test_negligible_weights_are_zero() -> None:
    x, z = normal(1, 1, 1, 4), normal(1, 2, 1, 4, seed=1)
    log_mass = torch.tensor([[[0.0, -60.0]]], device=DEVICE)
    weights = attend(x, z, torch.tensor([[[0, 1]]], device=DEVICE), log_mass, 1e3)
    assert weights.flatten().tolist() == [1, 0]


@pytest.mark.parametrize(("width", "dtype"), ((3, torch.float32), (40, torch.bfloat16)))
@pytest.mark.parametrize(
    ("block", "exemplar_block", "k"),
    (((2, 2), (2, 2), 3), ((1, 2), (3, 1), 2), ((4, 4), (1, 1), 9)),
)
def test_carrying(
    block: tuple[int, int],
    exemplar_block: tuple[int, int],
    k: int,
    width: int,
    dtype: torch.dtype,
) -> None:
    size, exemplar_size = (4, 4), (6, 4)
    inside, others = block[0] * block[1], exemplar_block[0] * exemplar_block[1]
    count, available = 16 // inside, 24 // others
    weights = normal(2, count, inside, k * others).softmax(-1).requires_grad_()
    values = normal(2, 6, 4, width, seed=1).to(dtype).permute(0, 3, 1, 2).requires_grad_()
    draws = [torch.randperm(available)[:k] for _ in range(2 * count)]
    indices = torch.stack(draws).view(2, count, k).to(DEVICE)
    cosine = normal(2, 1, size[0] // block[0], size[1] // block[1])
    built = BlockMatrix(size, exemplar_size, weights, indices, block, exemplar_block, cosine)
    wanted = built.gather(values)
    found = carry(weights, values, indices, size, block, exemplar_block)
    assert close(found, wanted)
    inputs = (weights, values)
    expected = gradients(wanted, inputs)
    assert all(map(close, gradients(found, inputs), expected))
    # Only what is asked for is computed.
    for number, kept in enumerate(((weights, values.detach()), (weights.detach(), values))):
        alone = carry(*kept, indices, size, block, exemplar_block)
        assert close(gradients(alone, (inputs[number],))[0], expected[number])


@pytest.mark.parametrize(
    ("options", "dtype"),
    (
        ({}, torch.float32),
        ({}, torch.bfloat16),
        ({"chunk": 3, "k": 1}, torch.float32),
        ({"chunk": 1}, torch.float32),
        ({"descriptor": "mean"}, torch.float32),
        ({"descriptor": "mean"}, torch.bfloat16),
        ({"descriptor": "mean", "chunk": 3}, torch.float32),
        ({"border": 1}, torch.float32),
        ({"overlap": True}, torch.float32),
        ({"overlap": True, "shortlist": 8}, torch.float32),
        ({"coarse": (4,)}, torch.float32),
    ),
)
def test_the_whole_path(
    options: dict[str, Any], dtype: torch.dtype, eager: Callable[[bool], None]
) -> None:
    # Both sides of one size and layout are normalised at once; here the batch has a second image.
    if dtype == torch.bfloat16:
        shapes = ((1, 6, 8, 8), (1, 6, 8, 8), (1, 3, 8, 8))
    elif options:
        shapes = ((2, 6, 4, 4), (2, 6, 8, 4), (2, 3, 8, 4))
    else:
        shapes = ((2, 6, 4, 4), (2, 6, 4, 4), (2, 3, 4, 4))
    x, z, values = (
        normal(*shape, seed=seed).to(dtype).requires_grad_()
        for shape, seed in zip(shapes, (6, 7, 8), strict=True)
    )

    def both() -> tuple[Tensor, ...]:
        built = correspond(x, z, epsilon=0.2, temperature=0.1, **options)
        assert built.mass is not None
        assert built.threshold is not None
        assert built.residual is not None
        warped = built.warp(values)
        total = warped.float().square().sum() + built.peak.sum() + built.mass.square().sum()
        pulled = torch.autograd.grad(total, (x, z, values))
        return warped, built.threshold, built.residual, *pulled

    wanted = both()
    eager(True)
    # Half precision features that are rounded otherwise in their last digit are 1/256 apart; with
    # these seeds they retrieve the same blocks all the same.
    tolerance = 2e-5 if dtype == torch.float32 else 0.03
    computed = both()
    assert all(near(*pair, tolerance) for pair in zip(computed, wanted, strict=True))
    with torch.no_grad():
        bare = correspond(x, z, epsilon=0.2, temperature=0.1, **options)
        without_graph = (bare.warp(values), bare.threshold, bare.residual)
    for bare_one, other in zip(without_graph, computed[:3], strict=True):
        assert bare_one is not None
        assert torch.equal(bare_one, other)


@pytest.mark.parametrize("part", ("warped", "peak", "mass"))
@pytest.mark.parametrize("descriptor", ("concat", "mean"))
def test_a_gradient_of_one_output_alone(
    descriptor: Any, part: str, eager: Callable[[bool], None]
) -> None:
    x, z = (normal(1, 6, 4, 4, seed=seed).requires_grad_() for seed in (6, 7))

    def pulled() -> tuple[Tensor, ...]:
        built = correspond(x, z, epsilon=0.2, temperature=0.1, descriptor=descriptor)
        found = built.warp(z.detach()) if part == "warped" else getattr(built, part)
        return torch.autograd.grad(found.square().sum(), (x, z))

    wanted = pulled()
    eager(True)
    assert all(near(*pair, 2e-5) for pair in zip(pulled(), wanted, strict=True))


@pytest.mark.parametrize(
    ("side", "block", "channels", "descriptor"),
    # Warps are the GPU's own; what interprets takes a millisecond or two for each position.
    (
        (64 if DEVICE == "cuda" else 32, 2, 300, "concat"),
        (128 if DEVICE == "cuda" else 48, 1, 6, "concat"),
        (16, 2, 600, "mean"),
    ),
)
def test_many_blocks(
    side: int, block: int, channels: int, descriptor: str, eager: Callable[[bool], None]
) -> None:
    """Rows and features that more than one warp holds; the longest rows' programs do not attend."""
    x, z = normal(1, channels, 2, 4), normal(1, channels, side, side, seed=1)
    inputs = (x.requires_grad_(), z.requires_grad_())
    values = normal(1, 5, side, side, seed=2)

    def both() -> tuple[Tensor, tuple[Tensor, ...]]:
        options: dict[str, Any] = {
            "block": block,
            "epsilon": 0.1,
            "temperature": 0.1,
            "descriptor": descriptor,
        }
        warped = correspond(x, z, **options).warp(values)
        return warped, gradients(warped, inputs)

    wanted, pulled = both()
    eager(True)
    found, received = both()
    assert close(found, wanted)
    assert all(map(close, received, pulled))


@pytest.mark.parametrize("descriptor", ("concat", "mean"))
def test_both_descriptors_take_the_one_step(
    descriptor: Any, eager: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(True)
    means: list[bool] = []

    def step(*arguments: Any) -> Any:
        means.append(arguments[-1])
        return fused_bilevel.fused_bilevel(*arguments)

    monkeypatch.setattr(bilevel, "fused_bilevel", step)
    x, z = (normal(1, 6, 8, 8, seed=seed) for seed in range(2))
    correspond(x, z, descriptor=descriptor)
    assert means == [descriptor == "mean"]


def test_scores_of_one_product_are_held_at_a_time(
    eager: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(True)
    made: list[weakref.ref[Tensor]] = []

    def product(a: Tensor, b: Tensor) -> Tensor:
        scores = wide_product(a, b)
        if scores.shape == (2, 16):
            assert not [each for each in made if each() is not None]
            made.append(weakref.ref(scores))
        return scores

    monkeypatch.setattr(fused_bilevel, "wide_product", product)
    x, z = (normal(1, 6, 8, 8, seed=seed).requires_grad_() for seed in range(2))
    built = correspond(x, z, chunk=2)
    assert built.mass is not None
    torch.autograd.grad(built.mass.sum(), (x, z))
    assert len(made) == 16


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("part", ("warped", "mass", "peak"))
def test_gradients_that_are_no_numbers_arrive(part: str, eager: Callable[[bool], None]) -> None:
    eager(True)
    x, z = (normal(1, 6, 4, 4, seed=seed).requires_grad_() for seed in range(2))
    built = correspond(x, z)
    found = built.warp(normal(1, 3, 4, 4)) if part == "warped" else getattr(built, part)
    pull = torch.zeros_like(found)
    pull.flatten()[0] = math.nan
    for gradient in torch.autograd.grad(found, (x, z), pull):
        assert bool(gradient.isnan().any())


@pytest.mark.parametrize("confidence", ("block", "position"))
@pytest.mark.parametrize("part", ("warped", "confidence"))
def test_second_derivatives_are_refused(
    confidence: str, part: str, eager: Callable[[bool], None]
) -> None:
    """In the one step of blocks' confidences, and in programs of their own of positions'."""
    eager(True)
    x, z, values = normal(1, 4, 4, 4), normal(1, 4, 4, 8, seed=1), normal(1, 3, 4, 8, seed=2)
    x.requires_grad_()
    built = correspond(x, z, epsilon=0.2, temperature=0.1, confidence=confidence)
    found = built.warp(values) if part == "warped" else built.confidence
    refuses_a_second_derivative(found, x)


def test_second_derivatives_of_a_part_alone_are_refused() -> None:
    x, z = normal(1, 4, 1, 5).requires_grad_(), normal(1, 4, 1, 5, seed=1)
    indices = torch.zeros(1, 4, 1, dtype=torch.long, device=DEVICE)
    weights = attend(x, z, indices, torch.zeros(1, 4, 1, device=DEVICE), 0.05)
    refuses_a_second_derivative(weights, x)
    values = normal(1, 3, 2, 2).requires_grad_()
    carried = carry(weights.detach(), values, indices, (2, 2), (1, 1), (1, 1))
    refuses_a_second_derivative(carried, values)


def refuses_a_second_derivative(found: Tensor, given: Tensor) -> None:
    """Also of a loss that is linear in what was found."""
    loss = found.sum() + given.square().sum()
    (gradient,) = torch.autograd.grad(loss, given, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()


def test_tensors_of_two_gpus_are_not_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_blocks, "triton_works", lambda device: True)
    with FakeTensorMode():
        first, second = (torch.empty(2, device=f"cuda:{number}") for number in range(2))
        assert can_fuse_blocks(4, 4, 3, first, first)
        assert not can_fuse_blocks(4, 4, 3, first, second)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("bad", "message"), ((math.nan, "contain NaN"), (math.inf, "contain NaN"), (1e30, "overflow"))
)
@pytest.mark.parametrize("side", "xz")
def test_features_that_are_not_finite_are_named(
    side: str, bad: float, message: str, eager: Callable[[bool], None]
) -> None:
    eager(True)
    maps = {name: normal(2, 6, 4, 4, seed=seed) for seed, name in enumerate("xz")}
    maps[side][1, 2, 3, 0] = bad
    with pytest.raises(ValueError, match=f"features {side} of shape .*{message}"):
        correspond(maps["x"], maps["z"], k=2)


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA GPU")
def test_a_gpu_takes_the_step_on_any_stream(eager: Callable[[bool], None]) -> None:
    x, z = (normal(1, 64, 32, 32, seed=seed).bfloat16() for seed in range(2))
    assert can_fuse_levels(x, z, 2, 3)
    eager(True)
    wanted = correspond(x, z).warp(z)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(stream):
        found = correspond(x, z).warp(z)
    stream.synchronize()
    assert torch.equal(found, wanted)
    x[0, 0, 0, 0] = math.nan
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), pytest.raises(ValueError, match="features x"):
        correspond(x, z)


def test_levels_that_can_be_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_bilevel, "can_fuse_units", lambda x: True)
    monkeypatch.setattr(fused_bilevel, "can_fuse_blocks", lambda *_: True)

    def fits(x: tuple[int, ...], block: int, k: int, dtype: torch.dtype = torch.float32) -> bool:
        with FakeTensorMode():
            map = torch.empty(x, dtype=dtype, device="cuda")
            return can_fuse_levels(map, map, block, k)

    assert fits((1, 6, 8, 8), 2, 3)
    assert fits((1, 6, 8, 8), 2, 15, torch.bfloat16)
    assert not fits((1, 6, 8, 8), 2, 3, torch.float16)
    assert not fits((1, 6, 8, 8), 2, 3, torch.float64)
    # Every block is retrieved, some positions are in no block, a row is too long.
    assert not fits((1, 6, 8, 8), 2, 16)
    assert not fits((1, 6, 8, 9), 2, 3)
    assert not fits((1, 6, 8, 8), 0, 3)
    assert not fits((1, 6, 258, 256), 2, 3)
