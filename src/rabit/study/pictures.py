"""Pictures as raters see them: plain RGB without metadata, and obviously bad ones."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Blocks across the shorter side of an obviously bad picture, and its noise, in levels of 255.
BLOCKS = 10
NOISE = 40.0
# A picture of one channel whose highest value is below this is taken for a map of numbers.
DARK = 64


def load_picture(path: Path) -> Image.Image:
    """Reads a picture as RGB, turned as EXIF says, on white where it is transparent.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, or is damaged.
    """
    try:
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image)
            if turned.has_transparency_data:
                layer = turned.convert("RGBA")
                turned = Image.new("RGBA", layer.size, "white")
                turned.alpha_composite(layer)
            elif turned.mode.startswith("I") or turned.mode == "F":
                values = np.asarray(turned, np.float64)
                top = 65535.0 if values.max(initial=0) > 255 else 255.0
                turned = Image.fromarray((values * (255.0 / top)).clip(0, 255).astype(np.uint8))
            return turned.convert("RGB")
    except FileNotFoundError:
        raise
    except (
        OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError,
    ) as error:  # fmt: skip
        raise ValueError(f"{path}: cannot be read as a picture ({error})") from error


def is_number_map(image: Image.Image) -> bool:
    """Tells whether a picture looks like a map of class numbers rather than something to see."""
    pixels = np.asarray(image)
    grey = (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()
    return bool(grey and pixels.max() < DARK)


def png_bytes(image: Image.Image) -> bytes:
    """Returns a picture as PNG that holds its pixels and nothing else."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(stream, format="PNG")
    return stream.getvalue()


def common_size(images: Sequence[Image.Image]) -> tuple[int, int]:
    """Returns the largest width with its height, in pixels, of pictures of one aspect ratio.

    Raises:
        ValueError: the aspect ratios differ by more than a pixel's worth.
    """
    width, height = max(image.size for image in images)
    for image in images:
        if abs(image.width * height - image.height * width) > max(width, height):
            raise ValueError(
                f"{image.width}x{image.height} and {width}x{height} pixels have other "
                "proportions; crop them alike"
            )
    return width, height


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Returns a picture in another size (width, height), the same one if it has that."""
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


def spoiled(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Makes a picture that nobody who looks at it prefers, for quality or for style.

    It is averaged over blocks, a tenth of its shorter side each, its colours are inverted, and
    noise is added.
    """
    side = max(1, min(image.size) // BLOCKS)
    small = image.resize(
        (max(1, image.width // side), max(1, image.height // side)), Image.Resampling.BOX
    )
    blocks = np.asarray(small.resize(image.size, Image.Resampling.NEAREST), np.float64)
    noisy = 255.0 - blocks + rng.normal(0.0, NOISE, blocks.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def mirrored(image: Image.Image) -> Image.Image:
    """Returns a picture with left and right exchanged."""
    return ImageOps.mirror(image)
