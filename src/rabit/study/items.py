"""The items of a study: for each, its condition, its exemplar and every method's picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from rabit.study.manifest import CONDITIONS, EXEMPLARS, ITEMS, TRUTH, Manifest
from rabit.study.reading import read_table

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
TABLE_COLUMNS = ("item", "condition", "exemplar")
"""Columns that a table of files has besides those of the methods."""


@dataclass(frozen=True)
class Item:
    """An item.

    Args:
        name: for the scores; raters never see it.
        condition: its picture, to be looked at.
        exemplar: the picture that gives the style.
        results: one a method, in the order of the methods.
        truth: the true translation, if it is known.
    """

    name: str
    condition: Path
    exemplar: Path
    results: tuple[Path, ...]
    truth: Path | None = None


@dataclass(frozen=True)
class Found:
    """The items of a study, and remarks about those that are left out."""

    items: tuple[Item, ...]
    notes: tuple[str, ...]


def find_items(manifest: Manifest) -> Found:
    """Finds the items that a manifest means, and draws as many as it asks for.

    Raises:
        FileNotFoundError: a folder, a file or a named item is missing.
        ValueError: there are none or too few, or two files of one name.
    """
    items, notes = _from_table(manifest) if manifest.table else _from_folders(manifest)
    items = [item for item in items if fnmatchcase(item.name, manifest.match)]
    if not items and manifest.match != "*":
        raise ValueError(f"match is {manifest.match!r}, but no item is called so")
    if not items:
        raise ValueError("no item has a picture in every folder; name the pictures alike")
    wanted = min(ITEMS, len(items)) if manifest.items is None else manifest.items
    if wanted > len(items):
        raise ValueError(f"items is {wanted}, but there are {len(items)}; ask for fewer")
    drawn = np.random.default_rng((manifest.seed, 1)).permutation(len(items))[:wanted]
    return Found(tuple(items[i] for i in sorted(drawn.tolist())), tuple(notes))


def _from_folders(manifest: Manifest) -> tuple[list[Item], list[str]]:
    """Items by the names of files."""
    methods = [_pictures(Path(m.folder), f"methods: {m.name}") for m in manifest.methods]
    conditions = _pictures(Path(manifest.conditions), CONDITIONS)
    exemplars = _pictures(Path(manifest.exemplars), EXEMPLARS)
    truths = _pictures(Path(manifest.truth), TRUTH) if manifest.truth else {}
    folders = {m.name: found for m, found in zip(manifest.methods, methods, strict=True)}
    folders |= {CONDITIONS: conditions, EXEMPLARS: exemplars}
    everything = {name for found in folders.values() for name in found}
    names, notes = _common(sorted(everything), folders, manifest.names)
    items = [
        Item(
            name,
            conditions[name],
            exemplars[name],
            tuple(found[name] for found in methods),
            truths.get(name),
        )
        for name in names
    ]
    return items, notes


def _common(
    everything: Sequence[str], folders: dict[str, dict[str, Path]], names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The names that every folder has, in their order, and what is left out."""
    lacking = {
        name: [folder for folder, found in folders.items() if name not in found]
        for name in (names or everything)
    }
    missing = [name for name, those in lacking.items() if those]
    if names and missing:
        raise FileNotFoundError(
            f"names: {missing[0]} has no picture in {', '.join(lacking[missing[0]])}"
        )
    notes = []
    if missing:
        notes.append(
            f"{len(missing)} items are left out: not every folder has them, such as "
            f"{missing[0]}, which is missing in {', '.join(lacking[missing[0]])}"
        )
    return [name for name in lacking if not lacking[name]], notes


def _pictures(folder: Path, field: str) -> dict[str, Path]:
    """The pictures of a folder by their names without suffix."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{field}: {folder}: no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or path.is_dir():
            continue
        if path.stem in found:
            raise ValueError(
                f"{field}: {found[path.stem].name} and {path.name} in {folder} have one name; "
                "keep one of them"
            )
        found[path.stem] = path
    return found


def _from_table(manifest: Manifest) -> tuple[list[Item], list[str]]:
    """Items by the rows of a CSV file, whose paths are relative to its own folder."""
    path = Path(manifest.table)
    table = read_table(path)
    columns = [*TABLE_COLUMNS, *(method.name for method in manifest.methods)]
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise ValueError(f"{path}: column {lacking[0]} is missing; expected {', '.join(columns)}")
    items = [_row(row, path, line, manifest) for line, row in table.rows]
    names = [item.name for item in items]
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise ValueError(f"{path}: item {twice[0]} is there twice; give each row its own")
    unknown = [name for name in manifest.names if name not in names]
    if unknown:
        raise FileNotFoundError(f"names: {path} has no item {unknown[0]}")
    return [item for item in items if not manifest.names or item.name in manifest.names], []


def _row(row: dict[str, str], table: Path, line: int, manifest: Manifest) -> Item:
    """One item, all of whose files are there."""

    def place(column: str) -> Path:
        path = table.parent / (row.get(column) or "")
        if not path.is_file():
            raise FileNotFoundError(
                f"{table}, line {line}, column {column}: {row.get(column)!r} is no file beside it"
            )
        return path

    if not row["item"]:
        raise ValueError(f"{table}, line {line}, column item: it is empty; name the item")
    return Item(
        row["item"],
        place("condition"),
        place("exemplar"),
        tuple(place(method.name) for method in manifest.methods),
        place(TRUTH) if row.get(TRUTH) else None,
    )
