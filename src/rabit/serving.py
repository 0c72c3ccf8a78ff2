"""What the servers of pages have in common: who may call, what is read, security headers.

It needs FastAPI, and is imported where a page is served only.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from rabit.fields import json_number

LOOPBACK = ("127.0.0.1", "localhost", "::1")

CLOSED = 499
"""The status of a request whose client has gone, which nobody sees but logs."""

_LINGER_SECONDS = 2.0
_LINGER_BYTES = 64 * 2**20
_READING = ("GET", "HEAD", "OPTIONS")
_LONGEST = 60
# Nothing but a name or address and a port: no user, path or query, which are read in several ways.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")

Endpoint = Callable[[Request], Awaitable[Response]]


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: the HTTP status of the answer.
        message: what was found and what was expected.
        field: the part of the request that it is about.
        headers: more headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.headers = dict(headers or {})


def security_headers(*images: str) -> dict[str, str]:
    """Returns the headers of every response, by which a page asks nothing of other hosts.

    Args:
        images: schemes that pictures may have besides files of this server, such as "data:".
    """
    sources = " ".join(("'self'", *images))
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {sources}; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "X-Robots-Tag": "noindex",
    }


class Guard:
    """Refuses calls by other host names, and adds the security headers to every response.

    A page of another site whose name was made to lead here, to this machine's own address, is so
    kept from what is served. A response that is sent before its request was read to the end is
    the last of its connection, and what still comes is discarded for a while: closed at once, the
    client would not see it.

    Args:
        app: what answers.
        hosts: the names by which requests may call; None for any.
        headers: of every response.
        own_pages: whether requests that change something must not come from other sites' pages.
    """

    def __init__(
        self,
        app: Any,
        hosts: Sequence[str] | None,
        headers: Mapping[str, str],
        own_pages: bool = False,
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.headers = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        self.own_pages = own_pages

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request, or lets the application answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(scope, receive)

        async def guarded_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._headers(message, body)}
            elif not message.get("more_body") and not body.complete:
                await send({**message, "more_body": True})
                await body.discard()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        refused = self._refusal(scope)
        answering = self.app if refused is None else refused
        await answering(scope, body.receive, guarded_send)

    def _headers(self, message: Any, body: _Body) -> list[tuple[bytes, bytes]]:
        given = list(message.get("headers", []))
        if not any(name.lower() == b"cache-control" for name, _ in given):
            given.append((b"cache-control", b"no-store"))
        if not body.complete:
            given.append((b"connection", b"close"))
        return [*given, *self.headers]

    def _refusal(self, scope: Any) -> Response | None:
        """The answer to a call that may not be made."""
        given = dict(scope["headers"])
        host = given.get(b"host", b"").decode("latin-1")
        if self.hosts is not None and (
            not _HOST.fullmatch(host) or _split(f"//{host}")[0] not in self.hosts
        ):
            expected = ", ".join(self.hosts)
            text = f"host name {_short(host)}, expected one of {expected}; open the address that "
            return refusal(400, f"{text}was printed at the start")
        if self.own_pages and scope["method"] not in _READING and b"origin" in given:
            origin = given[b"origin"].decode("latin-1")
            if _split(origin)[1] != host.lower():
                text = f"a page of another site, {_short(origin)}; use the page of this server"
                return refusal(403, text)
        return None


class _Body:
    """Knows whether the body of a request was read to its end.

    Args:
        scope: of the request.
        receive: gives the body's parts.
    """

    def __init__(self, scope: Any, receive: Any) -> None:
        names = {name for name, value in scope["headers"] if value != b"0"}
        self.complete = not names & {b"content-length", b"transfer-encoding"}
        self._receive = receive

    async def receive(self) -> Any:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            self.complete = True
        return message

    async def discard(self) -> None:
        with suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(self._discard(), _LINGER_SECONDS)

    async def _discard(self) -> None:
        size = 0
        while not self.complete and size < _LINGER_BYTES:
            size += len((await self.receive()).get("body", b""))


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def _split(address: str) -> tuple[str | None, str]:
    """Host name, and host name with port, of an address."""
    try:
        parts = urlsplit(address)
        return parts.hostname, parts.netloc.lower()
    except ValueError:
        return None, ""


def page_file(content: bytes, kind: str) -> Endpoint:
    """Returns what answers with a file of a page.

    Args:
        content: of the file.
        kind: its content type.
    """

    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return endpoint


def bearer_token(request: Request) -> str | None:
    """Returns the token of a request's Authorization header.

    None without the header, nothing where it holds something else.
    """
    given = request.headers.get("authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(" ")
    return token if scheme == "Bearer" else ""


async def json_parts(request: Request, most: int, seconds: float) -> AsyncIterator[bytes]:
    """Yields the parts of a body that should be JSON, as they come.

    Args:
        request: that carries it.
        most: bytes that it may have.
        seconds: in which it must have come.

    Raises:
        RequestError: it says that it is something else, is too large or too slow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(415, "expected the content type application/json")
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and (len(told) > 20 or int(told) > most):
        raise RequestError(413, f"{told[:20]} bytes, expected at most {most}")
    parts, size = request.stream(), 0
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while True:
        try:
            part = await asyncio.wait_for(anext(parts, None), max(deadline - clock(), 0))
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise RequestError(408, f"the request did not come within {seconds:g} s") from error
        except ClientDisconnect as error:
            raise RequestError(CLOSED, "the connection was closed") from error
        if part is None:
            return
        size += len(part)
        if size > most:
            raise RequestError(413, f"more than the {most} bytes that a request may have")
        yield part


def parse_json(content: bytes | bytearray) -> dict[str, Any]:
    """Returns the JSON object that a body holds.

    Raises:
        RequestError: it is no JSON, or no object.
    """
    try:
        body = json.loads(content.decode("utf-8"), parse_float=json_number)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "expected JSON") from error
    if not isinstance(body, dict):
        raise RequestError(422, "expected a JSON object")
    return body


def refusal(
    status: int, text: str, field: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Returns the answer to a request that is refused.

    Args:
        status: the HTTP status.
        text: what was found and what was expected; it may quote what was sent.
        field: the part of the request that it is about.
        headers: more headers.
    """
    content = {"error": _sendable(text), "field": None if field is None else _sendable(field)}
    return JSONResponse(content, status_code=status, headers=headers)


def _sendable(text: str) -> str:
    """A text without what JSON can hold but UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


async def no_page(request: Request, error: Exception) -> Response:
    """Answers a call of an unknown address or method."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail, headers=error.headers)
