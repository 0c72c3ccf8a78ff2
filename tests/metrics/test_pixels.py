from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.measure import block_reduce
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from rabit.metrics.pixels import L1, MsSsim, Psnr, Ssim, l1, ms_ssim, psnr, ssim


def pair(count: int = 4, size: tuple[int, int] = (24, 31)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(count, 3, *size, generator=generator) * 2 - 1
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


def test_l1_is_of_values_in_0_to_1() -> None:
    images, truth = pair()
    expected = [np.abs(as_unit(i) - as_unit(t)).mean() for i, t in zip(images, truth, strict=True)]
    np.testing.assert_allclose(l1(images, truth).numpy(), expected, rtol=1e-12)
    black, white = torch.full((1, 3, 2, 2), -1.0), torch.ones(1, 3, 2, 2)
    assert float(l1(black, white)) == 1.0


def test_ms_ssim_equals_torchmetrics_but_for_the_mirrored_edges_of_its_last_scale() -> None:
    reference = pytest.importorskip(
        "torchmetrics.functional.image.ssim", reason="torchmetrics is not installed"
    )
    images, truth = pair(2, (177, 190))
    x, y = (torch.from_numpy(as_unit(side)) for side in (images, truth))
    options = dict(data_range=1.0, reduction="none")
    expected = reference.multiscale_structural_similarity_index_measure(x, y, **options)
    for _ in range(4):
        x, y = (F.avg_pool2d(side, 2) for side in (x, y))
    mirrored = reference.structural_similarity_index_measure(x, y, **options)
    expected = expected * (ssim(2 * x - 1, 2 * y - 1) / mirrored) ** 0.1333
    found = ms_ssim(images, truth)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
    assert 0 < float(found[1]) < float(found[0]) < 1


def test_ms_ssim_is_the_product_over_scales_written_out() -> None:
    images, truth = pair(1, (176, 176))
    x, y = as_unit(images[0]), as_unit(truth[0])
    expected = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        options = dict(
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        # K1 beyond all bounds makes the term of the means 1.
        k1 = 0.01 if scale == 4 else 1e6
        expected *= float(structural_similarity(x, y, K1=k1, **options)) ** weight
        x, y = (block_reduce(side, (1, 2, 2), np.mean) for side in (x, y))
    assert float(ms_ssim(images, truth)) == pytest.approx(expected, rel=1e-6)


def test_ms_ssim_is_1_for_equal_images_and_0_for_opposite_ones() -> None:
    images, _ = pair(1, (176, 176))
    assert float(ms_ssim(images, images)) == pytest.approx(1.0, abs=1e-12)
    assert float(ms_ssim(images, -images)) == 0.0


def test_ms_ssim_needs_room_for_its_scales() -> None:
    with pytest.raises(ValueError, match="175x200, expected at least 176"):
        ms_ssim(torch.zeros(1, 3, 175, 200), torch.zeros(1, 3, 175, 200))


@pytest.mark.parametrize("kind", [L1, MsSsim, Psnr, Ssim])
def test_a_stream_and_merged_halves_give_what_all_at_once_gives(
    kind: type[L1] | type[MsSsim] | type[Psnr] | type[Ssim],
) -> None:
    images, truth = pair(5, (176, 176) if kind is MsSsim else (24, 31))
    once, stream, half = kind(), kind(), kind()
    once.update(images, truth)
    for i in (slice(0, 1), slice(1, 4)):
        stream.update(images[i], truth[i])
    half.update(images[4:], truth[4:])
    stream.merge(half)
    assert stream.compute().mean == pytest.approx(once.compute().mean, rel=1e-12)
    assert stream.compute().standard_error == pytest.approx(once.compute().standard_error, rel=1e-9)
    assert stream.compute().count == 5
    figures = kind().measure(images, truth)
    assert figures.shape == (5,) and figures.dtype == torch.float64
    assert once.compute().mean == pytest.approx(float(figures.mean()), rel=1e-12)


def test_metrics_of_another_kind_are_not_merged() -> None:
    with pytest.raises(ValueError, match="SSIM cannot be merged into PSNR in dB"):
        Psnr().merge(Ssim())


@pytest.mark.parametrize("kind", [L1, MsSsim, Psnr, Ssim])
def test_images_of_another_size_are_refused(
    kind: type[L1] | type[MsSsim] | type[Psnr] | type[Ssim],
) -> None:
    with pytest.raises(ValueError, match="one shape"):
        kind().update(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))
