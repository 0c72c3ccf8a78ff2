"""Checks of a plain folder: every file, then photographs with their conditions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from rabit.data.checking.files import (
    FileFacts,
    check_joints,
    check_lines,
    check_map,
    check_photograph,
)
from rabit.data.checking.findings import Finding
from rabit.data.checking.listing import Listed, list_folder
from rabit.data.checking.palettes import find_mixed_palettes
from rabit.data.checking.records import Looked, Record, Run, check_sizes, check_together
from rabit.data.edges import CannyPicture, LinePicture, read_lines
from rabit.data.images import MAX_CLASSES, read_image, read_labels
from rabit.data.layouts.folder import CHANNELS, KINDS_OF_CONDITIONS, FolderCondition
from rabit.data.listing import Photograph
from rabit.data.pose import PosePicture, read_joints
from rabit.data.semantic import SemanticPicture
from rabit.data.source import Picture


def check_plain(root: Path, condition: FolderCondition, run: Run) -> Looked:
    """Looks at every file of a plain folder once.

    Args:
        root: the folder.
        condition: which of its conditions.
        run: carries out the checks of the files.
    """
    listed = list_folder(root, condition)
    facts = _read_all(listed, condition, run)
    records = [
        _record(root, photograph, condition, facts) for photograph in _pictures(listed, condition)
    ]
    kind = KINDS_OF_CONDITIONS[condition]
    findings = [*listed.findings, *(f for fact in facts.values() for f in fact.findings)]
    findings += find_mixed_palettes(
        {path: fact.palette for path, fact in facts.items() if fact.palette is not None}
    )
    findings += check_together(records, kind)
    matched = set(listed.photographs)
    for pair in listed.pairs:
        if pair not in matched:
            findings += check_sizes(
                facts[pair.image], facts[pair.condition], pair.image, pair.condition
            )
    if condition == "pose":
        findings += [found for record in records for found in _misplaced(record)]
    channels = CHANNELS.get(condition, listed.classes or ())
    return Looked(kind, channels, tuple(records), listed.rows, tuple(findings))


def _pictures(listed: Listed, condition: FolderCondition) -> tuple[Photograph, ...]:
    if condition == "canny":
        return tuple(Photograph(image, image) for image in listed.singles)
    return listed.photographs or listed.pairs


def _read_all(listed: Listed, condition: FolderCondition, run: Run) -> dict[Path, FileFacts]:
    """Reads each file once, however many photographs it belongs to."""
    both = (*listed.photographs, *listed.pairs)
    tasks: dict[Path, Callable[[], FileFacts]] = {}
    for image in (*(photograph.image for photograph in both), *listed.singles):
        tasks[image] = partial(check_photograph, image)
    for photograph in both:
        path = photograph.condition
        if condition == "labels":
            tasks[path] = partial(check_map, path, listed.class_count)
        elif condition == "edges":
            tasks[path] = partial(check_lines, path)
        else:
            tasks[path] = partial(check_joints, path)
    return dict(zip(tasks, run(list(tasks.values())), strict=True))


def _record(
    root: Path, photograph: Photograph, condition: FolderCondition, facts: dict[Path, FileFacts]
) -> Record:
    image, path = photograph.image, photograph.condition
    inside = root / "images" in image.parents
    return Record(
        name=image.name if inside else image.relative_to(root).as_posix(),
        image=image,
        condition=path,
        photo=facts[image],
        facts=FileFacts() if path == image else facts[path],
        load=partial(_load, photograph, condition),
    )


def _load(photograph: Photograph, condition: FolderCondition) -> Picture:
    """Reads a picture to be shown, which may be one that training refuses."""
    pixels, path = read_image(photograph.image), photograph.condition
    if condition == "labels":
        return SemanticPicture(pixels, read_labels(path, MAX_CLASSES))
    if condition == "edges":
        return LinePicture(pixels, read_lines(path))
    if condition == "pose":
        return PosePicture(pixels, read_joints(path))
    return CannyPicture(pixels)


def _misplaced(record: Record) -> list[Finding]:
    """Finds joints that lie outside the photograph."""
    joints, size = record.facts.joints, record.photo.size
    if joints is None or size is None or not joints.seen.any():
        return []
    places = joints.places[joints.seen]
    inside = ((places > -1) & (places < np.array([size[1], size[0]]))).all(axis=1)
    where = f"{record.condition}: {len(inside) - int(inside.sum())} of {len(inside)} joints lie "
    where += f"outside {record.image} of {size[1]}×{size[0]} pixels"
    try:
        joints.check_inside(size)
        elsewhere = not inside.any()
    except ValueError:
        elsewhere = True
    if elsewhere:
        text = f"{where}, far away or all of them; give joints in pixels of this photograph"
        return [Finding("joints-elsewhere", (record.condition,), text)]
    if not inside.all():
        text = f"{where}; that is right only where the person is cut off"
        return [Finding("joints-outside", (record.condition,), text)]
    return []
