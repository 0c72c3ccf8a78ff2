"""What `rabit ablate` measures and writes once trainings have finished."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from rabit.ablation.budgets import find_budget
from rabit.ablation.markdown import markdown
from rabit.ablation.measure import measure
from rabit.ablation.pictures import chart, side_by_side
from rabit.ablation.plan import Run
from rabit.ablation.rows import EXTRAS_TABLE, Row, table_rows
from rabit.ablation.score import Scores, score_run
from rabit.ablation.table import Table, fill_table, table_dict, table_lines
from rabit.app.ablate_options import AblateOptions
from rabit.app.corpora import SCENES, OpenData, open_edits
from rabit.app.display import Bar
from rabit.app.evaluate_networks import open_networks
from rabit.app.run_folder import read_held_out, read_record
from rabit.data.images import png_bytes
from rabit.data.source import Source
from rabit.evaluation.measure import Networks, digests
from rabit.evaluation.results import FolderResults, ModelResults, Results, export_pairs
from rabit.evaluation.testset import Counts, TestSet, folder_test_set, scenes_test_set
from rabit.inference import load
from rabit.writing import write_files


@dataclass(frozen=True)
class Prepared:
    """What measuring needs, opened before anything is trained.

    Args:
        networks: what figures read.
        opened: the data.
        edits: a folder of edits; None for scenes, or where none was named.
        counts: of what is measured.
        others: other programs' results.
    """

    networks: Networks
    opened: OpenData
    edits: Source | None
    counts: Counts
    others: tuple[FolderResults, ...]

    def test_set(self, run: Run) -> TestSet:
        """Returns what a run is measured on: of a folder, what it has held out."""
        model, source = run.config.model, self.opened.source
        if source is None:
            return scenes_test_set(self.counts, model.image_size)
        held_out = read_held_out(run.folder)
        return folder_test_set(
            source, self.counts, model.image_size, held_out, self.edits, fit=model.fit
        )


def prepare(options: AblateOptions, opened: OpenData, device: torch.device) -> Prepared:
    """Opens what measuring needs.

    Args:
        options: of the command.
        opened: the data.
        device: where networks are to be.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: an option is wrong.
    """
    networks = open_networks(options.networks, device).networks
    counts = find_budget(options.budget).counts
    if options.conditions is not None:
        if options.conditions < 2:
            raise ValueError(f"--conditions {options.conditions}: expected 2 or more")
        counts = replace(counts, conditions=options.conditions)
    edits = None
    if options.edits is not None:
        if opened.source is None:
            raise ValueError("--edits is for data that is a folder; scenes have edits of their own")
        edits = open_edits(options.edits, opened)
    others: list[FolderResults] = []
    for given in options.results:
        name, equals, folder = given.partition("=")
        if not (name and equals and folder):
            raise ValueError(f"--results {given}: expected NAME=FOLDER")
        if name in [other.name for other in others]:
            raise ValueError(f"--results {given}: there is another {name}")
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"--results {given}: no such folder")
        others.append(FolderResults(name, Path(folder)))
    return Prepared(networks, opened, edits, counts, tuple(others))


def export(measuring: Prepared, run: Run, folder: Path) -> int:
    """Writes the pairs that other programs' results are to be made of; see `export_pairs`.

    Args:
        measuring: what is measured.
        run: of a folder of data, the first one, which must have started: it has drawn what is held
            out.
        folder: where to.

    Returns:
        The number of pairs.
    """
    if measuring.opened.source is not None and not (run.folder / "held-out.txt").is_file():
        raise ValueError(
            f"{run.folder}: not started yet, so nothing is held out; run the ablation first, then "
            "export its pairs"
        )
    with Bar("exporting") as bar:
        return export_pairs(measuring.test_set(run), folder, progress=bar)


def report(
    options: AblateOptions, measuring: Prepared, finished: Sequence[Run], device: torch.device
) -> tuple[Table, tuple[Path, ...]]:
    """Measures finished runs and other programs' results, and writes tables and pictures.

    Args:
        options: of the command.
        measuring: what is measured.
        finished: at least one run, those of the first seed first; rows that the options leave
            out are in the table where they have one.
        device: where models run.

    Returns:
        The table, and the files written.
    """
    first = measuring.test_set(finished[0])
    for other in measuring.others:
        other.check(first)
    scores: dict[str, list[Scores]] = {}
    with Bar("measuring") as bar:
        for number, run in enumerate(finished, start=1):
            title = f"measuring {run.name} ({number} of {len(finished)})"
            test = measuring.test_set(run)
            score = score_run(run, test, measuring.networks, device, partial(bar, title=title))
            scores.setdefault(run.row.name, []).append(score)
        others = {
            other.name: measure(
                other, first, measuring.networks, device, partial(bar, title=other.name)
            )
            for other in measuring.others
        }
    rows = _rows(options, finished)
    measured = {name: [each.measured for each in own] for name, own in scores.items()}
    facts = _facts(options, finished, first, measuring.networks, next(iter(scores.values()))[0])
    table = fill_table(options.table, rows, measured, others, facts, first.edited)
    shown = _shown(rows, finished, measuring.others, device)
    files = _files(options.out / options.table, table, *side_by_side(first, shown))
    write_files(files, overwrite=True)
    return table, tuple(files)


def _rows(options: AblateOptions, finished: Sequence[Run]) -> tuple[Row, ...]:
    """Returns the table's rows: those that are asked for, and those that have finished before."""
    asked = {row.name for row in table_rows(options.table, options.extras, options.only)}
    shown = asked | {run.row.name for run in finished}
    every = table_rows(options.table, extras=options.table == EXTRAS_TABLE)
    return tuple(row for row in every if row.name in shown)


def _shown(
    rows: Sequence[Row],
    finished: Sequence[Run],
    others: Sequence[FolderResults],
    device: torch.device,
) -> list[tuple[str, Results]]:
    """Returns the results that pictures are shown of: of each row its first finished run's."""
    runs: dict[str, Run] = {}
    for run in finished:
        runs.setdefault(run.row.name, run)
    models: list[tuple[str, Results]] = [
        (row.label, ModelResults(load(runs[row.name].model).to(device)))
        for row in rows
        if row.name in runs
    ]
    return [*models, *((other.name, other) for other in others)]


def _files(stem: Path, table: Table, results: Any, warped: Any) -> dict[Path, bytes]:
    """Returns everything that is written, by its path."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(table_lines(table))
    contents = {
        ".md": markdown(table).encode(),
        ".json": (json.dumps(table_dict(table), indent=2, allow_nan=False) + "\n").encode(),
        ".csv": lines.getvalue().encode(),
        "-results.png": png_bytes(results),
        "-warped.png": png_bytes(warped),
        "-chart.png": chart(table),
    }
    return {stem.with_name(stem.name + ending): data for ending, data in contents.items()}


def _facts(
    options: AblateOptions,
    finished: Sequence[Run],
    test: TestSet,
    networks: Networks,
    score: Scores,
) -> dict[str, Any]:
    """Returns what the figures depend on."""
    config, record = finished[0].config, read_record(finished[0].folder)
    parts = {name: len(samples) for name, samples in test.parts().items()}
    return {
        "budget": options.budget,
        "preset": config.model.name,
        "steps": config.train.steps,
        "batch": config.train.batch,
        "seeds": len({run.seed for run in finished}),
        "image size": "x".join(str(side) for side in config.model.image_size),
        "data": options.data if options.data == SCENES else str(Path(options.data).resolve()),
        "test set": f"{test.label}: {parts['translation']} translations, {test.exemplars} "
        f"of each condition, {parts['manipulation']} "
        f"{'edits' if test.edited else 'reconstructions'}",
        "networks of the figures": ", ".join(digests(networks)),
        "perceptual network of the losses": config.losses.backbone,
        "trained with": ", ".join(
            f"{name} {record.get(name)}" for name in ("commit", "rabit", "torch", "python")
        ),
        "measured with": ", ".join(
            f"{name} {value}" for name, value in score.environment.items() if value is not None
        ),
    }
