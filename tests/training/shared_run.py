"""A short training in one of several processes, for test_processes.py to start.

python shared_run.py OUT NORM PARTS STEPS writes the losses of every step and the state of
the network.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from rabit.config import ExperimentConfig
from rabit.data.batch import Batch
from rabit.data.scenes import Scenes
from rabit.layers.perceptual import load_backbone
from rabit.training.checkpoint import new_state
from rabit.training.engine import Engine
from rabit.training.order import Share, training_batches
from rabit.training.processes import Processes
from rabit.training.update import train_step
from tiny import SMALLEST, corner, in_float64, tiny_experiment

STEPS = 20


def experiment(norm: str, parts: int = 1) -> ExperimentConfig:
    """Returns a tiny experiment of four samples a step, which warms up as `small` does.

    At the full rate from the first step on, a network this small is so chaotic that a difference in
    the last digit grows tenfold with every step.
    """
    return tiny_experiment(
        SMALLEST,
        train__batch=4,
        train__steps=STEPS,
        train__decay_steps=0,
        train__warmup_steps=200,
        features__norm=norm,
        generator__norm=norm,
        engine__accumulate=parts,
    )


def odd_pairs(batch: Batch, first: int) -> Batch:
    """Returns a batch whose samples are paired or not, unevenly over the processes."""
    paired = [(first + i) % 3 == 0 for i in range(len(batch.names))]
    return Batch(**(vars(batch) | {"paired": torch.tensor(paired)}))


def short_run(config: ExperimentConfig, steps: int = STEPS) -> dict[str, Any]:
    """Trains for some of its steps in double precision.

    In single precision another order of sums turns some signs in Adam's first steps.
    """
    torch.set_default_dtype(torch.float64)
    try:
        state, backbone = new_state(config), load_backbone("random")
    finally:
        torch.set_default_dtype(torch.float32)
    processes = Processes()
    engine = Engine(state, processes)
    share = Share(processes.rank, processes.count, engine.parts)
    read = iter(training_batches(Scenes(64, (64, 64), seed=1), config.train, 0, share))
    losses = []
    for step in range(steps):
        size = config.train.batch // (processes.count * engine.parts)
        parts = [
            odd_pairs(
                in_float64(corner(packed.unpack("cpu"))),
                step + (part * processes.count + processes.rank) * size,
            )
            for part, packed in enumerate(islice(read, engine.parts))
        ]
        losses.append(train_step(engine, backbone, parts, step % 4 > 0))
    networks = {"network": state.network, "average": state.ema, "judge": state.discriminator}
    result = {"losses": losses, "weights": {n: m.state_dict() for n, m in networks.items()}}
    processes.end()
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    norm, parts, steps = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    out = Path(sys.argv[1])
    result = short_run(experiment(norm, parts), steps)
    torch.save(result, out)
