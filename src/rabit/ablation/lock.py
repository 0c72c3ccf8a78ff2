"""One command at a time in an ablation's folder, for as long as its trainings live."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rabit.writing import naming

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[tuple[int, ...]]:
    """Refuses a folder that another ablation, or a training that one has left, is at work in.

    The system itself gives the lock up when the last process that holds it ends, however that
    ends: no lock is stale. On Windows, and on network drives without locks, nothing is refused.

    Args:
        folder: the ablation's; made if missing.

    Yields:
        File descriptors that trainings are to inherit, so that they hold the lock too.

    Raises:
        ValueError: another process holds it.
    """
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield ()
        return
    import fcntl  # Windows has none

    path = folder / LOCK
    with naming(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 64, 0).decode(errors="replace").strip()
            raise ValueError(
                f"{folder}: another ablation is at work in it (process {holder}), or trainings "
                "that it left are; wait for them, stop them, or give another folder with --out"
            ) from error
        except OSError:
            yield ()
            return
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield (handle,)
    finally:
        os.close(handle)
