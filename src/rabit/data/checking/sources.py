"""Checks of a corpus in a public layout: every picture is read as training reads it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from rabit.data.batch import PictureCondition
from rabit.data.checking.files import FileFacts, check_map, check_photograph, explain, nobody
from rabit.data.checking.findings import Finding
from rabit.data.checking.listing import find_too_few
from rabit.data.checking.records import Looked, Record, Run, check_together
from rabit.data.checking.swaps import draw_outlines
from rabit.data.references import read_references
from rabit.data.source import Source
from rabit.data.transforms import View

# Maps are counted at no more than this many pixels a side.
_LARGEST = 512
_TEXTS = (".json", ".txt")


def check_source(source: Source, run: Run) -> Looked:
    """Looks at every picture of a source.

    Args:
        source: of any layout.
        run: carries out the checks of the pictures.
    """
    files = [source.files(index) for index in range(len(source))]
    photos = run([partial(check_photograph, paths[0]) for paths in files])
    tasks = [partial(_check_condition, source, index, photo) for index, photo in enumerate(photos)]
    conditions = run(tasks)
    records = tuple(
        Record(
            name=source.names[index],
            image=paths[0],
            condition=paths[1] if len(paths) > 1 else paths[0],
            photo=photos[index],
            facts=conditions[index],
            load=partial(source.load, index),
        )
        for index, paths in enumerate(files)
    )
    facts = [fact for both in zip(photos, conditions, strict=True) for fact in both]
    pairs, lists = _check_lists(source)
    own = {finding: None for fact in facts for finding in fact.findings}
    few = find_too_few(source.root, len(source))
    findings = (*own, *check_together(records, source.kind), *lists, *few)
    return Looked(source.kind, source.channels, records, pairs, findings)


def _check_condition(source: Source, index: int, photo: FileFacts) -> FileFacts:
    """Reads a picture and makes its condition."""
    if photo.size is None:
        return FileFacts()
    try:
        picture = source.load(index)
        size = _limited(photo.size) if source.kind == "semantic" else (_LARGEST // 8,) * 2
        condition = picture.condition(View.whole((size[0], size[1])))
    except (OSError, ValueError) as error:
        return FileFacts((_explain(source, index, error),))
    if source.kind == "semantic":
        return _count(source, index, condition, photo.size)
    skeleton = None if condition.channels is None else condition.channels[:3]
    if source.kind == "pose" and skeleton is not None and not skeleton.any():
        return FileFacts((nobody(source.files(index)[-1]),))
    return FileFacts()


def _count(
    source: Source, index: int, condition: PictureCondition, size: tuple[int, int]
) -> FileFacts:
    """Counts the pixels of a map's classes, of which several may lie over each other."""
    regions = condition.regions.numpy()
    if condition.channels is None:
        counts = np.bincount(regions.ravel(), minlength=len(source.channels))
    else:
        counts = (condition.channels > 0.5).sum(dim=(1, 2)).numpy()
    if len(counts) > len(source.channels):
        path = source.files(index)[-1]
        text = (
            f"{path}: id {len(counts) - 1} in a corpus of {len(source.channels)} classes; correct "
            "the map"
        )
        return FileFacts((Finding("unknown-ids", (path,), text),))
    return FileFacts((), size, drawing=draw_outlines(regions), pixels=counts)


def _limited(size: tuple[int, int]) -> tuple[int, int]:
    return min(size[0], _LARGEST), min(size[1], _LARGEST)


def _explain(source: Source, index: int, error: OSError | ValueError) -> Finding:
    """Says which of a picture's files cannot be used, and why."""
    files, text = source.files(index), str(error)
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


def _check_lists(source: Source) -> tuple[int, list[Finding]]:
    """Counts the pairs, and reads the lists of references."""
    findings: list[Finding] = []
    pairs = 0
    try:
        pairs = source.pair_count
    except (OSError, ValueError) as error:
        findings.append(Finding("bad-pairs", (source.root,), str(error)))
    read: set[Path] = set()
    for train in (True, False):
        try:
            listed = source.references(train)
            if listed is not None and listed.path not in read:
                read.add(listed.path)
                read_references(listed.path, source.names, listed.partial)
        except (OSError, ValueError) as error:
            findings.append(Finding("bad-references", (source.root,), str(error)))
    return pairs, findings
