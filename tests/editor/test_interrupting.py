from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from rabit.editor.interrupting import ask_before_layers
from rabit.editor.queueing import FairQueue
from rabit.editor.tickets import Client, DroppedError, Ticket
from rabit.model.network import build_network
from tiny import tiny_experiment


@pytest.fixture
def queue() -> Iterator[FairQueue]:
    made = FairQueue()
    yield made
    made.close()


def test_work_that_nobody_wants_ends(queue: FairQueue) -> None:
    begun = threading.Event()

    def endless() -> None:
        begun.set()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            queue.check_wanted()
            time.sleep(0.005)

    ticket, after = Ticket(Client("a"), endless), Ticket(Client("b"), lambda: "done")
    before = queue.wait_seconds()
    queue.submit(ticket)
    assert begun.wait(10)
    queue.submit(after)
    time.sleep(0.1)
    assert not ticket.future.done()
    queue.drop(ticket)
    assert after.future.result(5) == "done"
    assert isinstance(ticket.future.exception(5), DroppedError)
    # What was ended says nothing about how long a piece of work takes.
    assert queue.wait_seconds() == before


def test_only_the_work_itself_is_ended(queue: FairQueue) -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        assert go.wait(10)
        return "done"

    ticket = Ticket(Client("a"), work)
    queue.submit(ticket)
    assert begun.wait(10)
    ticket.dropped.set()
    queue.check_wanted()  # of this thread nobody said that it is not wanted
    go.set()
    assert ticket.future.result(5) == "done"
    wanted = Ticket(Client("a"), queue.check_wanted)
    queue.submit(wanted)
    wanted.future.result(5)


def test_a_network_asks_before_each_layer_until_that_is_taken_back() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise DroppedError

    handles = ask_before_layers([network], check)
    with pytest.raises(DroppedError):
        network(torch.zeros(1, 2))
    assert asked == 3
    for handle in handles:
        handle.remove()
    network(torch.zeros(1, 2))
    assert asked == 3


def test_a_translator_asks_often() -> None:
    """Between two questions lies a small part of a pass only."""
    network = build_network(tiny_experiment(64).model)
    alignment, generator = (
        len(ask_before_layers([part], lambda: None))
        for part in (network.alignment, network.generator)
    )
    assert alignment > 20 and generator > 20
