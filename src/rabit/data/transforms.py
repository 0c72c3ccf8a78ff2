"""Transforms that treat an image and its label map alike.

Arrays are uint8 (H, W, 3) for images and int64 (H, W) for maps. A pixel's centre lies at its
integer coordinate; a resize keeps the corners of the picture, not the centres of its corner pixels,
in place. Sizes are (height, width). A view stretches a picture to its size, as the paper's peers
do, unless it is made to keep the picture's shape (`View.covered`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from PIL import Image

from rabit.data.decoding import MAX_PIXELS

# Shares of red, green and blue in a colour's brightness (BT.601).
_LUMA = np.array([0.299, 0.587, 0.114])

MARGIN = 286 / 256
"""How much larger than the crop the resized picture is, per side."""


def resize_image(
    image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    """Resizes a photograph: bilinear, antialiased where it shrinks.

    Args:
        image: (H, W, 3) uint8.
        size: height and width of the result, in pixels.

    Returns:
        (h, w, 3) uint8; the image itself where it has that size already.
    """
    if image.shape[:2] == size:
        return image
    height, width = size
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def resize_labels(
    labels: Int64[np.ndarray, "H W"], size: tuple[int, int]
) -> Int64[np.ndarray, "h w"]:
    """Resizes a label map to the nearest pixel, so that no id arises that was not there.

    Args:
        labels: (H, W) int64 class ids.
        size: height and width of the result, in pixels.

    Returns:
        (h, w) int64; entry (y, x) is the id under the centre of pixel (y, x) of the result.
    """
    rows = _nearest(labels.shape[0], size[0])
    columns = _nearest(labels.shape[1], size[1])
    return labels[rows[:, None], columns[None, :]]


def _nearest(source: int, target: int) -> Int64[np.ndarray, " target"]:
    """Source index under each target pixel's centre: floor((i + 1/2) · source / target)."""
    return (2 * np.arange(target, dtype=np.int64) + 1) * source // (2 * target)


@dataclass(frozen=True)
class View:
    """One way to look at a picture: resize, crop, flip, the same for the image and its map.

    Args:
        scaled: height and width to resize to, at least those of `size`.
        corner: top and left of the crop, in pixels of the resized picture.
        size: height and width of the crop.
        flip: whether left and right are exchanged, after the crop.
    """

    scaled: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]
    flip: bool

    @classmethod
    def whole(cls, size: tuple[int, int]) -> View:
        """The whole picture at a size, neither cropped nor flipped: what tests look at."""
        return cls(scaled=size, corner=(0, 0), size=size, flip=False)

    @classmethod
    def draw(
        cls,
        size: tuple[int, int],
        rng: np.random.Generator,
        flip: bool = True,
        share: float = 1.0,
        place: tuple[float, float] = (0.0, 0.0),
    ) -> View:
        """Draws a training view: resized to 286/256 of the size, cropped anywhere, flipped or not.

        With a `share` below 1 it lies in a window of the picture, which is resized to 286/256 of
        the size in place of the whole.

        Args:
            size: height and width of the crop, in pixels.
            rng: where the randomness comes from; three numbers are drawn.
            flip: whether to flip one time in two; False for maps that name left and right.
            share: the window's share of the picture's height, and of its width; in (0, 1].
            place: how far down and to the right the window lies, in [0, 1).

        Returns:
            The view.
        """
        scaled = (round(size[0] * MARGIN / share), round(size[1] * MARGIN / share))
        spare = [round(side * MARGIN) - side for side in size]
        first = [
            int(at * (whole - side - more + 1))
            for at, whole, side, more in zip(place, scaled, size, spare, strict=True)
        ]
        top = first[0] + int(rng.integers(spare[0] + 1))
        left = first[1] + int(rng.integers(spare[1] + 1))
        flipped = bool(rng.integers(2)) and flip
        return cls(scaled=scaled, corner=(top, left), size=size, flip=flipped)

    def covered(self, picture: tuple[int, int], place: tuple[float, float] = (0.5, 0.5)) -> View:
        """Returns this view of a picture that keeps its shape.

        The picture is made as small as covers `scaled`, and what is over on one axis is cut off.

        Args:
            picture: height and width of the picture as it is.
            place: how far down and to the right the part that is left lies, in [0, 1].

        Returns:
            The view, of this picture only.

        Raises:
            ValueError: the picture is so thin that as large as that it had too many pixels.
        """
        factor = max(new / old for new, old in zip(self.scaled, picture, strict=True))
        height, width = (
            max(least, round(side * factor))
            for least, side in zip(self.scaled, picture, strict=True)
        )
        if height * width > MAX_PIXELS:
            raise ValueError(
                f"{picture[1]}×{picture[0]} pixels are too thin to be cropped to "
                f"{self.size[1]}×{self.size[0]}; cut the picture, or have pictures stretched"
            )
        over = (height - self.scaled[0], width - self.scaled[1])
        top, left = (
            corner + round(at * more)
            for corner, at, more in zip(self.corner, place, over, strict=True)
        )
        return replace(self, scaled=(height, width), corner=(top, left))

    def image(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Shows a photograph (H, W, 3) in this view."""
        return self._crop(resize_image(image, self.scaled))

    def labels(self, labels: Int64[np.ndarray, "H W"]) -> Int64[np.ndarray, "h w"]:
        """Shows a label map (H, W) in this view."""
        return self._crop(resize_labels(labels, self.scaled))

    def _crop(self, array: np.ndarray) -> np.ndarray:
        top, left = self.corner
        cropped = array[top : top + self.size[0], left : left + self.size[1]]
        return np.ascontiguousarray(cropped[:, ::-1] if self.flip else cropped)


@dataclass(frozen=True)
class ColourJitter:
    """A change of a photograph's colours, the same at every pixel.

    Args:
        matrix: (3, 3), what RGB in [-1, 1] is multiplied by.
        offset: (3,), what is added then.
    """

    matrix: Float32[np.ndarray, "3 3"]
    offset: Float32[np.ndarray, " 3"]

    @classmethod
    def draw(cls, strength: float, rng: np.random.Generator) -> ColourJitter:
        """Draws contrast, saturation, a balance of the three colours, and brightness.

        Each factor lies within 1 ± strength (the balance within half of it), the brightness's
        offset within ± strength / 2.

        Args:
            strength: in (0, 1].
            rng: where the randomness comes from; six numbers are drawn.
        """
        contrast, saturation = 1 + strength * rng.uniform(-1, 1, 2)
        balance = 1 + strength / 2 * rng.uniform(-1, 1, 3)
        brightness = strength / 2 * rng.uniform(-1, 1)
        grey = np.tile(_LUMA, (3, 1))
        matrix = contrast * balance[:, None] * (grey + saturation * (np.eye(3) - grey))
        return cls(matrix.astype(np.float32), np.full(3, brightness, np.float32))

    def image(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Returns a photograph (h, w, 3) in these colours, those out of range cut off."""
        values = (image.astype(np.float32) / 127.5 - 1) @ self.matrix.T + self.offset
        return np.rint((values.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
