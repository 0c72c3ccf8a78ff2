"""The editor's interface: requests over HTTP in, JSON out.

It needs FastAPI, and is imported where the editor is served only.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from rabit.editor.jobs import Jobs, NoJobError
from rabit.editor.queueing import FairQueue
from rabit.editor.recipe import Recipe, RecipeError
from rabit.editor.service import MATCH_OUTPUTS, NoExampleError, Service, recipe_bytes
from rabit.editor.tickets import BusyError, Client, ClosedError, ReplacedError, Ticket
from rabit.serving import (
    CLOSED,
    Endpoint,
    RequestError,
    bearer_token,
    json_parts,
    parse_json,
    refusal,
)

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

# Of all requests together, so that no number of clients fills the memory.
_MOST_BODY_BYTES = 128 * 2**20
_MOST_VALUES = 65_536
_DECODING = 2
_BODY_SECONDS = 30.0
_MOST_SEED = 2**31 - 1
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SEED = re.compile(r"[0-9]{1,10}")


class Api:
    """The endpoints of the interface.

    Args:
        service: what answers.
        queue: of the device that the models are on.
        jobs: batches of requests.
        token: that requests must carry; None for none.
        timeout: seconds after which a request is given up.
    """

    def __init__(
        self, service: Service, queue: FairQueue, jobs: Jobs, token: str | None, timeout: float
    ) -> None:
        self.service, self.queue, self.jobs = service, queue, jobs
        self.token, self.timeout = token, timeout
        self._decoding = asyncio.Semaphore(_DECODING)
        # Batches of hundreds of pictures are checked beside that, so that nobody waits for them.
        self._checking = asyncio.Semaphore(1)
        self._body_bytes = 0

    def routes(self) -> list[tuple[str, tuple[str, ...], Endpoint]]:
        """Returns the path, the methods and the function of each endpoint."""
        running = {
            "/api/translate": partial(self._run, task="translate", outputs=None),
            "/api/edit": partial(self._run, task="edit", outputs=None),
            "/api/match": partial(self._run, task=None, outputs=MATCH_OUTPUTS),
        }
        given: list[tuple[str, tuple[str, ...], Callable[[Request], Awaitable[Response]]]] = [
            ("/api/models", ("GET",), self._models),
            ("/api/example", ("GET",), self._example),
            ("/api/labels", ("POST",), self._labels),
            *((path, ("POST",), endpoint) for path, endpoint in running.items()),
            ("/api/jobs", ("POST",), self._new_job),
            ("/api/jobs/{id}", ("GET", "DELETE"), self._job),
            ("/api/jobs/{id}/results/{index}", ("GET",), self._job_result),
        ]
        return [(path, methods, self._guarded(action)) for path, methods, action in given]

    def _guarded(self, action: Callable[[Request], Awaitable[Response]]) -> Endpoint:
        """Lets those in who may, and turns errors into answers."""

        async def endpoint(request: Request) -> Response:
            try:
                self._check_token(request)
                return await action(request)
            except Exception as error:
                return _refusal(error)

        return endpoint

    def _check_token(self, request: Request) -> None:
        if self.token is None:
            return
        given = bearer_token(request) or ""
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            raise RequestError(
                401,
                "wrong or missing token; open the address that `rabit serve` has printed",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _models(self, request: Request) -> Response:
        return JSONResponse(self.service.about())

    async def _example(self, request: Request) -> Response:
        known = {"model", "seed"}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise RequestError(422, f"unknown parameter {unknown[0]}", unknown[0])
        seed = request.query_params.get("seed", "0")
        if not _SEED.fullmatch(seed) or int(seed) > _MOST_SEED:
            raise RequestError(422, f"expected a whole number from 0 to {_MOST_SEED}", "seed")
        default = next(iter(self.service.models))
        model = request.query_params.get("model", default)
        return JSONResponse(await self._decoded(self.service.example, model, int(seed)))

    async def _labels(self, request: Request) -> Response:
        return JSONResponse(await self._reading(request, self.service.labels))

    async def _run(
        self, request: Request, task: str | None, outputs: Collection[str] | None
    ) -> Response:
        client, latest = _client(request), _header(request, "X-Rabit-Latest")
        recipe: Recipe = await self._reading(
            request, partial(self.service.parse, task=task), client, latest
        )
        wanted = recipe.outputs if outputs is None else outputs
        work = partial(self.service.answer, recipe, wanted)
        ticket = Ticket(client, work, recipe_bytes(recipe), latest)
        return Response(await self._turn(request, ticket), media_type="application/json")

    async def _turn(self, request: Request, ticket: Ticket[bytes]) -> bytes:
        """Awaits the result of work, unless the client goes or it takes too long."""
        self.queue.submit(ticket)
        result = asyncio.wrap_future(ticket.future)
        gone = asyncio.create_task(_gone(request))
        try:
            either: set[asyncio.Future[Any]] = {result, gone}
            await asyncio.wait(either, timeout=self.timeout, return_when=asyncio.FIRST_COMPLETED)
            if result.done():
                return result.result()
            if gone.done():
                raise RequestError(CLOSED, "the connection was closed")
            raise self._late()
        finally:
            gone.cancel()
            result.cancel()
            self.queue.drop(ticket)

    async def _new_job(self, request: Request) -> Response:
        client = _client(request)
        self.jobs.check_room(client)
        documents, size = await self._reading(request, self.service.check_job, line=self._checking)
        return JSONResponse({"id": self.jobs.start(client, documents, size)}, status_code=202)

    async def _job(self, request: Request) -> Response:
        name = str(request.path_params["id"])
        if request.method == "DELETE":
            self.jobs.remove(name)
            return Response(status_code=204)
        return JSONResponse(self.jobs.progress(name))

    async def _job_result(self, request: Request) -> Response:
        index = str(request.path_params["index"])
        found = self.jobs.result(
            str(request.path_params["id"]), int(index) if re.fullmatch("[0-9]{1,3}", index) else -1
        )
        return Response(found, media_type="application/json")

    async def _reading(
        self,
        request: Request,
        read: Callable[[dict[str, Any]], T],
        client: Client | None = None,
        latest: str | None = None,
        line: asyncio.Semaphore | None = None,
    ) -> T:
        """Reads a body and what it holds; a full queue refuses it before its pictures are decoded.

        Args:
            request: that carries it.
            read: turns its JSON into something.
            client: who wants to queue it; None if it is not queued.
            latest: the key by which it may take an older one's place.
            line: that it is decoded in; that of single requests if left out.
        """
        content = bytearray()
        try:
            async for part in json_parts(request, self.service.limits.bytes, _BODY_SECONDS):
                self._body_bytes += len(part)
                content += part
                if self._body_bytes > _MOST_BODY_BYTES:
                    raise BusyError("too many large requests arrive", self.queue.wait_seconds())
            if client is not None:
                self.queue.check_room(client, latest)
            return await self._decoded(lambda: read(_parsed(content)), line=line)
        finally:
            self._body_bytes -= len(content)

    async def _decoded(
        self, function: Callable[..., T], *given: Any, line: asyncio.Semaphore | None = None
    ) -> T:
        """Runs what takes long or much memory in a thread, few of them at a time."""
        try:
            line = line or self._decoding
            await asyncio.wait_for(line.acquire(), self.timeout)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise self._late() from error
        try:
            return await run_in_threadpool(function, *given)
        finally:
            line.release()

    def _late(self) -> RequestError:
        wait = {"Retry-After": str(self.queue.wait_seconds())}
        return RequestError(503, f"no result within {self.timeout:g} s", headers=wait)


def _parsed(content: bytearray) -> dict[str, Any]:
    """The JSON object of a body, unless its many values would take many times its size."""
    if sum(content.count(mark) for mark in b",[{") > _MOST_VALUES:
        raise RequestError(422, f"more than {_MOST_VALUES} values")
    return parse_json(content)


def _header(request: Request, name: str) -> str | None:
    value = request.headers.get(name)
    if value is not None and not _NAME.fullmatch(value):
        raise RequestError(422, "expected 1 to 64 letters, digits, - or _", name)
    return value


def _client(request: Request) -> Client:
    address = "" if request.client is None else request.client.host
    return Client(address, _header(request, "X-Rabit-Client") or "")


async def _gone(request: Request) -> None:
    """Returns when the client of a request that was read has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(error: Exception) -> Response:
    """The answer to a request that failed."""
    field: str | None = None
    headers: dict[str, str] = {}
    text = str(error)
    if isinstance(error, RequestError):
        status, field, headers = error.status, error.field, error.headers
    elif isinstance(error, RecipeError):
        status, field, text = 422, error.field, error.message
    elif isinstance(error, (NoExampleError, NoJobError)):
        status = 404
    elif isinstance(error, BusyError):
        status, headers = 429, {"Retry-After": str(error.seconds)}
    elif isinstance(error, ReplacedError):
        status = 409
    elif isinstance(error, ClosedError):
        status, headers = 503, {"Retry-After": "5"}
    else:
        _LOG.error("a request failed", exc_info=error)
        status, text = 500, "the server failed at this request; its log says how"
    return refusal(status, text, field, headers)
