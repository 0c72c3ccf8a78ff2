"""Bootstrap intervals that respect what samples have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rabit.metrics.running import NORMAL_95
from rabit.student import widening

RESAMPLES = 1000

FEW = 20
"""Clusters below which percentiles are too narrow by more than a few hundredths."""

# Resamples whose samples are weighted at a time.
_CHUNK = 100


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
    one condition with several exemplars are no independent draws, conditions are. Where exemplars
    serve several conditions, these have something in common too, and the exemplars are drawn as
    well, on their own: a sample counts as often as its cluster times as often as its exemplar was
    drawn (the pigeonhole bootstrap: Owen, Annals of Applied Statistics 2007). Whether they do is
    seen from the samples that have the figure.

    Args:
        clusters: a number a sample; samples with the same one are drawn together.
        count: of resamples.
        seed: of the draws.
        exemplars: a number a sample, the same for the same exemplar; None for one a sample.

    Raises:
        ValueError: there are no samples, less than two resamples, or not an exemplar a sample.
    """

    def __init__(
        self,
        clusters: Sequence[int],
        count: int = RESAMPLES,
        seed: int = 0,
        exemplars: Sequence[int] | None = None,
    ) -> None:
        exemplars = range(len(clusters)) if exemplars is None else exemplars
        if not clusters or count < 2:
            raise ValueError(
                f"{len(clusters)} samples and {count} resamples, expected at least 1 and 2"
            )
        if len(exemplars) != len(clusters):
            raise ValueError(f"{len(exemplars)} exemplars of {len(clusters)} samples, expected one")
        self.count = count
        self._clusters = _Drawn(clusters, count, np.random.default_rng(seed))
        self._exemplars = _Drawn(exemplars, count, np.random.default_rng((seed, 1)))

    def samples(self, most: int) -> list[Int[Tensor, " n"]]:
        """Returns the numbers of the samples of the first resamples of clusters, with repetition.

        Args:
            most: how many resamples.
        """
        members = self._clusters.members
        return [
            torch.from_numpy(np.concatenate([members[cluster] for cluster in row]))
            for row in self._clusters.drawn[:most]
        ]

    def sums(
        self, values: Float[Tensor, "n K"], known: Bool[Tensor, " n"] | None = None
    ) -> Float[Tensor, "R K"]:
        """Returns the sums of every resample, weighted by how often it has each sample.

        Args:
            values: finite numbers.
            known: the samples that have the figure; None for all. Values of others do not count.
        """
        known = torch.ones(len(values), dtype=torch.bool) if known is None else known
        drawn = self._drawn(known)
        values = values[known].double()
        if len(drawn) == 1:
            groups = torch.zeros(values.shape[1], drawn[0].groups, dtype=torch.float64)
            groups.index_add_(1, drawn[0].index[known], values.T)
            return torch.stack([drawn[0].weights @ each for each in groups], dim=1)
        first, second = drawn
        sums = []
        for rows in torch.arange(self.count).split(_CHUNK):
            weights = first.weights[rows][:, first.index[known]]
            sums.append(weights.mul_(second.weights[rows][:, second.index[known]]) @ values)
        return torch.cat(sums)

    def means(self, values: Float[Tensor, " n"]) -> Float[Tensor, " R"]:
        """Returns the mean of every resample, nan of one without a sample that has the figure."""
        known = torch.isfinite(values)
        sums = self.sums(torch.stack([values, torch.ones_like(values)], dim=1), known)
        return sums[:, 0] / sums[:, 1]

    def mean(self, values: Float[Tensor, " n"]) -> Figure:
        """Returns the mean of samples with its interval.

        Where samples of a single cluster have the figure, its interval is unknown.

        Args:
            values: a figure a sample, nan where there is none.

        Raises:
            ValueError: no sample has a figure.
        """
        known = torch.isfinite(values)
        if not bool(known.any()):
            raise ValueError("no sample has the figure, expected at least one")
        value = float(values[known].double().mean())
        return self.figure(value, self.means(values), values.double() - value)

    def difference(self, ours: Float[Tensor, " n"], theirs: Float[Tensor, " n"]) -> Figure:
        """Returns the mean difference of two methods, paired, with its interval."""
        return self.mean(ours.double() - theirs.double())

    def figure(
        self, value: float, drawn: Float[Tensor, " R"], influence: Float[Tensor, " n"]
    ) -> Figure:
        """Returns a figure with the central 95 % of its resamples as its interval.

        The ends are percentiles of what is drawn, but for two factors of their distance to the
        value, so that an interval may leave the figure's range: `widening`, of fewer clusters than
        `FEW` (or exemplars, where these are drawn and are fewer), and `_narrowing`, where both are
        drawn.

        Args:
            value: of all samples.
            drawn: of every resample; those that are nan are left out.
            influence: how far each sample moves the figure, up to a common factor and offset, as a
                sample's own figure does a mean; nan where it has none.

        Returns:
            The ends are nan where a single cluster has the figure.
        """
        known = torch.isfinite(influence)
        ways = [each.index[known] for each in self._drawn(known)]
        fewest = min(len(way.unique()) for way in ways)
        drawn = drawn[torch.isfinite(drawn)]
        low = high = math.nan
        if fewest > 1 and len(drawn) > 1:
            ends = torch.quantile(drawn, torch.tensor([0.025, 0.975], dtype=drawn.dtype)).tolist()
            low, high = ends
            factor = widening(fewest) if fewest < FEW else 1.0
            if len(ways) > 1:
                factor *= _narrowing(influence[known].double(), *ways)
            if factor != 1:
                low, high = (value + factor * (end - value) for end in ends)
        return Figure(value, low, high, int(known.sum()))

    def distance(
        self,
        value: float,
        count: int,
        resampled: Callable[[list[Int[Tensor, " n"]]], Float[Tensor, " R"]],
        most: int,
    ) -> Figure:
        """Returns a distance between sets with an interval from its deviation over resamples.

        Repeated samples raise such distances, so that resampled ones do not lie around the
        distance itself; their deviation is taken, and the interval is normal. Clusters alone are
        drawn. The deviation of resampled distances is larger than that of distances of new samples,
        so the interval is wider than 95 %; and it is about the distance of this number of pictures,
        which falls as there are more.

        Args:
            value: of all samples.
            count: number of samples.
            resampled: the distances of resamples.
            most: how many resamples.
        """
        if self._clusters.groups < 2:
            return Figure(value, math.nan, math.nan, count)
        reach = NORMAL_95 * float(resampled(self.samples(most)).std())
        return Figure(value, value - reach, value + reach, count)

    def _drawn(self, known: Bool[Tensor, " n"]) -> tuple[_Drawn, ...]:
        """Returns what is drawn of samples: clusters, or clusters and exemplars."""
        pairs = torch.stack([self._clusters.index[known], self._exemplars.index[known]])
        exemplars = len(pairs[1].unique())
        # The exemplar that all share is a given one, not one of many that might have been drawn.
        if exemplars == 1 or exemplars == pairs.unique(dim=1).shape[1]:
            return (self._clusters,)
        return self._clusters, self._exemplars


def _narrowing(
    influence: Float[Tensor, " n"], clusters: Int[Tensor, " n"], exemplars: Int[Tensor, " n"]
) -> float:
    """Returns what deviations of resamples of clusters and exemplars are multiplied by.

    With the sums of squares C over clusters, E over exemplars and S over pairs of both, of the
    influences summed in each, such resamples have a variance in proportion to C + E + S, since
    what a sample has of its own is drawn in both. That of the figure is estimated by C + E - S
    (Cameron, Gelbach and Miller, Journal of Business & Economic Statistics 2011), and here by no
    less than C or E.
    """
    own = influence - influence.mean()
    pairs = clusters * (int(exemplars.max()) + 1) + exemplars
    c, e, s = (
        float(torch.bincount(numbers, own).square().sum())
        for numbers in (clusters, exemplars, pairs.unique(return_inverse=True)[1])
    )
    return math.sqrt(max(c + e - s, c, e) / (c + e + s)) if s > 0 else 1.0


class _Drawn:
    """Groups of samples, and how often each is in every resample.

    Args:
        numbers: a number a sample; samples with the same one are a group.
        count: of resamples.
        rng: draws them, once they are asked for.
    """

    def __init__(self, numbers: Sequence[int], count: int, rng: np.random.Generator) -> None:
        found, index = np.unique(np.asarray(numbers), return_inverse=True)
        self.groups = len(found)
        self.index = torch.from_numpy(index)
        self._count, self._rng = count, rng

    @cached_property
    def drawn(self) -> Int[np.ndarray, "R G"]:
        """The groups of every resample, with repetition."""
        return self._rng.integers(self.groups, size=(self._count, self.groups))

    @cached_property
    def weights(self) -> Float[Tensor, "R G"]:
        """How often each group is in every resample, float64."""
        weights = np.stack([np.bincount(row, minlength=self.groups) for row in self.drawn])
        return torch.from_numpy(weights).double()

    @cached_property
    def members(self) -> list[Int[np.ndarray, " m"]]:
        """The numbers of each group's samples."""
        return [np.flatnonzero(self.index.numpy() == number) for number in range(self.groups)]
