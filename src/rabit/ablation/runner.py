"""Trainings as processes of their own: some at a time, resumed, and stopped cleanly."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from rabit.ablation.plan import Run, continuing, state_of
from rabit.training.stopping import stop_on_interrupt
from rabit.writing import naming

_INTERRUPTED = 130
_POLL_SECONDS = 0.2
_TAIL = 12


@dataclass(frozen=True)
class Outcome:
    """How far a run is.

    Args:
        run: which.
        status: waiting; running; found finished, or now finished; stopped before its end, to be
            resumed; or failed.
        message: of a failed run, how it ended and the last lines that it printed.
    """

    run: Run
    status: Literal["waiting", "running", "found", "finished", "stopped", "failed"]
    message: str = ""


@dataclass(frozen=True)
class Execution:
    """What became of trainings.

    Args:
        outcomes: of each, in their order; waiting if it never started.
        interrupted: whether Ctrl-C stopped them.
    """

    outcomes: tuple[Outcome, ...]
    interrupted: bool


Report = Callable[[Sequence[Outcome]], None]


@dataclass
class _Child:
    """A training that runs in a slot."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    number: int
    slot: int


def slots(device: str, jobs: int, threads: int, devices: int = 1) -> list[dict[str, str]]:
    """Returns what the environment of each of the trainings that run at a time has of its own.

    Args:
        device: cpu or cuda.
        jobs: trainings at a time.
        threads: of each on the CPU.
        devices: CUDA devices that are visible; trainings take them in turn.
    """
    common = {"OMP_NUM_THREADS": str(threads)}
    if device != "cuda":
        return [common] * jobs
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(i) for i in range(devices)]
    return [{**common, "CUDA_VISIBLE_DEVICES": names[i % len(names)]} for i in range(jobs)]


def found(run: Run) -> Outcome:
    """Tells how far a run is that is not to be trained.

    Raises:
        ValueError: its folder holds another training.
    """
    return Outcome(run, "found" if state_of(run) == "finished" else "waiting")


def execute(
    runs: Sequence[Run],
    environments: Sequence[Mapping[str, str]],
    report: Report,
    seconds: float | None = None,
    inherited: tuple[int, ...] = (),
) -> Execution:
    """Runs trainings, each as a process, until all have ended, time is up or Ctrl-C.

    A training that is finished already is not run again, one with a checkpoint goes on from it.
    The first Ctrl-C, and the end of the time, let every training write a checkpoint; the second
    Ctrl-C ends them at once. A training that fails does not keep the others from running.

    Args:
        runs: in the order to start them.
        environments: one for each training that may run at a time, as `slots` makes them.
        report: called with how far all runs are, again and again.
        seconds: after which all is stopped; None for no limit.
        inherited: file descriptors that the trainings inherit.

    Raises:
        ValueError: a run's folder holds another training; nothing was started.
    """
    outcomes = [found(run) for run in runs]
    queue = [i for i, outcome in enumerate(outcomes) if outcome.status == "waiting"]
    deadline = None if seconds is None else time.monotonic() + seconds
    children: list[_Child] = []
    stopping = False
    with stop_on_interrupt() as stop:
        try:
            while children or (queue and not stopping):
                if not stopping and (stop.is_set() or _passed(deadline)):
                    stopping = True
                    _send(children, signal.SIGINT)
                free = sorted(set(range(len(environments))) - {child.slot for child in children})
                while queue and free and not stopping:
                    number, slot = queue.pop(0), free.pop(0)
                    child = _start(runs[number], number, slot, environments[slot], inherited)
                    children.append(child)
                    outcomes[number] = Outcome(runs[number], "running")
                report(outcomes)
                time.sleep(_POLL_SECONDS)
                for child in [child for child in children if child.process.poll() is not None]:
                    children.remove(child)
                    outcomes[child.number] = _ended(runs[child.number], child)
        finally:
            _send(children, signal.SIGKILL)
            for child in children:
                child.process.wait()
                child.log.close()
    report(outcomes)
    return Execution(tuple(outcomes), stop.is_set())


def _passed(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _start(
    run: Run, number: int, slot: int, environment: Mapping[str, str], inherited: tuple[int, ...]
) -> _Child:
    """Starts or resumes a training; what it prints is appended to its log."""
    command = continuing(run, state_of(run))
    with naming(run.log):
        run.log.parent.mkdir(parents=True, exist_ok=True)
        log = run.log.open("ab")
    log.write(f"$ {shlex.join(command)}\n".encode())
    log.flush()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        pass_fds=inherited,
        # A Ctrl-C on the terminal would reach it beside the one that is sent to it.
        start_new_session=True,
    )
    return _Child(process, log, number, slot)


def _ended(run: Run, child: _Child) -> Outcome:
    """Tells how a training that is no longer running ended."""
    child.log.close()
    code = child.process.returncode
    if code == 0 and state_of(run) == "finished":
        return Outcome(run, "finished")
    if code == _INTERRUPTED:
        return Outcome(run, "stopped")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return Outcome(run, "failed", f"ended with {how}; {run.log} ends with:\n{_tail(run.log)}")


def _tail(log: Path) -> str:
    """Returns the last lines of a log, its own command left out."""
    lines = log.read_text(encoding="utf-8", errors="replace").rpartition("\n$ ")[2].splitlines()
    return "\n".join(f"  {line}" for line in lines[1:][-_TAIL:])


def _send(children: Sequence[_Child], number: int) -> None:
    """Sends a signal to trainings that have not ended."""
    for child in children:
        if child.process.poll() is None:
            child.process.send_signal(number)
