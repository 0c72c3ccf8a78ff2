"""A bounded queue of work for one device: fair turns, one piece of work at a time."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from typing import TypeVar

from rabit.editor.tickets import (
    BusyError,
    Client,
    ClosedError,
    DroppedError,
    ReplacedError,
    Ticket,
)

T = TypeVar("T")

# Of a new measurement in the mean of seconds that a piece of work takes.
_SHARE = 0.2
# How much later than told a client may come and still go before those who were not refused.
_LATE_SECONDS = 2.0
_MOST_CLAIMS = 256


class FairQueue:
    """Does work in a thread of its own, one piece at a time, addresses and clients in turn.

    Args:
        most: pieces of work that may wait.
        most_each: pieces that may wait of one client.
        most_bytes: that waiting work may hold in all; a single piece may hold more.
    """

    def __init__(self, most: int = 16, most_each: int = 4, most_bytes: int = 512 * 2**20) -> None:
        self.most, self.most_each, self.most_bytes = most, most_each, most_bytes
        self._turns: OrderedDict[str, OrderedDict[Client, deque[Ticket]]] = OrderedDict()
        self._waiting = self._forced = self._bytes = 0
        # Clients that were refused and told when to come again, and until when they go first.
        self._claims: OrderedDict[Client, float] = OrderedDict()
        self._seconds = 0.5
        self._closed = False
        self._running: Ticket | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work that wait."""
        return self._waiting

    def wait_seconds(self) -> int:
        """Returns in how many seconds, of those measured so far, all waiting work is done."""
        return max(1, math.ceil(self._seconds * (self._waiting + 1)))

    def check_room(self, client: Client, latest: str | None = None, size: int = 0) -> None:
        """Refuses work that there is no room for.

        Args:
            client: whose it would be.
            latest: the key by which it may take an older one's place.
            size: bytes that it would hold.

        Raises:
            BusyError: there is no room.
            ClosedError: the queue takes no more work.
        """
        with self._changed:
            self._check_room(client, latest, size)

    def submit(self, ticket: Ticket[T]) -> None:
        """Puts work at the end of its client's line, or in the place of what it replaces.

        Who was refused before goes before who was not. In a full queue work pushes out the last of
        who has at least two places more.

        Args:
            ticket: the work.

        Raises:
            BusyError: there is no room.
            ClosedError: the queue takes no more work.
        """
        with self._changed:
            older, pushed = self._older(ticket.client, ticket.latest), None
            if not ticket.forced:
                pushed = self._check_room(ticket.client, ticket.latest, ticket.size)
            elif self._closed:
                raise ClosedError("the server is ending")
            self._claims.pop(ticket.client, None)
            if pushed is not None:
                self._remove(pushed, self._line(pushed.client))
            lines = self._turns.setdefault(ticket.client.address, OrderedDict())
            line = lines.setdefault(ticket.client, deque())
            if older is None:
                line.append(ticket)
                self._waiting += 1
                self._forced += ticket.forced
            else:
                line[line.index(older)] = ticket
                self._bytes -= older.size
            self._bytes += ticket.size
            seconds = self.wait_seconds()
            self._changed.notify()
        if older is not None:
            _refuse(older, ReplacedError("replaced by a newer request"))
        if pushed is not None:
            _refuse(pushed, BusyError("others have fewer requests waiting than you", seconds))

    def drop(self, ticket: Ticket[T]) -> None:
        """Takes work out of the queue, or lets it end if it runs; its result is not wanted."""
        ticket.dropped.set()
        with self._changed:
            line = self._line(ticket.client)
            if ticket in line:
                self._remove(ticket, line)
        ticket.future.cancel()

    def check_wanted(self) -> None:
        """Ends work whose result is not wanted any more; the work itself calls this.

        Raises:
            DroppedError: it is not wanted. Never raised in another thread than the queue's.
        """
        if threading.current_thread() is not self._thread:
            return
        if self._running is not None and self._running.dropped.is_set():
            raise DroppedError("the result is not wanted any more")

    def close(self, seconds: float = 5.0) -> None:
        """Refuses what waits and whatever comes, and awaits the end of what runs.

        Args:
            seconds: to wait at most.
        """
        with self._changed:
            self._closed = True
            left = [t for lines in self._turns.values() for line in lines.values() for t in line]
            self._turns.clear()
            self._waiting = self._forced = self._bytes = 0
            self._changed.notify()
        for ticket in left:
            _refuse(ticket, ClosedError("the server is ending"))
        self._thread.join(seconds)

    def _line(self, client: Client) -> deque[Ticket]:
        """The waiting work of a client, the first in turn first."""
        lines = self._turns.get(client.address)
        return deque() if lines is None else lines.get(client, deque())

    def _older(self, client: Client, latest: str | None) -> Ticket | None:
        """The waiting work that work of a client with a key takes the place of."""
        return next(
            (t for t in self._line(client) if latest is not None and t.latest == latest), None
        )

    def _check_room(self, client: Client, latest: str | None, size: int) -> Ticket | None:
        """Raises unless there is room; returns what must go for it."""
        if self._closed:
            raise ClosedError("the server is ending")
        older = self._older(client, latest)
        held = self._bytes - (0 if older is None else older.size)
        if held and held + size > self.most_bytes:
            raise BusyError("too many large pictures are waiting", self.wait_seconds())
        if older is not None:
            return None
        if len(self._line(client)) >= self.most_each:
            text = f"{self.most_each} of your requests are waiting, which is all that may"
            raise BusyError(text, max(1, math.ceil(self._seconds * self.most_each)))
        place = self._place(client)
        taken = self._waiting - self._forced
        if taken + min(place, self.most // 2) < self.most:
            return None
        pushed = self._last_of_most(client)
        if pushed is None:
            text = f"{taken} requests are waiting, and others come before you"
            raise BusyError(text, self._claim(client, place))
        return pushed if taken >= self.most else None

    def _place(self, client: Client) -> int:
        """How many clients that were refused come before one."""
        now = time.monotonic()
        for late in [c for c, until in self._claims.items() if until < now]:
            del self._claims[late]
        clients = list(self._claims)
        return clients.index(client) if client in self._claims else len(clients)

    def _claim(self, client: Client, place: int) -> int:
        """Notes who was refused; returns after how many seconds there should be room for it.

        Without this, who was just served would find the room that this leaves again and again,
        and who comes back later none.
        """
        seconds = max(1, math.ceil(self._seconds * (place + 1)))
        self._claims[client] = time.monotonic() + seconds + _LATE_SECONDS
        if len(self._claims) > _MOST_CLAIMS:
            self._claims.popitem(last=False)
        return seconds

    def _last_of_most(self, client: Client) -> Ticket | None:
        """The last work of the address, or else the own address's client, with most of it.

        None unless that has at least two places more than the one who asks.
        """
        counts = {a: sum(map(_counted, lines.values())) for a, lines in self._turns.items()}
        address = max(counts, key=lambda a: counts[a])
        lines = self._turns[address]
        line = max(lines.values(), key=_counted)
        own = counts.get(client.address, 0)
        if counts[address] < own + 2:
            own_lines: list[deque[Ticket]] = list(self._turns.get(client.address, {}).values())
            line = max(own_lines, key=_counted, default=deque())
            if _counted(line) < _counted(self._line(client)) + 2:
                return None
        return next((ticket for ticket in reversed(line) if not ticket.forced), None)

    def _remove(self, ticket: Ticket, line: deque[Ticket]) -> None:
        lines = self._turns[ticket.client.address]
        line.remove(ticket)
        if not line:
            del lines[ticket.client]
        if not lines:
            del self._turns[ticket.client.address]
        self._waiting -= 1
        self._forced -= ticket.forced
        self._bytes -= ticket.size

    def _next(self) -> Ticket | None:
        """Awaits the next in turn; None when the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._turns))
            if self._closed:
                return None
            address, lines = next(iter(self._turns.items()))
            client, line = next(iter(lines.items()))
            lines.move_to_end(client)
            self._turns.move_to_end(address)
            ticket = line[0]
            self._remove(ticket, line)
            return ticket

    def _work(self) -> None:
        while (ticket := self._next()) is not None:
            if ticket.future.set_running_or_notify_cancel():
                started, self._running = time.perf_counter(), ticket
                _do(ticket)
                self._running = None
                if not ticket.dropped.is_set():
                    taken = time.perf_counter() - started
                    self._seconds += _SHARE * (taken - self._seconds)
            # What was done must not stay in memory until the next comes.
            del ticket


def _counted(line: deque[Ticket]) -> int:
    """How many places a line takes: what is forced takes none."""
    return sum(not ticket.forced for ticket in line)


def _refuse(ticket: Ticket, error: Exception) -> None:
    """Gives work that was taken out of the queue an error as its result."""
    if ticket.future.set_running_or_notify_cancel():
        ticket.future.set_exception(error)


def _do(ticket: Ticket[T]) -> None:
    try:
        result = ticket.work()
    except Exception as error:
        ticket.future.set_exception(error)
    else:
        ticket.future.set_result(result)
