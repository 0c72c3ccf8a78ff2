"""`rabit ablate`: the paper's ablations by one command."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from rabit.ablation.budgets import BUDGETS, common_experiment, find_budget
from rabit.ablation.lock import locked
from rabit.ablation.plan import Run, plan_runs, steps_taken
from rabit.ablation.rows import TABLES, table_rows
from rabit.ablation.runner import Outcome, execute, slots
from rabit.app.arguments import ConditionKind, Device, Layout
from rabit.app.corpora import DataOptions, open_data
from rabit.app.display import Bar
from rabit.app.errors import INTERRUPTED, note
from rabit.app.options import override, pick_device
from rabit.config import ExperimentConfig
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
    """

    table: str
    data: str
    budget: str
    out: Path
    layout: str | None = None
    condition: str | None = None
    preset: str | None = None
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


def ablate_command(
    table: Annotated[str, typer.Argument(help=f"The ablation: {', '.join(TABLES)}.")],
    data: Annotated[str, typer.Option(help="scenes, or a folder, as for rabit train.")] = "scenes",
    budget: Annotated[str, typer.Option(help=f"What it may cost: {', '.join(BUDGETS)}.")] = "small",
    out: Annotated[
        Path | None, typer.Option(help="The ablation's folder. [default: runs/ablation-BUDGET]")
    ] = None,
    layout: Layout = None,
    condition: ConditionKind = None,
    preset: Annotated[
        str | None, typer.Option(help="The experiment, instead of the budget's preset.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of every training.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings of every row.")] = None,
    only: Annotated[
        str | None, typer.Option(help="Names of rows, with commas between, instead of all.")
    ] = None,
    extras: Annotated[
        bool, typer.Option("--extras", help="In table8, rows without adv and without fm as well.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(help="Trainings at a time. [default: 1, or one a CUDA device]"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads of each training. [default: cores / jobs]")
    ] = None,
    device: Device = "cpu",
    hours: Annotated[
        float | None, typer.Option("--time", help="Hours after which all trainings are stopped.")
    ] = None,
    loss_backbone: Annotated[
        str | None, typer.Option(help="Perceptual network of the losses, as for rabit train.")
    ] = None,
    loss_weights: Annotated[
        Path | None, typer.Option(help="Weights of the losses' perceptual network.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.FIELD=VALUE",
            help="A field of all rows' configurations, the value as JSON; may be repeated.",
        ),
    ] = None,
) -> None:
    """Train and compare the rows of one of the paper's ablations.

    Every row is trained with every seed, as a process of its own, all rows with the first seed
    first. Ctrl-C lets all trainings write a checkpoint; the same command goes on. Tables that share
    a folder share the trainings of the rows that they have in common.
    """
    options = AblateOptions(
        table=table,
        data=data,
        budget=budget,
        out=Path("runs") / f"ablation-{budget}" if out is None else out,
        layout=layout,
        condition=condition,
        preset=preset,
        steps=steps,
        seeds=seeds,
        only=tuple(name.strip() for name in (only or "").split(",") if name.strip()),
        extras=extras,
        jobs=jobs,
        threads=threads,
        device=device,
        hours=hours,
        loss_backbone=loss_backbone,
        loss_weights=loss_weights,
        assignments=tuple(assignments or ()),
    )
    outcomes = run_ablation(options)
    _conclude(outcomes)


def run_ablation(options: AblateOptions) -> list[Outcome]:
    """Trains what is left to train.

    Returns:
        How each training ended.

    Raises:
        FileNotFoundError: the data's folder is missing.
        ValueError: an option is wrong, or the folder holds another ablation.
    """
    pick_device(options.device)
    for flag, value in (("--seeds", options.seeds), ("--jobs", options.jobs),
                        ("--threads", options.threads), ("--time", options.hours)):  # fmt: skip
        if value is not None and not value > 0:
            raise ValueError(f"{flag} {value}: expected a number above 0")
    devices = torch.cuda.device_count() if options.device == "cuda" else 1
    jobs = options.jobs or devices
    threads = options.threads or max((os.cpu_count() or 1) // jobs, 1)
    runs = plan(options, threads)
    seconds = None if options.hours is None else options.hours * 3600
    with locked(options.out) as inherited, Bar("steps") as bar:
        report = _Display(runs, bar)
        return execute(
            runs, slots(options.device, jobs, threads, devices), report, seconds, inherited
        )


def plan(options: AblateOptions, threads: int) -> list[Run]:
    """Returns all trainings of an ablation, those that are finished too."""
    budget = find_budget(options.budget)
    preset = options.preset or budget.preset
    data = DataOptions(options.data, options.layout, options.condition)
    opened = open_data(data, preset_kind(preset))
    experiment = common_experiment(budget, opened.channels, opened.kind, preset, options.steps)
    rows = table_rows(options.table, options.extras, options.only)
    given = {
        "--layout": options.layout,
        "--condition": options.condition,
        "--backbone-weights": options.loss_weights and options.loss_weights.resolve(),
        "--device": options.device,
        "--threads": threads,
    }
    passed = [part for flag, value in given.items() if value is not None
              for part in (flag, str(value))]  # fmt: skip
    return plan_runs(
        rows,
        range(options.seeds or budget.seeds),
        _with_options(experiment, options),
        preset,
        options.data,
        options.out,
        passed,
    )


def _with_options(experiment: ExperimentConfig, options: AblateOptions) -> ExperimentConfig:
    """Returns the experiment with the losses' network and the fields that were named."""
    if options.loss_backbone is not None:
        losses = with_backbone(experiment.losses, options.loss_backbone)
        experiment = replace(experiment, losses=losses)
    return override(experiment, options.assignments)


class _Display:
    """Tells of trainings: a line for each that starts or ends, and a bar on a terminal."""

    def __init__(self, runs: Sequence[Run], bar: Bar) -> None:
        self.bar = bar
        self.told = {run.name: "waiting" for run in runs}
        self.next = 0.0

    def __call__(self, outcomes: Sequence[Outcome]) -> None:
        """Shows how far all trainings are."""
        for outcome in outcomes:
            if outcome.status != self.told[outcome.run.name]:
                self.told[outcome.run.name] = outcome.status
                text = f"{outcome.run.name}: {outcome.status}"
                self.bar.progress.console.print(
                    f"{text} {outcome.message}".strip(), markup=False, highlight=False
                )
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + 2
        total = sum(outcome.run.config.train.steps for outcome in outcomes)
        done = sum(_steps(outcome) for outcome in outcomes)
        running = [outcome.run.name for outcome in outcomes if outcome.status == "running"]
        self.bar(done, total, ", ".join(running) or "steps")


def _steps(outcome: Outcome) -> int:
    if outcome.status in ("found", "finished"):
        return outcome.run.config.train.steps
    return 0 if outcome.status == "waiting" else steps_taken(outcome.run)


def _conclude(outcomes: Sequence[Outcome]) -> None:
    """Says what is left, and ends with an exit code for it."""
    failed = [outcome.run.name for outcome in outcomes if outcome.status == "failed"]
    left = [outcome for outcome in outcomes if outcome.status in ("waiting", "stopped")]
    if left:
        note(f"{len(left)} trainings are left; the same command goes on with them")
    if failed:
        note(f"{len(failed)} trainings failed: {', '.join(failed)}; the same command tries again")
        raise typer.Exit(1)
    if left:
        raise typer.Exit(INTERRUPTED)
