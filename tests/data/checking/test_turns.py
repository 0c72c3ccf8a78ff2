from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rabit.data.checking.swaps import draw_outlines, draw_strengths
from rabit.data.checking.turns import fits_as_stored
from rabit.data.decoding import Decoded, orientation, rgb_pixels

EXIF_ORIENTATION = 0x0112


def scene() -> np.ndarray:
    """A map with no symmetry."""
    ids = np.zeros((96, 96), np.int64)
    ids[8:30, 10:80] = 1
    ids[50:90, 20:40] = 2
    return ids


def stored(ids: np.ndarray, noted: int) -> tuple[Image.Image, np.ndarray]:
    """A photograph with a note whose stored pixels are of a map, and as it is read."""
    colours = np.array([[200, 40, 60], [20, 220, 90], [30, 60, 230]], np.uint8)
    image = Image.fromarray(colours[ids])
    image.getexif()[EXIF_ORIENTATION] = noted
    return image, rgb_pixels(Decoded(image, "JPEG", "RGB"), "scene")


@pytest.mark.parametrize("noted", range(1, 9))
def test_maps_drawn_on_unturned_pixels_are_told(noted: int) -> None:
    image, upright = stored(scene(), noted)
    assert orientation(image) == noted
    strengths = draw_strengths(upright)
    assert fits_as_stored(strengths, draw_outlines(scene()), noted) == (noted > 1)
    right = (upright[..., 1] > 100) + 2 * (upright[..., 2] > 100)
    assert not fits_as_stored(strengths, draw_outlines(right), noted)


@pytest.mark.parametrize("noted", (0, 9, "six"))
def test_notes_that_mean_nothing_are_upright(noted: int | str) -> None:
    image = Image.new("RGB", (4, 4))
    image.getexif()[EXIF_ORIENTATION] = noted
    assert orientation(image) == 1


def test_flat_pictures_fit_neither_way() -> None:
    flat = draw_strengths(np.zeros((80, 80, 3), np.uint8))
    assert not fits_as_stored(flat, draw_outlines(scene()), 6)
    assert not fits_as_stored(flat, draw_outlines(np.zeros((80, 80), np.int64)), 6)
