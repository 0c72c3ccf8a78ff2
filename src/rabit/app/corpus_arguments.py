"""Options of the commands that read a folder of pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from rabit.data.layouts.find import LAYOUTS

Layout = Annotated[
    str | None,
    typer.Option(
        help=f"How the folder is laid out: {', '.join(LAYOUTS)}. [default: found out]",
        show_default=False,
    ),
]
_FIT = (
    "What becomes of pictures of another shape: stretch, or crop, which keeps their shape and shows"
)
TrainingFit = Annotated[
    str | None,
    typer.Option(
        "--fit", help=f"{_FIT} any part. [default: the preset's, stretch]", show_default=False
    ),
]
EvaluationFit = Annotated[
    str | None,
    typer.Option(
        "--fit",
        help=f"{_FIT} the middle, or the edit. [default: the first model's; stretch without one]",
        show_default=False,
    ),
]
EditsFit = Annotated[
    str | None,
    typer.Option(
        "--fit",
        help=f"{_FIT} the middle; it needs --size. [default: stretch]",
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
