"""What presets of a task have in common."""

from __future__ import annotations

from dataclasses import replace

from rabit.config import ExperimentConfig

BATCH = 8
"""Samples a step; the peers have 32, on eight GPUs."""


def task_preset(config: ExperimentConfig, name: str, steps: int | None = None) -> ExperimentConfig:
    """Names a preset, and gives it a schedule of its own whose second half decays.

    Args:
        config: what the task's preset starts from.
        name: of the task's preset.
        steps: of the schedule; None keeps that of `config`.
    """
    train = config.train
    if steps is not None:
        train = replace(train, steps=steps, decay_steps=steps // 2, batch=BATCH)
    return replace(config, model=replace(config.model, name=name), train=train)
