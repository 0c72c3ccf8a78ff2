"""Options and help texts of the commands about correspondences: match and benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.app.arguments import (
    DEFAULT_MODEL,
    Device,
    ExemplarCondition,
    Model,
    Overwrite,
    Precision,
    Seed,
)
from rabit.app.benchmark_command import BenchmarkOptions, run_benchmark
from rabit.app.match_command import MatchOptions, run_match
from rabit.app.options import parse_sides
from rabit.data.match_colours import CONFIDENT


def match_command(
    condition: Annotated[Path, typer.Argument(help="Label map: what should be where.")],
    exemplar: Annotated[Path, typer.Argument(help="Photograph to find its places in.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    exemplar_condition: ExemplarCondition = None,
    model: Model = DEFAULT_MODEL,
    lines: Annotated[
        int, typer.Option(help="The most lines of the match picture; 0 for none.")
    ] = 32,
    seed: Seed = 0,
    device: Device = "cpu",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Show which places of EXEMPLAR the places of CONDITION match.

    The folder gets warped.png (what the correspondence carries over), confidence.png, matches.png
    (the matches in colours and as lines) and matches.npy: for every pixel of CONDITION the place
    (x, y) in pixels of EXEMPLAR, a NumPy file of float32 (height, width, 2). Pixel centres are
    whole numbers, (0, 0) is the top-left pixel.
    """
    options = MatchOptions(
        condition=condition,
        exemplar=exemplar,
        exemplar_condition=exemplar_condition,
        model=model,
        out=out,
        lines=lines,
        seed=seed,
        device=device,
        precision=precision,
        overwrite=overwrite,
    )
    figures = run_match(options)
    for name, path in options.files.items():
        typer.echo(f"{name}: {path}")
    typer.echo(
        f"places with a confidence above {CONFIDENT}: {100 * figures.confident:.1f} %, "
        f"median confidence: {figures.median:.2f}"
    )


def benchmark_correspondence_command(
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path(
        "correspondence-benchmark"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer methods and sizes: some minutes on two cores.")
    ] = False,
    sizes: Annotated[
        str | None, typer.Option(help="Positions a side that are timed, such as 64,128,256.")
    ] = None,
    accuracy_sizes: Annotated[
        str | None, typer.Option(help="Positions a side whose accuracy is measured.")
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(help="Seconds that a pass may take; longer ones are left out and said so."),
    ] = None,
    accuracy: Annotated[
        bool, typer.Option("--accuracy/--no-accuracy", help="Measure the accuracy as well.")
    ] = True,
    scenes: Annotated[int, typer.Option(help="Generated scenes for the accuracy.")] = 4,
    model: Model = DEFAULT_MODEL,
    channels: Annotated[int, typer.Option(help="Channels of the features that are timed.")] = 256,
    threads: Annotated[
        int | None, typer.Option(help="Threads of a CPU; PyTorch's choice if left out.")
    ] = None,
    device: Device = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16, of what is timed.")] = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Compare all correspondence methods: time, memory, growth and accuracy.

    Dense attention (PyTorch's scaled_dot_product_attention, ours, and with its matrix stored),
    transport, patchmatch and the ranking are measured in one run, on a CPU each case in a process
    of its own. The folder gets correspondence.json, speed.png and, with the accuracy, accuracy.png.
    """
    options = BenchmarkOptions(
        out=out,
        quick=quick,
        sides=parse_sides("--sizes", sizes),
        accuracy_sides=parse_sides("--accuracy-sizes", accuracy_sizes),
        limit=limit,
        accuracy=accuracy,
        scenes=scenes,
        model=model,
        channels=channels,
        threads=threads,
        device=device,
        dtype=dtype,
        overwrite=overwrite,
    )
    run_benchmark(options)
    for name, path in options.files.items():
        typer.echo(f"{name}: {path}")


benchmark_app = typer.Typer(help="Compare methods.", no_args_is_help=True, rich_markup_mode=None)
benchmark_app.command("correspondence")(benchmark_correspondence_command)
