"""One edit of one photograph: an object moved, removed or added, with a real ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Int64, UInt8
from scipy import ndimage

from rabit.data.edits.affine import Affine, draw_affine, landing, warp_window
from rabit.data.edits.fill import fill_labels, fill_photograph
from rabit.data.edits.objects import MapObject, without_lines
from rabit.data.semantic import SemanticPicture

EditKind = Literal["move", "remove", "add"]
KINDS: tuple[EditKind, ...] = get_args(EditKind)

_TRIES = 24
_LEAST_INSIDE = 0.95
_LEAST_ON_SURROUNDINGS = {"move": 0.8, "remove": 0.9}
_LEAST_CHANGE = 0.4
# How far beyond its mask an object may still show, as a share of the picture's shorter side.
_RIM = 0.012


@dataclass(frozen=True)
class ObjectEdit:
    """An edit with its result: a photograph and its map to edit, the edited map, and the truth.

    The truth is the photograph as it was taken, and what is to be edited is made from it: an
    object is carried elsewhere (the edit moves it back), a copy of one is put in (the edit removes
    it), or one is taken out (the edit adds it). So every pixel that results are compared with is
    real, and what had to be made up, the ground that a moved object leaves bare, lies where the
    result shows the object: no method is measured against it. The other way round the made-up
    ground would be the truth.

    Args:
        kind: what the edit does, from `image` to `truth`.
        item: the object, in the truth.
        affine: where the object, or its copy, was carried to make `image`; None for add.
        image: (H, W, 3) uint8, the photograph to edit.
        labels: (H, W) class ids of `image`.
        edited: (H, W) class ids after the edit: the truth's own map.
        truth: (H, W, 3) uint8, the photograph that a perfect edit gives.
        changed: (H, W), where photograph or map were altered; elsewhere both are equal.
    """

    kind: EditKind
    item: MapObject
    affine: Affine | None
    image: UInt8[np.ndarray, "H W 3"]
    labels: Int64[np.ndarray, "H W"]
    edited: Int64[np.ndarray, "H W"]
    truth: UInt8[np.ndarray, "H W 3"]
    changed: Bool[np.ndarray, "H W"]


def make_edit(
    picture: SemanticPicture,
    kind: EditKind,
    objects: Sequence[MapObject],
    rng: np.random.Generator,
) -> ObjectEdit | None:
    """Makes an edit with one of a picture's objects, tried in random order.

    A carried object is at least 95 % inside the picture and at least 80 % (a copy 90 %) on its own
    former place or on what surrounds it, so that it hides little else; at least 40 % of it come
    off its former place. A copy does not touch the object.

    Args:
        picture: the photograph and its map: the truth.
        kind: what the edit is to do.
        objects: to choose from, of this picture.
        rng: where the randomness comes from.

    Returns:
        The edit, or None if no object has room.
    """
    for number in rng.permutation(len(objects)):
        item = objects[number]
        if kind == "add":
            return take_out(picture, item)
        for _ in range(_TRIES):
            affine = draw_affine(item, rng)
            if kind == "remove":
                affine = _anywhere(item, affine, rng)
            if _has_room(item, affine, kind):
                return carry_away(picture, item, affine, kind)
    return None


def take_out(picture: SemanticPicture, item: MapObject) -> ObjectEdit:
    """Makes an edit that adds an object: to a photograph from which it was taken out."""
    image, labels, hole = _without(picture, item)
    changed = hole | (labels != picture.labels)
    return ObjectEdit("add", item, None, image, labels, picture.labels, picture.pixels, changed)


def carry_away(
    picture: SemanticPicture, item: MapObject, affine: Affine, kind: EditKind
) -> ObjectEdit:
    """Makes an edit that moves an object back, or removes its copy.

    Args:
        picture: the truth.
        item: the object.
        affine: where it goes.
        kind: "move" takes it from its place, "remove" leaves it there.
    """
    if kind == "move":
        image, labels, hole = _without(picture, item)
    else:
        image, labels = picture.pixels.copy(), picture.labels.copy()
        hole = np.zeros(labels.shape, dtype=bool)
    window = landing(item, affine)
    # The map takes the nearest pixel, the photograph interpolates, its edge mixed as a camera does.
    opaque = warp_window(item.mask.astype(np.float64), affine, 1, window, fill=0)[..., None]
    colours = warp_window(picture.pixels.astype(np.float64), affine, 1, window)
    image[window] = np.round(opaque * colours + (1 - opaque) * image[window]).astype(np.uint8)
    covered = warp_window(item.mask, affine, 0, window, fill=0)
    labels[window] = np.where(
        covered, warp_window(picture.labels, affine, 0, window), labels[window]
    )
    changed = hole
    changed[window] |= (opaque[..., 0] > 0) | covered
    return ObjectEdit(kind, item, affine, image, labels, picture.labels, picture.pixels, changed)


def _without(
    picture: SemanticPicture, item: MapObject
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photograph and map without an object, and where they were filled."""
    # Maps are drawn by hand: a rim of the object shows beyond its mask, and would stay as a ghost.
    rim = max(1, round(_RIM * min(picture.labels.shape)))
    grown = ndimage.binary_dilation(item.mask, iterations=rim)
    hole = item.mask | (grown & item.surroundings)
    known = item.surroundings & ~hole
    # Lines in the surroundings are no ground to fill from.
    ground = fill_labels(without_lines(picture.labels), hole, known if known.any() else ~hole)
    labels = np.where(hole, ground, picture.labels)
    return fill_photograph(picture.pixels, hole, labels), labels, hole


def _anywhere(item: MapObject, affine: Affine, rng: np.random.Generator) -> Affine:
    """Has a transformation shift an object to anywhere in its surroundings."""
    places = np.argwhere(item.surroundings)
    place = places[int(rng.integers(len(places)))]
    shift = place - np.array(item.centre)
    return replace(affine, shift=(float(shift[0]), float(shift[1])))


def _has_room(item: MapObject, affine: Affine, kind: EditKind) -> bool:
    """Whether an object may go where a transformation carries it."""
    window = landing(item, affine)
    carried = warp_window(item.mask, affine, 0, window, fill=0)
    area = int(item.mask.sum())
    reached = int(carried.sum())
    if reached < _LEAST_INSIDE * area * affine.scale**2:
        return False
    own, around = item.mask[window], item.surroundings[window]
    if kind == "remove":
        near = ndimage.binary_dilation(own, iterations=2)
        if (near & carried).any():
            return False
    elif int((carried & ~own).sum()) < _LEAST_CHANGE * area:
        return False
    return int((carried & (own | around)).sum()) >= _LEAST_ON_SURROUNDINGS[kind] * reached
