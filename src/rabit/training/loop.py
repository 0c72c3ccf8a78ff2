"""The training loop: flat, resumable, and stopped cleanly by Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader

from rabit.config import TrainConfig
from rabit.data.batch import Batch, PackedBatch, Sample, pack
from rabit.layers.vgg import Vgg
from rabit.model.storage import save_model
from rabit.training.checkpoint import TrainState, save_checkpoint
from rabit.training.log import RunLog
from rabit.training.order import StepBatches
from rabit.training.samples import sample_grid
from rabit.training.step import (
    check_finite,
    check_gradients,
    discriminator_loss,
    generator_losses,
    weigh,
)


class Corpus(Protocol):
    """A data set with named classes, whose views may change from epoch to epoch."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by id."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next samples belong to."""


@dataclass(frozen=True)
class Progress:
    """What a progress display is told after every step.

    Args:
        step: steps taken.
        steps: steps in all.
        losses: unweighted losses by name.
        seconds_left: estimate for the rest.
    """

    step: int
    steps: int
    losses: dict[str, float]
    seconds_left: float


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


def learning_rate_factor(step: int, train: TrainConfig) -> float:
    """Returns what the learning rates are multiplied by: a line up to 1, 1, then a line down to 0.

    Args:
        step: steps taken before this one.
        train: total, warming and decaying steps.
    """
    left = train.steps - step
    decayed = 1.0 if left > train.decay_steps else left / max(train.decay_steps, 1)
    return decayed * min(1.0, (step + 1) / max(train.warmup_steps, 1))


def train_step(
    state: TrainState, backbone: Vgg | None, batch: Batch, with_exemplar_condition: bool
) -> dict[str, float]:
    """Takes one alternating step: the generator's side, then the discriminator's.

    Args:
        state: changed in place.
        backbone: perceptual features.
        batch: on the state's device.
        with_exemplar_condition: whether the network sees the exemplar's condition.

    Returns:
        Unweighted losses by name.

    Raises:
        FloatingPointError: a loss or gradient is not finite; it was not applied.
    """
    factor = learning_rate_factor(state.step, state.config.train)
    rates = (state.config.train.lr_generator, state.config.train.lr_discriminator)
    optimisers = (state.generator_optimiser, state.discriminator_optimiser)
    for optimiser, rate in zip(optimisers, rates, strict=True):
        optimiser.param_groups[0]["lr"] = rate * factor

    config = state.config.losses
    state.discriminator.requires_grad_(False)
    try:
        result = generator_losses(
            state.network, state.discriminator, backbone, batch, config, with_exemplar_condition
        )
    except ValueError as error:
        if "NaN" not in str(error):
            raise ValueError(f"step {state.step}: {error}") from error
        raise FloatingPointError(
            f"step {state.step}: the network's own features are not finite, so no loss could be "
            f"computed ({error}). The weights have diverged: lower the learning rate, and resume "
            "from an earlier checkpoint"
        ) from error
    values = {name: value.item() for name, value in result.values.items()}
    check_finite(values, state.step)
    state.generator_optimiser.zero_grad(set_to_none=True)
    weigh(result.values, config).backward()
    check_gradients(state.network, "generator", state.step)
    state.generator_optimiser.step()
    state.ema.update_parameters(state.network)

    state.discriminator.requires_grad_(True)
    if config.adv or config.fm:
        loss = discriminator_loss(state.discriminator, batch, result.output.image.detach())
        values["discriminator"] = loss.item()
        check_finite(values, state.step)
        state.discriminator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        check_gradients(state.discriminator, "discriminator", state.step)
        state.discriminator_optimiser.step()
    if result.masked is not None:
        values["cycle_masked"] = result.masked
    if result.residual is not None:
        values["residual"] = result.residual
    state.step += 1
    return values


def train(
    state: TrainState,
    backbone: Vgg | None,
    corpus: Corpus,
    preview: Batch,
    folder: Path,
    report: Callable[[Progress], None],
) -> Finished:
    """Trains until the configured number of steps, or until Ctrl-C.

    Args:
        state: new or loaded; changed in place.
        backbone: perceptual features; None only if no loss needs them.
        corpus: training samples.
        preview: the batch that sample grids show, the same all along.
        folder: the run's folder; checkpoints/, samples/, log.jsonl, tensorboard/ and model/ are
            written there.
        report: called after every step.

    Returns:
        Where the run stands. After Ctrl-C a checkpoint and the model are written first.

    Raises:
        FloatingPointError: a loss is not finite; the last good checkpoint stays.
    """
    device = next(state.network.parameters()).device
    config, kind = state.config.train, state.config.model.condition.kind
    backbone = backbone.to(device) if backbone is not None else None
    preview = preview.to(device)
    loader = training_batches(corpus, config, state.step)
    started, first = time.monotonic(), state.step
    with RunLog(folder) as log, stop_on_interrupt() as stop:
        for batch in loader:
            values = train_step(
                state, backbone, batch.unpack(device), _sees_map(config, state.step)
            )
            left = (time.monotonic() - started) / (state.step - first)
            left *= config.steps - state.step
            report(Progress(state.step, config.steps, values, left))
            if state.step % config.log_every == 0:
                log.figures(state.step, values)
            if state.step % config.sample_every == 0:
                log.picture(state.step, sample_grid(state.averaged, preview, kind))
            if state.step % config.checkpoint_every == 0 and state.step < config.steps:
                save_checkpoint(folder / "checkpoints", state, config.keep_checkpoints)
            if stop.is_set():
                break
        save_checkpoint(folder / "checkpoints", state, config.keep_checkpoints)
        log.picture(state.step, sample_grid(state.averaged, preview, kind))
    save_model(folder / "model", state.averaged, state.config.model, overwrite=True)
    return Finished(step=state.step, interrupted=stop.is_set(), model=folder / "model")


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into an event, so that a step is never left half done.

    A second Ctrl-C interrupts at once. Outside the main thread, where Python delivers no
    signals, the event simply never sets.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _sees_map(config: TrainConfig, step: int) -> bool:
    """Draws, from seed and step alone, whether this step shows the exemplar's condition."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    return bool(torch.rand((), generator=generator) >= config.drop_exemplar_condition)


def training_batches(corpus: Corpus, config: TrainConfig, first: int) -> DataLoader[PackedBatch]:
    """Returns the batches of a training from a step on.

    Args:
        corpus: training samples.
        config: batch, steps, seed and the number of processes that prepare samples.
        first: the first step.
    """
    dataset: Any = _Epochs(corpus)
    classes = len(corpus.classes)
    batches = StepBatches(len(corpus), config.batch, first, config.steps, config.seed)
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=config.workers,
        collate_fn=_Collate(classes),
        persistent_workers=config.workers > 0,
    )


@dataclass(frozen=True)
class _Epochs:
    """Reads the indices of `StepBatches`, epoch * len + item, from a corpus."""

    corpus: Corpus

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, index: int) -> Sample:
        epoch, item = divmod(index, len(self.corpus))
        self.corpus.set_epoch(epoch)
        return self.corpus[item]


@dataclass(frozen=True)
class _Collate:
    """Collates samples of a corpus with this many classes; picklable for worker processes."""

    classes: int

    def __call__(self, samples: list[Sample]) -> PackedBatch:
        return pack(samples, self.classes)


def with_steps(config: TrainConfig, steps: int) -> TrainConfig:
    """Returns a schedule of another length, its constant and decaying parts in proportion.

    Args:
        config: the schedule.
        steps: the new total.
    """
    decay = round(config.decay_steps * steps / config.steps)
    return replace(config, steps=steps, decay_steps=decay)
