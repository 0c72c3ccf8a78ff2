"""`rabit data pairs`: a list of references for any folder of pictures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer

from rabit.app.arguments import Device, Overwrite
from rabit.app.corpus_arguments import ConditionKind, Layout
from rabit.app.display import Bar, duration
from rabit.app.errors import note
from rabit.app.options import pick_device
from rabit.data.feature_cache import FeatureCache, spell_settings
from rabit.data.images import png_bytes
from rabit.data.pairs import (
    COUNT,
    Descriptor,
    contact_sheet,
    find_references,
    list_pictures,
    references_text,
)
from rabit.layers.perceptual import load_backbone
from rabit.writing import check_target, write_files

BACKBONES = ("random", "vgg19-distilled", "vgg19")


@dataclass(frozen=True)
class PairsOptions:
    """The options of `rabit data pairs`.

    Args:
        folder: with the pictures.
        out: the CSV file; None for references.csv in the folder.
        cache: folder of the features; None for FOLDER-features beside the folder.
        count: references a picture.
        layout: of the folder; None finds out.
        condition: of the layout's; None for its own.
        backbone: feature network.
        backbone_weights: its file.
        sheet: PNG file of some pictures with their references; None for none.
        seed: of the sheet's choice.
        device: cpu or cuda.
        threads: of a CPU; None for torch's own choice.
        overwrite: whether files that are there may be replaced.
    """

    folder: Path
    out: Path | None
    cache: Path | None
    count: int
    layout: str | None
    condition: str | None
    backbone: str
    backbone_weights: Path | None
    sheet: Path | None
    seed: int
    device: str
    threads: int | None
    overwrite: bool

    @property
    def csv(self) -> Path:
        """The list that is written."""
        return self.folder / "references.csv" if self.out is None else self.out

    @property
    def features(self) -> Path:
        """The folder of the features."""
        if self.cache is not None:
            return self.cache
        folder = self.folder.resolve()
        return folder.with_name(f"{folder.name}-features")


def data_pairs_command(
    folder: Annotated[Path, typer.Argument(help="A corpus, or a folder of photographs.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The CSV file to write. [default: FOLDER/references.csv]", show_default=False
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps the features. [default: FOLDER-features]", show_default=False
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="References a picture.")] = COUNT,
    layout: Layout = None,
    condition: ConditionKind = None,
    backbone: Annotated[
        str,
        typer.Option(help="Network that compares pictures: random, vgg19-distilled or vgg19."),
    ] = "random",
    backbone_weights: Annotated[
        Path | None, typer.Option(help="Its weights.", show_default=False)
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="PNG file that shows some pictures with their references.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of which pictures the sheet shows.")] = 0,
    device: Device = "cpu",
    threads: Annotated[
        int | None, typer.Option(help="Threads of the CPU.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """List for each picture of FOLDER the pictures most like it, as exemplars for training.

    Pictures are compared by the cosine of a feature network's answers; all are compared, and a
    picture is not its own reference. Where the folder says what is for training and for testing,
    all references come from the training side. The rows are `key,ref1,ref2,…`, best first;
    training finds the list as FOLDER/references.csv, which comes before a layout's public lists.
    Shards keep a copy of the list: write it first, then the shards.

    The features are kept in a folder of their own. A run that was stopped goes on there, and a
    later run computes only pictures that have changed. It may be deleted at any time.
    """
    options = PairsOptions(
        folder=folder,
        out=out,
        cache=cache,
        count=count,
        layout=layout,
        condition=condition,
        backbone=backbone,
        backbone_weights=backbone_weights,
        sheet=sheet,
        seed=seed,
        device=device,
        threads=threads,
        overwrite=overwrite,
    )
    run_pairs(options)


def run_pairs(options: PairsOptions) -> None:
    """Computes what features are missing, finds the references and writes the files.

    Raises:
        FileExistsError: a file is there and may not be replaced.
        FileNotFoundError: the folder or a file of it is missing.
        OSError: something cannot be written; it is named.
        ValueError: an option or a file is wrong; it is named.
    """
    _check(options)
    device = pick_device(options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    pictures = list_pictures(options.folder, options.layout, options.condition)
    network = load_backbone(options.backbone, options.backbone_weights)
    assert network is not None, "none is no choice here"
    descriptor = Descriptor(network.to(device), device)
    cache = FeatureCache(options.features, descriptor.settings)
    if options.backbone == "random":
        note(
            f"{network.label} sees colours and textures rather than things; the trained networks "
            "vgg19 and vgg19-distilled choose better (--backbone)"
        )
    if cache.dropped is not None:
        found = spell_settings(cache.dropped)
        note(f"{options.features} held features of another kind ({found}): all are computed anew")
    started = time.perf_counter()
    with Bar("describing") as bar:
        features, computed = cache.collect(pictures.names, pictures.paths, descriptor, bar)
    described = time.perf_counter()
    with Bar("comparing") as bar:
        references = find_references(features, pictures.split, options.count, device, bar)
    compared = time.perf_counter()
    files = {options.csv: references_text(pictures.names, references).encode()}
    if options.sheet is not None:
        files[options.sheet] = png_bytes(contact_sheet(pictures, references, options.seed))
    write_files(files, overwrite=options.overwrite)
    typer.echo(f"described by: {spell_settings(descriptor.settings)}")
    typer.echo(
        f"features: {options.features} ({computed} of {len(features)} pictures described in "
        f"{duration(described - started)}, compared in {duration(compared - described)})"
    )
    typer.echo(f"references: {options.csv} ({len(references)} rows)")
    if options.sheet is not None:
        typer.echo(f"sheet: {options.sheet}")


def _check(options: PairsOptions) -> None:
    """Refuses wrong options before any work."""
    least = {"--count": (options.count, 1), "--seed": (options.seed, 0)}
    least["--threads"] = (1 if options.threads is None else options.threads, 1)
    for name, (value, low) in least.items():
        if value < low:
            raise ValueError(f"{name} {value}: expected {low} or more")
    if options.backbone not in BACKBONES:
        raise ValueError(f"--backbone {options.backbone}: expected one of {', '.join(BACKBONES)}")
    if not options.folder.is_dir():
        raise FileNotFoundError(f"{options.folder}: no such folder; give a folder of pictures")
    if options.sheet is not None and options.sheet.suffix.lower() != ".png":
        raise ValueError(
            f"--sheet {options.sheet}: cannot write PNG under this name; end it in .png"
        )
    if options.sheet == options.csv:
        raise ValueError(f"--sheet {options.sheet}: the same file as --out; name two")
    for path in (options.csv, options.sheet):
        if path is None:
            continue
        check_target(path)
        if path.exists() and not options.overwrite:
            raise FileExistsError(f"{path} exists already; replace it with --overwrite")
