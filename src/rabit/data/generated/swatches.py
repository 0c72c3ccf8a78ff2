"""Colours and cloths that the looks of generated persons are drawn from."""

from __future__ import annotations

import colorsys

import numpy as np

from rabit.data.generated.painting import Colour, Material
from rabit.data.scenes.patterns import Grain

SKINS = (
    "f6d7c3", "f0c6a8", "e8b48f", "d9a074", "c68642", "a86b3c", "8d5524", "6b3f22", "4a2c1a",
)  # fmt: skip
# What is common stands more than once.
HAIRS = (
    "17120f", "17120f", "2b1b12", "2b1b12", "4a2c18", "4a2c18", "6a4126", "6a4126", "8a5a32",
    "8a5a32", "b58650", "b58650", "d9b578", "d9b578", "ecd9a4", "a83f1e", "7a2415", "8d8d8d",
    "d8d6d2", "2f4f9a", "c2457e",
)  # fmt: skip
IRISES = ("3b2414", "5a3a1e", "2f5d8a", "5f93b8", "3f7048", "7a8b3a", "6b6f76")
LIPS = ("c4675f", "b03a3f", "d98a80", "8c2f45", "e0607e", "a8564a")
CLOTHS = (
    "b3202c f2e8dc", "1f3f7a 8fb0dd", "e9e6df b8b2a6", "22252b 5b606b", "2f6b4a a9d1b0",
    "e2b13c 7a4a12", "7a4a8c d3b3e0", "e07a5f f4e3d3", "2a8f9a c6eaea", "d36a8f f9d6e2",
    "5b4632 c9a97e", "f0efe9 c8324a", "30486b e6b84c", "6f7d3c dfe3b0",
)  # fmt: skip
# What is common stands more than once.
FABRICS = ("plain", "plain", "plain", "stripes", "bands", "checks", "planks", "meadow", "scales")
BACKGROUNDS = (
    "8a8d93 c9ccd1", "2b2f36 5f6771", "a9c6dd e9f1f7", "cfc4b4 f1eadf", "6d8f6a b9d3a4",
    "b88a8a ecd0cb", "4a3f5c 8f82ab", "d7b26d f5e3b6", "2f5d62 7fb2b0", "7a4d3a c49a7c",
)  # fmt: skip


def pick(rng: np.random.Generator, codes: tuple[str, ...]) -> str:
    """Draws one of several codes."""
    return codes[int(rng.integers(len(codes)))]


def vary(rng: np.random.Generator, code: str, spread: float = 1.0) -> Colour:
    """Returns a colour near that of a code RRGGBB."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    hue += spread * rng.uniform(-0.015, 0.015)
    saturation = min(1, saturation * (1 + spread * rng.uniform(-0.12, 0.12)))
    value = min(1, value * (1 + spread * rng.uniform(-0.08, 0.08)))
    return colorsys.hsv_to_rgb(hue % 1, saturation, value)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Returns a colour with a share of another one in it."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def scaled(colour: Colour, factor: float | tuple[float, float, float]) -> Colour:
    """Returns a colour times a factor, or one each for red, green and blue, at most 1."""
    factors = factor if isinstance(factor, tuple) else (factor, factor, factor)
    red, green, blue = (min(1.0, a * b) for a, b in zip(colour, factors, strict=True))
    return red, green, blue


def sample_grain(rng: np.random.Generator, across: float, down: float) -> Grain:
    """Draws a grain of about the given periods per unit of u and v."""
    wider, taller = rng.uniform(0.85, 1.15, 2).tolist()
    phase = (float(rng.random()), float(rng.random()))
    return Grain(across * wider, down * taller, phase, int(rng.integers(2**31)))


def sample_fabric(rng: np.random.Generator, light: tuple[float, float], fine: float) -> Material:
    """Draws the look of a piece of clothing, `fine` periods per unit of u and v."""
    ground, pattern = (vary(rng, code) for code in pick(rng, CLOTHS).split())
    if rng.random() < 0.3:
        ground, pattern = pattern, ground
    texture = pick(rng, FABRICS)
    second = scaled(ground, 0.8) if texture == "plain" else pattern
    grain = sample_grain(rng, fine, fine)
    return Material(texture, grain, ground, second, scaled(pattern, 0.9), light, 0.1)


def sample_background(
    rng: np.random.Generator, textures: tuple[str, ...], light: tuple[float, float]
) -> Material:
    """Draws the look of what is behind a person."""
    dark, pale = (vary(rng, code) for code in pick(rng, BACKGROUNDS).split())
    texture = pick(rng, textures)
    other = vary(rng, pick(rng, BACKGROUNDS).split()[1])
    scale = 4.0 if texture in ("bricks", "planks") else 1.6
    grain = sample_grain(rng, scale, scale)
    return Material(texture, grain, dark, pale, other, (0.4 * light[0], 0.4 * light[1]))
