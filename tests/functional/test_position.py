from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rabit.functional import image_position, semantic_position


def reference(regions: Tensor) -> Tensor:
    """Plain loops over images, regions and axes."""
    batch, height, width = regions.shape
    out = torch.zeros(batch, 2, height, width)
    for image in range(batch):
        for region in regions[image].unique():
            rows, columns = (regions[image] == region).nonzero(as_tuple=True)
            for axis, places in enumerate((columns, rows)):
                offset = places.double() - places.double().mean()
                largest = offset.abs().max()
                if places.min() < places.max():
                    out[image, axis, rows, columns] = (offset / largest).float()
    return out


def test_convention_tiny_map() -> None:
    regions = torch.tensor([[[5, 5, 5], [5, 5, 5], [0, 9, 9]]])
    x, y = semantic_position(regions)[0]
    assert x.tolist() == [[-1, 0, 1], [-1, 0, 1], [0, -1, 1]]
    assert y.tolist() == [[-1, -1, -1], [1, 1, 1], [0, 0, 0]]


def test_convention_asymmetric_region() -> None:
    regions = torch.tensor([[[1, 1, 1, 1], [1, 0, 0, 0]]])
    x = semantic_position(regions)[0, 0]
    # Columns 0 1 2 3 0: centroid 1.2, largest offset 1.8.
    assert torch.allclose(x[0], torch.tensor([-1.2, -0.2, 0.8, 1.8]) / 1.8)


def test_equals_reference() -> None:
    torch.manual_seed(0)
    regions = torch.randint(0, 7, (3, 13, 9)) * 1000003
    position = semantic_position(regions)
    assert torch.allclose(position, reference(regions), atol=1e-6)
    assert float(position.abs().max()) == 1


def test_images_do_not_mix() -> None:
    torch.manual_seed(1)
    regions = torch.randint(0, 3, (2, 8, 8))
    both = semantic_position(regions)
    assert torch.equal(both[1:], semantic_position(regions[1:]))


def test_one_pixel_extent_is_exactly_zero_on_large_maps() -> None:
    regions = torch.zeros(1, 300, 517, dtype=torch.int64)
    regions[:, :, 333] = 1
    assert float(semantic_position(regions)[0, 0, :, 333].abs().max()) == 0


def test_radius() -> None:
    position = semantic_position(torch.zeros(1, 3, 3, dtype=torch.int64), radius=True)
    assert position.shape == (1, 3, 3, 3)
    half = 0.5**0.5
    assert torch.allclose(
        position[0, 2], torch.tensor([[1, half, 1], [half, 0, half], [1, half, 1]])
    )


def test_components_are_regions_of_their_own() -> None:
    regions = torch.tensor([[[1, 1, 0, 1, 1, 1], [0, 0, 1, 0, 0, 0]]])
    x = semantic_position(regions, components=True)[0, 0]
    assert x[0].tolist() == [-1, 1, 0, -1, 0, 1]
    # Diagonal neighbours are not connected.
    assert float(x[1, 2]) == 0
    joined = semantic_position(regions)[0, 0]
    assert not torch.equal(x, joined)


def test_components_equal_regions_where_each_is_connected() -> None:
    regions = torch.tensor([[[0, 0, 1], [2, 0, 1]], [[3, 3, 3], [1, 1, 1]]])
    assert torch.equal(semantic_position(regions, components=True), semantic_position(regions))


def test_constant_and_dtype() -> None:
    position = semantic_position(torch.zeros(1, 4, 4, dtype=torch.uint8), dtype=torch.float64)
    assert position.dtype == torch.float64
    assert not position.requires_grad


def test_image_position_convention() -> None:
    position = image_position((3, 5), batch=2)
    assert position.shape == (2, 2, 3, 5)
    assert position[1, 0, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert position[1, 1, :, 0].tolist() == [-1, 0, 1]
    assert float(image_position((1, 1)).abs().max()) == 0


def test_image_position_is_the_position_of_one_region() -> None:
    one = semantic_position(torch.zeros(1, 7, 10, dtype=torch.int64))
    assert torch.allclose(image_position((7, 10)), one, atol=1e-6)


@pytest.mark.parametrize("regions", (torch.zeros(1, 4, 4), torch.zeros(4, 4, dtype=torch.int64)))
def test_errors(regions: Tensor) -> None:
    with pytest.raises(ValueError, match="expected integer region ids"):
        semantic_position(regions)
