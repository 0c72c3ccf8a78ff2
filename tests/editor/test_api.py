"""When requests wait, are replaced, refused, given up or left."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import pytest
from torch.nn import Module

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")

from asgi_calls import Call, begin, get, living, post
from editor_samples import small_recipe
from rabit.editor import api
from rabit.editor.checks import Limits
from rabit.editor.queueing import FairQueue
from rabit.editor.recipe import Recipe
from rabit.editor.server import make_app
from rabit.editor.service import Service
from rabit.inference import Translator
from rabit.model.network import build_network
from study_samples import Reply
from tiny import tiny_experiment


class HeldService(Service):
    """Answers a recipe with its seed, when it is let to."""

    def __init__(self) -> None:
        config = tiny_experiment().model
        super().__init__({"scenes-small": Translator(build_network(config), config)}, Limits())
        self.go, self.begun = threading.Semaphore(0), threading.Semaphore(0)
        self.seen: list[int] = []
        self.parsed = 0

    def parse(self, document: object, task: str | None = None) -> Recipe:
        self.parsed += 1
        return super().parse(document, task)

    def answer(self, recipe: Recipe, outputs: Collection[str]) -> bytes:
        self.seen.append(recipe.seed)
        self.begun.release()
        assert self.go.acquire(timeout=30)
        if recipe.seed == 666:
            raise ZeroDivisionError("a secret of the server")
        return str(recipe.seed).encode()

    def let(self, times: int = 1) -> None:
        for _ in range(times):
            self.go.release()


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return small_recipe()


Scenario = Callable[[Any, HeldService], Awaitable[None]]


def play(scenario: Scenario, **options: Any) -> None:
    """Runs a scenario with an application of its own."""

    async def main() -> None:
        service = HeldService()
        queue = FairQueue(most=options.pop("most", 16))
        app = make_app(service, queue=queue, **options)
        async with living(app):
            try:
                await scenario(app, service)
            finally:
                service.let(100)

    asyncio.run(main())


async def begun(service: HeldService) -> None:
    assert await asyncio.to_thread(service.begun.acquire, True, 30)


async def waits(call: Call) -> None:
    """Lets a request come as far as it can: it must not be answered."""
    for _ in range(30):
        await asyncio.sleep(0.01)
    assert not call.task.done()


def error(reply: Reply) -> str:
    told = reply.json()
    assert set(told) == {"error", "field"}
    return str(told["error"])


def test_requests_are_done_in_turn(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        def ask(seed: int, name: str) -> Call:
            headers = {"X-Rabit-Client": name}
            return post(app, "/api/translate", {**document, "seed": seed}, headers)

        first = ask(0, "a")
        await begun(service)
        calls = []
        for seed, name in ((1, "a"), (2, "a"), (3, "b")):
            calls.append(ask(seed, name))
            await waits(calls[-1])
        service.let(4)
        for seed, call in enumerate([first, *calls]):
            assert (await call.reply()).body == str(seed).encode()
        assert service.seen == [0, 1, 3, 2]

    play(scenario)


def test_a_full_queue_refuses(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        running = post(app, "/api/translate", document)
        await begun(service)
        waiting = [post(app, "/api/translate", document, {"X-Rabit-Client": n}) for n in "ab"]
        await waits(waiting[1])
        for path in ("/api/translate", "/api/match"):
            refused = await post(app, path, document, {"X-Rabit-Client": "c"}).reply()
            assert refused.status == 429 and "2 requests are waiting" in error(refused)
            assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert service.parsed == 3, "pictures of a request that has no room are not decoded"
        service.let(3)
        assert [(await call.reply()).status for call in (running, *waiting)] == [200, 200, 200]
        service.let()
        assert (await post(app, "/api/translate", document).reply()).status == 200

    play(scenario, most=2)


def test_one_client_does_not_fill_the_queue(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        first = post(app, "/api/translate", document)
        await begun(service)
        own = [post(app, "/api/translate", document) for _ in range(4)]
        await waits(own[-1])
        refused = await post(app, "/api/translate", document).reply()
        assert refused.status == 429 and "4 of your requests" in error(refused)
        other = post(app, "/api/translate", document, address="192.0.2.1")
        await waits(other)
        service.let(6)
        assert (await other.reply()).status == (await first.reply()).status == 200

    play(scenario)


def test_a_newer_preview_takes_the_place_of_the_older(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        def preview(seed: int) -> Call:
            headers = {"X-Rabit-Client": "a", "X-Rabit-Latest": "preview"}
            return post(app, "/api/translate", {**document, "seed": seed}, headers)

        calls = [preview(0)]
        await begun(service)
        for seed in (1, 2, 3):
            calls.append(preview(seed))
            await waits(calls[-1])
        for call in calls[1:3]:
            replaced = await call.reply()
            assert replaced.status == 409 and error(replaced) == "replaced by a newer request"
        service.let(2)
        assert [(await calls[i].reply()).body for i in (0, 3)] == [b"0", b"3"]
        assert service.seen == [0, 3]

    play(scenario)


def test_what_its_client_has_left_is_not_done(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        running = post(app, "/api/translate", {**document, "seed": 1})
        await begun(service)
        left = post(app, "/api/translate", {**document, "seed": 2})
        after = post(app, "/api/translate", {**document, "seed": 3})
        await waits(after)
        for call in (running, left):
            call.leave()
            assert (await call.reply()).status == 499
        service.let(2)
        assert (await after.reply()).body == b"3"
        assert service.seen == [1, 3]

    play(scenario)


def test_what_runs_ends_when_its_client_leaves(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        layer = next(m for m in service.translators["scenes-small"].network.modules() if _leaf(m))
        passes = []

        def answer(recipe: Recipe, outputs: Collection[str]) -> bytes:
            service.begun.release()
            until = time.monotonic() + (20 if recipe.seed == 1 else 0)
            while time.monotonic() < until:
                for ask in layer._forward_pre_hooks.values():  # as a pass does before the layer
                    ask(layer, ())
                passes.append(recipe.seed)
                time.sleep(0.01)
            return b"done"

        service.answer = answer  # type: ignore[method-assign]
        running = post(app, "/api/translate", {**document, "seed": 1})
        await begun(service)
        after = post(app, "/api/translate", {**document, "seed": 2})
        await waits(after)
        running.leave()
        assert (await running.reply()).status == 499
        assert (await asyncio.wait_for(after.reply(), 10)).body == b"done"
        assert passes

    play(scenario)


def _leaf(module: Module) -> bool:
    return next(module.children(), None) is None


def test_who_leaves_makes_room(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        running = post(app, "/api/translate", document)
        await begun(service)
        left = post(app, "/api/translate", document)
        await waits(left)
        assert (await post(app, "/api/translate", document).reply()).status == 429
        left.leave()
        await left.reply()
        after = post(app, "/api/translate", document)
        await waits(after)
        service.let(2)
        assert (await running.reply()).status == (await after.reply()).status == 200

    play(scenario, most=1)


def test_a_failure_that_nobody_waits_for_is_no_matter(
    document: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        late = await post(app, "/api/translate", {**document, "seed": 666}).reply()
        assert late.status == 503
        service.let(2)
        assert (await post(app, "/api/translate", document).reply()).status == 200
        gc.collect()

    play(scenario, timeout=1.0)
    assert "never retrieved" not in caplog.text


def test_bodies_of_many_values_are_not_parsed() -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        parts: list[Any] = [[], {}, 0]
        for part in parts:
            refused = await post(app, "/api/translate", {"task": [part] * 70_000}).reply()
            assert refused.status == 422 and "more than 65536 values" in error(refused)
        assert service.parsed == 0

    play(scenario)


def test_a_client_that_leaves_while_it_sends_is_forgotten(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        call = begin(app, "POST", "/api/translate", {"content-type": "application/json"})
        call.give(b'{"task": ', more=True)
        call.leave()
        assert (await call.reply()).status == 499
        service.let()
        assert (await post(app, "/api/translate", document).reply()).status == 200

    play(scenario)


def test_what_takes_too_long_is_given_up(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        first = post(app, "/api/translate", {**document, "seed": 0})
        await begun(service)
        for call in (first, post(app, "/api/translate", {**document, "seed": 1})):
            late = await call.reply()
            assert late.status == 503 and "no result within 1 s" in error(late)
            assert int(late.headers["retry-after"]) >= 1
        service.let(2)
        assert (await post(app, "/api/translate", {**document, "seed": 3}).reply()).body == b"3"
        assert service.seen == [0, 3]

    play(scenario, timeout=1.0)


def test_a_body_that_comes_too_slowly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_BODY_SECONDS", 0.2)

    async def scenario(app: Any, service: HeldService) -> None:
        call = begin(app, "POST", "/api/translate", {"content-type": "application/json"})
        call.give(b"{", more=True)
        for _ in range(5):
            await asyncio.sleep(0.05)
            call.give(b" ", more=True)
        late = await call.reply()
        assert late.status == 408 and "did not come within 0.2 s" in error(late)

    play(scenario)


def test_bodies_hold_no_more_memory_than_may_be(
    monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    monkeypatch.setattr(api, "_MOST_BODY_BYTES", 100_000)

    async def scenario(app: Any, service: HeldService) -> None:
        slow = begin(app, "POST", "/api/translate", {"content-type": "application/json"})
        slow.give(b" " * 99_000, more=True)
        await waits(slow)
        refused = await post(app, "/api/translate", document).reply()
        assert refused.status == 429 and "too many large requests" in error(refused)
        slow.leave()
        await slow.reply()
        service.let()
        assert (await post(app, "/api/translate", document).reply()).status == 200

    play(scenario)


def test_a_failure_is_told_plainly_and_the_next_is_done(
    document: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        service.let(2)
        failed = await post(app, "/api/translate", {**document, "seed": 666}).reply()
        assert failed.status == 500 and "log" in error(failed)
        assert "secret" not in failed.body.decode()
        assert (await post(app, "/api/translate", document).reply()).status == 200

    with caplog.at_level(logging.ERROR):
        play(scenario)
    assert "ZeroDivisionError: a secret of the server" in caplog.text


def test_a_server_that_ends_says_so_to_those_that_wait(document: dict[str, Any]) -> None:
    left: list[Call] = []

    async def scenario(app: Any, service: HeldService) -> None:
        left.append(post(app, "/api/translate", document))
        await begun(service)
        left.append(post(app, "/api/translate", document))
        await waits(left[1])

    async def main() -> None:
        service = HeldService()
        app = make_app(service)
        async with living(app):
            await scenario(app, service)
            threading.Timer(0.3, service.let).start()
        assert (await left[0].reply()).status == 200
        told = await left[1].reply()
        assert told.status == 503 and "ending" in error(told) and told.headers["retry-after"]

    asyncio.run(main())


def test_jobs_of_others_are_not_to_be_found(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        requests = [{**document, "seed": seed} for seed in (1, 2)]
        started = await post(app, "/api/jobs", {"requests": requests}).reply()
        assert started.status == 202
        name = started.json()["id"]
        await begun(service)
        told = (await get(app, f"/api/jobs/{name}")).json()
        assert (told["state"], told["done"], told["total"]) == ("running", 0, 2)
        assert (await get(app, f"/api/jobs/{name}/results/0")).status == 404
        service.let(2)
        while (told := (await get(app, f"/api/jobs/{name}")).json())["state"] == "running":
            await asyncio.sleep(0.01)
        assert (told["state"], told["errors"]) == ("done", [])
        assert (await get(app, f"/api/jobs/{name}/results/1")).body == b"2"
        for path in ("none", name[:-1], f"{name}/results/2", f"{name}/results/-1", "..", "%2e"):
            assert (await get(app, f"/api/jobs/{path}")).status == 404
        call = begin(app, "DELETE", f"/api/jobs/{name}")
        call.give(b"")
        assert (await call.reply()).status == 204
        assert (await get(app, f"/api/jobs/{name}")).status == 404

    play(scenario)


def test_a_job_with_one_wrong_request_is_refused_whole(document: dict[str, Any]) -> None:
    async def scenario(app: Any, service: HeldService) -> None:
        for requests, field in (
            ([document, {**document, "seed": -1}], "requests[1].seed"),
            ([], "requests"),
            ([document] * 33, "requests"),
            ({}, "requests"),
        ):
            refused = await post(app, "/api/jobs", {"requests": requests}).reply()
            assert refused.status == 422 and refused.json()["field"] == field
        service.let()
        assert (await post(app, "/api/jobs", {"requests": [document]}).reply()).status == 202
        assert (await post(app, "/api/jobs", {"more": [document]}).reply()).status == 422

    play(scenario)


def test_nobody_waits_for_batches_that_are_checked(document: dict[str, Any]) -> None:
    checked = threading.Event()

    async def scenario(app: Any, service: HeldService) -> None:
        def check(given: object) -> tuple[list[dict[str, Any]], int]:
            assert checked.wait(30)
            return Service.check_job(service, given)

        service.check_job = check  # type: ignore[method-assign, assignment]
        jobs = [post(app, "/api/jobs", {"requests": [document]}, address=str(i)) for i in range(4)]
        await asyncio.sleep(0.2)
        service.let(5)
        single = post(app, "/api/translate", document)
        try:
            assert (await single.reply()).status == 200
        finally:
            checked.set()
        assert [(await job.reply()).status for job in jobs] == [202] * 4

    play(scenario)
