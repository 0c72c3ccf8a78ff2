"""Times one translation of a preset's freshly built model and measures its peak memory.

    python benchmarks/translate.py paper --runs 3

Prints JSON: seconds of each run (after one that warms up), the process's peak resident memory,
what it held before the model was built, parameters, sizes and versions.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time

import torch

from rabit.functional.condition import Condition
from rabit.model.network import build_network
from rabit.presets import PRESETS, preset


def peak_mebibytes() -> float:
    """Returns the most memory that the process has held (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Builds, translates, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", choices=list(PRESETS))
    parser.add_argument("--classes", type=int, default=151)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    before = peak_mebibytes()
    config = preset(options.preset, tuple(f"class {i}" for i in range(options.classes))).model
    network = build_network(config).eval()
    generator = torch.Generator().manual_seed(0)
    height, width = config.image_size
    coarse = torch.randint(options.classes, (2, 8, 8), generator=generator)
    labels = coarse.repeat_interleave(height // 8, 1).repeat_interleave(width // 8, 2)
    condition, exemplar_condition = (
        Condition.from_labels(side[None], options.classes) for side in labels
    )
    exemplar = torch.rand(1, 3, height, width, generator=generator) * 2 - 1
    seconds = []
    with torch.inference_mode():
        for _ in range(options.runs + 1):
            started = time.perf_counter()
            output = network(condition, exemplar, exemplar_condition)
            seconds.append(time.perf_counter() - started)
    correspondence = output.alignment.correspondence
    result = {
        "preset": options.preset,
        "classes": options.classes,
        "image": config.image_size,
        "correspondence": correspondence.size if correspondence is not None else None,
        "parameters": sum(p.numel() for p in network.parameters()),
        "seconds": [round(s, 3) for s in seconds[1:]],
        "peak_mib": round(peak_mebibytes()),
        "before_mib": round(before),
        "threads": options.threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
