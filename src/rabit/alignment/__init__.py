"""Alignment of an exemplar with a condition: correspondences and how they are built."""

from __future__ import annotations

from rabit.alignment.correspondence import Correspondence, WarpedBack
from rabit.alignment.matching import correspond

__all__ = ["Correspondence", "WarpedBack", "correspond"]
