"""Pictures as members of a tar file, and back, whatever their condition is made from.

A picture is a frozen dataclass of arrays. Its photograph keeps the bytes of its file, maps and
masks become PNG, other arrays NumPy files; a JSON member tells which field is what. Types are known
by name from a fixed table, so that a file cannot choose what is built from it.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import tokenize
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from rabit.data.decoding import MAX_PIXELS, decode_image
from rabit.data.edges import CannyPicture, LinePicture
from rabit.data.faces import FaceEdgePicture, FacePicture
from rabit.data.images import image_from_pillow, png_bytes
from rabit.data.joints import Joints
from rabit.data.pose import PosePicture
from rabit.data.semantic import SemanticPicture
from rabit.data.source import Picture

STORED: dict[str, type] = {
    "semantic": SemanticPicture,
    "face": FacePicture,
    "face-edges": FaceEdgePicture,
    "lines": LinePicture,
    "canny": CannyPicture,
    "pose": PosePicture,
    "joints": Joints,
}
"""The pictures that can be stored, and what they are made of, by their names in the shards."""

META = "json"
"""Ending of the member that describes a picture."""

_PHOTOGRAPH = "pixels"
# How arrays are coded: a photograph; whole numbers as grey values, or one byte of each in each
# channel, the lowest first; a NumPy file.
_COLOURS, _NUMBERS, _BYTES, _ARRAY = "colours", "numbers", "bytes", "array"
_SHIFTS = (0, 8, 16)
# What wrong members lead to.
_UNUSABLE = (
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)
_FORMATS = {
    "bmp": "BMP",
    "gif": "GIF",
    "jpeg": "JPEG",
    "jpg": "JPEG",
    "png": "PNG",
    "ppm": "PPM",
    "tif": "TIFF",
    "tiff": "TIFF",
    "webp": "WEBP",
}


@dataclass(frozen=True)
class NamedPicture:
    """A picture, and the name of it in its source or of the test item that it belongs to."""

    name: str
    picture: Picture


def encode_picture(named: NamedPicture, photograph: Path | None) -> dict[str, bytes]:
    """Returns the members of a picture by their endings.

    Args:
        named: the picture; its type is one of STORED.
        photograph: the file that its `pixels` were read from, which is kept as it is where it
            gives exactly these pixels; None if it is not known.

    Raises:
        TypeError: the picture, or a field of it, is of a type that cannot be stored.
    """
    members: dict[str, bytes] = {}
    described = _describe(named.picture, "", members, photograph)
    meta = json.dumps({"name": named.name, "picture": described}, sort_keys=True)
    return {META: meta.encode(), **members}


def decode_picture(members: Mapping[str, bytes], where: str) -> NamedPicture:
    """Returns a picture from its members, as `encode_picture` made them.

    Args:
        members: their bytes by their endings.
        where: what to call the picture in errors.

    Raises:
        ValueError: the members are not such.
    """
    try:
        meta = json.loads(members[META])
        name, picture = meta["name"], _build(meta["picture"], members)
        if not isinstance(name, str) or not hasattr(picture, "condition"):
            raise TypeError("it describes no picture")
    except _UNUSABLE as error:
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"{where}: its members are no picture ({reason}); write the shards again"
        ) from error
    return NamedPicture(name, cast("Picture", picture))


def _describe(value: Any, path: str, members: dict[str, bytes], photograph: Path | None) -> Any:
    """Puts the arrays of a value into members, and returns what else is known of it as JSON."""
    if isinstance(value, np.ndarray):
        own = photograph if path == _PHOTOGRAPH else None
        coding, ending, data = _encode_array(value, own)
        # The photograph alone is called by its ending: what tools that read such files look for.
        member = ending if path == _PHOTOGRAPH else f"{path}.{ending}"
        members[member] = data
        return {
            "member": member,
            "coding": coding,
            "dtype": value.dtype.name,
            "shape": list(value.shape),
        }
    name = next((name for name, kind in STORED.items() if type(value) is kind), None)
    if name is not None:
        fields = {
            field.name: _describe(
                getattr(value, field.name), f"{path}.{field.name}".lstrip("."), members, photograph
            )
            for field in dataclasses.fields(value)
            if field.init
        }
        return {"type": name, "fields": fields}
    if isinstance(value, tuple):
        return [_describe(item, f"{path}.{i}", members, photograph) for i, item in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{path or 'picture'}: a {type(value).__name__} cannot be stored in shards")


def _build(described: Any, members: Mapping[str, bytes]) -> Any:
    """Returns what `_describe` described."""
    if isinstance(described, list):
        return tuple(_build(item, members) for item in described)
    if not isinstance(described, dict):
        return described
    if "member" not in described:
        kind = STORED[described["type"]]
        fields = {name: _build(value, members) for name, value in described["fields"].items()}
        for name, hint in _hints(kind).items():
            if not isinstance(fields[name], hint):
                raise TypeError(f"{name} is no {hint}")
        return kind(**fields)
    member, shape = described["member"], tuple(described["shape"])
    dtype = np.dtype(described["dtype"])
    if dtype.kind not in "biuf":
        raise TypeError(f"{member} holds no numbers but {dtype}")
    values = _decode_array(described["coding"], member, members[member])
    return values.astype(dtype, copy=False).reshape(shape)


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    """Returns what the fields of a stored type are, with the types and dimensions of arrays."""
    return typing.get_type_hints(kind)


def _encode_array(array: np.ndarray, photograph: Path | None) -> tuple[str, str, bytes]:
    """Returns how an array is coded, the ending of its file, and the file."""
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        if photograph is not None:
            ending, data = photograph.suffix.lower().lstrip("."), photograph.read_bytes()
            if ending in _FORMATS and _gives(ending, data, array):
                return _COLOURS, ending, data
        return _COLOURS, "png", png_bytes(array)
    if array.ndim >= 2 and 0 < array.size <= MAX_PIXELS and array.dtype.kind in "bui":
        # Maps in a stack lie below one another.
        rows = array.reshape(-1, array.shape[-1])
        low, high = int(rows.min()), int(rows.max())
        if low >= 0 and high < 2**16:
            kind = bool if array.dtype == bool else np.uint8 if high < 2**8 else np.uint16
            stream = io.BytesIO()
            Image.fromarray(rows.astype(kind)).save(stream, format="PNG")
            return _NUMBERS, "png", stream.getvalue()
        if low >= 0 and high < 2**24:
            split = np.stack([rows >> shift & 255 for shift in _SHIFTS], axis=2)
            return _BYTES, "png", png_bytes(split.astype(np.uint8))
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return _ARRAY, "npy", stream.getvalue()


def _decode_array(coding: str, member: str, data: bytes) -> np.ndarray:
    """Returns the values of an array, not yet in its shape and type."""
    if coding == _ARRAY:
        return _decode_numpy(member, data)
    image = Image.open(io.BytesIO(data), formats=(_FORMATS[member.rpartition(".")[2]],))
    if coding == _COLOURS:
        return image_from_pillow(image, member)
    values = np.asarray(decode_image(image, member, "map").image)
    if coding == _BYTES:
        return (values.astype(np.int64) << np.array(_SHIFTS)).sum(axis=2)
    if coding != _NUMBERS:
        raise ValueError(f"{member} is coded as {coding!r}")
    return values


def _decode_numpy(member: str, data: bytes) -> np.ndarray:
    """Returns the values of a NumPy file, whose header is believed only if it fits the size."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{member} is no NumPy file of version 1.0")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    said, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if said != there:
        raise ValueError(f"{member} holds {there} bytes of values, but its header says {said}")
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def _gives(ending: str, data: bytes, pixels: UInt8[np.ndarray, "H W 3"]) -> bool:
    """Tells whether a photograph's file gives exactly these pixels."""
    try:
        return np.array_equal(_decode_array(_COLOURS, ending, data), pixels)
    except (OSError, ValueError):
        return False  # the ending is not that of its format
