"""Times a preset's freshly built model on one image and measures the process's peak memory.

    python benchmarks/translate.py paper --runs 3
    python benchmarks/translate.py paper --runs 3 --backward

Prints JSON: seconds of each run (after one that warms up), the most memory that the process has
held, before the model was built and at the end, the rate of a product of matrices, parameters,
sizes, versions and hardware. One mode a process, so that each peak is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import torch
from torch import Tensor

from rabit.evaluation.correspondence.measure import product_rate
from rabit.evaluation.environment import environment
from rabit.functional.condition import Condition
from rabit.model.network import NetworkOutput, TranslationNetwork, build_network
from rabit.presets import PRESETS, preset

Inputs = tuple[Condition, Tensor, Condition]


def peak_mebibytes() -> float:
    """Returns the most memory that the process has held (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_inputs(classes: int, size: tuple[int, int]) -> Inputs:
    """Draws both sides' label maps, 8 by 8 patches of random classes, and an exemplar."""
    generator = torch.Generator().manual_seed(0)
    height, width = size
    coarse = torch.randint(classes, (2, 8, 8), generator=generator)
    labels = coarse.repeat_interleave(height // 8, 1).repeat_interleave(width // 8, 2)
    condition, other = (Condition.from_labels(side[None], classes) for side in labels)
    exemplar = torch.rand(1, 3, height, width, generator=generator) * 2 - 1
    return condition, exemplar, other


def infer(network: TranslationNetwork, inputs: Inputs) -> NetworkOutput:
    """Translates once."""
    with torch.inference_mode():
        return network(*inputs)


def differentiate(network: TranslationNetwork, inputs: Inputs) -> NetworkOutput:
    """Translates once and computes every parameter's gradient."""
    network.zero_grad(set_to_none=True)
    output = network(*inputs)
    alignment = output.alignment
    terms = (output.image, alignment.warped_exemplar, alignment.confidence)
    torch.stack([term.square().mean() for term in terms]).sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    if without:
        raise RuntimeError(f"no gradient reached {', '.join(without)}")
    return output


def main() -> None:
    """Builds, runs, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", choices=list(PRESETS))
    parser.add_argument("--backward", action="store_true", help="train: forward and backward")
    parser.add_argument("--classes", type=int, default=151)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    before = peak_mebibytes()
    config = preset(options.preset, tuple(f"class {i}" for i in range(options.classes))).model
    network = build_network(config).train(options.backward)
    inputs = make_inputs(options.classes, config.image_size)
    run = differentiate if options.backward else infer
    seconds = []
    for _ in range(options.runs + 1):
        started = time.perf_counter()
        correspondence = run(network, inputs).alignment.correspondence
        seconds.append(time.perf_counter() - started)
    result = {
        "mode": "forward and backward" if options.backward else "inference",
        "preset": options.preset,
        "classes": options.classes,
        "image": config.image_size,
        "correspondence": correspondence.size if correspondence is not None else None,
        "parameters": sum(p.numel() for p in network.parameters()),
        "seconds": [round(s, 3) for s in seconds[1:]],
        "peak_mib": round(peak_mebibytes()),
        "before_mib": round(before),
        "product_gflops": round(product_rate(torch.device("cpu"), torch.float32) / 1e9),
        "environment": environment(torch.device("cpu"), options.threads),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
