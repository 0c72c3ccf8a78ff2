from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="pages need FastAPI: pip install fastapi uvicorn")

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from asgi_calls import begin, get, post
from rabit import serving
from rabit.serving import (
    LOOPBACK,
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
from study_samples import Reply


def application(own_pages: bool = True, hosts: tuple[str, ...] | None = LOOPBACK) -> Any:
    """Returns a server that tells how many bytes it was sent, at most 10, and a token."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def length(request: Request) -> Response:
        content = b"".join([part async for part in json_parts(request, 10, 0.2)])
        return JSONResponse({"length": len(content)})

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestError)
        return JSONResponse({"error": str(error)}, status_code=error.status)

    async def token(request: Request) -> Response:
        return JSONResponse({"token": bearer_token(request)})

    app.add_api_route("/length", length, methods=["POST"])
    app.add_api_route("/page", page_file(b"page", "text/html; charset=utf-8"), methods=["GET"])
    app.add_api_route("/token", token, methods=["GET"])
    app.add_exception_handler(RequestError, refused)
    app.add_exception_handler(HTTPException, no_page)
    headers = security_headers("data:", "blob:")
    app.add_middleware(Guard, hosts=hosts, headers=headers, own_pages=own_pages)
    return app


def ask(path: str, headers: dict[str, str] | None = None, **options: Any) -> Reply:
    return asyncio.run(get(application(**options), path, headers))


def send(body: Any, headers: dict[str, str] | None = None, **options: Any) -> Reply:
    async def main() -> Reply:
        return await post(application(**options), "/length", body, headers).reply()

    return asyncio.run(main())


JSON = {"content-type": "application/json"}


def send_parts(*parts: bytes, headers: dict[str, str], ends: bool = True) -> Reply:
    """Sends a body part by part; the last may never come."""

    async def main() -> Reply:
        call = begin(application(), "POST", "/length", headers)
        for i, part in enumerate(parts):
            call.give(part, more=i + 1 < len(parts) or not ends)
        return await call.reply()

    return asyncio.run(main())


@pytest.mark.parametrize("path", ["/page", "/none", "/length"])
def test_every_answer_has_the_security_headers(path: str) -> None:
    headers = ask(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "img-src 'self' data: blob:;" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("no-cache" if path == "/page" else "no-store")


def test_unknown_addresses_and_methods_are_told_as_json() -> None:
    assert (ask("/none").status, ask("/none").json()) == (
        404,
        {"error": "Not Found", "field": None},
    )
    wrong = ask("/length")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json() == {"error": "Method Not Allowed", "field": None}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::1",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost#evil.example",
        "localhost/evil.example",
        "localhost?evil.example",
        "localhost:port",
        "localhost:123456",
    ],
)
def test_other_host_names_are_refused(host: str) -> None:
    refused = ask("/page", {"host": host})
    assert refused.status == 400
    assert refused.json()["error"].startswith(f"host name {host!r}, expected one of 127.0.0.1, ")
    assert ask("/page", {"host": host}, hosts=None).status == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000"])
def test_own_host_names_are_answered(host: str) -> None:
    assert ask("/page", {"host": host}).status == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:9000", "file://", "http://[", "localhost"],
)
def test_pages_of_other_sites_change_nothing(origin: str) -> None:
    headers = {"host": "localhost:8000", "origin": origin}
    refused = send(1, headers)
    assert refused.status == 403
    assert refused.json()["error"].startswith(f"a page of another site, {origin!r}; use")
    assert send(1, headers, own_pages=False).status == 200
    assert ask("/page", headers).status == 200


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://LOCALHOST:8000"])
def test_the_own_page_may_change_something(origin: str) -> None:
    assert send(1, {"host": "localhost:8000", "origin": origin}).status == 200


def test_bodies_are_read_up_to_a_length() -> None:
    assert send(1234567890).json() == {"length": 10}
    assert send_parts(b"12345", b"67890", headers=JSON).json() == {"length": 10}
    assert send(12345678901).status == 413


@pytest.mark.parametrize("length", ["11", "9" * 30])
def test_a_length_that_is_too_large_is_refused_before_it_comes(length: str) -> None:
    reply = send_parts(b"", headers={**JSON, "content-length": length}, ends=False)
    assert reply.status == 413 and reply.headers["connection"] == "close"


def test_an_endless_body_is_cut_off() -> None:
    async def main() -> None:
        headers = {**JSON, "transfer-encoding": "chunked"}
        call = begin(application(), "POST", "/length", headers)
        call.give(b"x" * 11, more=True)
        while len(call.sent) < 2:
            await asyncio.sleep(0.01)
        # The answer is there, but the connection stays open while more comes.
        assert call.sent[0]["status"] == 413 and call.sent[1]["more_body"]
        assert (b"connection", b"close") in call.sent[0]["headers"]
        assert not call.task.done()
        call.give(b"x" * 1000)
        assert (await call.reply()).status == 413

    asyncio.run(main())


def test_not_all_of_an_endless_body_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_LINGER_SECONDS", 0.1)
    headers = {**JSON, "transfer-encoding": "chunked"}
    assert send_parts(b"x" * 11, headers=headers, ends=False).status == 413
    monkeypatch.setattr(serving, "_LINGER_SECONDS", 60.0)
    monkeypatch.setattr(serving, "_LINGER_BYTES", 1000)
    assert send_parts(b"x" * 11, b"x" * 1000, headers=headers, ends=False).status == 413


def test_a_body_must_come_in_time() -> None:
    reply = send_parts(b"1", headers=JSON, ends=False)
    assert reply.status == 408 and "within 0.2 s" in reply.json()["error"]


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data", "application/jsonp", "application/xml"]
)
def test_only_json_is_read(kind: str) -> None:
    assert send(1, {"content-type": kind}).status == 415


def test_json_may_name_its_encoding() -> None:
    assert send(1, {"content-type": "Application/JSON; charset=utf-8"}).status == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400), (b"{", 400), (b"\xff\xfe{}", 400), ('{"a": 1}'.encode("utf-16"), 400),
        (b"[" * 100_000, 400), (b"9" * 5000, 400), (b"[]", 422), (b"null", 422), (b'"{}"', 422),
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(content: bytes, status: int) -> None:
    with pytest.raises(RequestError) as caught:
        parse_json(content)
    assert caught.value.status == status


def test_json_objects_are_read() -> None:
    assert parse_json('{"a": "ü"}'.encode()) == {"a": "ü"}
    assert parse_json(bytearray(b"{}")) == {}
    numbers = parse_json(b'{"n": [1.0, 2e3, 1.5, 1e400, -0.0, 1e300]}')["n"]
    assert numbers == [1, 2000, 1.5, float("inf"), 0, 1e300]
    assert [type(n) for n in numbers] == [int, int, float, float, int, float]


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("Bearer ", ""), ("Basic abc", ""), ("abc", ""), ("bearer abc", "")],
)
def test_tokens_are_those_of_the_header(header: str, token: str) -> None:
    assert ask("/token", {"authorization": header}).json() == {"token": token}
    assert ask("/token").json() == {"token": None}


def test_what_was_sent_can_be_quoted() -> None:
    answer = refusal(422, "found '\ud800', ü", "\ud800", {"Retry-After": "3"})
    assert json.loads(bytes(answer.body)) == {"error": "found '\\ud800', ü", "field": "\\ud800"}
    assert (answer.status_code, answer.headers["retry-after"]) == (422, "3")
