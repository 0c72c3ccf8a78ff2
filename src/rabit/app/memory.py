"""What becomes of memory that a long computation on a CPU frees."""

from __future__ import annotations

import ctypes
import platform

# Of malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER, NONE = -1, 0


def keep_freed_memory() -> bool:
    """Has the GNU C library keep what this process frees, for the next tensors.

    Otherwise large tensors are given back to the system and asked for again thousands of times a
    training step, and the system clears every page of them each time.

    Returns:
        Whether it does now; other C libraries are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(M_MMAP_MAX, NONE) and library.mallopt(M_TRIM_THRESHOLD, NEVER))
