"""The classes of the scenes and the canvas that their label maps are drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

CLASSES: tuple[str, ...] = (
    "sky",
    "sun",
    "cloud",
    "hill",
    "facade",
    "window",
    "door",
    "roof",
    "foliage",
    "trunk",
    "grass",
    "pavement",
    "road",
    "car",
    "glass",
    "wheel",
    "person",
    "lamp",
)
"""The names of the classes; a class id is an index into them."""


@dataclass(frozen=True)
class Canvas:
    """A label map under the brush, with the random numbers that steer it.

    Args:
        draw: draws on the (H, W) map of class ids.
        rng: source of all random choices.
        height: of the map in pixels.
        width: of the map in pixels.
        unit: how many pixels a length of 1 takes; 1 in a square map of 128 pixels.
    """

    draw: ImageDraw.ImageDraw
    rng: np.random.Generator
    height: int
    width: int
    unit: float

    def between(self, low: float, high: float) -> float:
        """Returns a uniform random number of [low, high)."""
        return low + (high - low) * self.rng.random()

    def chance(self, probability: float) -> bool:
        """Returns True with the given probability."""
        return self.rng.random() < probability

    def rectangle(self, name: str, left: float, top: float, right: float, bottom: float) -> None:
        """Fills the pixels from left and top up to, without, right and bottom."""
        x0, y0, x1, y1 = round(left), round(top), round(right) - 1, round(bottom) - 1
        if x1 >= x0 and y1 >= y0:
            self.draw.rectangle((x0, y0, x1, y1), fill=CLASSES.index(name))

    def ellipse(self, name: str, x: float, y: float, across: float, down: float) -> None:
        """Fills an ellipse of the given centre and half axes."""
        box = (round(x - across), round(y - down), round(x + across), round(y + down))
        self.draw.ellipse(box, fill=CLASSES.index(name))

    def polygon(self, name: str, points: Sequence[tuple[float, float]]) -> None:
        """Fills a polygon of (x, y) corners."""
        self.draw.polygon([(round(x), round(y)) for x, y in points], fill=CLASSES.index(name))
