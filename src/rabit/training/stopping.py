"""Stopping between two steps: Ctrl-C, and the signal by which clusters end a job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C or SIGTERM into an event, so that a step is never left half done.

    A second one of the same kind interrupts at once; torchrun sends a SIGTERM after each Ctrl-C, so
    one of each kind does not. Outside the main thread, where Python delivers no signals, the
    event simply never sets.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in SIGNALS:
        signal.signal(number, interrupt)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
