"""Mean IoU and accuracy, by hand and against loops over pixels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rabit.metrics.segmentation import (
    SegmentationAgreement,
    confusion_matrices,
    segmentation_scores,
)


def maps(seed: int, count: int = 4, classes: int = 4) -> Tensor:
    return torch.randint(0, classes, (count, 6, 5), generator=torch.Generator().manual_seed(seed))


def test_figures_by_hand() -> None:
    condition = torch.tensor([[[0, 0, 0, 1], [1, 1, 2, 2]]])
    predicted = torch.tensor([[[0, 0, 1, 1], [1, 0, 2, 2]]])
    metric = SegmentationAgreement(4)
    metric.update(predicted, condition)
    scores = metric.compute()
    # Class 0: 2 in both of 4 in either; class 1: 2 of 4; class 2: 2 of 2; class 3 in neither.
    assert scores.class_iou[:3] == (0.5, 0.5, 1.0) and math.isnan(scores.class_iou[3])
    assert scores.mean_iou == pytest.approx(2 / 3)
    assert scores.accuracy == 6 / 8 and scores.pixels == 8


def test_a_class_that_only_predictions_have_counts() -> None:
    scores = segmentation_scores(
        confusion_matrices(torch.ones(1, 2, 2).long(), torch.zeros(1, 2, 2).long(), 3)[0]
    )
    assert scores.class_iou[:2] == (0.0, 0.0) and scores.mean_iou == 0 == scores.accuracy


def test_it_is_the_loop_over_pixels() -> None:
    predicted, condition = maps(0), maps(1)
    found = confusion_matrices(predicted, condition, 4)
    expected = torch.zeros(4, 4, 4, dtype=torch.int64)
    for i in range(4):
        for a, b in zip(condition[i].flatten(), predicted[i].flatten(), strict=True):
            expected[i, a, b] += 1
    assert torch.equal(found, expected)
    scores = segmentation_scores(found.sum(dim=0))
    assert scores.accuracy == pytest.approx(float((predicted == condition).double().mean()))


def test_ignored_pixels_of_the_condition_are_not_counted() -> None:
    predicted, condition = maps(0), maps(1)
    ignoring = condition.masked_fill(condition == 3, 255).to(torch.uint8)
    scores = [SegmentationAgreement(4, ignored) for ignored in (3, 255)]
    scores[0].update(predicted, condition)
    scores[1].update(predicted, ignoring)
    assert torch.equal(scores[0].confusion, scores[1].confusion)
    assert scores[0].compute().pixels == int((condition != 3).sum())
    # What is predicted where the condition is ignored need not be a class.
    scores[1].update(ignoring, ignoring)


def test_the_ignored_class_has_no_iou_though_it_is_predicted() -> None:
    condition = torch.tensor([[[0, 0, 1, 1], [2, 2, 2, 2]]])
    predicted = torch.tensor([[[1, 2, 1, 0], [2, 2, 2, 2]]])
    metric = SegmentationAgreement(3, ignored=0)
    metric.update(predicted, condition)
    scores = metric.compute()
    assert math.isnan(scores.class_iou[0]) and scores.class_iou[1:] == (0.5, 1.0)
    assert scores.mean_iou == 0.75 and scores.accuracy == 5 / 6


def test_the_mean_iou_equals_torchmetrics() -> None:
    module = pytest.importorskip(
        "torchmetrics.classification", reason="torchmetrics is not installed"
    )
    predicted, condition = maps(0), maps(1)
    for ignored in (None, 0, 3):
        reference = module.MulticlassJaccardIndex(4, ignore_index=ignored)(predicted, condition)
        metric = SegmentationAgreement(4, ignored)
        metric.update(predicted, condition)
        assert metric.compute().mean_iou == pytest.approx(float(reference))


def test_a_stream_and_merged_halves_give_what_all_at_once_gives() -> None:
    predicted, condition = maps(0), maps(1)
    once, stream, half = (SegmentationAgreement(4) for _ in range(3))
    once.update(predicted, condition)
    for part in (slice(0, 1), slice(1, 3)):
        stream.update(predicted[part], condition[part])
    half.update(predicted[3:], condition[3:])
    stream.merge(half)
    assert stream.compute() == once.compute()
    with pytest.raises(ValueError, match="cannot be merged"):
        once.merge(SegmentationAgreement(4, segmenter="another"))


def test_images_go_through_a_segmenter() -> None:
    images = torch.tensor([-0.8, 0.8]).view(1, 1, 1, 2).expand(1, 3, 2, 2)
    metric = SegmentationAgreement(2, segmenter="brightness")
    metric.update_images(images, torch.tensor([[[0, 1], [1, 1]]]), lambda x: (x[:, 0] > 0).long())
    assert metric.compute().accuracy == 0.75
    assert metric.label == "segmentation agreement of 2 classes (brightness)"
    with pytest.raises(ValueError, match="images hold"):
        metric.update_images(images * 9, torch.zeros(1, 2, 2).long(), lambda x: x[:, 0].long())


def test_what_does_not_fit_is_refused() -> None:
    metric = SegmentationAgreement(3)
    with pytest.raises(ValueError, match="predictions hold ids from 0 to 3, expected 0 to 2"):
        metric.update(maps(0), maps(1, classes=3))
    with pytest.raises(ValueError, match="conditions hold ids from 0 to 3"):
        metric.update(maps(0, classes=3), maps(1))
    with pytest.raises(ValueError, match="predictions are .* expected integers"):
        metric.update(maps(0).float(), maps(1))
    with pytest.raises(ValueError, match="of one shape"):
        metric.update(maps(0), maps(1, 3))
    with pytest.raises(ValueError, match="no pixels"):
        metric.compute()
    with pytest.raises(ValueError, match="0 classes"):
        SegmentationAgreement(0)
