"""`rabit evaluate`: a table of models and baselines against the true translation."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from rabit import __version__
from rabit.app.corpora import PREVIEW_SEED, SCENES, DataOptions, OpenData, open_data
from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.app.options import parse_size
from rabit.app.translate_command import open_model
from rabit.data.corpus import SourceCorpus
from rabit.data.scenes import Scenes
from rabit.evaluation.benchmark import Benchmark, PairedCorpus, benchmark_dict, evaluate
from rabit.layers.perceptual import load_backbone
from rabit.metrics.running import Estimate
from rabit.writing import check_target, write_files

BACKBONES = ("random", "vgg19-distilled", "vgg19")


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `rabit evaluate`.

    Args:
        models: embedded names, folders, files or hub ids.
        data: scenes, or a folder with pairs.csv.
        count: number of samples; of a folder at most as many as it has.
        seed: of the scenes.
        size: height and width, as `parse_size` reads it; None for the first model's.
        backbone: feature network of the perceptual distance.
        backbone_weights: its file.
        device: cpu or cuda.
        json: file to write.
        overwrite: whether that file may be replaced.
    """

    models: tuple[str, ...]
    data: str
    count: int
    seed: int
    size: str | None
    backbone: str
    backbone_weights: Path | None
    device: str
    json: Path | None
    overwrite: bool


def run_evaluation(options: EvaluateOptions) -> None:
    """Measures, prints the table and writes the JSON file.

    Raises:
        FileExistsError: the JSON file is there and may not be replaced.
        FileNotFoundError: a folder or file is missing.
        OSError: the JSON file cannot be written; it is named.
        ValueError: an option or a file is wrong; it is named.
    """
    if options.json is not None:
        check_target(options.json)
    if options.json is not None and options.json.exists() and not options.overwrite:
        raise FileExistsError(f"{options.json} exists already; replace it with --overwrite")
    if options.backbone not in (*BACKBONES, "none"):
        raise ValueError(f"--backbone {options.backbone}: expected one of {', '.join(BACKBONES)}")
    if len(set(options.models)) != len(options.models):
        raise ValueError(f"{', '.join(options.models)}: name each model once")
    opened = open_data(DataOptions(options.data))
    if opened.source is not None and not opened.source.pair_count:
        raise FileNotFoundError(
            f"{options.data}: no pairs.csv; evaluation needs rows of condition, exemplar, "
            "exemplar_condition and the true translation"
        )
    if options.data == SCENES and options.seed < PREVIEW_SEED:
        note(f"training uses seeds below {PREVIEW_SEED}: the model may know scenes of this seed")
    backbone = load_backbone(options.backbone, options.backbone_weights)
    if backbone is None:
        raise ValueError("--backbone none: the perceptual distance needs one, such as random")
    models = {name: open_model(name, options.device) for name in options.models}
    first = next(iter(models.values()))
    size = first.config.image_size if options.size is None else parse_size(options.size)
    corpus = open_paired(opened, options.count, options.seed, size)
    with Bar("evaluating") as bar:
        benchmark = evaluate(models, corpus, backbone, bar)
    print_table(benchmark)
    if options.json is not None:
        text = json.dumps(_report(options, size, benchmark), indent=2, allow_nan=False) + "\n"
        write_files({options.json: text.encode()}, overwrite=options.overwrite)


def open_paired(opened: OpenData, count: int, seed: int, size: tuple[int, int]) -> PairedCorpus:
    """Opens samples whose true translation is known.

    Raises:
        FileNotFoundError: a file named in pairs.csv is missing.
        ValueError: the count is below 1, or a file is not as described.
    """
    if count < 1:
        raise ValueError(f"--count {count}: expected 1 or more")
    source = opened.source
    if source is None:
        return Scenes(count, size, seed)
    rows = range(min(count, source.pair_count))
    return SourceCorpus(source, size, train=False, indices=rows)


def print_table(benchmark: Benchmark) -> None:
    """Prints the figures, mean and half the 95 % interval."""
    table = Table(
        title=f"{benchmark.count} images against the true translation (mean ± 95 % interval)",
        title_justify="left",
    )
    table.add_column("")
    for heading in ("PSNR dB, higher", "SSIM, higher", f"{benchmark.distance_label}, lower"):
        table.add_column(heading, justify="right")
    for row in benchmark.rows:
        figures = (_spell(row.psnr, 2), _spell(row.ssim, 3), _spell(row.distance, 3))
        table.add_row(row.name, *figures)
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    console.print(table)


def _spell(estimate: Estimate, digits: int) -> str:
    if estimate.count < 2:
        return f"{estimate.mean:.{digits}f}"
    return f"{estimate.mean:.{digits}f} ± {estimate.interval:.{digits}f}"


def _report(
    options: EvaluateOptions, size: tuple[int, int], benchmark: Benchmark
) -> dict[str, Any]:
    """The table with what it was measured on."""
    return {
        "rabit": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": options.device,
        "data": options.data,
        "seed": options.seed if options.data == SCENES else None,
        "size": list(size),
        "models": list(options.models),
        **benchmark_dict(benchmark),
    }
