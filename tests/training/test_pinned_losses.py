"""A short run with a fixed seed keeps its losses; a change of behaviour writes the file anew.

    PYTHONPATH=src:tests python tests/training/test_pinned_losses.py

writes it; say in the commit why the numbers moved.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rabit.layers.perceptual import load_backbone
from rabit.training.checkpoint import new_state
from rabit.training.loop import train_step
from tiny import tiny_batch, tiny_experiment

FILE = Path(__file__).with_name("pinned_losses.json")


def short_run() -> list[dict[str, float]]:
    """Returns the losses of four steps, the last without the exemplar's map."""
    state, backbone = new_state(tiny_experiment(64)), load_backbone("random")
    return [
        train_step(state, backbone, tiny_batch(seed=20 + step), with_exemplar_condition=step < 3)
        for step in range(4)
    ]


def test_losses_of_a_short_run() -> None:
    pinned = json.loads(FILE.read_text())
    losses = short_run()
    assert len(losses) == len(pinned)
    for found, expected in zip(losses, pinned, strict=True):
        assert found == pytest.approx(expected, rel=2e-3, abs=2e-4)


if __name__ == "__main__":
    FILE.write_text(json.dumps(short_run(), indent=1) + "\n")
