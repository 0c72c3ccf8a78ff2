from __future__ import annotations

import math

import pytest
import torch

from rabit.layers.perceptual import random_backbone
from rabit.metrics.copied import Copied
from rabit.metrics.diversity import Diversity
from rabit.metrics.frechet import FrechetDistance, vgg_extractor
from rabit.metrics.perceptual import PerceptualDistance
from rabit.metrics.running import RunningMean, check_images, check_pair
from rabit.metrics.segmentation import SegmentationAgreement


def test_mean_and_standard_error_are_the_textbook_ones() -> None:
    running = RunningMean()
    running.add(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    estimate = running.estimate()
    assert estimate.mean == 3.0
    assert estimate.count == 4
    # Variance (4 + 1 + 0 + 9) / 3, divided by the count.
    assert estimate.standard_error == pytest.approx(math.sqrt(14 / 3 / 4), rel=1e-12)
    assert estimate.interval == pytest.approx(1.959964 * estimate.standard_error, rel=1e-6)


def test_a_stream_gives_what_all_at_once_gives() -> None:
    values = 1e6 + torch.randn(101, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    running = RunningMean()
    for group in values.split([1, 50, 0, 20, 30]):
        running.add(group)
    estimate = running.estimate()
    assert estimate.mean == pytest.approx(float(values.mean()), rel=1e-14)
    # Sums of squares in float64 would lose this at a mean of a million.
    expected = float(values.std()) / math.sqrt(101)
    assert estimate.standard_error == pytest.approx(expected, rel=1e-8)


def test_one_image_has_no_standard_error() -> None:
    running = RunningMean()
    running.add(torch.tensor([2.0]))
    assert running.estimate().mean == 2.0
    assert math.isnan(running.estimate().standard_error)


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        RunningMean().estimate()


@pytest.mark.parametrize(
    ("images", "truth", "message"),
    [
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5), "one shape"),
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), "one shape"),
        (torch.full((1, 3, 4, 4), 128.0), torch.zeros(1, 3, 4, 4), "images hold"),
        (torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), float("nan")), "truth hold"),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused(
    images: torch.Tensor, truth: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_pair(images, truth)


def test_what_a_pair_consists_of_can_be_named() -> None:
    with pytest.raises(ValueError, match="the exemplars"):
        check_pair(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5), "exemplars")
    with pytest.raises(ValueError, match="exemplars hold"):
        check_pair(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 2.0), "exemplars")


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 1, 4, 4), (0, 3, 4, 4), (1, 3, 0, 4)])
def test_what_is_no_batch_of_images_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected a batch \(B, 3, H, W\)"):
        check_images(torch.zeros(shape))


def test_metrics_of_other_settings_are_not_merged() -> None:
    backbone = random_backbone()
    for one, other in (
        (PerceptualDistance(backbone), PerceptualDistance(backbone, ("relu1_2",))),
        (
            Diversity(PerceptualDistance(backbone)),
            Diversity(PerceptualDistance(backbone, ("relu1_2",))),
        ),
        (Copied(), Copied(0.5)),
        (SegmentationAgreement(4), SegmentationAgreement(4, ignored=0)),
    ):
        with pytest.raises(ValueError, match="expected the same settings"):
            one.merge(other)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_networks_read_images_of_any_precision(dtype: torch.dtype) -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images, truth = images.to(dtype), images.flip(3).to(dtype)
    distance = PerceptualDistance(random_backbone())
    assert torch.equal(distance.measure(images, truth), distance.measure(images.float(), truth))
    frechet = FrechetDistance(vgg_extractor(random_backbone(), "relu3_1"))
    frechet.update(images, real=True)
    frechet.update(truth, real=False)
    assert frechet.compute() >= 0
    with pytest.raises(ValueError, match="expected two batches"):
        distance.update(images[:0], truth[:0])


def test_merged_means_are_the_mean_of_all() -> None:
    values = 1e6 + torch.randn(101, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    once, parts = RunningMean(), [RunningMean() for _ in range(4)]
    once.add(values)
    for part, group in zip(parts, values.split([1, 0, 60, 40]), strict=True):
        part.add(group)
    merged = RunningMean()
    for part in parts:
        merged.merge(part)
    assert merged.estimate().mean == pytest.approx(once.estimate().mean, rel=1e-14)
    error = once.estimate().standard_error
    assert merged.estimate().standard_error == pytest.approx(error, rel=1e-9)
    assert merged.estimate().count == 101
    merged.merge(RunningMean())
    assert merged.estimate().count == 101
