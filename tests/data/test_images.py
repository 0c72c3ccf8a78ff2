from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rabit.data import decoding
from rabit.data.images import (
    read_classes,
    read_image,
    read_labels,
    save_png,
    to_image,
    to_tensor,
)

COLOURS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def _png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds no pixels."""
    stream = io.BytesIO()
    Image.new("L", (1, 1)).save(stream, "PNG")
    data = bytearray(stream.getvalue())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


# Photographs


def test_read_image_is_rgb_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path)
    read = read_image(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, COLOURS)
    assert read_image(str(path), size=(8, 3)).shape == (8, 3, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_camera_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    # What the camera saw has a white quarter at its top left; the file stores it turned.
    seen = np.zeros((16, 32, 3), np.uint8)
    seen[:8, :16] = 255
    stored = {
        1: seen,
        2: seen[:, ::-1],
        3: seen[::-1, ::-1],
        4: seen[::-1],
        5: seen.transpose(1, 0, 2),
        6: np.rot90(seen, 1),
        7: np.rot90(seen, 2).transpose(1, 0, 2),
        8: np.rot90(seen, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    read = read_image(path)
    assert read.shape == seen.shape
    assert np.abs(read.astype(int) - seen).max() < 16


def test_damaged_exif_does_not_hide_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path, exif=b"Exif\x00\x00MM\x00*broken")
    np.testing.assert_array_equal(read_image(path), COLOURS)


def test_grey_palette_and_bilevel(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS[..., 0]).save(path)
    np.testing.assert_array_equal(read_image(path), np.repeat(COLOURS[..., :1], 3, axis=2))
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 0])
    palette.putdata([0, 1])
    palette.save(path)
    np.testing.assert_array_equal(read_image(path), [[[10, 20, 30], [200, 100, 0]]])
    Image.fromarray(np.array([[True, False]])).save(path)
    np.testing.assert_array_equal(read_image(path)[..., 0], [[255, 0]])


def test_transparent_becomes_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(read_image(path), [[[10, 20, 30], [255, 255, 255]]])
    Image.fromarray(np.array([[[7, 255], [7, 0]]], np.uint8)).save(path)
    np.testing.assert_array_equal(read_image(path)[..., 0], [[7, 255]])
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 0])
    palette.putdata([0, 1])
    palette.save(path, transparency=1)
    np.testing.assert_array_equal(read_image(path), [[[10, 20, 30], [255, 255, 255]]])


def test_cmyk(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (16, 16), (250, 20, 30)).convert("CMYK").save(path, quality=95)
    assert np.abs(read_image(path).astype(int) - [250, 20, 30]).max() < 8


def test_sixteen_bit_grey_is_scaled(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / name)
        np.testing.assert_array_equal(read_image(tmp_path / name)[0, :, 0], [0, 1, 128, 255])


def test_animation_gives_its_first_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(path)[0, 0], [255, 0, 0])


def test_floating_point_photograph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.zeros((2, 2), np.float32)).save(path)
    with pytest.raises(ValueError, match=r"a\.tif.*8-bit RGB"):
        read_image(path)


@pytest.mark.parametrize(
    ("width", "height"), [(30_000, 30_000), (10_000, 10_000), (8_001, 8_000), (1, 2**31 - 1)]
)
def test_too_many_pixels_are_refused_from_the_header(
    tmp_path: Path, width: int, height: int
) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(_png_header(width, height))
    with pytest.raises(ValueError, match=r"huge\.png.*64000000 pixels; make"):
        read_image(path)
    found = rf"huge\.png: ({width * height} pixels|{width}×{height}) is more than 64000000 pixels"
    with pytest.raises(ValueError, match=found):
        read_labels(path, 3)


def test_as_many_pixels_as_allowed_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 24)
    assert read_image(path).shape == (4, 6, 3)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 23)
    with pytest.raises(ValueError, match="6×4 is more than 23 pixels"):
        read_image(path)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.png: no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ValueError, match="not a file"):
        read_image(tmp_path)
    path = tmp_path / "text.png"
    for content in (b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"text\.png: cannot be read as an image"):
            read_image(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif"])
def test_truncated_image_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"cut\..*expected a complete photograph"):
        read_image(path)


# Label maps


def test_labels_of_every_mode(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    path = tmp_path / "a.png"
    palette = Image.frombytes("P", (3, 2), ids.tobytes())
    palette.putpalette([255, 0, 0] * 3)
    rgb = np.repeat(ids[..., None], 3, axis=2)
    opaque = np.dstack([rgb, np.full_like(ids, 255)])
    for image in (
        Image.fromarray(ids),
        palette,
        Image.fromarray(ids.astype(np.uint16)),
        Image.fromarray(rgb),
        Image.fromarray(opaque),
        Image.fromarray(opaque[..., 2:]),
    ):
        image.save(path)
        read = read_labels(path, 3)
        assert read.dtype == np.int64
        np.testing.assert_array_equal(read, ids, err_msg=image.mode)
    Image.fromarray(ids == 1).save(path)
    np.testing.assert_array_equal(read_labels(path, 2), ids == 1)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_packed_palette_ids_are_not_scaled(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "a.png"
    ids = np.array([[0, 2**bits - 1]], np.uint8)
    image = Image.frombytes("P", (2, 1), ids.tobytes())
    image.putpalette([0, 0, 0] * 2**bits)
    image.save(path, bits=bits)
    np.testing.assert_array_equal(read_labels(path, 2**bits), ids)


@pytest.mark.parametrize("bits", [2, 4])
def test_packed_grey_ids_are_not_scaled(tmp_path: Path, bits: int) -> None:

    def chunk(kind: bytes, body: bytes) -> bytes:
        data = kind + body
        return struct.pack(">I", len(body)) + data + struct.pack(">I", zlib.crc32(data))

    header = struct.pack(">IIBBBBB", 2, 1, bits, 0, 0, 0, 0)
    row = bytes([0, {2: 0b0111_0000, 4: 0x1F}[bits]])
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row))
        + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(read_labels(path, 2**bits), [[1, 2**bits - 1]])


def test_sixteen_bit_labels_are_not_scaled(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 300, 999]], np.uint16)).save(path)
    np.testing.assert_array_equal(read_labels(path, 1000), [[0, 300, 999]])


def test_coloured_or_transparent_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "colours.png"
    translucent = np.zeros((2, 2, 4), np.uint8)
    for image in (
        Image.fromarray(COLOURS),
        Image.fromarray(translucent),
        Image.new("LA", (2, 2), (1, 100)),
    ):
        image.save(path)
        with pytest.raises(ValueError, match=rf"colours\.png.*mode {image.mode}.*mode L or P"):
            read_labels(path, 256)


def test_lossy_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.jpg"
    Image.new("L", (8, 8)).save(path)
    with pytest.raises(ValueError, match=r"map\.jpg.*JPEG.*save it as PNG"):
        read_labels(path, 3)


def test_unknown_ids_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    Image.fromarray(np.array([[0, 2, 3, 255]], np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"map\.png: ids 3, 255 in a label map of 3 classes"):
        read_labels(path, 3)
    assert read_labels(path, 256).max() == 255
    Image.fromarray(np.arange(256, dtype=np.uint8)[None]).save(path)
    with pytest.raises(ValueError, match=r"ids 1, 2, 3, 4, 5, 6, 7, 8, … in"):
        read_labels(path, 1)
    path = tmp_path / "map.tif"
    Image.fromarray(np.array([[0, -1]], np.int32)).save(path)
    with pytest.raises(ValueError, match=r"map\.tif: ids -1 in"):
        read_labels(path, 3)


# Lists of classes


@pytest.mark.parametrize(
    "text",
    [
        "sky\ntree top\ncar\n",
        "sky\r\ntree top\r\ncar",
        "\ufeffsky\n  tree top \ncar\n\n\n",
        "0 sky\n1 tree top\n2 car\n",
        "0: sky\n1:tree top\n2 : car\n",
        "00,sky\n01,tree top\n02,car\n",
    ],
)
def test_read_classes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(text.encode())
    assert read_classes(path) == ("sky", "tree top", "car")


def test_names_that_begin_with_a_number_stay(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("2 wheeler\ncar\n")
    assert read_classes(path) == ("2 wheeler", "car")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 classes"),
        (b"\n\n", "0 classes"),
        (b"sky\n\ncar\n", "line 2 is ''"),
        (b"sky\ncar\nsky\n", "'sky' stands in lines 1 and 3"),
        (b"1 sky\n2 car\n", "line 1 has the id 1, expected 0"),
        (b"sky\x00\n", "line 1 is"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"".join(b"%d\n" % i for i in range(65_537)), "65537 classes"),
    ],
)
def test_bad_classes_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"classes\.txt: {message}"):
        read_classes(path)


def test_missing_classes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"classes\.txt: no such file"):
        read_classes(tmp_path / "classes.txt")
    with pytest.raises(ValueError, match="not a file"):
        read_classes(tmp_path)


# Tensors and writing


def test_convention_range_and_axes() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[1, 2] = (255, 0, 51)
    tensor = to_tensor(image)
    assert tensor.shape == (3, 2, 3) and tensor.dtype == torch.float32 and tensor.is_contiguous()
    torch.testing.assert_close(tensor[:, 1, 2], torch.tensor([1.0, -1.0, -0.6]))
    torch.testing.assert_close(tensor[:, 0, 0], torch.full((3,), -1.0))


def test_round_trip_is_exact() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(to_image(to_tensor(every)), every)
    np.testing.assert_array_equal(to_image(to_tensor(every).double()), every)


def test_to_image_clamps_and_rounds() -> None:
    tensor = torch.tensor([-7.0, 9.0, 0.001]).view(3, 1, 1)
    np.testing.assert_array_equal(to_image(tensor), [[[0, 255, 128]]])


def test_bad_tensors_and_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(3, H, W\)"):
        to_image(torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="not finite"):
        to_image(torch.full((3, 1, 1), float("nan")))
    for wrong in (np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.float32)):
        with pytest.raises(ValueError, match="expected uint8"):
            to_tensor(wrong)


def test_save_png_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    save_png(path, COLOURS)
    np.testing.assert_array_equal(read_image(path), COLOURS)
    ids = np.array([[0, 300]])
    save_png(path, ids, overwrite=True)
    np.testing.assert_array_equal(read_labels(path, 301), ids)
    save_png(path, ids // 2, overwrite=True)
    with Image.open(path) as image:
        assert image.mode == "L"
    assert os.listdir(path.parent) == ["a.png"]


def test_save_png_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save_png(path, COLOURS)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"a\.png: exists already.*allow overwriting"):
        save_png(path, COLOURS // 2)
    assert path.read_bytes() == before


def test_an_unreadable_map_is_not_offered_lossy_formats(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"label map as one of BMP, PNG, PPM, TIFF$"):
        read_labels(tmp_path / "a.png", 3)


def test_failed_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_png(path, COLOURS)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_png(path, COLOURS, overwrite=True)
    assert os.listdir(tmp_path) == ["a.png"]
    assert path.read_bytes() == before


def test_save_png_refuses_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"end it in \.png"):
        save_png(tmp_path / "a.jpg", COLOURS)
    for wrong in (np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8)):
        with pytest.raises(ValueError, match="cannot write"):
            save_png(tmp_path / "a.png", wrong)
    with pytest.raises(ValueError, match="ids -1 to 0"):
        save_png(tmp_path / "a.png", np.array([[-1, 0]]))
    assert not list(tmp_path.iterdir())


# Whatever the bytes: a result or a clear error

FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(COLOURS.repeat(4, axis=0))
    (image.quantize(8) if kind == "GIF" else image).save(stream, kind)
    return stream.getvalue()


ENCODED = {kind: _encoded(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")}


@st.composite
def damaged_images(draw: st.DrawFn) -> bytes:
    data = bytearray(ENCODED[draw(st.sampled_from(sorted(ENCODED)))])
    for _ in range(draw(st.integers(1, 8))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(len(data) // 2, len(data)))])


@FUZZ
@given(content=st.one_of(st.binary(max_size=200), damaged_images()))
def test_any_bytes_as_an_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fuzz.png"
    path.write_bytes(content)
    try:
        assert read_image(path).shape[2] == 3
    except (ValueError, OSError) as error:
        assert "fuzz.png" in str(error)
    try:
        assert read_labels(path, 5).max() < 5
    except (ValueError, OSError) as error:
        assert "fuzz.png" in str(error)


@FUZZ
@given(content=st.one_of(st.binary(max_size=100), st.text(max_size=60).map(str.encode)))
def test_any_bytes_as_classes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    try:
        names = read_classes(path)
        assert names and len(set(names)) == len(names)
    except (ValueError, OSError) as error:
        assert "classes.txt" in str(error)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_maps_are_turned_as_photographs_are(tmp_path: Path, suffix: str) -> None:
    ids = np.arange(6, dtype=np.uint8).reshape(2, 3)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(ids).save(tmp_path / f"map.{suffix}", exif=exif)
    np.testing.assert_array_equal(read_labels(tmp_path / f"map.{suffix}", 6), ids[::-1, ::-1])
