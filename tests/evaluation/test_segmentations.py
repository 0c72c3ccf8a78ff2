"""Figures of segmenters' maps, over resamples too, against metrics of the same maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rabit.data.batch import PictureCondition, Sample
from rabit.data.images import save_png
from rabit.evaluation.intervals import Resamples
from rabit.evaluation.segmentations import SegmentationFigures, segmentation_figures
from rabit.metrics.segmentation import SegmentationAgreement

CLASSES = 4


def conditions(count: int, seed: int = 0) -> Tensor:
    return torch.randint(0, CLASSES, (count, 6, 8), generator=torch.Generator().manual_seed(seed))


def spoilt(maps: Tensor, share: float, seed: int) -> Tensor:
    """Maps of which a share of the pixels has another class."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(maps.shape, generator=generator) < share
    return torch.where(wrong, (maps + 1) % CLASSES, maps)


def figures_of(
    folder: Path,
    found: Tensor,
    asked: Tensor,
    resamples: Resamples | None = None,
    ignored: int | None = None,
) -> SegmentationFigures:
    names = [f"{number}" for number in range(len(found))]
    for name, ids in zip(names, found, strict=True):
        save_png(folder / f"{name}.png", ids.numpy().astype(np.uint8), overwrite=True)
    image = torch.zeros(3, *asked.shape[1:])
    samples = [
        Sample(PictureCondition(ids), image, PictureCondition(ids), image, True, name)
        for ids, name in zip(asked, names, strict=True)
    ]
    resamples = Resamples(range(len(found))) if resamples is None else resamples
    return segmentation_figures(folder, names, samples, CLASSES, resamples, ignored)


def scores(found: Tensor, asked: Tensor, rows: Sequence[int] | Tensor) -> tuple[float, float]:
    metric = SegmentationAgreement(CLASSES)
    metric.update(found[rows], asked[rows])
    return metric.compute().mean_iou, metric.compute().accuracy


def test_resampled_figures_are_those_of_the_samples_drawn(tmp_path: Path) -> None:
    asked = conditions(8)
    found = spoilt(asked, 0.3, 1)
    resamples = Resamples([0, 0, 1, 1, 2, 2, 3, 3], 30, seed=2)
    measured = figures_of(tmp_path, found, asked, resamples)
    for number, rows in enumerate(resamples.samples(30)):
        expected = scores(found, asked, rows)
        for value, name in zip(expected, ("mean_iou", "pixel_accuracy"), strict=True):
            assert float(measured.drawn[name][number]) == value
    whole = scores(found, asked, range(8))
    figures = measured.figures()
    assert (figures["mean_iou"].value, figures["pixel_accuracy"].value) == whole
    assert all(each.low < each.value < each.high and each.count == 8 for each in figures.values())


def test_shared_exemplars_are_drawn_too(tmp_path: Path) -> None:
    """A segmenter that sees less of the results of some exemplars."""
    asked = conditions(90)
    clusters = [i // 3 for i in range(90)]
    exemplars = [(i // 3 + i % 3) % 30 for i in range(90)]
    worse = torch.rand(30, generator=torch.Generator().manual_seed(3))[exemplars]
    found = torch.stack([spoilt(asked[i], float(worse[i]), i) for i in range(90)])
    alone = figures_of(tmp_path, found, asked, Resamples(clusters)).figures()
    crossed = figures_of(tmp_path, found, asked, Resamples(clusters, exemplars=exemplars)).figures()
    for name, figure in crossed.items():
        assert figure.value == alone[name].value
        wider = (figure.high - figure.low) / (alone[name].high - alone[name].low)
        # About sqrt(3): each of 30 exemplars is in three conditions.
        assert 1.25 < wider < 2.2


def test_methods_are_compared_in_the_same_draws(tmp_path: Path) -> None:
    asked = conditions(40)
    hard = torch.rand(40, generator=torch.Generator().manual_seed(4))
    first = torch.stack([spoilt(asked[i], float(hard[i]), i) for i in range(40)])
    second = first.clone()
    second[:, 0] = (asked[:, 0] + 1) % CLASSES
    ours, theirs = (figures_of(tmp_path, maps, asked) for maps in (first, second))
    assert all(each.value == 0 == each.low == each.high for each in ours.difference(ours).values())
    for name, difference in ours.difference(theirs).items():
        own = ours.figures()[name]
        assert difference.value == own.value - theirs.figures()[name].value
        assert 0 < difference.low < difference.value < difference.high
        assert difference.high - difference.low < 0.6 * (own.high - own.low)


def test_resamples_of_ignored_pixels_alone_are_left_out(tmp_path: Path) -> None:
    asked = conditions(4, seed=5)
    asked[:2] = 0
    found = spoilt(asked, 0.3, 6)
    measured = figures_of(tmp_path, found, asked, ignored=0)
    assert bool(measured.drawn["mean_iou"].isnan().any())
    for figure in measured.figures().values():
        assert figure.low < figure.value < figure.high and figure.count == 2
    # A single picture with a counted pixel has figures, but no interval.
    asked[2] = 0
    for figure in figures_of(tmp_path, found, asked, ignored=0).figures().values():
        assert math.isfinite(figure.value) and math.isnan(figure.low) and figure.count == 1
    asked[3] = 0
    with pytest.raises(ValueError, match="no pixels were measured"):
        figures_of(tmp_path, found, asked, ignored=0)


def test_the_ignored_class_is_left_out_though_it_is_predicted(tmp_path: Path) -> None:
    asked = conditions(3, seed=7)
    found = spoilt(asked, 0.4, 8)
    metric = SegmentationAgreement(CLASSES, ignored=2)
    metric.update(found, asked)
    figures = figures_of(tmp_path, found, asked, ignored=2).figures()
    assert figures["mean_iou"].value == metric.compute().mean_iou
    assert math.isnan(metric.compute().class_iou[2])
