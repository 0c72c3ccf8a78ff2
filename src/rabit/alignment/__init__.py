"""Alignment of an exemplar with a condition: correspondences and how they are built."""

from __future__ import annotations

from rabit.alignment.correspond import correspond
from rabit.alignment.correspondence import Correspondence

__all__ = ["Correspondence", "correspond"]
