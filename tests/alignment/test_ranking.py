from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rabit.alignment.ranking import ROW_ALIGNMENT, Ranking, rank_blocks, row_scores
from rabit.functional import entropic_topk


def descriptors(batch: int, n: int, m: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, n, width, dtype=torch.float64, generator=generator)
    z = torch.randn(batch, m, width, dtype=torch.float64, generator=generator)
    x, z = F.normalize(x, dim=-1), F.normalize(z, dim=-1)
    return x.requires_grad_(), z.requires_grad_()


def reference(x: Tensor, z: Tensor, k: int, epsilon: float) -> Ranking:
    """All scores at once."""
    scores = x @ z.transpose(1, 2)
    top = entropic_topk(scores, k, epsilon)
    return Ranking(
        top.indices, top.mass, top.log_mass, scores.amax(-1), top.threshold, top.residual
    )


def objective(ranking: Ranking) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    total = torch.zeros((), dtype=torch.float64)
    for values in (ranking.mass, ranking.log_mass, ranking.peak):
        total = total + (values * torch.randn(values.shape, generator=generator)).sum()
    return total


@pytest.mark.parametrize("epsilon", (0.003, 0.04, 0.3, 1.0))
@pytest.mark.parametrize("chunk", (None, 1, 7))
def test_equals_reference(chunk: int | None, epsilon: float) -> None:
    x, z = descriptors(2, 20, 150, 5)
    ranking, expected = rank_blocks(x, z, 3, epsilon, chunk=chunk), reference(x, z, 3, epsilon)
    assert torch.equal(ranking.indices, expected.indices)
    for name in ("mass", "log_mass", "peak", "threshold"):
        assert torch.allclose(getattr(ranking, name), getattr(expected, name), rtol=0, atol=1e-10)
    assert float(ranking.residual.max()) < 1e-10
    gradients = torch.autograd.grad(objective(ranking), (x, z))
    for gradient, wanted in zip(
        gradients, torch.autograd.grad(objective(expected), (x, z)), strict=True
    ):
        assert torch.allclose(gradient, wanted, rtol=1e-10, atol=1e-10)


def test_gradient() -> None:
    x, z = descriptors(1, 3, 67, 2)

    def function(x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        ranking = rank_blocks(x, z, 3, 0.1, chunk=2)
        return ranking.mass, ranking.log_mass, ranking.peak

    assert torch.autograd.gradcheck(function, (x, z))


def test_whole_exemplar() -> None:
    x, z = descriptors(1, 4, 5, 3)
    ranking = rank_blocks(x, z, 5, 0.1)
    assert torch.equal(ranking.mass, torch.ones_like(ranking.mass))
    (gradient,) = torch.autograd.grad(ranking.log_mass.sum(), x)
    assert float(gradient.abs().max()) == 0


def test_float32_gradient_is_close() -> None:
    x, z = descriptors(1, 50, 300, 6)
    single = (x.detach().float().requires_grad_(), z.detach().float().requires_grad_())
    expected = torch.autograd.grad(objective(rank_blocks(x, z, 3, 0.04)), (x, z))
    found = torch.autograd.grad(objective(rank_blocks(*single, 3, 0.04)), single)
    for gradient, wanted in zip(found, expected, strict=True):
        assert float((gradient - wanted).abs().max()) < 1e-3 * float(wanted.abs().max())


def test_half_precision_accumulates_in_float32() -> None:
    x, z = (side.detach().bfloat16().requires_grad_() for side in descriptors(1, 20, 90, 64))
    ranking = rank_blocks(x, z, 3, 0.04)
    assert ranking.mass.dtype == ranking.peak.dtype == torch.float32
    exact = rank_blocks(x.float(), z.float(), 3, 0.04)
    assert torch.allclose(ranking.peak, exact.peak, atol=1e-6)
    (gradient,) = torch.autograd.grad(ranking.mass.sum(), x)
    assert gradient.dtype == torch.bfloat16


def test_scale_multiplies_the_scores() -> None:
    x, z = descriptors(1, 12, 30, 4)
    longer = (x * 2, z * 2)
    ranking, expected = rank_blocks(*longer, 3, 0.1, scale=0.25), rank_blocks(x, z, 3, 0.1)
    assert torch.allclose(ranking.mass, expected.mass)
    assert torch.allclose(ranking.peak, expected.peak)
    (found,) = torch.autograd.grad(objective(ranking), x)
    (wanted,) = torch.autograd.grad(objective(expected), x)
    assert torch.allclose(found, wanted)


@pytest.mark.parametrize("blocks", [63, 64, 65])
def test_rows_of_scores_begin_where_products_are_fast(blocks: int) -> None:
    x, z = (side.detach().float() for side in descriptors(1, 40, blocks, 5))
    whole = torch.empty(40, blocks)
    for rows, scores in row_scores(x[0], z[0], 0.5, chunk=4, together=2):
        assert scores.shape == (8, blocks)
        assert scores.stride(0) * scores.element_size() % ROW_ALIGNMENT == 0
        whole[rows] = scores
    torch.testing.assert_close(whole, 0.5 * x[0] @ z[0].T)


def test_errors() -> None:
    x, z = descriptors(1, 4, 5, 3)
    with pytest.raises(ValueError, match="k is 6, expected 1 to 5"):
        rank_blocks(x, z, 6, 0.1)
    with pytest.raises(ValueError, match="epsilon is -1"):
        rank_blocks(x, z, 2, -1)
