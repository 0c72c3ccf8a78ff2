"""Photographs of faces with the parts of the face: as semantic maps, and as edges of the parts.

Left and right are the person's. A mirrored view exchanges them, ids as well as channels, so that
the left eye stays the eye that is seen on the right; the public data loaders mirror without
exchanging and so train on left eyes on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8

from rabit.data.batch import PictureCondition
from rabit.data.edges import canny, crop_channels, edge_distance
from rabit.data.transforms import View, resize_image, resize_labels

FACE_CLASSES = (
    "background", "skin", "hair", "l_brow", "r_brow", "l_eye", "r_eye", "l_ear", "r_ear", "nose",
    "u_lip", "mouth", "l_lip", "neck", "cloth", "hat", "glasses", "earring", "necklace",
)  # fmt: skip
"""Parts by id: l_brow to r_ear are left and right, u_lip and l_lip upper and lower."""

EDGE_PARTS = (
    "skin", "l_brow", "r_brow", "l_eye", "r_eye", "l_ear", "r_ear", "nose", "u_lip", "mouth",
    "l_lip", "glasses", "hair",
)  # fmt: skip
"""The parts whose edges are a condition, in the order of their channels."""

FACE_EDGE_CHANNELS = ("edges", *(f"{part}_distance" for part in EDGE_PARTS), "part_edges")
"""All edges, the distance to the edges of each part, and the edges of the parts alone."""

GLASSES = FACE_CLASSES.index("glasses")

# Part masks of the skin go on below these.
_ON_SKIN = (
    *("l_brow", "r_brow", "l_eye", "r_eye", "nose"),
    *("u_lip", "mouth", "l_lip", "glasses"),
)
_SIDES = (("l_brow", "r_brow"), ("l_eye", "r_eye"), ("l_ear", "r_ear"))
_OTHER_SIDE = {a: b for left, right in _SIDES for a, b in ((left, right), (right, left))}
_MIRRORED_IDS = np.array(
    [FACE_CLASSES.index(_OTHER_SIDE.get(name, name)) for name in FACE_CLASSES], dtype=np.int64
)
# Where each edge channel comes from in a mirrored view.
_MIRRORED_CHANNELS = (
    0,
    *(1 + EDGE_PARTS.index(_OTHER_SIDE.get(name, name)) for name in EDGE_PARTS),
    len(EDGE_PARTS) + 1,
)


def part_mask(parts: Int64[np.ndarray, "H W"], name: str) -> Bool[np.ndarray, "H W"]:
    """Returns where a part of FACE_CLASSES is.

    Args:
        parts: (H, W), bit i set where the pixel is in the part of id i; parts may overlap.
        name: of the part.
    """
    return (parts >> FACE_CLASSES.index(name) & 1).astype(bool)


def parts_of_map(labels: Int64[np.ndarray, "H W"]) -> Int64[np.ndarray, "H W"]:
    """Returns the parts that a merged map shows, with the skin going on below what lies on it.

    Args:
        labels: (H, W) ids of FACE_CLASSES.

    Returns:
        (H, W), bit i set where the pixel is in the part of id i.
    """
    on_skin = np.isin(labels, [FACE_CLASSES.index(name) for name in _ON_SKIN])
    return (1 << labels) | (on_skin.astype(np.int64) << FACE_CLASSES.index("skin"))


def paint_parts(parts: Int64[np.ndarray, "H W"]) -> Int64[np.ndarray, "H W"]:
    """Paints parts over each other in the order of their ids: the highest id is seen.

    Args:
        parts: (H, W), bit i set where the pixel is in the part of id i.

    Returns:
        (H, W) ids, 0 where there is no part.
    """
    ids = np.zeros(parts.shape, dtype=np.int64)
    for i, name in enumerate(FACE_CLASSES[1:], start=1):
        ids[part_mask(parts, name)] = i
    return ids


@dataclass(frozen=True)
class FacePicture:
    """A photograph of a face and its semantic map.

    Args:
        pixels: (H, W, 3) photograph.
        labels: (h, w) ids of FACE_CLASSES, of another size than the photograph if need be.
        glasses: (h, w), true where glasses are over what `labels` shows; None without glasses, or
            where `labels` holds them as it holds every other part.
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    labels: Int64[np.ndarray, "h w"]
    glasses: Bool[np.ndarray, "h w"] | None = None

    @classmethod
    def of_parts(
        cls, pixels: UInt8[np.ndarray, "H W 3"], parts: Int64[np.ndarray, "h w"]
    ) -> FacePicture:
        """Assembles the map of parts, see `paint_parts`; glasses stay apart."""
        glasses = part_mask(parts, "glasses")
        return cls(pixels, paint_parts(parts & ~(1 << GLASSES)), glasses)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photograph in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def image(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the photograph in a view."""
        return view.image(self.pixels)

    def condition(self, view: View) -> PictureCondition:
        """Returns the map in a view.

        Where glasses of their own are seen there are channels: the map without glasses one-hot, and
        1 in the channel of the glasses too where these are; the regions show the glasses.
        """
        ids = view.labels(self.labels)
        if view.flip:
            ids = _MIRRORED_IDS[ids]
        glasses = None if self.glasses is None else view.labels(self.glasses)
        if glasses is None or not glasses.any():
            return PictureCondition(torch.from_numpy(ids))
        channels = (ids == np.arange(len(FACE_CLASSES))[:, None, None]).astype(np.float32)
        channels[GLASSES][glasses] = 1
        ids[glasses] = GLASSES
        return PictureCondition(torch.from_numpy(ids), torch.from_numpy(channels))


def part_edges(part: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Finds a part's edges: the pixels with one of their 4 neighbours on the other side.

    Args:
        part: (H, W), true in the part.

    Returns:
        (H, W), true on both sides of the border, so that edges are two pixels wide.
    """
    edges = np.zeros(part.shape, dtype=bool)
    across = part[:, 1:] != part[:, :-1]
    down = part[1:] != part[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges


def face_edge_channels(
    pixels: UInt8[np.ndarray, "H W 3"], parts: Int64[np.ndarray, "H W"]
) -> Float32[np.ndarray, "15 H W"]:
    """Makes the channels FACE_EDGE_CHANNELS.

    Inside the face the edges of the parts say enough: the photograph's own edges (Canny) are kept
    outside of all parts, and in the hair wherever it is.

    Args:
        pixels: (H, W, 3) photograph.
        parts: (H, W) parts in the same pixels, bit i set in the part of id i.

    Returns:
        (15, H, W) in [0, 1]; the distance to a part that is missing is 1 everywhere.
    """
    channels = np.empty((len(FACE_EDGE_CHANNELS), *parts.shape), dtype=np.float32)
    drawn = np.zeros(parts.shape, dtype=bool)
    inside = np.zeros(parts.shape, dtype=bool)
    for channel, name in enumerate(EDGE_PARTS, start=1):
        part = part_mask(parts, name)
        edges = part_edges(part)
        channels[channel] = edge_distance(edges)
        drawn |= edges
        if name == "hair":
            inside &= ~part
        else:
            inside |= part
    channels[0] = drawn | (canny(pixels) & ~inside)
    channels[-1] = drawn
    return channels


@dataclass(frozen=True)
class FaceEdgePicture:
    """A photograph of a face whose condition is the edges of its parts and of its surroundings.

    Args:
        pixels: (H, W, 3) photograph.
        parts: (h, w), bit i set where the pixel is in the part of id i of FACE_CLASSES; of another
            size than the photograph if need be.
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    parts: Int64[np.ndarray, "h w"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photograph in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def image(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the photograph in a view."""
        return view.image(self.pixels)

    def condition(self, view: View) -> PictureCondition:
        """Returns the edges in a view, found before the crop; regions are the parts' ids."""
        parts = resize_labels(self.parts, view.scaled)
        channels = face_edge_channels(resize_image(self.pixels, view.scaled), parts)
        channels = crop_channels(channels, view)
        ids = paint_parts(view.labels(self.parts))
        if view.flip:
            channels, ids = channels[list(_MIRRORED_CHANNELS)], _MIRRORED_IDS[ids]
        return PictureCondition(torch.from_numpy(ids), torch.from_numpy(channels))
