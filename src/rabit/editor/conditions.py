"""Conditions inside a recipe: maps of ids, lines, and joints."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt

from rabit.config import ConditionConfig
from rabit.data.condition_files import is_drawing
from rabit.data.edges import PLAIN_EDGES, CannyPicture, LinePicture, find_lines
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS, FaceEdgePicture, parts_of_map
from rabit.data.joints import JOINTS, Joints
from rabit.data.pictures import Pixels, condition_pixels, palette
from rabit.data.pose import POSE_CHANNELS, PosePicture
from rabit.data.pose_files import MAX_PLACE
from rabit.data.source import Picture
from rabit.data.transforms import View
from rabit.editor.checks import (
    Limits,
    RecipeError,
    int_field,
    list_field,
    number_field,
    object_field,
    required,
)
from rabit.editor.pictures import Photograph, read_label_map, read_photograph
from rabit.sizing import Layout


@dataclass(frozen=True)
class RecipeCondition:
    """A condition of a recipe.

    Args:
        size: height and width in pixels.
        content: the ids (H, W) of a semantic map, or what edges or a pose are made from.
        file: the picture that it was read from, as it was given; empty for joints.
    """

    size: tuple[int, int]
    content: UInt[np.ndarray, "H W"] | Picture
    file: bytes

    def given(self, config: ConditionConfig) -> UInt[np.ndarray, "H W"] | Layout:
        """Returns what a translator takes as the condition."""
        if isinstance(self.content, np.ndarray):
            return self.content
        return Layout.of_pictures((self.content,), self.size, config.channels)

    def pixels(self, config: ConditionConfig, size: tuple[int, int]) -> Pixels:
        """Returns the condition at a size as a picture (H, W, 3), see `condition_pixels`."""
        view = View.whole(size)
        if isinstance(self.content, np.ndarray):
            return palette(config.channels)[view.labels(self.content.astype(np.int64))]
        made = self.content.condition(view)
        assert made.channels is not None
        return condition_pixels(made.channels, config.kind)

    def document(self) -> dict[str, object]:
        """Returns the condition as a recipe holds it."""
        if not isinstance(self.content, PosePicture):
            key = "lines" if isinstance(self.content, (LinePicture, CannyPicture)) else "labels"
            return {key: base64.b64encode(self.file).decode("ascii")}
        return pose_document(self.content.joints, self.size)


def pose_document(joints: Joints, size: tuple[int, int]) -> dict[str, object]:
    """Returns a pose as a recipe holds it.

    Args:
        joints: in pixels of a picture.
        size: the picture's height and width.
    """
    seen = zip(joints.seen.tolist(), joints.places.tolist(), strict=True)
    return {"joints": [place if known else None for known, place in seen], "size": list(size)}


def map_classes(config: ConditionConfig) -> tuple[str, ...]:
    """Returns the classes of the maps that are painted for a model, or its channels without maps.

    Face edges are those of a map's parts: their maps have other classes than the model channels.

    Args:
        config: what the model translates from.
    """
    return FACE_CLASSES if config.classes == FACE_EDGE_CHANNELS else config.classes


def condition_key(config: ConditionConfig) -> str:
    """Returns which of labels, lines and joints a model's conditions are given as.

    Raises:
        RecipeError: the model reads channels that no recipe can hold.
    """
    if config.kind == "semantic" or config.classes == FACE_EDGE_CHANNELS:
        return "labels"
    if config.classes in PLAIN_EDGES:
        return "lines"
    if config.classes == POSE_CHANNELS:
        return "joints"
    raise RecipeError(
        "model",
        f"reads channels that no recipe holds ({', '.join(config.classes)}); choose a model of "
        "semantic maps, plain edges, edges of faces, or poses",
    )


def parse_condition(
    value: object, field: str, config: ConditionConfig, limits: Limits
) -> RecipeCondition:
    """Reads a condition of the kind that a model translates from.

    Args:
        value: {"labels": …} a map of ids as a PNG file in base64, {"lines": …} a line drawing or a
            photograph as a picture in base64, or {"joints": 18 times [x, y] or null, "size":
            [height, width]}.
        field: of the recipe, for errors.
        config: what the model translates from.
        limits: of its size.

    Raises:
        RecipeError: it is of another kind, damaged, too large, or does not fit the model.
    """
    key = condition_key(config)
    keys = ("joints", "size") if key == "joints" else (key,)
    given = object_field(value, field, keys)
    parts = [required(given, name, f"{field}.{name}") for name in keys]
    if key == "joints":
        return _pose(parts[0], parts[1], field, limits)
    where = f"{field}.{key}"
    if key == "lines":
        return line_condition(read_photograph(parts[0], where, limits))
    if config.kind == "semantic":
        labels = read_label_map(parts[0], where, config.channels, limits)
        return RecipeCondition(labels.size, labels.pixels, labels.file)
    labels = read_label_map(parts[0], where, len(FACE_CLASSES), limits)
    nothing_seen = np.zeros((*labels.size, 3), np.uint8)
    face = FaceEdgePicture(nothing_seen, parts_of_map(labels.pixels.astype(np.int64)))
    return RecipeCondition(labels.size, face, labels.file)


def line_condition(picture: Photograph) -> RecipeCondition:
    """Returns the edges of a line drawing, or those found in a photograph."""
    edges: Picture = CannyPicture(picture.pixels)
    if is_drawing(picture.pixels):
        edges = LinePicture(picture.pixels, find_lines(picture.pixels))
    return RecipeCondition(picture.size, edges, picture.file)


def _pose(joints: object, size: object, field: str, limits: Limits) -> RecipeCondition:
    """Reads joints; those of a person may be cut off by the picture's edges."""
    sides = list_field(size, f"{field}.size", "[height, width] in pixels")
    if len(sides) != 2:
        raise RecipeError(f"{field}.size", f"found {len(sides)} numbers, expected height and width")
    height, width = (
        int_field(side, f"{field}.size[{i}]", 1, limits.side) for i, side in enumerate(sides)
    )
    limits.check_size((height, width), f"{field}.size")
    where, person = f"{field}.joints", Joints.none()
    places = list_field(joints, where, f"a list of {len(JOINTS)} joints")
    if len(places) != len(JOINTS):
        raise RecipeError(
            where, f"found {len(places)} joints, expected {len(JOINTS)}, null for one not seen"
        )
    for i, place in enumerate(places):
        if place is not None:
            person.places[i] = _place(place, f"{where}[{i}]")
            person.seen[i] = True
    if not person.seen.any():
        raise RecipeError(where, "no joint is seen, expected at least one place")
    try:
        picture = PosePicture(np.zeros((height, width, 3), np.uint8), person)
    except ValueError as error:
        raise RecipeError(where, str(error)) from error
    return RecipeCondition((height, width), picture, b"")


def _place(value: object, field: str) -> tuple[float, float]:
    expected = "[x, y] in pixels, or null for a joint that is not seen"
    numbers = list_field(value, field, expected)
    if len(numbers) != 2:
        raise RecipeError(field, f"found {len(numbers)} numbers, expected {expected}")
    x, y = (number_field(number, f"{field}[{i}]", "pixels") for i, number in enumerate(numbers))
    if max(abs(x), abs(y)) > MAX_PLACE:
        raise RecipeError(field, f"found ({x:g}, {y:g}), expected a place in the picture")
    return x, y
