"""Uploads that are broken, too large or meant to harm: each is refused, and nothing is written."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")
pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install fastapi uvicorn")

from editor_samples import EditorClient, RunningEditor, resident_bytes, serving_editor
from hostile_uploads import RECIPE, bodies, files, recipes, text, texts

FILES, TEXTS, RECIPES, BODIES = files(), texts(), recipes(), bodies()


def contents(*folders: Path) -> dict[str, bytes | None]:
    """Returns everything in folders: files by their content."""
    found = [path for folder in folders for path in folder.rglob("*")]
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The server's working folder, its folder of temporary files, and its home."""
    root = tmp_path_factory.mktemp("hostile")
    made = (root / "work", root / "temporary", root / "home")
    for folder in made:
        folder.mkdir()
    return made


@pytest.fixture(scope="module")
def running(folders: tuple[Path, Path, Path]) -> Iterator[RunningEditor]:
    """A server that must write nothing, and be alive, quick and of its old size at the end."""
    work, temporary, home = folders
    environment = {"TMPDIR": str(temporary), "HOME": str(home)}
    with serving_editor(cwd=work, environment=environment) as started:
        reply = started.client.post("/api/translate", RECIPE)
        expected = reply.json()["image"]
        before = contents(*folders)
        memory = resident_bytes(started.process)
        yield started
        assert started.process.exitcode is None
        assert started.client.post("/api/translate", RECIPE).json()["image"] == expected
        assert contents(*folders) == before
        assert resident_bytes(started.process) - memory < 400 * 2**20


@pytest.fixture(scope="module")
def client(running: RunningEditor) -> EditorClient:
    return running.client


def refuse(client: EditorClient, path: str, body: Any) -> None:
    """Sends JSON that must be refused, with a text that leads nowhere."""
    content = json.dumps(body).encode()
    reply = client.send("POST", path, content, {"Content-Type": "application/json"})
    assert 400 <= reply.status < 500 and reply.status != 429, reply.body
    told = reply.json()
    assert set(told) == {"error", "field"} and len(reply.body) < 2000
    assert not any(word in reply.body.decode() for word in ("Traceback", "/work", "site-packages"))


def test_there_are_enough_of_them() -> None:
    assert 3 * len(FILES) + 2 * len(TEXTS) + len(RECIPES) + len(BODIES) >= 200


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_refused(client: EditorClient, name: str) -> None:
    given = text(FILES[name])
    exemplar = RECIPE["exemplars"][0]
    recipe = {**RECIPE, "exemplars": [{**exemplar, "image": given}]}
    refuse(client, "/api/translate", recipe)
    refuse(client, "/api/translate", {**RECIPE, "condition": {"labels": given}})
    refuse(client, "/api/labels", {"labels": given, "model": "scenes-small"})


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_file_is_refused(client: EditorClient, name: str) -> None:
    exemplar = RECIPE["exemplars"][0]
    recipe = {**RECIPE, "exemplars": [{**exemplar, "image": TEXTS[name]}]}
    refuse(client, "/api/translate", recipe)
    refuse(client, "/api/labels", {"labels": TEXTS[name], "model": "scenes-small"})
    refuse(client, "/api/jobs", {"requests": [RECIPE, recipe]})


@pytest.mark.parametrize("name", RECIPES)
def test_a_wrong_recipe_is_refused(client: EditorClient, name: str) -> None:
    refuse(client, "/api/translate", RECIPES[name])
    refuse(client, "/api/jobs", {"requests": [RECIPES[name]]})


@pytest.mark.parametrize("name", BODIES)
def test_a_wrong_body_is_refused(client: EditorClient, name: str) -> None:
    body, headers = BODIES[name]
    for path in ("/api/translate", "/api/edit", "/api/match", "/api/labels", "/api/jobs"):
        reply = client.send("POST", path, body, headers)
        assert 400 <= reply.status < 500 and reply.status != 429, reply.body
        assert len(reply.body) < 1000 and set(reply.json()) == {"error", "field"}


def raw(client: EditorClient, *parts: bytes, wait: float = 20.0) -> bytes:
    """Sends bytes as they are, and returns what comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=wait) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
                if b"\r\n\r\n" in answer and b"connection: close" not in answer.lower():
                    break
        return answer


HEAD = b"POST /api/translate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"


def test_an_endless_body_is_cut_off(client: EditorClient) -> None:
    """Chunks without a length, sent on for as long as the server takes them."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        sent, answer = 0, b""
        with suppress(OSError):
            while sent < 2**30:
                connection.sendall(CHUNK)
                sent += 65536
        connection.settimeout(1)
        with suppress(OSError):
            answer = connection.recv(65536)
    assert 12 * 2**20 < sent < 128 * 2**20
    assert not answer or answer.startswith(b"HTTP/1.1 413")


def test_who_reads_sees_why_an_endless_body_is_cut_off(client: EditorClient) -> None:
    body = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 193
    answer = raw(client, body)
    assert answer.startswith(b"HTTP/1.1 413") and b"more than the 12582912 bytes" in answer


def test_a_length_that_is_a_lie_is_refused_at_once(client: EditorClient) -> None:
    started = time.monotonic()
    answer = raw(client, HEAD + b"Content-Length: 99999999999\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 413") and time.monotonic() - started < 10


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\0" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n", HEAD + b"Content-Length: x\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(client: EditorClient, request_bytes: bytes) -> None:
    answer = raw(client, request_bytes, wait=20)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501"))


def test_a_body_that_ends_early_leaves_the_server_alive(client: EditorClient) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    assert client.get("/api/models").status == 200


def test_who_leaves_at_once_leaves_the_server_alive(client: EditorClient) -> None:
    body = json.dumps(RECIPE).encode()
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(request)
            # A reset instead of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert client.post("/api/translate", RECIPE).status in (200, 429)
    time.sleep(1)
    assert client.post("/api/translate", RECIPE).status == 200


def test_large_uploads_at_once_take_no_more_memory_than_may_be(running: RunningEditor) -> None:
    before, peak = resident_bytes(running.process), 0
    body = b'{"task": "' + b"x" * (12 * 2**20 - 100) + b'"}'
    statuses: list[int] = []

    def upload() -> None:
        headers = {"Content-Type": "application/json"}
        statuses.append(running.client.send("POST", "/api/translate", body, headers).status)

    threads = [threading.Thread(target=upload) for _ in range(24)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        peak = max(peak, resident_bytes(running.process))
        time.sleep(0.01)
    assert len(statuses) == 24 and set(statuses) <= {422, 429}
    # 128 MiB of bodies, and of two at a time the text and what it was decoded from.
    assert peak - before < 400 * 2**20


def test_answers_that_nobody_reads_fill_no_memory(running: RunningEditor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    photograph, maps = BytesIO(), [BytesIO(), BytesIO()]
    Image.fromarray(noise).save(photograph, "JPEG", quality=40)
    for number, stream in enumerate(maps):
        ids = np.zeros((2048, 2048), np.uint8)
        ids[:64, :64] = number
        Image.fromarray(ids).save(stream, "PNG")
    before, after = ({"labels": text(stream.getvalue())} for stream in maps)
    own = {"image": text(photograph.getvalue()), "condition": before}
    recipe = {"task": "edit", "model": "scenes-small", "condition": after, "exemplars": [own]}
    job = running.client.post("/api/jobs", {"requests": [recipe]}).json()["id"]
    while running.client.get(f"/api/jobs/{job}").json()["done"] == 0:
        time.sleep(0.2)
    result = f"/api/jobs/{job}/results/0"
    assert len(running.client.get(result).body) > 15 * 2**20
    memory, held = resident_bytes(running.process), []
    for _ in range(40):
        connection = socket.create_connection(("127.0.0.1", running.client.port), timeout=20)
        connection.sendall(f"GET {result} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert connection.recv(10) == b"HTTP/1.1 2"
        held.append(connection)
    assert resident_bytes(running.process) - memory < 300 * 2**20
    for connection in held:
        connection.close()
    assert running.client.send("DELETE", f"/api/jobs/{job}", b"").status == 204
