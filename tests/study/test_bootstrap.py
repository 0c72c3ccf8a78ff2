from __future__ import annotations

import numpy as np
import pytest

from rabit.study.bootstrap import Ballots, estimate

TRUE = np.array([0.9, 0.3, -0.2, -1.0])


def simulated(
    seed: int, raters: int = 12, items: int = 30, pairwise: bool = False, spread: float = 0.0
) -> Ballots:
    """Choices of raters who have the strengths `TRUE`, moved by rater and by item."""
    rng = np.random.default_rng(seed)
    methods = len(TRUE)
    rater, item = (grid.ravel() for grid in np.indices((raters, items)))
    moved = (
        TRUE
        + spread * rng.normal(size=(raters, 1, methods))
        + spread * rng.normal(size=(1, items, methods))
    ).reshape(-1, methods)
    shown = np.ones_like(moved, bool)
    if pairwise:
        shown = np.argsort(rng.random(moved.shape), axis=1) < 2
    noisy = np.where(shown, moved + rng.gumbel(size=moved.shape), -np.inf)
    return Ballots(rater, item, shown, noisy.argmax(axis=1))


@pytest.mark.parametrize("pairwise", [False, True], ids=["k-way", "pairwise"])
def test_known_strengths_lie_in_their_intervals(pairwise: bool) -> None:
    """24 studies; nominal are 95 %, and more where raters and items are alike."""
    inside = 0
    for seed in range(24):
        found = estimate(simulated(seed, pairwise=pairwise), 200, 0.95, seed)
        assert found.converged
        for interval, true in zip(found.strengths, TRUE - TRUE.mean(), strict=True):
            assert interval.low is not None and interval.high is not None
            inside += interval.low <= true <= interval.high
    assert 0.92 <= inside / (24 * len(TRUE)) <= 1


def test_shares_of_correlated_raters_lie_in_their_intervals() -> None:
    """Raters and items of their own tastes: the shares of a large population are known."""
    exact = simulated(999, raters=400, items=400, spread=0.6)
    truth = np.bincount(exact.chosen, minlength=4) / len(exact.chosen)
    inside = narrow = 0
    for seed in range(24):
        ballots = simulated(seed, spread=0.6)
        found = estimate(ballots, 200, 0.95, seed)
        each = len(ballots.chosen)
        for interval, true in zip(found.shares, truth, strict=True):
            assert interval.low is not None and interval.high is not None
            inside += interval.low <= true <= interval.high
            value = interval.value or 0.0
            error = 1.96 * np.sqrt(value * (1 - value) / each)
            narrow += abs(value - true) <= error
    assert inside / 96 >= 0.9
    assert narrow / 96 < 0.85, "as if choices were independent, intervals would be too narrow"


@pytest.mark.parametrize(("raters", "items"), [(5, 40), (3, 100), (40, 4)])
def test_intervals_hold_for_few_raters_or_items_that_differ(raters: int, items: int) -> None:
    """48 studies; plain percentiles hold the true share in 80 % to 88 % of the cases."""
    exact = simulated(999, raters=600, items=600, spread=1.0)
    truth = np.bincount(exact.chosen, minlength=4) / len(exact.chosen)
    inside = 0
    for seed in range(48):
        found = estimate(simulated(seed, raters, items, spread=1.0), 200, 0.95, seed)
        for interval, true in zip(found.shares, truth, strict=True):
            assert interval.low is not None and interval.high is not None
            assert 0 <= interval.low <= interval.high <= 1
            inside += interval.low <= true <= interval.high
    assert inside / (48 * 4) >= 0.92


def test_the_fewer_of_raters_and_items_enlarge_intervals() -> None:
    """Two raters' intervals reach further than one's, who leaves the items to differ alone."""
    widths = {}
    for raters, items in ((2, 40), (40, 2), (1, 40)):
        interval = estimate(simulated(0, raters, items), 200, 0.95, 0).shares[0]
        assert interval.low is not None and interval.high is not None
        widths[raters, items] = interval.high - interval.low
    assert min(widths[2, 40], widths[40, 2]) > 2 * widths[1, 40] > 0


def test_a_single_rater_and_item_have_no_interval() -> None:
    found = estimate(simulated(0, raters=1, items=1), 50, 0.95, 0)
    assert found.shares[0].value is not None
    assert found.shares[0].low is found.strengths[0].high is None


def test_shares_are_chosen_by_shown() -> None:
    shown = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]], bool)
    ballots = Ballots(np.array([0, 1, 0]), np.array([0, 0, 1]), shown, np.array([0, 1, 0]))
    found = estimate(ballots, 50, 0.95, 0)
    assert [interval.value for interval in found.shares] == [pytest.approx(2 / 3), 0.5, 0.0]


def test_what_was_never_shown_has_no_share_and_no_strength() -> None:
    shown = np.array([[1, 1, 0]] * 4, bool)
    chosen = np.array([0, 1, 0, 0])
    found = estimate(Ballots(np.arange(4), np.arange(4), shown, chosen), 50, 0.95, 0)
    assert found.shares[2].value is found.shares[2].low is None
    assert found.strengths[2].value is found.strengths[2].low is None
    assert sum(interval.value or 0 for interval in found.strengths[:2]) == pytest.approx(0)


def test_the_seed_decides_and_resamples_may_be_none() -> None:
    ballots = simulated(0)
    assert estimate(ballots, 120, 0.9, 5) == estimate(ballots, 120, 0.9, 5)
    assert estimate(ballots, 120, 0.9, 5) != estimate(ballots, 120, 0.9, 6)
    plain = estimate(ballots, 0, 0.9, 5)
    assert plain.shares[0].low is None
    assert plain.shares[0].value == estimate(ballots, 120, 0.9, 5).shares[0].value


def test_intervals_grow_with_confidence() -> None:
    widths = []
    for confidence in (0.5, 0.95):
        interval = estimate(simulated(1), 300, confidence, 0).shares[0]
        assert interval.low is not None and interval.high is not None
        widths.append(interval.high - interval.low)
    assert widths[1] > 2 * widths[0]
