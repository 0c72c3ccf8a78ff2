"""An ablation from its options to trainings that have ended, and what they gave."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from rabit.ablation.lock import locked
from rabit.ablation.plan import Run, steps_taken
from rabit.ablation.runner import Execution, Outcome, execute, found, slots
from rabit.ablation.table import Table
from rabit.app.ablate_options import AblateOptions, finished_besides, open_options, plan
from rabit.app.ablate_report import Prepared, export, prepare, report
from rabit.app.display import Bar, duration
from rabit.app.errors import note
from rabit.app.options import pick_device


@dataclass(frozen=True)
class Done:
    """How an ablation stands.

    Args:
        execution: what became of the trainings.
        table: what was measured; None where no training has finished, or after Ctrl-C.
        files: that were written.
    """

    execution: Execution
    table: Table | None
    files: tuple[Path, ...] = ()


def run_ablation(options: AblateOptions) -> Done:
    """Trains what is left to train, measures what has finished, and writes tables and pictures.

    Raises:
        FileNotFoundError: the data's folder, or another program's result, is missing.
        ValueError: an option is wrong, or the folder holds another ablation.
    """
    device = pick_device(options.device)
    for flag, value in (("--seeds", options.seeds), ("--jobs", options.jobs),
                        ("--threads", options.threads), ("--time", options.hours)):  # fmt: skip
        if value is not None and not value > 0:
            raise ValueError(f"{flag} {value}: expected a number above 0")
    devices = torch.cuda.device_count() if options.device == "cuda" else 1
    jobs = options.jobs or devices
    threads = options.threads or max((os.cpu_count() or 1) // jobs, 1)
    opened = open_options(options)
    runs = plan(options, opened, threads)
    measuring = prepare(options, opened, device)
    if not options.train:
        execution = Execution(tuple(found(run) for run in runs), interrupted=False)
        return _reported(options, measuring, execution, device, threads)
    places = slots(options.device, jobs, threads, devices)
    seconds = None if options.hours is None else options.hours * 3600
    with locked(options.out) as inherited:
        with Bar("steps") as bar:
            execution = execute(runs, places, _Display(runs, bar), seconds, inherited)
        return _reported(options, measuring, execution, device, threads)


def _reported(
    options: AblateOptions,
    measuring: Prepared,
    execution: Execution,
    device: torch.device,
    threads: int,
) -> Done:
    """Measures what has finished, unless Ctrl-C was pressed or nothing has.

    Rows that `--only` leaves out stay in the table if they have finished before.
    """
    finished = [o.run for o in execution.outcomes if o.status in ("found", "finished")]
    if execution.interrupted or not finished:
        return Done(execution, None)
    torch.set_num_threads(threads)
    besides, reasons = finished_besides(options, measuring.opened, threads)
    for name, reason in reasons.items():
        note(f"the row {name} is left out of {options.table}: {reason}")
    finished = sorted([*finished, *besides], key=lambda run: run.seed)
    table, files = report(options, measuring, finished, device)
    return Done(execution, table, files)


def run_export(options: AblateOptions, folder: Path) -> int:
    """Writes what other programs' results are to be made of; see `export`."""
    opened = open_options(options)
    return export(
        prepare(options, opened, torch.device("cpu")), plan(options, opened, threads=1)[0], folder
    )


class _Display:
    """Tells of trainings: a line for each that starts or ends, and a bar on a terminal."""

    def __init__(self, runs: Sequence[Run], bar: Bar) -> None:
        self.bar = bar
        self.told = {run.name: "waiting" for run in runs}
        self.started = {run.name: time.monotonic() for run in runs}
        self.next = 0.0

    def __call__(self, outcomes: Sequence[Outcome]) -> None:
        """Shows how far all trainings are."""
        for outcome in outcomes:
            if outcome.status != self.told[outcome.run.name]:
                self._tell(outcome, outcomes)
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + 2
        total = sum(outcome.run.config.train.steps for outcome in outcomes)
        done = sum(_steps(outcome) for outcome in outcomes)
        running = [outcome.run.name for outcome in outcomes if outcome.status == "running"]
        self.bar(done, total, ", ".join(running) or "steps")

    def _tell(self, outcome: Outcome, outcomes: Sequence[Outcome]) -> None:
        """Prints that a training has started or ended."""
        name = outcome.run.name
        self.told[name] = outcome.status
        text = {"found": "finished before"}.get(outcome.status, outcome.status)
        if outcome.status == "running":
            self.started[name] = time.monotonic()
        elif outcome.status != "found":
            ended = sum(o.status in ("found", "finished", "failed") for o in outcomes)
            took = duration(time.monotonic() - self.started[name])
            text = f"{text} after {took} ({ended} of {len(outcomes)})"
        line = f"{name}: {text} {outcome.message}".strip()
        self.bar.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _steps(outcome: Outcome) -> int:
    if outcome.status in ("found", "finished"):
        return outcome.run.config.train.steps
    return 0 if outcome.status == "waiting" else steps_taken(outcome.run)
