"""Weak scaling: the same share of a batch in each process, more processes.

    python benchmarks/scaling.py --json benchmarks/results/scaling.json
    python benchmarks/scaling.py --preset paper --share 4 --processes 1 2 4 8 --device cuda

Every count of processes trains for some steps with `--share` samples and, on a CPU, one thread in
each. Printed are the median seconds of a step, the images per second, and what sharing alone costs:
the seconds of one all-reduce of as many bytes as both networks have gradients.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from rabit.app.options import parse_size
from rabit.data.scenes import CLASSES, Scenes
from rabit.evaluation.environment import environment
from rabit.layers.perceptual import load_backbone
from rabit.presets import preset, with_backbone
from rabit.training.checkpoint import new_state
from rabit.training.engine import Engine
from rabit.training.order import Share, training_batches
from rabit.training.processes import Processes
from rabit.training.update import train_step


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Trains for some steps as one of the processes."""
    processes = Processes(options.device)
    config = preset(options.preset, CLASSES)
    model = config.model
    if options.size:
        model = replace(model, image_size=parse_size(options.size))
    train = replace(config.train, batch=options.share * processes.count)
    losses = with_backbone(config.losses, "random")
    config = replace(config, model=model, train=train, losses=losses)
    engine = Engine(new_state(config, processes.device), processes)
    backbone = load_backbone("random")
    assert backbone is not None
    backbone = backbone.to(processes.device)
    corpus = Scenes(1000, model.image_size, seed=0)
    share = Share(processes.rank, processes.count)
    reading = training_batches(corpus, train, 0, share)
    seconds = []
    for packed in islice(reading, options.steps + 1):
        started = time.perf_counter()
        train_step(engine, backbone, [packed.unpack(processes.device)], True)
        seconds.append(time.perf_counter() - started)
    networks = (engine.state.network, engine.state.discriminator)
    count = sum(p.numel() for network in networks for p in network.parameters())
    middle = statistics.median(seconds[1:])
    result = {
        "processes": processes.count,
        "batch": train.batch,
        "seconds": [round(s, 4) for s in seconds[1:]],
        "images_per_second": round(train.batch / middle, 3),
        "gradient_bytes": 4 * count,
        "all_reduce_seconds": round(all_reduce_seconds(count, processes), 5),
    }
    processes.end()
    return result


def all_reduce_seconds(count: int, processes: Processes) -> float:
    """Returns the median time in which the processes add up so many float32 numbers."""
    if processes.count == 1:
        return 0.0
    numbers, seconds = torch.zeros(count, device=processes.device), []
    for _ in range(10):
        processes.largest(0.0)  # all start together
        started = time.perf_counter()
        torch.distributed.all_reduce(numbers)
        processes.largest(0.0)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def launch(count: int, arguments: list[str]) -> dict[str, Any]:
    """Starts this script in so many processes, as torchrun would."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    known = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    known |= {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": 1}
    children = []
    for rank in range(count):
        own = known | {"RANK": rank, "LOCAL_RANK": rank} if count > 1 else {"OMP_NUM_THREADS": 1}
        environ = os.environ | {name: str(value) for name, value in own.items()}
        command = [sys.executable, __file__, "--child", *arguments]
        children.append(subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True))
    told = [child.communicate()[0] for child in children]
    if any(child.returncode for child in children):
        raise SystemExit(f"{count} processes: one failed")
    result: dict[str, Any] = json.loads(told[0].splitlines()[-1])
    return result


def main() -> None:
    """Measures every count of processes, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="small")
    parser.add_argument("--size", default=None)
    parser.add_argument("--share", type=int, default=2, help="samples of each process")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        torch.set_num_threads(1)
        print(json.dumps(measure(options)))
        return
    arguments = ["--preset", options.preset, "--share", str(options.share)]
    arguments += ["--steps", str(options.steps), "--device", options.device]
    arguments += ["--size", options.size] if options.size else []
    rows = [launch(count, arguments) for count in options.processes]
    for row in rows:
        efficiency = row["images_per_second"] / rows[0]["images_per_second"] / row["processes"]
        row["efficiency"] = round(efficiency * rows[0]["processes"], 3)
        print(row, flush=True)
    known = environment(torch.device(options.device), 1)
    result = {"preset": options.preset, "share": options.share, "rows": rows, "environment": known}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
