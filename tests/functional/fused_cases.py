"""Cases of the fused programs; `test_fused` runs them in a process of its own.

Triton decides when it is imported whether it compiles for a GPU or interprets on the CPU.
"""

from __future__ import annotations

import math
import os

import pytest
import torch
from torch import Tensor

from rabit.alignment import bilevel, correspond
from rabit.functional import entropic_topk, fused
from rabit.functional.fused import LARGEST_K, LARGEST_ROW, score_gradient_rows, solve_rows
from rabit.functional.gradient import score_gradient, selection_pull
from rabit.functional.threshold import Threshold, solve_threshold

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") else "cuda"
EPSILONS = (0.001, 0.01, 0.04, 0.2, 1.0)
SIZES = ((9, 8), (100, 1), (257, 3), (1000, 5))


def rows(count: int) -> Tensor:
    """Uniform, normal, peaked, constant, nearly constant, rounded and clustered scores."""
    generator = torch.Generator().manual_seed(count)
    uniform, normal = torch.rand(7, count, generator=generator), torch.randn(7, count)
    normal.normal_(generator=generator)
    peaked = uniform[2] / 10
    peaked[count // 2] = 0.95
    clusters = torch.where(uniform[6] > 0.3, 0.9, -0.9) + normal[6] / 1000
    rounded = (normal[5] * 4).round() / 16
    made = (2 * uniform[0] - 1, normal[1] / 8, peaked, torch.full((count,), 0.37))
    return torch.stack([*made, 0.37 + 1e-6 * normal[4], rounded, clusters]).to(DEVICE)


def pull_of(solution: Threshold) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = solution.indices.shape
    mass, log_mass = (torch.randn(shape, generator=generator).to(DEVICE) for _ in range(2))
    return selection_pull(solution.logits, mass, log_mass)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize(("count", "k"), SIZES)
def test_solution_equals_the_eager_one(count: int, k: int, epsilon: float) -> None:
    scores = rows(count)
    fused, eager = solve_rows(scores, k, epsilon), solve_threshold(scores, k, epsilon)
    assert torch.equal(fused.indices, eager.indices)
    assert torch.equal(fused.scores, eager.scores)
    assert torch.equal(fused.pivot, eager.pivot)
    assert fused.slope == eager.slope
    assert fused.converged
    assert 1 <= fused.iterations <= 10
    # Each search stops when its step is below 1e-6 (1 + |shift|).
    assert torch.allclose(fused.shift, eager.shift, rtol=3e-6, atol=3e-6)
    assert torch.allclose(fused.spread, eager.spread, rtol=1e-4, atol=1e-35)
    logits = fused.slope * (scores - fused.pivot).double() - fused.shift
    true = (torch.sigmoid(logits).sum(1, keepdim=True) - k).abs()
    assert float(true.max()) < 1e-4
    assert float((true - fused.residual).abs().max()) < 5e-5


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize(("count", "k"), SIZES)
def test_gradient_equals_the_eager_one(count: int, k: int, epsilon: float) -> None:
    scores = rows(count)
    solution = solve_threshold(scores, k, epsilon)
    arguments = (
        scores,
        solution.indices,
        pull_of(solution),
        solution.pivot,
        solution.shift,
        solution.spread,
        solution.slope,
    )
    fused, eager = score_gradient_rows(*arguments), score_gradient(*arguments)
    smallest = torch.finfo(torch.float32).tiny ** 0.5
    # A selected score's gradient is a difference of two numbers as large as its pull.
    own, wanted = (grad.gather(1, solution.indices) for grad in (fused, eager))
    error = (own - wanted).abs() / solution.slope
    assert bool((error <= 1e-6 * arguments[2].abs().amax(1, True) + smallest).all())
    others, wanted = (grad.scatter(1, solution.indices, 0) for grad in (fused, eager))
    assert torch.allclose(others, wanted, rtol=5e-5, atol=2 * smallest)
    sizes = fused.abs()
    assert bool(((sizes == 0) | (sizes > smallest)).all())


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16))
def test_gradient_of_the_best_score_is_added(dtype: torch.dtype) -> None:
    scores = rows(100)
    solution = solve_threshold(scores, 3, 0.1)
    plan = (solution.pivot, solution.shift, solution.spread, solution.slope)
    best = torch.arange(1.0, 8.0, device=DEVICE)
    found = score_gradient_rows(
        scores, solution.indices, pull_of(solution), *plan, best[:, None].expand(7, 2)[:, 1], dtype
    )
    wanted = score_gradient(scores, solution.indices, pull_of(solution), *plan)
    wanted.scatter_add_(1, solution.indices[:, :1], best[:, None])
    assert found.dtype == dtype
    assert torch.allclose(found, wanted.to(dtype), rtol=1e-4 if dtype == torch.float32 else 1e-2)


@pytest.mark.parametrize("epsilon", (0.02, 0.1, 1.0))
def test_gradient_of_the_whole_path_equals_double_precision(epsilon: float) -> None:
    scores = rows(300)[:3]
    exact = scores.double().requires_grad_()
    top = entropic_topk(exact, 4, epsilon)
    generator = torch.Generator().manual_seed(1)
    mass, log_mass = (torch.randn((3, 4), generator=generator).to(DEVICE) for _ in range(2))
    (expected,) = torch.autograd.grad((top.mass * mass + top.log_mass * log_mass).sum(), exact)
    solution = solve_rows(scores, 4, epsilon)
    gradient = score_gradient_rows(
        scores,
        solution.indices,
        pull_of(solution),
        solution.pivot,
        solution.shift,
        solution.spread,
        solution.slope,
    )
    atol = 1e-5 * float(expected.abs().max())
    assert torch.allclose(gradient.double(), expected, rtol=1e-4, atol=atol)


def test_equal_scores_are_ordered_by_index() -> None:
    for count in (5, 65, 700):
        scores = torch.zeros(3, count, device=DEVICE)
        scores[1, -1] = scores[1, 2] = 0.5
        scores[2, 3] = 0.7
        indices = solve_rows(scores, 3, 0.1).indices
        assert indices.tolist() == [[0, 1, 2], [2, count - 1, 0], [3, 0, 1]]


def test_whole_mass() -> None:
    scores = rows(8)
    fused, eager = solve_rows(scores, 8, 0.1), solve_threshold(scores, 8, 0.1)
    assert torch.equal(fused.indices, eager.indices)
    assert bool((fused.shift == -math.inf).all())
    arguments = (fused.indices, pull_of(fused), fused.pivot, fused.shift, fused.spread)
    assert float(score_gradient_rows(scores, *arguments, fused.slope).abs().max()) == 0


def test_largest_size() -> None:
    scores = rows(LARGEST_ROW)[:2]
    fused, eager = solve_rows(scores, LARGEST_K, 0.04), solve_threshold(scores, LARGEST_K, 0.04)
    assert torch.equal(fused.indices, eager.indices)
    assert torch.allclose(fused.shift, eager.shift, rtol=3e-6, atol=3e-6)


def test_selection_hardens() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.4, 0.8, 0.2]], device=DEVICE)
    solution = solve_rows(scores, 2, 1e-8)
    assert solution.converged
    assert solution.indices.tolist() == [[1, 3]]
    assert torch.equal(torch.sigmoid(solution.logits).cpu(), torch.ones(1, 2))
    assert float(solution.spread) == 0


def test_no_rows_and_strided_rows() -> None:
    scores = rows(100)
    assert solve_rows(scores[:0], 3, 0.1).indices.shape == (0, 3)
    strided, whole = solve_rows(scores.T.contiguous().T, 3, 0.1), solve_rows(scores, 3, 0.1)
    assert torch.equal(strided.indices, whole.indices)
    assert torch.equal(strided.shift, whole.shift)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(
    ("number", "places"),
    (
        (math.nan, slice(None)),
        (math.nan, slice(40, 41)),
        (math.nan, slice(2, 99)),
        (math.inf, slice(None)),
        (math.inf, slice(40, 41)),
        (-math.inf, slice(None)),
    ),
)
def test_a_row_that_is_not_finite_says_that_it_did_not_converge(
    number: float, places: slice
) -> None:
    scores = rows(100)
    scores[2, places] = number
    solution = solve_rows(scores, 3, 0.1)
    assert not solution.converged
    assert bool(solution.steps[2] < 0)
    assert bool(((solution.indices >= 0) & (solution.indices < 100)).all())
    assert torch.equal(solution.indices[:2], solve_threshold(scores[:2], 3, 0.1).indices)


@pytest.mark.parametrize("coarse", ((), (4,)))
def test_ranking_takes_the_fused_programs(
    coarse: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    x, z = (torch.randn((1, 6, 16, 8), generator=generator).to(DEVICE) for _ in range(2))
    inputs = (x.requires_grad_(), z.requires_grad_())

    def gradients() -> tuple[Tensor, ...]:
        built = correspond(x, z, epsilon=0.1, coarse=coarse, chunk=3)
        assert built.mass is not None
        return torch.autograd.grad(built.mass.square().sum() + built.peak.sum(), inputs)

    taken: list[int] = []

    def take(scores: Tensor, k: int) -> bool:
        taken.append(k)
        return True

    # Both levels at once have cases of their own.
    monkeypatch.setattr(bilevel, "can_fuse_levels", lambda *_: False)
    monkeypatch.setattr(fused, "can_fuse", lambda scores, k: False)
    eager = gradients()
    monkeypatch.setattr(fused, "can_fuse", take)
    for gradient, expected in zip(gradients(), eager, strict=True):
        assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-5)
    assert taken
