"""Connections that are idle, slow, or not wanted."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")
pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install fastapi uvicorn")

from fastapi import FastAPI, Request
from fastapi.responses import Response

from rabit.editor import listening
from rabit.editor.listening import bind, run_server
from study_samples import Client

LARGE = 64 * 2**20
GET = b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n"


def application() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def answer(request: Request) -> Response:
        return Response(b"x" * (LARGE if request.path_params["size"] == "large" else 1))

    app.add_api_route("/{size}", answer, methods=["GET"])
    return app


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server in a thread, impatient so that tests are quick."""
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(listening, "_UNREAD_SECONDS", 0.5)
    monkeypatch.setattr(listening, "_KEEP_ALIVE_SECONDS", 1)
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 20)
    with running() as found:
        yield found


@contextmanager
def running() -> Iterator[int]:
    servers: list[Any] = []

    class Kept(listening._Server):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            servers.append(self)

    listener, started = bind("127.0.0.1", 0), threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "_Server", Kept)
        thread = threading.Thread(target=run_server, args=(application(), listener, started.set))
        thread.start()
        assert started.wait(30)
    try:
        yield int(listener.getsockname()[1])
    finally:
        servers[0].should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def closed_after(port: int, talk: Callable[[socket.socket], None]) -> float:
    """Returns the seconds after which the server closes a connection."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with suppress(OSError):
            talk(connection)
            while connection.recv(65536):
                pass
        return time.monotonic() - started


def test_who_says_nothing_is_cut_off(port: int) -> None:
    assert 0.3 < closed_after(port, lambda connection: None) < 5


def test_who_sends_a_request_letter_by_letter_is_cut_off(port: int) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(GET[:-2])
        for _ in range(200):
            connection.sendall(b"X-A: b\r\n")
            time.sleep(0.05)

    assert closed_after(port, talk) < 5


def test_so_is_who_does_it_after_a_whole_request(port: int) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(GET)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(GET[:-2])
        for _ in range(200):
            connection.sendall(b"X-A: b\r\n")
            time.sleep(0.05)

    assert closed_after(port, talk) < 5


def test_a_connection_may_be_used_again(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.connect()
    used = connection.sock
    for _ in range(4):
        connection.request("GET", "/small")
        assert connection.getresponse().read() == b"x"
        time.sleep(0.3)
    assert connection.sock is used
    started = time.monotonic()
    assert used.recv(65536) == b""
    assert time.monotonic() - started < 5
    connection.close()


def test_who_does_not_read_is_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(GET.replace(b"small", b"large"))
        time.sleep(3)
        size = 0
        with suppress(ConnectionResetError):
            while part := connection.recv(2**20):
                size += len(part)
        assert size < LARGE


def test_answers_that_nobody_reads_take_no_more_memory_than_may_be(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slowest readers make room for the others."""
    monkeypatch.setattr(listening, "_KEEP_ALIVE_SECONDS", 60)
    monkeypatch.setattr(listening, "_MOST_UNREAD_BYTES", 3 * LARGE)
    monkeypatch.setattr(listening, "_UNREAD_SECONDS", 60)
    held = []
    for _ in range(8):
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        connection.sendall(GET.replace(b"small", b"large"))
        assert connection.recv(10) == b"HTTP/1.1 2"
        held.append(connection)
    whole = []
    for connection in held:
        size = 10
        with suppress(ConnectionResetError):
            while size < LARGE and (part := connection.recv(2**20)):
                size += len(part)
        whole.append(size >= LARGE)
        connection.close()
    assert whole == [False] * 5 + [True] * 3


def test_too_many_connections_are_refused_and_forgotten(port: int) -> None:
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    assert Client(port).get("/small").status == 503
    time.sleep(1.5)
    assert Client(port).get("/small").status == 200
    for connection in held:
        connection.close()


def test_addresses_that_cannot_be_listened_at_are_named() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"--host 127.0.0.1 --port {port}: .*in use"):
            bind("127.0.0.1", port)
    for host in ("192.0.2.1", "no.such.host.invalid", "x" * 300):
        with pytest.raises(ValueError, match="cannot listen at"):
            bind(host, 0)


def chunked(port: int, part: bytes, count: int) -> bytes:
    """Sends a body in parts of its own, and returns the answer; empty if it is cut off."""
    head = b"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(part), part)
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        with suppress(OSError):
            connection.sendall(head + count * chunk + b"0\r\n\r\n")
        try:
            return connection.recv(65536)
        except ConnectionError:
            return b""


def test_a_body_of_very_many_tiny_parts_ends_the_connection(port: int) -> None:
    assert chunked(port, b"x", 900).startswith(b"HTTP/1.1 405")
    assert chunked(port, b"x", 20_000) == b""
    assert chunked(port, b"x" * 1024, 5000).startswith(b"HTTP/1.1 405")
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(GET)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
