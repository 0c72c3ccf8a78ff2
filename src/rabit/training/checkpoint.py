"""Training state: everything a run needs to go on, in one folder that appears at once."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel

from rabit.config import ExperimentConfig
from rabit.fields import from_dict, to_dict
from rabit.layers.weights import read_tensors
from rabit.model.discriminator import Discriminator
from rabit.model.network import TranslationNetwork, build_discriminator, build_network
from rabit.model.storage import UNFINISHED, writing_tensors
from rabit.writing import WORK_PREFIX, file_digest, is_partial, naming, workplace

FORMAT = 2
STATE = "state.pt"
MANIFEST = "checkpoint.json"

# Fields of a state that are plain data.
REMEMBERED = ("step", "seconds", "engine", "watch", "best")

Weights: TypeAlias = "tuple[Tensor, ...] | list[Tensor]"


@dataclass
class TrainState:
    """What training changes.

    Args:
        config: the experiment.
        network: the translator that is trained.
        discriminator: its opponent.
        ema: moving average of the network, which is what is used afterwards.
        generator_optimiser: Adam over the network.
        discriminator_optimiser: Adam over the discriminator.
        step: steps taken so far.
        seconds: that they took.
        engine: random states of every process and the scaler of gradients, as a checkpoint holds
            them; empty at first.
        watch: what the watch over the training remembers, likewise.
        best: step and figure of the best validation so far, likewise.
    """

    config: ExperimentConfig
    network: TranslationNetwork
    discriminator: Discriminator
    ema: AveragedModel
    generator_optimiser: Adam
    discriminator_optimiser: Adam
    step: int = 0
    seconds: float = 0.0
    engine: dict[str, Any] = field(default_factory=dict)
    watch: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)

    @property
    def averaged(self) -> TranslationNetwork:
        """The moving average, as a network."""
        network: Any = self.ema.module
        return network

    def parts(self) -> dict[str, Any]:
        """Returns everything with a state of its own, by the name it is saved under."""
        return {
            "network": self.network,
            "discriminator": self.discriminator,
            "ema": self.ema,
            "generator_optimiser": self.generator_optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
        }


@dataclass(frozen=True)
class _WarmingAverage:
    """Exponential moving average that forgets the first weights quickly.

    After n updates the decay is min(decay, (1 + n) / (10 + n)), so that short runs are not held
    back by where they started.
    """

    decay: float

    def __call__(self, averaged: Weights, current: Weights, updates: Tensor | int) -> None:
        count = int(updates)
        decay = min(self.decay, (1 + count) / (10 + count))
        with torch.no_grad():
            torch._foreach_lerp_(averaged, current, 1 - decay)


def new_state(config: ExperimentConfig, device: torch.device | str = "cpu") -> TrainState:
    """Builds networks and optimisers at step 0.

    Args:
        config: the experiment.
        device: where the networks live.
    """
    train = config.train

    def place(network: nn.Module) -> Any:
        placed: Any = network.to(device)
        return placed.to(memory_format=torch.channels_last)

    network = place(build_network(config.model, train.seed))
    discriminator = place(build_discriminator(config.model, config.discriminator, train.seed))
    betas = (float(train.beta1), float(train.beta2))
    return TrainState(
        config=config,
        network=network,
        discriminator=discriminator,
        ema=AveragedModel(network, multi_avg_fn=_WarmingAverage(train.ema)),
        generator_optimiser=Adam(
            network.parameters(), lr=train.lr_generator, betas=betas, eps=train.eps_generator
        ),
        discriminator_optimiser=Adam(
            discriminator.parameters(), lr=train.lr_discriminator, betas=betas
        ),
    )


def save_checkpoint(folder: Path, state: TrainState, keep: int) -> Path:
    """Writes the folder step-XXXXXXX, then removes the oldest beyond `keep`; the best one stays.

    The folder appears complete, under its name, and only after its bytes are on the disk.

    Args:
        folder: created if missing.
        state: what to save.
        keep: how many of the newest checkpoints stay.

    Returns:
        The folder written.

    Raises:
        FloatingPointError: a weight is not finite; nothing is written, so that the checkpoints
            there stay the ones to resume from.
        WriteError: the disk is full, or the place may not be written to.
    """
    for name, network in (("network", state.network), ("discriminator", state.discriminator)):
        if not all(bool(p.isfinite().all()) for p in network.parameters()):
            raise FloatingPointError(
                f"step {state.step}: the {name} has weights that are not finite; no checkpoint was "
                "written. Lower the learning rate, and resume from an earlier one"
            )
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{state.step:07d}"
    data = {name: part.state_dict() for name, part in state.parts().items()}
    data |= {name: getattr(state, name) for name in REMEMBERED}
    with writing_tensors(path), workplace(folder) as work:
        new = work / path.name
        new.mkdir()
        torch.save(data, new / STATE)
        _write_manifest(new, state)
        for each in (new / STATE, new / MANIFEST, new):
            _flush(each)
        if path.exists():
            path.rename(work / "old")
        new.rename(path)
        _flush(folder)
    best = state.best.get("step")
    # Newer ones are damaged, or the run would have gone on from them: they replace none of these.
    saved = [each for each in list_checkpoints(folder) if step_of(each) <= state.step]
    for old in saved[:-keep]:
        if step_of(old) != best:
            remove_checkpoint(old)
    return path


def _write_manifest(new: Path, state: TrainState) -> None:
    """Writes what a checkpoint is, and what its bytes have to be."""
    manifest = {
        "format": FORMAT,
        "step": state.step,
        "sha256": file_digest(new / STATE),
        "config": to_dict(state.config),
    }
    (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    # Windows cannot open a folder.
    with suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def list_checkpoints(folder: Path) -> list[Path]:
    """Returns a folder's checkpoints, oldest first; copies under names of their own are none."""
    named = (path for path in folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name))
    return sorted((path for path in named if path.is_dir()), key=step_of)


def step_of(checkpoint: Path) -> int:
    """Returns the step that a checkpoint is of, by its name."""
    return int(checkpoint.name.removeprefix("step-"))


def remove_checkpoint(path: Path) -> None:
    """Removes a checkpoint: it loses its name first, so that half of one is never taken for one."""
    leaving = path.with_name(f"{WORK_PREFIX}{path.name}")
    path.rename(leaving)
    shutil.rmtree(leaving)


def clear_unfinished(folder: Path) -> None:
    """Removes what a killed process left of files and checkpoints that it wrote or removed."""
    left = (path for path in folder.glob(".*.part") if is_partial(path.name))
    for path in [*folder.glob(f"{WORK_PREFIX}*"), *folder.glob(f"{UNFINISHED}*"), *left]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def verify_checkpoint(path: Path) -> dict[str, Any]:
    """Compares a checkpoint's bytes with their hash.

    Returns:
        What it says of itself: format, step, hash and configuration.

    Raises:
        ValueError: it is missing, truncated or changed, or no checkpoint of ours.
    """
    if not path.is_dir():
        raise ValueError(f"{path}: no such checkpoint")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path / MANIFEST}: missing or damaged ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path}: not a checkpoint of this program (format {FORMAT})")
    try:
        whole = (path / STATE).is_file() and file_digest(path / STATE) == manifest.get("sha256")
    except OSError as error:
        raise ValueError(
            f"{path / STATE}: cannot be read ({error.strerror}); resume from an earlier checkpoint"
        ) from error
    if not whole:
        raise ValueError(
            f"{path / STATE}: not what was written (its SHA-256 is not that in {MANIFEST}); it is "
            "damaged, resume from an earlier checkpoint"
        )
    return manifest


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> TrainState:
    """Reads a training state.

    Args:
        path: a folder that `save_checkpoint` wrote.
        device: where the networks go.

    Raises:
        ValueError: the folder is missing, truncated or changed, or no checkpoint of ours.
    """
    manifest = verify_checkpoint(path)
    data = read_tensors(path / STATE, "checkpoint")
    config = from_dict(ExperimentConfig, manifest.get("config"), f"{path / MANIFEST}: config")
    state = new_state(config, device)
    for name, part in state.parts().items():
        try:
            part.load_state_dict(data[name])
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{path}: {name} does not fit its configuration ({error})") from error
    for name in REMEMBERED:
        setattr(state, name, data[name])
    return state
