from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from rabit.editor.checks import RecipeError
from rabit.editor.jobs import KEPT_SECONDS, Jobs, NoJobError
from rabit.editor.queueing import FairQueue
from rabit.editor.tickets import BusyError, Client, ClosedError, Ticket

ME = Client("here", "me")


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Worker:
    """Answers a request when it is let to; a request says what comes of it."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Semaphore(0), threading.Semaphore(0)
        self.seen: list[Mapping[str, Any]] = []

    def __call__(self, document: Mapping[str, Any]) -> bytes:
        self.seen.append(document)
        self.begun.release()
        assert self.go.acquire(timeout=10)
        if "fails" in document:
            raise document["fails"]
        return b"x" * int(document.get("size", 1))

    def let(self, times: int = 1) -> None:
        for _ in range(times):
            self.go.release()


@pytest.fixture
def queue() -> Iterator[FairQueue]:
    made = FairQueue(most=2, most_each=1)
    yield made
    made.close()


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(queue: FairQueue, worker: Worker, clock: Clock) -> Jobs:
    return Jobs(queue, worker, most=3, most_each=2, most_bytes=100, clock=clock)


def until(jobs: Jobs, name: str, **expected: Any) -> dict[str, Any]:
    """Waits until a job is as expected."""
    for _ in range(1000):
        told = jobs.progress(name)
        if all(told[key] == value for key, value in expected.items()):
            return told
        time.sleep(0.005)
    raise AssertionError(f"expected {expected}, found {told}")


def test_a_job_is_done_request_by_request(jobs: Jobs, worker: Worker) -> None:
    name = jobs.start(ME, [{"size": 1}, {"size": 2}, {"size": 3}], 10)
    assert worker.begun.acquire(timeout=10)
    assert until(jobs, name, state="running", done=0, total=3)["errors"] == []
    worker.let()
    until(jobs, name, state="running", done=1)
    assert jobs.result(name, 0) == b"x"
    for index in (1, 3, -1, 10**9):
        with pytest.raises(NoJobError, match="no result"):
            jobs.result(name, index)
    worker.let(2)
    until(jobs, name, state="done", done=3, errors=[])
    assert [jobs.result(name, i) for i in range(3)] == [b"x", b"xx", b"xxx"]
    assert [seen["size"] for seen in worker.seen] == [1, 2, 3]


def test_a_job_that_waits_says_so(queue: FairQueue, jobs: Jobs, worker: Worker) -> None:
    go = threading.Event()
    queue.submit(Ticket(Client("other"), lambda: go.wait(10)))
    name = jobs.start(ME, [{}], 1)
    assert jobs.progress(name)["state"] == "waiting"
    go.set()
    worker.let()
    until(jobs, name, state="done")


def test_failures_are_told_and_the_rest_is_done(jobs: Jobs, worker: Worker) -> None:
    requests: list[dict[str, Any]] = [
        {"fails": RecipeError("seed", "wrong")},
        {},
        {"fails": KeyError("secret")},
    ]
    name = jobs.start(ME, requests, 1)
    worker.let(3)
    told = until(jobs, name, state="done", done=3)
    assert [error["index"] for error in told["errors"]] == [0, 2]
    assert told["errors"][0]["error"] == "seed: wrong"
    assert "log" in told["errors"][1]["error"] and "secret" not in told["errors"][1]["error"]
    assert jobs.result(name, 1) == b"x"
    with pytest.raises(NoJobError):
        jobs.result(name, 0)


def test_a_job_of_failures_failed(jobs: Jobs, worker: Worker) -> None:
    name = jobs.start(ME, [{"fails": RecipeError("seed", "wrong")}], 1)
    worker.let()
    until(jobs, name, state="failed", done=1)


def test_a_removed_job_is_not_gone_on_with(jobs: Jobs, worker: Worker) -> None:
    name = jobs.start(ME, [{}, {}, {}], 1)
    assert worker.begun.acquire(timeout=10)
    jobs.remove(name)
    worker.let(3)
    for call in (jobs.progress, jobs.remove):
        with pytest.raises(NoJobError, match="no such job"):
            call(name)
    after = jobs.start(ME, [{}], 1)
    until(jobs, after, state="done")
    assert len(worker.seen) == 2


def test_a_removed_job_that_waits_leaves_the_queue(
    queue: FairQueue, jobs: Jobs, worker: Worker
) -> None:
    jobs.start(Client("other"), [{}], 1)
    assert worker.begun.acquire(timeout=10)
    name = jobs.start(ME, [{}], 1)
    assert queue.waiting == 1
    jobs.remove(name)
    assert queue.waiting == 0
    worker.let()


def test_names_are_of_no_order(jobs: Jobs, worker: Worker) -> None:
    worker.let(2)
    names = [jobs.start(ME, [{}], 1) for _ in range(2)]
    assert all(len(name) >= 32 for name in names) and names[0][:8] != names[1][:8]
    with pytest.raises(NoJobError):
        jobs.progress(names[0][:-1])


def test_there_are_no_more_jobs_than_may_be(jobs: Jobs, worker: Worker) -> None:
    names = [jobs.start(ME, [{}], 1) for _ in range(2)]
    with pytest.raises(BusyError, match="2 of your jobs"):
        jobs.start(ME, [{}], 1)
    names.append(jobs.start(Client("here", "other"), [{}], 1))
    with pytest.raises(BusyError, match="too many jobs"):
        jobs.check_room(Client("there"))
    worker.let(3)
    for name in names:
        until(jobs, name, state="done")
    newest = jobs.start(ME, [{}], 1)
    worker.let()
    until(jobs, newest, state="done")
    with pytest.raises(NoJobError):
        jobs.progress(names[0])  # the oldest has made room
    assert jobs.progress(names[2])["state"] == "done"


def test_jobs_hold_no_more_bytes_than_may_be(jobs: Jobs, worker: Worker) -> None:
    first = jobs.start(ME, [{"size": 30}], 10)
    worker.let()
    until(jobs, first, state="done")
    with pytest.raises(BusyError, match="too many jobs"):
        jobs.start(Client("there"), [{}], 101)
    second = jobs.start(ME, [{"size": 60}, {"size": 60}, {"size": 10}], 20)
    worker.let(3)
    told = until(jobs, second, state="done", done=3)
    assert [error["index"] for error in told["errors"]] == [1]
    assert "no room" in told["errors"][0]["error"]
    assert len(jobs.result(second, 2)) == 10
    with pytest.raises(NoJobError):
        jobs.progress(first)


def test_what_has_ended_is_forgotten_in_time(jobs: Jobs, worker: Worker, clock: Clock) -> None:
    name = jobs.start(ME, [{}], 1)
    running = jobs.start(ME, [{}], 1)
    worker.let()
    until(jobs, name, state="done")
    clock.seconds += KEPT_SECONDS
    assert jobs.result(name, 0) == b"x"
    clock.seconds += 1
    with pytest.raises(NoJobError):
        jobs.result(name, 0)
    assert jobs.progress(running)["done"] == 0
    worker.let()


def test_a_job_takes_no_more_turns_than_others(
    queue: FairQueue, jobs: Jobs, worker: Worker
) -> None:
    done: list[str] = []
    name = jobs.start(ME, [{} for _ in range(4)], 1)
    assert worker.begun.acquire(timeout=10)
    other = Ticket(Client("here", "other"), lambda: done.append("other"))
    queue.submit(other)
    worker.let()
    other.future.result(10)
    assert jobs.progress(name)["done"] == 1
    worker.let(3)
    until(jobs, name, state="done")


def test_requests_that_are_done_stay_in_no_memory(queue: FairQueue) -> None:
    class Document(dict[str, Any]):
        pass

    documents = [Document() for _ in range(2)]
    gone = [weakref.ref(document) for document in documents]
    go = threading.Event()
    jobs = Jobs(queue, lambda document: b"x" if "last" not in document else str(go.wait()).encode())
    documents[1]["last"] = True
    name = jobs.start(ME, documents, 1)
    del documents
    until(jobs, name, done=1)
    for _ in range(200):
        gc.collect()
        if gone[0]() is None:
            break
        time.sleep(0.01)
    assert gone[0]() is None and gone[1]() is not None
    go.set()
    until(jobs, name, state="done")


def test_a_closed_queue_ends_jobs(queue: FairQueue, jobs: Jobs, worker: Worker) -> None:
    name = jobs.start(ME, [{}, {}, {}], 1)
    assert worker.begun.acquire(timeout=10)
    closing = threading.Thread(target=queue.close)
    closing.start()
    while True:
        try:
            queue.check_room(Client("x"))
        except ClosedError:
            break
    worker.let()
    told = until(jobs, name, done=3)
    assert [error["index"] for error in told["errors"]] == [1, 2]
    closing.join(10)
    with pytest.raises(ClosedError):
        jobs.start(ME, [{}], 1)
