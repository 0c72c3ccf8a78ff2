"""The editor's server: its page, and the interface under it.

It needs FastAPI, and is imported where the editor is served only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from rabit.editor.api import Api
from rabit.editor.description import describe_api
from rabit.editor.interrupting import ask_before_layers
from rabit.editor.jobs import Jobs
from rabit.editor.queueing import FairQueue
from rabit.editor.service import Service
from rabit.serving import (
    LOOPBACK,
    Endpoint,
    Guard,
    no_page,
    page_file,
    security_headers,
)

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PURGE_SECONDS = 30.0


def make_app(
    service: Service,
    hosts: Sequence[str] | None = LOOPBACK,
    token: str | None = None,
    queue: FairQueue | None = None,
    timeout: float = 60.0,
) -> FastAPI:
    """Returns the application.

    Args:
        service: what answers.
        hosts: the names by which requests may call this server; None for any.
        token: that requests of the interface must carry; None for none.
        queue: of the device that the models are on; the application closes it.
        timeout: seconds after which a request is given up.
    """
    queue = FairQueue() if queue is None else queue
    jobs = Jobs(queue, service.answer_document)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        networks = [translator.network for translator in service.translators.values()]
        asking = ask_before_layers(networks, queue.check_wanted)
        purging = asyncio.create_task(_purge(jobs))
        yield
        purging.cancel()
        await asyncio.to_thread(queue.close)
        for handle in asking:
            handle.remove()

    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    _add_page(app, describe_api(service.models, service.limits, token is not None))
    api = Api(service, queue, jobs, token, timeout)
    for path, methods, endpoint in api.routes():
        app.add_api_route(path, endpoint, methods=list(methods))
    app.add_exception_handler(HTTPException, no_page)
    app.add_middleware(
        Guard, hosts=hosts, headers=security_headers("data:", "blob:"), own_pages=True
    )
    return app


def _add_page(app: FastAPI, description: dict[str, Any]) -> None:
    """Adds the page's files, as they are now, and the description of the interface."""
    files = {
        entry.name: (entry.read_bytes(), kind)
        for entry in (resources.files("rabit.editor") / "page").iterdir()
        if (kind := _KINDS.get("." + entry.name.rpartition(".")[2])) is not None
    }
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):
        app.add_api_route(path, page_file(*files[name]), methods=["GET"])
    for name, (content, kind) in files.items():
        app.add_api_route(f"/static/{name}", page_file(content, kind), methods=["GET"])
    app.add_api_route("/openapi.json", _document(description), methods=["GET"])


def _document(content: dict[str, Any]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(content, headers={"Cache-Control": "no-cache"})

    return endpoint


async def _purge(jobs: Jobs) -> None:
    """Forgets jobs whose time is over, even if nobody asks."""
    while True:
        await asyncio.sleep(_PURGE_SECONDS)
        jobs.purge()
