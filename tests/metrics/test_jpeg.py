from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from rabit.metrics.jpeg import as_jpeg
from rabit.metrics.pixels import psnr


def images(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 6, 8, generator=generator) * 2 - 1
    return F.interpolate(coarse, size=(48, 64), mode="bilinear")


def test_it_is_what_a_file_gives_back(tmp_path: object) -> None:
    x = images(1)
    picture = ((x[0].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8).numpy()
    Image.fromarray(picture).save(f"{tmp_path}/image.jpg")
    expected = np.array(Image.open(f"{tmp_path}/image.jpg"))
    found = ((as_jpeg(x)[0].permute(1, 2, 0) + 1) * 127.5).round().numpy()
    np.testing.assert_array_equal(found, expected)


def test_quality_and_subsampling_matter() -> None:
    x = images()
    found = [float(psnr(as_jpeg(x, quality), x).mean()) for quality in (10, 50, 95)]
    assert found[0] + 1 < found[1] < found[2] - 1
    assert float(psnr(as_jpeg(x, 95, "4:4:4"), x).mean()) > found[2]


def test_images_keep_shape_type_and_range() -> None:
    x = images().double()
    found = as_jpeg(x)
    assert found.shape == x.shape and found.dtype == x.dtype
    assert float(found.min()) >= -1 and float(found.max()) <= 1
    assert torch.equal(as_jpeg(x * 0 + 1), torch.ones_like(x))


def test_what_no_file_can_be_is_refused() -> None:
    with pytest.raises(ValueError, match="quality 100, expected 1 to 95"):
        as_jpeg(images(), 100)
    with pytest.raises(ValueError, match=r"'4:1:1', expected 4:4:4"):
        as_jpeg(images(), 75, "4:1:1")
