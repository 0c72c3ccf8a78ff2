"""Time and peak memory of one correspondence, measured in a process of its own.

    python -m rabit.evaluation.correspondence.measure CASE

CASE is a `Case` as JSON; the last line printed is a `Measurement` as JSON.
"""

from __future__ import annotations

import ctypes
import functools
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import environ
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rabit.evaluation.correspondence.contestants import ATTENTION, Contestant
from rabit.evaluation.correspondence.fields import Field, known_field, share_within
from rabit.fields import from_dict

LINUX = platform.system() == "Linux"
MEGABYTE = 1e6
# A pass is repeated until its runs took this many seconds together, or there are enough of them.
ENOUGH = 2.0
RUNS_CPU, RUNS_GPU = 5, 20
NEAR = 1.5
# Numbers of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


@dataclass(frozen=True)
class Case:
    """What is measured.

    Args:
        name: of the contestant.
        method: of the contestant.
        options: of the method, as JSON.
        side: of both maps, in positions.
        channels: of the features.
        width: channels of the values that are warped.
        backward: whether the gradients of features and values are measured too.
        device: cpu or cuda.
        dtype: float32 or bfloat16.
        threads: of a CPU.
    """

    name: str
    method: str
    options: str
    side: int
    channels: int = 256
    width: int = 64
    backward: bool = True
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1

    @property
    def contestant(self) -> Contestant:
        """The contestant."""
        options = json.loads(self.options)
        if "coarse" in options:
            options["coarse"] = tuple(options["coarse"])
        return Contestant(self.name, self.method, options)


@dataclass(frozen=True)
class Measurement:
    """What was measured, from features to warped values.

    Time and memory are those of independent random features, to which no method is sensitive but
    attention: on features that are alike its weights underflow, which takes a CPU many times as
    long. `near` and `residual` are those of a `known_field`.

    Args:
        forward: seconds of the fastest forward pass.
        forward_memory: most megabytes (10^6 bytes) held during it beyond what was there before.
        both: seconds of the fastest forward and backward pass; None without one.
        both_memory: as forward_memory, the gradients of the inputs included.
        floor: seconds that the matrix products of the forward pass would take at `rate`.
        rate: operations a second of a matrix product of 2048x1024 and 1024x4096.
        near: share of positions matched within 1.5 positions of the truth; None for attention.
        residual: largest violation of the method's constraint; None where there is none.
    """

    forward: float
    forward_memory: float
    both: float | None
    both_memory: float | None
    floor: float | None
    rate: float
    near: float | None
    residual: float | None


def measure_apart(case: Case, timeout: float) -> Measurement | str:
    """Measures in a new process.

    Args:
        case: what to measure.
        timeout: seconds after which it is given up.

    Returns:
        The measurement, or why there is none.
    """
    command = [sys.executable, "-m", "rabit.evaluation.correspondence.measure"]
    try:
        done = subprocess.run(
            [*command, json.dumps(asdict(case))],
            env={**environ, "OMP_NUM_THREADS": str(case.threads)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"over {timeout:.0f} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return lines[-1] if lines else f"ended with status {done.returncode}"
    return from_dict(Measurement, json.loads(done.stdout.splitlines()[-1]))


def measure_here(case: Case, timeout: float) -> Measurement | str:
    """Measures in this process, as suits a GPU, whose allocator tells the memory of a case.

    Args:
        case: what to measure.
        timeout: not used: a pass on a GPU cannot be given up.

    Returns:
        The measurement, or why there is none.
    """
    try:
        return measure(case)
    except torch.OutOfMemoryError as error:
        reason = str(error).partition(".")[0]
    except Exception as error:  # as if a child process had ended: the others are measured
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    torch.cuda.empty_cache()
    return reason


def measure(case: Case) -> Measurement:
    """Measures in this process."""
    contestant, dtype = case.contestant, getattr(torch, case.dtype)
    device = torch.device(case.device)
    if device.type == "cpu":
        torch.set_num_threads(case.threads)
    torch.manual_seed(0)
    rate = product_rate(device, dtype)
    shape = (1, case.channels, case.side, case.side)
    x, z = (torch.randn(shape, device=device, dtype=dtype) for _ in range(2))
    v = torch.randn(1, case.width, *shape[2:], device=device, dtype=dtype)
    small = slice(0, 2 * contestant.block)
    contestant.warp(*(t[..., small, small] for t in (x, z, v)))
    if case.backward:
        for tensor in (x, z, v):
            tensor.requires_grad_()

    def forward() -> None:
        with torch.no_grad():
            contestant.warp(x, z, v)

    def both() -> None:
        warped = contestant.warp(x, z, v)
        torch.autograd.grad(warped, (x, z, v), torch.ones_like(warped))

    seconds = _fastest(forward, device)
    both_seconds = _fastest(both, device) if case.backward else None
    _give_freed_memory_back()
    before = _held(device)
    memory = _most_held(forward, device) - before
    both_memory = _most_held(both, device) - before if case.backward else None
    near = residual = None
    if contestant.method != ATTENTION:
        field = _known_field(case.side, case.channels)
        with torch.no_grad():
            built = contestant.correspond(*(t.to(device, dtype) for t in (field.x, field.z)))
            near = share_within(built.matches()[0].cpu(), field.truth, NEAR)
        if built.residual is not None:
            residual = float(built.residual.max())
    operations = contestant.operations(case.side, case.channels, case.width)
    return Measurement(
        forward=seconds,
        forward_memory=memory,
        both=both_seconds,
        both_memory=both_memory,
        floor=None if operations is None else operations / rate,
        rate=rate,
        near=near,
        residual=residual,
    )


@functools.lru_cache(maxsize=4)
def _known_field(side: int, channels: int) -> Field:
    """`known_field`, which takes a GPU's host longer than all that is measured with it."""
    return known_field(side, channels)


def _fastest(work: Callable[[], None], device: torch.device) -> float:
    """Returns the seconds of the fastest run."""
    runs = RUNS_CPU
    if device.type == "cuda":
        work()  # programs are loaded and compiled at their first use
        runs = RUNS_GPU
    seconds = [_timed(work, device)]
    while sum(seconds) < ENOUGH and len(seconds) < runs:
        seconds.append(_timed(work, device))
    return min(seconds)


def _most_held(work: Callable[[], None], device: torch.device) -> float:
    """Returns the most megabytes held while work is done (not on Linux: ever)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif LINUX:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) / MEGABYTE
    if LINUX:
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def _held(device: torch.device) -> float:
    """Returns the megabytes held now."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.memory_allocated(device) / MEGABYTE
    return _status("VmRSS") if LINUX else _most_held(lambda: None, device)


def _give_freed_memory_back() -> None:
    """Tells glibc to keep no freed memory of over 1 MB: it is not what a method needs.

    Not before the times are taken: memory that comes anew from the system costs time.
    """
    if LINUX:
        library = ctypes.CDLL(None)
        for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            library.mallopt(parameter, 2**20)
        library.malloc_trim(0)


def _timed(work: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) / MEGABYTE for line in lines if line.startswith(name))


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Returns the operations a second of a product of matrices, the fastest of five."""
    first = torch.randn(2048, 1024, device=device, dtype=dtype)
    second = torch.randn(1024, 4096, device=device, dtype=dtype)
    seconds = min(_timed(lambda: _multiply(first, second), device) for _ in range(5))
    return 2.0 * 2048 * 1024 * 4096 / seconds


def _multiply(first: Tensor, second: Tensor) -> None:
    first @ second


def main(arguments: list[str]) -> dict[str, Any]:
    """Measures the case that the command line gives."""
    return asdict(measure(from_dict(Case, json.loads(arguments[0]))))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:])) + "\n")
