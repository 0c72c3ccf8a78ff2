"""Generated standing persons: poses, looks, and the photographs that they give."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8

from rabit.data.generated.figure_shapes import FIGURE_PARTS, PERSON, Cut, draw_figure
from rabit.data.generated.painting import (
    FINER,
    Colour,
    Material,
    check_size,
    coarse,
    paint,
    photograph,
)
from rabit.data.generated.poses import VIEWS, Pose, sample_pose
from rabit.data.generated.swatches import (
    HAIRS,
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
from rabit.data.pose import Joints

_BACKGROUNDS = ("floor", "floor", "floor", "studio", "studio", "bokeh", "planks", "dawn")
_SHOES = ("1d1b1a", "5a3a22", "f1efea", "8f2430", "2c4468", "c9a26a")


@dataclass(frozen=True)
class FigureStyle:
    """The look of a person, whatever the pose: clothes, hair, skin, light and wall.

    Args:
        cut: of clothes and hair.
        materials: the look of every part, in the order of `FIGURE_PARTS`.
    """

    cut: Cut
    materials: tuple[Material, ...]


@dataclass(frozen=True)
class Figure:
    """A generated standing person.

    Args:
        image: (H, W, 3) uint8 RGB.
        parts: (H, W) uint8 ids, indices into `FIGURE_PARTS`.
        joints: in the photograph's pixels; some are out of the picture, hidden or missed.
        style: the look, which other views of the same person share.
    """

    image: UInt8[np.ndarray, "H W 3"]
    parts: UInt8[np.ndarray, "H W"]
    joints: Joints
    style: FigureStyle

    @property
    def person(self) -> Bool[np.ndarray, "H W"]:
        """Where the person is."""
        return self.parts >= PERSON


def sample_figure_style(rng: np.random.Generator) -> FigureStyle:
    """Draws the look of a random person.

    Args:
        rng: source of all random choices.

    Returns:
        The style.
    """
    man = bool(rng.random() < 0.4)
    bottoms = (
        ("trousers", "trousers", "shorts") if man else ("trousers", "shorts", "skirt", "dress")
    )
    cut = Cut(
        sleeves=pick(rng, ("none", "short", "short", "long", "long")),
        bottom=pick(rng, bottoms),
        hem=float(rng.uniform(0.25, 0.85)),
        hair=pick(rng, ("short",) if man else ("short", "bob", "long", "long", "bun")),
        man=man,
    )
    light = (float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.12, 0.05)))
    return FigureStyle(cut, _sample_materials(rng, cut, light))


def _sample_materials(
    rng: np.random.Generator, cut: Cut, light: tuple[float, float]
) -> tuple[Material, ...]:
    """Draws the look of every part of a person under a light."""
    skin = vary(rng, pick(rng, SKINS))
    hair = vary(rng, pick(rng, HAIRS))
    bare = _plain(skin, light)
    top, bottom = sample_fabric(rng, light, 4.5), sample_fabric(rng, light, 3.5)
    sleeve = replace(top, grain=replace(top.grain, across=1.4, down=top.grain.down * 0.45))
    leg = replace(bottom, grain=replace(bottom.grain, across=1.2), light=(light[0], 0), round=0.05)
    seat = replace(bottom, grain=replace(bottom.grain, down=1.2), light=(light[0], 0), round=0.0)
    wall = sample_background(rng, _BACKGROUNDS, light)
    blush = mix(skin, (0.85, 0.25, 0.22), 0.15)
    face = Material("fair_skin", top.grain, skin, blush, scaled(skin, 0.8), light, 0.08)
    strands = Material(
        "strands", sample_grain(rng, 5, 2), scaled(hair, 0.6), hair, mix(hair, (1, 1, 1), 0.3)
    )
    dark = mix(scaled(hair, 0.3), (0.1, 0.08, 0.08), 0.5)
    shoe = _plain(vary(rng, pick(rng, _SHOES)), light)
    looks = {
        "background": wall,
        "shadow": _plain(
            scaled(wall.accent if wall.texture == "floor" else wall.first, 0.7), light
        ),
        "hair": strands,
        "face": face,
        "eye": _plain(dark, (0, 0)),
        "mouth": _plain(mix(vary(rng, pick(rng, LIPS)), skin, 0.3), (0, 0)),
        "nose": _plain(scaled(skin, 0.82), (0, 0)),
        "neck": _plain(scaled(skin, 0.9), light),
        "torso": top,
        "hips": top if cut.bottom == "dress" else seat,
        "skirt": top if cut.bottom == "dress" else bottom,
    }
    legs = {"thigh": leg if cut.bottom in ("trousers", "shorts") else bare,
            "shin": leg if cut.bottom == "trousers" else bare, "shoe": shoe}  # fmt: skip
    arm = sleeve if cut.sleeves == "long" else bare
    arms = {"upper_arm": arm, "sleeve": sleeve, "forearm": arm, "hand": bare}
    for letter in "rl":
        looks |= {f"{letter}_{name}": look for name, look in {**legs, **arms}.items()}
    return tuple(looks[name] for name in FIGURE_PARTS)


def _plain(colour: Colour, light: tuple[float, float]) -> Material:
    grain = sample_grain(np.random.default_rng(0), 1, 1)
    return Material("plain", grain, colour, scaled(colour, 0.85), colour, light, 0.08)


def render_figure(pose: Pose, style: FigureStyle, size: tuple[int, int]) -> Figure:
    """Draws and paints a person in a pose.

    Args:
        pose: in the photograph's pixels.
        style: how the person looks.
        size: height and width of the photograph in pixels, each at least 64.

    Returns:
        The figure.

    Raises:
        ValueError: a side is shorter than 64 pixels, or the area is beyond MAX_PIXELS.
    """
    check_size(size, "figure")
    # The centre of the top-left pixel is (0, 0) on both scales.
    finer = replace(
        pose,
        places=FINER * pose.places + (FINER - 1) / 2,
        depths=FINER * pose.depths,
        height=FINER * pose.height,
    )
    parts = draw_figure(finer, style.cut, (FINER * size[0], FINER * size[1]))
    image = photograph(paint(parts, style.materials))
    return Figure(image, coarse(parts), Joints(pose.places, pose.seen), style)


def generate_figure(seed: int, index: int, size: tuple[int, int]) -> Figure:
    """Draws one figure; it depends on the seed, the index and the size alone.

    Every four figures, one after the other, are the views of one person: front, side, back and an
    additional nearer one, each in a pose of its own.

    Args:
        seed: of all figures, at least 0.
        index: of this one, at least 0.
        size: height and width in pixels, each at least 64.

    Returns:
        The figure.

    Raises:
        ValueError: a negative seed or index, or a size that figures cannot be drawn at.

    Example:
        >>> generate_figure(0, 3, (96, 64)).image.shape
        (96, 64, 3)
    """
    if seed < 0 or index < 0:
        raise ValueError(f"seed {seed}, figure {index}: expected numbers of 0 or more")
    check_size(size, "figure")
    person, view = divmod(index, len(VIEWS))
    style = sample_figure_style(np.random.default_rng([seed, person, 4]))
    pose = sample_pose(np.random.default_rng([seed, index, 5]), size, VIEWS[view])
    return render_figure(pose, style, size)
