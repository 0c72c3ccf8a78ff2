"""A shortlist in front of the ranking, against the ranking of all blocks and a plain choice."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rabit.alignment import correspond
from rabit.alignment.ranking import rank_blocks
from rabit.alignment.shortlist import rank_shortlist
from rabit.functional.normalise import unit_vectors

FIELDS = ("mass", "log_mass", "peak", "threshold")


def blocks(count: int, seed: int = 0, batch: int = 1, inside: int = 4, channels: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, count, inside, channels)
    return unit_vectors(torch.randn(shape, dtype=torch.float64, generator=generator), dim=-1)


def features(height: int, width: int, seed: int = 0, channels: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, height, width, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("shortlist", [12, 40])
@pytest.mark.parametrize("chunk", [None, 3])
def test_a_shortlist_of_all_blocks_is_the_ranking(shortlist: int, chunk: int | None) -> None:
    x, z = blocks(9, batch=2).requires_grad_(), blocks(12, seed=1, batch=2).requires_grad_()
    built = rank_shortlist(x, z, 3, 0.4, shortlist, chunk)
    plain = rank_blocks(x.flatten(2), z.flatten(2), 3, 0.4, 1 / 4)
    assert torch.equal(built.indices, plain.indices)
    for name in FIELDS:
        torch.testing.assert_close(getattr(built, name), getattr(plain, name), rtol=0, atol=1e-12)
    generator = torch.Generator().manual_seed(2)
    costs = [torch.randn(v.shape, dtype=v.dtype, generator=generator) for v in
             (plain.mass, plain.log_mass, plain.peak)]  # fmt: skip

    def pulled(ranking: Any) -> tuple[Tensor, ...]:
        terms = zip(costs, (ranking.mass, ranking.log_mass, ranking.peak), strict=True)
        return torch.autograd.grad(sum((c * v).sum() for c, v in terms), (x, z))

    for found, right in zip(pulled(built), pulled(plain), strict=True):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-11)


@given(
    queries=st.integers(1, 6),
    others=st.integers(1, 60),
    shortlist=st.integers(1, 8),
    k=st.integers(1, 8),
    chunk=st.sampled_from([None, 1, 4]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_the_blocks_with_the_most_similar_means_are_ranked(
    queries: int, others: int, shortlist: int, k: int, chunk: int | None, seed: int
) -> None:
    k = min(k, shortlist, others)
    x, z = blocks(queries, seed, batch=2), blocks(others, seed + 1, batch=2)
    built = rank_shortlist(x, z, k, 0.3, shortlist, chunk)
    for image in range(2):
        means = [unit_vectors(side[image].mean(1), dim=-1) for side in (x, z)]
        alike = means[0] @ means[1].T
        for row in range(queries):
            chosen = alike[row].topk(min(shortlist, others)).indices.sort().values
            own, those = x[image, row].view(1, 1, -1), z[image, chosen].flatten(1).unsqueeze(0)
            plain = rank_blocks(own, those, k, 0.3, 1 / 4)
            assert torch.equal(built.indices[image, row], chosen[plain.indices[0, 0]])
            for name in FIELDS:
                one, other = getattr(built, name)[image, row], getattr(plain, name)[0, 0]
                torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_equal_scores_retrieve_the_first_blocks() -> None:
    x = blocks(2)
    z = x[:, :1].expand(-1, 9, -1, -1)
    assert rank_shortlist(x, z, 2, 0.4, 9).indices[0, 0].tolist() == [0, 1]


@pytest.mark.parametrize("options", [{}, {"overlap": True}, {"border": 1}])
def test_gradcheck(options: dict[str, Any]) -> None:
    x, z = features(4, 4).requires_grad_(), features(4, 8, seed=1).requires_grad_()

    def function(x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        built = correspond(x, z, k=2, shortlist=3, epsilon=0.5, temperature=0.5, **options)
        return built.warp(z), built.confidence

    assert torch.autograd.gradcheck(function, (x, z))


@pytest.mark.parametrize("options", [{}, {"overlap": True}, {"border": 1, "k": 2}])
def test_a_shortlist_of_all_gives_the_same_correspondence(options: dict[str, Any]) -> None:
    x, z = features(8, 8), features(8, 12, seed=1)
    one, other = (correspond(x, z, shortlist=each, **options) for each in (0, 999))
    assert torch.equal(one.matches(), other.matches())
    torch.testing.assert_close(one.warp(z), other.warp(z), rtol=0, atol=1e-12)
    torch.testing.assert_close(one.confidence, other.confidence, rtol=0, atol=1e-12)


def test_a_short_one_leaves_blocks_out() -> None:
    """Blocks whose positions have changed places have the same mean, and another concatenation."""
    x = blocks(1, channels=3)
    z = torch.cat([x[:, :, [1, 0, 2, 3]], x + 1e-6, blocks(6, seed=3, channels=3)], dim=1)
    assert rank_shortlist(x, unit_vectors(z, dim=-1), 1, 0.4, 2).indices.item() == 1
    nearest = (x.flatten(2) * blocks(200, seed=4, channels=3).flatten(2)).sum(-1).argmax()
    found = rank_shortlist(x, blocks(200, seed=4, channels=3), 1, 0.4, 1).indices
    assert int(found) != int(nearest)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_half_precision_features_are_ranked_in_single_precision(dtype: torch.dtype) -> None:
    x, z = features(8, 8).to(dtype), features(8, 8, seed=1).to(dtype)
    built = correspond(x, z, shortlist=4)
    assert built.mass is not None and built.mass.dtype == torch.float32
    assert built.warp(z).dtype == dtype


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortlist": -1}, "shortlist is -1, expected 0 \\(none\\) or more"),
        ({"shortlist": 4, "coarse": (4,)}, "a shortlist stands in front of two levels"),
        ({"shortlist": 4, "descriptor": "mean"}, "shortlist is 4, coarse .* and descriptor 'mean'"),
        ({"shortlist": 2, "k": 3}, "shortlist is 2 and k 3"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    x = features(8, 8)
    with pytest.raises(ValueError, match=message):
        correspond(x, x, **options)
