"""Many clients at once: every one gets its own pictures, and memory stays as it is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")
pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install fastapi uvicorn")

from editor_samples import EditorClient, RunningEditor, resident_bytes, serving_editor, small_recipe

CLIENTS = 32
SECONDS = 6.0
REQUESTS = 100


@pytest.fixture(scope="module")
def running() -> Iterator[RunningEditor]:
    with serving_editor() as started:
        yield started


def test_nothing_is_lost_or_mixed_up(running: RunningEditor) -> None:
    recipes = [small_recipe(seed, (16, 16)) for seed in range(CLIENTS)]
    expected = [running.client.post("/api/translate", r).json()["image"] for r in recipes]
    assert len(set(expected)) == CLIENTS
    found: Counter[str] = Counter()
    served: Counter[int] = Counter()
    deadline = time.monotonic() + SECONDS

    def ask(number: int) -> None:
        client = EditorClient(running.port, name=f"client-{number}")
        while time.monotonic() < deadline or not served[number]:
            reply = client.post("/api/translate", recipes[number])
            if reply.status == 200:
                right = reply.json()["image"] == expected[number]
                found["right" if right else "wrong"] += 1
                served[number] += 1
            else:
                found[str(reply.status)] += 1
                time.sleep(int(reply.headers["retry-after"]) / 4)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(found) <= {"right", "429"} and found["429"] > 0
    assert len(served) == CLIENTS and found["right"] == served.total()


def test_memory_stays_as_it_is(running: RunningEditor) -> None:
    recipes = [small_recipe(seed, (112, 128)) for seed in range(3)]

    def ask(times: int) -> int:
        for number in range(times):
            assert running.client.post("/api/match", recipes[number % 3]).status == 200
            assert running.client.post("/api/labels", {"labels": "x", "model": "m"}).status == 422
        return resident_bytes(running.process)

    before = ask(20)
    # Should the recipe of each request be kept, it would grow by 45 MiB.
    assert ask(REQUESTS) - before < 12 * 2**20
