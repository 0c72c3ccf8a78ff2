"""The editor's server as a process of its own, and recipes for it."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from study_samples import Client, Reply, free_port

_SERVE = """
import json, sys
import torch
from rabit.editor.checks import Limits
from rabit.editor.listening import bind, run_server
from rabit.editor.queueing import FairQueue
from rabit.editor.server import make_app
from rabit.editor.service import Service, load_models
given = json.loads(sys.argv[1])
torch.set_num_threads(given["threads"])
models = load_models(given["models"], "cpu")
service = Service(models, Limits(**given["limits"]))
app = make_app(
    service, token=given["token"], queue=FairQueue(most=given["queue"]), timeout=given["timeout"]
)
run_server(app, bind("127.0.0.1", given["port"]))
"""


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

    process: subprocess.Popen[bytes]
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
    given = {
        "models": models,
        "token": token,
        "queue": queue,
        "timeout": timeout,
        "threads": threads,
        "limits": limits,
        "port": port,
    }
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, json.dumps(given)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
    )
    try:
        client = EditorClient(port, token or "")
        await_editor(process, client)
        yield RunningEditor(process, client, port)
    finally:
        process.kill()
        process.wait()


def await_editor(process: subprocess.Popen[bytes], client: Client) -> None:
    """Waits until a server answers."""
    for _ in range(1200):
        assert process.poll() is None, "the server has ended"
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


def resident_bytes(process: subprocess.Popen[bytes]) -> int:
    """Returns how much memory a process holds; Linux only."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
