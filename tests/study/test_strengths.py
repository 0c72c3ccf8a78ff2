from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize

from rabit.study.strengths import PRIOR, comparable_groups, fit_strengths


def pairwise(wins: list[list[float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts of outcomes, sets and choices of a table: row i, column j, i was chosen over j."""
    methods = len(wins)
    outcomes = [(a, b) for a in range(methods) for b in range(methods) if a != b]
    shown = np.zeros((len(outcomes), methods), bool)
    for row, pair in enumerate(outcomes):
        shown[row, list(pair)] = True
    counts = np.array([[wins[a][b] for a, b in outcomes]], np.float64)
    return counts, shown, np.array([a for a, _ in outcomes])


def test_two_methods_have_the_odds_of_their_wins() -> None:
    fit = fit_strengths(*pairwise([[0, 300], [100, 0]]))
    assert fit.converged and fit.values.sum() == pytest.approx(0)
    assert fit.values[0, 0] - fit.values[0, 1] == pytest.approx(np.log(3), abs=1e-3)


def test_one_set_has_the_shares_as_odds() -> None:
    """Choices from all methods at once: Luce's model fits the shares themselves."""
    counts = np.array([[600.0, 300.0, 100.0]])
    fit = fit_strengths(counts, np.ones((3, 3), bool), np.arange(3))
    odds = np.exp(fit.values[0] - fit.values[0, 2])
    np.testing.assert_allclose(odds, [6, 3, 1], rtol=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_fits_are_those_of_a_plain_optimiser(seed: int) -> None:
    """Sets of 2, 3 and 4 methods, against SciPy on the likelihood as it is written."""
    rng = np.random.default_rng(seed)
    sets = [s for size in (2, 3, 4) for s in combinations(range(4), size)]
    outcomes = [(s, chosen) for s in sets for chosen in s]
    shown = np.array([[m in s for m in range(4)] for s, _ in outcomes])
    chosen = np.array([c for _, c in outcomes])
    counts = rng.integers(0, 9, len(outcomes)).astype(np.float64)

    def loss(values: np.ndarray) -> float:
        total = 0.5 * PRIOR * float(values @ values)
        for (members, winner), count in zip(outcomes, counts, strict=True):
            total -= count * (values[winner] - np.log(np.exp(values[list(members)]).sum()))
        return total

    plain = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-7}).x
    fit = fit_strengths(counts[None], shown, chosen)
    assert fit.converged
    np.testing.assert_allclose(fit.values[0], plain - plain.mean(), atol=1e-5)


def test_data_sets_are_fitted_each_for_itself() -> None:
    one, shown, chosen = pairwise([[0, 5, 9], [4, 0, 3], [1, 6, 0]])
    other = pairwise([[0, 50, 1], [1, 0, 30], [9, 2, 0]])[0]
    both = fit_strengths(np.concatenate([one, other]), shown, chosen).values
    np.testing.assert_allclose(both[:1], fit_strengths(one, shown, chosen).values, atol=1e-7)
    np.testing.assert_allclose(both[1:], fit_strengths(other, shown, chosen).values, atol=1e-7)


@pytest.mark.parametrize("wins", [[[0, 0], [90, 0]], [[0, 0], [1e6, 0]], [[0, 0], [0, 0]]])
def test_what_never_wins_has_a_finite_strength(wins: list[list[float]]) -> None:
    fit = fit_strengths(*pairwise(wins))
    assert fit.converged and np.isfinite(fit.values).all() and abs(fit.values).max() < 10
    assert fit.values[0, 0] <= fit.values[0, 1]


def test_a_fit_that_was_cut_short_says_so() -> None:
    fit = fit_strengths(*pairwise([[0, 300], [1, 0]]), max_iterations=2)
    assert not fit.converged and fit.iterations == 2


@pytest.mark.parametrize(
    ("wins", "groups"),
    [
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[0, 1, 2]]),
        ([[0, 1, 1], [0, 0, 1], [0, 0, 0]], [[0], [1], [2]]),
        ([[0, 2, 9, 9], [3, 0, 9, 9], [0, 0, 0, 1], [0, 0, 4, 0]], [[0, 1], [2, 3]]),
        ([[0, 0, 2, 0], [0, 0, 0, 1], [3, 0, 0, 0], [0, 4, 0, 0]], [[0, 2], [1, 3]]),
    ],
    ids=["circle", "order", "always beaten", "never compared"],
)
def test_strengths_compare_where_wins_lead_both_ways(
    wins: list[list[int]], groups: list[list[int]]
) -> None:
    assert comparable_groups(np.array(wins)) == groups


@pytest.mark.parametrize(
    "wins", [[[0, 3, 9], [2, 0, 9], [0, 0, 0]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]]
)
def test_only_inside_of_a_group_strengths_do_not_need_the_prior(
    wins: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prior a hundred times as weak moves differences between groups, and no others."""
    groups = comparable_groups(np.array(wins, np.int64))
    before = fit_strengths(*pairwise(wins)).values[0]
    monkeypatch.setattr("rabit.study.strengths.PRIOR", PRIOR / 100)
    moved = fit_strengths(*pairwise(wins)).values[0] - before
    for a, b in combinations(range(3), 2):
        together = any(a in group and b in group for group in groups)
        assert (abs(moved[a] - moved[b]) < 0.02) == together
