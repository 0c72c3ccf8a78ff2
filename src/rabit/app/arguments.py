"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_MODEL = "scenes-small"

Model = Annotated[
    str, typer.Option(help="A model: an embedded name, a folder, a file, or a Hugging Face id.")
]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Precision = Annotated[
    str,
    typer.Option(
        help="What the networks compute in: float32; bfloat16, less exact and in less time where "
        "the CPU or GPU has instructions for it; or auto, bfloat16 where it has."
    ),
]
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
