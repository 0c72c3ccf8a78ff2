"""Edges and poses read from a single file, as a user hands them to a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from rabit.config import ConditionConfig
from rabit.data.edges import EDGE_CHANNELS, CannyPicture, LinePicture, find_lines
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS, FaceEdgePicture, parts_of_map
from rabit.data.images import read_image, read_labels
from rabit.data.pose import POSE_CHANNELS, PosePicture, read_joints
from rabit.data.source import Picture

# A drawing is grey, and nearly all of it is within this distance of black or white.
_NEAR = 32
_NEARLY_ALL = 0.9


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

    Plain edges are read from a line drawing (grey, nearly all of it black or white) or found in a
    photograph (Canny). Face edges are those of the parts in a map of ids of the 19 face classes;
    without a photograph there are no other edges. A pose is read from OpenPose's `_candidate.txt`
    (with `_subset.txt` beside it) or JSON.

    Args:
        path: the file.
        config: what the model translates from; edges or poses.
        canvas: height and width of the picture that joints are places in; not needed for edges.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be used, or the model's channels are none of this program's.
    """
    if config.classes == EDGE_CHANNELS:
        return edges(read_image(path), str(path))
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


def edges(pixels: UInt8[np.ndarray, "H W 3"], name: str) -> ConditionFile:
    """Returns the lines of a drawing (H, W, 3), or the edges that Canny finds in a photograph.

    Raises:
        ValueError: it is a drawing without a line; it is named.
    """
    if is_drawing(pixels):
        return lines_of(find_lines(pixels), name)
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
    if tuple(classes) in (EDGE_CHANNELS, FACE_EDGE_CHANNELS):
        return tuple(i for i, name in enumerate(classes) if name.endswith("edges"))
    return None


def face_edges(labels: Int64[np.ndarray, "H W"]) -> ConditionFile:
    """Returns the edges of the parts in a map (H, W) of ids of FACE_CLASSES."""
    size = (labels.shape[0], labels.shape[1])
    nothing_seen = np.zeros((*size, 3), np.uint8)
    return ConditionFile(FaceEdgePicture(nothing_seen, parts_of_map(labels)), size)


def is_drawing(pixels: UInt8[np.ndarray, "H W 3"]) -> bool:
    """Returns whether a picture (H, W, 3) is a line drawing and no photograph."""
    grey = pixels[..., 0]
    if not (pixels == grey[..., None]).all():
        return False
    return bool(((grey < _NEAR) | (grey > 255 - _NEAR)).mean() >= _NEARLY_ALL)
