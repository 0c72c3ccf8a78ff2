"""Ends groups of two processes while gloo still lets go of a tensor, for test_processes.py.

The tensor's last owner is then a thread of gloo, which needs Python's lock for it, under a lock of
its own that the end of the group needs too.
"""

from __future__ import annotations

import os
import time
import weakref
from threading import Event

import torch
from accelerate import PartialState
from torch.nn.parallel import DistributedDataParallel

from rabit.training.processes import Processes


def join_and_end() -> None:
    """Ends a group in front of the network that it was used for."""
    processes = Processes()
    network = DistributedDataParallel(torch.nn.Linear(2, 2))
    network(torch.ones(1, 2)).sum().backward()
    going, gone = Event(), Event()

    def go_slowly() -> None:
        going.set()
        time.sleep(0.5)
        gone.set()

    if not processes.main:
        time.sleep(0.5)  # so that the other one's tensor is gloo's alone when it is summed
    values = torch.ones(3)
    weakref.finalize(values, go_slowly)
    work = torch.distributed.all_reduce(values, async_op=True)
    del values, work
    assert going.wait(60)
    processes.end()
    del network
    assert gone.wait(60)


if __name__ == "__main__":
    port = int(os.environ["MASTER_PORT"])
    for each in range(2):  # something of torch's keeps the first group of a process
        os.environ["MASTER_PORT"] = str(port + each)
        join_and_end()
        PartialState._reset_state()
