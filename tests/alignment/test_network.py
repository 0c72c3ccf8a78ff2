"""The alignment network at both strides of the correspondence, half and a quarter of the image."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rabit.alignment.correspondence import Correspondence
from rabit.alignment.features import FeaturePyramid
from rabit.alignment.head import encode_position
from rabit.alignment.matrix import BlockMatrix
from rabit.alignment.network import Alignment, AlignmentNetwork, warp_pyramid
from rabit.functional.condition import Condition
from rabit.model.network import build_network
from tiny import tiny_batch, tiny_experiment

METHODS = ("ranking", "dense", "dense-stored", "transport", "patchmatch")


def pyramid(size: tuple[int, int], dtype: torch.dtype = torch.float32) -> FeaturePyramid:
    """Returns features of an image in which every number is another one."""
    channels, factors = (3, 2, 3, 4, 5), (1, 2, 2, 4, 4)
    generator = torch.Generator().manual_seed(0)
    return FeaturePyramid(
        *(
            torch.randn(2, c, size[0] // f, size[1] // f, generator=generator, dtype=dtype)
            for c, f in zip(channels, factors, strict=True)
        )
    )


def places(
    indices: Tensor, size: tuple[int, int], exemplar_size: tuple[int, int]
) -> Correspondence:
    """Returns the correspondence in which each place looks at one of the exemplar's, row-major."""
    count = len(indices)
    weights = torch.ones(2, count, 1, 1)
    matrix = BlockMatrix(
        size=size,
        exemplar_size=exemplar_size,
        weights=weights,
        indices=indices.view(1, -1, 1).expand(2, -1, -1),
        block=(1, 1),
        exemplar_block=(1, 1),
        cosine=torch.ones(2, 1, *size),
    )
    return Correspondence(matrix)


def network(stride: int, **changes: Any) -> AlignmentNetwork:
    config = tiny_experiment(64, alignment__stride=stride, **changes).model
    return build_network(config, seed=1).alignment


def align(
    part: AlignmentNetwork, size: tuple[int, int] = (64, 64), known: bool = True
) -> Alignment:
    """Aligns two scenes with exemplars that are brought to a size."""
    batch = tiny_batch(2)
    exemplar = F.interpolate(batch.exemplar, size=size)
    condition = batch.exemplar_condition
    channels = F.interpolate(condition.channels, size=size)
    regions = F.interpolate(condition.regions[:, None].float(), size=size)[:, 0].long()
    torch.manual_seed(0)  # patchmatch draws
    return part(batch.condition, exemplar, Condition(channels, regions) if known else None)


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("size", [(16, 24), (8, 4)])
def test_identity_gives_the_exemplar_back_exactly(stride: int, size: tuple[int, int]) -> None:
    z = pyramid(size)
    small = (size[0] // stride, size[1] // stride)
    warped = warp_pyramid(places(torch.arange(small[0] * small[1]), small, small), z)
    for i in range(1, 6):
        assert torch.equal(warped.scale(i), z.scale(i)), i


def test_places_of_a_quarter_carry_their_pixels() -> None:
    """Two places of 4x4 pixels look at the last and the first of the exemplar's 2x2 places."""
    z = pyramid((8, 8))
    warped = warp_pyramid(places(torch.tensor([3, 0]), (1, 2), (2, 2)), z)
    for i, cell in ((1, 4), (2, 2), (3, 2), (4, 1), (5, 1)):
        v = z.scale(i)
        expected = torch.cat([v[..., cell:, cell:], v[..., :cell, :cell]], dim=-1)
        assert torch.equal(warped.scale(i), expected), i


def test_places_of_a_half_average_what_is_coarser() -> None:
    """Four places of a quarter's one, two of them looking at another one than the others."""
    z = pyramid((8, 8))
    # Of 4x4 places, 0 and 1 lie in the first quarter, 2 in the second, 8 in the third.
    warped = warp_pyramid(places(torch.tensor([0, 1, 2, 8]), (2, 2), (4, 4)), z)
    x2, x4 = z.x2.flatten(2), z.x4.flatten(2)
    assert torch.equal(warped.x2.flatten(2), x2[..., [0, 1, 2, 8]])
    expected = (2 * x4[..., 0] + x4[..., 1] + x4[..., 2]) / 4
    torch.testing.assert_close(warped.x4[..., 0, 0], expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stride", [2, 4])
def test_every_method_aligns_and_learns(method: str, stride: int) -> None:
    part = network(stride, alignment__method=method)
    alignment = align(part, (32, 96))
    correspondence = alignment.correspondence
    assert correspondence is not None and alignment.stride == part.stride == stride
    assert correspondence.size == (64 // stride, 64 // stride)
    assert correspondence.exemplar_size == (32 // stride, 96 // stride)
    assert alignment.confidence.shape == (2, 1, 64 // stride, 64 // stride)
    for i, side in enumerate((64, 32, 32, 16, 16), start=1):
        assert alignment.warped_features.scale(i).shape[-2:] == (side, side)
    sums = [alignment.warped_features.scale(i).square().mean() for i in range(1, 6)]
    torch.stack([*sums, alignment.confidence.mean()]).sum().backward()
    for name, parameter in part.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name


def test_the_head_reads_averages_of_features_and_the_nearest_pixels() -> None:
    part, batch = network(4, alignment__radius=True).eval(), tiny_batch(2)
    given: list[tuple[Any, ...]] = []
    assert part.head is not None
    part.head.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    with torch.no_grad():
        alignment = part(batch.condition, batch.exemplar, batch.exemplar_condition)
    sides = (
        (alignment.condition_features, batch.condition),
        (alignment.exemplar_features, batch.exemplar_condition),
    )
    for (pooled, channels, position, _), (features, condition) in zip(given, sides, strict=True):
        assert features.x6 is not None
        means = features.x6.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5))
        torch.testing.assert_close(pooled, means)
        assert torch.equal(channels, condition.channels[..., ::4, ::4])
        expected = encode_position("semantic", condition.regions[..., ::4, ::4], radius=True)
        assert expected is not None and torch.equal(position, expected)


def test_without_the_exemplar_s_map_both_sides_get_the_image_s_coordinates() -> None:
    alignment = align(network(4), (64, 96), known=False)
    assert alignment.warped_exemplar.shape == (2, 3, 64, 64)


def test_without_alignment_the_confidence_is_of_the_stride_s_size() -> None:
    for stride in (2, 4):
        alignment = align(network(stride, alignment__method="none"), (32, 96))
        assert alignment.stride == stride and alignment.correspondence is None
        assert torch.equal(alignment.confidence, torch.ones(2, 1, 64 // stride, 64 // stride))


def test_both_strides_have_the_same_weights() -> None:
    first, second = network(2).state_dict(), network(4).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("what", ["alignment", "vectors"])
def test_sides_that_the_stride_does_not_divide_are_refused(what: str) -> None:
    part, batch = network(4), tiny_batch(2)
    run = part.vectors if what == "vectors" else part
    narrow = F.interpolate(batch.exemplar, size=(64, 62))
    with pytest.raises(ValueError, match="exemplar is 64x62 .*multiples of .* stride, 4; resize"):
        run(batch.condition, narrow, None)
    low = Condition(batch.condition.channels[:, :, :61], batch.condition.regions[:, :61])
    with pytest.raises(ValueError, match="condition is 61x64 .*multiples of .* stride, 4; resize"):
        run(low, batch.exemplar, None)
