"""Which exemplars suit an image: reference lists from a file, or from the label maps themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from rabit.data.batch import PictureCondition
from rabit.data.text import read_rows, relative_name
from rabit.data.transforms import resize_labels

COUNT = 10
"""How many references an image gets."""

GRID = 16
"""Side of the label map that references are chosen by."""

_CHUNK = 2**25
# Ids below this are counted as they are, so that a table of them stays small.
_LARGE = 2**10
# Into how many ids a channel is divided where there are no regions.
_LEVELS = 8


@dataclass(frozen=True)
class Layout:
    """What a label map shows and where, small enough to compare with every other map.

    Args:
        cells: (G·G,) the id in each cell of a G×G map, G = 16.
        ids: (I,) the ids of the whole map, ascending.
        shares: (I,) their shares of it, of norm 1.
    """

    cells: Int64[np.ndarray, " cells"]
    ids: Int64[np.ndarray, " I"]
    shares: Float32[np.ndarray, " I"]

    @classmethod
    def of(cls, labels: Int64[np.ndarray, "H W"]) -> Layout:
        """Describes a label map (H, W) of any ids."""
        cells = resize_labels(labels, (GRID, GRID)).ravel()
        ids, counts = np.unique(labels, return_counts=True)
        shares = counts.astype(np.float32)
        return cls(cells=cells, ids=ids, shares=shares / np.linalg.norm(shares))

    @classmethod
    def of_condition(cls, condition: PictureCondition) -> Layout:
        """Describes a condition by its regions, or by the distance of edges where it has none."""
        ids = condition.regions.numpy()
        if condition.channels is not None and not ids.any():
            ids = (condition.channels[-1].numpy() * (_LEVELS - 1)).round().astype(np.int64)
        return cls.of(ids)


def rank_references(
    layouts: Sequence[Layout],
    count: int = COUNT,
    queries: Sequence[int] | None = None,
    candidates: Sequence[int] | None = None,
) -> Int64[np.ndarray, "Q K"]:
    """Lists for maps the maps most like them, best first, itself left out.

    The likeness of two maps is the mean of two cosines: of their one-hot 16×16 maps (the share of
    cells with the same class: the same thing in the same place) and of their class shares (the same
    things, anywhere). It is exact: all candidates are compared, some rows at a time, so that memory
    grows with N, not N². Of equally like maps the earlier comes first.

    Args:
        layouts: N maps, at least two.
        count: most references a map.
        queries: indices of the maps that get references; None for all.
        candidates: indices of the maps that are compared with, ascending, two or more; None for
            all.

    Returns:
        (Q, K) int64 indices into `layouts`, K the smaller of count and the candidates less one.

    Raises:
        ValueError: fewer than two maps.
    """
    total = len(layouts)
    if total < 2:
        raise ValueError(f"{total} label maps: there is no other image to refer to; give 2 or more")
    asked = np.arange(total) if queries is None else np.asarray(queries)
    others = np.arange(total) if candidates is None else np.asarray(candidates)
    cells, shares = _table(_renumbered(layouts))
    kept = min(count, len(others) - 1)
    ranked = np.empty((len(asked), kept), dtype=np.int64)
    step = max(1, _CHUNK // (len(others) * cells.shape[1]))
    for start in range(0, len(asked), step):
        rows = asked[start : start + step]
        same = np.count_nonzero(cells[rows, None] == cells[others], axis=2) / cells.shape[1]
        likeness = same + shares[rows] @ shares[others].T
        likeness[rows[:, None] == others] = -np.inf
        order = np.argsort(-likeness, axis=1, kind="stable")
        ranked[start : start + len(rows)] = others[order[:, :kept]]
    return ranked


def _renumbered(layouts: Sequence[Layout]) -> Sequence[Layout]:
    """Numbers the ids of maps from 0 where they are too large, or below 0, to count in a table.

    Those of a single map, which make it like no other, become one number of its own.
    """
    every, maps = np.unique(np.concatenate([layout.ids for layout in layouts]), return_counts=True)
    if every[0] >= 0 and every[-1] < _LARGE:
        return layouts
    shared = every[maps > 1]

    def numbered(layout: Layout, row: int) -> Layout:
        def number(ids: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
            return np.where(np.isin(ids, shared), np.searchsorted(shared, ids), len(shared) + row)

        known = np.isin(layout.ids, shared)
        return Layout(number(layout.cells), number(layout.ids[known]), layout.shares[known])

    return [numbered(layout, row) for row, layout in enumerate(layouts)]


def _table(
    layouts: Sequence[Layout],
) -> tuple[Shaped[np.ndarray, "N cells"], Float32[np.ndarray, "N C"]]:
    """The cells of all maps, and the shares of all ids, 0 where a map has not got one."""
    cells = np.stack([layout.cells for layout in layouts])
    width = 1 + max(int(layout.ids.max(initial=0)) for layout in layouts)
    shares = np.zeros((len(layouts), width), dtype=np.float32)
    for row, layout in zip(shares, layouts, strict=True):
        row[layout.ids] = layout.shares
    return cells.astype(np.min_scalar_type(int(cells.max()))), shares


def read_references(
    path: Path, names: Sequence[str], partial: bool = False
) -> dict[int, tuple[int, ...]]:
    """Reads a reference list: rows `key,ref1,ref2,…`, best reference first.

    Args:
        path: the CSV file; a first row that begins with `key` is its header.
        names: of the images, which key and references are among; the last part of a path and a
            name without its ending will do where they are unique, and backslashes may stand for
            slashes.
        partial: whether names of images that are not there are passed over, with rows that have
            nothing else.

    Returns:
        Indices of the references by the index of their key.

    Raises:
        ValueError: the file is no such list, or names an image that is not there.
    """
    known = _spellings(names)

    def index(name: str, where: str) -> int | None:
        found = known.get(relative_name(name, where))
        if found is None and not partial:
            raise ValueError(
                f"{where}: there is no image {name!r}; correct or remove the name, or write the "
                "list anew with rabit data pairs FOLDER --overwrite"
            )
        return found

    references: dict[int, tuple[int, ...]] = {}
    for number, row in enumerate(read_rows(path)):
        if number == 0 and row.cells[0].lower() == "key":
            continue
        if len(row.cells) < 2:
            raise ValueError(f"{row.where}: {row.cells[0]!r} has no reference; expected key,ref1,…")
        key, *listed = (index(cell, row.where) for cell in row.cells)
        there = tuple(reference for reference in listed if reference is not None)
        if key is None or not there:
            continue
        if key in references:
            raise ValueError(f"{row.where}: a second row for {row.cells[0]!r}; keep one")
        references[key] = there
    return references


def _spellings(names: Sequence[str]) -> dict[str, int]:
    """The index of each image by every unique way to spell it; whole names come first."""
    known: dict[str, int] = {}
    for spell in (
        lambda path: path.stem,
        lambda path: path.name,
        lambda path: str(path.with_suffix("")),
        str,
    ):
        spelled: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            spelled.setdefault(spell(PurePosixPath(name)), []).append(i)
        known |= {name: found[0] for name, found in spelled.items() if len(found) == 1}
    return known
