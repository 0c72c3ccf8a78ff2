from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rabit.functional import entropic_topk
from rabit.functional.tail import LARGEST_ODDS, Tail, odds_terms
from rabit.functional.threshold import CANDIDATES, solve_threshold

EPSILONS = (0.001, 0.003, 0.01, 0.04, 0.1, 0.3, 1.0)


def uniform(rows: int, count: int) -> Tensor:
    return torch.rand(rows, count) * 2 - 1


def normal(rows: int, count: int) -> Tensor:
    return torch.randn(rows, count) / 8


def peaked(rows: int, count: int) -> Tensor:
    scores = torch.rand(rows, count) / 10
    scores[:, count // 2] = 0.95
    return scores


def constant(rows: int, count: int) -> Tensor:
    return torch.full((rows, count), 0.37)


def plan(scores: Tensor, threshold: Tensor, epsilon: float) -> Tensor:
    return torch.sigmoid(4 * (scores - threshold.unsqueeze(-1)) / epsilon)


def sinkhorn(scores: Tensor, k: int, epsilon: float, iterations: int = 20000) -> Tensor:
    """Log-domain Sinkhorn on the two-anchor problem; the second column of N T, rows exact."""
    count = len(scores)
    cost = torch.stack([(scores + 1) ** 2, (scores - 1) ** 2], dim=1)
    log_rows = torch.full((count,), -float(np.log(count)), dtype=scores.dtype)
    log_columns = torch.tensor([(count - k) / count, k / count], dtype=scores.dtype).log()
    f = torch.zeros_like(log_rows)
    for _ in range(iterations):
        g = log_columns - torch.logsumexp(f[:, None] - cost / epsilon, dim=0)
        update = log_rows - torch.logsumexp(g - cost / epsilon, dim=1)
        done = (update - f).abs().max() < 1e-13
        f = update
        if done:
            break
    return count * (f + g[1] - cost[:, 1] / epsilon).exp()


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_equals_converged_sinkhorn(epsilon: float) -> None:
    torch.manual_seed(0)
    # Sinkhorn needs a spread of the scores that is moderate against epsilon; ours does not.
    scores = 0.2 + min(0.8, 5 * epsilon) * (torch.rand(40, dtype=torch.float64) * 2 - 1)
    result = entropic_topk(scores, 5, epsilon)
    expected = sinkhorn(scores, 5, epsilon)
    assert float((expected.sum() - 5).abs()) < 1e-8, "the reference has not converged"
    assert torch.allclose(plan(scores, result.threshold, epsilon), expected, atol=1e-6)
    assert torch.allclose(result.mass, expected[result.indices], atol=1e-6)
    assert torch.allclose(result.log_mass, expected[result.indices].log(), atol=1e-6)


@pytest.mark.parametrize("epsilon", (0.04, 0.1, 0.3, 1.0))
def test_equals_pot(epsilon: float) -> None:
    torch.manual_seed(1)
    scores = torch.rand(30, dtype=torch.float64) * 2 - 1
    count, k = len(scores), 3
    cost = torch.stack([(scores + 1) ** 2, (scores - 1) ** 2], dim=1).numpy()
    marginals = np.full(count, 1 / count), np.array([(count - k) / count, k / count])
    transport = ot.sinkhorn(
        *marginals, cost, epsilon, method="sinkhorn_log", numItermax=100000, stopThr=1e-14
    )
    expected = torch.from_numpy(count * transport[:, 1])
    result = entropic_topk(scores, k, epsilon)
    assert torch.allclose(plan(scores, result.threshold, epsilon), expected, atol=1e-6)


@pytest.mark.parametrize("make", (uniform, normal, peaked, constant))
@pytest.mark.parametrize("count", (16, 1000, 4096))
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_residual_is_small_and_true(
    epsilon: float, count: int, make: Callable[[int, int], Tensor]
) -> None:
    torch.manual_seed(2)
    scores = make(8, count)
    solution = solve_threshold(scores, 3, epsilon)
    logits = solution.slope * (scores - solution.pivot).double() - solution.shift
    true = (torch.sigmoid(logits).sum(1, keepdim=True) - 3).abs()
    assert solution.converged
    assert solution.iterations <= 10
    assert float(true.max()) < 1e-4
    assert float((true - solution.residual).abs().max()) < 5e-5
    assert float(solution.residual.max()) < 1e-4


def test_search_settles_where_the_root_is_the_end_of_the_bracket() -> None:
    torch.manual_seed(10)
    scores = 0.37 + 1e-6 * torch.randn(300, 100)
    for epsilon in EPSILONS:
        solution = solve_threshold(scores, 1, epsilon)
        assert solution.converged
        assert solution.iterations <= 10


def test_residual_at_the_largest_size() -> None:
    torch.manual_seed(3)
    for epsilon in (0.001, 0.04, 1.0):
        assert float(entropic_topk(uniform(2, 65536), 3, epsilon).residual.max()) < 1e-4


@pytest.mark.parametrize("epsilon", (0.003, 0.02, 0.2))
def test_candidates_and_tail_equal_the_full_search(epsilon: float) -> None:
    torch.manual_seed(4)
    scores = normal(50, 3 * CANDIDATES).double()
    fast = entropic_topk(scores, 3, epsilon)
    low, high = torch.full((50, 1), -9.0).double(), torch.full((50, 1), 9.0).double()
    for _ in range(200):
        middle = (low + high) / 2
        above = torch.sigmoid(4 * (scores - middle) / epsilon).sum(1, keepdim=True) > 3
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    expected = plan(scores, middle.squeeze(1), epsilon)
    assert torch.allclose(plan(scores, fast.threshold, epsilon), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("dtype", "terms"), ((torch.float32, 6), (torch.float64, 13)))
def test_tail_is_exact_to_rounding(dtype: torch.dtype, terms: int) -> None:
    torch.manual_seed(9)
    others = -8 + torch.rand(1, 500, dtype=torch.float64)
    largest = others.amax(1, keepdim=True)
    powers = (others - largest).exp()
    sums = tuple(powers.pow(n).sum(1, keepdim=True) for n in range(1, terms + 1))
    assert odds_terms(dtype) == terms
    for odds in (1e-6, 0.01, LARGEST_ODDS):
        shift = (largest - math.log(odds)).requires_grad_()
        log_mass, slope = Tail(largest, sums).log_mass(shift)
        exact = torch.sigmoid(others - shift).sum(1, keepdim=True).log()
        assert abs(float((log_mass - exact).detach())) < 16 * torch.finfo(dtype).eps
        (derivative,) = torch.autograd.grad(exact, shift)
        assert abs(float((slope + derivative).detach())) < 1e3 * torch.finfo(dtype).eps


@pytest.mark.parametrize("k", (1, 3, 8, 20))
def test_no_score_below_the_candidates_has_larger_odds(k: int) -> None:
    """Plateaus of equal scores, narrower and wider than the candidates, above a deep valley."""
    candidates = max(CANDIDATES, int(k * (1 / LARGEST_ODDS + 1)) + 1)
    for width in range(k + 1, 2 * candidates):
        scores = torch.full((1, 1000), -1.0, dtype=torch.float64)
        scores[0, :width] = 0
        solution = solve_threshold(scores, k, 0.04)
        assert abs(float(width * torch.sigmoid(-solution.shift)) - k) < 1e-12 * k


def test_spread_is_the_sum_of_the_derivative() -> None:
    torch.manual_seed(5)
    for epsilon in (0.01, 0.04, 0.3):
        scores = normal(20, 500).double()
        solution = solve_threshold(scores, 4, epsilon)
        p = plan(scores, solution.value.squeeze(1), epsilon)
        assert torch.allclose(solution.spread, (p * (1 - p)).sum(1, keepdim=True), rtol=1e-9)


@pytest.mark.parametrize("epsilon", (0.02, 0.1, 1.0))
def test_gradient(epsilon: float) -> None:
    torch.manual_seed(6)
    scores = (torch.rand(2, 90, dtype=torch.float64) * 2 - 1).requires_grad_()

    def function(scores: Tensor) -> tuple[Tensor, Tensor]:
        result = entropic_topk(scores, 3, epsilon)
        return result.mass, result.log_mass

    assert torch.autograd.gradcheck(function, scores)


@pytest.mark.parametrize("epsilon", (1e-8, 0.001, 0.04, 1.0))
@pytest.mark.parametrize("make", (uniform, constant, peaked))
def test_gradient_is_finite(make: Callable[[int, int], Tensor], epsilon: float) -> None:
    torch.manual_seed(7)
    scores = make(3, 200)
    scores[:, 5:9] = scores[:, 4:5]
    scores.requires_grad_()
    result = entropic_topk(scores, 3, epsilon)
    assert bool(result.log_mass.isfinite().all())
    (result.mass.sum() + result.log_mass.sum()).backward()
    assert scores.grad is not None
    assert bool(scores.grad.isfinite().all())
    sizes = scores.grad.abs()
    # Denormal gradients would slow down the matrix products behind the scores.
    assert bool(((sizes == 0) | (sizes > 1e-20)).all())


def test_gradient_of_the_whole_mass_is_zero() -> None:
    scores = torch.randn(2, 6, requires_grad=True)
    result = entropic_topk(scores, 6, 0.1)
    assert torch.equal(result.mass, torch.ones(2, 6))
    assert torch.equal(result.log_mass, torch.zeros(2, 6))
    assert float(result.residual.max()) == 0
    assert bool((result.threshold == -float("inf")).all())
    (result.mass.sum() + result.log_mass.sum()).backward()
    assert scores.grad is not None
    assert float(scores.grad.abs().max()) == 0


def test_second_derivatives_are_refused() -> None:
    scores = torch.randn(10, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = entropic_topk(scores, 3, 0.5).mass.sum() + scores.square().sum()
    (gradient,) = torch.autograd.grad(loss, scores, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()


def test_small_epsilon_is_the_hard_selection() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.4, 0.8, 0.2]])
    result = entropic_topk(scores, 2, 1e-8)
    assert result.indices.tolist() == [[1, 3]]
    assert torch.equal(result.mass, torch.ones(1, 2))


@pytest.mark.parametrize("count", (5, CANDIDATES + 1, 700))
def test_equal_scores_are_ordered_by_index(count: int) -> None:
    scores = torch.zeros(3, count)
    scores[1, -1] = scores[1, 2] = 0.5
    scores[2, 3] = 0.7
    result = entropic_topk(scores, 3, 0.1)
    assert result.indices.tolist() == [[0, 1, 2], [2, count - 1, 0], [3, 0, 1]]


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=100),
    share=st.floats(0, 1),
    epsilon=st.sampled_from((1e-6, *EPSILONS)),
)
def test_properties(scores: list[float], share: float, epsilon: float) -> None:
    k = 1 + int(share * (len(scores) - 1))
    values = torch.tensor(scores)
    result = entropic_topk(values, k, epsilon)
    assert result.converged
    assert float(result.residual) < 1e-4
    assert bool((result.mass[:-1] >= result.mass[1:]).all())
    assert float(result.mass.min()) > 0.999 / (len(scores) - k + 1)
    assert sorted(result.indices.tolist()) == sorted(
        sorted(range(len(scores)), key=lambda place: -scores[place])[:k]
    )


def test_shape_and_dtype() -> None:
    result = entropic_topk(torch.randn(2, 3, 50), 4, 0.1)
    assert result.mass.shape == result.log_mass.shape == result.indices.shape == (2, 3, 4)
    assert result.threshold.shape == result.residual.shape == (2, 3)
    assert result.mass.dtype == torch.float32
    assert result.indices.dtype == torch.int64
    assert entropic_topk(torch.randn(9).bfloat16(), 4, 0.1).mass.dtype == torch.float32
    assert entropic_topk(torch.randn(9).double(), 4, 0.1).mass.dtype == torch.float64


@pytest.mark.parametrize(
    ("scores", "k", "epsilon", "message"),
    (
        (torch.zeros(2, 4), 5, 0.1, "k is 5, expected 1 to 4"),
        (torch.zeros(2, 4), 0, 0.1, "k is 0, expected 1 to 4"),
        (torch.zeros(2, 4), 2, 0.0, "epsilon is 0.0"),
        (torch.zeros(2, 4), 2, float("nan"), "epsilon is nan"),
        (torch.zeros(2, 4), 2, True, "epsilon is True, expected a number"),
        (torch.tensor([1e37, 0.0, 1.0]), 2, 0.04, r"as large as 1.0e\+37, expected at most 8.5e"),
        (torch.tensor([1e30, -1e30, 0.0]), 1, 1e-12, "expected at most 2.1e"),
        (torch.tensor([0.0, float("nan"), 1.0]), 2, 0.1, r"1 of 3 scores of shape \(3,\)"),
        (torch.zeros(2, 4, dtype=torch.int64), 2, 0.1, r"\(2, 4\) and dtype torch.int64"),
        (torch.tensor(0.5), 1, 0.1, r"shape \(\)"),
    ),
)
def test_errors(scores: Tensor, k: int, epsilon: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        entropic_topk(scores, k, epsilon)
