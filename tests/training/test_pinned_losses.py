"""30 steps of `small` with a fixed seed keep their losses; a change of behaviour pins them anew.

    PYTHONPATH=src:tests python tests/training/test_pinned_losses.py

writes it; say in the commit why the numbers moved.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rabit.data.scenes import CLASSES
from rabit.layers.perceptual import load_backbone
from rabit.presets import preset
from rabit.training.checkpoint import new_state
from rabit.training.engine import Engine
from rabit.training.processes import Processes
from rabit.training.update import train_step
from tiny import in_float64, tiny_batch

STEPS = 30
LOSSES = ("cyc", "cst", "warp", "perc", "cxt", "pse", "adv", "fm", "discriminator")
FILE = Path(__file__).with_name("pinned_losses.json")


def short_run() -> list[dict[str, float]]:
    """Returns the losses of 30 steps of the preset, of one or two 64x64 scenes, some without maps.

    In double precision from the first weights on: Adam's first steps follow the signs of gradients,
    and in single precision another number of threads or another processor turns some of them.
    At a tenth of the preset's learning rates: at its own, a difference in the last digit grows
    about fivefold a step, and another processor's losses leave these before the last step.
    """
    config = preset("small", CLASSES)
    model = replace(config.model, image_size=(64, 64))
    rates = {
        name: getattr(config.train, name) / 10 for name in ("lr_generator", "lr_discriminator")
    }
    config = replace(config, model=model, train=replace(config.train, **rates))
    torch.set_default_dtype(torch.float64)
    try:
        state, backbone = new_state(config), load_backbone("random")
    finally:
        torch.set_default_dtype(torch.float32)
    engine = Engine(state, Processes())
    batches = (tiny_batch(2 if step % 3 == 0 else 1, seed=20 + step) for step in range(STEPS))
    return [
        train_step(engine, backbone, [in_float64(batch)], step % 10 != 9)
        for step, batch in enumerate(batches)
    ]


def test_losses_of_a_short_run() -> None:
    pinned = json.loads(FILE.read_text())
    losses = short_run()
    assert len(losses) == len(pinned) == STEPS
    for found, expected in zip(losses, pinned, strict=True):
        assert {name: found[name] for name in LOSSES} == pytest.approx(expected, rel=1e-6, abs=1e-8)


if __name__ == "__main__":
    kept = [{n: round(v, 9) for n, v in step.items() if n in LOSSES} for step in short_run()]
    FILE.write_text("[\n" + ",\n".join(map(json.dumps, kept)) + "\n]\n")
