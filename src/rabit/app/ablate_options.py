"""The options of `rabit ablate`, and the trainings that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rabit.ablation.budgets import common_experiment, find_budget
from rabit.ablation.plan import Run, plan_runs, state_of
from rabit.ablation.rows import EXTRAS_TABLE, Row, table_rows
from rabit.app.corpora import (
    DataOptions,
    OpenData,
    held_out_pictures,
    open_data,
    require_fit_of_scenes,
)
from rabit.app.evaluate_networks import NetworkOptions
from rabit.app.options import override
from rabit.app.run_folder import HELD_OUT, read_held_out
from rabit.config import ExperimentConfig, LossConfig
from rabit.layers.perceptual import WITHOUT_FILE
from rabit.presets import preset_kind, with_backbone


@dataclass(frozen=True)
class AblateOptions:
    """The options of `rabit ablate`; None where the budget, or the machine, says.

    Args:
        table: of TABLES.
        data: scenes, or a folder.
        budget: of BUDGETS.
        out: the ablation's folder.
        layout: of the data's folder.
        condition: of the data's folder.
        preset: of the experiment.
        held_out: file with the names of the folder's pictures that no training sees.
        steps: of every training.
        seeds: trainings of every row.
        only: names of rows.
        extras: whether table8 has rows for the other losses.
        jobs: trainings at a time.
        threads: of each.
        device: cpu or cuda.
        hours: after which trainings are stopped.
        loss_backbone: perceptual network of the losses.
        loss_weights: its file.
        assignments: further fields, as `override` reads them.
        train: whether to train; otherwise what is there is measured.
        edits: a folder of edits with their truths, for data that is a folder.
        conditions: held-out conditions that are measured.
        networks: what the figures read.
        results: other programs' results, NAME=FOLDER each.
    """

    table: str
    data: str
    budget: str
    out: Path
    layout: str | None = None
    condition: str | None = None
    preset: str | None = None
    held_out: Path | None = None
    steps: int | None = None
    seeds: int | None = None
    only: tuple[str, ...] = ()
    extras: bool = False
    jobs: int | None = None
    threads: int | None = None
    device: str = "cpu"
    hours: float | None = None
    loss_backbone: str | None = None
    loss_weights: Path | None = None
    assignments: tuple[str, ...] = ()
    train: bool = True
    edits: Path | None = None
    conditions: int | None = None
    networks: NetworkOptions = NetworkOptions()
    results: tuple[str, ...] = ()


def open_options(options: AblateOptions) -> OpenData:
    """Opens the data."""
    preset = options.preset or find_budget(options.budget).preset
    data = DataOptions(options.data, options.layout, options.condition)
    return open_data(data, preset_kind(preset))


def plan(options: AblateOptions, opened: OpenData, threads: int) -> list[Run]:
    """Returns all trainings of an ablation, those that are finished too.

    Raises:
        FileNotFoundError: the list of what is held out is missing.
        ValueError: an option is wrong, or a training that was started holds out other pictures.
    """
    rows = table_rows(options.table, options.extras, options.only)
    runs = _plan_rows(options, opened, threads, rows)
    if options.held_out is not None:
        _require_held_out(runs, options.held_out, opened)
    return runs


def finished_besides(
    options: AblateOptions, opened: OpenData, threads: int
) -> tuple[list[Run], dict[str, str]]:
    """Finds the finished trainings of the table's rows that the options leave out.

    Args:
        options: of the command.
        opened: the data.
        threads: of each training.

    Returns:
        The trainings, and by row why others that lie in the folder are none of this table's: they
        were started with other options, or hold out other pictures.
    """
    kept = {row.name for row in table_rows(options.table, options.extras, options.only)}
    runs, reasons = list[Run](), dict[str, str]()
    for row in table_rows(options.table, extras=options.table == EXTRAS_TABLE):
        if row.name in kept or not (options.out / "runs" / row.name).is_dir():
            continue
        try:
            own = _plan_rows(options, opened, threads, (row,))
            finished = [run for run in own if state_of(run) == "finished"]
            if options.held_out is not None:
                _require_held_out(finished, options.held_out, opened)
        except ValueError as error:
            reasons[row.name] = str(error)
        else:
            runs += finished
    return runs, reasons


def _plan_rows(
    options: AblateOptions, opened: OpenData, threads: int, rows: Sequence[Row]
) -> list[Run]:
    """Returns the trainings of some rows."""
    budget = find_budget(options.budget)
    preset = options.preset or budget.preset
    experiment = _with_options(
        common_experiment(budget, opened.channels, opened.kind, preset, options.steps), options
    )
    _require_loss_weights(experiment.losses, options)
    if opened.source is None:
        require_fit_of_scenes(experiment.model)
    given = {
        "--layout": options.layout,
        "--condition": options.condition,
        "--held-out": options.held_out and options.held_out.resolve(),
        "--backbone-weights": options.loss_weights and options.loss_weights.resolve(),
        "--device": options.device,
        "--threads": threads,
    }
    passed = [part for flag, value in given.items() if value is not None
              for part in (flag, str(value))]  # fmt: skip
    return plan_runs(
        rows,
        range(options.seeds or budget.seeds),
        experiment,
        preset,
        options.data,
        options.out,
        passed,
    )


def _require_held_out(runs: Sequence[Run], path: Path, opened: OpenData) -> None:
    """Refuses a list that does not fit the data, or a training that was started with another."""
    names = set(held_out_pictures(path, opened))
    if len(names) < 2:
        raise ValueError(
            f"--held-out {path}: {len(names)} pictures are held out, but measuring takes 2 or more"
        )
    for run in runs:
        if (run.folder / HELD_OUT).is_file() and set(read_held_out(run.folder)) != names:
            raise ValueError(
                f"{run.folder} holds out other pictures than --held-out {path}; give the list that "
                "it was started with, or another folder with --out"
            )


def _require_loss_weights(losses: LossConfig, options: AblateOptions) -> None:
    """Refuses losses whose network has no file, before each training would."""
    reads = losses.backbone not in WITHOUT_FILE and losses.layers()
    if reads and options.train and options.loss_weights is None:
        raise ValueError(
            f"the losses read the network {losses.backbone}: give its file with --loss-weights "
            "FILE, or choose --loss-backbone random"
        )
    if options.loss_weights is not None and not options.loss_weights.is_file():
        raise FileNotFoundError(f"--loss-weights {options.loss_weights}: no such file")


def _with_options(experiment: ExperimentConfig, options: AblateOptions) -> ExperimentConfig:
    """Returns the experiment with the losses' network and the fields that were named."""
    if options.loss_backbone is not None:
        losses = with_backbone(experiment.losses, options.loss_backbone)
        experiment = replace(experiment, losses=losses)
    return override(experiment, options.assignments)
