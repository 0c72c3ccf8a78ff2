"""Edits of scenes: a photograph, its map, the edited map, and the photograph that should result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage

from rabit.data.scenes.canvas import CLASSES, Canvas
from rabit.data.scenes.layout import sample_layout
from rabit.data.scenes.objects import draw_car, draw_cloud, draw_tree
from rabit.data.scenes.style import render, sample_style

Labels: TypeAlias = UInt8[np.ndarray, "H W"]

_TRIES = 24
_SCENES = 200
_NOTHING = 255
_HIDDEN = 0.03
_SMALLEST_SHARE = 0.006
_STREET = ("lamp", "person", "car", "glass", "wheel")


@dataclass(frozen=True)
class SceneEdit:
    """An edit of a scene whose result is known.

    Args:
        title: what the edit does.
        image: (H, W, 3) uint8 RGB, the photograph.
        labels: (H, W) uint8 class ids of the photograph.
        edited: (H, W) uint8 class ids after the edit.
        truth: (H, W, 3) uint8 RGB: the photograph, with the changed pixels as the edited map
            looks in the photograph's style.
    """

    title: str
    image: UInt8[np.ndarray, "H W 3"]
    labels: Labels
    edited: Labels
    truth: UInt8[np.ndarray, "H W 3"]

    @property
    def changed(self) -> Bool[np.ndarray, "H W"]:
        """Where the edited map differs."""
        return self.labels != self.edited


def sample_edits(seed: int, size: tuple[int, int]) -> list[SceneEdit]:
    """Draws one edit of each kind: a tree, a cloud and a car added, a person removed.

    Args:
        seed: of the scenes, at least 0.
        size: height and width in pixels, each at least 64.

    Returns:
        The edits, each of a scene of its own that has room for it and shows the class already, so
        that the photograph tells how the new object looks.
    """
    kinds: list[tuple[str, Callable[[Labels, np.random.Generator], Labels | None]]] = [
        ("A tree is planted", _plant_tree),
        ("A person leaves", _remove_person),
        ("A car is parked", _park_car),
        ("A cloud comes up", _add_cloud),
    ]
    edits = []
    for number, (title, change) in enumerate(kinds):
        for scene in range(_SCENES):
            rng = np.random.default_rng([seed, scene, 3, number])
            labels, style = sample_layout(rng, size), sample_style(rng)
            edited = change(labels, rng)
            if edited is not None:
                image = render(labels, style)
                changed = (labels != edited)[..., None]
                truth = np.where(changed, render(edited, style), image)
                edits.append(SceneEdit(title, image, labels, edited, truth))
                break
    return edits


def _ids(*names: str) -> list[int]:
    return [CLASSES.index(name) for name in names]


def _shows(labels: Labels, *names: str) -> bool:
    """Whether all classes are in the map."""
    return bool(np.isin(_ids(*names), labels).all())


def _first_row(labels: Labels, *names: str) -> int:
    """The first row that is mostly of the classes, counting from the middle of the map."""
    share = np.isin(labels, _ids(*names)).mean(axis=1)
    middle = len(share) // 2
    return middle + int(np.argmax(share[middle:] > 0.4))


def _place(
    labels: Labels,
    rng: np.random.Generator,
    draw: Callable[[Canvas], None],
    onto: tuple[str, ...],
    behind: tuple[str, ...] = (),
) -> Labels | None:
    """Draws an object where it hides least of what it should not, or nowhere.

    Args:
        labels: the map.
        rng: source of all random choices.
        draw: draws the object in a random place.
        onto: classes that the object may hide.
        behind: classes that stay in front of it.
    """
    height, width = labels.shape
    unit = min(height, 1.5 * width) / 128
    kept = np.isin(labels, _ids(*behind))
    free = np.isin(labels, _ids(*onto)) | kept
    best: Labels | None = None
    least = _HIDDEN
    for _ in range(_TRIES):
        sheet = Image.new("L", (width, height), _NOTHING)
        draw(Canvas(ImageDraw.Draw(sheet), rng, height, width, unit))
        drawn = np.array(sheet)
        covered = drawn != _NOTHING
        hidden = float((covered & ~free).sum()) / max(covered.sum(), 1)
        if (covered & ~kept).mean() > _SMALLEST_SHARE and hidden < least:
            best, least = np.where(covered & ~kept, drawn, labels), hidden
    return best


def _plant_tree(labels: Labels, rng: np.random.Generator) -> Labels | None:
    """Plants a tree in front of hills, houses or sky."""
    if not _shows(labels, "foliage", "trunk"):
        return None
    foot = _first_row(labels, "grass", "pavement") + 2

    def draw(canvas: Canvas) -> None:
        draw_tree(canvas, canvas.width * canvas.between(0.15, 0.85), foot)

    return _place(labels, rng, draw, ("sky", "hill", "facade", "roof", "grass"), _STREET)


def _park_car(labels: Labels, rng: np.random.Generator) -> Labels | None:
    """Parks a second car beside the first."""
    if not _shows(labels, "car", "wheel", "glass"):
        return None
    ground = int(np.flatnonzero((labels == CLASSES.index("wheel")).any(axis=1)).max())

    def draw(canvas: Canvas) -> None:
        draw_car(canvas, canvas.width * canvas.between(0.2, 0.8), ground)

    return _place(labels, rng, draw, ("road", "pavement", "grass"))


def _add_cloud(labels: Labels, rng: np.random.Generator) -> Labels | None:
    """Puts another cloud into the free sky."""
    if not _shows(labels, "cloud"):
        return None
    horizon = _first_row(labels, "grass", "pavement")

    def draw(canvas: Canvas) -> None:
        x = canvas.width * canvas.between(0.15, 0.85)
        draw_cloud(canvas, x, horizon * canvas.between(0.12, 0.4))

    return _place(labels, rng, draw, ("sky",))


def _remove_person(labels: Labels, rng: np.random.Generator) -> Labels | None:
    """Takes a person out who stands free; each row closes with what lies beside the gap."""
    found, count = ndimage.label(labels == CLASSES.index("person"))
    width = labels.shape[1]
    for number, (rows, columns) in enumerate(ndimage.find_objects(found), start=1):
        left, right = columns.start - 2, columns.stop + 2
        around = labels[rows, max(left, 0) : right]
        alone = not np.isin(around, _ids("lamp", "car", "glass", "wheel", "trunk")).any()
        one = int(np.isin(around, _ids("person")).sum()) == int((found == number).sum())
        if count > 1 and left >= 0 and right <= width and alone and one:
            edited = labels.copy()
            for row in range(rows.start, rows.stop):
                gap = found[row] == number
                edited[row, gap] = _across(labels[row], gap)
            if (edited != labels).mean() > _SMALLEST_SHARE:
                return edited
    return None


def _across(row: Labels, gap: Bool[np.ndarray, " W"]) -> UInt8[np.ndarray, " G"]:
    """Returns what the pixels of a gap in a row become: what lies nearest to each."""
    rest, missing = np.flatnonzero(~gap), np.flatnonzero(gap)
    return row[rest[np.abs(rest[None] - missing[:, None]).argmin(axis=1)]]
