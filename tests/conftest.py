"""What all tests rely on."""

from __future__ import annotations

import signal

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Lets Ctrl-C interrupt, which a shell turns off for what it starts with &."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Gives every test the same random numbers, in whatever order tests run."""
    torch.manual_seed(0)
