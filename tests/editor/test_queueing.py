from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from rabit.editor.queueing import FairQueue
from rabit.editor.tickets import BusyError, Client, ClosedError, ReplacedError, Ticket


class Gate:
    """Work that holds the queue until it is let go, so that what comes after it waits."""

    def __init__(self, queue: FairQueue) -> None:
        self.begun, self._opened = threading.Event(), threading.Event()
        self.ticket = Ticket(Client("gate"), self._wait)
        queue.submit(self.ticket)
        assert self.begun.wait(10)

    def _wait(self) -> str:
        self.begun.set()
        assert self._opened.wait(10)
        return "gate"

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def queue() -> Iterator[FairQueue]:
    made = FairQueue(most=8, most_each=3, most_bytes=100)
    yield made
    made.close()


def put(
    queue: FairQueue,
    client: str,
    work: Callable[[], object] = lambda: "done",
    size: int = 0,
    latest: str | None = None,
    forced: bool = False,
) -> Ticket[object]:
    """Submits work of a client called ADDRESS/NAME."""
    address, _, name = client.partition("/")
    ticket = Ticket(Client(address, name), work, size, latest, forced)
    queue.submit(ticket)
    return ticket


def order_of(queue: FairQueue, clients: list[str]) -> list[str]:
    """Returns the order in which work is done that was submitted by these clients while busy."""
    gate, done = Gate(queue), list[str]()

    def work(client: str) -> Callable[[], str]:
        def run() -> str:
            done.append(client)
            return client

        return run

    tickets = [put(queue, client, work(client)) for client in clients]
    gate.open()
    assert [ticket.future.result(10) for ticket in tickets] == clients
    return done


def test_work_is_done_in_one_thread_in_order(queue: FairQueue) -> None:
    threads = {put(queue, "a", lambda: threading.current_thread().name).future.result(10)}
    threads |= {put(queue, "b", lambda: threading.current_thread().name).future.result(10)}
    assert threads == {"inference"}
    assert order_of(queue, ["a", "a", "a"]) == ["a", "a", "a"]


def test_clients_take_turns(queue: FairQueue) -> None:
    clients = ["here/a", "here/a", "here/a", "here/b", "here/b", "here/c"]
    assert order_of(queue, clients) == [
        "here/a", "here/b", "here/c", "here/a", "here/b", "here/a"
    ]  # fmt: skip


def test_addresses_take_turns_however_many_clients_they_claim_to_be(queue: FairQueue) -> None:
    clients = ["here/a", "here/b", "here/c", "here/d", "there/a", "there/a"]
    assert order_of(queue, clients) == [
        "here/a", "there/a", "here/b", "there/a", "here/c", "here/d"
    ]  # fmt: skip


def test_who_was_served_goes_to_the_end(queue: FairQueue) -> None:
    """A client with one piece at a time does not overtake those that wait."""
    gate, done = Gate(queue), list[str]()

    def again() -> str:
        done.append("a")
        if len(done) < 3:
            put(queue, "here/a", again)
        return "a"

    put(queue, "here/a", again)
    other = [put(queue, "here/b", lambda: done.append("b")) for _ in range(2)]
    gate.open()
    other[-1].future.result(10)
    time.sleep(0.05)
    assert done == ["a", "b", "a", "b"]


def test_no_more_wait_than_may(queue: FairQueue) -> None:
    gate = Gate(queue)
    waiting = [put(queue, f"{i // 2}/{i % 2}") for i in range(8)]
    for client in ("0/0", "0/new"):
        with pytest.raises(BusyError, match="8 requests are waiting"):
            put(queue, client)
        with pytest.raises(BusyError, match="8 requests are waiting"):
            queue.check_room(Client(*client.split("/")))
    assert queue.waiting == 8
    gate.open()
    assert all(ticket.future.result(10) == "done" for ticket in waiting)
    assert put(queue, "here/new").future.result(10) == "done"


def test_who_has_few_places_takes_one_of_who_has_many(queue: FairQueue) -> None:
    """However many clients an address claims to be, others find room."""
    gate = Gate(queue)
    crowd = [put(queue, f"here/{name}") for name in "aaabbcde"]
    queue.check_room(Client("there"))
    new = [put(queue, "there") for _ in range(3)]
    for pushed in (crowd[2], crowd[1], crowd[4]):
        with pytest.raises(BusyError, match="others have fewer"):
            pushed.future.result(0)
    with pytest.raises(BusyError, match="3 of your requests"):
        put(queue, "there")
    put(queue, "there/other")
    with pytest.raises(BusyError, match="8 requests"):
        put(queue, "here/more")
    assert queue.waiting == 8
    gate.open()
    for ticket in (*new, crowd[3]):
        assert ticket.future.result(10) == "done"


def test_clients_of_an_address_find_room_alike(queue: FairQueue) -> None:
    gate = Gate(queue)
    crowd = [put(queue, f"here/{name}") for name in "aaabbbcc"]
    new = put(queue, "here/new")
    with pytest.raises(BusyError, match="others have fewer"):
        crowd[2].future.result(0)
    with pytest.raises(BusyError, match="8 requests"):
        put(queue, "here/c")
    gate.open()
    assert new.future.result(10) == "done"


def test_what_is_forced_is_not_pushed_out(queue: FairQueue) -> None:
    gate = Gate(queue)
    forced = [put(queue, "here/a", forced=True) for _ in range(7)]
    crowd = [put(queue, f"here/{i % 4}") for i in range(8)]
    new = put(queue, "there")
    with pytest.raises(BusyError, match="others have fewer"):
        crowd[4].future.result(0)
    gate.open()
    del crowd[4]
    assert all(ticket.future.result(10) == "done" for ticket in (*forced, *crowd, new))


def test_what_is_forced_takes_no_room_from_others(queue: FairQueue) -> None:
    gate = Gate(queue)
    forced = [put(queue, f"here/{i}", forced=True) for i in range(20)]
    others = [put(queue, f"there/{i}") for i in range(8)]
    with pytest.raises(BusyError, match="8 requests"):
        put(queue, "there/8")
    queue.drop(forced[0])
    gate.open()
    assert all(ticket.future.result(10) == "done" for ticket in (*forced[1:], *others))


def test_no_more_wait_of_one_client_than_may(queue: FairQueue) -> None:
    gate = Gate(queue)
    for _ in range(3):
        put(queue, "here/a")
    with pytest.raises(BusyError, match="3 of your requests are waiting"):
        put(queue, "here/a")
    with pytest.raises(BusyError, match="3 of your requests are waiting"):
        queue.check_room(Client("here", "a"))
    put(queue, "here/b")
    put(queue, "here/a", forced=True)
    assert queue.waiting == 5
    gate.open()


def test_what_waits_holds_no_more_bytes_than_may(queue: FairQueue) -> None:
    gate = Gate(queue)
    put(queue, "a", size=1000)  # of a size that never fits beside others, so it must alone
    with pytest.raises(BusyError, match="too many large pictures"):
        put(queue, "b", size=1)
    gate.open()
    while queue.waiting:
        time.sleep(0.01)
    gate = Gate(queue)
    put(queue, "a", size=60)
    put(queue, "b", size=40)
    with pytest.raises(BusyError, match="too many large pictures"):
        put(queue, "c", size=1)
    gate.open()


def refused(queue: FairQueue, client: str) -> int:
    """Returns after how many seconds a client that is refused should come again."""
    with pytest.raises(BusyError, match="others come before you") as caught:
        put(queue, client)
    return caught.value.seconds


def test_it_says_when_to_come_again() -> None:
    """The first that is refused finds room when one piece of work is done, and so on."""
    queue = FairQueue(most=2)
    try:
        gate = Gate(queue)
        waiting = [put(queue, "a/0"), put(queue, "a/1")]
        assert [refused(queue, f"a/new-{i}") for i in range(8)] == [1, 1, 2, 2, 3, 3, 4, 4]
        assert refused(queue, "a/new-4") == 3, "who asks again keeps its place"
        gate.open()
        for ticket in waiting:
            ticket.future.result(10)
        for _ in range(30):
            put(queue, "a/new-0", lambda: time.sleep(0.02)).future.result(10)
        gate = Gate(queue)
        queue._claims.clear()
        for name in ("a/0", "a/1"):
            put(queue, name)
        assert {refused(queue, f"a/late-{i}") for i in range(8)} == {1}
        assert 1 <= queue.wait_seconds() <= 2
        gate.open()
    finally:
        queue.close()


def test_who_was_refused_goes_before_who_was_served(
    queue: FairQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(queue)
    waiting = [put(queue, f"here/{i}") for i in range(8)]
    for name in "ab":
        refused(queue, f"here/{name}")
    queue.drop(waiting[0])
    for name in "0bb":
        refused(queue, f"here/{name}")
    queue.check_room(Client("here", "a"))
    put(queue, "here/a")
    queue.drop(waiting[1])
    for name in "10":
        refused(queue, f"here/{name}")
    for name in "b0":
        put(queue, f"here/{name}")
        queue.drop(waiting.pop())
    now = time.monotonic()
    monkeypatch.setattr("rabit.editor.queueing.time.monotonic", lambda: now + 10)
    put(queue, "here/new")  # who has not come back in time has lost its turn
    gate.open()


def test_who_never_comes_back_keeps_half_of_the_room_at_most(queue: FairQueue) -> None:
    gate = Gate(queue)
    waiting = [put(queue, f"here/{i}") for i in range(8)]
    for number in range(20):
        refused(queue, f"here/gone-{number}")
    for ticket in waiting[:4]:
        queue.drop(ticket)
        refused(queue, "here/new")
    queue.drop(waiting[4])
    put(queue, "here/new")
    gate.open()


def test_not_all_that_were_ever_refused_are_remembered(queue: FairQueue) -> None:
    gate = Gate(queue)
    for number in range(8):
        put(queue, f"here/{number}")
    seconds = [refused(queue, f"here/new-{number}") for number in range(400)]
    assert seconds[255] == seconds[399] - 1 == 128
    gate.open()


def test_the_latest_takes_the_place_of_what_waits(queue: FairQueue) -> None:
    gate, done = Gate(queue), list[str]()
    old = put(queue, "here/a", lambda: done.append("old"), latest="preview")
    other = put(queue, "here/a", lambda: done.append("other"), latest="full")
    foreign = put(queue, "here/b", lambda: done.append("foreign"), latest="preview")
    new = put(queue, "here/a", lambda: done.append("new"), latest="preview")
    with pytest.raises(ReplacedError, match="newer request"):
        old.future.result(0)
    assert queue.waiting == 3
    gate.open()
    for ticket in (other, foreign, new):
        ticket.future.result(10)
    assert done == ["new", "foreign", "other"]


def test_the_latest_needs_no_room(queue: FairQueue) -> None:
    gate = Gate(queue)
    put(queue, "a", size=50, latest="preview")
    for i in range(7):
        put(queue, f"b{i}", size=1)
    with pytest.raises(BusyError, match="8 requests"):
        put(queue, "c", latest="preview")
    put(queue, "a", size=93, latest="preview")
    with pytest.raises(BusyError, match="large"):
        put(queue, "a", size=94, latest="preview")
    assert queue.waiting == 8
    gate.open()


def test_what_was_replaced_holds_nothing(queue: FairQueue) -> None:
    gate = Gate(queue)
    put(queue, "a", size=50, latest="preview")
    put(queue, "a", size=10, latest="preview")
    put(queue, "b", size=90)
    with pytest.raises(BusyError, match="large"):
        put(queue, "c", size=1)
    gate.open()


def test_what_runs_is_not_replaced(queue: FairQueue) -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        return str(go.wait(10))

    running = put(queue, "a", work, latest="preview")
    assert begun.wait(10)
    newer = put(queue, "a", latest="preview")
    go.set()
    assert running.future.result(10) == "True" and newer.future.result(10) == "done"


def test_what_is_dropped_is_not_done(queue: FairQueue) -> None:
    gate, done = Gate(queue), list[str]()
    ticket = put(queue, "a", lambda: done.append("a"), size=70)
    queue.drop(ticket)
    assert queue.waiting == 0 and ticket.future.cancelled()
    queue.drop(ticket)
    after = put(queue, "b", size=70)
    queue.drop(gate.ticket)  # it runs: nothing happens to it
    gate.open()
    assert after.future.result(10) == "done" and gate.ticket.future.result(10) == "gate"
    assert not done


def test_a_failure_reaches_its_client_only(queue: FairQueue) -> None:
    def fail() -> str:
        raise ZeroDivisionError("mine")

    failed = put(queue, "a", fail)
    with pytest.raises(ZeroDivisionError, match="mine"):
        failed.future.result(10)
    assert put(queue, "a").future.result(10) == "done"


def test_nothing_that_was_done_stays_in_memory(queue: FairQueue) -> None:
    class Large:
        def work(self) -> str:
            return "large"

    large = Large()
    gone = weakref.ref(large)
    assert put(queue, "a", large.work).future.result(10) == "large"
    del large
    for _ in range(200):
        gc.collect()
        if gone() is None:
            break
        time.sleep(0.01)
    assert gone() is None


def test_a_closed_queue_refuses_what_waits_and_what_comes() -> None:
    queue = FairQueue()
    gate = Gate(queue)
    waiting = put(queue, "a")
    closing = threading.Thread(target=queue.close)
    closing.start()
    with pytest.raises(ClosedError):
        waiting.future.result(10)
    for forced in (False, True):
        with pytest.raises(ClosedError):
            put(queue, "a", forced=forced)
    gate.open()
    closing.join(10)
    assert not closing.is_alive() and gate.ticket.future.result(0) == "gate"
