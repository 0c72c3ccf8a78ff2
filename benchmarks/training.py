"""Times training steps of presets and measures their peak memory.

    python benchmarks/training.py --json benchmarks/results/training.json
    python benchmarks/training.py --rows small small-bfloat16 --device cuda

A step is all that training does with a batch: both networks' forward and backward passes, all
losses of the preset, both optimisers and the moving average. Every row runs in a process of its
own, so that each peak is its own. One step warms up. The perceptual network is the random one,
which costs what the distilled VGG-19 costs. One more step under the profiler tells what the time
goes to.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from rabit.config import ExperimentConfig
from rabit.data.scenes import CLASSES, Scenes
from rabit.evaluation.environment import environment
from rabit.layers.perceptual import load_backbone
from rabit.presets import preset, with_backbone
from rabit.training.checkpoint import new_state
from rabit.training.engine import Engine, memory_used
from rabit.training.order import Share, training_batches
from rabit.training.processes import Processes
from rabit.training.update import train_step

# Name: preset, changes of the training, changes of the engine.
ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "small": ("small", {}, {}),
    "small-bfloat16": ("small", {}, {"precision": "bfloat16"}),
    "small-recompute": ("small", {}, {"recompute": True}),
    "small-accumulate": ("small", {}, {"accumulate": 4}),
    "small-compile": ("small", {}, {"compile": True}),
    "paper": ("paper", {"batch": 1}, {}),
    "paper-bfloat16": ("paper", {"batch": 1}, {"precision": "bfloat16"}),
    "paper-recompute": ("paper", {"batch": 1}, {"recompute": True}),
}
# What an operator's time counts as, by the first of these that its name contains.
KINDS = {
    "convolutions": ("convolution", "Convolution"),
    "matrix products": ("mm", "attention"),
    "norms": ("norm",),
    "copies": ("copy", "cat"),
}

DEFAULT = ("small", "small-recompute", "small-accumulate", "small-bfloat16")
DEFAULT += ("paper", "paper-recompute")


def experiment(name: str) -> ExperimentConfig:
    """Returns the experiment of a row."""
    base, train, engine = ROWS[name]
    config = preset(base, CLASSES)
    return replace(
        config,
        losses=with_backbone(config.losses, "random"),
        train=replace(config.train, **train),
        engine=replace(config.engine, **engine),
    )


def measure(name: str, steps: int, device: str) -> dict[str, Any]:
    """Takes steps of a row in this process."""
    config, processes = experiment(name), Processes(device)
    state = new_state(config, processes.device)
    before = memory_used(processes.device)
    engine = Engine(state, processes)
    backbone = load_backbone("random")
    assert backbone is not None
    backbone = backbone.to(processes.device)
    corpus = Scenes(1000, config.model.image_size, seed=0)
    reading = iter(training_batches(corpus, config.train, 0, Share(parts=engine.parts)))
    seconds = []
    for _ in range(steps + 1):
        parts = [next(reading).unpack(processes.device) for _ in range(engine.parts)]
        started = time.perf_counter()
        train_step(engine, backbone, parts, True)
        if processes.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    peak = memory_used(processes.device)
    with profile(activities=_activities(processes.device)) as profiled:
        parts = [next(reading).unpack(processes.device) for _ in range(engine.parts)]
        train_step(engine, backbone, parts, True)
    middle = statistics.median(seconds[1:])
    return {
        "row": name,
        "image": config.model.image_size,
        "batch": config.train.batch,
        "engine": vars(config.engine),
        "parameters": sum(p.numel() for p in state.network.parameters()),
        "first_step_seconds": round(seconds[0], 3),
        "seconds": [round(s, 3) for s in seconds[1:]],
        "images_per_second": round(config.train.batch / middle, 3),
        "peak_mib": round(peak / 2**20),
        "before_mib": round(before / 2**20),
        "shares": shares(profiled, processes.device),
    }


def _activities(device: torch.device) -> list[ProfilerActivity]:
    """Returns what the profiler watches."""
    cuda = [ProfilerActivity.CUDA] if device.type == "cuda" else []
    return [ProfilerActivity.CPU, *cuda]


def shares(profiled: profile, device: torch.device) -> dict[str, float]:
    """Returns the share of the operators' own time that each kind of them takes."""
    spent = dict.fromkeys((*KINDS, "the rest"), 0.0)
    for operator in profiled.key_averages():
        names = (kind for kind, parts in KINDS.items() if any(p in operator.key for p in parts))
        on_device = device.type == "cuda"
        own = operator.self_device_time_total if on_device else operator.self_cpu_time_total
        spent[next(names, "the rest")] += own
    return {kind: round(time / sum(spent.values()), 3) for kind, time in spent.items()}


def main() -> None:
    """Starts a process a row, and prints what they measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=DEFAULT)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        print(json.dumps(measure(options.child, options.steps, options.device)))
        return
    rows = []
    for name in options.rows:
        command = [sys.executable, __file__, "--child", name, "--steps", str(options.steps)]
        command += ["--device", options.device, "--threads", str(options.threads)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        row = rows[-1]
        print(
            f"{name:18} {row['images_per_second']:8.3f} images/s {row['peak_mib']:7} MiB",
            flush=True,
        )
    known = environment(torch.device(options.device), options.threads)
    text = json.dumps({"rows": rows, "environment": known}, indent=1) + "\n"
    if options.json:
        options.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
