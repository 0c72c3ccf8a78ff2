"""The kernel distance, against its sums written out and where two sets are of one distribution."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rabit.metrics.kernel import KernelDistance, kernel_distance, squared_discrepancy


class Colours:
    """The features of an image are its mean colour."""

    label = "colours"

    def __call__(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


class Pooled(nn.Module):
    """The features of an image are its colours in four quarters."""

    label = "quarters"
    num_features = 12

    def forward(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images.float(), 2).flatten(1)


def features(seed: int, count: int, length: int = 5, offset: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, length, generator=generator) + offset


def images(seed: int, count: int = 12) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_it_is_the_estimate_written_out() -> None:
    x, y = features(0, 6), features(1, 4, offset=0.5)

    def kernel(a: Tensor, b: Tensor) -> float:
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / 5 + 1) ** 3

    expected = sum(kernel(x[i], x[j]) for i in range(6) for j in range(6) if i != j) / 30
    expected += sum(kernel(y[i], y[j]) for i in range(4) for j in range(4) if i != j) / 12
    expected -= 2 * sum(kernel(a, b) for a in x for b in y) / 24
    assert float(squared_discrepancy(x, y)) == pytest.approx(expected, rel=1e-9)


def test_it_is_0_on_average_for_sets_of_one_distribution() -> None:
    found = [
        float(squared_discrepancy(features(2 * i, 8), features(2 * i + 1, 8))) for i in range(400)
    ]
    values = torch.tensor(found)
    error = float(values.std()) / math.sqrt(len(found))
    assert abs(float(values.mean())) < 3 * error
    # The biased estimate, whose diagonal counts, is far outside of that.
    diagonals = [
        float((features(i, 8).square().sum(dim=1) / 5 + 1).pow(3).mean()) for i in range(9)
    ]
    assert sum(diagonals) / 9 * 2 / 8 > 10 * error


def test_sets_that_belong_together_move_it_to_either_side() -> None:
    """Copies of the photographs are below 0, several results of a condition above it."""
    copies, several = list[float](), list[float]()
    for i in range(200):
        x, y = features(2 * i, 16), features(2 * i + 1, 16)
        copies.append(float(squared_discrepancy(y, y)))
        several.append(float(squared_discrepancy(x[:8].repeat(2, 1), y)))
    for values, sign in ((copies, -1), (several, 1)):
        error = float(torch.tensor(values).std()) / math.sqrt(len(values))
        assert sign * sum(values) / len(values) > 5 * error
    # Twice as many images: about half of it.
    more = [float(squared_discrepancy(y, y)) for y in (features(i, 32) for i in range(200))]
    assert 0.35 < sum(more) / sum(copies) < 0.65


def test_it_grows_with_the_distance() -> None:
    found = [
        kernel_distance(features(0, 50), features(1, 50, offset=offset)).mean
        for offset in (0.5, 1.0, 2.0)
    ]
    assert 0 < found[0] < found[1] < found[2]


def test_subsets_follow_their_seed_and_size() -> None:
    x, y = features(0, 40), features(1, 30, offset=0.3)
    first, again, other = (kernel_distance(x, y, 10, 20, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert (first.subsets, first.size) == (10, 20) and first.deviation > 0
    # The smaller side whole, the larger one in subsets.
    assert kernel_distance(x, y, 10).size == 30
    whole = kernel_distance(x[:30], y, 10)
    assert (whole.subsets, whole.size) == (1, 30) and math.isnan(whole.deviation)
    assert whole.mean == pytest.approx(float(squared_discrepancy(x[:30], y)), rel=1e-9)


def test_a_stream_and_merged_halves_give_what_all_at_once_gives() -> None:
    ours, real = images(0), images(1)
    once, stream, merged, half = (KernelDistance(Colours(), 7, 5) for _ in range(4))
    once.update(ours, real=False)
    once.update(real, real=True)
    for part in (slice(0, 1), slice(1, 12)):
        stream.update(ours[part], real=False)
        stream.add(Colours()(real[part]), real=True)
    for metric, part in ((merged, slice(0, 4)), (half, slice(4, 12))):
        metric.update(ours[part], real=False)
        metric.update(real[part], real=True)
    merged.merge(half)
    assert once.compute() == stream.compute() == merged.compute()


def test_the_label_is_kid_for_no_other_network() -> None:
    assert KernelDistance(Colours()).label == "KD (colours)"


def test_what_cannot_be_measured_is_refused() -> None:
    metric = KernelDistance(Colours())
    metric.update(images(0), real=True)
    metric.update(images(0, 1), real=False)
    with pytest.raises(ValueError, match="1 generated images"):
        metric.compute()
    with pytest.raises(ValueError, match="0 subsets"):
        kernel_distance(features(0, 9), features(1, 9), subsets=0)
    with pytest.raises(ValueError, match="nan or infinity"):
        kernel_distance(features(0, 9), features(1, 9) / 0)
    with pytest.raises(ValueError, match=r"\(9, 5\) and \(9, 4\)"):
        kernel_distance(features(0, 9), features(1, 9, 4))


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
def test_it_equals_torchmetrics() -> None:
    reference = pytest.importorskip(
        "torchmetrics.image.kid", reason="torchmetrics is not installed"
    ).KernelInceptionDistance(Pooled(), subsets=2, subset_size=12)
    metric = KernelDistance(Pooled())
    for real in (True, False):
        drawn = images(int(real))
        metric.update(drawn, real)
        reference.update(drawn, real)
    mean, deviation = reference.compute()
    # Subsets of all images: the order of each is all that differs.
    assert float(deviation) < 1e-6
    assert metric.compute().mean == pytest.approx(float(mean), rel=1e-4)
