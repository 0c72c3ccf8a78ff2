"""Colours and textures that the styles of the scenes are drawn from.

Every swatch is three colours: the surface's first, second and accent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Kind:
    """A kind of texture that a class may have.

    Args:
        texture: its name in `TEXTURES`.
        across: periods per unit of u in a typical region.
        down: periods per unit of v in a typical region.
    """

    texture: str
    across: float
    down: float


@dataclass(frozen=True)
class Mood:
    """Season, hour and weather: what the colours of a style have in common.

    Args:
        name: of the mood.
        sky: swatches (top, bottom, stars or veils).
        sky_kinds: textures of the sky.
        cloud: swatches (lit, shaded, -).
        sun: swatches (centre, rim, spots).
        hill: swatches.
        foliage: swatches (dark, light, blossom).
        grass: swatches (dark, light, flowers).
        window: swatches (glass, glass, glazing bars).
        light: red, green and blue factor on the materials that have no swatches here.
        saturation: factor on the saturation of the same.
    """

    name: str
    sky: tuple[str, ...]
    sky_kinds: tuple[str, ...]
    cloud: tuple[str, ...]
    sun: tuple[str, ...]
    hill: tuple[str, ...]
    foliage: tuple[str, ...]
    grass: tuple[str, ...]
    window: tuple[str, ...]
    light: tuple[float, float, float]
    saturation: float


MATERIALS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "facade": (
            "b5533c d98a66 f0dcc4",
            "e8c48a f6e3b8 b98f5a",
            "f2b5a7 fad9cd c27f73",
            "8fc1b5 c6e4da 5d9488",
            "87aed6 bfd7ee 577fa8",
            "e9e4d8 fffaf0 b0a898",
            "d9a441 f0cb74 9c7026",
            "a99bc9 d3c8e8 7867a0",
            "8b8f98 c0c4ca 5d626c",
            "c9727f eba9ad 8f4353",
            "9a6a4a c49a72 6a4630",
            "a8b878 d2dca8 74854a",
        ),
        "door": (
            "7a3b1e a8623a f0c060",
            "1f5f5b 4a9a92 f2d27a",
            "8c1c2c c8505a f5d58a",
            "23406e 5b7fb5 f0d890",
            "3c6b2f 76a85c ecd98a",
            "c98a1b f0bb58 7a4a10",
            "50326b 8c68aa f0d080",
        ),
        "roof": (
            "b4472f e07a52 6e2417",
            "4a5568 7f8ba0 2b3342",
            "7a4a32 b07c58 472718",
            "3f7f6d 78b8a2 225247",
            "8a2f45 c4647a 521a29",
            "3b5f93 7499c9 22395c",
            "c98f3c efc27a 8a5c1c",
            "6a5590 a38fc6 40315e",
        ),
        "trunk": (
            "5b3a24 8f6644 2f1d11",
            "7a6a5a b0a08c 4a3e32",
            "8a5a3a bf8c62 55331c",
            "d8d2c6 f5f1e8 55504a",
        ),
        "pavement": (
            "b9b4a8 ddd8cc 8b8578",
            "c9a98a e8cdb2 9a7858",
            "9aa3ae c4ccd5 6d7682",
            "d8c79c f0e4c4 a8946a",
            "b98f86 ddb7ad 855f57",
            "8f9a86 bcc7b2 646f5c",
        ),
        "road": (
            "4a4d55 787c86 f5e6a8",
            "5c5650 8c857c ffffff",
            "3d4757 697689 ffd35c",
            "6e5f56 a08e82 f4ead8",
            "7c7f86 a9adb5 fafafa",
            "5a4a5c 8a768c f8d8b0",
        ),
        "car": (
            "c8202f f0606a f5f0e8",
            "1f6fc4 66aaf0 f0f4f8",
            "f2b01e ffd970 3a3a3a",
            "2b8f5a 6cc894 f5f0dc",
            "e8e6e0 ffffff 60646c",
            "e0622a ff9f6a 40302a",
            "7a3fa0 b682d6 f0e4f6",
            "2fb0b0 80e0dc f8f8f0",
            "f09ab0 ffcbd6 ffffff",
            "2c3038 6a707c d8b860",
        ),
        "glass": (
            "2f4858 7fa8bc 2f4858",
            "3c3f55 9498bc 3c3f55",
            "27504f 80b8b0 27504f",
        ),
        "wheel": (
            "15161a 4a4d55 15161a",
            "221a18 5a4a44 221a18",
            "14202c 46586a 14202c",
        ),
        "person": (
            "2c3555 e85a4f f0c8a0",
            "3b2a20 3fa7d6 c98e62",
            "20303a f5c542 8a5a3a",
            "402a4a 59c9a5 f4d4b4",
            "1d3b2a f2f2ea d8a078",
            "5a2030 f08cae 6e4630",
            "2a2a2a 9b6bd0 eebf98",
            "6a4a20 f58a3c f8dcc0",
        ),
        "lamp": (
            "24282e 565c66 ffe08a",
            "1f4038 4a7a6c fff0b8",
            "4a2a22 85584a ffd070",
            "2a2f55 5f669a fff6d8",
        ),
    }
)
"""Swatches of the materials that do not change with the mood but for its light."""

KINDS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {
        "sky": (Kind("dawn", 1.2, 2.2), Kind("stars", 6.5, 4.2), Kind("rays", 8, 1)),
        "sun": (Kind("disc", 0.9, 0.9),),
        "cloud": (Kind("billows", 2.2, 2.2), Kind("bands", 1.8, 2.0)),
        "hill": (Kind("leaves", 3.6, 1.5), Kind("stripes", 2, 0.9), Kind("bands", 2, 1.8)),
        "facade": (
            Kind("bricks", 4.6, 5),
            Kind("clapboards", 1, 5),
            Kind("checks", 6.5, 5),
            Kind("stripes", 4.5, 0),
            Kind("slabs", 4, 3.6),
            Kind("shingles", 5, 4.5),
            Kind("stripes", 3.2, 2.2),
        ),
        "window": (Kind("panes", 6, 4.5), Kind("sheen", 1.1, 0.8)),
        "door": (Kind("planks", 4, 1), Kind("panels", 3.5, 1.3), Kind("stripes", 2, 0.6)),
        "roof": (
            Kind("scales", 4.4, 2.6),
            Kind("shingles", 5, 3),
            Kind("stripes", 4.5, 0),
            Kind("bricks", 3.8, 3),
            Kind("bands", 2, 2),
        ),
        "foliage": (
            Kind("leaves", 4.4, 2.4),
            Kind("leaves", 3.4, 1.8),
            Kind("scales", 4.6, 2.6),
        ),
        "trunk": (Kind("bands", 2, 1.4), Kind("stripes", 1.6, 0.8)),
        "grass": (Kind("meadow", 5.5, 1.3), Kind("stripes", 4.5, 0.5), Kind("checks", 9, 1.2)),
        "pavement": (
            Kind("slabs", 6, 1.0),
            Kind("bricks", 5, 1.2),
            Kind("cobbles", 6.5, 1.2),
            Kind("checks", 9, 1.6),
        ),
        "road": (Kind("asphalt", 4.5, 1.1), Kind("cobbles", 5.2, 1.6), Kind("bricks", 4, 1.4)),
        "car": (Kind("bodywork", 1, 2.5), Kind("bodywork", 1, 4), Kind("bodywork", 1, 1.5)),
        "glass": (Kind("stripes", 1.4, 0.5),),
        "wheel": (Kind("bands", 2, 0.8),),
        "person": (Kind("clothes", 3, 5), Kind("clothes", 0, 7), Kind("clothes", 6, 0)),
        "lamp": (Kind("lantern", 1, 3),),
    }
)
"""The textures of every class; the mood picks one of those of the sky."""

DRIFT: Mapping[str, float] = MappingProxyType(
    {
        "sky": 0.15,
        "sun": 0.12,
        "cloud": 0.16,
        "hill": 0.38,
        "facade": 0.30,
        "window": 0.34,
        "door": 0.34,
        "roof": 0.38,
        "foliage": 0.42,
        "trunk": 0.34,
        "grass": 0.30,
        "pavement": 0.26,
        "road": 0.34,
        "car": 0.20,
        "glass": 0.24,
        "wheel": 0.40,
        "person": 0.14,
        "lamp": 0.16,
    }
)
"""How far light and hue drift over a region of each class, as a share of its colour."""
