"""What random numbers are drawn from: torch's own generators, or one that a caller brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_brought: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Lets this thread draw from a generator, and leaves torch's own ones as they are.

    Args:
        generator: of the device that is drawn on.
    """
    token = _brought.set(generator)
    try:
        yield
    finally:
        _brought.reset(token)


def generator() -> torch.Generator | None:
    """Returns what to draw from; None is torch's own generator of whatever device."""
    return _brought.get()
