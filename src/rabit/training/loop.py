"""The training loop: flat, resumable, and stopped cleanly by Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from rabit.config import TrainConfig
from rabit.data.batch import Batch
from rabit.layers.vgg import Vgg
from rabit.training.engine import Engine, memory_used
from rabit.training.order import Corpus, Share, training_batches
from rabit.training.record import Record
from rabit.training.stopping import stop_on_interrupt
from rabit.training.update import train_step


@dataclass(frozen=True)
class Progress:
    """What a progress display is told after every step.

    Args:
        step: steps taken.
        steps: steps in all.
        losses: unweighted losses by name.
        seconds_left: estimate for the rest.
        images_per_second: trained on, in all processes together.
        memory: the most bytes in use so far, in this process.
        warnings: what was noticed after this step.
    """

    step: int
    steps: int
    losses: dict[str, float]
    seconds_left: float
    images_per_second: float
    memory: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    Args:
        step: steps taken.
        interrupted: whether Ctrl-C stopped it.
        model: the folder with the moving average's weights.
    """

    step: int
    interrupted: bool
    model: Path


@dataclass(frozen=True)
class TrainingSet:
    """What a training reads.

    Args:
        corpus: what is trained on.
        preview: the batch that sample grids show, the same all along.
        validation: held-out batches; none validate nothing.
    """

    corpus: Corpus
    preview: Batch
    validation: tuple[Batch, ...] = ()


def train(
    engine: Engine,
    backbone: Vgg | None,
    data: TrainingSet,
    folder: Path,
    report: Callable[[Progress], None],
    wandb: str | None = None,
) -> Finished:
    """Trains until the configured number of steps, or until Ctrl-C.

    Args:
        engine: of a training that is new or loaded; it is changed in place.
        backbone: perceptual features; None only if no loss needs them.
        data: what to train on, to show and to validate with.
        folder: the run's folder; checkpoints/, samples/, log.jsonl, tensorboard/ and model/ are
            written there.
        report: called after every step, in the main process.
        wandb: project at Weights & Biases to log to as well; None for none.

    Returns:
        Where the run stands. After Ctrl-C a checkpoint and the model are written first.

    Raises:
        FloatingPointError: a loss is not finite; the last good checkpoint stays.
    """
    state, config, device = engine.state, engine.state.config.train, engine.processes.device
    if backbone is not None:
        backbone = _placed(backbone, device)
    share = Share(engine.processes.rank, engine.processes.count, engine.parts)
    parts = iter(training_batches(data.corpus, config, state.step, share))
    started, first, stopped = time.monotonic(), state.step, False
    record = Record(engine, backbone, data.preview.to(device), data.validation, folder, wandb)
    with record, stop_on_interrupt() as stop:
        while state.step < config.steps and not stopped:
            batch = [part.unpack(device) for part in islice(parts, engine.parts)]
            values = train_step(engine, backbone, batch, _sees_map(config, state.step))
            stopped = bool(engine.processes.largest(float(stop.is_set())))
            warnings = record.step(values, stopped)
            if engine.processes.main:
                pace = (time.monotonic() - started) / (state.step - first)
                left, rate = pace * (config.steps - state.step), config.batch / pace
                memory = memory_used(device)
                report(Progress(state.step, config.steps, values, left, rate, memory, warnings))
        record.close(stopped)
    return Finished(step=state.step, interrupted=stopped, model=folder / "model")


def _placed(backbone: Vgg, device: torch.device) -> Vgg:
    """Moves the feature network; on a GPU its weights get the layout of the images."""
    placed: Any = backbone.to(device)
    if device.type == "cuda":
        placed = placed.to(memory_format=torch.channels_last)
    return placed


def _sees_map(config: TrainConfig, step: int) -> bool:
    """Draws, from seed and step alone, whether this step shows the exemplar's condition."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    return bool(torch.rand((), generator=generator) >= config.drop_exemplar_condition)


def with_steps(config: TrainConfig, steps: int) -> TrainConfig:
    """Returns a schedule of another length, its constant and decaying parts in proportion.

    Args:
        config: the schedule.
        steps: the new total.
    """
    decay = round(config.decay_steps * steps / config.steps)
    return replace(config, steps=steps, decay_steps=decay)
