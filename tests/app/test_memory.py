"""Freed memory is kept, so that the system has no pages to clear a second time."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from rabit.app.memory import keep_freed_memory

PROGRAM = """
import resource, sys
import torch
from rabit.app.memory import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()


def use():
    for _ in range(10):
        torch.ones(50 * 2**20 // 4)


for _ in range(5):  # the heap may grow some times before each tensor finds room
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def cleared_pages(mode: str) -> int:
    """Pages that the system had to provide for ten tensors of 50 MiB, one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_tensors_reuse_the_pages_of_those_before() -> None:
    # Pages may be larger than 4 KiB.
    assert cleared_pages("kept") * 5 < cleared_pages("given back")


@pytest.mark.parametrize("other", ["", "musl"])
def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: (other, ""))
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert not keep_freed_memory()
