"""Small studies, a server process for them, and a client that sends what it is told to."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from forking import forked
from rabit.study.files import DATABASE, LoadedStudy, load_study
from rabit.study.make import make_study
from rabit.study.manifest import Manifest, make_manifest, picture_folders

METHODS = ("alpha", "beta", "gamma")
SIZE = (24, 16)


def write_pictures(
    root: Path,
    items: int = 4,
    methods: Sequence[str] = METHODS,
    truth: bool = True,
    size: tuple[int, int] = SIZE,
) -> Path:
    """Writes a folder as `rabit evaluate` does: every picture has a colour and noise of its own."""
    rng = np.random.default_rng(7)
    for name in ("conditions", "exemplars", *(("truth",) if truth else ()), *methods):
        (root / name).mkdir(parents=True)
        for item in range(items):
            colour = rng.integers(60, 256, 3)
            noise = rng.integers(-40, 40, (size[1], size[0], 3))
            pixels = (colour + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"item-{item}.png")
    return root


def manifest_of(pictures: Path, **fields: Any) -> Manifest:
    """Returns a small manifest of a folder of pictures."""
    small = {"raters": 3, "gold": 2, "repeats": 2}
    return make_manifest({**picture_folders(pictures), **small, **fields})


def small_study(root: Path, items: int = 4, **fields: Any) -> LoadedStudy:
    """Makes a study in root/study."""
    pictures = root / "pictures"
    if not pictures.exists():
        write_pictures(pictures, items)
    make_study(manifest_of(pictures, **fields), root / "study")
    return load_study(root / "study")


@dataclass(frozen=True)
class Reply:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Talks to a server; a token makes it a rater.

    Args:
        port: the server's, on this machine.
        token: the rater's.
    """

    port: int
    token: str = ""

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Sends a request as it is given."""
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, told, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def post(self, path: str, body: Any) -> Reply:
        text = json.dumps(body).encode()
        return self.send("POST", path, text, {"Content-Type": "application/json"})

    def start(self) -> Client:
        """Consents, and returns the client of the new rater."""
        reply = self.post("/api/start", {"consent": True})
        assert reply.status == 200, reply.body
        return Client(self.port, reply.json()["token"])

    def answer(self, trial: str, choice: str, submission: str, milliseconds: int = 1500) -> Reply:
        return self.post(
            "/api/answers",
            {
                "trial": trial,
                "choice": choice,
                "submission": submission,
                "milliseconds": milliseconds,
            },
        )


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_server(port: int, exit_code: Callable[[], int | None]) -> Client:
    """Waits until a server answers, or has ended."""
    client = Client(port)
    for _ in range(600):
        assert exit_code() is None, "the server has ended"
        try:
            client.get("/api/study")
        except OSError:
            time.sleep(0.05)
        else:
            return client
    raise AssertionError("the server does not answer")


@dataclass(frozen=True)
class Running:
    """A server process and a client of it without a token."""

    process: BaseProcess
    client: Client


@contextmanager
def serving(
    folder: Path, invited: bool = False, most_raters: int = 1000, port: int | None = None
) -> Iterator[Running]:
    """Serves a study by a process of its own; its answers lie in the study's folder."""
    port = free_port() if port is None else port
    with forked(_serve, folder, port, invited, most_raters) as process:
        yield Running(process, await_server(port, lambda: process.exitcode))


def _serve(folder: Path, port: int, invited: bool, most_raters: int) -> None:
    import uvicorn

    from rabit.serving import LOOPBACK
    from rabit.study.database import Database
    from rabit.study.served import Served
    from rabit.study.server import make_app

    loaded = load_study(folder)
    database = Database(database_of(folder), loaded.digest, len(loaded.study.sheets))
    app = make_app(Served(loaded, database, not invited, most_raters), LOOPBACK)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def database_of(folder: Path) -> Path:
    return folder / DATABASE
