"""How the editor's server listens: uvicorn with limits on connections that are slow or idle.

It needs uvicorn, and is imported where the editor is served only.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 512
HEAD_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 15
_UNREAD_SECONDS = 30.0
# Of the answers of all connections together: what a client does not read stays in memory.
_MOST_UNREAD_BYTES = 128 * 2**20
_ENDING_SECONDS = 5
# Parts that a body may come in, besides one for so many bytes: each costs the loop time.
_FREE_PARTS = 1000
_BYTES_A_PART = 256
# Of glibc's malloc.h, and from how many bytes on memory is the system's own.
_M_MMAP_THRESHOLD = -3
_MAPPED_BYTES = 8 * 2**20


class _Connection(H11Protocol):
    """A connection that must send a request's head, and read its answer, in a limited time.

    A body in very many tiny parts, which would keep the server from all others, is cut off. Where
    answers that are not read take too much memory, the slowest readers are.
    """

    head_timer: asyncio.TimerHandle | None = None
    unread_since = 0.0
    body_parts = body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        parser: Any = self.conn
        self._read_event = parser.next_event
        parser.next_event = self._next_event
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self.head_timer is None and self.timeout_keep_alive_task is None:
            self._await_head()

    def _next_event(self) -> Any:
        """Reads what comes next of a request."""
        event = self._read_event()
        if isinstance(event, h11.Request):
            self.body_parts = self.body_bytes = 0
        elif isinstance(event, h11.Data):
            self.body_parts += 1
            self.body_bytes += len(event.data)
            if self.body_parts > _FREE_PARTS + self.body_bytes // _BYTES_A_PART:
                self.transport.abort()
                return h11.NEED_DATA  # nothing more is read of what has come
        return event

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread_since = self.loop.time()
        unread = [
            other
            for other in self.connections
            if isinstance(other, _Connection) and other.flow.write_paused
        ]
        size = sum(other.transport.get_write_buffer_size() for other in unread)
        # Who has read longest makes room.
        for other in sorted(unread, key=lambda one: one.unread_since):
            if size <= _MOST_UNREAD_BYTES:
                break
            size -= other.transport.get_write_buffer_size()
            other.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.loop.call_later(_UNREAD_SECONDS, self.transport.abort)

    def _await_head(self) -> None:
        self.head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None


class _Server(uvicorn.Server):
    """Says when it answers.

    Args:
        config: of the server.
        started: called once it answers; may be None.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._tell is not None:
            self._tell()


def bind(host: str, port: int) -> socket.socket:
    """Returns a socket that listens at an address.

    Args:
        host: name or address of this machine.
        port: 0 for any that is free.

    Raises:
        ValueError: the address is not this machine's, or the port is taken.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(MOST_CONNECTIONS)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(
            f"cannot listen at --host {host} --port {port}: {reason}; choose another port, or an "
            "address of this machine"
        ) from error
    return listener


def run_server(
    app: FastAPI, listener: socket.socket, started: Callable[[], None] | None = None
) -> None:
    """Serves an application until Ctrl-C.

    Args:
        app: what answers.
        listener: a bound socket.
        started: called once it answers.
    """
    _return_memory()
    options: dict[str, Any] = {
        "http": _Connection,
        "ws": "none",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "limit_concurrency": MOST_CONNECTIONS,
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": _ENDING_SECONDS,
    }
    _Server(uvicorn.Config(app, **options), started).run(sockets=[listener])


def _return_memory() -> None:
    """Lets glibc give large pictures and answers back to the system once they are not needed.

    Otherwise it takes them from its heap after the first ones, which leaves gaps that the next do
    not fit in: gigabytes of them. Smaller ones come from the heap still, since it is faster.
    """
    with suppress(AttributeError, OSError, TypeError):  # not of glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
