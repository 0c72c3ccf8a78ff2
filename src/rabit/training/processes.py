"""The processes that train together: one, or those that torchrun or accelerate launched."""

from __future__ import annotations

import atexit
import random
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor

T = TypeVar("T")

_ended: list[Any] = []


@atexit.register
def _free_ended() -> None:
    """Frees the group of processes that has ended, while gloo's threads can have Python's lock."""
    if _ended:
        # Torch 2.6 holds the lock while it waits for those threads, later ones do not: what they
        # have in hand, which is all but done, is done first.
        time.sleep(0.1)
        _ended.clear()


class Processes:
    """What one of the processes knows of all.

    Where several were launched (RANK and WORLD_SIZE are in the environment) they find each other
    through gloo on CPUs and NCCL on GPUs.

    Args:
        device: cpu, cuda for the GPU of this process, or one GPU by number in a single process.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        wanted = torch.device(device)
        with warnings.catch_warnings():
            # The number of threads is the user's to choose.
            warnings.filterwarnings("ignore", message=".*OMP_NUM_THREADS")
            # The others wait while the main process validates and writes.
            state = PartialState(cpu=wanted.type == "cpu", timeout=timedelta(hours=1))
        self.count = int(state.num_processes)
        self.rank = int(state.process_index)
        self.device: torch.device = state.device if self.count > 1 else wanted
        self._state = state
        if self.count == 1 and wanted.index is not None:
            # The random state that is saved, and kernels, are those of the current device.
            torch.cuda.set_device(wanted)

    @property
    def main(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def agree(self, decide: Callable[[], T]) -> T:
        """Lets the main process decide something, and all know it.

        Args:
            decide: called in the main process only.

        Raises:
            Exception: what `decide` raised, in the main process.
            SystemExit: in the others when it did.
        """
        if self.count == 1:
            return decide()
        told: list[Any] = [None, False]
        failure: BaseException | None = None
        if self.main:
            try:
                told = [decide(), False]
            except BaseException as error:  # Ctrl-C too, or the others would wait for ever
                told, failure = [None, True], error
        broadcast_object_list(told)
        if failure is not None:
            raise failure
        if told[1]:
            raise SystemExit(1)
        return told[0]

    def mean(self, values: Tensor) -> Tensor:
        """Returns the mean of a tensor over the processes."""
        if self.count == 1:
            return values
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total / self.count

    def largest(self, value: float) -> float:
        """Returns the largest of all processes' values."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MAX)
        return float(shared)

    def gather(self, value: T) -> list[T]:
        """Returns every process's value, by rank."""
        return [value] if self.count == 1 else gather_object([value])

    def end(self) -> None:
        """Takes leave of the others."""
        if self.count == 1:
            return
        # Whoever lets go of the group last waits for gloo's threads, and these may wait for
        # Python's lock. Python gives it up for that; a DistributedDataParallel, which may live
        # longer than this, does not, and the process would never end.
        _ended[:] = [torch.distributed.group.WORLD]
        self._state.destroy_process_group()


def random_state() -> dict[str, Any]:
    """Returns the state of every random generator of this process, as plain data and tensors."""
    numbers = np.random.get_state(legacy=True)
    assert isinstance(numbers, tuple)
    _, keys, position, has_gauss, gauss = numbers
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        "python": random.getstate(),
        "numpy": (torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
    }


def restore_random_state(states: Sequence[dict[str, Any]], rank: int, seed: int) -> None:
    """Puts the random generators of a process where they were, or seeds them.

    Args:
        states: of all processes, as `random_state` gave them; may be empty.
        rank: of this process. One that had no state, since fewer processes trained, is seeded.
        seed: of the training.
    """
    if rank >= len(states):
        torch.manual_seed(seed * 1_000_003 + rank)
        random.seed(seed * 1_000_003 + rank)
        np.random.seed((seed * 1_000_003 + rank) % 2**32)
        return
    state = states[rank]
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    keys, *rest = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))
