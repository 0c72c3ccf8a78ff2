"""Layouts of small street scenes: label maps drawn from random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from rabit.data.decoding import check_pixels
from rabit.data.scenes.buildings import draw_house
from rabit.data.scenes.canvas import Canvas
from rabit.data.scenes.objects import (
    draw_car,
    draw_cloud,
    draw_lamp,
    draw_person,
    draw_tree,
)

SMALLEST = 64
"""The smallest height and width, in pixels, at which persons and doors can still be made out."""


@dataclass(frozen=True)
class _Ground:
    """The rows, from the top of the picture, at which the strips of the ground begin.

    Args:
        floor: where houses stand.
        pavement: where the pavement begins; a lawn lies above it if this is below the floor.
        road: where the road begins.
        verge: where grass begins again below the road; the picture's height for none.
    """

    floor: float
    pavement: float
    road: float
    verge: float


def check_size(size: tuple[int, int]) -> None:
    """Refuses sizes that scenes cannot be drawn at.

    Args:
        size: height and width in pixels.

    Raises:
        ValueError: a side is shorter than 64 pixels, or the area is beyond MAX_PIXELS.
    """
    check_pixels(size, "size", "scene")
    if min(size) < SMALLEST:
        raise ValueError(
            f"size {size[0]} x {size[1]} (height x width), expected at least {SMALLEST} x "
            f"{SMALLEST} pixels for a scene; ask for a larger size"
        )


def sample_layout(rng: np.random.Generator, size: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
    """Draws the label map of a random street.

    Args:
        rng: source of all random choices.
        size: height and width in pixels, each at least 64; the aspect ratio is free.

    Returns:
        (H, W) uint8 class ids, indices into `CLASSES`.

    Raises:
        ValueError: a side is shorter than 64 pixels, or the area is beyond MAX_PIXELS.
    """
    check_pixels(size, "size", "scene")
    check_size(size)
    height, width = size
    image = Image.new("L", (width, height))
    canvas = Canvas(ImageDraw.Draw(image), rng, height, width, min(height, 1.5 * width) / 128)
    ground = _sample_ground(canvas)
    _draw_backdrop(canvas, ground.floor)
    _draw_ground(canvas, ground)
    _draw_houses(canvas, ground.floor)
    _draw_street(canvas, ground)
    return np.array(image)


def _sample_ground(canvas: Canvas) -> _Ground:
    """Divides the lower part of the picture into lawn, pavement, road and verge."""
    height = canvas.height
    floor = height * canvas.between(0.60, 0.70)
    lawn = height * canvas.between(0.05, 0.09) if canvas.chance(0.7) else 0.0
    pavement = floor + lawn
    road = pavement + height * canvas.between(0.07, 0.11)
    verge = height * canvas.between(0.91, 0.95) if lawn == 0 or canvas.chance(0.3) else height
    return _Ground(floor, pavement, road, verge)


def _draw_backdrop(canvas: Canvas, floor: float) -> None:
    """Draws sky, sun, clouds and hills."""
    canvas.rectangle("sky", 0, 0, canvas.width, canvas.height)
    if canvas.chance(0.85):
        radius = canvas.unit * canvas.between(6, 11)
        x, y = canvas.width * canvas.between(0.08, 0.92), floor * canvas.between(0.12, 0.4)
        canvas.ellipse("sun", x, y, radius, radius)
    clouds = int(canvas.rng.integers(1, 4)) if canvas.chance(0.9) else 0
    for slot in range(clouds):
        x = canvas.width * (slot + canvas.between(0.1, 0.9)) / clouds
        draw_cloud(canvas, x, floor * canvas.between(0.08, 0.4))
    if canvas.chance(0.85):
        _draw_hills(canvas, floor)


def _draw_hills(canvas: Canvas, floor: float) -> None:
    """Draws a skyline of hills as the sum of two waves."""
    x = np.linspace(0, canvas.width, 33)
    turns = 2 * np.pi * x / canvas.width
    rise = canvas.between(0.28, 0.5) + canvas.between(0.05, 0.16) * np.sin(
        turns * canvas.between(0.5, 1.5) + canvas.between(0, 6.3)
    )
    rise += canvas.between(0.0, 0.06) * np.sin(turns * canvas.between(2, 4))
    skyline = list(zip(x.tolist(), (floor * (1 - rise)).tolist(), strict=True))
    canvas.polygon("hill", [(0, floor), *skyline, (canvas.width, floor)])


def _draw_ground(canvas: Canvas, ground: _Ground) -> None:
    """Draws the strips of the ground, one above the other."""
    canvas.rectangle("grass", 0, ground.floor, canvas.width, canvas.height)
    canvas.rectangle("pavement", 0, ground.pavement, canvas.width, ground.road)
    canvas.rectangle("road", 0, ground.road, canvas.width, ground.verge)


def _draw_houses(canvas: Canvas, floor: float) -> None:
    """Draws a row of houses, with gaps that trees may fill."""
    x = canvas.width * canvas.between(-0.08, 0.2)
    while x < 0.8 * canvas.width:
        width = canvas.unit * canvas.between(30, 58)
        draw_house(canvas, x, floor, width)
        x += width + canvas.unit * (canvas.between(8, 30) if canvas.chance(0.65) else 0)


def _draw_street(canvas: Canvas, ground: _Ground) -> None:
    """Draws what stands before the houses, the far things first."""
    unit, width = canvas.unit, canvas.width
    places = max(2, round(width / (30 * unit)))
    for slot in range(places):
        if canvas.chance(0.6):
            foot = canvas.between(ground.floor, ground.pavement) + 2 * unit
            draw_tree(canvas, width * (slot + canvas.between(0.1, 0.9)) / places, foot)
    lamp_height = unit * canvas.between(38, 52)
    lamps = int(canvas.rng.integers(1, 3)) if canvas.chance(0.8) else 0
    for slot in range(lamps):
        x = width * (slot + canvas.between(0.15, 0.85)) / lamps
        draw_lamp(canvas, x, ground.pavement + 3 * unit, lamp_height)
    tall = unit * canvas.between(23, 28)
    people = int(canvas.rng.integers(1, 4)) if canvas.chance(0.85) else 0
    for slot in range(people):
        x = width * (slot + canvas.between(0.15, 0.85)) / people
        draw_person(canvas, x, ground.road - canvas.between(0.5, 2.5) * unit, tall)
    room = 3 if width > 100 * unit else 2
    cars = int(canvas.rng.integers(1, room)) if canvas.chance(0.85) else 0
    lane = canvas.between(0.72, 0.92)
    for slot in range(cars):
        x = width * (slot + canvas.between(0.2, 0.8)) / cars
        draw_car(canvas, x, ground.road + lane * (ground.verge - ground.road))
