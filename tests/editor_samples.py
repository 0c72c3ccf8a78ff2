"""The editor's server as a process of its own, and recipes for it."""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from forking import forked
from study_samples import Client, Reply, free_port


@dataclass(frozen=True)
class EditorClient(Client):
    """Talks to the editor's server as one page does.

    Args:
        name: the page's.
    """

    name: str = ""

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        own = {"X-Rabit-Client": self.name} if self.name else {}
        return super().send(method, path, body, {**own, **(headers or {})})

    def example(self, model: str = "scenes-small", seed: int = 0) -> Any:
        """Returns a generated recipe."""
        reply = self.get(f"/api/example?model={model}&seed={seed}")
        assert reply.status == 200, reply.body
        return reply.json()


@dataclass(frozen=True)
class RunningEditor:
    """A server process and a client of it; the client has the server's token, if there is one."""

    process: BaseProcess
    client: EditorClient
    port: int

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def serving_editor(
    models: Sequence[str] = ("scenes-small",),
    token: str | None = None,
    queue: int = 16,
    timeout: float = 60.0,
    threads: int = 1,
    cwd: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    **limits: int,
) -> Iterator[RunningEditor]:
    """Serves the editor by a process of its own.

    Args:
        models: as for `rabit serve`.
        token: that requests must carry; None for none.
        queue: requests that may wait.
        timeout: seconds after which a request is given up.
        threads: of the computation.
        cwd: the process's working folder.
        environment: more variables of the process.
        limits: other than the usual ones, by the names of `Limits`.
    """
    port = free_port()
    arguments = (models, token, queue, timeout, threads, limits, port)
    with forked(_serve, *arguments, cwd=cwd, environment=environment) as process:
        client = EditorClient(port, token or "")
        await_editor(client, lambda: process.exitcode)
        yield RunningEditor(process, client, port)


def _serve(
    models: Sequence[str],
    token: str | None,
    queue: int,
    timeout: float,
    threads: int,
    limits: Mapping[str, int],
    port: int,
) -> None:
    from rabit.editor.checks import Limits
    from rabit.editor.listening import bind, run_server
    from rabit.editor.queueing import FairQueue
    from rabit.editor.server import make_app
    from rabit.editor.service import Service, load_models

    torch.set_num_threads(threads)
    service = Service(load_models(models, "cpu"), Limits(**limits))
    app = make_app(service, token=token, queue=FairQueue(most=queue), timeout=timeout)
    run_server(app, bind("127.0.0.1", port))


def await_editor(client: Client, exit_code: Callable[[], int | None]) -> None:
    """Waits until a server answers, or has ended."""
    for _ in range(1200):
        assert exit_code() is None, "the server has ended"
        try:
            client.get("/api/models")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not answer")


def base64_png(pixels: np.ndarray) -> str:
    """Returns a picture as a recipe holds it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def small_recipe(seed: int = 0, size: tuple[int, int] = (32, 32)) -> dict[str, Any]:
    """Returns a recipe of random maps and colours for the model scenes-small."""
    rng = np.random.default_rng(seed)
    maps = [base64_png(rng.integers(0, 18, size).astype(np.uint8)) for _ in range(2)]
    photograph = base64_png(rng.integers(0, 256, (*size, 3)).astype(np.uint8))
    return {
        "task": "translate",
        "model": "scenes-small",
        "condition": {"labels": maps[0]},
        "exemplars": [{"image": photograph, "condition": {"labels": maps[1]}}],
        "seed": 0,
    }


def resident_bytes(process: BaseProcess) -> int:
    """Returns how much memory a process holds; Linux only."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
