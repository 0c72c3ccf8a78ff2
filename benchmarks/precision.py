"""Trains a preset twice, in float32 and in another way to compute it, and compares the losses.

    python benchmarks/precision.py --steps 200 --json benchmarks/results/precision.json
    python benchmarks/precision.py --with engine.compile=true --steps 20

Both see the same samples from the same weights. A GAN's single steps are noisy, and rounding grows
from step to step, so means over stretches of the training are compared; the last one is the claim.
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


def losses(config: ExperimentConfig, steps: int, device: str) -> list[dict[str, float]]:
    """Returns the losses of the first steps of a training."""
    processes = Processes(device)
    engine = Engine(new_state(config, processes.device), processes)
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


def stretches(told: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Returns means over equal stretches of the steps, without what is no loss."""
    size = len(told) // STRETCHES
    names = [name for name in told[0] if name not in ("residual", "cycle_masked")]
    cut = [told[i * size : (i + 1) * size] for i in range(STRETCHES)]
    return [{n: sum(step[n] for step in part) / len(part) for n in names} for part in cut]


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
    one, other = (stretches(losses(c, options.steps, options.device)) for c in (plain, changed))
    weights = plain.losses.weights()
    rows: list[dict[str, Any]] = []
    for name in one[-1]:
        a, b = one[-1][name], other[-1][name]
        scale = max(abs(a), 0.05)  # adv may be near 0
        rows.append({"loss": name, "float32": a, "other": b, "relative": abs(a - b) / scale})
        print(f"{name:14} {a:9.4f} {b:9.4f} {100 * rows[-1]['relative']:6.2f} %")
    sums = [sum(weights.get(n, 0) * v for n, v in part[-1].items()) for part in (one, other)]
    print(f"weighted sum   {sums[0]:9.4f} {sums[1]:9.4f} {100 * abs(sums[1] / sums[0] - 1):6.2f} %")
    result = {
        "preset": options.preset,
        "image": plain.model.image_size,
        "steps": options.steps,
        "other": options.other,
        "last_stretch": rows,
        "weighted_sums": sums,
        "stretches": {"float32": one, "other": other},
        "environment": environment(torch.device(options.device), options.threads),
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
