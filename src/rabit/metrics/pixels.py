"""L1, PSNR, SSIM and MS-SSIM: how near images come to the truth, by pixels and by windows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rabit.metrics.running import PerImage, check_pair

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_K = (0.01, 0.03)
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MS_SSIM_SIDE = SSIM_WINDOW * 2 ** (len(MS_SSIM_WEIGHTS) - 1)
"""Shortest side that leaves a whole window at the coarsest of MS-SSIM's scales: 176 pixels."""


class _OfPixels(PerImage, ABC):
    """A figure an image that compares its values with the truth's."""

    def measure(
        self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]
    ) -> Float[Tensor, " B"]:
        """Returns the figure of each image, float64.

        Args:
            images: results in [-1, 1].
            truth: in [-1, 1].

        Raises:
            ValueError: the shapes or ranges do not fit, or images are too small.
        """
        check_pair(images, truth)
        return self._figures(images, truth)

    def update(self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> None:
        """Measures a batch of images in [-1, 1] and takes the figures into the mean.

        Raises:
            ValueError: the shapes or ranges do not fit, or images are too small.
        """
        self.running.add(self.measure(images, truth))

    @abstractmethod
    def _figures(self, images: Tensor, truth: Tensor) -> Tensor:
        """Returns the figure of each image of a pair that fits."""


class L1(_OfPixels):
    """Mean absolute difference of values in [0, 1], per image, then averaged.

    mean |x - y|, over pixels and channels. From 0, for equal images, to 1; lower is better.
    """

    label = "L1, of values in [0, 1]"

    def _figures(self, images: Tensor, truth: Tensor) -> Tensor:
        return l1(images, truth)


class Psnr(_OfPixels):
    """Peak signal-to-noise ratio in decibels, per image, then averaged.

    10 · log10(2² / mean squared error) for images in [-1, 1], whose range is 2; higher is better.
    From 0 dB (black against white) up; two equal images are counted with the error of the
    finest 8-bit difference in a single value, so that one of them does not make the mean infinite.

    Example:
        >>> import torch
        >>> psnr = Psnr()
        >>> psnr.update(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.2))
        >>> round(psnr.compute().mean, 6)
        20.0
    """

    label = "PSNR in dB"

    def _figures(self, images: Tensor, truth: Tensor) -> Tensor:
        return psnr(images, truth)


class Ssim(_OfPixels):
    """Structural similarity (Wang et al. 2004), per image, then averaged.

    Images are taken to [0, 1] (range 1), since the index depends on the zero point; Gaussian
    windows of 11 pixels with a deviation of 1.5, K = (0.01, 0.03), channels averaged, windows
    inside the image only. At most 1, which only equal images reach; higher is better.
    """

    label = "SSIM"

    def _figures(self, images: Tensor, truth: Tensor) -> Tensor:
        return ssim(images, truth)


class MsSsim(_OfPixels):
    """Structural similarity at five scales (Wang et al. 2003), per image, then averaged.

    The product over scales of the mean contrast-and-structure term, of the last scale of the mean
    SSIM, each to the power of its weight (0.0448, 0.2856, 0.3001, 0.2363, 0.1333). Windows and
    constants are SSIM's; from scale to scale images are averaged over 2x2 pixels, an odd last row
    or column left out; terms are averaged over channels and positions and taken for 0 where
    negative. From 0 to 1, which equal images reach; higher is better. Sides have 176 pixels or
    more.
    """

    label = "MS-SSIM"

    def _figures(self, images: Tensor, truth: Tensor) -> Tensor:
        return ms_ssim(images, truth)


def l1(images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
    """Returns the mean absolute difference of images in [-1, 1], as of values in [0, 1]."""
    return (images.double() - truth.double()).abs().flatten(1).mean(dim=1) / 2


def psnr(images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
    """Returns the PSNR of each image in [-1, 1], float64, in decibels."""
    error = (images.double() - truth.double()).square().flatten(1).mean(dim=1)
    finest = (2 / 255) ** 2 / images[0].numel()
    return 10 * torch.log10(4 / error.clamp(min=finest))


def ssim(images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
    """Returns the SSIM of each image in [-1, 1], float64 (Wang et al. 2004, Eq. 13).

    Raises:
        ValueError: a side is shorter than the window.
    """
    if min(images.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(
            f"images are {images.shape[-2]}x{images.shape[-1]}, expected at least {SSIM_WINDOW} "
            "pixels a side for SSIM"
        )
    index, _ = _similarity((images.double() + 1) / 2, (truth.double() + 1) / 2)
    return index


def ms_ssim(
    images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, " B"]:
    """Returns the MS-SSIM of each image in [-1, 1], float64 (Wang et al. 2003, Eq. 7).

    Raises:
        ValueError: a side is shorter than 176 pixels.
    """
    if min(images.shape[-2:]) < MS_SSIM_SIDE:
        raise ValueError(
            f"images are {images.shape[-2]}x{images.shape[-1]}, expected at least {MS_SSIM_SIDE} "
            "pixels a side for MS-SSIM, whose five scales halve them four times"
        )
    x, y = (images.double() + 1) / 2, (truth.double() + 1) / 2
    product = x.new_ones(len(x))
    for weight in MS_SSIM_WEIGHTS[:-1]:
        _, contrast = _similarity(x, y)
        product = product * contrast.clamp(min=0) ** weight
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    index, _ = _similarity(x, y)
    return product * index.clamp(min=0) ** MS_SSIM_WEIGHTS[-1]


def _similarity(
    x: Float[Tensor, "B C H W"], y: Float[Tensor, "B C H W"]
) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
    """Returns the mean SSIM of images in [0, 1], and of its contrast-and-structure term."""
    windows = _windowed(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, xx, yy, xy = windows.split(x.shape[0])
    products, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance, variances = xy - products, xx + yy - squares
    c1, c2 = (k**2 for k in SSIM_K)
    contrast = (2 * covariance + c2) / (variances + c2)
    index = (2 * products + c1) / (squares + c1) * contrast
    return index.flatten(1).mean(dim=1), contrast.flatten(1).mean(dim=1)


def _windowed(images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """Averages under a Gaussian window, wherever it lies inside the image."""
    offsets = torch.arange(SSIM_WINDOW, dtype=torch.float64) - (SSIM_WINDOW - 1) / 2
    gaussian = torch.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    weights = (gaussian / gaussian.sum()).tolist()
    # Sums of shifted images, an eighth of the time of a convolution by channel.
    for axis in (2, 3):
        length = images.shape[axis] - SSIM_WINDOW + 1
        total = weights[0] * images.narrow(axis, 0, length)
        for shift, weight in enumerate(weights[1:], 1):
            total.add_(images.narrow(axis, shift, length), alpha=weight)
        images = total
    return images
