from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from rabit.metrics.pixels import Psnr, Ssim, psnr, ssim


def pair(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(count, 3, 24, 31, generator=generator) * 2 - 1
    noise = (
        torch.randn(truth.shape, generator=generator)
        * torch.linspace(0.05, 0.6, count)[:, None, None, None]
    )
    return (truth + noise).clamp(-1, 1), truth


def as_unit(image: torch.Tensor) -> np.ndarray:
    return ((image.double() + 1) / 2).numpy()


def test_psnr_equals_scikit_image() -> None:
    images, truth = pair()
    expected = [
        peak_signal_noise_ratio(as_unit(t), as_unit(i), data_range=1.0)
        for i, t in zip(images, truth, strict=True)
    ]
    np.testing.assert_allclose(psnr(images, truth).numpy(), expected, rtol=1e-10)


def test_psnr_of_known_errors() -> None:
    black, white = torch.full((1, 3, 12, 12), -1.0), torch.ones(1, 3, 12, 12)
    assert float(psnr(white, black)) == 0.0
    assert float(psnr(black + 0.2, black)) == pytest.approx(20.0, abs=1e-5)


def test_psnr_of_equal_images_is_finite_and_beyond_every_8_bit_difference() -> None:
    image = torch.zeros(2, 3, 12, 12)
    other = image.clone()
    other[0, 0, 0, 0] = 2 / 255
    equal, nearly = psnr(image, image)[0], psnr(other, image)[0]
    assert math.isfinite(float(equal))
    assert float(equal) >= float(nearly) - 1e-6


def test_ssim_equals_scikit_image() -> None:
    images, truth = pair()
    expected = [
        structural_similarity(
            as_unit(i),
            as_unit(t),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for i, t in zip(images, truth, strict=True)
    ]
    np.testing.assert_allclose(ssim(images, truth).numpy(), expected, rtol=1e-9)
    assert 0 < expected[-1] < expected[0] < 1


def test_ssim_of_flat_images_is_the_term_of_the_means() -> None:
    a, b = torch.full((1, 3, 16, 16), -0.5), torch.full((1, 3, 16, 16), 0.5)
    c1 = 0.01**2
    expected = (2 * 0.25 * 0.75 + c1) / (0.25**2 + 0.75**2 + c1)
    assert float(ssim(a, b)) == pytest.approx(expected, rel=1e-9)


def test_ssim_of_equal_images_is_1() -> None:
    images, _ = pair()
    assert torch.allclose(ssim(images, images), torch.ones(4, dtype=torch.float64))


def test_ssim_needs_room_for_its_window() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        ssim(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20))


@pytest.mark.parametrize("kind", [Psnr, Ssim])
def test_a_stream_gives_what_all_at_once_gives(kind: type[Psnr] | type[Ssim]) -> None:
    images, truth = pair(5)
    once, stream = kind(), kind()
    once.update(images, truth)
    for i in (slice(0, 1), slice(1, 4), slice(4, 5)):
        stream.update(images[i], truth[i])
    assert stream.compute().mean == pytest.approx(once.compute().mean, rel=1e-12)
    assert stream.compute().standard_error == pytest.approx(once.compute().standard_error, rel=1e-9)
    assert stream.compute().count == 5


@pytest.mark.parametrize("kind", [Psnr, Ssim])
def test_images_of_another_size_are_refused(kind: type[Psnr] | type[Ssim]) -> None:
    with pytest.raises(ValueError, match="one shape"):
        kind().update(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))
