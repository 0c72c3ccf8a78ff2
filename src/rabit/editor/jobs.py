"""Batches of requests that are worked on one by one while their client asks how far they are."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rabit.editor.checks import RecipeError
from rabit.editor.queueing import FairQueue
from rabit.editor.tickets import BusyError, Client, ClosedError, Ticket

KEPT_SECONDS = 600.0

_LOG = logging.getLogger(__name__)

Answer = Callable[[Mapping[str, Any]], bytes]


class NoJobError(Exception):
    """There is no such job, or no such result of it."""


@dataclass(eq=False)
class _Job:
    client: Client
    documents: list[Mapping[str, Any] | None]
    results: list[bytes | None]
    errors: list[dict[str, Any]] = field(default_factory=list)
    done: int = 0
    size: int = 0
    started: bool = False
    ended: float | None = None
    ticket: Ticket[bytes] | None = None


class Jobs:
    """Keeps batches of requests and their results in memory, for a time after their end.

    Of each job one request at a time stands in the queue, in its client's line, so that a batch
    takes no more turns than anybody else.

    Args:
        queue: where requests wait.
        answer: gives the answer to a request; runs in the queue's thread.
        most: jobs at once, those that have ended included.
        most_each: jobs of one client that have not ended.
        most_bytes: of all requests and results in memory.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        queue: FairQueue,
        answer: Answer,
        most: int = 32,
        most_each: int = 2,
        most_bytes: int = 256 * 2**20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.queue, self.answer, self.clock = queue, answer, clock
        self.most, self.most_each, self.most_bytes = most, most_each, most_bytes
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.RLock()

    def check_room(self, client: Client, size: int = 0) -> None:
        """Refuses a job that there is no room for; the oldest that have ended make room.

        Args:
            client: whose it would be.
            size: bytes of its requests.

        Raises:
            BusyError: there is no room.
        """
        with self._lock:
            self.purge()
            own = [j for j in self._jobs.values() if j.client == client and j.ended is None]
            seconds = self.queue.wait_seconds()
            if len(own) >= self.most_each:
                raise BusyError(
                    f"{len(own)} of your jobs are not done, which is all that may", seconds
                )
            if not self._make_room(size, 1):
                raise BusyError("too many jobs are waiting", seconds)

    def start(self, client: Client, documents: Sequence[Mapping[str, Any]], size: int) -> str:
        """Starts a job.

        Args:
            client: whose it is.
            documents: its requests.
            size: their bytes.

        Returns:
            The name by which it can be asked for; it cannot be guessed.

        Raises:
            BusyError: there is no room.
            ClosedError: the server is ending.
        """
        with self._lock:
            self.check_room(client, size)
            name = secrets.token_urlsafe(24)
            job = _Job(client, list(documents), [None] * len(documents), size=size)
            self._jobs[name] = job
            try:
                self._submit(job)
            except ClosedError:
                del self._jobs[name]
                raise
            return name

    def progress(self, name: str) -> dict[str, Any]:
        """Returns how far a job is.

        Raises:
            NoJobError: there is none of this name.
        """
        with self._lock:
            job = self._find(name)
            if job.ended is None:
                state = "running" if job.started else "waiting"
            else:
                state = "done" if len(job.errors) < len(job.results) else "failed"
            return {
                "id": name,
                "state": state,
                "done": job.done,
                "total": len(job.results),
                "errors": [dict(error) for error in job.errors],
            }

    def result(self, name: str, index: int) -> bytes:
        """Returns the answer to one of a job's requests.

        Raises:
            NoJobError: there is no such job or request, or no answer to it.
        """
        with self._lock:
            job = self._find(name)
            found = job.results[index] if 0 <= index < len(job.results) else None
            if found is None:
                raise NoJobError(f"the job has no result {index}, or not yet")
            return found

    def remove(self, name: str) -> None:
        """Ends and forgets a job; what runs is thrown away.

        Raises:
            NoJobError: there is none of this name.
        """
        with self._lock:
            job = self._find(name)
            del self._jobs[name]
            job.ended = self.clock()
            ticket = job.ticket
        if ticket is not None:
            self.queue.drop(ticket)

    def purge(self) -> None:
        """Forgets the jobs that ended too long ago."""
        with self._lock:
            now = self.clock()
            for name, job in list(self._jobs.items()):
                if job.ended is not None and now - job.ended > KEPT_SECONDS:
                    del self._jobs[name]

    def _find(self, name: str) -> _Job:
        self.purge()
        try:
            return self._jobs[name]
        except KeyError:
            raise NoJobError("there is no such job, or not any more") from None

    def _make_room(self, size: int, count: int) -> bool:
        """Forgets jobs that have ended, the oldest first, until so much more has room.

        Returns:
            Whether it has.
        """
        ended = [(job.ended, name) for name, job in self._jobs.items() if job.ended is not None]
        names = [name for _, name in sorted(ended, key=lambda pair: pair[0])]
        while True:
            held = sum(job.size for job in self._jobs.values())
            if held + size <= self.most_bytes and len(self._jobs) + count <= self.most:
                return True
            if not names:
                return False
            del self._jobs[names.pop(0)]

    def _submit(self, job: _Job) -> None:
        """Puts the next request of a job into the queue."""
        document = job.documents[job.done]
        assert document is not None
        job.ticket = Ticket(job.client, partial(self._answer, job, document), forced=True)
        self.queue.submit(job.ticket)
        job.ticket.future.add_done_callback(partial(self._done, job))

    def _answer(self, job: _Job, document: Mapping[str, Any]) -> bytes:
        job.started = True
        return self.answer(document)

    def _done(self, job: _Job, future: Future[bytes]) -> None:
        """Keeps a result, and goes on with the next request unless the job was removed."""
        with self._lock:
            if job.ended is not None:
                return
            job.documents[job.done] = None
            try:
                self._keep(job, future.result())
            except (Exception, CancelledError) as error:
                _note(job, error)
            job.done += 1
            if job.done < len(job.results):
                try:
                    self._submit(job)
                except ClosedError as error:
                    while job.done < len(job.results):
                        _note(job, error)
                        job.done += 1
            if job.done == len(job.results):
                job.ended = self.clock()
                job.ticket = None
                job.size = sum(len(result) for result in job.results if result is not None)

    def _keep(self, job: _Job, result: bytes) -> None:
        if not self._make_room(len(result), 0):
            raise BusyError("there is no room for this result; fetch and delete others", 1)
        job.results[job.done] = result
        job.size += len(result)


def _note(job: _Job, error: BaseException) -> None:
    if isinstance(error, (RecipeError, BusyError, ClosedError)):
        text = str(error)
    else:
        _LOG.error("a request of a job failed", exc_info=error)
        text = "the server failed at this request; its log says how"
    job.errors.append({"index": job.done, "error": text})
