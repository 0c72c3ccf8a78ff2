"""The Fréchet distance of feature matrices, against the moments' and draw by draw."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rabit.metrics.frechet import RunningMoments, frechet_distance
from rabit.metrics.frechet_features import frechet_of_features, frechet_resampled


def matrices(n: int, m: int, length: int, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + m)
    mix = torch.randn(length, length, generator=generator, dtype=torch.float64)
    ours = torch.randn(n, length, generator=generator, dtype=torch.float64) @ mix + 1
    return ours + offset, torch.randn(m, length, generator=generator).double() + offset


def by_moments(ours: Tensor, theirs: Tensor) -> float:
    found = []
    for features in (ours, theirs):
        moments = RunningMoments()
        moments.add(features)
        found += [moments.mean, moments.covariance("given")]
    return frechet_distance(*found)


# Fewer images than features on both sides, on one, on none, and just enough to be of full rank.
@pytest.mark.parametrize(("n", "m"), [(9, 7), (9, 60), (60, 9), (60, 50), (21, 21), (30, 28)])
def test_it_equals_the_distance_of_the_moments(n: int, m: int) -> None:
    ours, theirs = matrices(n, m, 20)
    assert frechet_of_features(ours, theirs) == pytest.approx(by_moments(ours, theirs), rel=1e-9)


def test_a_common_offset_cancels_nothing() -> None:
    found = [frechet_of_features(*matrices(12, 15, 8, offset)) for offset in (0.0, 1e5)]
    assert found[1] == pytest.approx(found[0], rel=1e-8)


def test_gaussians_have_a_closed_form() -> None:
    """Of two isotropic Gaussians: the squared distance of means and of deviations, each times D."""
    generator = torch.Generator().manual_seed(0)
    length = 4
    ours = torch.randn(40_000, length, generator=generator) * 1.5 + 2
    theirs = torch.randn(40_000, length, generator=generator)
    expected = length * (2**2 + 0.5**2)
    assert frechet_of_features(ours, theirs) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("n", "m", "length"), [(11, 14, 30), (40, 14, 30), (50, 60, 12)])
def test_a_resample_is_the_distance_of_its_rows(n: int, m: int, length: int) -> None:
    ours, theirs = matrices(n, m, length)
    generator = torch.Generator().manual_seed(1)
    draws = [
        (
            torch.randint(n, (n,), generator=generator),
            torch.randint(m, (size,), generator=generator),
        )
        for size in (m, m, m - 3)
    ]
    found = frechet_resampled(ours, theirs, draws)
    expected = [by_moments(ours[rows], theirs[columns]) for rows, columns in draws]
    assert found.dtype == torch.float64
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=0
    )


def test_equal_sets_are_at_0() -> None:
    ours, _ = matrices(9, 7, 20)
    assert 0 <= frechet_of_features(ours, ours) < 1e-10


def test_what_does_not_fit_is_refused() -> None:
    ours, theirs = matrices(9, 7, 20)
    with pytest.raises(ValueError, match=r"\(9, 20\) and \(7, 19\)"):
        frechet_of_features(ours, theirs[:, 1:])
    with pytest.raises(ValueError, match="1 images, expected at least 2"):
        frechet_of_features(ours[:1], theirs)
    with pytest.raises(ValueError, match="nan or infinity"):
        frechet_of_features(ours / 0, theirs)
