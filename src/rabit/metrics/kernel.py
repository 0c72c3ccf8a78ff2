"""Kernel distance between the features of results and of photographs: KID's arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.metrics.frechet import Extractor, distribution_label
from rabit.metrics.running import check_alike, check_images

SUBSETS = 100
SUBSET_SIZE = 1000


@dataclass(frozen=True)
class KernelEstimate:
    """A kernel distance over subsets.

    Args:
        mean: over subsets.
        deviation: standard deviation over subsets, divided by their number; nan for a single one.
        subsets: how many there were.
        size: images of each side in a subset.
    """

    mean: float
    deviation: float
    subsets: int
    size: int


class KernelDistance:
    """Squared maximum mean discrepancy between two sets of images under a cubic kernel.

    The estimate of E k(x, x') + E k(y, y') - 2 E k(x, y) with k(x, y) = (x·y/D + 1)³ of features
    of length D, the mean over random subsets (Binkowski et al. 2018, Eq. 4 and 5: KID). About 0
    for sets of one distribution, negative too; lower is better. It is unbiased, whatever the number
    of images, if all images are independent draws. Results that are made from the photographs that
    they are compared with, or several of one condition, are not: then it is off by an amount of
    order 1/n, of either sign, below 0 for copies of the photographs. KID is this under Inception's
    2015 weights; no other extractor's figure bears that name. Features are kept: 8 KiB an image of
    Inception's.

    Args:
        extractor: the feature network.
        subsets: how many.
        size: images of each side in a subset; where a side has fewer, as many as that. Where both
            sides are taken whole, there is one subset.
        seed: of the subsets.
    """

    def __init__(
        self,
        extractor: Extractor,
        subsets: int = SUBSETS,
        size: int = SUBSET_SIZE,
        seed: int = 0,
    ) -> None:
        self.extractor = extractor
        self.subsets, self.size, self.seed = subsets, size, seed
        self.features: dict[bool, list[Tensor]] = {True: [], False: []}

    @property
    def label(self) -> str:
        """What reports call the figure: it names the feature network."""
        return distribution_label(self.extractor, "KID", "KD")

    @torch.no_grad()
    def update(self, images: Float[Tensor, "B 3 H W"], real: bool) -> None:
        """Takes in a batch of images in [-1, 1].

        Raises:
            ValueError: the shape or the range does not fit.
        """
        check_images(images)
        self.add(self.extractor(images.float()), real)

    def add(self, features: Float[Tensor, "B D"], real: bool) -> None:
        """Takes in what the extractor gave for images, which others may share."""
        self.features[real].append(features.detach().cpu())

    def merge(self, other: KernelDistance) -> None:
        """Takes in the images of another behind its own, such as that of another process.

        Raises:
            ValueError: it has another extractor.
        """
        check_alike(self, other)
        for real, kept in self.features.items():
            kept.extend(other.features[real])

    def compute(self) -> KernelEstimate:
        """Returns the distance of all images so far.

        Raises:
            ValueError: there are less than two images on a side.
        """
        for real, name in ((True, "real"), (False, "generated")):
            if sum(map(len, self.features[real])) < 2:
                raise ValueError(
                    f"{sum(map(len, self.features[real]))} {name} images were measured, expected "
                    "at least 2"
                )
        ours, theirs = (torch.cat(self.features[real]) for real in (False, True))
        return kernel_distance(ours, theirs, self.subsets, self.size, self.seed)


def kernel_distance(
    ours: Float[Tensor, "N D"],
    theirs: Float[Tensor, "M D"],
    subsets: int = SUBSETS,
    size: int = SUBSET_SIZE,
    seed: int = 0,
) -> KernelEstimate:
    """Returns the kernel distance of two sets of features over random subsets, in float64.

    Args:
        ours: (N, D), one row an image.
        theirs: (M, D).
        subsets: how many.
        size: rows of each side in a subset, at most; see `KernelDistance`.
        seed: of the subsets, which are drawn on the CPU.

    Raises:
        ValueError: shapes or numbers do not fit, or a number is not finite.
    """
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1]:
        raise ValueError(
            f"features are {tuple(ours.shape)} and {tuple(theirs.shape)}, expected (N, D) and "
            "(M, D)"
        )
    size = min(size, len(ours), len(theirs))
    if size < 2 or subsets < 1:
        raise ValueError(f"{subsets} subsets of {size} images, expected 1 or more of 2 or more")
    if not (bool(ours.isfinite().all()) and bool(theirs.isfinite().all())):
        raise ValueError("features hold nan or infinity, expected finite numbers")
    if size == len(ours) == len(theirs):
        subsets = 1
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(subsets):
        rows = (torch.randperm(len(x), generator=generator)[:size] for x in (ours, theirs))
        x, y = (x[i.to(x.device)] for x, i in zip((ours, theirs), rows, strict=True))
        found.append(float(squared_discrepancy(x, y)))
    distances = torch.tensor(found, dtype=torch.float64)
    deviation = float(distances.std(correction=0)) if subsets > 1 else math.nan
    return KernelEstimate(float(distances.mean()), deviation, subsets, size)


def squared_discrepancy(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, ""]:
    """Returns the squared discrepancy under the cubic kernel (Binkowski et al. 2018, Eq. 4).

    Unbiased for independent rows; see `KernelDistance`.
    """
    x, y = x.double(), y.double()
    within = []
    for rows in (x, y):
        kernel = cubic_kernel(rows, rows)
        count = len(rows)
        within.append((kernel.sum() - kernel.trace()) / (count * (count - 1)))
    return within[0] + within[1] - 2 * cubic_kernel(x, y).mean()


def cubic_kernel(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """Returns (x·y/D + 1)³ of each pair of rows."""
    return (x @ y.T / x.shape[1] + 1) ** 3
