"""Training state: everything a run needs to go on, in one file written atomically."""

from __future__ import annotations

import random
from dataclasses import dataclass
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
from rabit.model.storage import write_atomically

FORMAT = 1

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
    """

    config: ExperimentConfig
    network: TranslationNetwork
    discriminator: Discriminator
    ema: AveragedModel
    generator_optimiser: Adam
    discriminator_optimiser: Adam
    step: int = 0

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
        generator_optimiser=Adam(network.parameters(), lr=train.lr_generator, betas=betas),
        discriminator_optimiser=Adam(
            discriminator.parameters(), lr=train.lr_discriminator, betas=betas
        ),
    )


def save_checkpoint(folder: Path, state: TrainState, keep: int) -> Path:
    """Writes step-XXXXXXX.pt, then removes the oldest beyond `keep`.

    Args:
        folder: created if missing.
        state: what to save, with torch's and Python's random states.
        keep: how many checkpoints stay.

    Returns:
        The file written.

    Raises:
        FloatingPointError: a weight is not finite; nothing is written, so that the checkpoints
            there stay the ones to resume from.
    """
    for name, network in (("network", state.network), ("discriminator", state.discriminator)):
        if not all(bool(p.isfinite().all()) for p in network.parameters()):
            raise FloatingPointError(
                f"step {state.step}: the {name} has weights that are not finite; no checkpoint was "
                "written. Lower the learning rate, and resume from an earlier one"
            )
    folder.mkdir(parents=True, exist_ok=True)
    data = {name: part.state_dict() for name, part in state.parts().items()}
    data |= {
        "format": FORMAT,
        "step": state.step,
        "config": to_dict(state.config),
        "torch_random": torch.get_rng_state(),
        "python_random": random.getstate(),
    }
    path = folder / f"step-{state.step:07d}.pt"
    write_atomically(path, lambda temporary: torch.save(data, temporary))
    for old in list_checkpoints(folder)[:-keep]:
        old.unlink()
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Returns a folder's checkpoints, oldest first."""
    return sorted(folder.glob("step-*.pt"))


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> TrainState:
    """Reads a training state and restores the random states.

    Args:
        path: a file that `save_checkpoint` wrote.
        device: where the networks go.

    Raises:
        ValueError: the file is missing, truncated, or no checkpoint of ours.
    """
    data = read_tensors(path, "checkpoint")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"{path}: not a checkpoint of this program (format {FORMAT})")
    needed = {"config", "step", "torch_random", "python_random"}
    if needed - set(data):
        raise ValueError(
            f"{path}: a checkpoint without {', '.join(sorted(needed - set(data)))}; it is damaged, "
            "resume from an earlier one in the same folder"
        )
    state = new_state(from_dict(ExperimentConfig, data["config"], f"{path}: config"), device)
    for name, part in state.parts().items():
        try:
            part.load_state_dict(data[name])
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{path}: {name} does not fit its configuration ({error})") from error
    state.step = int(data["step"])
    torch.set_rng_state(data["torch_random"])
    version, numbers, gauss = data["python_random"]
    random.setstate((version, tuple(numbers), gauss))
    return state
