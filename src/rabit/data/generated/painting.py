"""How generated persons are painted: materials, laid over part maps by region coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float32, Integer, UInt8

from rabit.data.decoding import check_pixels
from rabit.data.scenes.coordinates import Regions
from rabit.data.scenes.patterns import (
    Grain,
    Values,
    Weights,
    blobs,
    count_periods,
    dots,
    hash_cells,
    ramp,
    wave,
)
from rabit.data.scenes.textures import TEXTURES, Texture

Colour = tuple[float, float, float]

SMALLEST = 64
"""The smallest height and width, in pixels, at which eyes and hands can still be made out."""

FINER = 2
"""How many times finer than the photograph parts are drawn, so that edges come out smooth."""


@dataclass(frozen=True)
class Material:
    """The look of one part.

    Args:
        texture: name of its texture in `PATTERNS`.
        grain: scale, phase and seed of the texture.
        first: red, green, blue in [0, 1].
        second: red, green, blue in [0, 1].
        accent: red, green, blue in [0, 1].
        light: (u, v) share of brightness gained from the part's middle to its ends.
        round: share of brightness lost towards the part's rim.
    """

    texture: str
    grain: Grain
    first: Colour
    second: Colour
    accent: Colour
    light: tuple[float, float] = (0.0, 0.0)
    round: float = 0.0


def check_size(size: tuple[int, int], thing: str) -> None:
    """Refuses sizes that a thing cannot be drawn at.

    Args:
        size: height and width in pixels.
        thing: what is to be drawn, for the error.

    Raises:
        ValueError: a side is shorter than 64 pixels, or the area is beyond MAX_PIXELS.
    """
    check_pixels(size, "size", thing)
    if min(size) < SMALLEST:
        raise ValueError(
            f"size {size[0]} x {size[1]} (height x width), expected at least {SMALLEST} x "
            f"{SMALLEST} pixels for a {thing}; ask for a larger size"
        )


def paint(
    parts: Integer[np.ndarray, "H W"], materials: Sequence[Material]
) -> Float32[np.ndarray, "H W 3"]:
    """Paints a map of parts.

    The colour of a pixel depends on its part, its region coordinates and the material alone.

    Args:
        parts: (H, W) ids, indices into `materials`.
        materials: the look of every part.

    Returns:
        (H, W, 3) float32 RGB in [0, 1].
    """
    regions = Regions.from_labels(parts)
    picture = np.empty((parts.size, 3), dtype=np.float32)
    for region, name in enumerate(regions.classes):
        span = slice(regions.starts[region], regions.starts[region + 1])
        colours = material_colours(materials[name], regions.u[span], regions.v[span])
        picture[regions.pixels[span]] = colours
    return picture.reshape(*parts.shape, 3)


def material_colours(material: Material, u: Values, v: Values) -> Float32[np.ndarray, "P 3"]:
    """Returns the colours of a material at region coordinates (P,) in [-1, 1]."""
    weights = PATTERNS[material.texture](u, v, material.grain)
    first, second, accent = (
        np.array(colour, dtype=np.float32)
        for colour in (material.first, material.second, material.accent)
    )
    colour = first + (second - first) * weights.second[:, None]
    if weights.accent is not None:
        colour += (accent - colour) * weights.accent[:, None]
    along, down = (np.float32(number) for number in material.light)
    shade = 1 + along * u + down * v - np.float32(material.round) * (u * u + v * v)
    return np.clip(colour * shade[:, None], 0, 1)


def photograph(picture: Float32[np.ndarray, "FH FW 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Returns a picture painted `FINER` times finer as a photograph: the mean of its pixels."""
    height, width = picture.shape[0] // FINER, picture.shape[1] // FINER
    blocks = picture.reshape(height, FINER, width, FINER, 3)
    mean = blocks.mean(axis=(1, 3))
    return np.clip(255 * mean + np.float32(0.5), 0, 255).astype(np.uint8)


def coarse(parts: UInt8[np.ndarray, "FH FW"]) -> UInt8[np.ndarray, "H W"]:
    """Returns a map drawn `FINER` times finer at the photograph's size: one id of each block."""
    return np.ascontiguousarray(parts[FINER // 2 :: FINER, FINER // 2 :: FINER])


def _bump(u: Values, v: Values, at: tuple[float, float], radius: tuple[float, float]) -> Values:
    """Returns a soft spot: 1 at a place, falling to 0 around it."""
    away = ((u - np.float32(at[0])) / np.float32(radius[0])) ** 2
    return np.exp(-away - ((v - np.float32(at[1])) / np.float32(radius[1])) ** 2)


def plain(u: Values, v: Values, grain: Grain) -> Weights:
    """A plain surface that shades a little from top to bottom."""
    return Weights(np.float32(0.35) * ramp(v, -1, 1))


def fair_skin(u: Values, v: Values, grain: Grain) -> Weights:
    """The skin of a face: cheeks in the second colour, a faint chin in the accent."""
    cheeks = _bump(u, v, (-0.55, 0.22), (0.3, 0.22)) + _bump(u, v, (0.55, 0.22), (0.3, 0.22))
    return Weights(np.clip(cheeks, 0, 1), np.float32(0.12) * ramp(v, 0.7, 1))


def bearded_skin(u: Values, v: Values, grain: Grain) -> Weights:
    """The skin of a face with a beard in the accent along jaw, chin and upper lip."""
    x, y = count_periods(u, v, grain)
    jaw = ramp(v + np.float32(0.3) * u * u, 0.34, 0.6)
    bare = _bump(u, v, (0, 0.3), (0.28, 0.12))
    tufts = np.float32(0.75) + np.float32(0.25) * blobs(x, y, grain.seed)
    cheeks = _bump(u, v, (-0.55, 0.1), (0.3, 0.2)) + _bump(u, v, (0.55, 0.1), (0.3, 0.2))
    return Weights(np.float32(0.6) * cheeks, jaw * tufts * (1 - bare))


def freckled_skin(u: Values, v: Values, grain: Grain) -> Weights:
    """The skin of a face with freckles in the accent over nose and cheeks."""
    x, y = count_periods(u, v, grain)
    spots = dots(2 * x, 2 * y, grain.seed, 0.5)
    cheeks = _bump(u, v, (-0.5, 0.2), (0.35, 0.25)) + _bump(u, v, (0.5, 0.2), (0.35, 0.25))
    cheeks = np.clip(cheeks, 0, 1)
    return Weights(np.float32(0.7) * cheeks, np.float32(0.5) * spots * cheeks)


def eye(u: Values, v: Values, grain: Grain) -> Weights:
    """An eye: the white, an iris in the second colour, pupil and lashes in the accent."""
    away = np.hypot(np.float32(2.3) * (u - np.float32(0.15 * grain.phase[0])), v)
    glint = _bump(u, v, (-0.14, -0.3), (0.1, 0.24))
    iris = ramp(away, 1.0, 0.85) * (1 - glint)
    pupil = ramp(away, 0.5, 0.36) * (1 - glint)
    lashes = ramp(-v - np.float32(0.75) * (1 - u * u), -0.05, 0.12)
    return Weights(iris, np.maximum(pupil, lashes))


def lips(u: Values, v: Values, grain: Grain) -> Weights:
    """A lip: paler and glossy in the middle, the accent at its corners."""
    gloss = _bump(u, v, (0.1, -0.2), (0.45, 0.5))
    return Weights(gloss, np.float32(0.45) * ramp(np.abs(u), 0.7, 1.0))


def nose(u: Values, v: Values, grain: Grain) -> Weights:
    """A nose: the second colour in its shade and nostrils, the accent along its bridge."""
    nostrils = _bump(u, v, (-0.42, 0.82), (0.2, 0.1)) + _bump(u, v, (0.42, 0.82), (0.2, 0.1))
    side = np.float32(0.22) * ramp(u * np.float32(np.sign(grain.phase[0] - 0.5)), 0.15, 0.75)
    bridge = _bump(u, v, (0, -0.2), (0.16, 0.7)) + _bump(u, v, (0, 0.45), (0.3, 0.2))
    rim = np.float32(0.4) * ramp(v, 0.8, 1.0)
    return Weights(np.clip(np.maximum(nostrils, rim) + side, 0, 1), np.float32(0.7) * bridge)


def ear(u: Values, v: Values, grain: Grain) -> Weights:
    """An ear: darker inside its rim."""
    return Weights(_bump(u, v, (0, -0.1), (0.5, 0.55)))


def throat(u: Values, v: Values, grain: Grain) -> Weights:
    """A neck in the shadow of the head."""
    return Weights(ramp(v + np.float32(0.2) * u * u, 0.35, -0.5))


def strands(u: Values, v: Values, grain: Grain) -> Weights:
    """Hair: strands that swing, with a band of light as the accent."""
    x, y = count_periods(u, v, grain)
    swing = np.float32(0.35) * np.sin(np.float32(2.2) * y + np.float32(3) * u)
    along = x + swing
    mixed = np.float32(0.6) * wave(along) + np.float32(0.4) * wave(np.float32(2.3) * along + y)
    shine = _bump(u, v, (grain.phase[0] - 0.5, -0.62), (0.6, 0.2))
    return Weights(mixed, np.float32(0.55) * shine)


def curls(u: Values, v: Values, grain: Grain) -> Weights:
    """Hair: curls, with light on the upper ones as the accent."""
    x, y = count_periods(u, v, grain)
    row = np.floor(y)
    x = x + np.float32(0.5) * (row % 2)
    column = np.floor(x)
    away = np.hypot(x - column - np.float32(0.5), y - row - np.float32(0.5))
    ring = wave(np.float32(1.3) * away + hash_cells(column, row, grain.seed))
    return Weights(ring, np.float32(0.45) * ramp(away, 0.35, 0.1) * ramp(v, 0.3, -1))


def bokeh(u: Values, v: Values, grain: Grain) -> Weights:
    """A background out of focus: broad lumps and pale round lights."""
    x, y = count_periods(u, v, grain)
    lumps = blobs(np.float32(0.5) * x, np.float32(0.5) * y, grain.seed)
    return Weights(lumps, np.float32(0.5) * ramp(blobs(x, y, grain.seed + 7), 0.7, 1.0))


def studio(u: Values, v: Values, grain: Grain) -> Weights:
    """A studio's wall: light falls on its middle."""
    middle = _bump(u, v, (grain.phase[0] - 0.5, grain.phase[1] - 0.7), (0.9, 0.9))
    return Weights(middle, np.float32(0.25) * ramp(v, 0.6, 1.0))


def floor(u: Values, v: Values, grain: Grain) -> Weights:
    """A studio's wall over a floor, the accent, that rounds into it."""
    middle = _bump(u, v, (grain.phase[0] - 0.5, -0.3), (0.9, 0.9))
    return Weights(middle, np.float32(0.6) * ramp(v, 0.62, 0.8))


_OWN: tuple[Callable[[Values, Values, Grain], Weights], ...] = (
    plain,
    fair_skin,
    bearded_skin,
    freckled_skin,
    eye,
    lips,
    nose,
    ear,
    throat,
    strands,
    curls,
    bokeh,
    studio,
    floor,
)
PATTERNS: Mapping[str, Texture] = MappingProxyType(
    {**TEXTURES, **{pattern.__name__: pattern for pattern in _OWN}}
)
"""All textures by name: those of the scenes and those of persons."""
