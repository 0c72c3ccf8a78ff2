from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw
from skimage import feature

from rabit.data.edges import (
    EDGE_CHANNELS,
    CannyPicture,
    LinePicture,
    canny,
    crop_channels,
    edge_distance,
    line_channels,
    read_lines,
    resize_lines,
)
from rabit.data.transforms import View, resize_image

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


def ellipse(size: int = 64) -> np.ndarray:
    """A grey ellipse on a darker ground, off centre."""
    image = Image.new("RGB", (size, size), (40, 60, 40))
    ImageDraw.Draw(image).ellipse((size // 8, size // 4, size // 2, size - 8), fill=(200, 190, 90))
    return np.array(image)


def plain_distance(edges: np.ndarray) -> np.ndarray:
    """City-block distance by comparing every pixel with every edge pixel, in 8 bits as stored."""
    stored = np.full(edges.shape, 255, dtype=np.uint8)
    on = np.argwhere(edges)
    for y, x in np.ndindex(*edges.shape) if len(on) else ():
        stored[y, x] = min(int(np.abs(on - (y, x)).sum(axis=1).min()) // 3, 255)
    return stored.astype(np.float32) / np.float32(255)


def test_distance_of_one_pixel() -> None:
    edges = np.zeros((3, 8), dtype=bool)
    edges[1, 1] = True
    steps = np.rint(edge_distance(edges) * 255).astype(int).tolist()
    assert steps == [
        [0, 0, 0, 1, 1, 1, 2, 2],
        [0, 0, 0, 0, 1, 1, 1, 2],
        [0, 0, 0, 1, 1, 1, 2, 2],
    ]


@given(MASKS)
def test_distance_equals_the_plain_one(edges: np.ndarray) -> None:
    distance = edge_distance(edges)
    assert distance.dtype == np.float32
    np.testing.assert_array_equal(distance, plain_distance(edges))


def test_distance_without_edges_is_one() -> None:
    assert (edge_distance(np.zeros((4, 5), dtype=bool)) == 1).all()


def test_distance_stays_below_one() -> None:
    edges = np.zeros((1, 1000), dtype=bool)
    edges[0, 0] = True
    distance = edge_distance(edges)
    assert distance[0, 764] == np.float32(254) / np.float32(255)
    assert (distance[0, 765:] == 1).all()


def test_canny_is_scikit_images_on_luma() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    expected = feature.canny(np.array(Image.fromarray(pixels).convert("L")))
    assert expected.any()
    np.testing.assert_array_equal(canny(pixels), expected)


def test_canny_finds_a_step_and_nothing_on_plain_ground() -> None:
    pixels = np.zeros((30, 30, 3), dtype=np.uint8)
    assert not canny(pixels).any()
    pixels[:, 15:] = 255
    edges = canny(pixels)
    assert edges[5:25, 14:16].any(axis=1).all()
    assert not edges[:, :13].any() and not edges[:, 17:].any()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (5, 1)])
def test_canny_of_tiny_pictures(size: tuple[int, int]) -> None:
    assert canny(np.full((*size, 3), 200, dtype=np.uint8)).shape == size


def test_line_channels() -> None:
    edges = np.eye(9, dtype=bool)
    channels = line_channels(edges)
    assert len(channels) == len(EDGE_CHANNELS)
    np.testing.assert_array_equal(channels[0], edges)
    np.testing.assert_array_equal(channels[1], edge_distance(edges))


def test_crop_then_flip() -> None:
    channels = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
    view = View(scaled=(4, 6), corner=(1, 2), size=(2, 3), flip=False)
    np.testing.assert_array_equal(crop_channels(channels, view), channels[:, 1:3, 2:5])
    mirrored = View(view.scaled, view.corner, view.size, flip=True)
    np.testing.assert_array_equal(crop_channels(channels, mirrored), channels[:, 1:3, 4:1:-1])


def test_thin_lines_survive_shrinking() -> None:
    lines = np.zeros((100, 90), dtype=bool)
    lines[:, 37] = True
    small = resize_lines(lines, (7, 9))
    np.testing.assert_array_equal(small, np.arange(9)[None, :].repeat(7, axis=0) == 3)


@given(MASKS, st.integers(1, 20), st.integers(1, 20))
def test_resized_lines_cover_every_line_and_nothing_else(
    lines: np.ndarray, height: int, width: int
) -> None:
    resized = resize_lines(lines, (height, width))
    assert resized.shape == (height, width)
    assert resized.any() == lines.any()
    assert resized.all() or not lines.all()
    if height <= lines.shape[0] and width <= lines.shape[1]:
        tops, lefts = (
            [range(i * s // t, (i + 1) * s // t) for i in range(t)]
            for s, t in zip(lines.shape, resized.shape, strict=True)
        )
        for y, x in np.ndindex(height, width):
            assert resized[y, x] == lines[np.ix_(tops[y], lefts[x])].any()


@given(MASKS)
def test_lines_of_the_same_size_stay(lines: np.ndarray) -> None:
    np.testing.assert_array_equal(resize_lines(lines, (lines.shape[0], lines.shape[1])), lines)


class TestReadLines:
    lines = np.zeros((12, 16), dtype=bool)
    lines[3, 2:14] = True
    lines[5:9, 7] = True

    @pytest.mark.parametrize("ink", [0, 90, 180])
    def test_dark_on_white(self, tmp_path: Path, ink: int) -> None:
        Image.fromarray(np.where(self.lines, ink, 255).astype(np.uint8)).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_lines(tmp_path / "a.png"), self.lines)

    @pytest.mark.parametrize("ink", [90, 255])
    def test_white_on_black(self, tmp_path: Path, ink: int) -> None:
        Image.fromarray(np.where(self.lines, ink, 0).astype(np.uint8)).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_lines(tmp_path / "a.png"), self.lines)

    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "I;16"])
    def test_modes(self, tmp_path: Path, mode: str) -> None:
        if mode == "I;16":
            image = Image.fromarray(self.lines.astype(np.uint16) * 65_535)
        else:
            image = Image.fromarray(self.lines.astype(np.uint8) * 255).convert(mode)
        path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
        image.save(path)
        np.testing.assert_array_equal(read_lines(path), self.lines)

    def test_ink_on_transparent(self, tmp_path: Path) -> None:
        pixels = np.zeros((*self.lines.shape, 4), dtype=np.uint8)
        pixels[self.lines, 3] = 255
        Image.fromarray(pixels).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_lines(tmp_path / "a.png"), self.lines)

    @pytest.mark.parametrize("value", [0, 128, 255])
    def test_blank(self, tmp_path: Path, value: int) -> None:
        blank = np.full((9, 9), value, dtype=np.uint8)
        blank[4, 4] ^= 7  # what compression leaves
        Image.fromarray(blank).save(tmp_path / "a.png")
        assert not read_lines(tmp_path / "a.png").any()

    def test_no_picture(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_text("lines")
        with pytest.raises(ValueError, match=r"a\.png: cannot be read as an image"):
            read_lines(tmp_path / "a.png")
        with pytest.raises(FileNotFoundError, match=r"b\.png"):
            read_lines(tmp_path / "b.png")


def test_canny_picture_finds_edges_before_the_crop() -> None:
    pixels = ellipse(100)
    view = View(scaled=(72, 60), corner=(8, 5), size=(64, 48), flip=False)
    condition = CannyPicture(pixels).condition(view)
    edges = canny(resize_image(pixels, (72, 60)))
    assert condition.channels is not None
    assert edges[8:, 5:53].any()
    np.testing.assert_array_equal(condition.channels.numpy(), line_channels(edges)[:, 8:72, 5:53])
    assert condition.regions.shape == (64, 48) and not condition.regions.any()
    np.testing.assert_array_equal(CannyPicture(pixels).image(view), view.image(pixels))


def test_line_picture_measures_to_lines_beyond_the_crop() -> None:
    edges = np.zeros((32, 32), dtype=bool)
    edges[:, 0] = True
    view = View(scaled=(32, 32), corner=(0, 12), size=(16, 8), flip=False)
    condition = LinePicture(ellipse(64), edges).condition(view)
    assert condition.channels is not None
    drawn, distance = condition.channels.numpy()
    assert not drawn.any()
    np.testing.assert_array_equal(np.rint(distance * 255), [[4, 4, 4, 5, 5, 5, 6, 6]] * 16)


@pytest.mark.parametrize("kind", ["canny", "lines"])
def test_flip_mirrors(kind: str) -> None:
    pixels = ellipse(64)
    picture = CannyPicture(pixels) if kind == "canny" else LinePicture(pixels, canny(pixels))
    view = View(scaled=(70, 70), corner=(3, 4), size=(64, 64), flip=False)
    mirrored = View(view.scaled, view.corner, view.size, flip=True)
    seen, flipped = (picture.condition(v).channels for v in (view, mirrored))
    assert seen is not None and flipped is not None
    assert not seen.equal(flipped)
    assert seen.equal(flipped.flip(-1))
    np.testing.assert_array_equal(picture.image(mirrored), picture.image(view)[:, ::-1])
