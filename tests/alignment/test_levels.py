from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rabit.alignment import correspond
from rabit.alignment.levels import describe_levels, rank_levels
from rabit.alignment.ranking import rank_blocks
from rabit.functional.normalise import unit_blocks
from rabit.functional.topk import entropic_topk


def features(*size: int, batch: int = 1, channels: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, *size, generator=generator, dtype=torch.float64)


def reference(
    x: Tensor, z: Tensor, sides: tuple[int, ...], counts: tuple[int, ...], epsilon: float
) -> tuple[list[set[int]], Tensor, Tensor]:
    """All scores of all blocks, one query block at a time: retrieved blocks, log p and peaks."""
    ranked: list[list[int]] = [[] for _ in range(x.shape[1])]
    prior = x.new_zeros(1, 1)
    descriptors = [describe_levels(side, sides, "concat") for side in (x, z)]
    for level, side in enumerate(sides):
        first, second = (each[level][0] for each in descriptors)
        scores = first @ second.T / (x.shape[2] if side == sides[-1] else 1)
        parts = (sides[level - 1] // side) ** 2 if level else 1
        kept, logs, peaks = [], [], []
        for u, row in enumerate(scores):
            places = list(range(len(row)))
            bonus = torch.zeros_like(row)
            if level:
                places = [v for v in places if v // parts in ranked[u // parts]]
                order = [ranked[u // parts].index(v // parts) for v in places]
                bonus = prior[u // parts][order] * epsilon / 4
            top = entropic_topk(row[places] + bonus, counts[level], epsilon)
            kept.append([places[i] for i in top.indices.tolist()])
            logs.append(top.log_mass)
            peaks.append(row[places].max())
        ranked, prior = kept, torch.stack(logs)
    return [set(row) for row in ranked], prior, torch.stack(peaks)


@pytest.mark.parametrize(
    ("sides", "counts"),
    (((2,), (3,)), ((4, 2), (2, 3)), ((8, 4, 2), (2, 3, 2)), ((8, 2), (1, 3)), ((6, 3), (1, 2))),
)
def test_equals_reference(sides: tuple[int, ...], counts: tuple[int, ...]) -> None:
    long, short = max(8, 2 * sides[0]), max(4, sides[0])
    x = unit_blocks(features(long, short), sides).requires_grad_()
    z = unit_blocks(features(short, long, seed=1), sides).requires_grad_()
    ranking = rank_levels(x, z, sides, counts, 0.3)
    sets, log_mass, peaks = reference(x, z, sides, counts, 0.3)
    assert [set(row) for row in ranking.indices[0].tolist()] == sets
    assert torch.allclose(ranking.log_mass[0], log_mass, rtol=0, atol=1e-9)
    assert torch.allclose(ranking.peak[0], peaks, rtol=0, atol=1e-12)
    assert float(ranking.residual.max()) < 1e-9
    cost = torch.randn(log_mass.shape, dtype=torch.float64, generator=torch.Generator())
    found = torch.autograd.grad((ranking.log_mass[0] * cost).sum() + ranking.peak.sum(), (x, z))
    wanted = torch.autograd.grad((log_mass * cost).sum() + peaks.sum(), (x, z))
    for gradient, expected in zip(found, wanted, strict=True):
        assert torch.allclose(gradient, expected, rtol=0, atol=1e-9)


def test_two_levels_are_the_special_case() -> None:
    x, z = unit_blocks(features(8, 8), (2,)), unit_blocks(features(8, 8, seed=1), (2,))
    ranking = rank_levels(x, z, (2,), (3,), 0.04)
    plain = rank_blocks(x.flatten(2), z.flatten(2), 3, 0.04, scale=0.25)
    for name in ("indices", "mass", "log_mass", "peak", "threshold"):
        assert torch.equal(getattr(ranking, name), getattr(plain, name))


@pytest.mark.parametrize("descriptor", ("concat", "mean"))
@pytest.mark.parametrize("coarse", ((4,), (8, 4), (8,)))
def test_all_larger_blocks_give_two_levels(
    coarse: tuple[int, ...], descriptor: Literal["concat", "mean"]
) -> None:
    """Where every larger block is retrieved, its mass is 1 and nothing is lost."""
    x, z, values = features(8, 16, batch=2), features(16, 8, batch=2, seed=1), features(16, 8)
    values = values.expand(2, -1, -1, -1)
    expected = correspond(x, z, descriptor=descriptor)
    built = correspond(x, z, coarse=coarse, coarse_k=8, descriptor=descriptor)
    assert torch.equal(built.matches(), expected.matches())
    assert torch.allclose(built.warp(values), expected.warp(values), atol=1e-9)
    assert torch.allclose(built.confidence, expected.confidence, atol=1e-12)
    x_back, wanted = features(8, 16, batch=2), expected.warp_back(features(8, 16, batch=2))
    assert torch.allclose(built.warp_back(x_back).values, wanted.values, atol=1e-6)
    if coarse == (4,):
        few = correspond(x, z, coarse=coarse, coarse_k=1, descriptor=descriptor)
        assert not torch.equal(few.matches(), expected.matches())


@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(((2,), (4, 2), (4, 1), (3, 1))),
    st.sampled_from(("concat", "mean")),
    st.sampled_from((None, 1, 5)),
    st.sampled_from((torch.float32, torch.float64)),
)
@settings(max_examples=30, deadline=None)
def test_any_shape(
    rows: int,
    columns: int,
    exemplar_rows: int,
    sides: tuple[int, ...],
    descriptor: Literal["concat", "mean"],
    chunk: int | None,
    dtype: torch.dtype,
) -> None:
    """Rows of T sum to 1, and chunks change nothing."""
    edge = sides[0]
    x = features(rows * edge, columns * edge).to(dtype)
    z = features(exemplar_rows * edge, 2 * edge, seed=1).to(dtype)
    options: dict[str, Any] = {
        "block": sides[-1],
        "coarse": sides[:-1],
        "coarse_k": 2,
        "k": 2,
        "descriptor": descriptor,
    }
    built, whole = correspond(x, z, chunk=chunk, **options), correspond(x, z, **options)
    ones = torch.ones_like(z[:, :1])
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert torch.allclose(built.warp(ones), torch.ones_like(x[:, :1]), atol=tolerance)
    assert torch.equal(built.matches(), whole.matches())
    assert torch.allclose(built.warp(z), whole.warp(z), atol=100 * tolerance)


def test_gradient_through_three_levels() -> None:
    x = features(8, 4, channels=3).requires_grad_()
    z = features(4, 8, channels=3, seed=1).requires_grad_()
    values = features(4, 8, channels=2, seed=2).requires_grad_()

    def function(x: Tensor, z: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        built = correspond(
            x, z, coarse=(4, 2), block=1, k=2, coarse_k=2, epsilon=0.5, temperature=0.5
        )
        return built.warp(values), built.confidence

    assert torch.autograd.gradcheck(function, (x, z, values))


def test_descriptor_conventions() -> None:
    x = features(8, 8, channels=3)
    blocks = unit_blocks(x, (4, 2))
    concat, mean = (describe_levels(blocks, (4, 2), kind) for kind in ("concat", "mean"))
    means = blocks.mean(2)
    assert torch.equal(concat[1], blocks.flatten(2))
    assert torch.allclose(mean[1], F.normalize(means, dim=-1))
    for levels in (concat, mean):
        assert torch.allclose(levels[0], F.normalize(means.view(1, 4, 4, 3).mean(2), dim=-1))


def test_errors() -> None:
    x = features(8, 8)
    with pytest.raises(ValueError, match="expected 'concat' or 'mean'"):
        correspond(x, x, descriptor="max")
    with pytest.raises(ValueError, match="8x8 positions .* no whole number of 16x16"):
        correspond(x, x, coarse=(16,))
    with pytest.raises(ValueError, match=r"\(4, 8, 2\), expected the largest first"):
        correspond(x, x, coarse=(4, 8))
    with pytest.raises(ValueError, match="k is 5, expected 1 to 4"):
        correspond(x, x, coarse=(4,), coarse_k=1, k=5)
