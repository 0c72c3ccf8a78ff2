"""Finding out in which layout a folder is, and opening it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import get_args

from rabit.data.edges import PLAIN_EDGES
from rabit.data.images import IMAGE_SUFFIXES
from rabit.data.layouts.ade20k import ADE20KSource
from rabit.data.layouts.celeba import (
    MASKGAN_MAPS,
    CelebAEdgeSource,
    CelebAMaskSource,
    MergedFaceSource,
)
from rabit.data.layouts.celeba_files import ANNOTATIONS, PHOTOGRAPHS
from rabit.data.layouts.coco import CocoStuffSource
from rabit.data.layouts.deepfashion import DeepFashionSource
from rabit.data.layouts.folder import KINDS_OF_CONDITIONS, FolderCondition, FolderSource
from rabit.data.shards.source import ShardSource
from rabit.data.source import Source

CONDITIONS: tuple[FolderCondition, ...] = get_args(FolderCondition)
"""What a picture may be translated from."""

# How many entries of a folder are looked at for a message, or for its layout.
_LOOK = 200


@dataclass(frozen=True)
class Layout:
    """A layout of a corpus on disk.

    Args:
        open: opens a folder of this layout.
        conditions: what its pictures can be translated from, the default first.
        expects: its folders and files, for people.
        fits: whether a folder looks like it, by its folders.
    """

    open: Callable[[Path], Source]
    conditions: tuple[FolderCondition, ...]
    expects: str
    fits: Callable[[Path], bool]


def _is_sharded(root: Path) -> bool:
    return (root / "shards.json").is_file()


def _is_plain(root: Path) -> bool:
    """Lenient, so that what is missing in a nearly right folder is named when it is opened."""
    if any((root / name).exists() for name in ("labels", "classes.txt", "pairs.csv")):
        return True
    return _has(root, "images", "edges") or _has(root, "images", "pose")


def _is_ade20k(root: Path) -> bool:
    parts = ("training", "validation")
    return any(_has(root, part) or _has(root, f"images/{part}") for part in parts)


def _is_coco(root: Path) -> bool:
    official = any(_has(root, f"images/{part}2017", "stuffthingmaps") for part in ("train", "val"))
    return official or _has(root, "train_img", "train_label") or _has(root, "val_img", "val_label")


def _is_celebahq(root: Path) -> bool:
    return _has(root, PHOTOGRAPHS, ANNOTATIONS)


def _is_merged(root: Path) -> bool:
    """Photographs and maps of one number, in two folders or side by side."""
    if _has(root, PHOTOGRAPHS, MASKGAN_MAPS):
        return True
    numbered = [entry for entry in islice(root.iterdir(), _LOOK) if entry.stem.isdecimal()]
    return any(entry.suffix == ".jpg" and entry.with_suffix(".png").is_file() for entry in numbered)


def _is_deepfashion(root: Path) -> bool:
    return _has(root, "img", "pose")


def _has(root: Path, *folders: str) -> bool:
    return all((root / folder).is_dir() for folder in folders)


LAYOUTS: dict[str, Layout] = {
    "folder": Layout(
        FolderSource,
        CONDITIONS,
        "images/ with labels/ and classes.txt, with edges/, or with pose/ (with the condition "
        "canny images/ alone)",
        _is_plain,
    ),
    "ade20k": Layout(
        ADE20KSource,
        ("labels",),
        "images/training/ and images/validation/ (or without images/), the maps beside the "
        "photographs or in annotations/",
        _is_ade20k,
    ),
    "ade20k-unknown-last": Layout(
        partial(ADE20KSource, unknown="last"),
        ("labels",),
        "the same, read with SPADE's ids: unknown is 150 instead of 0",
        _is_ade20k,
    ),
    "coco-stuff": Layout(
        CocoStuffSource,
        ("labels",),
        "train_img/ and train_label/, val_img/ and val_label/, or images/train2017/ and "
        "stuffthingmaps/train2017/",
        _is_coco,
    ),
    "celebahq": Layout(
        CelebAMaskSource, ("labels",), "CelebA-HQ-img/ and CelebAMask-HQ-mask-anno/", _is_celebahq
    ),
    "celebahq-edge": Layout(
        CelebAEdgeSource, ("edges",), "the same, its condition edges", _is_celebahq
    ),
    "celebamask": Layout(
        MergedFaceSource,
        ("labels",),
        "CelebA-HQ-img/0.jpg with the map CelebAMask-HQ-mask/0.png, or 0.jpg with 0.png beside it",
        _is_merged,
    ),
    "deepfashion": Layout(DeepFashionSource, ("pose",), "img/ and pose/", _is_deepfashion),
    "shards": Layout(
        ShardSource, CONDITIONS, "shards.json and the tar files of rabit data shard", _is_sharded
    ),
}
"""The layouts by name, in the order in which `find_layout` tries them."""


def find_layout(root: str | Path, condition: str | None = None) -> str:
    """Finds out in which layout a folder is, by the folders in it.

    A folder may fit several: one of CelebA-HQ is celebahq, and celebahq-edge if the condition is
    edges. The first in the order of `LAYOUTS` is taken that has the condition.

    Args:
        root: the folder.
        condition: what to translate from; None for each layout's own.

    Returns:
        A name in `LAYOUTS`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is in none of the layouts, or in none that has the condition.
    """
    root = _require(root, condition)
    fitting = [name for name, layout in LAYOUTS.items() if layout.fits(root)]
    for name in fitting:
        if condition is None or condition in LAYOUTS[name].conditions:
            return name
    if fitting:
        raise ValueError(_no_condition(root, fitting[0], condition))
    if condition == "canny" and _has(root, "images"):
        return "folder"
    raise ValueError(_unknown(root))


def open_source(
    root: str | Path, layout: str | None = None, condition: str | None = None
) -> Source:
    """Opens a folder in any of the public layouts.

    Args:
        root: the folder.
        layout: a name in `LAYOUTS`; None finds out.
        condition: what to translate from: labels, edges, pose or canny; None for the layout's own.

    Raises:
        FileNotFoundError: the folder, or a file that its layout needs, is missing.
        ValueError: the layout is unknown or has no such condition, or the folder is not as the
            layout describes.
    """
    root = _require(root, condition)
    if layout is None:
        layout = find_layout(root, condition)
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r}: expected one of {', '.join(LAYOUTS)}")
    conditions = LAYOUTS[layout].conditions
    chosen = next((known for known in conditions if known == condition), None)
    if condition is not None and chosen is None:
        raise ValueError(_no_condition(root, layout, condition))
    if layout == "folder":
        return FolderSource(root, condition=chosen)
    source = LAYOUTS[layout].open(root)
    if chosen is not None:
        others = chosen == "canny" and source.channels not in PLAIN_EDGES
        if source.kind != KINDS_OF_CONDITIONS[chosen] or others:
            found = f"{source.kind} conditions"
        elif source.condition not in (None, chosen):
            found = f"the condition {source.condition}"
        else:
            return source
        raise ValueError(
            f"{root}: its pictures have {found}, not {chosen}; leave the condition out, or write "
            "other shards"
        )
    return source


def _require(root: str | Path, condition: str | None) -> Path:
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give the folder of a corpus")
    if condition is not None and condition not in CONDITIONS:
        raise ValueError(f"condition {condition!r}: expected one of {', '.join(CONDITIONS)}")
    return root


def _no_condition(root: Path, layout: str, condition: str | None) -> str:
    having = [name for name, other in LAYOUTS.items() if condition in other.conditions]
    return (
        f"{root}: the layout {layout} has the condition {LAYOUTS[layout].conditions[0]}, not "
        f"{condition}; layouts with {condition} are {', '.join(having)}"
    )


def _unknown(root: Path) -> str:
    """Says what a folder has, and what each layout would have."""
    entries = sorted(islice(root.iterdir(), _LOOK))
    named = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries[:8]]
    found = ", ".join([*named, "…"] if len(entries) > len(named) else named) or "nothing"
    folders = [e for e in entries if e.is_dir() and os.access(e, os.R_OK | os.X_OK)]
    inside = [e for e in folders if any(layout.fits(e) for layout in LAYOUTS.values())]
    advice = f"; did you mean {inside[0]}?" if inside else ";"
    pictures = sum(entry.suffix.lower() in IMAGE_SUFFIXES for entry in entries)
    if pictures and not inside:
        return (
            f"{root}: in no known layout, {pictures} pictures lie in it; put photographs into its "
            "images/ and their maps into its labels/, with the classes' names in classes.txt, or "
            "give the folder above if they lie so already; docs/data.md has all layouts"
        )
    expected = "; ".join(f"{name}: {layout.expects}" for name, layout in LAYOUTS.items())
    return f"{root}: in no known layout, it has {found}{advice} Expected one of {expected}"
