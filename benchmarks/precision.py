"""Trains a preset in float32 and in another way to compute it, and compares the losses.

    python benchmarks/precision.py --steps 200 --json benchmarks/results/precision.json
    python benchmarks/precision.py --with engine.compile=true --steps 20

All trainings see the same samples. The two adversaries of a GAN amplify any rounding from step to
step, so single steps cannot agree: means over all steps are compared. A third training, in float32
from weights that were rounded once to bfloat16, tells how far apart
two trainings of one precision are.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rabit.app.options import override, parse_size
from rabit.config import ExperimentConfig
from rabit.data.scenes import CLASSES, Scenes
from rabit.evaluation.environment import environment
from rabit.fields import from_dict, to_dict
from rabit.layers.perceptual import load_backbone
from rabit.presets import preset
from rabit.training.checkpoint import new_state
from rabit.training.engine import Engine
from rabit.training.order import Share, training_batches
from rabit.training.processes import Processes
from rabit.training.update import train_step

STRETCHES = 4


def losses(
    config: ExperimentConfig, steps: int, device: str, rounded: bool = False
) -> list[dict[str, float]]:
    """Returns the losses of the first steps of a training, perhaps from rounded weights."""
    processes = Processes(device)
    state = new_state(config, processes.device)
    if rounded:
        with torch.no_grad():
            for weight in (*state.network.parameters(), *state.discriminator.parameters()):
                weight.copy_(weight.bfloat16())
    engine = Engine(state, processes)
    backbone = load_backbone("random")
    assert backbone is not None
    backbone = backbone.to(processes.device)
    corpus = Scenes(10 * steps, config.model.image_size, seed=0)
    reading = iter(training_batches(corpus, config.train, 0, Share(parts=engine.parts)))
    told, started = [], time.monotonic()
    for step in range(steps):
        parts = [next(reading).unpack(processes.device) for _ in range(engine.parts)]
        told.append(train_step(engine, backbone, parts, step % 10 != 9))
        if step % 10 == 9:
            pace = (time.monotonic() - started) / (step + 1)
            print(f"{config.engine} step {step + 1}: {pace:.2f} s a step", flush=True)
    return told


def means(told: Sequence[dict[str, float]]) -> dict[str, float]:
    """Returns the means over steps, without what is no loss."""
    names = [name for name in told[0] if name not in ("residual", "cycle_masked")]
    return {n: sum(step[n] for step in told) / len(told) for n in names}


def stretches(told: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Returns means over equal stretches of the steps."""
    size = len(told) // STRETCHES
    return [means(told[i * size : (i + 1) * size]) for i in range(STRETCHES)]


def compare(told: dict[str, list[dict[str, float]]], weights: dict[str, float]) -> dict[str, Any]:
    """Returns every training's means, and how far each is from the float32 one."""
    over_all = {name: means(steps) for name, steps in told.items()}
    for mean in over_all.values():
        mean["weighted sum"] = sum(weights.get(loss, 0) * value for loss, value in mean.items())
    plain = over_all["float32"]
    away = {
        name: {loss: abs(mean[loss] - plain[loss]) / abs(plain[loss]) for loss in plain}
        for name, mean in over_all.items()
        if name != "float32"
    }
    return {
        "means": over_all,
        "relative": away,
        "stretches": {name: stretches(steps) for name, steps in told.items()},
    }


def main() -> None:
    """Trains twice, prints, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="small")
    parser.add_argument("--with", dest="other", default="engine.precision=bfloat16")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", default=None)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = to_dict(preset(options.preset, CLASSES))
    if options.size:
        data["model"]["image_size"] = parse_size(options.size)
    plain = from_dict(ExperimentConfig, data)
    changed = override(plain, [options.other])
    told = {
        "float32": losses(plain, options.steps, options.device),
        "float32, rounded once": losses(plain, options.steps, options.device, rounded=True),
        options.other: losses(changed, options.steps, options.device),
    }
    compared = compare(told, plain.losses.weights())
    for loss, value in compared["means"]["float32"].items():
        others = "".join(f"  {n} {100 * a[loss]:6.2f} %" for n, a in compared["relative"].items())
        print(f"{loss:14} {value:9.4f}{others}")
    result = {
        "preset": options.preset,
        "image": plain.model.image_size,
        "steps": options.steps,
        "other": options.other,
        **compared,
        "environment": environment(torch.device(options.device), options.threads),
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
