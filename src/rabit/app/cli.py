"""The command line: options and help texts; the work is done elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit import __version__
from rabit.app.ablate_command import ablate_command
from rabit.app.arguments import (
    DEFAULT_MODEL,
    Confidence,
    Device,
    ExemplarCondition,
    Grid,
    Model,
    Out,
    Overwrite,
    Seed,
    Warped,
)
from rabit.app.correspondence_cli import benchmark_correspondence_command, match_command
from rabit.app.data_check_command import data_check_command
from rabit.app.data_edits_command import data_edits_command
from rabit.app.data_merge_command import data_merge_command
from rabit.app.data_pairs_command import data_pairs_command
from rabit.app.data_scenes_command import data_scenes_command
from rabit.app.data_shard_command import data_shard_command
from rabit.app.demo_command import run_demo
from rabit.app.errors import Commands
from rabit.app.evaluate_cli import evaluate_command
from rabit.app.replay_command import RecipeModel, RecipeThreads, run_replay
from rabit.app.runs_command import runs_command
from rabit.app.serve_command import serve_command
from rabit.app.study_cli import study_app
from rabit.app.train_cli import train_command
from rabit.app.translate_command import Outputs, run_edit, run_translate

app = typer.Typer(
    name="rabit",
    cls=Commands,
    help="Exemplar-based image translation and editing with bi-level alignment (RABIT).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(
    help="Make, check and prepare data.", no_args_is_help=True, rich_markup_mode=None
)
data_app.command("scenes")(data_scenes_command)
data_app.command("check")(data_check_command)
data_app.command("merge")(data_merge_command)
data_app.command("pairs")(data_pairs_command)
data_app.command("edits")(data_edits_command)
data_app.command("shard")(data_shard_command)
app.add_typer(data_app, name="data")
app.add_typer(study_app, name="study")
app.command("train")(train_command)
app.command("match")(match_command)
app.command("runs")(runs_command)
app.command("serve")(serve_command)
app.command("ablate")(ablate_command)
app.command("evaluate")(evaluate_command)
benchmark_app = typer.Typer(help="Compare methods.", no_args_is_help=True, rich_markup_mode=None)
benchmark_app.command("correspondence")(benchmark_correspondence_command)
app.add_typer(benchmark_app, name="benchmark")


def main() -> None:
    """Runs the command line."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rabit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Exemplar-based image translation and editing with bi-level alignment (RABIT)."""


@app.command("translate")
def translate_command(
    condition: Annotated[Path, typer.Argument(help="Label map: what should be where.")],
    exemplar: Annotated[Path, typer.Argument(help="Photograph that gives the look.")],
    out: Out,
    exemplar_condition: ExemplarCondition = None,
    model: Model = DEFAULT_MODEL,
    warped: Warped = None,
    confidence: Confidence = None,
    grid: Grid = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Make a photograph with the layout of CONDITION and the look of EXEMPLAR."""
    outputs = Outputs(out, warped, confidence, grid, overwrite)
    run_translate(condition, exemplar, exemplar_condition, model, device, seed, outputs)
    _print_outputs(outputs)


@app.command("edit")
def edit_command(
    image: Annotated[Path, typer.Argument(help="The photograph.")],
    condition: Annotated[Path, typer.Argument(help="Its label map.")],
    edited_condition: Annotated[Path, typer.Argument(help="The label map after the edit.")],
    out: Out,
    model: Model = DEFAULT_MODEL,
    keep_unedited: Annotated[
        bool,
        typer.Option(
            "--keep-unedited/--regenerate-all",
            help="Keep the photograph's own pixels away from the edit, or make all anew.",
        ),
    ] = True,
    warped: Warped = None,
    confidence: Confidence = None,
    grid: Grid = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Edit IMAGE by editing its label map."""
    outputs = Outputs(out, warped, confidence, grid, overwrite)
    run_edit(image, condition, edited_condition, keep_unedited, model, device, seed, outputs)
    _print_outputs(outputs)


@app.command("replay")
def replay_command(
    recipe: Annotated[Path, typer.Argument(help="JSON file that the editor's page saved.")],
    out: Out,
    model: RecipeModel = None,
    warped: Warped = None,
    confidence: Confidence = None,
    grid: Grid = None,
    device: Device = "cpu",
    threads: RecipeThreads = None,
    overwrite: Overwrite = False,
) -> None:
    """Make the picture of RECIPE again, as the editor made it."""
    outputs = Outputs(out, warped, confidence, grid, overwrite)
    run_replay(recipe, model, device, threads, outputs)
    _print_outputs(outputs)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("demo-report"),
    model: Model = DEFAULT_MODEL,
    seed: Annotated[int, typer.Option(help="Which of the held-out scenes, 0 or more.")] = 0,
    device: Device = "cpu",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the report in the folder.")
    ] = False,
) -> None:
    """Translate and edit held-out scenes, and write an HTML report to look at."""
    page = run_demo(out, model, seed, device, overwrite)
    typer.echo(f"pictures: {page.parent / 'images'}")
    typer.echo(f"report: {page}")


def _print_outputs(outputs: Outputs) -> None:
    """Says where the files are."""
    for option, path in outputs.named().items():
        typer.echo(f"{option.removeprefix('--')}: {path}")
