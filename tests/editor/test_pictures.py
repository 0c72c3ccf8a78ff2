"""Pictures of recipes: which files are read, and what is refused before and while decoding."""

from __future__ import annotations

import base64
import struct
import threading
import time
import warnings
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rabit.data.images import read_image, read_labels
from rabit.editor.checks import Limits, RecipeError
from rabit.editor.pictures import LabelMap, Photograph, read_label_map, read_photograph
from recipes import LABELS, PHOTO, b64, encoded, text

LIMITS = Limits()


def photograph(value: object, limits: Limits = LIMITS) -> Photograph:
    return read_photograph(value, "exemplars[0].image", limits)


def labels(value: object, classes: int = 18) -> LabelMap:
    return read_label_map(value, "condition.labels", classes, LIMITS)


def png(width: int, height: int, body: bytes = b"", bits: int = 8, colours: int = 0) -> bytes:
    """A PNG file with a header of any size and any compressed body."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


# What is read


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_photographs_are_read_by_content_as_from_files(kind: str, tmp_path: Any) -> None:
    file = encoded(PHOTO, kind)
    path = tmp_path / "photo.gif"  # a wrong name does not matter either way
    path.write_bytes(file)
    found = photograph(text(file))
    assert found.file == file and found.size == (64, 64)
    np.testing.assert_array_equal(found.pixels, read_image(path))


def test_a_camera_s_orientation_is_followed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = np.zeros((32, 64, 3), np.uint8)
    halves[:, 32:] = 255
    found = photograph(b64(halves, "JPEG", exif=exif))
    assert found.size == (64, 32)
    assert found.pixels[:24].max() < 20 and found.pixels[40:].min() > 235
    png_exif = photograph(b64(PHOTO[:32], exif=exif))
    np.testing.assert_array_equal(png_exif.pixels, np.rot90(PHOTO[:32], -1))


def test_what_is_transparent_is_white_and_animations_give_their_first_picture() -> None:
    clear = np.dstack([PHOTO, np.zeros((64, 64), np.uint8)])
    assert (photograph(b64(clear)).pixels == 255).all()
    second = Image.fromarray(255 - PHOTO)
    moving = encoded(PHOTO, "WEBP", save_all=True, append_images=[second], lossless=True)
    np.testing.assert_array_equal(photograph(text(moving)).pixels, PHOTO)
    apng = encoded(PHOTO, save_all=True, append_images=[second])
    np.testing.assert_array_equal(photograph(text(apng)).pixels, PHOTO)


def test_maps_of_every_packing_are_ids(tmp_path: Any) -> None:
    palette = Image.fromarray(LABELS)
    palette = palette.convert("P")
    palette.putpalette([7 * i % 256 for i in range(768)])
    stream = BytesIO()
    palette.save(stream, "PNG")
    few = Image.fromarray(LABELS % 4).convert("P")
    few.putpalette([9] * 12)
    packed = BytesIO()
    few.save(packed, "PNG", bits=2)
    grey = png(4, 1, b"\x00\x1b", bits=2)  # the four ids 0 1 2 3
    for file, expected in (
        (encoded(LABELS), LABELS),
        (encoded(LABELS.astype(np.uint16)), LABELS),
        (stream.getvalue(), LABELS),
        (packed.getvalue(), LABELS % 4),
        (encoded(np.repeat(LABELS[..., None], 3, axis=2)), LABELS),
        (grey, np.array([[0, 1, 2, 3]])),
    ):
        found = labels(text(file))
        np.testing.assert_array_equal(found.pixels, expected)
        assert found.pixels.dtype == np.uint8 and found.file == file
        (tmp_path / "map.png").write_bytes(file)
        np.testing.assert_array_equal(found.pixels, read_labels(tmp_path / "map.png", 18))


def test_ids_of_sixteen_bits_are_kept() -> None:
    ids = np.array([[0, 255, 256, 40_000]], np.uint16)
    found = labels(b64(ids), 40_001).pixels
    np.testing.assert_array_equal(found, ids)
    assert found.dtype == np.uint16
    with pytest.raises(RecipeError, match="condition.labels: ids 256, 40000 in a label map of 256"):
        labels(b64(ids), 256)


# What is refused


def error_of(value: object, limits: Limits = LIMITS) -> str:
    with pytest.raises(RecipeError) as caught:
        photograph(value, limits)
    assert caught.value.field == "exemplars[0].image"
    return caught.value.message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "found an empty file"),
        ("====", "no base64"),
        ("QUJD\n", "no base64"),
        ("QU JD", "no base64"),
        ("QUJDR", "no base64"),
        ("QUJD-_==", "no base64"),
        ("Bäume", "no base64"),
        ("\ud800", "no base64"),
        ("data:image/png;base64,QUJD", "found a data: address"),
        ("C:\\photo.png", "no base64"),
        ([1], "found a list of 1, expected a file in base64"),
        (b"QUJD", "found a bytes, expected a file in base64"),
    ],
)
def test_what_is_no_base64_is_refused(value: object, message: str) -> None:
    assert message in error_of(value)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "JPEG2000"])
def test_other_formats_are_refused(kind: str) -> None:
    found = error_of(b64(PHOTO, kind))
    assert "found no photograph in these bytes, expected a complete PNG or JPEG or WEBP" in found


@pytest.mark.parametrize(
    "file",
    [
        b"x",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"\xff\xd8\xff\xe0",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\x00" * 5000,
        bytes(range(256)) * 40,
    ],
)
def test_bytes_that_are_no_picture_are_refused(file: bytes) -> None:
    assert "expected a complete PNG or JPEG or WEBP file" in error_of(text(file))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated_pictures_are_refused(kind: str, share: float) -> None:
    file = encoded(PHOTO, kind)
    assert "expected a complete" in error_of(text(file[: int(share * len(file))]))


def test_bombs_are_refused_from_their_header(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    monkeypatch.setattr(Image.Image, "load", lambda *_: decoded.append("image"))
    for width, height in ((2049, 2048), (4097, 1), (1, 4097), (20_000, 20_000), (10_000, 9_000)):
        file = png(width, height, bytes(1000))
        assert "pixels" in error_of(text(file))
        with pytest.raises(RecipeError, match="condition.labels"):
            labels(text(file))
    assert not decoded


def scanned(count: int, size: int = 64) -> bytes:
    """A JPEG file whose last scan, of a few bytes, is repeated until there are so many."""
    file = encoded(np.full((size, size), 90, np.uint8), "JPEG", progressive=True)
    start = file.rindex(b"\xff\xda")
    own = file.count(b"\xff\xda")
    # What looks like a scan in a segment of another kind, or behind the picture, is none.
    comment = b"\xff\xfe\x03\x22" + b"\xff\xda" * 400
    scans = file[start:-2] * (count - own + 1)
    return file[:2] + comment + file[2:start] + scans + b"\xff\xd9" + b"\xff\xda" * 200


def test_a_picture_that_would_be_decoded_again_and_again_is_refused() -> None:
    assert (photograph(text(scanned(100))).pixels == 90).all()
    assert (
        error_of(text(scanned(101)))
        == "a JPEG file of more than 100 scans; save the photograph anew"
    )
    started = time.monotonic()
    assert "more than 100 scans" in error_of(text(scanned(50_000, 2048)))
    assert time.monotonic() - started < 10


def test_warnings_of_the_decoder_do_not_come_out() -> None:
    """Under the limits' own size Pillow warns of bombs, which is turned into an error by tests."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert "pixels" in error_of(text(png(10_000, 10_000)))
    assert not caught


def test_a_body_that_is_larger_or_smaller_than_its_header_says_is_no_crash() -> None:
    assert "expected a complete" in error_of(text(png(64, 64, b"\x00" * 100)))
    found = photograph(text(png(8, 8, b"\x00" * 50_000_000)))
    assert found.size == (8, 8)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_maps_in_formats_that_change_ids_are_refused(kind: str) -> None:
    with pytest.raises(RecipeError) as caught:
        labels(b64(LABELS, kind))
    assert str(caught.value) == (
        "condition.labels: found no label map in these bytes, expected a complete PNG file"
    )


def test_colours_are_no_ids_and_ids_beyond_the_classes_are_named() -> None:
    with pytest.raises(RecipeError, match="condition.labels: a picture of mode RGB with colours"):
        labels(b64(PHOTO))
    with pytest.raises(RecipeError, match="condition.labels: a picture of mode RGBA with colours"):
        labels(b64(np.dstack([LABELS, LABELS, LABELS, LABELS])))
    with pytest.raises(RecipeError, match="condition.labels: ids 5, 17 in a label map of 5 class"):
        labels(b64(np.array([[0, 5, 17]], np.uint8)), 5)


def test_threads_leave_the_process_s_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    files = [b64(PHOTO), b64(PHOTO, "JPEG"), base64.b64encode(b"no picture").decode()]

    def work() -> None:
        for i in range(30):
            try:
                photograph(files[i % 3])
            except RecipeError:
                assert i % 3 == 2

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
