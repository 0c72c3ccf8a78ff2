"""Consistency with truth and exemplar, against loops over pixels and regions."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rabit.layers.perceptual import random_backbone
from rabit.metrics.consistency import Reading, SemanticConsistency, StyleConsistency

BACKBONE = random_backbone()


def images(seed: int, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 7, generator=generator) * 1.6 - 0.8
    return F.interpolate(coarse, size=(32, 48), mode="bilinear").clamp(-1, 1)


def maps(seed: int, count: int = 3, classes: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, classes, (count, 1, 4, 3), generator=generator).float()
    return F.interpolate(coarse, size=(32, 48), mode="nearest")[:, 0].long()


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt(a @ a) / math.sqrt(b @ b))


def features(image: Tensor, layer: str) -> np.ndarray:
    """Returns the features of one image, resized to it."""
    found = BACKBONE(image[None], (layer,))[layer]
    return F.interpolate(found, size=image.shape[1:], mode="nearest")[0].double().numpy()


def test_semantic_consistency_by_region_is_the_loop_over_regions() -> None:
    ours, truth, regions = images(0), images(1), maps(2)
    expected = []
    for i in range(3):
        a, b = features(ours[i], "relu4_2"), features(truth[i], "relu4_2")
        labels = regions[i].numpy()
        total = 0.0
        for label in np.unique(labels):
            inside = labels == label
            alike = angle(a[:, inside].mean(axis=1), b[:, inside].mean(axis=1))
            total += alike * inside.sum() / inside.size
        expected.append(total)
    metric = SemanticConsistency(BACKBONE, "relu4_2")
    metric.update(ours, truth, regions)
    assert metric.compute().mean == pytest.approx(np.mean(expected), rel=1e-5)
    assert metric.compute().standard_error == pytest.approx(
        np.std(expected, ddof=1) / math.sqrt(3), rel=1e-3
    )


def test_plain_semantic_consistency_is_the_loop_over_positions() -> None:
    ours, truth = images(0, 1), images(1, 1)
    a, b = (BACKBONE(x, ("relu5_2",))["relu5_2"][0].double().numpy() for x in (ours, truth))
    expected = np.mean(
        [angle(a[:, y, x], b[:, y, x]) for y in range(a.shape[1]) for x in range(a.shape[2])]
    )
    metric = SemanticConsistency(BACKBONE, "relu5_2", "plain")
    metric.update(ours, truth)
    assert metric.compute().mean == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("statistic", ["mean", "deviation"])
def test_style_consistency_by_region_is_the_loop_over_shared_regions(statistic: Any) -> None:
    ours, exemplars, regions, theirs = images(0), images(1), maps(2, classes=4), maps(3)
    expected = []
    for i in range(3):
        a, b = features(ours[i], "relu1_2"), features(exemplars[i], "relu1_2")
        total = area = 0.0
        for label in set(regions[i].unique().tolist()) & set(theirs[i].unique().tolist()):
            here, there = (m[i].numpy() == label for m in (regions, theirs))
            pooled = [
                x.mean(axis=1) if statistic == "mean" else x.std(axis=1)
                for x in (a[:, here], b[:, there])
            ]
            total += angle(*pooled) * here.sum()
            area += here.sum()
        expected.append(total / area)
    metric = StyleConsistency(BACKBONE, statistic=statistic)
    metric.update(ours, exemplars, regions, theirs)
    assert metric.compute().mean == pytest.approx(np.mean(expected), rel=1e-6)
    assert bool((regions == 3).any()) and not bool((theirs == 3).any())


def test_plain_style_consistency_is_of_the_whole_image() -> None:
    ours, exemplars = images(0, 1), images(1, 1)
    a, b = (features(x[0], "relu1_2").reshape(16, -1) for x in (ours, exemplars))
    for statistic, expected in (
        ("mean", angle(a.mean(axis=1), b.mean(axis=1))),
        ("deviation", angle(a.std(axis=1), b.std(axis=1))),
    ):
        metric: Any = StyleConsistency(BACKBONE, statistic=statistic, reading="plain")  # type: ignore[arg-type]
        metric.update(ours, exemplars)
        assert metric.compute().mean == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("reading", ["region", "plain"])
def test_equal_images_are_at_1_and_noise_lowers_it(reading: Any) -> None:
    truth, regions = images(0), maps(1)
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(2))
    found: dict[str, list[float]] = {"semantic": [], "style": []}
    for strength in (0.0, 0.1, 0.5):
        worse = (truth + strength * noise).clamp(-1, 1)
        semantic = SemanticConsistency(BACKBONE, "relu4_2", reading)
        semantic.update(worse, truth, regions)
        style = StyleConsistency(BACKBONE, statistic="deviation", reading=reading)
        style.update(worse, truth, regions, regions)
        found["semantic"].append(semantic.compute().mean)
        found["style"].append(style.compute().mean)
    for values in found.values():
        assert values[0] == pytest.approx(1, abs=1e-9)
        assert 0 < values[2] < values[1] < 1 - 1e-4


def test_a_shift_moves_the_semantics_and_hardly_the_style() -> None:
    truth = images(0)
    moved = truth.roll((11, 17), dims=(2, 3))
    semantic = SemanticConsistency(BACKBONE, "relu4_2", "plain")
    semantic.update(moved, truth)
    style = StyleConsistency(BACKBONE, reading="plain")
    style.update(moved, truth)
    assert semantic.compute().mean < 0.9
    assert style.compute().mean > 0.99


def test_style_follows_the_regions_where_the_layout_differs() -> None:
    """Colours that change places with their regions are consistent; left in place they are not."""
    left = torch.full((1, 3, 32, 32), -0.7)
    left[..., 16:] = torch.tensor([0.8, 0.1, -0.5]).view(3, 1, 1)
    regions = torch.zeros(1, 32, 32, dtype=torch.long)
    regions[..., 16:] = 1
    found = {}
    for name, result in (("swapped", left.flip(3)), ("copied", left)):
        metric = StyleConsistency(BACKBONE)
        metric.update(result, left, regions.flip(2), regions)
        found[name] = metric.compute().mean
    assert found["swapped"] > 0.99 > found["copied"] + 0.1, found


@pytest.mark.parametrize("reading", ["region", "plain"])
def test_a_stream_and_merged_halves_give_what_all_at_once_gives(reading: Reading) -> None:
    ours, truth, regions = images(0, 4), images(1, 4), maps(2, 4)
    found = []
    for halves in ([[4]], [[1, 2, 1]], [[3], [1]]):
        first = 0
        pairs = []
        for parts in halves:
            semantic = SemanticConsistency(BACKBONE, "relu3_1", reading)
            style = StyleConsistency(BACKBONE, reading=reading)
            for count in parts:
                x, y, m = (t[first : first + count] for t in (ours, truth, regions))
                semantic.update(x, y, m)
                style.update(x, y, m, m)
                first += count
            pairs.append((semantic, style))
        for other in pairs[1:]:
            pairs[0][0].merge(other[0])
            pairs[0][1].merge(other[1])
        found.append([metric.compute() for metric in pairs[0]])
    for once, *others in zip(*found, strict=True):
        for other in others:
            assert once.count == other.count == 4
            assert other.mean == pytest.approx(once.mean, rel=1e-6)
            assert other.standard_error == pytest.approx(once.standard_error, rel=1e-3)


def test_one_pass_of_the_backbone_serves_all() -> None:
    ours, other, regions, theirs = images(0), images(1), maps(2, classes=4), maps(3)
    layers = ("relu1_2", "relu4_2")
    features, others = (BACKBONE(x, layers) for x in (ours, other))
    for reading in get_args(Reading):
        semantic = SemanticConsistency(BACKBONE, "relu4_2", reading)
        assert semantic.layers == ("relu4_2",)
        shared = semantic.compare(features, others, regions)
        assert shared.dtype == torch.float64
        assert torch.equal(shared, semantic.measure(ours, other, regions))
        style = StyleConsistency(BACKBONE, statistic="deviation", reading=reading)
        assert style.layers == ("relu1_2",)
        assert torch.equal(
            style.compare(features, others, regions, theirs),
            style.measure(ours, other, regions, theirs),
        )
    with pytest.raises(ValueError, match=r"expected integers \(3, 32, 48\)"):
        SemanticConsistency(BACKBONE, "relu4_2").compare(features, others, regions[:2])


def test_images_without_a_shared_region_are_left_out() -> None:
    ours, exemplars, regions = images(0), images(1), maps(2)
    theirs = regions.clone()
    theirs[0] += 10
    metric = StyleConsistency(BACKBONE)
    metric.update(ours, exemplars, regions, theirs)
    assert metric.compute().count == 2
    figures = metric.measure(ours, exemplars, regions, theirs)
    assert figures.isnan().tolist() == [True, False, False]
    assert metric.compute().mean == pytest.approx(float(figures[1:].mean()))
    alone = StyleConsistency(BACKBONE)
    alone.update(ours[:1], exemplars[:1], regions[:1], theirs[:1])
    with pytest.raises(ValueError, match="no images"):
        alone.compute()


def test_labels_name_reading_layer_and_network() -> None:
    semantic = SemanticConsistency(BACKBONE, "relu5_2", "plain").label
    assert semantic == "semantic consistency, plain, relu5_2 (random VGG (seed 0))"
    style = StyleConsistency(BACKBONE, statistic="deviation").label
    assert style == "style consistency of deviations, by region, relu1_2 (random VGG (seed 0))"


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="relu7_1"):
        SemanticConsistency(BACKBONE, "relu7_1")
    with pytest.raises(ValueError, match="relu7_1"):
        StyleConsistency(BACKBONE, "relu7_1")
    wrong: Any = "variance"
    with pytest.raises(ValueError, match="statistic 'variance', expected mean or deviation"):
        StyleConsistency(BACKBONE, statistic=wrong)
    with pytest.raises(ValueError, match="reading 'variance', expected region or plain"):
        SemanticConsistency(BACKBONE, reading=wrong)
    features = {"relu1_2": torch.full((1, 4, 2, 2), torch.nan)}
    with pytest.raises(ValueError, match="features hold nan"):
        # No figure for a broken network's pictures, rather than pictures that are left out.
        StyleConsistency(BACKBONE, reading="plain").compare(features, features)
    with pytest.raises(ValueError, match="found none"):
        SemanticConsistency(BACKBONE).update(images(0), images(1))
    with pytest.raises(ValueError, match="found none"):
        StyleConsistency(BACKBONE).update(images(0), images(1), maps(2))
    with pytest.raises(ValueError, match="the exemplars"):
        StyleConsistency(BACKBONE).update(images(0), images(1, 2), maps(2), maps(2))
