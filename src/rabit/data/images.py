"""Reading of photographs, label maps and lists of classes that users give, and writing of PNGs.

Nothing that a file holds may crash the program: a file is read, or a ValueError (an OSError where
the file cannot be reached at all) names it and says what to do.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer, UInt8
from PIL import Image
from torch import Tensor

from rabit.data.decoding import (
    LABEL_FORMATS,
    Decoded,
    decode_file,
    decode_image,
    id_pixels,
    rgb_pixels,
)
from rabit.data.text import read_text
from rabit.data.transforms import resize_image
from rabit.writing import check_target, naming, partial_path

MAX_CLASSES = 65_536
"""The most classes that a 16-bit label map can tell apart."""

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
LABEL_SUFFIXES = frozenset({".bmp", ".pgm", ".png", ".tif", ".tiff"})

_NUMBERED = re.compile(r"([0-9]+)\s*[\s:,]\s*(\S.*)")


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
    pixels = rgb_pixels(decode_file(path, "photograph"), str(path))
    return pixels if size is None else resize_image(pixels, size)


def image_from_pillow(image: Image.Image, name: str) -> UInt8[np.ndarray, "H W 3"]:
    """Turns a Pillow image into RGB as `read_image` does with a file.

    Args:
        image: of any mode that a photograph may have; it is decoded if it was not yet.
        name: what to call it in errors.

    Returns:
        (H, W, 3) uint8, a new array.

    Raises:
        ValueError: it cannot be decoded, is empty, too large, or of a mode not supported.
    """
    return rgb_pixels(decode_image(image, name, "photograph"), name)


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
    return _class_ids(decode_file(path, "label map"), classes, str(path))


def labels_from_pillow(image: Image.Image, classes: int, name: str) -> Int64[np.ndarray, "H W"]:
    """Turns a Pillow image into class ids as `read_labels` does with a file.

    Args:
        image: of a mode that a label map may have; it is decoded if it was not yet.
        classes: number of classes; ids run from 0 to classes - 1.
        name: what to call it in errors.

    Returns:
        (H, W) int64 class ids.

    Raises:
        ValueError: it is no label map, or holds ids that are no class.
    """
    return _class_ids(decode_image(image, name, "label map"), classes, name)


def check_ids(ids: np.ndarray, classes: int, name: str) -> None:
    """Checks that all ids of a map are classes.

    Args:
        ids: integers of any type and shape, at least one.
        classes: number of classes; ids run from 0 to classes - 1.
        name: what to call the map in errors.

    Raises:
        ValueError: ids are beyond; the first are listed.
    """
    if int(ids.max()) >= classes or int(ids.min()) < 0:
        unknown = np.unique(ids[(ids >= classes) | (ids < 0)])
        listed = ", ".join(str(i) for i in unknown[:8]) + (", …" if len(unknown) > 8 else "")
        raise ValueError(
            f"{name}: ids {listed} in a label map of {classes} classes (0 to {classes - 1}); "
            "correct the map, list the missing classes, or give ids that mean nothing a class "
            "(rabit data merge)"
        )


def _class_ids(decoded: Decoded, classes: int, name: str) -> Int64[np.ndarray, "H W"]:
    if decoded.format not in ("", *LABEL_FORMATS):
        raise ValueError(
            f"{name}: a label map saved as {decoded.format}, which may change ids; save it as PNG "
            "with one 8-bit channel (mode L or P)"
        )
    ids = id_pixels(decoded, name)
    check_ids(ids, classes, name)
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
    return _parse_classes(read_text(Path(path)), str(path))


def check_class_names(names: Sequence[str], where: str) -> None:
    """Checks that a list of classes would be read as it is written.

    Args:
        names: of the classes, by id.
        where: the file that they come from, for errors.

    Raises:
        ValueError: a name is no line of text, or numbers in front of all names would be taken for
            ids.
    """
    if _parse_classes("".join(f"{name}\n" for name in names), where) != tuple(names):
        raise ValueError(
            f"{where}: the numbers in front of {names[0]!r} and all other names would be read as "
            "ids; leave them out"
        )


def _parse_classes(text: str, path: str) -> tuple[str, ...]:
    names = [line.strip() for line in text.split("\n")]
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


def as_saved(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Rounds images in [-1, 1] to the 256 values that a file holds."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


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
        OSError: the file cannot be written; it is named.
        ValueError: the name does not end in .png, or the array is neither image nor map.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path}: cannot write PNG under this name; end it in .png")
    image = _to_pillow(array, path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path}: exists already; choose another name or allow overwriting")
    check_target(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_path(path)
        try:
            with partial.open("xb") as stream:
                image.save(stream, format="PNG")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def png_bytes(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Encodes a picture (H, W, 3) uint8 as PNG."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, format="PNG")
    return stream.getvalue()


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
