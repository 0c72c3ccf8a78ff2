"""The self-hosted page: an application that shows a study to raters and keeps their answers.

It needs FastAPI, and is imported where a study is served only. It knows the study but not its key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from rabit.serving import (
    LOOPBACK,
    Endpoint,
    Guard,
    RequestError,
    bearer_token,
    json_parts,
    no_page,
    page_file,
    parse_json,
    refusal,
    security_headers,
)
from rabit.study.database import RefusedError
from rabit.study.files import PICTURES
from rabit.study.served import DeniedError, Served

MOST_BYTES = 4096
BODY_SECONDS = 30.0
_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/study.css": ("study.css", "text/css; charset=utf-8"),
    "/study.js": ("study.js", "text/javascript; charset=utf-8"),
    "/connection.js": ("connection.js", "text/javascript; charset=utf-8"),
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
        app.add_api_route(path, page_file((files / name).read_bytes(), kind), methods=["GET"])
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
    app.add_exception_handler(HTTPException, no_page)
    for refused in (DeniedError, RefusedError, RequestError):
        app.add_exception_handler(refused, _refusal)
    app.add_exception_handler(sqlite3.Error, _unavailable)
    app.add_middleware(Guard, hosts=hosts, headers=security_headers("data:"))
    return app


def _picture(served: Served) -> Endpoint:
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


def _reading(action: Callable[[str | None], dict[str, Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(action, bearer_token(request)))

    return endpoint


def _writing(action: Callable[[str | None, dict[str, Any]], dict[str, Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        token = bearer_token(request)
        body = await _body(request)
        return JSONResponse(await run_in_threadpool(action, token, body))

    return endpoint


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that a request carries."""
    content = b"".join([part async for part in json_parts(request, MOST_BYTES, BODY_SECONDS)])
    return parse_json(content)


async def _refusal(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, (DeniedError, RequestError)) else 409
    return refusal(status, str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    """A full disk, or a locked database: the page tries again."""
    return JSONResponse({"error": "the answer could not be kept"}, status_code=503)
