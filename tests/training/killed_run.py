"""Trainings that are killed again and again, for test_kill.py to start.

python killed_run.py FOLDER KILLS SEED resumes a training in FOLDER from child processes until one
has lived to the end, and prints how each of them died. Children are forked, so that torch is loaded
once. A child dies by SIGKILL, at a random moment of a step or of a write.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import torch
import torch._dynamo  # an optimiser imports it, in every child where it is not loaded yet

from rabit.config import ExperimentConfig
from rabit.data.scenes import Scenes
from rabit.training import checkpoint, update
from rabit.training.checkpoint import (
    clear_unfinished,
    list_checkpoints,
    load_checkpoint,
    new_state,
    verify_checkpoint,
)
from rabit.training.engine import Engine
from rabit.training.loop import TrainingSet, train
from rabit.training.processes import Processes
from tiny import tiny_batch, tiny_experiment

STEPS = 12
MOMENTS = ("step", "hashing", "flushing", "saving", "renaming", "pruning")


def experiment() -> ExperimentConfig:
    """Returns a tiny experiment with a checkpoint after every step, which draws random numbers."""
    return tiny_experiment(
        64,
        train__steps=STEPS,
        train__sample_every=100,
        train__checkpoint_every=1,
        alignment__method="patchmatch",
        alignment__patchmatch={"candidates": 4, "iterations": 1},
        losses__backbone="none",
        losses__perc=0.0,
        losses__cxt=0.0,
        losses__pse=0.0,
    )


def run(folder: Path) -> None:
    """Trains to the end, from the newest undamaged checkpoint on if there is one."""
    checkpoints = folder / "checkpoints"
    clear_unfinished(checkpoints)
    saved = list_checkpoints(checkpoints)
    for path in saved:
        verify_checkpoint(path)  # a name is only ever given to what is complete
    state = load_checkpoint(saved[-1]) if saved else new_state(experiment())
    data = TrainingSet(Scenes(50, (64, 64), seed=1), tiny_batch(), (tiny_batch(seed=9),))
    train(Engine(state, Processes()), None, data, folder, lambda _: None)


def die_at(chance: random.Random, when: str) -> None:
    """Arranges for this process's death at a random call of what a training calls."""
    places = {
        "step": (update, "discriminator_loss"),
        "hashing": (checkpoint, "file_digest"),
        "flushing": (checkpoint, "_flush"),
        "saving": (torch, "save"),
        "renaming": (Path, "rename"),
        "pruning": (checkpoint, "remove_checkpoint"),
    }
    owner, name = places[when]
    real, left = getattr(owner, name), chance.randint(1, 2)

    def call(*arguments: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if left == 0:
            if when == "saving":  # half of the bytes are on the disk
                real(*arguments, **named)
                path = Path(str(arguments[1]))
                os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(owner, name, call)


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    deaths = [MOMENTS[i % len(MOMENTS)] for i in range(kills)]
    chance.shuffle(deaths)
    torch.set_num_threads(1)
    while True:
        child = os.fork()
        if child == 0:
            if deaths:
                die_at(chance, deaths[0])
            run(folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.WEXITSTATUS(status))
        sys.stdout.write(f"killed {deaths.pop(0)}\n")
        chance.random()


if __name__ == "__main__":
    main()
