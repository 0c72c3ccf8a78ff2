"""Textures of the scenes' surfaces, as functions of region coordinates.

A texture says for every pixel how much of a surface's second colour and of its accent colour to
lay over its first one. Edges are soft and periods some pixels long, so that a texture survives
being looked up at a position that is off by less than a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from rabit.data.scenes.patterns import (
    TURN,
    Grain,
    Values,
    Weights,
    blobs,
    count_periods,
    dots,
    hash_cells,
    joint,
    ramp,
    wave,
)

Texture = Callable[[Values, Values, Grain], Weights]


def bricks(u: Values, v: Values, grain: Grain) -> Weights:
    """Staggered bricks of differing tones, with the accent as mortar."""
    x, y = count_periods(u, v, grain)
    row = np.floor(y)
    x = x + np.float32(0.5) * (row % 2)
    column = np.floor(x)
    mortar = np.maximum(joint(x - column, 0.3), joint(y - row, 0.36))
    return Weights(hash_cells(column, row, grain.seed), np.float32(0.8) * mortar)


def slabs(u: Values, v: Values, grain: Grain) -> Weights:
    """Square slabs of differing tones, with the accent as joints."""
    x, y = count_periods(u, v, grain)
    column, row = np.floor(x), np.floor(y)
    mortar = np.maximum(joint(x - column, 0.3), joint(y - row, 0.3))
    return Weights(hash_cells(column, row, grain.seed), np.float32(0.8) * mortar)


def planks(u: Values, v: Values, grain: Grain) -> Weights:
    """Upright boards of differing tones and faint grain, with the accent as grooves."""
    x, y = count_periods(u, v, grain)
    column = np.floor(x)
    tone = hash_cells(column, np.zeros_like(column), grain.seed)
    veins = wave(y + 3 * tone)
    second = np.float32(0.75) * tone + np.float32(0.25) * veins
    return Weights(second, np.float32(0.8) * joint(x - column, 0.34))


def clapboards(u: Values, v: Values, grain: Grain) -> Weights:
    """Boards that lie one over the other, each shaded towards its lower edge."""
    x, y = count_periods(u, v, grain)
    row = np.floor(y)
    fraction = y - row
    tone = hash_cells(row, row, grain.seed)
    second = np.float32(0.55) * fraction + np.float32(0.45) * tone
    return Weights(second, np.float32(0.7) * joint(fraction, 0.34))


def stripes(u: Values, v: Values, grain: Grain) -> Weights:
    """Slanted soft stripes."""
    x, y = count_periods(u, v, grain)
    return Weights(ramp(wave(x + y), 0.25, 0.75))


def bands(u: Values, v: Values, grain: Grain) -> Weights:
    """Level soft bands that swing a little, over a shade from top to bottom."""
    x, y = count_periods(u, v, grain)
    swing = np.float32(0.2) * np.sin(np.float32(TURN) * np.float32(0.4) * x)
    second = np.float32(0.55) * wave(y + swing) + np.float32(0.45) * ramp(v, -1, 1)
    return Weights(second)


def checks(u: Values, v: Values, grain: Grain) -> Weights:
    """A soft chequer."""
    x, y = count_periods(u, v, grain)
    turn = np.float32(np.pi)
    return Weights(ramp(np.sin(turn * x) * np.sin(turn * y), -0.4, 0.4))


def scales(u: Values, v: Values, grain: Grain) -> Weights:
    """Roof tiles: staggered scallops of differing tones, dark where they overlap."""
    x, y = count_periods(u, v, grain)
    row = np.floor(y)
    x = x + np.float32(0.5) * (row % 2)
    column = np.floor(x)
    across = x - column - np.float32(0.5)
    rim = np.hypot(np.float32(1.25) * across, np.float32(0.75) * (y - row))
    tone = hash_cells(column, row, grain.seed)
    return Weights(
        np.float32(0.6) * tone + np.float32(0.4) * (1 - (y - row)),
        np.float32(0.8) * ramp(rim, 0.5, 0.72),
    )


def shingles(u: Values, v: Values, grain: Grain) -> Weights:
    """Rows of narrow shingles, with the accent as the shadow under each row."""
    x, y = count_periods(u, v, grain)
    row = np.floor(y)
    column = np.floor(x + np.float32(0.5) * (row % 2))
    tone = hash_cells(column, row, grain.seed)
    return Weights(tone, np.float32(0.75) * joint(y - row, 0.4))


def leaves(u: Values, v: Values, grain: Grain) -> Weights:
    """Lumps of foliage, lit from above, with fruit or blossom as the accent."""
    x, y = count_periods(u, v, grain)
    lumps = blobs(x, y, grain.seed)
    second = np.float32(0.75) * ramp(lumps, 0.2, 0.8) + np.float32(0.25) * ramp(v, 1, -1)
    return Weights(second, dots(x, y, grain.seed + 1, 0.3))


def meadow(u: Values, v: Values, grain: Grain) -> Weights:
    """Patches of grass with flowers as the accent."""
    x, y = count_periods(u, v, grain)
    return Weights(ramp(blobs(x, y, grain.seed), 0.2, 0.8), dots(x, y, grain.seed + 1, 0.35))


def dawn(u: Values, v: Values, grain: Grain) -> Weights:
    """A sky that shades from top to bottom, with faint level veils."""
    x, y = count_periods(u, v, grain)
    swing = np.float32(0.25) * np.sin(np.float32(TURN * 0.35) * x)
    veil = wave(np.float32(0.5) * y + swing)
    return Weights(ramp(v, -1, 0.8), np.float32(0.4) * ramp(veil, 0.55, 1.0))


def stars(u: Values, v: Values, grain: Grain) -> Weights:
    """A sky that shades from top to bottom, with stars as the accent."""
    x, y = count_periods(u, v, grain)
    lights = np.float32(0.8) * dots(x, y, grain.seed, 0.26) * ramp(v, 0.6, 0.0)
    return Weights(ramp(v, -0.8, 1), lights)


def rays(u: Values, v: Values, grain: Grain) -> Weights:
    """Rays that fan out from the top of the sky."""
    fan = np.arctan2(u - np.float32(grain.phase[0] - 0.5), v + np.float32(1.4))
    ray = ramp(wave(fan * np.float32(0.4 * grain.across)), 0.25, 0.75)
    return Weights(ramp(v, -1, 0.8), np.float32(0.35) * ray)


def billows(u: Values, v: Values, grain: Grain) -> Weights:
    """Clouds: curly waves, darker below."""
    x, y = count_periods(u, v, grain)
    curl = np.float32(0.3) * np.sin(np.float32(TURN) * x)
    swell = wave(np.float32(0.6) * y + curl)
    return Weights(np.float32(0.6) * ramp(swell, 0.2, 0.8) + np.float32(0.4) * ramp(v, -0.6, 1))


def disc(u: Values, v: Values, grain: Grain) -> Weights:
    """A sun or moon: rings or spots about its centre, paler outside."""
    radius = np.hypot(u, v)
    spots = blobs(u * np.float32(grain.across), v * np.float32(grain.across), grain.seed)
    return Weights(ramp(radius, 0.45, 0.95), np.float32(0.6) * ramp(spots, 0.55, 0.85))


def panes(u: Values, v: Values, grain: Grain) -> Weights:
    """Glass whose tone changes from window to window, the accent as glazing bars."""
    x, y = count_periods(u, v, grain)
    bar = np.maximum(joint(x - np.floor(x), 0.34), joint(y - np.floor(y), 0.34))
    tone = blobs(np.float32(0.11) * x, np.float32(0.11) * y, grain.seed)
    return Weights(ramp(tone, 0.1, 0.9), np.float32(0.45) * bar)


def sheen(u: Values, v: Values, grain: Grain) -> Weights:
    """Glass with broad slanted reflections."""
    x, y = count_periods(u, v, grain)
    return Weights(ramp(wave(np.float32(0.6) * (x + y)), 0.15, 0.85))


def panels(u: Values, v: Values, grain: Grain) -> Weights:
    """Doors: broad boards, a lighter panel in each."""
    x, y = count_periods(u, v, grain)
    column, row = np.floor(x), np.floor(y)
    inside = np.minimum(1 - joint(x - column, 0.5), 1 - joint(y - row, 0.5))
    return Weights(inside, np.float32(0.5) * ramp(v, 0.55, 1))


def asphalt(u: Values, v: Values, grain: Grain) -> Weights:
    """A road of worn patches with a dashed line along its middle."""
    x, y = count_periods(u, v, grain)
    patches = ramp(blobs(x, y, grain.seed), 0.1, 0.9)
    dash = ramp(wave(np.float32(0.33) * x), 0.4, 0.6)
    line = ramp(np.abs(v + np.float32(0.12)), 0.17, 0.08)
    return Weights(patches, dash * line)


def cobbles(u: Values, v: Values, grain: Grain) -> Weights:
    """A road of round stones."""
    x, y = count_periods(u, v, grain)
    row = np.floor(y)
    x = x + np.float32(0.5) * (row % 2)
    column = np.floor(x)
    away = np.hypot(x - column - np.float32(0.5), y - row - np.float32(0.5))
    return Weights(hash_cells(column, row, grain.seed), np.float32(0.85) * ramp(away, 0.36, 0.56))


def bodywork(u: Values, v: Values, grain: Grain) -> Weights:
    """Cars: a gloss along the shoulder, the accent as trim along the middle and the sill."""
    _, y = count_periods(u, v, grain)
    gloss = ramp(wave(np.float32(0.25) * y), 0.2, 0.8)
    trim = np.maximum(ramp(np.abs(v - np.float32(0.22)), 0.16, 0.08), ramp(v, 0.62, 0.78))
    return Weights(gloss, np.float32(0.85) * trim)


def clothes(u: Values, v: Values, grain: Grain) -> Weights:
    """Persons: hair, face, a striped top and trousers, from top to bottom."""
    x, y = count_periods(u, v, grain)
    stripe = np.float32(0.7) + np.float32(0.3) * wave(np.float32(0.5) * (x + y))
    face = ramp(v, -0.82, -0.74) * ramp(v, -0.42, -0.5)
    return Weights(stripe * ramp(v, -0.6, -0.5) * ramp(v, 0.26, 0.14), face)


def lantern(u: Values, v: Values, grain: Grain) -> Weights:
    """Lamps: a banded post, the accent glowing at its top."""
    _, y = count_periods(u, v, grain)
    return Weights(ramp(wave(y), 0.2, 0.8), ramp(v, -0.36, -0.46))


TEXTURES: Mapping[str, Texture] = MappingProxyType(
    {
        texture.__name__: texture
        for texture in (
            asphalt,
            bands,
            billows,
            bodywork,
            bricks,
            checks,
            clapboards,
            clothes,
            cobbles,
            dawn,
            disc,
            lantern,
            leaves,
            meadow,
            panels,
            panes,
            planks,
            rays,
            scales,
            sheen,
            shingles,
            slabs,
            stars,
            stripes,
        )
    }
)
"""All textures by name."""
