"""Lists of what trains and what tests: train.txt and val.txt, a photograph's name a row."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from rabit.data.listing import first_few
from rabit.data.source import Split
from rabit.data.text import read_rows, relative_name


def read_split(
    root: Path, names: Sequence[str], expected: str, partial: bool = False
) -> Split | None:
    """Reads train.txt and val.txt; where there is one of them only, the other side is the rest.

    Args:
        root: their folder.
        names: of the photographs, as the lists spell them.
        expected: what a list has in a row, for errors.
        partial: whether a list may name photographs that are not there, if some are.

    Returns:
        The two sides; None where there is neither file.

    Raises:
        ValueError: a row is no name of a photograph, or names one that the other list has too, or
            one side is empty and the lists are not partial.
    """
    files = (root / "train.txt", root / "val.txt")
    index = {unicodedata.normalize("NFC", name): i for i, name in enumerate(names)}
    train, test = (
        _read_list(path, index, expected, partial) if path.exists() else None for path in files
    )
    if train is None and test is None:
        return None
    everything = set(range(len(names)))
    train = everything - (test or set()) if train is None else train
    test = everything - train if test is None else test
    both = sorted(names[i] for i in train & test)
    if both:
        raise ValueError(
            f"{files[1]}: {first_few(both)} in train.txt as well; no photograph may both train and "
            "test, remove it from one of the two"
        )
    if not partial and not (train and test):
        side = "test" if train else "train on"
        raise ValueError(
            f"{root}: train.txt and val.txt leave no photograph to {side}; correct them, or remove "
            "them to have a fifth held out"
        )
    return Split(train=tuple(sorted(train)), test=tuple(sorted(test)))


def _read_list(path: Path, index: dict[str, int], expected: str, partial: bool) -> set[int]:
    """Reads the photographs that a list names."""
    listed = set()
    for row in read_rows(path):
        if len(row.cells) != 1:
            raise ValueError(f"{row.where}: {len(row.cells)} cells, expected one name a row")
        name = unicodedata.normalize("NFC", relative_name(row.cells[0], row.where))
        if name not in index and not partial:
            raise ValueError(f"{row.where}: no photograph {name}; expected {expected}")
        listed.add(name)
    found = {index[name] for name in listed if name in index}
    if listed and not found:
        raise ValueError(
            f"{path}: none of its {len(listed)} photographs is there, such as {min(listed)}; "
            f"expected {expected}"
        )
    return found
