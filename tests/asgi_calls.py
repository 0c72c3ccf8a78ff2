"""Calls of a server's application without a connection: what happens when is up to the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from study_samples import Reply


@dataclass
class Call:
    """A request whose parts come when the test gives them.

    Args:
        task: of the application that answers.
        parts: of the request that the application has not taken.
        sent: what the application has answered so far.
    """

    task: asyncio.Task[None]
    parts: asyncio.Queue[dict[str, Any]]
    sent: list[dict[str, Any]] = field(default_factory=list)

    def give(self, body: bytes, more: bool = False) -> None:
        """Sends a part of the body."""
        self.parts.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        """Closes the connection."""
        self.parts.put_nowait({"type": "http.disconnect"})

    async def reply(self) -> Reply:
        """Awaits the answer."""
        await asyncio.wait_for(self.task, 30)
        start, *rest = self.sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], headers, b"".join(part.get("body", b"") for part in rest))


def begin(
    app: Any,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    address: str = "127.0.0.1",
) -> Call:
    """Begins a request whose body is yet to come."""
    route, _, query = path.partition("?")
    given = {"host": "127.0.0.1", **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": route,
        "raw_path": route.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in given.items()],
        "client": (address, 1),
        "server": ("127.0.0.1", 8000),
    }
    parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    return Call(asyncio.ensure_future(app(scope, parts.get, send)), parts, sent)


def post(
    app: Any,
    path: str,
    body: Any,
    headers: Mapping[str, str] | None = None,
    address: str = "127.0.0.1",
) -> Call:
    """Begins a request with a JSON body, which is sent at once."""
    content = json.dumps(body).encode()
    told = {"content-type": "application/json", "content-length": str(len(content))}
    call = begin(app, "POST", path, {**told, **(headers or {})}, address)
    call.give(content)
    return call


async def get(app: Any, path: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Asks for something."""
    call = begin(app, "GET", path, headers)
    call.give(b"")
    return await call.reply()


@asynccontextmanager
async def living(app: Any) -> AsyncIterator[None]:
    """Starts an application and ends it."""
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan"}, messages.get, answers.put))
    messages.put_nowait({"type": "lifespan.startup"})
    assert (await answers.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        messages.put_nowait({"type": "lifespan.shutdown"})
        assert (await answers.get())["type"] == "lifespan.shutdown.complete"
        await task
