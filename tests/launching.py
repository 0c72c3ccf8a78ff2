"""Starts a command in several processes that find each other, as torchrun does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence


def launch(commands: Sequence[Sequence[str]], timeout: float = 500) -> list[tuple[int, str, str]]:
    """Runs one Python command line a process at the same time.

    Returns:
        Exit code, stdout and stderr of each.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    known = {
        "WORLD_SIZE": len(commands),
        "LOCAL_WORLD_SIZE": len(commands),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": 1,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    children = []
    for rank, command in enumerate(commands):
        own = known | {"RANK": rank, "LOCAL_RANK": rank}
        children.append(
            subprocess.Popen(
                [sys.executable, *command],
                env=os.environ | {name: str(value) for name, value in own.items()},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    told = [child.communicate(timeout=timeout) for child in children]
    return [(c.returncode, out, error) for c, (out, error) in zip(children, told, strict=True)]
