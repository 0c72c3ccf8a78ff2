"""Student's t for intervals of few groups, whose bootstrap is too narrow."""

from __future__ import annotations

import math

from scipy.special import ndtri, stdtrit


def widening(groups: int, confidence: float = 0.95) -> float:
    """Returns the factor by which percentiles of resampled groups are moved from the estimate.

    Draws of n groups have (n - 1) / n of the variance that the groups let expect, and so few tell
    it as Student's t with n - 1 degrees of freedom does: the factor is sqrt(n / (n - 1)) t / z
    (Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 2015).

    Args:
        groups: that are drawn, at least 2.
        confidence: that an interval covers, between 0 and 1.
    """
    upper = (1 + confidence) / 2
    ratio = float(stdtrit(groups - 1, upper) / ndtri(upper))
    return math.sqrt(groups / (groups - 1)) * ratio
