"""How far raters agree: Krippendorff's alpha."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha.

    Args:
        alpha: 1 for full agreement, 0 for that of chance; None where nothing can be compared.
        units: that two raters or more have judged.
        values: judgements of those units.
    """

    alpha: float | None
    units: int
    values: int


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> Agreement:
    """Computes Krippendorff's alpha for names without order, with missing judgements.

    Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, case C: with n_uc judgements c
    of unit u, n_u of all in it, and n_c of all units with two or more,
    alpha = 1 - (n - 1) * sum_u [sum_{c != k} n_uc n_uk / (n_u - 1)] / sum_{c != k} n_c n_k.

    Args:
        units: for each unit the judgements that there are, of any raters.

    Returns:
        Alpha; where all judgements are the same it is None, since chance would agree as well.
    """
    pairable = [list(unit) for unit in units]
    pairable = [unit for unit in pairable if len(unit) > 1]
    totals: Counter[Hashable] = Counter()
    observed = 0.0
    for unit in pairable:
        counts = Counter(unit)
        totals += counts
        observed += _differing(counts) / (len(unit) - 1)
    n = totals.total()
    expected = _differing(totals)
    alpha = 1 - (n - 1) * observed / expected if expected else None
    return Agreement(alpha, len(pairable), n)


def _differing(counts: Counter[Hashable]) -> int:
    """The number of ordered pairs of judgements that differ."""
    return counts.total() ** 2 - sum(count**2 for count in counts.values())
