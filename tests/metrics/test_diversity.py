from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rabit.layers.perceptual import random_backbone
from rabit.metrics.diversity import Diversity
from rabit.metrics.perceptual import PerceptualDistance, perceptual_distance


def images(seed: int, count: int = 3) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_it_is_the_mean_over_pairs_then_over_conditions() -> None:
    backbone = random_backbone()
    metric = Diversity(backbone)
    expected = []
    for seed, count in ((0, 3), (1, 4)):
        results = images(seed, count)
        metric.update(results)
        pairs = [
            float(perceptual_distance(backbone, results[i : i + 1], results[j : j + 1]))
            for i in range(count)
            for j in range(i + 1, count)
        ]
        expected.append(sum(pairs) / len(pairs))
    assert metric.compute().mean == pytest.approx(sum(expected) / 2, rel=1e-5)
    assert metric.compute().count == 2


def test_equal_results_are_at_0_and_differing_ones_higher() -> None:
    backbone = random_backbone()
    found = []
    for strength in (0.0, 0.2, 1.0):
        metric = Diversity(backbone)
        metric.update(images(0, 1) * (1 - strength) + images(1) * strength)
        found.append(metric.compute().mean)
    assert found[0] == 0 < found[1] < found[2]


def test_the_label_is_not_lpips() -> None:
    label = Diversity(random_backbone()).label
    assert label == "diversity, perceptual distance (random VGG (seed 0))"


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="relu9_9"):
        Diversity(random_backbone(), ("relu9_9",))
    metric = Diversity(random_backbone())
    with pytest.raises(ValueError, match="expected at least 2"):
        metric.update(images(0, 1))
    with pytest.raises(ValueError, match="expected a batch"):
        metric.update(images(0)[0])
    with pytest.raises(ValueError, match="no images"):
        metric.compute()


def test_it_takes_a_distance_and_one_pass_of_its_backbone() -> None:
    backbone, results = random_backbone(), images(0, 4)
    metric = Diversity(PerceptualDistance(backbone, ("relu2_1",)))
    assert metric.layers == ("relu2_1",)
    figure = metric.measure(results)
    assert figure.shape == (1,) and figure.dtype == torch.float64
    assert torch.equal(figure, Diversity(backbone, ("relu2_1",)).measure(results))
    assert torch.equal(figure, metric.compare(backbone(results, ("relu2_1", "relu1_1"))))


def test_merged_halves_give_what_all_at_once_gives() -> None:
    backbone = random_backbone()
    once, first, second = (Diversity(backbone) for _ in range(3))
    for seed, metric in ((0, first), (1, second), (2, second)):
        once.update(images(seed))
        metric.update(images(seed))
    first.merge(second)
    assert first.compute().mean == pytest.approx(once.compute().mean, rel=1e-12)
    assert first.compute().count == 3
