"""`rabit replay`: a recipe of the editor in, PNG files out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

from rabit.app.arguments import Confidence, Device, Grid, Out, Overwrite, Warped
from rabit.app.translate_command import Outputs, open_model, print_outputs
from rabit.config import ModelConfig
from rabit.data.pictures import Pixels
from rabit.data.text import require_file
from rabit.editor.recipe import (
    Limits,
    Recipe,
    RecipeError,
    parse_recipe,
    read_document,
    recipe_model,
)
from rabit.editor.run import follow_recipe
from rabit.model.sources import embedded_models, is_named, released_models

RecipeModel = Annotated[
    str | None,
    typer.Option(
        help="The model to use: an embedded name, a folder, a file, or a Hugging Face id. "
        "[default: the embedded model that the recipe names]",
        show_default=False,
    ),
]

RecipePrecision = Annotated[
    str | None,
    typer.Option(
        help="What the networks compute in: float32, bfloat16 or auto. [default: what the recipe "
        "says, or auto]",
        show_default=False,
    ),
]

RecipeThreads = Annotated[
    int | None,
    typer.Option(
        help="Threads of the CPU. Their number rounds: give that of the editor, if it was "
        "started with another than PyTorch's, for the same file to the byte."
    ),
]


def replay_command(
    recipe: Annotated[Path, typer.Argument(help="JSON file that the editor's page saved.")],
    out: Out,
    model: RecipeModel = None,
    warped: Warped = None,
    confidence: Confidence = None,
    grid: Grid = None,
    device: Device = "cpu",
    precision: RecipePrecision = None,
    threads: RecipeThreads = None,
    overwrite: Overwrite = False,
) -> None:
    """Make the picture of RECIPE again, as the editor made it."""
    outputs = Outputs(out, warped, confidence, grid, overwrite)
    run_replay(recipe, model, device, precision, threads, outputs)
    print_outputs(outputs)


def run_replay(
    path: Path,
    model: str | None,
    device: str,
    precision: str | None,
    threads: int | None,
    outputs: Outputs,
) -> None:
    """Follows a recipe.

    Args:
        path: of its JSON file.
        model: what to open; None for the embedded model that the recipe names.
        device: cpu or cuda.
        precision: what the networks compute in; None for what the recipe says.
        threads: of the CPU; None for PyTorch's choice.
        outputs: the files to write.

    Raises:
        FileExistsError: an output is there and may not be replaced.
        FileNotFoundError: there is no such recipe.
        ValueError: the recipe cannot be followed, or its model is not found; the file and the field
            are named.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"--threads {threads}: expected 1 or more")
    outputs.check(path)
    require_file(path, "recipe")
    limits = Limits()
    with path.open("rb") as stream:
        data = stream.read(limits.bytes + 1)
    try:
        document = read_document(data, limits)
        name = recipe_model(document)
        translator = open_model(
            model or _own(name), device, "auto" if precision is None else precision
        )
        recipe = parse_recipe(document, {name: translator.config}, limits)
    except RecipeError as error:
        raise ValueError(f"{path}: {error}") from error
    if threads is not None:
        torch.set_num_threads(threads)
    if precision is not None:
        recipe = replace(recipe, precision=None)
    result = follow_recipe(translator, recipe)
    outputs.write(result, lambda: _inputs(recipe, translator.config))


def _own(name: str) -> str:
    """Checks that a recipe names one of the project's models: it may come from anybody, and neither
    opens other files here nor fetches any.
    """
    if not is_named(name):
        known = ", ".join([*embedded_models(), *released_models()])
        raise RecipeError(
            "model",
            f"{name!r} is none of this program's models ({known}); give its folder, file or "
            "Hugging Face id with --model",
        )
    return name


def _inputs(recipe: Recipe, config: ModelConfig) -> list[Pixels]:
    """Returns condition and exemplars as two pictures of the result's size."""
    exemplars = [exemplar.image.pixels for exemplar in recipe.exemplars]
    condition = recipe.condition.pixels(config.condition, recipe.size)
    return [condition, _mosaic(exemplars, recipe.size)]


def _mosaic(pictures: list[Pixels], size: tuple[int, int]) -> Pixels:
    """Lays pictures out row by row in one of a size, each as large as its cell."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (size[1], size[0]), "white")
    edges = [
        [side * i // count for i in range(count + 1)]
        for side, count in zip(size, (rows, columns), strict=True)
    ]
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        top, bottom = edges[0][row : row + 2]
        left, right = edges[1][column : column + 2]
        if bottom > top and right > left:
            cell = Image.fromarray(picture).resize((right - left, bottom - top))
            sheet.paste(cell, (left, top))
    return np.asarray(sheet)
