"""How far percentiles of few groups are moved."""

from __future__ import annotations

import math

import pytest

from rabit.student import widening


def test_few_groups_are_widened_by_student_s_t() -> None:
    """With 9 degrees of freedom t is 2.262 at 97.5 %; two groups have 12.706."""
    assert widening(10) == pytest.approx(math.sqrt(10 / 9) * 2.262 / 1.960, abs=1e-3)
    assert widening(2, 0.95) == pytest.approx(math.sqrt(2) * 12.706 / 1.960, abs=1e-3)
    assert widening(100_000, 0.9) == pytest.approx(1, abs=1e-4)
