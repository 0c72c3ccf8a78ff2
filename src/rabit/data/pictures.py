"""Pictures for people: coloured maps, confidence maps and grids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

Pixels = npt.NDArray[np.uint8]


def palette(count: int) -> Pixels:
    """Returns (count, 3) distinct colours, the same for every call: hues by the golden angle."""
    hue = (np.arange(count) * 0.61803398875) % 1.0
    value = 0.95 - 0.25 * (np.arange(count) % 3) / 2
    saturation = 0.55 + 0.35 * ((np.arange(count) // 3) % 2)
    offsets = np.array([5.0, 3.0, 1.0])
    k = (offsets[None] + hue[:, None] * 6) % 6
    ramp = np.clip(np.minimum(k, 4 - k), 0, 1)
    colours = value[:, None] * (1 - saturation[:, None] * ramp)
    return np.round(255 * colours).astype(np.uint8)


def condition_pixels(channels: Float[Tensor, "C H W"]) -> Pixels:
    """Returns a condition as colours: each channel's own, the strongest channel wins."""
    colours = palette(channels.shape[0])
    return colours[channels.detach().argmax(dim=0).cpu().numpy()]


def confidence_pixels(confidence: Float[Tensor, "1 H W"], size: tuple[int, int]) -> Pixels:
    """Returns a confidence map in [0, 1] from dark blue (0) over red to pale yellow (1)."""
    anchors = np.array([[12, 7, 60], [120, 28, 109], [229, 92, 48], [252, 253, 191]], float)
    values = torch.nn.functional.interpolate(confidence[None].detach().float().cpu(), size=size)
    position = values[0, 0].clamp(0, 1).numpy() * (len(anchors) - 1)
    low = np.minimum(position.astype(int), len(anchors) - 2)
    share = (position - low)[..., None]
    return np.round(anchors[low] * (1 - share) + anchors[low + 1] * share).astype(np.uint8)


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
        draw.text((gap + column * (width + gap), 3), title, fill="black")
    for r, row in enumerate(rows):
        for column, picture in enumerate(row):
            at = (gap + column * (width + gap), head + gap + r * (height + gap))
            sheet.paste(Image.fromarray(picture), at)
    return np.asarray(sheet)
