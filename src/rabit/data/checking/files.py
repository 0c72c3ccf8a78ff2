"""Checks of single files: photographs, label maps, line drawings and joints."""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from rabit.data.checking.findings import Finding
from rabit.data.checking.palettes import Palette, read_palette
from rabit.data.checking.swaps import SIDE, draw_outlines, draw_strengths
from rabit.data.condition_files import is_drawing
from rabit.data.decoding import (
    LABEL_FORMATS,
    MAX_PIXELS,
    Decoded,
    check_pixels,
    decode_file,
    decode_image,
    id_pixels,
    orientation,
    rgb_pixels,
)
from rabit.data.edges import find_lines
from rabit.data.images import check_ids, read_image
from rabit.data.pose import Joints, read_joints
from rabit.data.text import require_file

SMALLEST = 64
"""Photographs with a shorter side are warned of."""

THIN = 50
"""Photographs that are more times as long as wide are warned of."""

_JPEG = b"\xff\xd8"
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


@dataclass(frozen=True)
class FileFacts:
    """What a file holds, as far as it can be read.

    Args:
        findings: what is wrong with the file by itself.
        size: height and width of an upright photograph, a map or a drawing.
        turned: whether a photograph's width and height are exchanged by its camera's note.
        orientation: of a photograph by that note, 1 to 8; 1 is upright.
        digest: of a photograph's bytes, or of its pixels where it has no file of its own.
        drawing: `draw_strengths` of a photograph, `draw_outlines` of a map.
        pixels: of a map, pixels by id, up to the highest id.
        palette: of a map that has one.
        joints: of a file of joints.
    """

    findings: tuple[Finding, ...] = ()
    size: tuple[int, int] | None = None
    turned: bool = False
    orientation: int = 1
    digest: bytes = b""
    drawing: UInt8[np.ndarray, " bytes"] | None = None
    pixels: Int64[np.ndarray, " ids"] | None = None
    palette: Palette | None = None
    joints: Joints | None = None


def check_photograph(path: Path, pixels: UInt8[np.ndarray, "H W 3"] | None = None) -> FileFacts:
    """Reads a photograph to its end, a JPEG at an eighth of its size where that is enough.

    Args:
        path: of the photograph.
        pixels: what `read_image` gives of it where that is known; it is not decoded again then.
    """
    try:
        require_file(path, "photograph")
        data = path.read_bytes()
        if pixels is None:
            decoded, size = _decode_photograph(path, data)
            image, pixels = decoded.image, rgb_pixels(decoded, str(path))
        else:
            image = Image.open(io.BytesIO(data))
            size = (image.height, image.width)
    except (OSError, ValueError) as error:
        return FileFacts((explain(path, error),))
    turned = pixels.shape[:2] != (image.height, image.width)
    size = (size[1], size[0]) if turned else size
    findings = _small(path, size) + _thin(path, size)
    if _is_transparent(image):
        text = (
            f"{path}: has transparent places, which are read as white; fill them if that is wrong"
        )
        findings.append(Finding("transparent-photograph", (path,), text))
    return FileFacts(
        findings=tuple(findings),
        size=size,
        turned=turned,
        orientation=orientation(image),
        digest=blake2b(data).digest(),
        drawing=draw_strengths(pixels),
    )


def check_pixels_of(path: Path, pixels: UInt8[np.ndarray, "H W 3"]) -> FileFacts:
    """Describes a photograph that has no file of its own.

    Args:
        path: what to call it.
        pixels: of the photograph.
    """
    size = _size(pixels)
    digest = blake2b(repr(size).encode() + pixels.tobytes()).digest()
    found = tuple(_small(path, size) + _thin(path, size))
    return FileFacts(found, size, digest=digest, drawing=draw_strengths(pixels))


def check_map(path: Path, classes: int) -> FileFacts:
    """Reads a label map whose ids should lie below `classes`."""
    try:
        decoded = decode_file(path, "label map")
    except (OSError, ValueError) as error:
        return FileFacts((explain(path, error),))
    if decoded.format not in LABEL_FORMATS:
        text = (
            f"{path}: a label map saved as {decoded.format}, which may change ids; save it anew as "
            "PNG with one 8-bit channel, from the original ids, or turn a map of colours into ids "
            "with rabit data colours --nearest"
        )
        return FileFacts((Finding("lossy-map", (path,), text),))
    try:
        ids = id_pixels(decoded, str(path))
    except ValueError as error:
        kind = "transparent-map" if _is_transparent(decoded.image) else "coloured-map"
        return FileFacts((Finding(kind, (path,), str(error)),))
    palette, drawing = read_palette(decoded.image), draw_outlines(ids)
    try:
        check_ids(ids, classes, str(path))
    except ValueError as error:
        finding = Finding("unknown-ids", (path,), str(error))
        return FileFacts((finding,), _size(ids), drawing=drawing, palette=palette)
    counts = np.bincount(ids.ravel())
    return FileFacts((), _size(ids), drawing=drawing, pixels=counts, palette=palette)


def check_lines(path: Path) -> FileFacts:
    """Reads a line drawing."""
    try:
        pixels = read_image(path)
    except (OSError, ValueError) as error:
        return FileFacts((explain(path, error),))
    edges = find_lines(pixels)
    if not edges.any():
        text = (
            f"{path}: no line is seen; lines are black on white or white on black, 0 and 255; draw "
            "some, or remove the pair"
        )
        return FileFacts((Finding("no-line-seen", (path,), text),), _size(edges))
    if not is_drawing(pixels, drawn=True):
        text = (
            f"{path}: looks like a photograph, not like a drawing: less than half of it is paper, "
            "its lightest or darkest tone; training takes what is darker or lighter than halfway "
            "for lines, translations find edges in it; make it black and white, or train with "
            "--condition canny"
        )
        return FileFacts((Finding("no-drawing", (path,), text),), _size(edges))
    return FileFacts((), _size(edges))


def check_joints(path: Path) -> FileFacts:
    """Reads a file of joints, with the list beside it where there is one."""
    try:
        joints = read_joints(path)
    except FileNotFoundError as error:
        return FileFacts((Finding("no-joints", (path,), str(error)),))
    except ValueError as error:
        kind = "bad-joints" if path.stat().st_size else "empty-file"
        return FileFacts((Finding(kind, (path,), str(error)),))
    except OSError as error:
        return FileFacts((explain(path, error),))
    return FileFacts(() if joints.seen.any() else (nobody(path),), joints=joints)


def nobody(path: Path) -> Finding:
    """Says that a file of joints has none that is seen."""
    text = f"{path}: no joint is seen, so nothing tells how the person stands; remove the pair"
    return Finding("no-joint-seen", (path,), text)


def explain(path: Path, error: OSError | ValueError) -> Finding:
    """Says why a picture cannot be read, by what its file is like."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        text = f"{path}: cannot be read ({reason}); check that it is there and its permissions"
        return Finding("unreadable", (path,), text)
    if not path.is_file():  # never opened: a pipe would be waited for without end
        return Finding("unreadable", (path,), str(error))
    if not path.stat().st_size:
        text = f"{path}: is empty (0 bytes); restore it, or remove it with its partner"
        return Finding("empty-file", (path,), text)
    try:
        with Image.open(path) as image:
            height, width = image.height, image.width
    except Exception:  # Pillow's decoders raise whatever a damaged file leads them to
        text = (
            f"{path}: is no picture, whatever its ending says; replace it by one, or remove it "
            "with its partner"
        )
        return Finding("not-an-image", (path,), text)
    if height * width > MAX_PIXELS:
        return Finding("too-large", (path,), str(error))
    if _loads(path):
        return Finding("unusable", (path,), str(error))
    text = (
        f"{path}: breaks off or is damaged ({error.__cause__ or error}); restore it, or remove it "
        "with its partner"
    )
    return Finding("damaged", (path,), text)


def spell(size: tuple[int, int]) -> str:
    """Returns a height and width as width×height."""
    return f"{size[1]}×{size[0]}"


def _decode_photograph(path: Path, data: bytes) -> tuple[Decoded, tuple[int, int]]:
    """Decodes a photograph, and returns its size as the file has it.

    What the quick way cannot read is left to the way that training reads it, which decides.
    """
    if data.startswith(_JPEG):
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                size = (image.height, image.width)
                check_pixels(size, str(path), "photograph")
                image.draft(None, (SIDE, SIDE))
                return decode_image(image, str(path), "photograph"), size
        except Exception:  # Pillow's decoders raise whatever a damaged file leads them to
            pass
    decoded = decode_file(path, "photograph")
    return decoded, (decoded.image.height, decoded.image.width)


def _small(path: Path, size: tuple[int, int]) -> list[Finding]:
    if min(size) >= SMALLEST:
        return []
    text = f"{path}: only {spell(size)} pixels; use larger photographs if there are any"
    return [Finding("small", (path,), text)]


def _thin(path: Path, size: tuple[int, int]) -> list[Finding]:
    if max(size) <= THIN * min(size):
        return []
    text = f"{path}: a strip of {spell(size)} pixels, which --fit crop may refuse; cut or remove it"
    return [Finding("thin", (path,), text)]


def _is_transparent(image: Image.Image) -> bool:
    if image.mode not in _ALPHA and "transparency" not in image.info:
        return False
    alpha = image.convert("RGBA").getchannel("A")
    return np.asarray(alpha).min() < 255


def _loads(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except Exception:  # as above
        return False
    return True


def _size(array: np.ndarray) -> tuple[int, int]:
    return int(array.shape[0]), int(array.shape[1])
