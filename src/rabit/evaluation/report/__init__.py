"""The report of an evaluation: one HTML page that needs nothing else."""

from __future__ import annotations
