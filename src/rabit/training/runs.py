"""The folders of runs, read back: what they say of themselves, and their curves."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from rabit.training.log import LINES, read_line
from rabit.training.validation import BEST
from rabit.writing import WriteError, sole_writer

CONFIG = "config.json"
STATUS = "status.json"
CHECKPOINTS = "checkpoints"
# Where a run that is being replaced lies until the new one has a checkpoint; and files of it on
# their way there or back, beside which there is nothing of a new one.
ASIDE = ".replaced"
MOVING = ".moving"
VALIDATION = "validation/"
# How deep below a folder runs are looked for: an ablation has a folder a row, and one a seed in it.
DEPTH = 3
# Larger numbers are no steps and no losses; charts could not show them.
MOST = 2**53

State: TypeAlias = Literal["running", "finished", "interrupted", "failed", "unknown", "damaged"]
Points: TypeAlias = "tuple[tuple[int, float], ...]"


@dataclass(frozen=True)
class History:
    """What a run logged.

    Args:
        losses: by name, each as (step, value) in order; values that are not finite are left out.
        figures: of the validations, likewise.
        warnings: steps and texts.
        damaged: lines that cannot be read.
    """

    losses: Mapping[str, Points]
    figures: Mapping[str, Points]
    warnings: tuple[tuple[int, str], ...]
    damaged: int

    @property
    def step(self) -> int:
        """The last step that something was logged of, 0 if nothing was."""
        series = (*self.losses.values(), *self.figures.values())
        return max((points[-1][0] for points in series), default=0)


@dataclass(frozen=True)
class Best:
    """The best validation so far.

    Args:
        step: its step.
        name: of the figure that it is best by.
        value: of that figure.
    """

    step: int
    name: str
    value: float


@dataclass(frozen=True)
class Run:
    """A run's folder. None, or nothing, stands for what it does not say.

    Args:
        folder: where it lies.
        record: what its config.json says.
        state: how it stands; unknown without a status.json, and damaged without a config.json. One
            that says it is running, though no process holds its folder, is interrupted: it was
            killed.
        step: steps taken.
        steps: steps in all.
        seconds: how long it trained, over all its starts.
        message: why it failed, or how it was interrupted if it could not say so itself.
        history: what it logged.
        changed: when something in it last changed, in seconds since 1970.
        problems: what is wrong with its files, for people.
    """

    folder: Path
    record: Mapping[str, Any]
    state: State
    step: int
    steps: int | None
    seconds: float | None
    message: str | None
    history: History
    changed: float
    problems: tuple[str, ...]

    @property
    def seed(self) -> int | None:
        """The seed of weights and samples."""
        return _whole(self.record.get("seed"))

    @property
    def last(self) -> dict[str, float]:
        """The figures of the last validation."""
        figures = self.history.figures
        step = max((points[-1][0] for points in figures.values()), default=0)
        return {name: points[-1][1] for name, points in figures.items() if points[-1][0] == step}

    @property
    def best(self) -> Best | None:
        """The best validation, by the figure that the run chooses by, or l1 without that."""
        name = _at(self.record, "config", "train", "best_by")
        if not isinstance(name, str) or name not in self.history.figures or name not in BEST:
            name = "l1"
        points = self.history.figures.get(name, ())
        if not points:
            return None
        sign = -1 if BEST[name] else 1
        step, value = min(points, key=lambda point: sign * point[1])
        return Best(step, name, value)


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """Returns the runs' folders among some folders, or up to `DEPTH` levels below them, each once.

    Args:
        folders: each a run, or with runs in it.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder}: no such folder; give the folder of a run, or one with runs in it"
            )
        for run in _below(folder, DEPTH):
            found.setdefault(run.resolve(), run)
    return list(found.values())


def is_run(folder: Path) -> bool:
    """Tells whether a folder is that of a run, be it damaged."""
    if any((folder / name).is_file() for name in (LINES, STATUS)):
        return True
    if (folder / CHECKPOINTS).is_dir():
        return True
    record = _read_json(folder / CONFIG)
    return record is not None and "rabit" in record  # that of a model alone has no version


def read_run(folder: Path) -> Run:
    """Reads a run's folder, also one that is damaged, half-written or just being written."""
    problems = []
    record = _read_json(folder / CONFIG)
    if record is None:
        problems.append(f"{CONFIG} is {_fault(folder / CONFIG)}")
    history = read_history(folder / LINES)
    if history.damaged:
        lines = "1 line" if history.damaged == 1 else f"{history.damaged} lines"
        problems.append(f"{lines} of {LINES} cannot be read")
    status = _read_json(folder / STATUS)
    if status is None and (folder / STATUS).exists():
        problems.append(f"{STATUS} is {_fault(folder / STATUS)}")
    status = status or {}
    state: State = "damaged" if record is None else "unknown"
    if record is not None and status.get("status") in get_args(State):
        state = status["status"]
    message = status.get("message")
    # One that has ended in between says so when it is read again.
    if state == "running" and _abandoned(folder) and _read_json(folder / STATUS) == status:
        state, message = "interrupted", _killed(folder)
    record = record or {}
    steps = _whole(status.get("steps"))
    return Run(
        folder=folder,
        record=record,
        state=state,
        step=max(_whole(status.get("step")) or 0, history.step),
        steps=_whole(_at(record, "config", "train", "steps")) if steps is None else steps,
        seconds=_number(status.get("seconds")),
        message=message if isinstance(message, str) else None,
        history=history,
        changed=_changed(folder),
        problems=tuple(problems),
    )


def read_history(path: Path) -> History:
    """Reads a run's log.jsonl; empty where it is missing.

    The last line may be half-written, as by a run that goes on; it is left out then.
    """
    losses: dict[str, list[tuple[int, float]]] = {}
    figures: dict[str, list[tuple[int, float]]] = {}
    warnings, damaged = [], 0
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.split("\n")[:-1]:
        content = read_line(line) or {}
        step = _whole(content.pop("step", None))
        if step is None:
            damaged += 1
            continue
        for name, value in content.items():
            number = _number(value)
            if name == "warning" and isinstance(value, str):
                warnings.append((step, value))
            elif number is not None:
                validated = name.startswith(VALIDATION)
                series = figures if validated else losses
                series.setdefault(name.removeprefix(VALIDATION), []).append((step, number))
    return History(_ordered(losses), _ordered(figures), tuple(sorted(warnings)), damaged)


def differences(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Returns the fields in which records of runs differ, with each run's value.

    Args:
        records: what config.json says.

    Returns:
        Values by the fields' paths, such as config.train.batch, in the order of the first record;
        None for a run that has no such field. What was typed is no field.
    """
    flat = [dict(_flat(record)) for record in records]
    names = dict.fromkeys(name for each in flat for name in each if name != "command")
    rows = {name: tuple(each.get(name) for each in flat) for name in names}
    return {name: row for name, row in rows.items() if any(value != row[0] for value in row)}


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """The runs' folders at most so deep below a folder, by name; none within another run."""
    if is_run(folder):
        yield folder
    elif depth:
        inner: list[str] = []
        with suppress(OSError), os.scandir(folder) as entries:
            inner = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
        for name in inner:
            yield from _below(folder / name, depth - 1)


def _abandoned(folder: Path) -> bool:
    """Tells whether surely no process trains in a folder, each of which holds it."""
    try:
        with sole_writer(folder) as alone:
            return alone
    except WriteError:
        return False


def _killed(folder: Path) -> str:
    """Says what became of a run that could not say so itself, and what to do."""
    saved = (folder / CHECKPOINTS).is_dir() and any((folder / CHECKPOINTS).glob("step-*"))
    return "its process was killed, or its machine stopped; rabit train " + (
        "--resume goes on from its last checkpoint"
        if saved
        else "--overwrite begins anew, since it has no checkpoint"
    )


def _ordered(series: Mapping[str, list[tuple[int, float]]]) -> dict[str, Points]:
    """Sorts by steps; of a step that was logged twice the later line holds."""
    return {name: tuple(sorted(dict(points).items())) for name, points in series.items()}


def _flat(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings; lists are leaves."""
    if not isinstance(data, Mapping) or (path and not data):
        yield path, data
        return
    for name, value in data.items():
        yield from _flat(value, f"{path}.{name}" if path else str(name))


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _fault(path: Path) -> str:
    return "damaged" if path.exists() else "missing"


def _changed(folder: Path) -> float:
    """When something was last written in a folder."""
    times = [0.0]
    for path in (folder, *(folder / name for name in (CONFIG, STATUS, LINES, CHECKPOINTS))):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)


def _at(data: Any, *names: str) -> Any:
    """A value inside nested mappings, or None."""
    for name in names:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _number(value: Any) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if abs(value) <= MOST and not math.isnan(value) else None


def _whole(value: Any) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool)
    return value if known and abs(value) <= MOST else None
