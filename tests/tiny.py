"""Experiments small enough for tests: every part of the method, a few channels each."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import torch

from rabit.config import ExperimentConfig, smallest_side
from rabit.data.batch import Batch, collate
from rabit.data.scenes import CLASSES, Scenes
from rabit.fields import from_dict, to_dict
from rabit.functional.condition import Condition
from rabit.layers.perceptual import load_backbone
from rabit.layers.vgg import Vgg
from rabit.presets import preset
from rabit.training.checkpoint import TrainState
from rabit.training.engine import Engine
from rabit.training.processes import Processes
from rabit.training.update import train_step

SMALLEST = smallest_side(scales=2)
"""Side in pixels from which on the discriminators of these experiments score."""

OVERRIDES: dict[str, dict[str, Any]] = {
    "features": {"widths": [6, 8, 8, 10, 8, 8], "hidden": 6},
    "alignment": {"channels": 12, "head_width": 12},
    "generator": {"widths": [12, 12, 10, 8, 8], "stem": 12, "hidden": 6, "injection_width": 6},
}


def tiny_experiment(size: int = 64, **changes: Any) -> ExperimentConfig:
    """Returns `small` with a few channels; changes are given as section__field=value."""
    data = to_dict(preset("small", CLASSES))
    data["model"]["image_size"] = [size, size]
    for section, values in OVERRIDES.items():
        data["model"][section].update(values)
    data["discriminator"]["widths"] = [8, 8, 8, 8]
    data["train"].update(steps=8, decay_steps=4, warmup_steps=0, batch=2, log_every=1)
    data["train"].update(sample_every=4, checkpoint_every=2)
    if changes.get("alignment__method") == "none":
        data["losses"].update(cyc=0.0, cst=0.0, warp=0.0)
    for name, value in changes.items():
        section, field = name.split("__")
        target = data if section in data else data["model"]
        target[section][field] = value
    return from_dict(ExperimentConfig, data)


def tiny_batch(count: int = 2, size: int = 64, seed: int = 3) -> Batch:
    """Returns a batch of scenes."""
    scenes = Scenes(count, (size, size), seed=seed)
    return collate([scenes[i] for i in range(count)], len(CLASSES))


@cache
def random_network() -> Vgg | None:
    """Returns the perceptual backbone without a file."""
    return load_backbone("random")


def step(state: TrainState, batch: Batch, sees_map: bool = True) -> dict[str, float]:
    """Takes a training step with one batch, in one process."""
    engine = Engine(state, Processes())
    return train_step(engine, random_network(), [batch], sees_map)


def corner(batch: Batch) -> Batch:
    """Returns a batch of the corners of its pictures and conditions, as small as they may be."""
    inside = (..., slice(SMALLEST), slice(SMALLEST))
    condition, other = (
        Condition(c.channels[inside], c.regions[inside])
        for c in (batch.condition, batch.exemplar_condition)
    )
    return dataclasses.replace(
        batch,
        condition=condition,
        exemplar_condition=other,
        exemplar=batch.exemplar[inside],
        truth=batch.truth[inside],
    )


def in_float64(batch: Batch) -> Batch:
    """Returns a batch in double precision."""
    condition, other = (
        dataclasses.replace(c, channels=c.channels.double())
        for c in (batch.condition, batch.exemplar_condition)
    )
    return dataclasses.replace(
        batch,
        condition=condition,
        exemplar_condition=other,
        exemplar=batch.exemplar.double(),
        truth=batch.truth.double(),
    )


def unpaired(batch: Batch) -> Batch:
    """Returns the batch as if no truth had its exemplar's look."""
    return dataclasses.replace(batch, paired=torch.zeros_like(batch.paired))
