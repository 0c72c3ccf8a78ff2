"""Options and help texts of the commands that make one picture: translate and edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.app.arguments import (
    DEFAULT_MODEL,
    Confidence,
    Device,
    ExemplarCondition,
    Grid,
    Model,
    Out,
    Overwrite,
    Precision,
    Seed,
    Warped,
)
from rabit.app.translate_command import Outputs, print_outputs, run_edit, run_translate
from rabit.app.translate_folder import run_translate_folder


def translate_command(
    condition: Annotated[
        Path, typer.Argument(help="Label map: what should be where. Or a folder of them.")
    ],
    exemplar: Annotated[
        Path,
        typer.Argument(
            help="Photograph that gives the look; for a folder of maps also a folder, with a "
            "photograph of the same name for each."
        ),
    ],
    out: Out,
    exemplar_condition: ExemplarCondition = None,
    model: Model = DEFAULT_MODEL,
    warped: Warped = None,
    confidence: Confidence = None,
    grid: Grid = None,
    seed: Seed = 0,
    device: Device = "cpu",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Make a photograph with the layout of CONDITION and the look of EXEMPLAR.

    Of a folder of conditions a photograph is made for each, under its name in the folder --out;
    --warped, --confidence and --grid are folders then as well. What is there already stays, so
    that a call that was stopped goes on.
    """
    outputs = Outputs(out, warped, confidence, grid, overwrite)
    run = run_translate_folder if condition.is_dir() else run_translate
    run(condition, exemplar, exemplar_condition, model, device, precision, seed, outputs)
    print_outputs(outputs)


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
    precision: Precision = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Edit IMAGE by editing its label map."""
    outputs = Outputs(out, warped, confidence, grid, overwrite)
    run_edit(
        image, condition, edited_condition, keep_unedited, model, device, precision, seed, outputs
    )
    print_outputs(outputs)
