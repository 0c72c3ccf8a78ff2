"""Distances between the set of a method's pictures and that of the photographs, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rabit.data.images import read_image, to_tensor
from rabit.evaluation.intervals import Figure, Resamples
from rabit.metrics.frechet_features import frechet_of_features, frechet_resampled
from rabit.metrics.kernel import cubic_kernel, kernel_distance
from rabit.metrics.running import NORMAL_95
from rabit.metrics.sliced import SlicedWasserstein

FRECHET_RESAMPLES = 100
_READ = 16


def frechet_figure(
    ours: Float[Tensor, "N D"],
    theirs: Float[Tensor, "N D"],
    real: Bool[Tensor, " N"],
    resamples: Resamples,
) -> Figure:
    """Returns the Fréchet distance with a normal interval from its deviation over resamples.

    Args:
        ours: features of the pictures.
        theirs: features of the photographs that their conditions belong to.
        real: which of these count: a photograph counts once.
        resamples: of the samples.
    """
    places = torch.cumsum(real, dim=0) - 1
    chosen = theirs[real]

    def resampled(draws: list[Int[Tensor, " n"]]) -> Float[Tensor, " R"]:
        pairs = ((rows, places[rows[real[rows]]]) for rows in draws)
        return frechet_resampled(ours, chosen, pairs)

    value = frechet_of_features(ours, chosen)
    return resamples.distance(value, len(ours), resampled, FRECHET_RESAMPLES)


def kernel_figure(
    ours: Float[Tensor, "N D"],
    theirs: Float[Tensor, "N D"],
    real: Bool[Tensor, " N"],
    clusters: Sequence[int],
    seed: int,
) -> Figure:
    """Returns the kernel distance with a normal interval from the jackknife over clusters.

    Repeated rows would bias a bootstrap of it; leaving out one cluster after the other repeats
    none (Efron and Stein 1981). The interval says how the figure varies between draws of clusters,
    not where the distance of the populations lies; `KernelDistance` says why the figure is off it.

    Args:
        ours: features of the pictures.
        theirs: features of the photographs.
        real: which of these count.
        clusters: a number a sample; see `Resamples`.
        seed: of the subsets, where there are more pictures than one holds.
    """
    value = kernel_distance(ours, theirs[real], seed=seed).mean
    left_out = kernel_without_each(ours, theirs, real, clusters)
    count = len(left_out)
    if count < 3:
        return Figure(value, math.nan, math.nan, len(ours))
    spread = (left_out - left_out.mean()).square().sum() * (count - 1) / count
    reach = NORMAL_95 * float(spread.sqrt())
    return Figure(value, value - reach, value + reach, len(ours))


def kernel_without_each(
    ours: Float[Tensor, "N D"],
    theirs: Float[Tensor, "N D"],
    real: Bool[Tensor, " N"],
    clusters: Sequence[int],
) -> Float[Tensor, " G"]:
    """Returns the kernel distance without each of the clusters, from one set of kernels.

    The sums over pairs of a set are those of all pairs less those with a sample of the cluster.
    """
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    groups = torch.nn.functional.one_hot(torch.from_numpy(index)).double()
    mine, photographs = groups, groups[real]
    x, y = ours.double(), theirs[real].double()
    within = [_pairs_without(cubic_kernel(f, f), g) for f, g in ((x, mine), (y, photographs))]
    cross = cubic_kernel(x, y)
    rows, columns = mine.T @ cross.sum(dim=1), photographs.T @ cross.sum(dim=0)
    both = torch.einsum("ng,nm,mg->g", mine, cross, photographs)
    kept = (len(x) - mine.sum(dim=0)) * (len(y) - photographs.sum(dim=0))
    return within[0] + within[1] - 2 * (cross.sum() - rows - columns + both) / kept


def _pairs_without(
    kernel: Float[Tensor, "N N"], groups: Float[Tensor, "N G"]
) -> Float[Tensor, " G"]:
    """Returns the mean of a kernel over pairs of different rows, without each group's rows."""
    kernel = kernel - torch.diag(kernel.diagonal())
    touched = 2 * (groups.T @ kernel.sum(dim=1))
    inside = torch.einsum("ng,nm,mg->g", groups, kernel, groups)
    left = len(kernel) - groups.sum(dim=0)
    return (kernel.sum() - touched + inside) / (left * (left - 1))


class SlicedDistances:
    """Sliced Wasserstein distances of several methods from the same photographs.

    Args:
        photographs: their files.
        count: number of each method's pictures; where it is that of the photographs, both are in
            one order, and read at the same places.
        device: where they are computed.
        seed: of places and directions.
    """

    def __init__(
        self, photographs: Sequence[Path], count: int, device: torch.device, seed: int = 0
    ) -> None:
        self.device = device
        self.drawn_by = (seed, count == len(photographs))
        self.real = SlicedWasserstein(*self.drawn_by)
        for images in _read(photographs, device):
            self.real.update(images, real=True)

    def figure(self, pictures: Sequence[Path]) -> Figure:
        """Returns the distance of a method's pictures; no interval is known of it.

        Args:
            pictures: their files.
        """
        distance = SlicedWasserstein(*self.drawn_by)
        distance.merge(self.real)
        for images in _read(pictures, self.device):
            distance.update(images, real=False)
        return Figure(distance.compute(), math.nan, math.nan, len(pictures))


def _read(paths: Sequence[Path], device: torch.device) -> Iterator[Float[Tensor, "B 3 H W"]]:
    """Reads pictures, a few at a time."""
    for first in range(0, len(paths), _READ):
        try:
            images = [to_tensor(read_image(path)) for path in paths[first : first + _READ]]
        except ValueError as error:
            raise ValueError(
                f"{error}; delete the file, and the same command makes it again"
            ) from error
        yield torch.stack(images).to(device)
