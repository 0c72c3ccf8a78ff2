"""A short run with a fixed seed keeps its losses; a change of behaviour writes the file anew.

    PYTHONPATH=src:tests python tests/training/test_pinned_losses.py

writes it; say in the commit why the numbers moved.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rabit.data.batch import Batch
from rabit.layers.perceptual import load_backbone
from rabit.training.checkpoint import new_state
from rabit.training.engine import Engine
from rabit.training.processes import Processes
from rabit.training.update import train_step
from tiny import tiny_batch, tiny_experiment

FILE = Path(__file__).with_name("pinned_losses.json")


def in_float64(batch: Batch) -> Batch:
    """Returns a batch in double precision."""
    condition, other = (
        replace(c, channels=c.channels.double())
        for c in (batch.condition, batch.exemplar_condition)
    )
    return replace(
        batch,
        condition=condition,
        exemplar_condition=other,
        exemplar=batch.exemplar.double(),
        truth=batch.truth.double(),
    )


def short_run() -> list[dict[str, float]]:
    """Returns the losses of four steps, the last without the exemplar's map.

    In double precision from the first weights on: Adam's first steps follow the signs of gradients,
    and in single precision another number of threads or another processor turns some of them.
    """
    torch.set_default_dtype(torch.float64)
    try:
        state, backbone = new_state(tiny_experiment(64)), load_backbone("random")
    finally:
        torch.set_default_dtype(torch.float32)
    engine = Engine(state, Processes())
    return [
        train_step(engine, backbone, [in_float64(tiny_batch(seed=20 + step))], step < 3)
        for step in range(4)
    ]


def test_losses_of_a_short_run() -> None:
    pinned = json.loads(FILE.read_text())
    losses = short_run()
    assert len(losses) == len(pinned)
    for found, expected in zip(losses, pinned, strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


if __name__ == "__main__":
    FILE.write_text(json.dumps(short_run(), indent=1) + "\n")
