from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rabit.data.checking.files import check_photograph
from rabit.data.images import read_image

EXIF_ORIENTATION = 0x0112


@given(cut=st.integers(0, 20_000), progressive=st.booleans(), orientation=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_the_quick_way_refuses_what_the_slow_one_does(
    tmp_path_factory: pytest.TempPathFactory, cut: int, progressive: bool, orientation: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "photograph.jpg"
    rng = np.random.default_rng(orientation)
    pixels = rng.integers(0, 256, (200, 160, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", progressive=progressive, exif=exif, quality=60)
    path.write_bytes(stream.getvalue()[: max(len(stream.getvalue()) - cut, 0)])
    try:
        size = read_image(path).shape[:2]
    except ValueError:
        size = None
    facts = check_photograph(path)
    assert facts.size == size
    assert facts.turned == (size is not None and orientation >= 5)
