"""Decoding of pictures, from files or from Pillow's images, without trusting what they hold."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Integer, UInt8
from PIL import Image

from rabit.data.text import require_file

MAX_PIXELS = 64_000_000
"""The largest image that is read; a larger one is refused from its header, before decoding."""

LABEL_FORMATS = ("BMP", "PNG", "PPM", "TIFF")
"""Formats that keep the ids of a label map as they are."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its camera's orientation."""

_PACKED_GREY = {"L;2": 85, "L;4": 17}


@dataclass(frozen=True)
class Decoded:
    """A decoded picture.

    Args:
        image: its pixels are in memory.
        format: of the file, such as PNG; empty if it comes from none.
        packing: how the file packed the pixels, such as L;4 for grey of 4 bits.
    """

    image: Image.Image
    format: str
    packing: str


def decode_file(path: Path, kind: str) -> Decoded:
    """Opens and decodes a file, its size checked first.

    Args:
        path: a BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file.
        kind: what it should hold, for errors.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no image, damaged or too large.
    """
    require_file(path, kind)
    with path.open("rb") as stream:
        with _reading(str(path), kind):
            image = Image.open(stream, formats=_FORMATS)
        return decode_image(image, str(path), kind)


def decode_image(image: Image.Image, name: str, kind: str) -> Decoded:
    """Decodes an image that Pillow has opened or made, its size checked first.

    Args:
        image: of any mode.
        name: what to call it in errors.
        kind: what it should hold, for errors.

    Raises:
        ValueError: it cannot be decoded, is empty or too large.
    """
    check_pixels((image.height, image.width), name, kind)
    packing = _packing(image)
    with _reading(name, kind):
        image.load()
    return Decoded(image, image.format or "", packing)


def check_pixels(size: tuple[int, int], name: str, kind: str) -> None:
    """Checks that a picture of a height and width may be worked on.

    Raises:
        ValueError: it has no pixel or more than MAX_PIXELS.
    """
    height, width = size
    if not height * width:
        raise ValueError(f"{name}: {width}×{height} pixels, expected a {kind} of at least 1×1")
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"{name}: {width}×{height} is more than {MAX_PIXELS} pixels; make the {kind} smaller"
        )


@contextmanager
def _reading(name: str, kind: str) -> Iterator[None]:
    """Turns whatever Pillow raises or warns of while it reads into a ValueError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            found = re.search(r"[0-9]+ pixels", str(error))
            raise ValueError(
                f"{name}: {found[0] if found else 'this'} is more than {MAX_PIXELS} pixels; make "
                f"the {kind} smaller"
            ) from error
        except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
            raise ValueError(
                f"{name}: cannot be read as an image ({error}); expected a complete {kind} as one "
                f"of {', '.join(LABEL_FORMATS if kind == 'label map' else _FORMATS)}"
            ) from error


def _packing(image: Image.Image) -> str:
    """Pillow's name of the file's pixel layout, such as L;4 for grey of 4 bits."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return image.mode
    layout = tiles[0][3]
    return str(layout[0] if isinstance(layout, tuple) else layout)


def orientation(image: Image.Image) -> int:
    """Returns the camera's orientation, 1 (upright) where there is none or it cannot be read."""
    try:
        noted = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block is no reason to refuse intact pixels
        return 1
    return noted if noted in UPRIGHT else 1


def _upright(image: Image.Image) -> Image.Image:
    """Turns an image as the camera's orientation says."""
    turn = UPRIGHT.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def rgb_pixels(decoded: Decoded, name: str) -> UInt8[np.ndarray, "H W 3"]:
    """Returns a photograph upright, as RGB, what is transparent as white, in a new array.

    Raises:
        ValueError: the mode has no known way to RGB.
    """
    image = _upright(decoded.image)
    if image.mode in _SIXTEEN_BIT:
        grey = np.asarray(image).astype(np.int64)
        if int(grey.min()) < 0 or int(grey.max()) > 65_535:
            raise ValueError(
                f"{name}: grey values {grey.min()} to {grey.max()}, expected 16 bits; save the "
                "photograph with 8 bits a channel"
            )
        return np.repeat(((grey * 255 + 32_767) // 65_535).astype(np.uint8)[..., None], 3, axis=2)
    try:
        if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
            coloured = image.convert("RGBA")
            white = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, coloured)
        elif image.mode == "F":
            raise ValueError("floating-point pixels, whose range is not known")
        return np.array(image.convert("RGB"))
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{name}: pixels of mode {image.mode} cannot be shown as RGB ({error}); save the "
            "photograph as 8-bit RGB"
        ) from error


def id_pixels(decoded: Decoded, name: str) -> Integer[np.ndarray, "H W"]:
    """Returns the numbers that the pixels of a label map hold, upright: of a palette the indices.

    Raises:
        ValueError: the pixels are colours.
    """
    image = _upright(decoded.image)
    values = np.asarray(image)
    if image.mode == "1":
        return values.astype(np.uint8)
    if image.mode in ("L", "P"):
        return values // _PACKED_GREY.get(decoded.packing, 1)
    if image.mode in _SIXTEEN_BIT:
        return values
    if image.mode in ("RGB", "RGBA", "LA", "PA"):
        first = values[..., 0]
        # Band by band is four times as fast as all at once.
        grey = not image.mode.startswith("RGB") or all(
            np.array_equal(values[..., band], first) for band in (1, 2)
        )
        opaque = image.mode == "RGB" or bool((values[..., -1] == 255).all())
        if grey and opaque:
            return values[..., 0]
    raise ValueError(
        f"{name}: a picture of mode {image.mode} with colours or transparency, expected a label "
        "map with one class id a pixel; save it as 8-bit grey or palette PNG (mode L or P), or "
        "turn colours into ids with rabit data colours"
    )
