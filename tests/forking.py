"""Processes of tests that need not load torch first: forked from one that has loaded it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["rabit.editor.server", "rabit.editor.service", "rabit.study.server", "uvicorn"]
)


@contextmanager
def forked(
    function: Callable[..., None],
    *arguments: Any,
    cwd: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[BaseProcess]:
    """Runs a module's function in a process of its own, which is killed at the end.

    Args:
        function: that is called.
        arguments: its arguments.
        cwd: the process's working folder.
        environment: more variables of the process.
    """
    process = _CONTEXT.Process(
        target=_called, args=(function, arguments, cwd, dict(environment or {})), daemon=True
    )
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _called(
    function: Callable[..., None],
    arguments: tuple[Any, ...],
    cwd: str | os.PathLike[str] | None,
    environment: Mapping[str, str],
) -> None:
    os.environ.update(environment)
    if cwd is not None:
        os.chdir(cwd)
    function(*arguments)
