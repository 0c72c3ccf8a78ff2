"""The self-hosted page: an application that shows a study to raters and keeps their answers.

It needs FastAPI, and is imported where a study is served only. It knows the study but not its key.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from rabit.study.database import RefusedError
from rabit.study.files import PICTURES
from rabit.study.served import WRONG_LINK, DeniedError, Served

MOST_BYTES = 4096
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/study.css": ("study.css", "text/css; charset=utf-8"),
    "/study.js": ("study.js", "text/javascript; charset=utf-8"),
    "/connection.js": ("connection.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
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


def make_app(served: Served, hosts: Sequence[str] | None = LOOPBACK) -> FastAPI:
    """Returns the application.

    Args:
        served: the study.
        hosts: the names by which requests may call this server; None for any.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    files = resources.files("rabit.study") / "page"
    for path, (name, kind) in _PAGE.items():
        app.add_api_route(path, _file((files / name).read_bytes(), kind), methods=["GET"])
    app.add_api_route("/pictures/{name}", _picture(served), methods=["GET"])
    app.add_api_route("/api/study", _reading(lambda _: served.about()), methods=["GET"])
    app.add_api_route(
        "/api/session",
        _reading(lambda token: served.session(served.rater(token))),
        methods=["GET"],
    )
    for path, action in (
        ("/api/start", served.start),
        ("/api/answers", served.answer),
        ("/api/finish", served.finish),
    ):
        app.add_api_route(path, _writing(action), methods=["POST"])
    app.add_exception_handler(HTTPException, _no_page)
    for refused in (DeniedError, RefusedError):
        app.add_exception_handler(refused, _refusal)
    app.add_exception_handler(sqlite3.Error, _unavailable)
    app.add_middleware(_Guard, hosts=hosts)
    return app


class _Guard:
    """Refuses calls by other host names, and adds the security headers to every response.

    A page of another site whose name was made to lead here, to this machine's own address, is so
    kept from the study.

    Args:
        app: what answers.
        hosts: the names by which requests may call; None for any.
    """

    def __init__(self, app: Any, hosts: Sequence[str] | None) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                given = list(message.get("headers", []))
                if not any(name.lower() == b"cache-control" for name, _ in given):
                    given.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*given, *own]}
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self.hosts is None or _host(scope) in self.hosts:
            await self.app(scope, receive, send_with_headers)
        else:
            refusal = JSONResponse({"error": "unknown host name"}, status_code=400)
            await refusal(scope, receive, send_with_headers)


def _host(scope: Any) -> str | None:
    """The host name that a request calls, without its port."""
    given = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    try:
        return urlsplit(f"//{given}").hostname
    except ValueError:
        return None


_Endpoint = Callable[[Request], Awaitable[Response]]


def _file(content: bytes, kind: str) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return endpoint


def _picture(served: Served) -> _Endpoint:
    folder = served.loaded.folder / PICTURES

    async def endpoint(request: Request) -> Response:
        name = str(request.path_params["name"])
        if not name.endswith(".png") or name.removesuffix(".png") not in served.pictures:
            raise DeniedError(404, "no such picture")
        try:
            content = await run_in_threadpool((folder / name).read_bytes)
        except OSError as error:
            raise DeniedError(404, "this picture's file is missing") from error
        headers = {"Cache-Control": "private, max-age=86400, immutable"}
        return Response(content, media_type="image/png", headers=headers)

    return endpoint


def _reading(action: Callable[[str | None], dict[str, Any]]) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(action, _token(request)))

    return endpoint


def _writing(action: Callable[[str | None, dict[str, Any]], dict[str, Any]]) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        token = _token(request)
        body = await _body(request)
        return JSONResponse(await run_in_threadpool(action, token, body))

    return endpoint


def _token(request: Request) -> str | None:
    """The token of a request's Authorization header; None without the header."""
    given = request.headers.get("authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(" ")
    if scheme != "Bearer":
        raise DeniedError(401, WRONG_LINK)
    return token


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that a request carries."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise DeniedError(415, "expected application/json")
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise DeniedError(413, f"expected at most {MOST_BYTES} bytes")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DeniedError(400, "expected JSON") from error
    if not isinstance(body, dict):
        raise DeniedError(422, "expected a JSON object")
    return body


async def _refusal(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, DeniedError) else 409
    # What was sent may be quoted, and not all that JSON can hold can be sent as UTF-8.
    told = str(error).encode("utf-8", "backslashreplace").decode("utf-8")
    return JSONResponse({"error": told}, status_code=status)


async def _no_page(request: Request, error: Exception) -> Response:
    """An unknown address or method."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


async def _unavailable(request: Request, error: Exception) -> Response:
    """A full disk, or a locked database: the page tries again."""
    return JSONResponse({"error": "the answer could not be kept"}, status_code=503)
