"""Pieces of work that wait for a device, whose they are, and what may become of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Client:
    """Who sends work, for fair turns.

    Args:
        address: of the machine.
        name: tells pages on one machine apart.
    """

    address: str
    name: str = ""


class BusyError(Exception):
    """There is no room for more work.

    Args:
        message: what is full.
        seconds: after which there should be room.
    """

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class ReplacedError(Exception):
    """Newer work has taken the place of this."""


class ClosedError(Exception):
    """The queue takes no more work."""


class DroppedError(Exception):
    """Nobody wants the result of this work any more."""


@dataclass(eq=False)
class Ticket(Generic[T]):
    """A piece of work that waits, runs or is done.

    Args:
        client: whose it is.
        work: to do; runs in the queue's thread.
        size: bytes that it holds while it waits.
        latest: newer work of the client with the same key takes this one's place.
        forced: there is room for it in any case, besides that of other work, and it does not lose
            its place.
        future: gets the result.
        dropped: set once the result is not wanted any more.
    """

    client: Client
    work: Callable[[], T]
    size: int = 0
    latest: str | None = None
    forced: bool = False
    future: Future[T] = field(default_factory=Future)
    dropped: threading.Event = field(default_factory=threading.Event)
