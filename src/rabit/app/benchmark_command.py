"""`rabit benchmark correspondence`: every correspondence method timed, measured and drawn."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.app.options import pick_device
from rabit.app.translate_command import open_model
from rabit.evaluation.correspondence.charts import accuracy_chart, speed_chart
from rabit.evaluation.correspondence.contestants import Contestant, contestants
from rabit.evaluation.correspondence.measure import Case, measure_apart, measure_here
from rabit.evaluation.correspondence.study import (
    AccuracyRow,
    accuracy_rows,
    smaller_size,
    study_dict,
)
from rabit.evaluation.correspondence.suite import Timing, growth, run_suite
from rabit.evaluation.correspondence.views import View, scene_views, stereo_view
from rabit.evaluation.showcase import require_scenes
from rabit.writing import check_target, write_files

SIDES = (32, 64, 128, 256, 512)
QUICK_SIDES = (64, 128)
DTYPES = ("float32", "bfloat16")
FIGURES, SPEED, ACCURACY = "correspondence.json", "speed.png", "accuracy.png"
STEREO, SCENES = "stereo", "scenes"


@dataclass(frozen=True)
class BenchmarkOptions:
    """The options of `rabit benchmark correspondence`.

    Args:
        out: the folder to write.
        quick: fewer methods and sizes, for under three minutes on two cores.
        sides: of the maps for time and memory; None for the default.
        accuracy_sides: of the maps for the accuracy; None for the default.
        limit: seconds that a pass may take; None for the default.
        accuracy: whether the accuracy is measured.
        scenes: number of generated scenes for the accuracy.
        model: whose features describe the scenes.
        channels: of the features that are timed.
        threads: of a CPU; None for torch's own choice.
        device: cpu or cuda.
        dtype: of the features that are timed.
        overwrite: whether files of an earlier run may be replaced.
    """

    out: Path
    quick: bool
    sides: tuple[int, ...] | None
    accuracy_sides: tuple[int, ...] | None
    limit: float | None
    accuracy: bool
    scenes: int
    model: str
    channels: int
    threads: int | None
    device: str
    dtype: str
    overwrite: bool

    @property
    def compared_sides(self) -> tuple[int, ...]:
        """Of the maps whose accuracy is measured."""
        return self.accuracy_sides or ((64,) if self.quick else (32, 64, 128))

    @property
    def files(self) -> dict[str, Path]:
        """What is written, by name."""
        names = (FIGURES, SPEED, ACCURACY) if self.accuracy else (FIGURES, SPEED)
        return {name: self.out / name for name in names}


def run_benchmark(options: BenchmarkOptions) -> None:
    """Measures, prints the tables, and writes the figures and the charts.

    Raises:
        FileExistsError: the folder holds files of an earlier run that may not be replaced.
        FileNotFoundError: there is no such model.
        OSError: a file cannot be written; it is named.
        ValueError: an option is out of range, or the model cannot describe the scenes.
    """
    _check(options)
    device = pick_device(options.device)
    threads = torch.get_num_threads() if options.threads is None else options.threads
    limit = (12.0 if options.quick else 100.0) if options.limit is None else options.limit
    sets = _picture_sets(options) if options.accuracy else {}
    base = Case(
        name="",
        method="",
        options="{}",
        side=0,
        channels=options.channels,
        device=str(device),
        dtype=options.dtype,
        threads=threads,
    )
    compared = contestants(options.quick)
    with Bar("time and memory") as bar:
        sides = options.sides or (QUICK_SIDES if options.quick else SIDES)
        measure = measure_apart if device.type == "cpu" else measure_here
        timings = run_suite(compared, sides, base, limit, bar, measure)
    charts = {SPEED: speed_chart(timings)}
    figures = functools.partial(study_dict, timings, device=device, threads=threads)
    if sets:
        # Whoever stops the rest has these all the same, and no chart of an earlier run beside them.
        options.files[ACCURACY].unlink(missing_ok=True)
        _write(options.out, figures([]), charts, options.overwrite)
        note(f"the times are in {options.out}, the accuracy is measured now")
    rows = _accuracy(sets, compared, options.compared_sides, timings, threads, limit)
    tables = [speed_table(timings), *accuracy_tables(rows, timings)]
    console = Console()
    console = console if console.is_terminal else Console(width=160)
    for table in tables:
        console.print(table)
    if options.accuracy:
        charts[ACCURACY] = accuracy_chart(rows, timings)
    _write(options.out, figures(rows), charts, options.overwrite or bool(sets))


def speed_table(timings: Sequence[Timing]) -> Table:
    """Returns times and memory, a line for each contestant and size."""
    case = timings[0].case
    table = Table(
        title=f"{case.channels} channels, {case.width} value channels, {case.dtype}, "
        f"{case.device}, {case.threads} threads; from features to warped values; "
        "memory beyond the inputs",
        title_justify="left",
    )
    table.add_column("")
    headings = ("size", "forward s", "MB", "+ backward s", "MB", "of floor", "growth", "near")
    for heading in headings:
        table.add_column(heading, justify="right")
    for timing in timings:
        measured, side = timing.measurement, f"{timing.case.side}²"
        if measured is None:
            table.add_row(timing.case.name, side, timing.reason, *[""] * 6)
            continue
        before = smaller_size(timing, timings)
        exponent = None if before is None else growth(before, timing)
        floor = None if measured.floor is None else measured.floor / measured.forward
        table.add_row(
            timing.case.name,
            side,
            f"{measured.forward:.3f}",
            f"{measured.forward_memory:.0f}",
            "" if measured.both is None else f"{measured.both:.3f}",
            "" if measured.both_memory is None else f"{measured.both_memory:.0f}",
            "" if floor is None else f"{100 * floor:.0f} %",
            "" if exponent is None else f"{exponent:.2f}",
            "" if measured.near is None else f"{100 * measured.near:.1f} %",
            end_section=timing.case.side == max(t.case.side for t in timings),
        )
    table.caption = (
        "of floor: time of the forward pass's matrix products alone; growth: e in seconds ~ "
        "positions^e from the size before; near: matched within 1.5 positions of the truth"
    )
    table.caption_justify = "left"
    return table


def accuracy_tables(rows: Sequence[AccuracyRow], timings: Sequence[Timing]) -> list[Table]:
    """Returns the analogue of the paper's Table 7, one for each set of pictures."""
    measured = {
        (t.case.name, t.case.side): t.measurement for t in timings if t.measurement is not None
    }
    tables = []
    for pictures in dict.fromkeys(row.pictures for row in rows):
        own = [row for row in rows if row.pictures == pictures]
        count = max((row.accuracy.ssim.count for row in own if row.accuracy), default=0)
        table = Table(
            title=f"{pictures}: {count} picture{'' if count == 1 else 's'}", title_justify="left"
        )
        table.add_column("")
        headings = ("size", "L1", "SSIM", "PSNR dB", "end-point px", "median px", "MB + backward")
        for heading in headings:
            table.add_column(heading, justify="right")
        for row in own:
            found = measured.get((row.name, row.side))
            memory = "" if found is None or not found.both_memory else f"{found.both_memory:.0f}"
            if row.accuracy is None:
                table.add_row(row.name, f"{row.side}²", row.reason, *[""] * 4, memory)
                continue
            table.add_row(
                row.name,
                f"{row.side}²",
                f"{row.accuracy.l1.mean:.4f}",
                f"{row.accuracy.ssim.mean:.4f}",
                f"{row.accuracy.psnr.mean:.2f}",
                f"{row.accuracy.end_point.mean:.2f}",
                f"{row.accuracy.median_end_point.mean:.2f}",
                memory,
                end_section=row is own[-1] or own[own.index(row) + 1].side != row.side,
            )
        tables.append(table)
    return tables


def _picture_sets(options: BenchmarkOptions) -> dict[str, Callable[[int], Sequence[View]]]:
    """Returns what makes the views of each set of pictures; the model is opened and looked at."""
    sets: dict[str, Callable[[int], Sequence[View]]] = {}
    if find_spec("skimage") is None:
        note("the stereo photographs are left out, they come with: pip install scikit-image")
    else:
        sets[STEREO] = lambda side: [stereo_view(side)]
    if options.scenes:
        translator = open_model(options.model, "cpu")
        # A model that cannot describe the scenes says so now.
        require_scenes(translator)
        next(scene_views(min(options.compared_sides), 1, translator))
        sets[SCENES] = lambda side: list(scene_views(side, options.scenes, translator))
    return sets


def _accuracy(
    sets: Mapping[str, Callable[[int], Sequence[View]]],
    compared: Sequence[Contestant],
    sides: Sequence[int],
    timings: Sequence[Timing],
    threads: int,
    limit: float,
) -> list[AccuracyRow]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows = []
        for pictures, make_views in sets.items():
            with Bar("accuracy") as bar:
                rows += accuracy_rows(pictures, make_views, compared, sides, timings, limit, bar)
        return rows
    finally:
        torch.set_num_threads(before)


def _write(
    folder: Path, figures: Mapping[str, Any], charts: Mapping[str, bytes], overwrite: bool
) -> None:
    """Writes the figures and the charts: all of them, or none."""
    text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    contents = {FIGURES: text.encode(), **charts}
    write_files({folder / name: data for name, data in contents.items()}, overwrite=overwrite)


def _check(options: BenchmarkOptions) -> None:
    """Refuses, before any work, what cannot be done."""
    check_target(options.out, folder=True)
    there = [str(path) for path in options.files.values() if path.exists()]
    if there and not options.overwrite:
        raise FileExistsError(f"{', '.join(there)}: there already; replace with --overwrite")
    if options.dtype not in DTYPES:
        raise ValueError(f"--dtype {options.dtype}: expected one of {', '.join(DTYPES)}")
    for flag, number, least in (
        ("--channels", options.channels, 1),
        ("--scenes", options.scenes, 0),
        ("--threads", options.threads, 1),
    ):
        if number is not None and number < least:
            raise ValueError(f"{flag} {number}: expected {least} or more")
    if options.limit is not None and not 0 < options.limit < math.inf:
        raise ValueError(f"--limit {options.limit}: expected a number of seconds above 0")
    for side in (*(options.sides or ()), *(options.accuracy_sides or ())):
        if side < 4:
            raise ValueError(f"size {side}: expected at least 4 positions a side")
    for side in options.accuracy_sides or ():
        if 256 % side:
            raise ValueError(f"accuracy at {side}: expected a divisor of 256, the pictures' side")
