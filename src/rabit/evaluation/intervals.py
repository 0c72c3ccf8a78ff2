"""Bootstrap intervals that respect what samples have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.metrics.running import NORMAL_95

RESAMPLES = 1000


@dataclass(frozen=True)
class Figure:
    """A figure of a method with its 95 % interval.

    Args:
        value: of all samples.
        low: lower end; nan where no interval is known.
        high: upper end.
        count: number of samples that it is of.
    """

    value: float
    low: float
    high: float
    count: int


class Resamples:
    """The same random draws of clusters for every figure and method, so that these compare.

    Clusters are drawn with replacement, as many as there are (the cluster bootstrap): samples of
    one condition with several exemplars are no independent draws, conditions are.

    Args:
        clusters: a number a sample; samples with the same one are drawn together.
        count: of resamples.
        seed: of the draws.

    Raises:
        ValueError: there are no samples or less than two resamples.
    """

    def __init__(self, clusters: Sequence[int], count: int = RESAMPLES, seed: int = 0) -> None:
        if not clusters or count < 2:
            raise ValueError(
                f"{len(clusters)} samples and {count} resamples, expected at least 1 and 2"
            )
        numbers, index = np.unique(np.asarray(clusters), return_inverse=True)
        self.count = count
        self.members = [np.flatnonzero(index == number) for number in range(len(numbers))]
        self._index = torch.from_numpy(index)
        drawn = np.random.default_rng(seed).integers(len(numbers), size=(count, len(numbers)))
        self._drawn = drawn
        weights = np.stack([np.bincount(row, minlength=len(numbers)) for row in drawn])
        self._weights = torch.from_numpy(weights).double()

    def samples(self, most: int) -> list[Int[Tensor, " n"]]:
        """Returns the numbers of the samples of the first resamples, with repetition.

        Args:
            most: how many resamples.
        """
        return [
            torch.from_numpy(np.concatenate([self.members[cluster] for cluster in row]))
            for row in self._drawn[:most]
        ]

    def means(self, values: Float[Tensor, " n"]) -> Float[Tensor, " R"]:
        """Returns the mean of every resample; samples that are nan are left out."""
        known = torch.isfinite(values)
        clusters = len(self.members)
        sums, counts = (torch.zeros(clusters, dtype=torch.float64) for _ in range(2))
        sums.index_add_(0, self._index[known], values[known].double())
        counts.index_add_(0, self._index[known], torch.ones(int(known.sum()), dtype=torch.float64))
        return (self._weights @ sums) / (self._weights @ counts)

    def mean(self, values: Float[Tensor, " n"]) -> Figure:
        """Returns the mean of samples with its percentile interval.

        Where samples of a single cluster have the figure, its interval is unknown.

        Args:
            values: a figure a sample, nan where there is none.

        Raises:
            ValueError: no sample has a figure.
        """
        known = values[torch.isfinite(values)].double()
        if len(known) == 0:
            raise ValueError("no sample has the figure, expected at least one")
        low = high = math.nan
        if len(self._index[torch.isfinite(values)].unique()) > 1:
            low, high = self.ends(self.means(values))
        return Figure(float(known.mean()), low, high, len(known))

    def difference(self, ours: Float[Tensor, " n"], theirs: Float[Tensor, " n"]) -> Figure:
        """Returns the mean difference of two methods, paired, with its percentile interval."""
        return self.mean(ours.double() - theirs.double())

    def ends(self, drawn: Float[Tensor, " R"]) -> tuple[float, float]:
        """Returns the ends of the central 95 % of resampled figures; nan for a single cluster."""
        drawn = drawn[torch.isfinite(drawn)]
        if len(self.members) < 2 or len(drawn) < 2:
            return math.nan, math.nan
        low, high = torch.quantile(drawn, torch.tensor([0.025, 0.975], dtype=drawn.dtype)).tolist()
        return low, high

    def distance(
        self,
        value: float,
        count: int,
        resampled: Callable[[list[Int[Tensor, " n"]]], Float[Tensor, " R"]],
        most: int,
    ) -> Figure:
        """Returns a distance between sets with an interval from its deviation over resamples.

        Repeated samples raise such distances, so that resampled ones do not lie around the
        distance itself; their deviation is taken, and the interval is normal.

        Args:
            value: of all samples.
            count: number of samples.
            resampled: the distances of resamples.
            most: how many resamples.
        """
        if len(self.members) < 2:
            return Figure(value, math.nan, math.nan, count)
        reach = NORMAL_95 * float(resampled(self.samples(most)).std())
        return Figure(value, value - reach, value + reach, count)
