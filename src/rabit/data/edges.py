"""Edges as conditions: lines that were drawn, or those that Canny finds in a photograph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from rabit.data.batch import PictureCondition
from rabit.data.images import read_image
from rabit.data.transforms import View, resize_image, resize_labels

EDGE_CHANNELS = ("edges", "distance")
"""Channels of edges that belong to no part: the edges, and how far each pixel lies from them."""

LINE_CHANNELS = ("lines", "distance")
"""The same of edges that were drawn. Models that were trained on these read drawings alike."""

PLAIN_EDGES = (EDGE_CHANNELS, LINE_CHANNELS)

# Standard deviation in pixels, and hysteresis thresholds as shares of the full range.
_SIGMA = 1.0
_LOW, _HIGH = 0.1, 0.2
# Levels of grey between ink and paper below which a picture is blank: what compression leaves.
_BLANK = 32


def canny(pixels: UInt8[np.ndarray, "H W 3"]) -> Bool[np.ndarray, "H W"]:
    """Finds edges by Canny's method, with the figures that the public corpora's edges have.

    The photograph's luma is smoothed by a Gaussian of one pixel; hysteresis lies between 10% and
    20% of the full range.

    Args:
        pixels: (H, W, 3) uint8, at the size that the edges are wanted at.

    Returns:
        (H, W), true on edges.
    """
    # Imported here, since it takes longer than reading many pictures that need no edges.
    from skimage import feature

    luma = np.asarray(Image.fromarray(pixels).convert("L"))
    return feature.canny(luma, sigma=_SIGMA, low_threshold=_LOW * 255, high_threshold=_HIGH * 255)


def edge_distance(edges: Bool[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """Measures how far each pixel lies from the nearest edge.

    Args:
        edges: (H, W), true on edges.

    Returns:
        (H, W) in [0, 1]: floor(clip(d / 3, 0, 255)) / 255 of the city-block distance d in pixels,
        in whole steps as in the 8-bit maps that public models are trained on; 1 everywhere where
        there is no edge.
    """
    if not edges.any():
        return np.ones(edges.shape, dtype=np.float32)
    # Imported here, since most data has no edges and this takes long.
    from scipy import ndimage

    distance = ndimage.distance_transform_cdt(~edges, metric="taxicab")
    return np.minimum(distance // 3, 255).astype(np.float32) / 255


def line_channels(edges: Bool[np.ndarray, "H W"]) -> Float32[np.ndarray, "2 H W"]:
    """Makes the channels EDGE_CHANNELS or LINE_CHANNELS of edges (H, W)."""
    return np.stack([edges.astype(np.float32), edge_distance(edges)])


def crop_channels(
    channels: Float32[np.ndarray, "C H W"], view: View
) -> Float32[np.ndarray, "C h w"]:
    """Crops and mirrors channels that were made at a view's `scaled` size as the view says."""
    (top, left), (height, width) = view.corner, view.size
    cropped = channels[:, top : top + height, left : left + width]
    return np.ascontiguousarray(cropped[:, :, ::-1] if view.flip else cropped)


def resize_lines(lines: Bool[np.ndarray, "H W"], size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Resizes drawn lines so that thin ones survive: a pixel is a line if any below it was.

    Args:
        lines: (H, W), true on lines.
        size: height and width of the result, in pixels.
    """
    for axis, target in enumerate(size):
        source = lines.shape[axis]
        if target < source:
            starts = np.arange(target) * source // target
            lines = np.logical_or.reduceat(lines, starts, axis=axis)
    return resize_labels(lines, size)


def read_lines(path: Path) -> Bool[np.ndarray, "H W"]:
    """Reads a picture of lines, dark on white or white on black.

    Pixels darker and lighter than halfway between the darkest and the lightest are told apart;
    lines are the fewer of the two, and the darker if there are as many. A picture of nearly one
    tone has no lines.

    Args:
        path: any file that `read_image` reads; what is transparent counts as white.

    Returns:
        (H, W), true on lines.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read as an image.
    """
    return find_lines(read_image(path))


def find_lines(pixels: UInt8[np.ndarray, "H W 3"]) -> Bool[np.ndarray, "H W"]:
    """Finds the lines of a drawing as `read_lines` does in a file.

    Args:
        pixels: (H, W, 3), dark on white or white on black.

    Returns:
        (H, W), true on lines.
    """
    luma = np.asarray(Image.fromarray(pixels).convert("L")).astype(np.int64)
    dark, light = int(luma.min()), int(luma.max())
    if light - dark < _BLANK:
        return np.zeros(luma.shape, dtype=bool)
    darker = 2 * luma <= dark + light
    return ~darker if 2 * np.count_nonzero(darker) > darker.size else darker


@dataclass(frozen=True)
class CannyPicture:
    """A photograph whose condition is its own edges, found at the size that it is seen at."""

    pixels: UInt8[np.ndarray, "H W 3"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photograph in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def image(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the photograph in a view."""
        return view.image(self.pixels)

    def condition(self, view: View) -> PictureCondition:
        """Returns the edges in a view; all pixels are of one region."""
        return _edge_condition(canny(resize_image(self.pixels, view.scaled)), view)


@dataclass(frozen=True)
class LinePicture:
    """A photograph and the lines of its condition: (H, W, 3) and (H, W), of any two sizes."""

    pixels: UInt8[np.ndarray, "H W 3"]
    edges: Bool[np.ndarray, "h w"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photograph in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def image(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the photograph in a view."""
        return view.image(self.pixels)

    def condition(self, view: View) -> PictureCondition:
        """Returns the lines in a view; all pixels are of one region."""
        return _edge_condition(resize_lines(self.edges, view.scaled), view)


def _edge_condition(edges: Bool[np.ndarray, "H W"], view: View) -> PictureCondition:
    """The condition of edges at a view's `scaled` size; they are measured before the crop."""
    channels = crop_channels(line_channels(edges), view)
    regions = torch.zeros(view.size, dtype=torch.int64)
    return PictureCondition(regions, torch.from_numpy(channels))
