"""Styles: how every class looks and how the light falls; and the pictures they give."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Integer, UInt8

from rabit.data.scenes.canvas import CLASSES
from rabit.data.scenes.coordinates import Regions
from rabit.data.scenes.moods import MOODS
from rabit.data.scenes.palettes import DRIFT, KINDS, MATERIALS, Mood
from rabit.data.scenes.patterns import Grain
from rabit.data.scenes.textures import TEXTURES

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Surface:
    """The look of one class.

    Args:
        texture: name of its texture in `TEXTURES`.
        grain: scale, phase and seed of the texture.
        first: red, green, blue in [0, 1].
        second: red, green, blue in [0, 1].
        accent: red, green, blue in [0, 1].
        drift: share of red, green and blue gained from one end of a region to its middle.
        heading: (u, v) direction and phase in radians of that drift.
    """

    texture: str
    grain: Grain
    first: Colour
    second: Colour
    accent: Colour
    drift: Colour
    heading: tuple[float, float, float]


@dataclass(frozen=True)
class Style:
    """The look of a whole scene, whatever its layout.

    Args:
        mood: name of the season, hour or weather.
        surfaces: the look of every class, in the order of `CLASSES`.
    """

    mood: str
    surfaces: tuple[Surface, ...]


def sample_style(rng: np.random.Generator) -> Style:
    """Draws a random style.

    Args:
        rng: source of all random choices.

    Returns:
        The style.
    """
    mood = MOODS[int(rng.integers(len(MOODS)))]
    tint = rng.uniform(0.94, 1.06, 3)
    sunlight = rng.uniform(-np.pi, np.pi)
    surfaces = tuple(_sample_surface(rng, name, mood, tint, sunlight) for name in CLASSES)
    return Style(mood=mood.name, surfaces=surfaces)


def _sample_surface(
    rng: np.random.Generator, name: str, mood: Mood, tint: np.ndarray, sunlight: float
) -> Surface:
    """Draws the look of one class in a mood, under light from an angle in radians."""
    colours = _sample_colours(rng, name, mood, tint)
    if name in ("facade", "roof", "foliage", "grass", "pavement") and rng.random() < 0.25:
        colours = (colours[1], colours[0], colours[2])
    kinds = KINDS[name]
    if name == "sky":
        kinds = tuple(kind for kind in kinds if kind.texture in mood.sky_kinds)
    kind = kinds[int(rng.integers(len(kinds)))]
    across, down = rng.uniform(0.85, 1.15, 2).tolist()
    grain = Grain(
        across=kind.across * across,
        down=kind.down * down,
        phase=(float(rng.random()), float(rng.random())),
        seed=int(rng.integers(2**31)),
    )
    angle = sunlight + rng.uniform(-0.6, 0.6)
    pace, phase = rng.uniform(1.3, 2.0), rng.uniform(-0.5, 0.5)
    heading = (float(pace * np.cos(angle)), float(pace * np.sin(angle)), float(phase))
    red, green, blue = (DRIFT[name] * rng.uniform(0.45, 1.15, 3)).tolist()
    return Surface(kind.texture, grain, *colours, drift=(red, green, blue), heading=heading)


def _sample_colours(
    rng: np.random.Generator, name: str, mood: Mood, tint: np.ndarray
) -> tuple[Colour, Colour, Colour]:
    """Draws the first, second and accent colour of a class in a mood."""
    lit = name in MATERIALS
    swatches = MATERIALS[name] if lit else getattr(mood, name)
    swatch = swatches[int(rng.integers(len(swatches)))].split()
    turn, strength = rng.uniform(-0.03, 0.03), rng.uniform(0.85, 1.15)
    strength *= mood.saturation if lit else 1
    light = tint * (mood.light if lit else 1)
    colours: list[Colour] = []
    for role, code in enumerate(swatch):
        red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        pure = colorsys.hsv_to_rgb((hue + turn) % 1, min(saturation * strength, 1), value)
        glows = name == "lamp" and role == 2
        red, green, blue = np.minimum(np.array(pure) * (1 if glows else light), 1).tolist()
        colours.append((red, green, blue))
    first, second, accent = colours
    return first, second, accent


def render(labels: Integer[np.ndarray, "H W"], style: Style) -> UInt8[np.ndarray, "H W 3"]:
    """Paints a layout in a style.

    The colour of a pixel depends on its class, its region coordinates and the style alone.

    Args:
        labels: (H, W) class ids, indices into `CLASSES`.
        style: how every class looks.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: an id is no index into `CLASSES`.
    """
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(CLASSES):
        raise ValueError(
            f"layout has class ids {low} to {high}, expected 0 to {len(CLASSES) - 1}; scenes "
            "know no other classes"
        )
    regions = Regions.from_labels(labels)
    picture = np.empty((labels.size, 3), dtype=np.uint8)
    for region, name in enumerate(regions.classes):
        span = slice(regions.starts[region], regions.starts[region + 1])
        colours = _paint(style.surfaces[name], regions.u[span], regions.v[span])
        picture[regions.pixels[span]] = colours.T
    return picture.reshape(*labels.shape, 3)


def _paint(
    surface: Surface, u: Float32[np.ndarray, " P"], v: Float32[np.ndarray, " P"]
) -> UInt8[np.ndarray, "3 P"]:
    """Returns the colours of a surface at some region coordinates."""
    weights = TEXTURES[surface.texture](u, v, surface.grain)
    first, second, accent, drift = (
        np.array(colour, dtype=np.float32)[:, None]
        for colour in (surface.first, surface.second, surface.accent, surface.drift)
    )
    along, down, phase = (np.float32(number) for number in surface.heading)
    wave = np.sin(along * u + down * v + phase)
    light = 255 * (1 + drift * (wave - np.float32(0.25)))
    colour = first + (second - first) * weights.second
    if weights.accent is not None:
        colour += (accent - colour) * weights.accent
    return np.clip(colour * light + np.float32(0.5), 0, 255).astype(np.uint8)
