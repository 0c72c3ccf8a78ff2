"""Loads the editor's server: latency of previews, many clients at once, memory over time.

    python benchmarks/serving.py --clients 32 --seconds 60 --requests 1000 --threads 2

Starts `rabit serve` on this machine and talks to it over loopback. Every client has a recipe of its
own (other map, other exemplar), whose picture was made beforehand while nobody else asked, and
compares the bytes of each answer with it: a lost or mixed-up answer counts as wrong. A client that
is refused with 429 waits as long as Retry-After says. Prints JSON: latency of previews alone, from
request to answer; answers, refusals and errors under load, and answers of each client (fair
turns); memory of the server's process during the load and over a number of requests one by one.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rabit.evaluation.environment import environment

MODEL = "scenes-small"
SETTLED = 100
"""Requests after which memory should not grow any more."""


@dataclass
class Page:
    """A client with a connection of its own, as a page in a browser has.

    Args:
        port: of the server.
        name: of the client.
        body: its recipe as JSON.
        digest: SHA-256 of the picture that it must get.
    """

    port: int
    name: str
    body: bytes = b""
    digest: str = ""
    found: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any, int]:
        """Returns status, answer, and seconds to wait."""
        headers = {"Content-Type": "application/json", "X-Rabit-Client": self.name}
        self.connection.request(method, path, body, headers)
        reply = self.connection.getresponse()
        content = reply.read()
        return reply.status, json.loads(content), int(reply.headers.get("Retry-After", 0))

    def translate(self) -> str | None:
        """Returns the digest of the picture, None without one, after waiting as told."""
        started = time.perf_counter()
        try:
            status, answer, wait = self.ask("POST", "/api/translate", self.body)
        except (OSError, http.client.HTTPException) as error:
            self.found[type(error).__name__] += 1
            self.connection.close()
            return None
        taken = time.perf_counter() - started
        self.found[str(status)] += 1
        if status != 200:
            time.sleep(wait)
            return None
        self.seconds.append(taken)
        return hashlib.sha256(base64.b64decode(answer["image"])).hexdigest()

    def prepare(self, number: int) -> None:
        """Takes an example as recipe, and its picture as the one to expect."""
        status, recipe, _ = self.ask("GET", f"/api/example?model={MODEL}&seed={number}")
        assert status == 200, recipe
        self.body = json.dumps({**recipe, "outputs": ["image"]}).encode()
        self.digest = self.translate() or ""
        assert self.digest, "no picture while nobody else asks"
        self.found.clear()
        self.seconds.clear()

    def check(self) -> None:
        """Asks once, and counts a picture that is not the own one."""
        digest = self.translate()
        if digest is not None and digest != self.digest:
            self.found["wrong"] += 1


@contextmanager
def serving(threads: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Starts the server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "rabit", "serve", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--model", MODEL, "--threads", str(threads)], stdout=subprocess.DEVNULL
    )
    try:
        while True:
            assert process.poll() is None, "the server has ended"
            try:
                Page(port, "start").ask("GET", "/api/models")
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield port, process
    finally:
        process.terminate()
        process.wait()


def mebibytes(process: subprocess.Popen[bytes]) -> float:
    """Returns how much memory a process holds (Linux)."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def milliseconds(seconds: list[float]) -> dict[str, Any]:
    """Returns median, 95th percentile and most of measured times."""
    ordered = sorted(seconds)
    if not ordered:
        return {"count": 0}
    at = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    numbers = {"median": statistics.median(ordered), "p95": at, "most": ordered[-1]}
    return {"count": len(ordered), **{k: round(1000 * v, 1) for k, v in numbers.items()}}


def measure_latency(port: int, count: int) -> dict[str, Any]:
    """Asks for previews one by one, as a page does after each stroke of the brush."""
    page = Page(port, "latency")
    page.prepare(0)
    for _ in range(count):
        page.check()
    return {"ms": milliseconds(page.seconds), "answers": dict(page.found)}


def measure_load(
    port: int, process: subprocess.Popen[bytes], clients: int, seconds: float
) -> dict[str, Any]:
    """Lets many clients ask as fast as they may."""
    pages = [Page(port, f"client-{i}") for i in range(clients)]
    for number, page in enumerate(pages):
        page.prepare(number)
    memory, started = [mebibytes(process)], time.perf_counter()

    def run(page: Page) -> None:
        while time.perf_counter() - started < seconds:
            page.check()

    threads = [threading.Thread(target=run, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.5)
        memory.append(mebibytes(process))
    found = sum((page.found for page in pages), Counter[str]())
    taken = time.perf_counter() - started
    own = [page.found["200"] for page in pages]
    return {
        "clients": clients,
        "seconds": round(taken, 1),
        "answers": dict(sorted(found.items())),
        "wrong": found["wrong"],
        "pictures_per_s": round(found["200"] / taken, 2),
        "pictures_of_a_client": {"least": min(own), "most": max(own)},
        "ms": milliseconds([s for page in pages for s in page.seconds]),
        "memory_mib": {"first": memory[0], "last": memory[-1], "most": max(memory)},
    }


def measure_memory(port: int, process: subprocess.Popen[bytes], count: int) -> dict[str, Any]:
    """Asks one by one, four recipes in turn, and looks at the memory."""
    pages = [Page(port, f"memory-{i}") for i in range(4)]
    for number, page in enumerate(pages):
        page.prepare(number)
    series = []
    for number in range(count):
        pages[number % len(pages)].check()
        if (number + 1) % max(1, min(SETTLED, count // 4)) == 0:
            series.append({"requests": number + 1, "mib": mebibytes(process)})
    found = sum((page.found for page in pages), Counter[str]())
    grown = round(series[-1]["mib"] - series[0]["mib"], 1)
    return {"answers": dict(found), "series": series, "grown_mib": grown}


def main() -> None:
    """Measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--requests", type=int, default=1000, help="for the memory")
    parser.add_argument("--previews", type=int, default=100, help="for the latency")
    parser.add_argument("--threads", type=int, default=2, help="of the server's computation")
    options = parser.parse_args()
    with serving(options.threads) as (port, process):
        result = {
            "model": MODEL,
            "preview": measure_latency(port, options.previews),
            "load": measure_load(port, process, options.clients, options.seconds),
            "memory": measure_memory(port, process, options.requests),
            "environment": environment(torch.device("cpu"), options.threads),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
