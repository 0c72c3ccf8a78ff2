"""Generated portraits: part maps of faces, looks, and the photographs that they give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from rabit.data.faces import FACE_CLASSES
from rabit.data.generated.face_shapes import FRAME, LENS, draw_face
from rabit.data.generated.painting import (
    FINER,
    Colour,
    Material,
    check_size,
    coarse,
    paint,
    photograph,
)
from rabit.data.generated.swatches import (
    CLOTHS,
    HAIRS,
    IRISES,
    LIPS,
    SKINS,
    mix,
    pick,
    sample_background,
    sample_fabric,
    sample_grain,
    scaled,
    vary,
)
from rabit.data.scenes.patterns import Grain

_BACKGROUNDS = ("studio", "studio", "bokeh", "bokeh", "dawn", "bricks", "planks", "leaves", "rays")
_FRAMES = ("1c1a19", "5a3418", "8f1f2a", "c9a24a", "26456e", "8a8f96")
_METALS = ("d9b24a", "c9ccd2", "f4efe6", "a83a3a", "2f7f8a")
_BLACK: Colour = (0.05, 0.04, 0.04)
_WHITE: Colour = (0.96, 0.95, 0.94)


@dataclass(frozen=True)
class FaceLayout:
    """What is where in a portrait, drawn finer than the photograph (`FINER` times).

    Args:
        parts: (FH, FW) uint8 ids, indices into `FACE_CLASSES`, without glasses.
        glasses: (FH, FW) uint8: 0 for none, 1 the frame, 2 the lenses.
    """

    parts: UInt8[np.ndarray, "FH FW"]
    glasses: UInt8[np.ndarray, "FH FW"]


@dataclass(frozen=True)
class FaceStyle:
    """The look of a portrait, whatever its layout: the person, their clothes, light and wall.

    Args:
        materials: the look of every part, in the order of `FACE_CLASSES`; of glasses the frame's.
        lens: colour of its lenses.
        tint: share of the lenses' colour over what is behind them.
    """

    materials: tuple[Material, ...]
    lens: Colour
    tint: float


@dataclass(frozen=True)
class Face:
    """A generated portrait.

    Args:
        image: (H, W, 3) uint8 RGB.
        parts: (H, W) uint8 ids, indices into `FACE_CLASSES`, without glasses.
        glasses: (H, W) where glasses are, frame and lenses.
    """

    image: UInt8[np.ndarray, "H W 3"]
    parts: UInt8[np.ndarray, "H W"]
    glasses: np.ndarray


def sample_face_layout(rng: np.random.Generator, size: tuple[int, int]) -> FaceLayout:
    """Draws the parts of a random face.

    Args:
        rng: source of all random choices.
        size: height and width of the photograph in pixels, each at least 64.

    Returns:
        The layout; hair, glasses, hat, earrings and necklace may be absent.

    Raises:
        ValueError: a side is shorter than 64 pixels, or the area is beyond MAX_PIXELS.
    """
    check_size(size, "face")
    parts, glasses = draw_face(rng, (FINER * size[0], FINER * size[1]), FACE_CLASSES)
    return FaceLayout(parts, glasses)


def sample_face_style(rng: np.random.Generator) -> FaceStyle:
    """Draws the look of a random portrait.

    Args:
        rng: source of all random choices.

    Returns:
        The style.
    """
    light = (float(rng.uniform(-0.28, 0.28)), float(rng.uniform(-0.2, 0.02)))
    warm, bright = rng.uniform(-0.03, 0.04), rng.uniform(0.86, 1.05)
    tint = (float(bright + warm), float(bright), float(bright - warm))
    skin = scaled(vary(rng, pick(rng, SKINS)), tint)
    hair = scaled(vary(rng, pick(rng, HAIRS)), tint)
    lip = mix(vary(rng, pick(rng, LIPS)), skin, float(rng.uniform(0.1, 0.6)))
    looks = {
        "background": sample_background(rng, _BACKGROUNDS, light),
        **_sample_skin(rng, skin, hair, light),
        **_sample_hair(rng, hair, light),
        **_sample_mouth(rng, skin, lip),
        "cloth": sample_fabric(rng, light, 4.0),
        "hat": sample_fabric(rng, light, 3.0),
    }
    iris = vary(rng, pick(rng, IRISES))
    eye = Material("eye", sample_grain(rng, 1, 1), _WHITE, iris, _BLACK)
    looks |= {"l_eye": eye, "r_eye": eye}
    for name in ("earring", "necklace"):
        colour = vary(rng, pick(rng, _METALS))
        grain = sample_grain(rng, 5, 5)
        looks[name] = Material("checks", grain, colour, scaled(colour, 0.6), _WHITE)
    frame = vary(rng, pick(rng, _FRAMES))
    looks["glasses"] = Material("plain", sample_grain(rng, 1, 1), frame, scaled(frame, 0.7), frame)
    dark = rng.random() < 0.3
    return FaceStyle(
        materials=tuple(looks[name] for name in FACE_CLASSES),
        lens=vary(rng, "16181c" if dark else pick(rng, CLOTHS).split()[1]),
        tint=float(rng.uniform(0.75, 0.92) if dark else rng.uniform(0.06, 0.22)),
    )


def _sample_skin(
    rng: np.random.Generator, skin: Colour, hair: Colour, light: tuple[float, float]
) -> dict[str, Material]:
    """Draws the looks of all parts that are bare skin."""
    texture = pick(rng, ("fair_skin", "fair_skin", "bearded_skin", "freckled_skin"))
    accent = mix(mix(hair, (0.3, 0.2, 0.14), 0.5), skin, float(rng.uniform(0.1, 0.5)))
    if texture != "bearded_skin":
        accent = scaled(skin, 0.72)
    blush = mix(skin, (0.85, 0.25, 0.22), float(rng.uniform(0.08, 0.3)))
    shade, shine = scaled(skin, 0.52), mix(skin, _WHITE, 0.25)
    grain = sample_grain(rng, 6, 8)
    lit = Grain(1, 1, (0.25 if light[0] > 0 else 0.75, 0.5), 0)
    return {
        "skin": Material(texture, grain, skin, blush, accent, light, 0.1),
        "nose": Material("nose", lit, skin, shade, shine, (0.5 * light[0], 0.0), 0.0),
        "l_ear": Material("ear", grain, skin, scaled(blush, 0.75), shade, light),
        "r_ear": Material("ear", grain, skin, scaled(blush, 0.75), shade, light),
        "neck": Material("throat", grain, scaled(skin, 0.95), scaled(skin, 0.66), shade, light),
    }


def _sample_hair(
    rng: np.random.Generator, hair: Colour, light: tuple[float, float]
) -> dict[str, Material]:
    """Draws the looks of hair and brows."""
    texture = pick(rng, ("strands", "strands", "curls"))
    grain = sample_grain(rng, 7, 3) if texture == "strands" else sample_grain(rng, 9, 10)
    shine = mix(hair, _WHITE, 0.35)
    dark = scaled(hair, 0.55 if texture == "strands" else 0.84)
    brow = mix(dark, _BLACK, 0.25)
    return {
        "hair": Material(texture, grain, dark, scaled(hair, 1.15), shine, light, 0.08),
        "l_brow": Material("strands", grain, brow, scaled(hair, 0.8), brow),
        "r_brow": Material("strands", grain, brow, scaled(hair, 0.8), brow),
    }


def _sample_mouth(rng: np.random.Generator, skin: Colour, lip: Colour) -> dict[str, Material]:
    """Draws the looks of lips and teeth."""
    grain = sample_grain(rng, 1, 1)
    teeth = scaled(_WHITE, float(rng.uniform(0.9, 1.0)))
    return {
        "u_lip": Material("lips", grain, scaled(lip, 0.82), lip, scaled(lip, 0.55)),
        "l_lip": Material("lips", grain, lip, mix(lip, _WHITE, 0.25), scaled(lip, 0.6)),
        "mouth": Material("lips", grain, scaled(teeth, 0.85), teeth, (0.35, 0.1, 0.1)),
    }


def render_face(layout: FaceLayout, style: FaceStyle) -> UInt8[np.ndarray, "H W 3"]:
    """Paints a layout in a style.

    Args:
        layout: what is where.
        style: how it looks.

    Returns:
        (H, W, 3) uint8 RGB, the layout's maps being `FINER` times finer.
    """
    picture = paint(layout.parts, style.materials)
    if layout.glasses.any():
        lens, frame = layout.glasses == LENS, layout.glasses == FRAME
        tinted = np.array(style.lens, dtype=np.float32) - picture[lens]
        picture[lens] += np.float32(style.tint) * tinted
        picture[frame] = style.materials[FACE_CLASSES.index("glasses")].first
    return photograph(picture)


def generate_face(seed: int, index: int, size: tuple[int, int]) -> Face:
    """Draws one portrait; it depends on the seed, the index and the size alone.

    Args:
        seed: of all portraits, at least 0.
        index: of this one, at least 0.
        size: height and width in pixels, each at least 64.

    Returns:
        The portrait.

    Raises:
        ValueError: a negative seed or index, or a size that faces cannot be drawn at.

    Example:
        >>> generate_face(0, 3, (64, 96)).image.shape
        (64, 96, 3)
    """
    if seed < 0 or index < 0:
        raise ValueError(f"seed {seed}, face {index}: expected numbers of 0 or more")
    rng = np.random.default_rng([seed, index, 3])
    layout, style = sample_face_layout(rng, size), sample_face_style(rng)
    return Face(render_face(layout, style), coarse(layout.parts), coarse(layout.glasses) > 0)
