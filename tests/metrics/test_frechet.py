"""The Fréchet distance against closed forms, scipy's square root and itself in pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rabit.layers.perceptual import random_backbone
from rabit.metrics.frechet import (
    FrechetDistance,
    RunningMoments,
    frechet_distance,
    vgg_extractor,
)


class Colours:
    """The features of an image are its mean colour and its deviations."""

    label = "colours"

    def __call__(self, images: Tensor) -> Tensor:
        return torch.cat([images.mean(dim=(2, 3)), images.std(dim=(2, 3))], dim=1)


def images(seed: int, count: int = 12, side: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    tints = torch.rand(count, 3, 1, 1, generator=generator) - 0.5
    return tints + 0.5 * (torch.rand(count, 3, side, side, generator=generator) - 0.5)


def covariance(seed: int, length: int, rank: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(length, rank, generator=generator, dtype=torch.float64)
    return factor @ factor.T / rank


def test_diagonal_covariances_have_a_closed_form() -> None:
    mean1, mean2 = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([0.0, 4.0, 0.0])
    deviations1, deviations2 = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 2.0, 0.0])
    expected = (1 + 4) + (1 + 0 + 9)
    found = frechet_distance(mean1, torch.diag(deviations1**2), mean2, torch.diag(deviations2**2))
    assert found == pytest.approx(expected, rel=1e-12)


def test_rotated_covariances_keep_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    axes, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
    a, b = torch.tensor([[1.0, 2, 3, 4], [4.0, 1, 0.5, 4]], dtype=torch.float64)
    zero = torch.zeros(4, dtype=torch.float64)
    found = frechet_distance(zero, axes * a**2 @ axes.T, zero, axes * b**2 @ axes.T)
    assert found == pytest.approx(float((a - b).square().sum()), rel=1e-12)


@pytest.mark.parametrize("length", [2, 7, 40])
def test_full_covariances_equal_scipys_square_root(length: int) -> None:
    c1, c2 = covariance(1, length, 3 * length), covariance(2, length, 3 * length)
    m1, m2 = torch.linspace(0, 1, length), torch.linspace(1, -1, length)
    root = scipy.linalg.sqrtm((c1 @ c2).numpy())
    expected = float((m1.double() - m2.double()).square().sum())
    expected += float(np.trace(c1.numpy() + c2.numpy() - 2 * root.real))
    assert frechet_distance(m1, c1, m2, c2) == pytest.approx(expected, rel=1e-9)


def test_two_dimensions_have_a_closed_form_for_any_covariances() -> None:
    c1 = torch.tensor([[2.0, 0.7], [0.7, 1.0]], dtype=torch.float64)
    c2 = torch.tensor([[0.5, -0.4], [-0.4, 3.0]], dtype=torch.float64)
    # The trace of the root of a 2x2 matrix M is sqrt(tr M + 2·sqrt(det M)).
    product = c1 @ c2
    root = math.sqrt(float(product.trace() + 2 * torch.linalg.det(product).sqrt()))
    zero = torch.zeros(2)
    expected = 2 + 1 + 0.5 + 3 - 2 * root
    assert frechet_distance(zero, c1, zero, c2) == pytest.approx(expected, rel=1e-12)


def test_singular_covariances_are_exact() -> None:
    length, rank = 60, 5
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(2, rank, length, generator=generator, dtype=torch.float64)
    zero = torch.zeros(length)
    # With C1 = XᵀX and C2 = YᵀY the trace of the root is the nuclear norm of X·Yᵀ (5x5).
    shared = float(np.linalg.svd((x @ y.T).numpy(), compute_uv=False).sum())
    expected = float(x.square().sum() + y.square().sum()) - 2 * shared
    found = frechet_distance(zero, x.T @ x, zero, y.T @ y)
    assert found == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(zero, x.T @ x, zero, x.T @ x) < 1e-10


def test_a_singular_and_a_full_covariance_are_exact() -> None:
    length, rank = 60, 5
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(rank, length, generator=generator, dtype=torch.float64)
    full = covariance(6, length, 3 * length)
    zero = torch.zeros(length)
    shared = np.linalg.svd((x @ torch.linalg.cholesky(full)).numpy(), compute_uv=False).sum()
    expected = float(x.square().sum() + full.trace()) - 2 * float(shared)
    # Roots of what rounding leaves of the zero eigenvalues, 1e-8 each, would show.
    assert frechet_distance(zero, x.T @ x, zero, full) == pytest.approx(expected, rel=1e-12)


def test_it_is_symmetric_and_never_negative() -> None:
    m, c1, c2 = torch.zeros(6), covariance(4, 6, 2), covariance(5, 6, 9)
    assert frechet_distance(m, c1, m, c2) == pytest.approx(frechet_distance(m, c2, m, c1))
    assert 0 <= frechet_distance(m, c2, m, c2) < 1e-12


def test_moments_equal_numpys() -> None:
    vectors = 1e4 + torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double()
    moments = RunningMoments()
    for part in vectors.split([1, 0, 20, 29]):
        moments.add(part)
    np.testing.assert_allclose(moments.mean.numpy(), vectors.numpy().mean(axis=0), rtol=1e-14)
    expected = np.cov(vectors.numpy(), rowvar=False)
    np.testing.assert_allclose(moments.covariance("real").numpy(), expected, atol=1e-10)


def test_a_stream_gives_what_all_at_once_gives() -> None:
    once, stream = FrechetDistance(Colours()), FrechetDistance(Colours())
    real, generated = images(0), images(1)
    once.update(real, real=True)
    once.update(generated, real=False)
    for part in generated.split([5, 7]):
        stream.update(part, real=False)
    for part in real.split([1, 11]):
        stream.update(part, real=True)
    assert stream.compute() == pytest.approx(once.compute(), rel=1e-9)
    features = [Colours()(x).double().numpy() for x in (real, generated)]
    means = [f.mean(axis=0) for f in features]
    covariances = [np.cov(f, rowvar=False) for f in features]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = np.square(means[0] - means[1]).sum() + np.trace(sum(covariances) - 2 * root)
    assert once.compute() == pytest.approx(float(expected), rel=1e-6)


def test_merged_halves_give_what_all_at_once_gives() -> None:
    once, parts = FrechetDistance(Colours()), [FrechetDistance(Colours()) for _ in range(3)]
    ours, real = images(1), images(0)
    once.update(ours, real=False)
    once.update(real, real=True)
    for part, x, y in zip(parts, ours.split([5, 0, 7]), real.split([1, 0, 11]), strict=True):
        if len(x):
            part.update(x, real=False)
            part.add(Colours()(y), real=True)
    merged = FrechetDistance(Colours())
    for part in parts:
        merged.merge(part)
    assert merged.compute() == pytest.approx(once.compute(), rel=1e-9)
    # What was merged is not written to.
    assert parts[0].generated.count == 5 and float(parts[0].generated.scatter.trace()) < float(
        merged.generated.scatter.trace()
    )
    other = RunningMoments()
    other.add(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="length 3, expected 6"):
        merged.real.merge(other)


def test_a_layer_is_pooled_from_features_that_others_share() -> None:
    backbone, x = random_backbone(), images(0, 2, 32)
    extractor = vgg_extractor(backbone, "relu2_1")
    assert extractor.layers == ("relu2_1",)
    features = backbone(x, ("relu1_1", "relu2_1"))
    assert torch.equal(extractor.pooled(features), extractor(x))


class Quarters(nn.Module):
    """The features of an image are its colours in four quarters."""

    label = "quarters"
    num_features = 12

    def forward(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images.float(), 2).flatten(1)


def test_it_equals_torchmetrics() -> None:
    reference = pytest.importorskip(
        "torchmetrics.image.fid", reason="torchmetrics is not installed"
    ).FrechetInceptionDistance(Quarters())
    distance = FrechetDistance(Quarters())
    for real in (True, False):
        drawn = images(int(real), 40)
        distance.update(drawn, real)
        reference.update(drawn, real)
    assert distance.compute() == pytest.approx(float(reference.compute()), rel=1e-4)


def test_equal_sets_of_fewer_images_than_features_are_at_0() -> None:
    distance = FrechetDistance(vgg_extractor(random_backbone(), "relu4_1"))
    for real in (True, False):
        distance.update(images(0, 4, 32), real=real)
    assert distance.compute() < 1e-9


def test_more_noise_is_farther_away() -> None:
    real = images(0, 16, 32)
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(9))
    found = []
    for strength in (0.02, 0.1, 0.3):
        distance = FrechetDistance(vgg_extractor(random_backbone(), "relu2_1"))
        distance.update(real, real=True)
        distance.update((real + strength * noise).clamp(-1, 1), real=False)
        found.append(distance.compute())
    assert 0 < found[0] < found[1] < found[2]


def test_the_label_names_the_network_and_not_fid() -> None:
    label = FrechetDistance(vgg_extractor(random_backbone(), "relu3_1")).label
    assert label == "FD (random VGG (seed 0), mean of relu3_1)"
    assert "fid" not in label.lower()


def test_one_image_has_no_covariance() -> None:
    distance = FrechetDistance(Colours())
    distance.update(images(0), real=True)
    distance.update(images(0, 1), real=False)
    with pytest.raises(ValueError, match="1 generated images"):
        distance.compute()


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="relu9_9"):
        vgg_extractor(random_backbone(), "relu9_9")
    with pytest.raises(ValueError, match="expected a batch"):
        FrechetDistance(Colours()).update(torch.zeros(3, 8, 8), real=True)
    with pytest.raises(ValueError, match="images hold"):
        FrechetDistance(Colours()).update(torch.full((1, 3, 8, 8), 7.0), real=True)
    moments = RunningMoments()
    with pytest.raises(ValueError, match="finite"):
        moments.add(torch.full((2, 2), float("nan")))
    moments.add(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="length 3"):
        moments.add(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="twice"):
        frechet_distance(torch.zeros(2), torch.eye(2), torch.zeros(3), torch.eye(3))
    with pytest.raises(ValueError, match="nan or infinity"):
        frechet_distance(torch.zeros(2), torch.eye(2) / 0, torch.zeros(2), torch.eye(2))
