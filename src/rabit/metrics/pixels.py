"""PSNR and SSIM: how near images come to the truth, pixel by pixel and window by window."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rabit.metrics.running import Estimate, RunningMean, check_pair

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_K = (0.01, 0.03)


class Psnr:
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

    def __init__(self) -> None:
        self.running = RunningMean()

    def update(self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> None:
        """Measures a batch of images in [-1, 1].

        Raises:
            ValueError: the shapes or ranges do not fit.
        """
        check_pair(images, truth)
        self.running.add(psnr(images, truth))

    def compute(self) -> Estimate:
        """Returns the mean over all images so far."""
        return self.running.estimate()


class Ssim:
    """Structural similarity (Wang et al. 2004), per image, then averaged.

    Images are taken to [0, 1] (range 1), since the index depends on the zero point; Gaussian
    windows of 11 pixels with a deviation of 1.5, K = (0.01, 0.03), channels averaged, windows
    inside the image only. At most 1, which only equal images reach; higher is better.
    """

    def __init__(self) -> None:
        self.running = RunningMean()

    def update(self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> None:
        """Measures a batch of images in [-1, 1].

        Raises:
            ValueError: the shapes or ranges do not fit, or a side is shorter than the window.
        """
        check_pair(images, truth)
        self.running.add(ssim(images, truth))

    def compute(self) -> Estimate:
        """Returns the mean over all images so far."""
        return self.running.estimate()


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
    x, y = (images.double() + 1) / 2, (truth.double() + 1) / 2
    windows = _windowed(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, xx, yy, xy = windows.split(images.shape[0])
    products, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance, variances = xy - products, xx + yy - squares
    c1, c2 = (k**2 for k in SSIM_K)
    index = (2 * products + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return index.flatten(1).mean(dim=1)


def _windowed(images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """Averages under a Gaussian window, wherever it lies inside the image."""
    offsets = torch.arange(SSIM_WINDOW, dtype=images.dtype, device=images.device)
    offsets = offsets - (SSIM_WINDOW - 1) / 2
    weights = torch.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    weights = weights / weights.sum()
    channels = images.shape[1]
    column = weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    row = weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    return F.conv2d(F.conv2d(images, column, groups=channels), row, groups=channels)
