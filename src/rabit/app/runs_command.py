"""`rabit runs`: which runs there are, how they stand, and their curves side by side."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rabit.app.arguments import Overwrite
from rabit.app.curves import curves_chart
from rabit.app.display import duration
from rabit.app.errors import note
from rabit.training.runs import Run, differences, find_runs, is_run, read_run
from rabit.writing import check_target, write_files

DEFAULT = Path("runs")
PICTURE = Path("curves.png")
STDOUT = Path("-")
COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "damaged": "red"}
# A run that says it is running but has written nothing for so many seconds was perhaps killed.
SILENT = 3600.0
# Figures of validations, and how they are spelled.
SHOWN = {"psnr": ".2f", "ssim": ".3f", "l1": ".3f", "perceptual": ".3f"}
LONGEST_VALUE = 40


def runs_command(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER]...",
            help="Folders of runs, or with runs in them. [default: runs]",
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Draw the curves; so are two or more runs that are named."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help=f"PNG file for the curves. [default: {PICTURE}]")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="JSON file for what is listed; - prints it.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """List runs, and compare them.

    Shows how far each run is, its last and its best validation, and how many warnings it gave. A
    comparison is one picture with the curves of losses and validations, and a table of the fields
    of the configuration in which the runs differ.
    """
    given = folders or [DEFAULT]
    paths = find_runs(given)
    if not paths:
        raise ValueError(
            f"{', '.join(map(str, given))}: no run in there; rabit train makes one, or name the "
            "folder that has them"
        )
    drawn = compare or out is not None or (len(paths) > 1 and all(map(is_run, given)))
    picture = out or PICTURE
    files = ([picture] if drawn else []) + ([json_file] if json_file not in (None, STDOUT) else [])
    _check_files([path for path in files if path is not None], overwrite)
    runs = {name: read_run(path) for name, path in zip(short_names(paths), paths, strict=True)}
    text = json.dumps([run_dict(run) for run in runs.values()], indent=2, allow_nan=False) + "\n"
    contents = {picture: curves_chart(runs)} if drawn else {}
    if json_file is not None and json_file != STDOUT:
        contents[json_file] = text.encode()
    for path in contents:
        path.parent.mkdir(parents=True, exist_ok=True)
    write_files(contents, overwrite=overwrite)
    if json_file == STDOUT:
        typer.echo(text, nl=False)
    else:
        _print(runs, drawn)
        for what, path in zip(("curves", "runs") if drawn else ("runs",), contents, strict=False):
            typer.echo(f"{what}: {path}")


def short_names(paths: Sequence[Path]) -> list[str]:
    """Names folders by what they do not have in common: the last part of a single one."""
    whole = [path.resolve() for path in paths]
    above = os.path.commonpath([path.parent for path in whole])
    return [path.relative_to(above).as_posix() for path in whole]


def run_dict(run: Run) -> dict[str, Any]:
    """Returns what a run says of itself, ready for JSON."""
    best = run.best
    return {
        "folder": str(run.folder),
        "preset": run.record.get("preset"),
        "data": run.record.get("data"),
        "seed": run.seed,
        "state": run.state,
        "step": run.step,
        "steps": run.steps,
        "seconds": run.seconds,
        "changed": datetime.fromtimestamp(run.changed).astimezone().isoformat(timespec="seconds"),
        "validation": run.last,
        "best": None if best is None else vars(best),
        "warnings": [{"step": step, "text": text} for step, text in run.history.warnings],
        "message": run.message,
        "problems": list(run.problems),
    }


def runs_table(runs: Mapping[str, Run], now: float) -> Table:
    """Returns two lines for each run.

    Args:
        runs: by name.
        now: in seconds since 1970; runs that have been silent for long before it are told.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown = [name for name in SHOWN if any(name in run.last for run in runs.values())]
    table.add_column("run", overflow="fold", min_width=16)
    table.add_column("steps", no_wrap=True)
    for heading in (*shown, "warned"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("last change", no_wrap=True)
    for name, run in runs.items():
        trained = (run.record.get("preset"), Path(_text(run.record.get("data"))).name)
        words = [*map(_text, trained), "" if run.seed is None else f"seed {run.seed}"]
        steps = f"{run.step}/{'?' if run.steps is None else run.steps}\n"
        warnings = len(run.history.warnings)
        table.add_row(
            Text(f"{name}\n").append(", ".join(filter(None, words)), "dim"),
            Text(steps).append(_state(run, now), COLOURS.get(run.state, "")),
            *(_figure(run, figure) for figure in shown),
            Text(str(warnings) if warnings else "", "yellow"),
            time.strftime("%Y-%m-%d\n%H:%M", time.localtime(run.changed)),
        )
    if any(run.best is not None for run in runs.values()):
        table.caption = "figures of the last validation; below one, the best by it and its step"
        table.caption_justify = "left"
    return table


def differences_table(runs: Mapping[str, Run]) -> Table | None:
    """Returns the fields in which the runs' records differ; None if they do not."""
    rows = differences([run.record for run in runs.values()])
    if not rows:
        return None
    table = Table(title="what differs", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("field", overflow="fold")
    for name in runs:
        table.add_column(Text(name), overflow="fold")
    for field, values in rows.items():
        table.add_row(
            Text(field.removeprefix("config.")), *(Text(_short(value)) for value in values)
        )
    return table


def _print(runs: Mapping[str, Run], compared: bool) -> None:
    """Prints the tables, and what is wrong with runs; all warnings of a single one."""
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    console.print(runs_table(runs, time.time()))
    if compared and len(runs) > 1:
        table = differences_table(runs)
        console.print("the runs' configurations are the same" if table is None else table)
    for name, run in runs.items():
        for problem in run.problems:
            note(f"{name}: {problem}")
        if run.message:
            note(f"{name}: {run.state}: {run.message}")
        for step, text in run.history.warnings if len(runs) == 1 else ():
            note(f"{name}: warned at step {step}: {text}")


def _check_files(files: Sequence[Path], overwrite: bool) -> None:
    """Refuses, before any work, files that cannot be written."""
    if len({path.resolve() for path in files}) < len(files):
        raise ValueError(f"--json {files[-1]}: is --out too; give another name")
    for path in files:
        check_target(path)
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path}: there already; replace with --overwrite")


def _state(run: Run, now: float) -> str:
    silent = now - run.changed
    if run.state == "running" and silent > SILENT:
        return f"running, silent for {duration(silent)}"
    return run.state


def _figure(run: Run, name: str) -> Text:
    """A figure of the last validation, and the best one if it is chosen by this figure."""
    best, spelling = run.best, SHOWN[name]
    text = Text(format(run.last[name], spelling) if name in run.last else "")
    if best is not None and best.name == name:
        text.append(f"\n{best.value:{spelling}} at {best.step}", "dim")
    return text


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) else ""


def _short(value: Any) -> str:
    """Spells a field's value as --set takes it; long ones are cut."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
