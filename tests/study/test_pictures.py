from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rabit.study.pictures import (
    common_size,
    is_number_map,
    load_picture,
    mirrored,
    png_bytes,
    resized,
    spoiled,
)


def test_a_picture_holds_its_pixels_and_nothing_else(tmp_path: Path) -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    told = PngInfo()
    told.add_text("Software", "RABIT")
    Image.fromarray(pixels).save(
        tmp_path / "a.png", pnginfo=told, dpi=(300, 300), icc_profile=b"RABIT" * 9
    )
    content = png_bytes(load_picture(tmp_path / "a.png"))
    with Image.open(io.BytesIO(content)) as image:
        assert image.info == {} and np.array_equal(np.asarray(image), pixels)
    assert b"RABIT" not in content


def test_pictures_are_turned_and_laid_on_white(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4), "red").save(tmp_path / "a.jpg", exif=exif)
    assert load_picture(tmp_path / "a.jpg").size == (4, 6)
    Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(tmp_path / "b.png")
    assert load_picture(tmp_path / "b.png").getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 32768, np.uint16)).save(tmp_path / "a.png")
    assert load_picture(tmp_path / "a.png").getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_damaged_pictures_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.png: cannot be read as a picture"):
        load_picture(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        load_picture(tmp_path / "none.png")


def test_maps_of_numbers_are_recognised() -> None:
    labels = Image.fromarray(np.tile(np.arange(12, dtype=np.uint8), (4, 1))).convert("RGB")
    assert is_number_map(labels)
    assert not is_number_map(Image.new("RGB", (4, 4), (0, 30, 0)))
    assert not is_number_map(Image.new("RGB", (4, 4), (200, 200, 200)))


def test_sizes_of_one_proportion_become_the_largest() -> None:
    images = [Image.new("RGB", size) for size in ((6, 4), (12, 8), (9, 6))]
    assert common_size(images) == (12, 8)
    assert [resized(image, (12, 8)).size for image in images] == [(12, 8)] * 3
    assert resized(images[1], (12, 8)) is images[1]
    with pytest.raises(ValueError, match="other proportions"):
        common_size([*images, Image.new("RGB", (8, 8))])


def test_a_spoiled_picture_is_far_from_it_in_colour_and_detail() -> None:
    rng = np.random.default_rng(0)
    pixels = np.zeros((60, 40, 3), np.uint8)
    pixels[..., 0] = 220
    pixels[::2, ::2] = 250
    bad = np.asarray(spoiled(Image.fromarray(pixels), rng), np.float64)
    assert bad.shape == pixels.shape
    means = bad.mean(axis=(0, 1))
    assert means[0] < 60 and means[1] > 170 and means[2] > 170
    again = np.asarray(spoiled(Image.fromarray(pixels), np.random.default_rng(0)))
    assert np.array_equal(bad, again)


def test_tiny_pictures_can_be_spoiled() -> None:
    assert spoiled(Image.new("RGB", (3, 1)), np.random.default_rng(0)).size == (3, 1)


def test_mirrored_exchanges_left_and_right() -> None:
    image = Image.new("RGB", (3, 1))
    image.putpixel((0, 0), (9, 8, 7))
    assert mirrored(image).getpixel((2, 0)) == (9, 8, 7)
