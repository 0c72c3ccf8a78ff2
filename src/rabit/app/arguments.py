"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.data.layouts.find import LAYOUTS

DEFAULT_MODEL = "scenes-small"

Model = Annotated[
    str, typer.Option(help="A model: an embedded name, a folder, a file, or a Hugging Face id.")
]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Seed = Annotated[int, typer.Option(help="Seed of what a method draws at random.")]
ExemplarCondition = Annotated[
    Path | None,
    typer.Option(help="Label map of the exemplar; without it classes are not matched."),
]
Out = Annotated[Path, typer.Option(help="The PNG file to write.")]
Warped = Annotated[
    Path | None, typer.Option(help="PNG file for the exemplar, warped to the condition.")
]
Confidence = Annotated[
    Path | None, typer.Option(help="PNG file for the confidence of the correspondence.")
]
Grid = Annotated[Path | None, typer.Option(help="PNG file for inputs and outputs side by side.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
Layout = Annotated[
    str | None,
    typer.Option(
        help=f"How the folder is laid out: {', '.join(LAYOUTS)}. [default: found out]",
        show_default=False,
    ),
]
ConditionKind = Annotated[
    str | None,
    typer.Option(
        "--condition",
        help="What is translated from, where the folder has several: labels, edges, pose, or canny "
        "(edges found in the photographs).",
        show_default=False,
    ),
]
Threads = Annotated[int | None, typer.Option(help="Threads of the CPU.")]
Backbone = Annotated[
    str | None,
    typer.Option(
        help="Feature network of the figures: random, vgg19-distilled or vgg19. [default: the "
        "last of them that --weights holds]",
        show_default=False,
    ),
]
BackboneWeights = Annotated[Path | None, typer.Option(help="Its weights.")]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Folder with published networks' weights (docs/metrics.md lists them): the figures "
        "that they allow are measured too."
    ),
]
OtherResults = Annotated[
    list[str] | None,
    typer.Option(
        "--results",
        metavar="NAME=FOLDER",
        help="Another program's results of the exported pairs, as a row; may be repeated.",
    ),
]
ExportPairs = Annotated[
    Path | None,
    typer.Option(
        help="Only write what other programs' results are to be made of into this folder."
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.FIELD=VALUE",
        help="Any other field of the configuration, the value as JSON; may be repeated.",
    ),
]
