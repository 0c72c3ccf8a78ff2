"""Means over images with their uncertainty, kept while images come in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

NORMAL_95 = 1.959963984540054
"""Half the width, in standard errors, of the central 95 % of a normal distribution."""


SETTINGS = ("layers", "tolerance", "ignored")
"""Attributes of metrics that figures depend on and labels do not name."""


@dataclass(frozen=True)
class Estimate:
    """A mean over images.

    Args:
        mean: of the images' figures.
        standard_error: of the mean, standard deviation / sqrt(count); nan for one image.
        count: number of images.
    """

    mean: float
    standard_error: float
    count: int

    @property
    def interval(self) -> float:
        """What the 95 % interval, normal over images, reaches to either side of the mean."""
        return NORMAL_95 * self.standard_error


class RunningMean:
    """Mean and variance of a stream of figures, in float64 and without keeping them.

    Groups are merged by their counts, means and sums of squared deviations (Chan, Golub and
    LeVeque 1979), which stays exact where sums of squares would cancel.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0

    def add(self, figures: Float[Tensor, " B"]) -> None:
        """Takes in one figure an image."""
        values = figures.detach().to("cpu", torch.float64)
        count = values.numel()
        if count == 0:
            return
        mean = float(values.mean())
        self._join(count, mean, float(((values - mean) ** 2).sum()))

    def merge(self, other: RunningMean) -> None:
        """Takes in what another has taken in, such as that of another process."""
        self._join(other.count, other.mean, other.squares)

    def estimate(self) -> Estimate:
        """Returns the mean and its standard error.

        Raises:
            ValueError: there was no figure.
        """
        if self.count == 0:
            raise ValueError("no images were measured, expected at least one")
        error = math.nan
        if self.count > 1:
            error = math.sqrt(self.squares / (self.count - 1) / self.count)
        return Estimate(mean=self.mean, standard_error=error, count=self.count)

    def _join(self, count: int, mean: float, squares: float) -> None:
        """Merges a group's count, mean and sum of squared deviations."""
        total = self.count + count
        if total == 0:
            return
        gap = mean - self.mean
        self.squares += squares + gap**2 * self.count * count / total
        self.mean += gap * count / total
        self.count = total


class PerImage:
    """A metric with one figure an image: its `update` adds them to a running mean."""

    def __init__(self) -> None:
        self.running = RunningMean()

    def merge(self, other: PerImage) -> None:
        """Takes in the figures of another of the same kind, such as that of another process.

        Raises:
            ValueError: it is of another kind.
        """
        check_alike(self, other)
        self.running.merge(other.running)

    def compute(self) -> Estimate:
        """Returns the mean over all images so far.

        Raises:
            ValueError: no image was measured, or none had a figure.
        """
        return self.running.estimate()


def check_pair(
    images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], name: str = "truth"
) -> None:
    """Refuses images that cannot be compared.

    Args:
        images: a batch.
        truth: what it is compared with.
        name: what errors call the latter.

    Raises:
        ValueError: the shapes differ or are no batches of RGB images, or a value is not in
            [-1, 1].
    """
    if images.shape != truth.shape or images.ndim != 4 or images.shape[1] != 3 or not len(images):
        raise ValueError(
            f"images are {tuple(images.shape)} and the {name} {tuple(truth.shape)}, expected two "
            "batches (B, 3, H, W) of one shape"
        )
    check_range(images, "images")
    check_range(truth, name)


def check_images(images: Float[Tensor, "B 3 H W"]) -> None:
    """Refuses what is no batch of RGB images.

    Raises:
        ValueError: the shape is another, or a value is not in [-1, 1].
    """
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise ValueError(f"images are {tuple(images.shape)}, expected a batch (B, 3, H, W)")
    check_range(images, "images")


def check_range(images: Float[Tensor, "B 3 H W"], name: str) -> None:
    """Raises ValueError if a value is not in [-1, 1], up to rounding."""
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.001 and high <= 1.001):
        raise ValueError(f"{name} hold values from {low:.3g} to {high:.3g}, expected [-1, 1]")


def check_alike(ours: object, theirs: object) -> None:
    """Raises ValueError where two metrics measure different things and cannot be merged.

    By their classes and, where they have them, by their labels and `SETTINGS`, which name all
    that figures depend on.
    """
    names = [str(getattr(x, "label", type(x).__name__)) for x in (ours, theirs)]
    if type(ours) is not type(theirs) or names[0] != names[1]:
        raise ValueError(f"{names[1]} cannot be merged into {names[0]}, expected one metric")
    for setting in SETTINGS:
        own, other = (getattr(x, setting, None) for x in (ours, theirs))
        if own != other:
            raise ValueError(
                f"{names[1]} with {setting} {other} cannot be merged into that with {own}, "
                "expected the same settings"
            )
