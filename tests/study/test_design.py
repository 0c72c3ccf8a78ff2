from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rabit.study.design import (
    Comparison,
    balanced_orientation,
    plan_k_way,
    plan_pairwise,
    plan_sheet,
    reordered,
)

T = TypeVar("T")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def spread(counts: Counter[T], over: list[T]) -> int:
    """Largest minus smallest number, of all that could have come."""
    return max(counts[key] for key in over) - min(counts[key] for key in over)


@settings(max_examples=60, deadline=None)
@given(
    items=st.integers(1, 12),
    methods=st.integers(2, 7),
    raters=st.integers(1, 6),
    share=st.floats(0, 1),
    overlap=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_pairwise_is_balanced(
    items: int, methods: int, raters: int, share: float, overlap: int, seed: int
) -> None:
    overlap = min(overlap, raters)
    pairs = list(combinations(range(methods), 2))
    per_rater = max(1, round(share * items * len(pairs)))
    plan = plan_pairwise(items, methods, raters, per_rater, rng(seed), overlap)
    every = [comparison for own in plan for comparison in own]
    assert [len(own) for own in plan] == [per_rater] * raters
    unordered = Counter(tuple(sorted(c.methods)) for c in every)
    assert spread(unordered, [tuple(pair) for pair in pairs]) <= 1
    assert spread(Counter(c.item for c in every), list(range(items))) <= 2 * overlap
    ordered = Counter(c.methods for c in every)
    for a, b in pairs:
        assert abs(ordered[a, b] - ordered[b, a]) <= 1
    left, right = (Counter(c.methods[side] for c in every) for side in (0, 1))
    assert all(abs(left[m] - right[m]) <= 1 for m in range(methods))
    for own in plan:
        assert len({(c.item, tuple(sorted(c.methods))) for c in own}) == per_rater


@settings(max_examples=60, deadline=None)
@given(
    items=st.integers(1, 12),
    methods=st.integers(2, 7),
    raters=st.integers(1, 6),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_k_way_is_balanced(items: int, methods: int, raters: int, share: float, seed: int) -> None:
    per_rater = max(1, round(share * items))
    plan = plan_k_way(items, methods, raters, per_rater, rng(seed))
    every = [comparison for own in plan for comparison in own]
    assert len(every) == raters * per_rater
    assert all(sorted(c.methods) == list(range(methods)) for c in every)
    assert spread(Counter(c.item for c in every), list(range(items))) <= 1
    for place in range(methods):
        at = Counter(c.methods[place] for c in every)
        assert spread(at, list(range(methods))) <= 1
    for own in plan:
        assert len({c.item for c in own}) == per_rater


def test_whole_designs_are_exactly_balanced() -> None:
    """10 raters, 12 items, 4 methods: 120 pairs are 20 of each, 10 each way round."""
    every = [c for own in plan_pairwise(12, 4, 10, 12, rng()) for c in own]
    assert set(Counter(c.methods for c in every).values()) == {10}
    assert set(Counter(c.item for c in every).values()) == {10}


@pytest.mark.parametrize("overlap", [1, 2, 5])
def test_as_many_raters_as_asked_for_see_a_comparison(overlap: int) -> None:
    """10 raters with 12 comparisons each, of 6 pairs and 20 items."""
    every = [c for own in plan_pairwise(20, 4, 10, 12, rng(), overlap) for c in own]
    seen = Counter((c.item, tuple(sorted(c.methods))) for c in every)
    assert set(seen.values()) == {overlap}


def test_a_rater_sees_nothing_twice() -> None:
    with pytest.raises(ValueError, match="asks for 5 trials a question, but there are 4 items"):
        plan_k_way(4, 3, 2, 5, rng())
    with pytest.raises(ValueError, match="13 trials a question, but there are 12 comparisons"):
        plan_pairwise(4, 3, 2, 13, rng())


def test_plans_differ_by_seed_only() -> None:
    plans = [plan_pairwise(6, 4, 3, 8, rng(seed)) for seed in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda e: e[0] != e[1])))
def test_an_orientation_balances_every_node(edges: list[tuple[int, int]]) -> None:
    directed = balanced_orientation(edges, 7)
    assert [set(edge) for edge in directed] == [set(edge) for edge in edges]
    out, into = (Counter(edge[end] for edge in directed) for end in (0, 1))
    assert all(abs(out[node] - into[node]) <= 1 for node in range(7))


def comparisons(count: int, start: int = 0) -> list[Comparison]:
    return [Comparison(start + i, (0, 1, 2)) for i in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_a_sheet_holds_its_trials(seed: int) -> None:
    blocks = [comparisons(7), comparisons(7, 100)]
    sheet = plan_sheet(seed, blocks, gold=[0, 1, 0], repeats=5, rng=rng(seed))
    assert Counter(trial.kind for trial in sheet) == {"main": 14, "gold": 3, "repeat": 5}
    asked = [trial.question for trial in sheet]
    first = seed % 2
    assert asked == [first] * asked.count(first) + [1 - first] * asked.count(1 - first)
    assert sorted(t.gold for t in sheet if t.kind == "gold") == [0, 1, 2]
    main = [t.comparison.item for t in sheet if t.kind == "main" and t.comparison]
    assert sorted(main) == [*range(7), *range(100, 107)]
    starts = [0, asked.index(1 - first)]
    assert all(sheet[start].kind == "main" for start in starts)


@pytest.mark.parametrize("seed", range(20))
def test_repeats_come_later_with_the_pictures_elsewhere(seed: int) -> None:
    sheet = plan_sheet(0, [comparisons(8), comparisons(8, 50)], [0, 1, 1], 6, rng(seed))
    repeats = [(place, trial) for place, trial in enumerate(sheet) if trial.kind == "repeat"]
    assert len({trial.of for _, trial in repeats}) == 6
    for place, trial in repeats:
        first = sheet[trial.of]
        assert first.kind == "main" and first.question == trial.question and trial.of < place
        assert first.comparison and trial.comparison
        assert first.comparison.item == trial.comparison.item
        pairs = zip(first.comparison.methods, trial.comparison.methods, strict=True)
        assert all(one != other for one, other in pairs)


def test_two_pictures_are_exchanged() -> None:
    assert reordered(Comparison(3, (5, 2)), rng()) == Comparison(3, (2, 5))
