from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rabit.data.images import read_image, save_png, to_tensor
from rabit.evaluation.intervals import Resamples
from rabit.evaluation.sets import (
    SlicedDistances,
    frechet_figure,
    kernel_figure,
    kernel_without_each,
)
from rabit.metrics.frechet_features import frechet_of_features
from rabit.metrics.kernel import kernel_distance, squared_discrepancy
from rabit.metrics.sliced import SlicedWasserstein

CLUSTERS = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5]


@pytest.fixture
def features() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    # Of the photographs of a condition only the first counts.
    real = torch.tensor([c not in CLUSTERS[:i] for i, c in enumerate(CLUSTERS)])
    return torch.randn(12, 5), torch.randn(12, 5) + 0.5, real


def test_the_frechet_distance_is_that_of_the_photographs_that_count(
    features: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    ours, theirs, real = features
    found = frechet_figure(ours, theirs, real, Resamples(CLUSTERS))
    assert found.value == pytest.approx(frechet_of_features(ours, theirs[real]))
    assert found.low < found.value < found.high and found.count == 12


def test_leaving_out_a_cluster_is_computing_without_it(
    features: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    ours, theirs, real = features
    for cluster, found in enumerate(kernel_without_each(ours, theirs, real, CLUSTERS)):
        kept = torch.tensor([c != cluster for c in CLUSTERS])
        expected = squared_discrepancy(ours[kept], theirs[kept & real])
        assert float(found) == pytest.approx(float(expected))


def test_the_kernel_distance_s_interval_is_the_jackknife_s() -> None:
    """For a mean, the jackknife gives the standard error itself; here, that of a linear kernel's
    dominating term is met within a few hundredths.
    """
    torch.manual_seed(1)
    deviations, reaches = [], []
    for _ in range(60):
        ours, theirs = torch.randn(60, 4) + 0.7, torch.randn(60, 4)
        found = kernel_figure(ours, theirs, torch.ones(60, dtype=torch.bool), range(60), 0)
        deviations.append(kernel_distance(ours, theirs).mean)
        assert found.value == deviations[-1]
        reaches.append((found.high - found.low) / 2 / 1.96)
    spread = float(torch.tensor(deviations).std())
    assert float(torch.tensor(reaches).mean()) == pytest.approx(spread, rel=0.35)


def test_sliced_distances_are_those_of_the_metric(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths: dict[str, list[Path]] = {}
    for kind in ("truth", "other"):
        for i in range(3):
            paths.setdefault(kind, []).append(tmp_path / f"{kind}{i}.png")
            save_png(paths[kind][-1], rng.integers(0, 256, (32, 32, 3), np.uint8))
    images = {k: torch.stack([to_tensor(read_image(p)) for p in ps]) for k, ps in paths.items()}
    metric = SlicedWasserstein(seed=4)
    metric.update(images["truth"], real=True)
    metric.update(images["other"], real=False)
    distances = SlicedDistances(paths["truth"], 3, torch.device("cpu"), seed=4)
    assert distances.figure(paths["other"]).value == metric.compute()
    assert distances.figure(paths["truth"]).value == 0
    # The photographs are still there for the next method.
    assert distances.figure(paths["other"]).value == metric.compute()


def test_fewer_photographs_than_pictures_are_read_at_places_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for path in paths:
        save_png(path, rng.integers(0, 256, (32, 32, 3), np.uint8))
    few = SlicedDistances(paths[:2], 4, torch.device("cpu"))
    assert few.figure([*paths[:2], *paths[:2]]).value > 0
