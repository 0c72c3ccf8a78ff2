"""Measures how fast corpora are read as training samples, beside what a training takes.

    python benchmarks/loading.py ade20k-small=FOLDER celebahq-small=FOLDER … --workers 2

Of each PRESET=FOLDER the samples are read, cropped, flipped and collated by worker processes as in
a training, for a number of seconds after a warm-up; then the preset's training steps are timed on
the same cores, of one image each, since a whole batch may not fit. Prints JSON: images a second of
both.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from typing import Any

import torch

from rabit.app.corpora import DataOptions, OpenData, open_data, training_data
from rabit.config import ExperimentConfig
from rabit.evaluation.environment import environment
from rabit.layers.perceptual import load_backbone
from rabit.presets import preset, preset_kind
from rabit.training.checkpoint import new_state
from rabit.training.loop import train_step, training_batches


def read_rate(opened: OpenData, config: ExperimentConfig, seconds: float) -> float:
    """Returns images a second that the workers make ready."""
    corpus = training_data(opened, config, None).corpus
    batches = iter(training_batches(corpus, config.train, 0))
    for _ in range(2 * max(config.train.workers, 1)):
        next(batches)
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        images += len(next(batches).names)
    return images / (time.perf_counter() - started)


def training_rate(opened: OpenData, config: ExperimentConfig, steps: int) -> float:
    """Returns images a second that training steps take, their reading not counted."""
    corpus = training_data(opened, config, None).corpus
    batch = next(iter(training_batches(corpus, config.train, 0))).unpack("cpu")
    state, backbone = new_state(config), load_backbone("random")
    train_step(state, backbone, batch, True)
    started = time.perf_counter()
    for _ in range(steps):
        train_step(state, backbone, batch, True)
    return steps * len(batch.names) / (time.perf_counter() - started)


def measure(name: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measures one preset on one folder."""
    opened = open_data(DataOptions(folder), preset_kind(name))
    config = preset(name, opened.channels, opened.kind)
    losses = replace(config.losses, backbone="random")
    train = replace(config.train, workers=options.workers, steps=1_000_000)
    config = replace(config, losses=losses, train=train)
    read = read_rate(opened, config, options.seconds)
    alone = replace(config, train=replace(train, workers=0, batch=1))
    trained = training_rate(opened, alone, options.steps)
    return {
        "preset": name,
        "layout": getattr(opened.source, "layout", "scenes"),
        "image": config.model.image_size,
        "pictures": None if opened.source is None else len(opened.source),
        "read_images_per_s": round(read, 1),
        "trained_images_per_s": round(trained, 2),
        "times_the_need": round(read / trained, 1),
    }


def main() -> None:
    """Measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", metavar="PRESET=FOLDER")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for each in options.corpora:
        name, folder = each.split("=", 1)
        rows.append(measure(name, folder, options))
    machine = environment(torch.device("cpu"), torch.get_num_threads())
    print(
        json.dumps({"workers": options.workers, "corpora": rows, "environment": machine}, indent=2)
    )


if __name__ == "__main__":
    main()
