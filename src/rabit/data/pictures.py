"""Pictures for people: coloured maps, confidence maps and grids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from rabit.config import Kind

Pixels = npt.NDArray[np.uint8]


def palette(count: int) -> Pixels:
    """Returns (count, 3) colours, the same for every call, the first of which are far apart.

    Up to 256 are distinct; further ones begin anew.
    """
    colours = _separated(256)
    return colours[np.arange(count) % len(colours)]


@lru_cache(maxsize=1)
def _separated(count: int) -> Pixels:
    """Chooses colours one by one, each as far from those before it as can be (CIELAB, 1976)."""
    levels = np.arange(13) * 20 + 10
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _lab(colours)
    chroma = np.linalg.norm(lab[:, 1:], axis=1)
    # Neither near to black and white nor glaring.
    usable = (lab[:, 0] > 25) & (lab[:, 0] < 92) & (chroma < 85)
    colours, lab = colours[usable], lab[usable]
    distance = np.linalg.norm(lab - _lab(np.array([[70, 130, 200]])), axis=1)
    chosen = [int(distance.argmin())]
    distance = np.full(len(lab), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    return colours[chosen].astype(np.uint8)


def _lab(colours: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Returns sRGB colours (N, 3) in 0 to 255 as CIELAB under D65."""
    share = colours / 255
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def condition_pixels(channels: Float[Tensor, "C H W"], kind: Kind = "semantic") -> Pixels:
    """Returns a condition as a picture.

    Args:
        channels: (C, H, W) in [0, 1].
        kind: of semantic maps every class has a colour, and the last of overlapping classes wins;
            of edges the first channel is shown, black on white; of poses the first three, the
            skeleton's colours.
    """
    values = channels.detach().cpu()
    if kind == "edge":
        return _shades(1 - values[:1]).repeat(3, axis=2)
    if kind == "pose":
        return _shades(values[:3])
    strongest = len(values) - 1 - values.flip(0).argmax(dim=0).numpy()
    return palette(len(values))[strongest]


def _shades(values: Float[Tensor, "c H W"]) -> Pixels:
    """Returns values in [0, 1] as (H, W, c) in 0 to 255."""
    return (values.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def confidence_pixels(confidence: Float[Tensor, "1 H W"], size: tuple[int, int]) -> Pixels:
    """Returns a confidence map in [0, 1] from dark blue (0) over red to pale yellow (1)."""
    anchors = np.array([[12, 7, 60], [120, 28, 109], [229, 92, 48], [252, 253, 191]], float)
    values = torch.nn.functional.interpolate(confidence[None].detach().float().cpu(), size=size)
    position = values[0, 0].clamp(0, 1).numpy() * (len(anchors) - 1)
    low = np.minimum(position.astype(int), len(anchors) - 2)
    share = (position - low)[..., None]
    return np.round(anchors[low] * (1 - share) + anchors[low + 1] * share).astype(np.uint8)


def _fitting_font(text: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Returns the largest font of at most 10 pixels in which a text is at most so wide."""
    sizes = range(10, 3, -1)
    fonts = (ImageFont.load_default(size) for size in sizes)
    return next(
        (font for font in fonts if font.getlength(text) <= width), ImageFont.load_default(4)
    )


def grid(rows: Sequence[Sequence[Pixels]], titles: Sequence[str], gap: int = 4) -> Pixels:
    """Lays pictures out in rows under column titles.

    Args:
        rows: pictures (H, W, 3), all of one size.
        titles: one a column; empty for none.
        gap: white pixels between pictures.

    Returns:
        One picture.
    """
    height, width = rows[0][0].shape[:2]
    head = 16 if titles else 0
    columns = max(len(row) for row in rows)
    size = (columns * (width + gap) + gap, head + len(rows) * (height + gap) + gap)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        at = (gap + column * (width + gap), 3)
        draw.text(at, title, fill="black", font=_fitting_font(title, width))
    for r, row in enumerate(rows):
        for column, picture in enumerate(row):
            at = (gap + column * (width + gap), head + gap + r * (height + gap))
            sheet.paste(Image.fromarray(picture), at)
    return np.asarray(sheet)
