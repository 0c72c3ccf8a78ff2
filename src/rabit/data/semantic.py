"""Photographs with semantic maps: one class id a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8

from rabit.data.batch import PictureCondition
from rabit.data.images import read_image, read_labels
from rabit.data.transforms import View


@dataclass(frozen=True)
class SemanticPicture:
    """A photograph and its map as read: (H, W, 3) and (H, W) of one size."""

    pixels: UInt8[np.ndarray, "H W 3"]
    labels: Int64[np.ndarray, "H W"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photograph in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def image(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the photograph in a view."""
        return view.image(self.pixels)

    def condition(self, view: View) -> PictureCondition:
        """Returns the map in a view."""
        return PictureCondition(torch.from_numpy(view.labels(self.labels)))


def read_semantic(image: Path, labels: Path, classes: int) -> SemanticPicture:
    """Reads a photograph and its map.

    Args:
        image: the photograph.
        labels: its map, of the same size.
        classes: number of classes.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file cannot be used, or their sizes differ.
    """
    pixels, ids = read_image(image), read_labels(labels, classes)
    require_one_size(pixels, image, ids, labels)
    return SemanticPicture(pixels, ids)


def require_one_size(
    pixels: UInt8[np.ndarray, "H W 3"], image: Path, ids: np.ndarray, labels: Path
) -> None:
    """Checks that a photograph and its map are of one size.

    Raises:
        ValueError: they are not; both files are named.
    """
    if pixels.shape[:2] != ids.shape:
        raise ValueError(
            f"{image} is {pixels.shape[1]}×{pixels.shape[0]} pixels, its map {labels} "
            f"{ids.shape[1]}×{ids.shape[0]}; make them the same size"
        )
