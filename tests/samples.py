"""Real files beside the project, which tests look at where they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def samples(name: str) -> Path:
    """Returns a folder of real files, such as samples/ade20k; skips the test without it."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder}: real samples are not here")
    return folder
