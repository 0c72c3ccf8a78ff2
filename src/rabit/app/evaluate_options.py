"""The options of `rabit evaluate`, and what they open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rabit.app.corpora import (
    SCENES,
    DataOptions,
    OpenData,
    listed_pictures,
    open_data,
    open_edits,
)
from rabit.app.errors import note
from rabit.app.evaluate_networks import NetworkOptions
from rabit.app.options import parse_fit, parse_size
from rabit.config import Fit
from rabit.data.condition_files import reads_alike
from rabit.data.edits.files import TABLE
from rabit.evaluation.baselines import (
    COPIED,
    MEAN_COLOURS,
    class_mean_colours,
    exemplar_copied,
)
from rabit.evaluation.folder import EvaluationFolder, folder_name
from rabit.evaluation.results import BASELINE, BaselineResults, FolderResults, ModelResults
from rabit.evaluation.run import Method
from rabit.evaluation.segmentations import Segmentations
from rabit.evaluation.testset import (
    PARTS,
    Counts,
    TestSet,
    folder_test_set,
    scenes_test_set,
)
from rabit.fields import to_dict
from rabit.inference import Translator, load
from rabit.layers.weights import tensors_digest
from rabit.metrics.sliced import COARSEST
from rabit.model.sources import named_model


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `rabit evaluate`.

    Args:
        models: embedded names, folders, files or hub ids, or NAME=MODEL.
        results: NAME=FOLDER of other programs' pictures.
        baselines: whether results that need no network are measured too.
        data: scenes, or a folder.
        layout: of the folder; found out if None.
        condition: what is translated from, where the folder leaves a choice.
        held_out: file with the names of the folder's pictures that are measured on.
        edits: folder of edits.
        protocols: of PARTS; both if empty.
        count: of conditions.
        exemplars: of each condition.
        edit_count: of edits.
        seed: of the scenes, and of resamples.
        size: height and width, as `parse_size` reads it; None for the first model's.
        fit: what becomes of pictures of another shape; None for what the first model says.
        networks: what figures read.
        segmentations: folder METHOD/NAME.png of maps that a segmenter made of the pictures.
        ignore_class: name of the class whose pixels are not compared with these maps.
        resamples: of the bootstrap.
        device: cpu or cuda.
        threads: of the CPU.
        out: the folder to write.
        only_named: whether methods of earlier calls are left out of the tables.
        overwrite: whether another evaluation in it may be replaced.
    """

    models: tuple[str, ...]
    results: tuple[str, ...]
    baselines: bool
    data: str
    layout: str | None
    condition: str | None
    held_out: Path | None
    edits: Path | None
    protocols: tuple[str, ...]
    count: int
    exemplars: int
    edit_count: int
    seed: int
    size: str | None
    fit: str | None
    networks: NetworkOptions
    segmentations: Path | None
    ignore_class: str | None
    resamples: int
    device: str
    threads: int | None
    out: Path
    only_named: bool
    overwrite: bool

    def __post_init__(self) -> None:
        unknown = [name for name in self.protocols if name not in PARTS]
        if unknown:
            raise ValueError(f"--protocol {unknown[0]}: expected {' or '.join(PARTS)}")
        if self.fit is not None:
            parse_fit(self.fit)
        fewest = {"threads": 1, "resamples": 2, "count": 2, "edit_count": 2, "exemplars": 1}
        for name, least in fewest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                flag = "--" + name.replace("_", "-")
                raise ValueError(f"{flag} {value}: expected {least} or more")


def open_models(options: EvaluateOptions, device: torch.device) -> dict[str, Translator]:
    """Loads the models by what they are called.

    Raises:
        ValueError: two have one name, or one cannot be loaded; it is named.
    """
    models: dict[str, Translator] = {}
    for given in options.models:
        name, source = _named(given)
        if name in models:
            raise ValueError(f"{given}: there is another {name}; name it as NAME=MODEL")
        models[name] = load(source).to(device)
    return models


def _named(given: str) -> tuple[str, str]:
    """Splits NAME=MODEL; a model alone is called by the end of its path, which may hold a =."""
    name, source = named_model(given)
    if name:
        return name, source
    path = Path(given)
    # A run's model lies in RUN/model.
    stem = path.parent.name if path.name == "model" and path.parent.name else path.name
    return (stem or given), given


def open_methods(
    options: EvaluateOptions, models: dict[str, Translator], test: TestSet
) -> list[Method]:
    """Returns everything that is measured: models, other programs' pictures, baselines.

    Raises:
        FileNotFoundError: a folder or a picture in it is missing.
        ValueError: a name is taken, or a model was trained on other classes.
    """
    methods = []
    for name, model in models.items():
        if not reads_alike(model.classes, test.classes):
            raise ValueError(
                f"{name} was trained on the classes {', '.join(model.classes)}; the data has "
                f"{', '.join(test.classes)}"
            )
        key = {
            "kind": "model",
            "weights": tensors_digest(model.network.state_dict()),
            # What is measured on tells how pictures were cut.
            "config": _digest({**to_dict(model.config), "fit": None}),
        }
        methods.append(Method(name, folder_name(name), ModelResults(model), key))
    for given in options.results:
        name, equals, folder = given.partition("=")
        if not (name and equals and folder):
            raise ValueError(f"--results {given}: expected NAME=FOLDER")
        other = FolderResults(name, Path(folder))
        other.check(test)
        key = {"kind": "folder", "pictures": other.digest(test)}
        methods.append(Method(name, folder_name(name), other, key))
    if options.baselines:
        methods += _baselines(test)
    names = [method.folder for method in methods]
    for method in methods:
        if names.count(method.folder) > 1:
            raise ValueError(f"{method.name}: there is another method of this name; use NAME=...")
    if not methods:
        raise ValueError("nothing to evaluate: give models, or --results NAME=FOLDER")
    return methods


def find_segmentations(
    options: EvaluateOptions, methods: Sequence[Method], test: TestSet
) -> Segmentations | None:
    """Returns the segmenter's maps that are given, if nothing is wrong with them, before any work.

    Raises:
        FileNotFoundError: there is no such folder, or none of a method in it.
        ValueError: conditions are no maps of classes, or the class to ignore is none of them.
    """
    folder, ignored = options.segmentations, options.ignore_class
    if folder is None:
        if ignored is not None:
            raise ValueError(f"--ignore-class {ignored}: it is for the maps of --segmentations")
        return None
    if test.kind != "semantic":
        raise ValueError(f"--segmentations is for maps of classes; conditions are of {test.kind}s")
    known = [method.folder for method in methods]
    if not (options.only_named or options.overwrite):
        known += EvaluationFolder(options.out).methods()
    if not any((folder / name).is_dir() for name in known):
        raise FileNotFoundError(
            f"--segmentations {folder}: expected maps in a folder of a method, such as "
            f"{folder / known[0]}"
        )
    if ignored is None:
        return Segmentations(folder)
    if ignored not in test.classes:
        raise ValueError(f"--ignore-class {ignored}: expected one of {', '.join(test.classes)}")
    return Segmentations(folder, test.classes.index(ignored))


def _baselines(test: TestSet) -> list[Method]:
    """Returns the results that need no network; mean colours are for maps of classes."""
    computed = {COPIED: exemplar_copied}
    if test.kind == "semantic":
        computed[MEAN_COLOURS] = class_mean_colours
    return [
        Method(
            name,
            folder_name(name),
            BaselineResults(compute, len(test.classes)),
            {"kind": BASELINE},
        )
        for name, compute in computed.items()
    ]


def open_test_set(
    options: EvaluateOptions, size: tuple[int, int], models: dict[str, Translator]
) -> TestSet:
    """Opens what is measured on.

    Args:
        options: of the command.
        size: of the pictures.
        models: the first one's kind of condition is read where a folder has several.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: the data is not as described, or an option does not fit it.
    """
    first = next((model.config for model in models.values()), None)
    data = DataOptions(options.data, options.layout, options.condition)
    opened = (
        open_data(data)
        if first is None
        else open_data(data, first.condition.kind, first.condition.classes)
    )
    counts = Counts(options.count, options.edit_count, options.exemplars)
    protocols = tuple(name for name in PARTS if name in (options.protocols or PARTS))
    if opened.source is None:
        cut = options.fit is not None and parse_fit(options.fit) == "crop"
        given = {
            "held-out": options.held_out,
            "edits": options.edits,
            "fit": options.fit if cut else None,
        }
        for flag, value in given.items():
            if value is not None:
                raise ValueError(f"--{flag} is for data that is a folder; scenes have their own")
        return scenes_test_set(counts, size, options.seed, protocols)
    edits = None
    if options.edits is not None:
        edits = open_edits(options.edits, opened)
    elif (Path(options.data) / TABLE).is_file():
        # A folder of edits has nothing else to translate.
        edits, protocols = opened.source, _only_edits(options)
    fit: Fit = "stretch" if first is None else first.fit
    if options.fit is not None:
        fit = parse_fit(options.fit)
    elif fit == "crop" and options.results:
        note(
            f"photographs are cropped, as for {next(iter(models))}; --results should be made from "
            "pairs that were exported so: --export-pairs with --fit crop"
        )
    return folder_test_set(
        opened.source, counts, size, _held_out(options, opened), edits, protocols, fit
    )


def _only_edits(options: EvaluateOptions) -> tuple[str, ...]:
    if "translation" in options.protocols:
        raise ValueError(
            f"--protocol translation: {options.data} holds edits; give the folder of photographs "
            "as --data and this one as --edits"
        )
    return ("manipulation",)


def _held_out(options: EvaluateOptions, opened: OpenData) -> Sequence[str]:
    """Returns the names of the pictures to measure on: listed, the layout's test set, or all."""
    source = opened.source
    assert source is not None
    if options.held_out is None:
        chosen = range(len(source)) if source.split is None else source.split.test
        return [source.names[index] for index in chosen]
    return listed_pictures(options.held_out, source)


def picture_size(options: EvaluateOptions, models: dict[str, Translator]) -> tuple[int, int]:
    """Returns height and width of the pictures: as told, or the first model's.

    Raises:
        ValueError: nothing tells, or they are too small to be measured.
    """
    if options.size is not None:
        size = parse_size(options.size)
    elif models:
        size = next(iter(models.values())).config.image_size
    else:
        raise ValueError("--size: expected pixels such as 256, since there is no model that tells")
    if min(size) < COARSEST:
        raise ValueError(
            f"--size {size[0]}x{size[1]}: expected {COARSEST} pixels a side or more, which SWD and "
            "feature networks need"
        )
    return size


def data_name(options: EvaluateOptions) -> str:
    """Returns the data as the record and reports have it."""
    return SCENES if options.data == SCENES else str(Path(options.data).resolve())


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
