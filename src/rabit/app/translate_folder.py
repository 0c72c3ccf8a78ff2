"""`rabit translate` of a folder: many conditions, PNG files of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.app.translate_command import (
    Outputs,
    lacks_map,
    note_missing_map,
    open_model,
    picture_inputs,
    tell_size,
    translate_checked,
)
from rabit.config import ConditionConfig
from rabit.data.edges import PLAIN_EDGES
from rabit.data.images import IMAGE_SUFFIXES, LABEL_SUFFIXES
from rabit.data.listing import first_few, list_files, list_images, list_joints, stem_of
from rabit.inference import Translator
from rabit.writing import check_target


@dataclass(frozen=True)
class Item:
    """A picture to make.

    Args:
        stem: of its condition, and of the files that are written.
        condition: its file.
        exemplar: the photograph that gives the look.
        exemplar_condition: that one's own condition, if there is one.
    """

    stem: str
    condition: Path
    exemplar: Path
    exemplar_condition: Path | None


def run_translate_folder(
    condition: Path,
    exemplar: Path,
    exemplar_condition: Path | None,
    model: str,
    device: str,
    precision: str,
    seed: int,
    outputs: Outputs,
) -> None:
    """Translates every condition of a folder; pictures that are there already are left alone.

    Args:
        condition: the folder of conditions.
        exemplar: a photograph for all, or a folder with one of the same name for each.
        exemplar_condition: the exemplar's condition, or a folder with one for each exemplar.
        model: as for one picture, like the next three.
        device: cpu or cuda.
        precision: of the networks.
        seed: of every picture.
        outputs: folders; `overwrite` says whether pictures that are there are made anew.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: a file does not fit the model, or files do not belong together; it is named.
        OSError: a place cannot be written to.
    """
    _check_folders(outputs, (condition, exemplar, exemplar_condition))
    translator = open_model(model, device, precision)
    items = list_items(condition, exemplar, exemplar_condition, translator.config.condition)
    _keep_inputs(items, outputs)
    left = [item for item in items if outputs.overwrite or not _done(item, outputs)]
    if len(left) < len(items):
        kept = f"{len(items) - len(left)} of {len(items)} pictures are in {outputs.out} already"
        note(f"{kept} and stay as they are; --overwrite makes them anew")
    if any(lacks_map(item.exemplar_condition, translator.config.condition) for item in left):
        note_missing_map()
    told = False
    with Bar("translating") as bar:
        for number, item in enumerate(left, start=1):
            size = _translate(translator, item, seed, outputs)
            if not told:
                told = tell_size(translator, item.condition, size)
            bar(number, len(left))
    typer.echo(f"made: {len(left)}")


def list_items(
    conditions: Path, exemplar: Path, exemplar_condition: Path | None, config: ConditionConfig
) -> list[Item]:
    """Puts the files of folders together by their stems.

    Args:
        conditions: a folder.
        exemplar: a file, or a folder.
        exemplar_condition: a file, a folder, or None.
        config: of the model's conditions.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: there is no condition, or one has no exemplar, or an exemplar no condition.
    """
    found = _list_conditions(conditions, config)
    if not found:
        raise ValueError(f"{conditions}: no file that can be a condition of this model")
    looks = dict.fromkeys(found, exemplar)
    if exemplar.is_dir():
        looks = _partners(list_images(exemplar), found, f"{exemplar}: no exemplar")
    own: dict[str, Path | None] = dict.fromkeys(found, exemplar_condition)
    if exemplar_condition is not None and exemplar_condition.is_dir():
        one = stem_of(exemplar.name)
        stems = found if exemplar.is_dir() else [one]
        maps = _list_conditions(exemplar_condition, config)
        partners = _partners(maps, stems, f"{exemplar_condition}: no condition")
        own = {stem: partners[stem if exemplar.is_dir() else one] for stem in found}
    return [Item(stem, path, looks[stem], own[stem]) for stem, path in found.items()]


def _list_conditions(folder: Path, config: ConditionConfig) -> dict[str, Path]:
    if config.kind == "pose":
        return list_joints(folder)
    return list_files(folder, IMAGE_SUFFIXES if config.classes in PLAIN_EDGES else LABEL_SUFFIXES)


def _partners(
    files: dict[str, Path], stems: Sequence[str] | dict[str, Path], what: str
) -> dict[str, Path]:
    missing = [stem for stem in stems if stem not in files]
    if missing:
        raise ValueError(
            f"{what} for {first_few(missing)}; add a file of that name, or give one file for all"
        )
    return {stem: files[stem] for stem in stems}


def _check_folders(outputs: Outputs, inputs: Sequence[Path | None]) -> None:
    """Refuses, before any work, folders that pictures cannot go to."""
    taken = {path.resolve(): f"{path}" for path in inputs if path is not None}
    for option, folder in outputs.named().items():
        if folder.suffix.lower() == ".png":
            raise ValueError(f"{option} {folder}: expected a folder, as the conditions are one")
        if folder.resolve() in taken:
            raise ValueError(
                f"{option} {folder} is {taken[folder.resolve()]}, which is in use already; give "
                "another folder"
            )
        taken[folder.resolve()] = option
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{option} {folder}: expected a folder, but that is a file")
        check_target(folder / "any.png")


def _keep_inputs(items: Sequence[Item], outputs: Outputs) -> None:
    """Refuses folders in which a picture would take the place of a file that is read."""
    read = {
        path.resolve()
        for item in items
        for path in (item.condition, item.exemplar, item.exemplar_condition)
        if path is not None
    }
    for item in items:
        for option, path in _files(item, outputs).named().items():
            if path.resolve() in read:
                raise ValueError(
                    f"{option} {path.parent}: {path.name} there is one of the files to read, which "
                    "would be lost; give another folder"
                )


def _done(item: Item, outputs: Outputs) -> bool:
    return all(path.exists() for path in _files(item, outputs).named().values())


def _files(item: Item, outputs: Outputs) -> Outputs:
    """The files of one picture."""
    named = {
        option.removeprefix("--"): folder / f"{item.stem}.png"
        for option, folder in outputs.named().items()
    }
    return Outputs(overwrite=True, **named)


def _translate(translator: Translator, item: Item, seed: int, outputs: Outputs) -> tuple[int, int]:
    """Makes one picture, and returns its height and width."""
    inputs = (item.condition, item.exemplar, item.exemplar_condition)
    result = translate_checked(translator, *inputs, seed)
    files = _files(item, outputs)
    files.write(result, lambda: picture_inputs(translator, item.condition, item.exemplar, result))
    return result.image.shape[-2], result.image.shape[-1]
