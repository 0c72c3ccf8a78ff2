"""Stopping between two steps: by Ctrl-C, the end of a cluster's job, or a closed terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HANGUP: list[signal.Signals] = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
SIGNALS = (signal.SIGINT, signal.SIGTERM, *_HANGUP)


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into an event, so that no step is left half done.

    A second one of the same kind interrupts at once; torchrun sends a SIGTERM after each Ctrl-C, so
    one of each kind does not. Outside the main thread, where Python delivers no signals, the
    event simply never sets.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in _HANGUP:
        if before[number] == signal.SIG_IGN:  # as nohup has it
            del before[number]

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, interrupt)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
