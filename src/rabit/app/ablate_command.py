"""`rabit ablate`: the paper's ablations by one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from rabit.ablation.budgets import BUDGETS
from rabit.ablation.markdown import spell
from rabit.ablation.rows import TABLES
from rabit.ablation.runner import Execution
from rabit.ablation.table import Table
from rabit.app.ablate_options import AblateOptions
from rabit.app.ablate_run import run_ablation, run_export
from rabit.app.arguments import (
    Assignments,
    Backbone,
    BackboneWeights,
    Device,
    ExportPairs,
    OtherResults,
    Weights,
)
from rabit.app.corpus_arguments import ConditionKind, Layout
from rabit.app.errors import INTERRUPTED, note
from rabit.app.evaluate_networks import NetworkOptions


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
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="File with the folder's pictures that no training sees and all are measured on, "
            "one a line. [default: every seed draws its own]"
        ),
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
    assignments: Assignments = None,
    train: Annotated[
        bool,
        typer.Option("--train/--no-train", help="Train what is left, or only measure what is."),
    ] = True,
    conditions: Annotated[
        int | None, typer.Option(help="Held-out conditions that are measured, each 3 times.")
    ] = None,
    edits: Annotated[
        Path | None,
        typer.Option(
            help="Folder of edits of held-out pictures, as rabit data edits writes it, where the "
            "data is a folder."
        ),
    ] = None,
    backbone: Backbone = None,
    backbone_weights: BackboneWeights = None,
    weights: Weights = None,
    results: OtherResults = None,
    export_pairs: ExportPairs = None,
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
        held_out=held_out,
        steps=steps,
        seeds=seeds,
        only=_names(only),
        extras=extras,
        jobs=jobs,
        threads=threads,
        device=device,
        hours=hours,
        loss_backbone=loss_backbone,
        loss_weights=loss_weights,
        assignments=tuple(assignments or ()),
        train=train,
        conditions=conditions,
        edits=edits,
        networks=NetworkOptions(backbone, backbone_weights, weights),
        results=tuple(results or ()),
    )
    if export_pairs is not None:
        count = run_export(options, export_pairs)
        typer.echo(f"{count} pairs: {export_pairs}")
        return
    done = run_ablation(options)
    if done.table is not None:
        print_table(done.table)
    for path in done.files:
        typer.echo(f"written: {path}")
    _conclude(done.execution, options)


def print_table(table: Table) -> None:
    """Prints the columns that the paper has, and the distance to the known truth."""
    extra = ("translation.psnr", "translation.warped_psnr")
    shown = [c for c in table.columns if c.paper is not None or c.figure in extra]
    printed = RichTable(title=f"{table.name}: mean ± deviation over seeds", title_justify="left")
    printed.add_column("")
    for column in shown:
        part = "edits: " if column.part == "manipulation" else ""
        printed.add_column(f"{part}{column.heading} {column.arrow}".strip(), justify="right")
    for row in table.rows:
        cells = [spell(row.cells.get(column.figure), column.digits) for column in shown]
        printed.add_row(Text(row.label), *cells)
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(printed)


def _conclude(execution: Execution, options: AblateOptions) -> None:
    """Says what is left, and ends with an exit code for it."""
    failed = [o.run.name for o in execution.outcomes if o.status == "failed"]
    left = [o for o in execution.outcomes if o.status in ("waiting", "stopped")]
    if left:
        note(
            f"{len(left)} of {len(execution.outcomes)} trainings are left; the same command goes "
            "on with them"
        )
    if execution.interrupted:
        note("--no-train measures those that have finished")
        raise typer.Exit(INTERRUPTED)
    if failed:
        note(f"failed: {', '.join(failed)}; the same command tries again")
        raise typer.Exit(1)


def _names(only: str | None) -> tuple[str, ...]:
    """The rows that --only names; none where it is left out.

    Raises:
        ValueError: it names none.
    """
    names = tuple(name.strip() for name in (only or "").split(",") if name.strip())
    if only is not None and not names:
        raise ValueError(f"--only {only!r}: expected names of rows, with commas between them")
    return names
