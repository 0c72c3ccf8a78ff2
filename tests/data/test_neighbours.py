from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rabit.data import neighbours
from rabit.data.neighbours import nearest


def reference(features: np.ndarray, count: int, queries: list[int], pool: list[int]) -> np.ndarray:
    """The definition: all cosines in float64, a stable sort over ascending indices."""
    wide = features.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1)
    unit = wide / np.where(norms > 0, norms, 1)[:, None]
    rows = []
    for query in queries:
        others = [i for i in sorted(pool) if i != query]
        # Equal vectors have equal cosines whatever BLAS does with them.
        cosines = [round(float(np.dot(unit[query], unit[i])), 12) for i in others]
        rows.append([others[i] for i in np.argsort(-np.array(cosines), kind="stable")][:count])
    return np.array([row[: min(map(len, rows))] for row in rows])


@pytest.fixture
def features() -> np.ndarray:
    """Close together, as features of pictures are, and some of them equal."""
    rng = np.random.default_rng(0)
    mean = rng.random(24)
    spread = (mean + 0.05 * rng.standard_normal((60, 24))).astype(np.float32)
    return spread[np.r_[0:60, 3, 3, 17, 40, 3]]


@pytest.mark.parametrize("products", [1, 200, 2**24])
def test_it_equals_the_definition_whatever_the_chunks(
    features: np.ndarray, products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_PRODUCTS", products)
    monkeypatch.setattr(neighbours, "_EXACT", products)
    everything = list(range(len(features)))
    found = nearest(features, 7)
    assert found.dtype == np.int64
    assert np.array_equal(found, reference(features, 7, everything, everything))


def test_equal_vectors_come_in_the_order_of_their_indices() -> None:
    rng = np.random.default_rng(1)
    row = rng.standard_normal((1, 300)).astype(np.float32)
    features = np.concatenate([np.repeat(row, 70, axis=0), -row, np.repeat(row, 30, axis=0)])
    found = nearest(features, 9)
    assert found[0].tolist() == list(range(1, 10))
    assert found[100].tolist() == list(range(9))
    assert found[5].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9]


def test_a_difference_that_float32_does_not_see_still_orders() -> None:
    rng = np.random.default_rng(2)
    query = rng.standard_normal(512).astype(np.float32)
    far = rng.standard_normal(512).astype(np.float32)
    # Cosines of 1 - O(1e-9): float32 products of these are noise.
    near = [query + np.float32(step) * far for step in (4e-5, 1e-5, 3e-5, 2e-5)]
    features = np.stack([query, *near]).astype(np.float32)
    assert nearest(features, 4, [0]).tolist() == [[2, 4, 3, 1]]


def test_only_candidates_are_listed_and_never_the_query(features: np.ndarray) -> None:
    queries, pool = [50, 2, 3], [3, 1, 4, 2, 60, 9]
    found = nearest(features, 4, queries, pool)
    assert np.array_equal(found, reference(features, 4, queries, pool))
    assert set(found.ravel().tolist()) <= set(pool)
    assert all(query not in row for query, row in zip(queries, found.tolist(), strict=True))


def test_length_does_not_matter_and_zero_is_like_nothing() -> None:
    features = np.array([[1, 0], [50, 1], [0, 0], [1e-30, 0], [-1, 0], [1e30, 0]], dtype=np.float32)
    assert nearest(features, 5)[0].tolist() == [3, 5, 1, 2, 4]
    assert nearest(features, 5)[2].tolist() == [0, 1, 3, 4, 5]


def test_there_are_at_most_as_many_as_there_are_others(features: np.ndarray) -> None:
    assert nearest(features[:4], 10).shape == (4, 3)
    assert nearest(features, 10, [9], [1, 2]).shape == (1, 2)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 30), st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**31))
def test_few_distinct_vectors(total: int, length: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.integers(-1, 2, (total, length)).astype(np.float32)
    everything = list(range(total))
    assert np.array_equal(
        nearest(features, count), reference(features, count, everything, everything)
    )


def test_the_number_of_threads_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    features = (1 + 0.1 * rng.standard_normal((700, 64))).astype(np.float32)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = nearest(features, 10)
        torch.set_num_threads(2)
        two = nearest(features, 10)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(one, two)


def test_memory_does_not_grow_with_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_PRODUCTS", 5000)
    sizes = []

    def spy(products: torch.Tensor, *others: object) -> torch.Tensor:
        sizes.append(products.numel())
        return likely(products, *others)  # type: ignore[arg-type]

    likely = neighbours._likely
    monkeypatch.setattr(neighbours, "_likely", spy)
    told: list[tuple[int, int]] = []
    features = np.random.default_rng(4).standard_normal((500, 8)).astype(np.float32)
    nearest(features, 3, progress=lambda done, total: told.append((done, total)))
    assert max(sizes) <= 5000
    assert told == [(done, 500) for done in range(10, 501, 10)]


def test_wrong_arguments_are_refused(features: np.ndarray) -> None:
    with pytest.raises(ValueError, match="count is 0"):
        nearest(features, 0)
    with pytest.raises(ValueError, match="no other item"):
        nearest(features[:1], 3)
    with pytest.raises(ValueError, match="no other item"):
        nearest(features, 3, [5], [5])
    for value in (np.nan, np.inf):
        broken = features.copy()
        broken[11, 3] = value
        with pytest.raises(ValueError, match="item 11"):
            nearest(broken, 3)


def exact(features: np.ndarray, count: int) -> np.ndarray:
    """All cosines in float64, pair by pair, equal ones by their indices."""
    total = len(features)
    norms = np.sqrt(np.square(features.astype(np.float64)).sum(axis=1))
    first, second = (places.ravel() for places in np.indices((total, total)))
    products = np.multiply(features[first], features[second], dtype=np.float64).sum(axis=1)
    cosines = (products / (norms[first] * norms[second])).reshape(total, total)
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :count]


@pytest.mark.parametrize(
    ("spread", "most"),
    # What float32 rounds to the same few numbers is apart by less than float64 resolves.
    [(0, 4_800), (1e-9, 36_000), (1e-6, 4_800), (1e-4, 4_800), (1e-2, 4_800)],
)
def test_many_that_are_hardly_told_apart_cost_little(
    spread: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    mean = rng.random(40)
    features = (mean * (1 + spread * rng.standard_normal((600, 40)))).astype(np.float32)
    compared = []

    def spy(
        features: np.ndarray, norms: np.ndarray, first: np.ndarray, second: np.ndarray
    ) -> np.ndarray:
        compared.append(len(first))
        return cosines(features, norms, first, second)

    cosines = neighbours._cosines
    monkeypatch.setattr(neighbours, "_cosines", spy)
    found = nearest(features, 5)
    assert np.array_equal(found, exact(features, 5))
    # Of 360,000 pairs.
    assert sum(compared) <= most


def test_equal_vectors_among_others_and_of_many_lengths() -> None:
    rng = np.random.default_rng(6)
    distinct = rng.standard_normal((40, 24)).astype(np.float32)
    features = distinct[rng.integers(0, 40, 500)]
    assert np.array_equal(nearest(features, 9), exact(features, 9))
    lengths = (features * rng.random((500, 1))).astype(np.float32)
    assert np.array_equal(nearest(lengths, 9), exact(lengths, 9))


def test_candidates_of_one_direction_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    features = (rng.random(24) * rng.random((300, 1))).astype(np.float32)
    expected = exact(features, 4)
    monkeypatch.setattr(neighbours, "_PAIRS", 1000)
    sizes = []

    def spy(features: np.ndarray, norms: np.ndarray, *pairs: np.ndarray) -> np.ndarray:
        sizes.append(len(pairs[0]))
        return cosines(features, norms, *pairs)

    cosines = neighbours._cosines
    monkeypatch.setattr(neighbours, "_cosines", spy)
    assert np.array_equal(nearest(features, 4), expected)
    assert max(sizes) <= 1000 + 300
