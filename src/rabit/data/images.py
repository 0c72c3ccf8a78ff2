"""Reading of photographs, label maps and lists of classes that users give, and writing of PNGs.

Nothing that a file holds may crash the program: a file is read, or a ValueError (an OSError where
the file cannot be reached at all) names it and says what to do.
"""

from __future__ import annotations

import os
import re
import secrets
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer, UInt8
from PIL import Image
from torch import Tensor

from rabit.data.text import read_text, require_file
from rabit.data.transforms import resize_image

MAX_PIXELS = 64_000_000
"""The largest image that is read; a larger one is refused from its header, before decoding."""

MAX_CLASSES = 65_536
"""The most classes that a 16-bit label map can tell apart."""

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
LABEL_SUFFIXES = frozenset({".bmp", ".pgm", ".png", ".tif", ".tiff"})

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_LABEL_FORMATS = ("BMP", "PNG", "PPM", "TIFF")
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_NUMBERED = re.compile(r"([0-9]+)\s*[\s:,]\s*(\S.*)")
_PACKED_GREY = {"L;2": 85, "L;4": 17}


def read_image(path: str | Path, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a photograph upright, as RGB.

    Grey, palette, CMYK and 16-bit images are converted; what is transparent becomes white; of an
    animation the first picture is taken.

    Args:
        path: a BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file.
        size: height and width to resize to (bilinear, antialiased); None keeps the file's.

    Returns:
        (H, W, 3) uint8, a new array.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no image, is damaged, too large, or of a kind not supported.
    """
    path = Path(path)
    image = _decode(path, "photograph").image
    turn = _UPRIGHT.get(_orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    pixels = _to_rgb(image, path)
    return pixels if size is None else resize_image(pixels, size)


def read_labels(path: str | Path, classes: int) -> Int64[np.ndarray, "H W"]:
    """Reads a label map: one class id a pixel.

    Of a palette image the indices are read, never its colours. An RGB map is read where its three
    channels are equal and refused otherwise: colours are no ids.

    Args:
        path: a lossless PNG, BMP, PGM or TIFF file of mode 1, L, P or 16-bit grey.
        classes: number of classes; ids run from 0 to classes - 1.

    Returns:
        (H, W) int64 class ids.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no label map, or holds ids that are no class.
    """
    path = Path(path)
    decoded = _decode(path, "label map")
    if decoded.format not in _LABEL_FORMATS:
        raise ValueError(
            f"{path}: a label map saved as {decoded.format}, which may change ids; save it as PNG "
            "with one 8-bit channel (mode L or P)"
        )
    ids = _ids(decoded, path)
    if int(ids.max()) >= classes or int(ids.min()) < 0:
        unknown = np.unique(ids[(ids >= classes) | (ids < 0)])
        listed = ", ".join(str(i) for i in unknown[:8]) + (", …" if len(unknown) > 8 else "")
        raise ValueError(
            f"{path}: ids {listed} in a label map of {classes} classes (0 to {classes - 1}); "
            "correct the map, or list the missing classes"
        )
    return ids.astype(np.int64)


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Reads the names of the classes, one a line; the line number, from 0, is the id.

    Lines may also all be `id name` (or `id: name`, `id,name`), with the ids 0, 1, 2, … in order.

    Args:
        path: a UTF-8 text file, such as classes.txt.

    Returns:
        The names, in the order of their ids.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not such a list.
    """
    path = Path(path)
    names = [line.strip() for line in read_text(path).split("\n")]
    while names and not names[-1]:
        names.pop()
    if not 1 <= len(names) <= MAX_CLASSES:
        raise ValueError(
            f"{path}: {len(names)} classes, expected 1 to {MAX_CLASSES}; write one name a line"
        )
    numbered = [match for name in names if (match := _NUMBERED.fullmatch(name))]
    if len(numbered) == len(names):
        for expected, match in enumerate(numbered):
            if match[1].lstrip("0") != str(expected).lstrip("0"):
                raise ValueError(
                    f"{path}: line {expected + 1} has the id {match[1]}, expected {expected}; list "
                    "all ids from 0 in order"
                )
        names = [match[2] for match in numbered]
    seen: dict[str, int] = {}
    for line, name in enumerate(names, start=1):
        if not name or not name.isprintable():
            raise ValueError(f"{path}: line {line} is {name!r}, expected the name of a class")
        if name in seen:
            raise ValueError(
                f"{path}: {name!r} stands in lines {seen[name]} and {line}; give every class its "
                "own name"
            )
        seen[name] = line
    return tuple(names)


def to_tensor(image: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "3 H W"]:
    """Turns an image (H, W, 3) uint8 into float32 (3, H, W): 0 becomes -1, 255 becomes 1."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image is {image.dtype} {image.shape}, expected uint8 (H, W, 3)")
    pixels = torch.from_numpy(np.array(image, copy=True)).permute(2, 0, 1).contiguous()
    return pixels.float() / 127.5 - 1


def to_image(tensor: Float[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Turns an image (3, H, W) in [-1, 1] into uint8 (H, W, 3): clamped, rounded to the nearest.

    Args:
        tensor: (3, H, W) of any floating type, on any device.

    Returns:
        (H, W, 3) uint8; `to_image(to_tensor(image))` is the image.

    Raises:
        ValueError: the shape is another, or a value is not finite.
    """
    if tensor.ndim != 3 or tensor.shape[0] != 3:
        raise ValueError(f"image is {tuple(tensor.shape)}, expected (3, H, W)")
    pixels = tensor.detach().to("cpu", torch.float32)
    if not bool(torch.isfinite(pixels).all()):
        raise ValueError("image has values that are not finite, expected [-1, 1]")
    scaled = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(1, 2, 0).numpy())


def save_png(
    path: str | Path, array: Integer[np.ndarray, "H W *channels"], overwrite: bool = False
) -> None:
    """Writes an image or a label map as PNG: the complete file appears at once, or none.

    Args:
        path: where to, ending in .png; missing folders are made.
        array: (H, W, 3) uint8, or (H, W) ids, written with 8 bits and above 255 with 16.
        overwrite: whether a file that is there may be replaced.

    Raises:
        FileExistsError: there is such a file and it may not be replaced.
        ValueError: the name does not end in .png, or the array is neither image nor map.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path}: cannot write PNG under this name; end it in .png")
    image = _to_pillow(array, path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path}: exists already; choose another name or allow overwriting")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with partial.open("xb") as stream:
            image.save(stream, format="PNG")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _to_pillow(array: np.ndarray, path: Path) -> Image.Image:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        return Image.fromarray(np.ascontiguousarray(array))
    if array.ndim == 2 and array.size and np.issubdtype(array.dtype, np.integer):
        low, high = int(array.min()), int(array.max())
        if low >= 0 and high < MAX_CLASSES:
            return Image.fromarray(array.astype(np.uint8 if high < 256 else np.uint16))
        raise ValueError(f"{path}: ids {low} to {high}, expected 0 to {MAX_CLASSES - 1}")
    raise ValueError(
        f"{path}: cannot write {array.dtype} {array.shape} as PNG; expected uint8 (H, W, 3) or "
        "integer (H, W)"
    )


@dataclass(frozen=True)
class _Decoded:
    """A decoded picture, and how its file packed the pixels."""

    image: Image.Image
    format: str
    packing: str


def _decode(path: Path, kind: str) -> _Decoded:
    """Opens and decodes a file, its size checked first; `kind` says what it should hold."""
    require_file(path, kind)
    with warnings.catch_warnings(), path.open("rb") as stream:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(stream, formats=_FORMATS)
            width, height = image.size
            packing = _packing(image)
            if width * height <= MAX_PIXELS:
                image.load()
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ValueError(
                f"{path}: a {kind} of more than {MAX_PIXELS} pixels; make it smaller"
            ) from error
        except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
            raise ValueError(
                f"{path}: cannot be read as an image ({error}); expected a complete {kind} as one "
                f"of {', '.join(_FORMATS)}"
            ) from error
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"{path}: {width}×{height} is more than {MAX_PIXELS} pixels; make the {kind} smaller"
        )
    return _Decoded(image, image.format or "", packing)


def _packing(image: Image.Image) -> str:
    """Pillow's name of the file's pixel layout, such as L;4 for grey of 4 bits."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return image.mode
    layout = tiles[0][3]
    return str(layout[0] if isinstance(layout, tuple) else layout)


def _orientation(image: Image.Image) -> int:
    """The camera's orientation, 1 (upright) where there is none or it cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block is no reason to refuse intact pixels
        return 1


def _to_rgb(image: Image.Image, path: Path) -> UInt8[np.ndarray, "H W 3"]:
    if image.mode in _SIXTEEN_BIT:
        grey = np.asarray(image).astype(np.int64)
        if int(grey.min()) < 0 or int(grey.max()) > 65_535:
            raise ValueError(
                f"{path}: grey values {grey.min()} to {grey.max()}, expected 16 bits; save the "
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
            f"{path}: pixels of mode {image.mode} cannot be shown as RGB ({error}); save the "
            "photograph as 8-bit RGB"
        ) from error


def _ids(decoded: _Decoded, path: Path) -> Integer[np.ndarray, "H W"]:
    image = decoded.image
    values = np.asarray(image)
    if image.mode == "1":
        return values.astype(np.uint8)
    if image.mode in ("L", "P"):
        return values // _PACKED_GREY.get(decoded.packing, 1)
    if image.mode in _SIXTEEN_BIT:
        return values
    if image.mode in ("RGB", "RGBA", "LA", "PA"):
        bands = 3 if image.mode.startswith("RGB") else 1
        grey = bool((values[..., :bands] == values[..., :1]).all())
        opaque = image.mode == "RGB" or bool((values[..., -1] == 255).all())
        if grey and opaque:
            return values[..., 0]
    raise ValueError(
        f"{path}: a picture of mode {image.mode} with colours or transparency, expected a label "
        "map with one class id a pixel; save it as 8-bit grey or palette PNG (mode L or P)"
    )
