"""Images as JPEG files hold them: published Fréchet distances are of such files."""

from __future__ import annotations

import io

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

QUALITY = 75
SUBSAMPLING = "4:2:0"
"""Pillow's default, as its quality: colours at half of the image's sides."""


def as_jpeg(
    images: Float[Tensor, "B 3 H W"], quality: int = QUALITY, subsampling: str = SUBSAMPLING
) -> Float[Tensor, "B 3 H W"]:
    """Returns images as they come back from JPEG files, which are written in memory by Pillow.

    The family of CoCosNet measured JPEG files of results and of photographs, without stating their
    quality; that alone moves a FID by some points. State the quality beside the figure, and measure
    both sides so.

    Args:
        images: in [-1, 1]; rounded to 8 bits first.
        quality: of the files, 1 to 95.
        subsampling: of the colours, 4:4:4, 4:2:2 or 4:2:0.

    Raises:
        ValueError: the quality or the subsampling is another.
    """
    if not 1 <= quality <= 95:
        raise ValueError(f"JPEG quality {quality}, expected 1 to 95")
    if subsampling not in ("4:4:4", "4:2:2", "4:2:0"):
        raise ValueError(f"subsampling {subsampling!r}, expected 4:4:4, 4:2:2 or 4:2:0")
    pixels = ((images.detach().clamp(-1, 1) + 1) * 127.5).round().to("cpu", torch.uint8)
    found = []
    for picture in pixels.permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
        with Image.open(file) as opened:
            found.append(torch.from_numpy(np.array(opened.convert("RGB"))))
    return (torch.stack(found).permute(0, 3, 1, 2).to(images) / 127.5 - 1).contiguous()
