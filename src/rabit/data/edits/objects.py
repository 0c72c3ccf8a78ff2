"""Which parts of a label map are objects that can be moved, removed and added."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64
from scipy import ndimage
from skimage import measure

# Names of classes that say that nothing is known of a pixel, or that it is of no object.
_NO_OBJECTS = frozenset(
    {"background", "ignore", "ignored", "none", "null", "other", "others"}
    | {"unknown", "unlabeled", "unlabelled", "void"}
)
_RING = 2
_LEAST_CONTACT = 0.25
# How many times an object's area something must have for the object to stand before it.
_LARGER = 2
# Width, as a share of the picture's shorter side, below which a part of a map is a line.
_LINE = 0.016


@dataclass(frozen=True)
class ObjectRules:
    """What a connected component must be like to count as an object.

    Args:
        least: smallest share of the picture, in (0, 1).
        most: largest share of the picture, in (least, 1).
        solidity: smallest share of its convex hull, in [0, 1]: keeps out strips and nets.
        enclosed: smallest share of its outline, in [0, 1], along which it meets larger components:
            an object stands before something.
        roundness: smallest ratio of the sides of its box, in [0, 1]: keeps out long strips.

    Raises:
        ValueError: a number is outside its range.
    """

    least: float = 0.005
    most: float = 0.2
    solidity: float = 0.7
    enclosed: float = 0.5
    roundness: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.least < self.most < 1:
            raise ValueError(
                f"objects of {self.least} to {self.most} of the picture, expected shares with "
                "0 < smallest < largest < 1"
            )
        for name in ("solidity", "enclosed", "roundness"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a share in [0, 1]")


@dataclass(frozen=True)
class MapObject:
    """An object of a label map.

    Args:
        class_id: of the component; what it encloses, such as a pane in a window, may be of others.
        mask: (H, W), its pixels with all that it encloses; it touches no border of the picture.
        surroundings: (H, W), the larger components that it stands before, without itself.
        box: top, left, bottom, right; the last two are beyond it.
    """

    class_id: int
    mask: Bool[np.ndarray, "H W"]
    surroundings: Bool[np.ndarray, "H W"]
    box: tuple[int, int, int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """The middle (y, x) of its box, in pixels; pixel centres are whole numbers."""
        top, left, bottom, right = self.box
        return ((top + bottom - 1) / 2, (left + right - 1) / 2)


def find_objects(
    labels: Int64[np.ndarray, "H W"],
    names: Sequence[str],
    rules: ObjectRules,
    classes: Sequence[int] | None = None,
) -> tuple[MapObject, ...]:
    """Finds the objects of a map: connected components that stand before something larger.

    A component (4 neighbours, of `without_lines`) counts with all that it encloses. Without a
    choice of classes those are left out that a name such as background says are no objects, and
    those of which this picture has a component that reaches two or more of its borders or is larger
    than an object may be: sky, road, wall.

    Args:
        labels: (H, W) class ids.
        names: of the classes, by id.
        rules: what an object must be like.
        classes: ids of the classes to choose from; None for a choice by what the map shows.

    Returns:
        The objects in reading order of their first pixels.
    """
    cleaned = without_lines(labels)
    # Zero is skimage's background, which would be left out.
    components = measure.label(cleaned + 1, connectivity=1, background=0)
    boxes = ndimage.find_objects(components)
    areas = np.bincount(components.ravel())
    first = np.unique(components, return_index=True)[1]
    kinds = cleaned.ravel()[first]
    allowed = (
        _object_classes(kinds, boxes, areas, labels.shape, names, rules)
        if classes is None
        else frozenset(classes)
    )
    found = []
    for number, box in enumerate(boxes, start=1):
        kind = int(kinds[number - 1])
        # What a component encloses adds to it, so that a small one may still be large enough.
        sides = [side.stop - side.start for side in box]
        large = math.prod(sides) >= rules.least * labels.size
        round_enough = min(sides) >= rules.roundness * max(sides)
        if kind in allowed and large and round_enough and not _borders(box, labels.shape):
            made = _as_object(components, areas, number, box, kind, rules)
            found += [made] if made is not None else []
    return tuple(found)


def without_lines(labels: Int64[np.ndarray, "H W"]) -> Int64[np.ndarray, "H W"]:
    """Gives the thin parts of a map to what lies nearest to them.

    Hand-made maps have outlines and specks of other classes around their objects, which would hide
    what an object really stands before, and stay behind when it is moved.
    """
    side = 2 * max(1, round(_LINE * min(labels.shape) / 2)) + 1
    # Mirrored at the picture's border, so that what is cut off there is not thin for that.
    padded = np.pad(labels, side, mode="symmetric")
    thick = np.zeros(padded.shape, dtype=bool)
    for kind, box in enumerate(ndimage.find_objects(padded + 1)):
        if box is not None:
            own = padded[box] == kind
            thick[box] |= ndimage.binary_opening(own, np.ones((side, side)))
    thick = thick[side:-side, side:-side]
    if not thick.any():
        return labels
    places = ndimage.distance_transform_edt(~thick, return_distances=False, return_indices=True)
    return labels[places[0], places[1]]


def _object_classes(
    kinds: Int64[np.ndarray, " N"],
    boxes: Sequence[tuple[slice, slice]],
    areas: Int64[np.ndarray, " N+1"],
    shape: tuple[int, ...],
    names: Sequence[str],
    rules: ObjectRules,
) -> frozenset[int]:
    """The classes that have objects in a picture, from its N components."""
    most = rules.most * math.prod(shape)
    wide = {
        int(kind)
        for kind, box, area in zip(kinds, boxes, areas[1:], strict=True)
        if _borders(box, shape) >= 2 or area > most
    }
    return frozenset(
        k for k, name in enumerate(names) if k not in wide and name.lower() not in _NO_OBJECTS
    )


def _borders(box: tuple[slice, slice], shape: tuple[int, ...]) -> int:
    """How many borders of the picture a box touches."""
    rows, columns = box
    ends = (rows.stop == shape[0], columns.stop == shape[1])
    return sum((rows.start == 0, columns.start == 0, *ends))


def _as_object(
    components: Int64[np.ndarray, "H W"],
    areas: Int64[np.ndarray, " N"],
    number: int,
    box: tuple[slice, slice],
    kind: int,
    rules: ObjectRules,
) -> MapObject | None:
    """Returns a component as an object, or None if it is none by the rules."""
    rows, columns = (slice(max(side.start - _RING, 0), side.stop + _RING) for side in box)
    near = components[rows, columns]
    own = ndimage.binary_fill_holes(near == number)
    area = int(own.sum())
    if not rules.least <= area / components.size <= rules.most:
        return None
    hull = measure.regionprops(own.astype(np.uint8))[0].area_convex
    if area < rules.solidity * hull:
        return None
    ring = near[ndimage.binary_dilation(own, iterations=_RING) & ~own]
    numbers, contacts = np.unique(ring, return_counts=True)
    larger = (areas[numbers] >= _LARGER * area) & (contacts >= _LEAST_CONTACT * len(ring))
    if contacts[larger].sum() < rules.enclosed * len(ring) or not larger.any():
        return None
    mask = np.zeros(components.shape, dtype=bool)
    mask[rows, columns] = own
    surroundings = np.isin(components, numbers[larger])
    return MapObject(
        class_id=kind,
        mask=mask,
        surroundings=surroundings & ~mask,
        box=(box[0].start, box[1].start, box[0].stop, box[1].stop),
    )
