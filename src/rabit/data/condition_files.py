"""Edges and poses read from a single file, as a user hands them to a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt8
from PIL import Image

from rabit.config import ConditionConfig
from rabit.data.edges import (
    LINE_CHANNELS,
    PLAIN_EDGES,
    CannyPicture,
    LinePicture,
    find_lines,
)
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS, FaceEdgePicture, parts_of_map
from rabit.data.images import read_image, read_labels
from rabit.data.pose import POSE_CHANNELS, PosePicture, read_joints
from rabit.data.source import Picture

# A drawing is grey, and nearly all of it is within this distance of black or white.
_NEAR = 32
_NEARLY_ALL = 0.9
# What is read for lines that were drawn has at least this share of paper, whatever its ink is like.
_PAPER = 0.5


@dataclass(frozen=True)
class ConditionFile:
    """What a file gives a condition of, at any size.

    Args:
        picture: makes the condition.
        size: height and width of the file's own picture.
    """

    picture: Picture
    size: tuple[int, int]


def read_condition(
    path: Path, config: ConditionConfig, canvas: tuple[int, int] | None
) -> ConditionFile:
    """Reads edges or a pose for a model that translates from these.

    Plain edges are read from a line drawing (grey, nearly all of it black or white; for a model of
    drawn lines soft and coloured ones as well) or found in a photograph (Canny). Face edges are
    those of the parts in a map of ids of the 19 face classes; without a photograph there are no
    other edges. A pose is read from OpenPose's `_candidate.txt` (with `_subset.txt` beside it) or
    JSON.

    Args:
        path: the file.
        config: what the model translates from; edges or poses.
        canvas: height and width of the picture that joints are places in; not needed for edges.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be used, or the model's channels are none of this program's.
    """
    if config.classes in PLAIN_EDGES:
        return edges(read_image(path), str(path), config.classes == LINE_CHANNELS)
    if config.classes == FACE_EDGE_CHANNELS:
        return face_edges(read_labels(path, len(FACE_CLASSES)))
    if config.classes == POSE_CHANNELS:
        if canvas is None:
            raise ValueError(
                f"{path}: joints without the size of the picture that they are places in; give "
                "the pose as channels, from rabit.data.pose"
            )
        joints = read_joints(path)
        if not joints.seen.any():
            raise ValueError(f"{path}: no joint of any person; give a pose that shows some")
        try:
            picture = PosePicture(np.zeros((*canvas, 3), np.uint8), joints)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return ConditionFile(picture, canvas)
    raise ValueError(
        f"{path}: the model reads channels that no file holds ({', '.join(config.classes)}); give "
        "them as a tensor"
    )


def edges(pixels: UInt8[np.ndarray, "H W 3"], name: str, drawn: bool = False) -> ConditionFile:
    """Returns the lines of a drawing (H, W, 3), or the edges that Canny finds in a photograph.

    Args:
        pixels: the picture.
        name: of it, for errors.
        drawn: whether it is for a model of drawn lines, see `is_drawing`.

    Raises:
        ValueError: it is a drawing without a line; it is named.
    """
    if is_drawing(pixels, drawn):
        return lines_of(find_lines(pixels), name)
    return found_edges(pixels)


def own_edges(pixels: UInt8[np.ndarray, "H W 3"]) -> ConditionFile:
    """Returns the edges of an exemplar (H, W, 3) of which no others are known."""
    if is_drawing(pixels) and find_lines(pixels).any():
        return lines_of(find_lines(pixels), "the exemplar")
    return found_edges(pixels)


def found_edges(pixels: UInt8[np.ndarray, "H W 3"]) -> ConditionFile:
    """Returns the edges that Canny finds in a photograph (H, W, 3)."""
    return ConditionFile(CannyPicture(pixels), (pixels.shape[0], pixels.shape[1]))


def lines_of(lines: Bool[np.ndarray, "H W"], name: str) -> ConditionFile:
    """Returns drawn lines (H, W), where they are true.

    Raises:
        ValueError: there is none; the drawing is named.
    """
    if not lines.any():
        raise ValueError(
            f"{name}: a drawing without a line; lines are black on white or white on black, 0 and "
            "255"
        )
    nothing_seen = np.zeros((*lines.shape, 3), np.uint8)
    return ConditionFile(LinePicture(nothing_seen, lines), (lines.shape[0], lines.shape[1]))


def drawn_channels(classes: Sequence[str]) -> tuple[int, ...] | None:
    """Returns the numbers of the channels that are drawn, of a condition with these channels.

    The others of edges and poses are distances, which say the same once more. None for all.
    """
    if tuple(classes) == POSE_CHANNELS:
        return (0, 1, 2)
    if tuple(classes) == FACE_EDGE_CHANNELS:
        return tuple(i for i, name in enumerate(classes) if name.endswith("edges"))
    return (0,) if tuple(classes) in PLAIN_EDGES else None


def reads_alike(classes: Sequence[str], others: Sequence[str]) -> bool:
    """Tells whether a condition with these channels is one that a model of the others can read.

    Edges that were drawn and edges that were found have the same channels under two names.
    """
    plain = tuple(classes) in PLAIN_EDGES and tuple(others) in PLAIN_EDGES
    return plain or tuple(classes) == tuple(others)


def face_edges(labels: Int64[np.ndarray, "H W"]) -> ConditionFile:
    """Returns the edges of the parts in a map (H, W) of ids of FACE_CLASSES."""
    size = (labels.shape[0], labels.shape[1])
    nothing_seen = np.zeros((*size, 3), np.uint8)
    return ConditionFile(FaceEdgePicture(nothing_seen, parts_of_map(labels)), size)


def is_drawing(pixels: UInt8[np.ndarray, "H W 3"], drawn: bool = False) -> bool:
    """Returns whether a picture (H, W, 3) is a line drawing and no photograph.

    Args:
        pixels: the picture.
        drawn: whether drawings are expected, which training reads by their lines whatever they are
            like: soft ones, coloured ones and those on grey paper count if half of them is paper.
    """
    if drawn:
        luma = np.asarray(Image.fromarray(pixels).convert("L")).astype(np.int16)
        paper = max((luma < luma.min() + _NEAR).mean(), (luma > luma.max() - _NEAR).mean())
        return bool(paper >= _PAPER)
    grey = pixels[..., 0]
    if not (pixels == grey[..., None]).all():
        return False
    return bool(((grey < _NEAR) | (grey > 255 - _NEAR)).mean() >= _NEARLY_ALL)
