"""Pictures inside a recipe: files in memory, decoded without trusting what they hold."""

from __future__ import annotations

import io
import re
import threading
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt, UInt8
from PIL import Image

from rabit.data.decoding import Decoded, decode_image, id_pixels, rgb_pixels
from rabit.data.images import check_ids
from rabit.editor.checks import Limits, RecipeError, file_field

PHOTOGRAPH_FORMATS = ("PNG", "JPEG", "WEBP")
LABEL_FORMATS = ("PNG",)

# Progressive JPEG files have about ten. Each goes over all pixels, be it of a few bytes alone.
_MOST_SCANS = 100
# What ends a scan: no stuffed byte, restart or filling.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9

# Decoding turns warnings into errors for its duration, and Python's filters of warnings belong to
# the whole process: two threads at once could leave them changed.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Photograph:
    """A picture of colours.

    Args:
        file: as it was given.
        pixels: (H, W, 3) RGB, upright.
    """

    file: bytes
    pixels: UInt8[np.ndarray, "H W 3"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class LabelMap:
    """A map of class ids.

    Args:
        file: as it was given.
        pixels: (H, W) ids, uint8 of up to 256 classes, else uint16.
    """

    file: bytes
    pixels: UInt[np.ndarray, "H W"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def read_photograph(value: object, field: str, limits: Limits) -> Photograph:
    """Reads a photograph, or any other picture of colours.

    Of an animation the first picture is taken; what is transparent becomes white.

    Args:
        value: a PNG, JPEG or WebP file in base64; its content decides which.
        field: of the recipe, for errors.
        limits: of its size, checked before it is decoded.

    Raises:
        RecipeError: it is something else, damaged or too large.
    """
    file = file_field(value, field)
    decoded = _decode(file, field, "photograph", PHOTOGRAPH_FORMATS, limits)
    try:
        return Photograph(file, rgb_pixels(decoded, field))
    except ValueError as error:
        raise _renamed(error, field) from error


def read_label_map(value: object, field: str, classes: int, limits: Limits) -> LabelMap:
    """Reads a map of class ids.

    Args:
        value: a PNG file in base64, grey of up to 16 bits or with a palette, whose indices are the
            ids.
        field: of the recipe, for errors.
        classes: ids run from 0 to classes - 1.
        limits: of its size, checked before it is decoded.

    Raises:
        RecipeError: it is something else, damaged or too large, or holds other ids.
    """
    file = file_field(value, field)
    decoded = _decode(file, field, "label map", LABEL_FORMATS, limits)
    try:
        ids = id_pixels(decoded, field)
        check_ids(ids, classes, field)
    except ValueError as error:
        raise _renamed(error, field) from error
    return LabelMap(file, ids.astype(np.uint8 if classes <= 256 else np.uint16))


def _decode(
    file: bytes, field: str, kind: str, formats: tuple[str, ...], limits: Limits
) -> Decoded:
    """Decodes a file of one of several formats, its size checked first."""
    with _ONE_AT_A_TIME:
        image = _open(file, field, kind, formats, limits)
        limits.check_size((image.height, image.width), field)
        if image.format in ("JPEG", "MPO") and _has_many_scans(file):
            raise RecipeError(
                field, f"a JPEG file of more than {_MOST_SCANS} scans; save the {kind} anew"
            )
        try:
            return decode_image(image, field, kind)
        except ValueError as error:
            raise RecipeError(
                field, f"the {kind} cannot be decoded ({error.__cause__}), {_expected(formats)}"
            ) from error


def _open(
    file: bytes, field: str, kind: str, formats: tuple[str, ...], limits: Limits
) -> Image.Image:
    """Reads a file's header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Image.open(io.BytesIO(file), formats=formats)
        except Image.DecompressionBombError as error:
            raise RecipeError(
                field, f"more than {limits.pixels} pixels; make the picture smaller"
            ) from error
        except Exception as error:  # Pillow raises whatever a damaged file leads it to
            raise RecipeError(
                field,
                f"found no {kind} in these bytes, {_expected(formats)}",
            ) from error


def _has_many_scans(file: bytes) -> bool:
    """Tells whether a JPEG file would be decoded over and over again."""
    scans, place = 0, 2
    while scans <= _MOST_SCANS and (found := _MARKER.search(file, place)) is not None:
        kind, place = file[found.end() - 1], found.end()
        if kind == _END_OF_IMAGE:
            return False
        scans += kind == _START_OF_SCAN
        place += max(int.from_bytes(file[place : place + 2], "big"), 2)
    return scans > _MOST_SCANS


def _expected(formats: tuple[str, ...]) -> str:
    return f"expected a complete {' or '.join(formats)} file"


def _renamed(error: ValueError, field: str) -> RecipeError:
    """Returns an error that begins with the field as one of the recipe's."""
    return RecipeError(field, str(error).removeprefix(f"{field}: "))
