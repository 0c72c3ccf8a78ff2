"""Checks of a corpus in a public layout: every picture is read as training reads it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from jaxtyping import UInt8

from rabit.data.batch import PictureCondition
from rabit.data.checking.files import (
    FileFacts,
    check_map,
    check_photograph,
    check_pixels_of,
    explain,
    nobody,
)
from rabit.data.checking.findings import Finding
from rabit.data.checking.listing import find_few_that_train, find_rowless, find_too_few
from rabit.data.checking.records import Looked, Record, Run, check_together
from rabit.data.checking.swaps import draw_outlines
from rabit.data.references import read_references
from rabit.data.shards.source import ShardSource
from rabit.data.source import Picture, Source, Split
from rabit.data.transforms import View

# Maps are counted at no more than this many pixels a side.
_LARGEST = 512
_TEXTS = (".json", ".txt")


class _Photograph(Protocol):
    """What pictures of all layouts have: the photograph as it was read."""

    @property
    def pixels(self) -> UInt8[np.ndarray, "H W 3"]: ...


def check_source(source: Source, run: Run) -> Looked:
    """Looks at every picture of a source.

    Args:
        source: of any layout.
        run: carries out the checks of the pictures.
    """
    files = [_files(source, index) for index in range(len(source))]
    facts = run([partial(_check_picture, source, index, own) for index, own in enumerate(files)])
    records = tuple(
        Record(
            name=source.names[index],
            image=paths[0],
            condition=paths[1] if len(paths) > 1 else paths[0],
            photo=facts[index][0],
            facts=facts[index][1],
            load=partial(source.load, index),
        )
        for index, paths in enumerate(files)
    )
    pairs, findings = _check_pairs(source, run)
    own = {finding: None for both in facts for fact in both for finding in fact.findings}
    findings += _check_sides(source)
    findings += dict.fromkeys(_check_references(source, pairs))
    findings = [*own, *check_together(records, source.kind), *findings]
    return Looked(source.kind, source.channels, records, pairs, tuple(findings))


def _files(source: Source, index: int) -> tuple[Path, ...]:
    """The files of a picture, the photograph first; in a tar file, its name after the tar file's.

    A tar file holds many pictures: by itself it would not tell which of them is meant.
    """
    files = source.files(index)
    return (files[0] / source.names[index],) if isinstance(source, ShardSource) else files


def _check_picture(
    source: Source, index: int, files: tuple[Path, ...]
) -> tuple[FileFacts, FileFacts]:
    """Reads a picture once, and says what its photograph and what its condition are like."""
    inside = isinstance(source, ShardSource)
    try:
        picture = source.load(index)
    except (OSError, ValueError) as error:
        if inside:
            return FileFacts((_explain_inside(files[0], error),)), FileFacts()
        photo = check_photograph(files[0])
        found = (_explain(source, files, error),) if photo.size is not None else ()
        return photo, FileFacts(found)
    pixels = cast("_Photograph", picture).pixels
    photo = check_pixels_of(files[0], pixels) if inside else check_photograph(files[0], pixels)
    if photo.size is None:
        return photo, FileFacts()
    return photo, _check_condition(source, picture, files, photo.size)


def _check_condition(
    source: Source, picture: Picture, files: tuple[Path, ...], size: tuple[int, int]
) -> FileFacts:
    """Makes the condition of a picture of a height and width."""
    shown = (_LARGEST // 8,) * 2
    if source.kind == "semantic":
        shown = (min(size[0], _LARGEST), min(size[1], _LARGEST))
    try:
        condition = picture.condition(View.whole(shown))
    except (OSError, ValueError) as error:
        if isinstance(source, ShardSource):
            return FileFacts((_explain_inside(files[0], error),))
        return FileFacts((_explain(source, files, error),))
    if source.kind == "semantic":
        return _count(source, files[-1], condition, size)
    skeleton = None if condition.channels is None else condition.channels[:3]
    if source.kind == "pose" and skeleton is not None and not skeleton.any():
        return FileFacts((nobody(files[-1]),))
    return FileFacts()


def _count(
    source: Source, path: Path, condition: PictureCondition, size: tuple[int, int]
) -> FileFacts:
    """Counts the pixels of a map's classes, of which several may lie over each other."""
    regions = condition.regions.numpy()
    if condition.channels is None:
        counts = np.bincount(regions.ravel(), minlength=len(source.channels))
    else:
        counts = (condition.channels > 0.5).sum(dim=(1, 2)).numpy()
    if len(counts) > len(source.channels):
        text = (
            f"{path}: id {len(counts) - 1} in a corpus of {len(source.channels)} classes; correct "
            "the map"
        )
        return FileFacts((Finding("unknown-ids", (path,), text),))
    return FileFacts((), size, drawing=draw_outlines(regions), pixels=counts)


def _explain(source: Source, files: tuple[Path, ...], error: OSError | ValueError) -> Finding:
    """Says which of a picture's files cannot be used, and why."""
    text = str(error)
    named = [path for path in files if str(path) in text]
    path = named[-1] if named else files[-1]
    if isinstance(error, FileNotFoundError):
        return Finding("no-joints" if source.kind == "pose" else "no-map", (path,), text)
    if path.suffix.lower() in _TEXTS and isinstance(error, ValueError):
        return Finding("bad-joints" if path.stat().st_size else "empty-file", (path,), text)
    finding = explain(path, error)
    if finding.kind == "unusable" and path != files[0] and source.kind == "semantic":
        closer = check_map(path, len(source.channels)).findings
        return Finding(closer[0].kind, (path,), text) if closer else finding
    return finding


def _explain_inside(path: Path, error: OSError | ValueError) -> Finding:
    """Says why a picture in a tar file cannot be used."""
    kind = "unreadable" if isinstance(error, OSError) else "damaged"
    return Finding(kind, (path,), f"{path}: {error}")


def _check_pairs(source: Source, run: Run) -> tuple[int, list[Finding]]:
    """Counts the test items with a ground truth, and reads them."""
    try:
        count = source.pair_count
    except (OSError, ValueError) as error:
        return 0, [Finding("bad-pairs", (source.root,), str(error))]
    found = run([partial(_check_pair, source, index) for index in range(count)])
    return count, [finding for finding in found if finding is not None]


def _check_pair(source: Source, index: int) -> Finding | None:
    try:
        source.load_pair(index)
    except (OSError, ValueError) as error:
        text = f"{source.root}: pair {source.pair_names[index]}: {error}"
        return Finding("bad-pairs", (source.root,), text)
    return None


def _check_sides(source: Source) -> list[Finding]:
    """Finds too few pictures, of all or of those that the layout trains on."""
    few = find_too_few(source.root, len(source))
    split = _split(source)
    return few or ([] if split is None else find_few_that_train(source.root, split.train))


def _split(source: Source) -> Split | None:
    """What the layout says of training and testing, where it has pictures for both."""
    split = source.split
    return split if split is not None and split.train and split.test else None


def _check_references(source: Source, pairs: int) -> Iterator[Finding]:
    """Reads the lists of references; what training fails with are names and rows that are missing.

    Rows are needed only for the side that a list is for. They are not where exemplars are chosen
    otherwise: to train by partners, and to test by pairs.
    """
    everything = range(len(source))
    split = _split(source) or Split(tuple(everything), tuple(everything))
    # A single picture that is held out is looked at together with some that train.
    tested = split.test if len(split.test) > 1 else everything
    for train, side in (
        (True, () if source.partners else split.train),
        (False, () if pairs else tested),
    ):
        path = source.root
        try:
            given = source.references(train)
            if given is None:
                continue
            path = given.path
            listed = read_references(path, source.names, given.partial)
        except (OSError, ValueError) as error:
            yield Finding("bad-references", (path,), str(error))
            continue
        if not given.partial:
            yield from find_rowless(path, [source.names[i] for i in side if i not in listed])
