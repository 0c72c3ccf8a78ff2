"""`rabit evaluate` on the command line: its options, help and what it prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rabit.app.arguments import (
    DEFAULT_MODEL,
    Backbone,
    BackboneWeights,
    Device,
    ExportPairs,
    OtherResults,
    Threads,
    Weights,
)
from rabit.app.corpus_arguments import ConditionKind, EvaluationFit, Layout
from rabit.app.evaluate_command import run_evaluation, run_export
from rabit.app.evaluate_networks import NetworkOptions
from rabit.app.evaluate_options import EvaluateOptions
from rabit.evaluation.intervals import Figure
from rabit.evaluation.showcase import HELD_OUT_SEED
from rabit.evaluation.summary import Part
from rabit.evaluation.tables import NOTHING, TITLES, best_methods, rounded, shown_digits
from rabit.evaluation.testset import EXEMPLARS
from rabit.metrics.jpeg import QUALITY

DEFAULT_MODELS = (DEFAULT_MODEL, "scenes-small-unaligned")
# What the terminal shows; the tables and the report have all.
SHOWN = ("fd", "swd", "semantic_52", "style_v", "psnr", "perceptual")


def evaluate_command(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Embedded names, folders, files or Hugging Face ids, or NAME=MODEL. The first is "
            f"what the others are compared with. [default: {' '.join(DEFAULT_MODELS)}]",
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(help="scenes (held out, truths known), or a folder in one of the layouts."),
    ] = "scenes",
    layout: Layout = None,
    condition: ConditionKind = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="File with the folder's pictures to measure on, such as a run's held-out.txt. "
            "[default: the layout's test set, or all]"
        ),
    ] = None,
    edits: Annotated[
        Path | None,
        typer.Option(help="Folder of edits, as rabit data edits writes it, of such pictures."),
    ] = None,
    protocols: Annotated[
        list[str] | None,
        typer.Option(
            "--protocol", help="translation or manipulation; may be repeated. [default: both]"
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="Conditions that are translated, at most.")] = 200,
    exemplars: Annotated[int, typer.Option(help="Exemplars of each condition.")] = EXEMPLARS,
    edit_count: Annotated[int, typer.Option(help="Edits, at most.")] = 60,
    results: OtherResults = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="Measure the exemplar itself and the classes' mean colours too.",
        ),
    ] = True,
    seed: Annotated[
        int, typer.Option(help="Seed of the scenes; training uses seeds below 10000.")
    ] = HELD_OUT_SEED,
    size: Annotated[
        str | None,
        typer.Option(help="Pixels: one number, or HEIGHTxWIDTH. [default: the first model's]"),
    ] = None,
    fit: EvaluationFit = None,
    backbone: Backbone = None,
    backbone_weights: BackboneWeights = None,
    weights: Weights = None,
    segmentations: Annotated[
        Path | None,
        typer.Option(
            help="Folder METHOD/NAME.png of the label maps that your segmenter made of the "
            "pictures in OUT/pictures, for the mean IoU and the pixel accuracy."
        ),
    ] = None,
    ignore_class: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Class of the conditions, such as unlabeled, whose pixels neither of the two "
            "counts.",
        ),
    ] = None,
    jpeg: Annotated[
        int,
        typer.Option(help="Quality of the JPEG files that FID is measured on besides PNG."),
    ] = QUALITY,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples for the intervals.")] = 1000,
    device: Device = "cpu",
    threads: Threads = None,
    out: Annotated[Path, typer.Option(help="The folder to write, or to go on with.")] = Path(
        "evaluation"
    ),
    export_pairs: ExportPairs = None,
    only_named: Annotated[
        bool,
        typer.Option(
            "--only-named",
            help="Leave methods out of the tables that earlier calls measured and this one does "
            "not name.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another evaluation in the folder.")
    ] = False,
) -> None:
    """Measure models and other programs' results as the paper does, and write a report.

    Every condition is translated with several exemplars, and edits are made; pictures, tables and
    report.html go into the folder OUT. Ctrl-C loses nothing: the same command goes on. Under
    torchrun processes share the work.
    """
    options = EvaluateOptions(
        models=_models(models, results),
        results=tuple(results or ()),
        baselines=baselines,
        data=data,
        layout=layout,
        condition=condition,
        held_out=held_out,
        edits=edits,
        protocols=tuple(protocols or ()),
        count=count,
        exemplars=exemplars,
        edit_count=edit_count,
        seed=seed,
        size=size,
        fit=fit,
        networks=NetworkOptions(backbone, backbone_weights, weights, jpeg),
        segmentations=segmentations,
        ignore_class=ignore_class,
        resamples=resamples,
        device=device,
        threads=threads,
        out=out,
        only_named=only_named,
        overwrite=overwrite,
    )
    if export_pairs is not None:
        typer.echo(f"{run_export(options, export_pairs)} pairs: {export_pairs}")
        return
    written = run_evaluation(options)
    if written is None:
        return
    for part in written.evaluation.parts:
        _print_part(part)
    for path in written.files:
        typer.echo(str(path))


def _models(models: list[str] | None, results: list[str] | None) -> tuple[str, ...]:
    """Returns the models that are meant: the embedded ones where nothing is named."""
    return tuple(models or (() if results else DEFAULT_MODELS))


def _print_part(part: Part) -> None:
    """Prints some of a part's figures, with their intervals."""
    title = f"{TITLES[part.name]}, {len(part.sample_names)} pictures (95 % intervals)"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    shown = [q for q in part.quantities if q.name in SHOWN]
    for quantity in shown:
        table.add_column(f"{quantity.heading} {quantity.arrow}", justify="right", no_wrap=True)
    for row in part.rows:
        cells = []
        for quantity in shown:
            figure = row.figures.get(quantity.name)
            text = _short(figure, quantity.digits)
            marked = row.method in best_methods(part, quantity)
            cells.append(f"[bold]{text}[/bold]" if marked else text)
        table.add_row(row.method, *cells)
    console = Console()
    console = console if console.is_terminal else Console(width=132)
    console.print(table)


def _short(figure: Figure | None, digits: int) -> str:
    """Returns a figure with half the width of its interval."""
    if figure is None:
        return NOTHING
    value, digits = rounded(figure.value, digits), shown_digits(figure.value, digits)
    reach = (figure.high - figure.low) / 2
    return f"{value} ± {reach:.{digits}f}" if math.isfinite(reach) else value
