"""Starts a command in several processes that find each other, as torchrun does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack

SECONDS_AFTER_A_FAILURE = 20  # that the others have to end by themselves


def launch(commands: Sequence[Sequence[str]], timeout: float = 240) -> list[tuple[int, str, str]]:
    """Runs one Python command line a process at the same time.

    What is left when the time is up, or some time after another one failed, is aborted, so that
    its stderr ends with where each of its threads was.

    Args:
        commands: by rank.
        timeout: seconds for all of them together.

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
    with ExitStack() as stack:
        # Files, since a process whose pipe is full would wait for this one.
        told = [
            [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)] for _ in commands
        ]
        children = []
        for rank, command in enumerate(commands):
            own = known | {"RANK": rank, "LOCAL_RANK": rank}
            children.append(
                subprocess.Popen(
                    [sys.executable, "-X", "faulthandler", *command],
                    env=os.environ | {name: str(value) for name, value in own.items()},
                    stdout=told[rank][0],
                    stderr=told[rank][1],
                )
            )
        _wait(children, timeout)
        for files in told:
            for file in files:
                file.seek(0)
        return [
            (child.returncode, out.read(), error.read())
            for child, (out, error) in zip(children, told, strict=True)
        ]


def _wait(children: Sequence[subprocess.Popen[bytes]], timeout: float) -> None:
    """Waits until all have ended, and sees to it that they do."""
    end = time.monotonic() + timeout
    while None in [child.poll() for child in children]:
        if any(child.returncode for child in children):
            end = min(end, time.monotonic() + SECONDS_AFTER_A_FAILURE)
        if time.monotonic() > end:
            for child in children:
                child.send_signal(signal.SIGABRT)
            end = float("inf")  # a second signal would cut the stacks of the first one short
        time.sleep(0.02)
