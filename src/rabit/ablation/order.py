"""Whether the rows of a table come in the order that the paper's have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Cell:
    """One figure of one row.

    Args:
        mean: over seeds.
        deviation: standard deviation over seeds (of a sample); nan for a single seed.
        count: number of seeds.
    """

    mean: float
    deviation: float
    count: int


@dataclass(frozen=True)
class Order:
    """How far two orders of rows agree.

    Args:
        tau: Kendall's, pairs in one order minus pairs in the other over all pairs; 1 for the same
            order, -1 for the reverse.
        rows: that both have.
        agreeing: pairs that differ by more than the seeds do, in the same order.
        contrary: such pairs in the reverse order.
        unclear: number of the other pairs.
    """

    tau: float
    rows: int
    agreeing: tuple[tuple[str, str], ...]
    contrary: tuple[tuple[str, str], ...]
    unclear: int


def cell(values: Sequence[float]) -> Cell:
    """Returns mean and deviation of at least one seed's figures."""
    mean = math.fsum(values) / len(values)
    deviation = math.nan
    if len(values) > 1:
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return Cell(mean, deviation, len(values))


def compare_orders(ours: Mapping[str, Cell], theirs: Mapping[str, float]) -> Order | None:
    """Compares the order of our rows in one column with another's; None for less than two rows.

    A pair of rows is clear if its means are further apart than the root of the sum of both squared
    deviations; with a single seed none is.

    Args:
        ours: by row.
        theirs: by row.
    """
    common = [name for name in theirs if name in ours]
    if len(common) < 2:
        return None
    agreeing: list[tuple[str, str]] = []
    contrary: list[tuple[str, str]] = []
    score, unclear = 0, 0
    for one, other in combinations(common, 2):
        a, b = ours[one], ours[other]
        same = (a.mean - b.mean) * (theirs[one] - theirs[other])
        score += (same > 0) - (same < 0)
        clear = abs(a.mean - b.mean) > math.hypot(a.deviation, b.deviation)
        if clear and same:
            (agreeing if same > 0 else contrary).append((one, other))
        else:
            unclear += 1
    pairs = math.comb(len(common), 2)
    return Order(score / pairs, len(common), tuple(agreeing), tuple(contrary), unclear)
