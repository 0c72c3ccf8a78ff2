"""The sliced Wasserstein distance against Progressive GAN's steps written in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from torch import Tensor

from rabit.metrics import sliced
from rabit.metrics.sliced import (
    SlicedWasserstein,
    laplacian_pyramid,
    patches_at,
    sorted_distance,
    standardised,
)


def pictures(seed: int, count: int = 4, height: int = 32, width: int = 32) -> Tensor:
    """Returns smooth pictures with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=generator) * 1.6 - 0.8
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=generator)).clamp(-1, 1)


def distance(generated: Tensor, real: Tensor, seed: int = 0, same_places: bool = True) -> float:
    metric = SlicedWasserstein(seed, same_places)
    metric.update(real, real=True)
    metric.update(generated, real=False)
    return metric.compute()


def numpy_pyramid(images: np.ndarray, levels: int) -> list[np.ndarray]:
    row = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(row, row)[None, None]
    pyramid = [images.astype(np.float64)]
    for _ in range(1, levels):
        down = scipy.ndimage.convolve(pyramid[-1], kernel, mode="mirror")[:, :, ::2, ::2]
        spread = np.zeros_like(pyramid[-1])
        spread[:, :, ::2, ::2] = down
        pyramid[-1] = pyramid[-1] - scipy.ndimage.convolve(spread, kernel * 4, mode="mirror")
        pyramid.append(down)
    return pyramid


@pytest.mark.parametrize(("height", "width", "levels"), [(64, 64, 3), (32, 80, 2), (35, 41, 2)])
def test_the_pyramid_equals_scipys(height: int, width: int, levels: int) -> None:
    images = pictures(0, 2, height, width)
    found = laplacian_pyramid(images)
    expected = numpy_pyramid(images.numpy(), levels)
    assert len(found) == levels
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize(("side", "sides"), [(16, [16]), (31, [31]), (64, [64, 32, 16])])
def test_levels_end_at_16(side: int, sides: list[int]) -> None:
    images = pictures(0, 1, side, side)
    assert [level.shape[-1] for level in laplacian_pyramid(images)] == sides
    metric = SlicedWasserstein()
    for real in (True, False):
        metric.update(images, real)
    assert list(metric.by_level()) == sides


def test_256_has_five_levels() -> None:
    sides = [level.shape[-1] for level in laplacian_pyramid(torch.zeros(1, 3, 256, 256))]
    assert sides == [256, 128, 64, 32, 16]


def test_patches_are_what_slices_cut_out() -> None:
    images = pictures(0, 2, 20, 24)
    corners = torch.tensor([[[0, 0], [13, 17]], [[5, 2], [1, 9]]])
    found = patches_at(images, corners)
    for b in range(2):
        for n in range(2):
            y, x = corners[b, n].tolist()
            assert torch.equal(found[b, n], images[b, :, y : y + 7, x : x + 7])


def test_patches_are_drawn_to_the_very_edge() -> None:
    metric = SlicedWasserstein()
    level = torch.zeros(1, 3, 16, 18)
    corners = torch.cat([metric._draw(level, True) for _ in range(30)])
    assert corners.min(dim=0).values.tolist() == [0, 0]
    assert corners.max(dim=0).values.tolist() == [9, 11]


def test_standardised_patches() -> None:
    patches = torch.randn(50, 3, 7, 7) * torch.tensor([1.0, 5.0, 0.1]).view(3, 1, 1) + 3
    flat = standardised(patches)
    expected = patches.double().numpy()
    expected = expected - expected.mean(axis=(0, 2, 3), keepdims=True)
    expected = expected / expected.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(flat.numpy(), expected.reshape(50, -1), atol=1e-4)
    assert torch.equal(standardised(torch.full((5, 3, 7, 7), 0.3)), torch.zeros(5, 147))


@pytest.mark.parametrize("counts", [(20, 20), (20, 30), (7, 1), (11, 13)])
def test_distances_on_a_line_are_exact(counts: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, 3, generator=generator) for n in counts)
    expected = [
        scipy.stats.wasserstein_distance(a[:, k].double(), b[:, k].double()) for k in range(3)
    ]
    np.testing.assert_allclose(sorted_distance(a, b).numpy(), expected, rtol=1e-6)


def test_a_shifted_line_is_as_far_as_the_shift() -> None:
    points = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    assert sorted_distance(points, points + 0.25).numpy() == pytest.approx([0.25, 0.25], rel=1e-5)


def test_it_is_progressive_gans_figure_written_out() -> None:
    real, generated = pictures(0), pictures(1) ** 3
    # The same draws; everything else in numpy.
    metric = SlicedWasserstein(5, same_places=False)
    draws = SlicedWasserstein(5, same_places=False)
    totals = []
    descriptors: dict[bool, list[list[np.ndarray]]] = {True: [[], []], False: [[], []]}
    for flag, images in ((True, real), (False, generated)):
        metric.update(images, flag)
        levels = numpy_pyramid(images.numpy(), 2)
        for i in range(len(images)):
            for number, level in enumerate(levels):
                corners = draws._draw(torch.from_numpy(level), flag).tolist()
                assert len(corners) == 128
                cut = [level[i, :, y : y + 7, x : x + 7] for y, x in corners]
                descriptors[flag][number].extend(cut)
    generator = torch.Generator().manual_seed(draws.directions_seed)
    for number in range(2):
        sides = []
        for flag in (True, False):
            d = np.stack(descriptors[flag][number])
            d = d - d.mean(axis=(0, 2, 3), keepdims=True)
            d = d / d.std(axis=(0, 2, 3), keepdims=True)
            sides.append(d.reshape(len(d), -1))
        found = []
        for directions in torch.randn(4, 147, 128, generator=generator).double().numpy():
            directions = directions / np.sqrt(np.square(directions).sum(axis=0, keepdims=True))
            a, b = (np.sort(side @ directions, axis=0) for side in sides)
            found.append(np.mean(np.abs(a - b)))
        totals.append(1000 * np.mean(found))
    assert list(metric.by_level().values()) == pytest.approx(totals, rel=1e-4)
    assert metric.compute() == pytest.approx(np.mean(totals), rel=1e-4)


def test_equal_sets_are_at_0_when_read_at_the_same_places() -> None:
    images = pictures(0)
    assert distance(images, images) == 0.0
    assert distance(images, images, same_places=False) > 1.0


def test_the_seed_decides_and_how_updates_split_does_not() -> None:
    real, generated = pictures(0, 6), pictures(1, 6)
    stream = SlicedWasserstein(3)
    for part in generated.split([1, 5]):
        stream.update(part, real=False)
    for part in real.split([2, 2, 2]):
        stream.update(part, real=True)
    whole = distance(generated, real, seed=3)
    assert stream.compute() == pytest.approx(whole, rel=1e-6)
    assert distance(generated, real, seed=3) == whole
    assert distance(generated, real, seed=4) != whole


def test_merged_parts_give_what_all_at_once_gives() -> None:
    generated, real = pictures(0, 6), pictures(1, 6)
    parts = [SlicedWasserstein(3, first=first) for first in (0, 2, 5)]
    for metric, ours, theirs in zip(
        parts, generated.split([2, 3, 1]), real.split([2, 3, 1]), strict=True
    ):
        metric.update(ours, real=False)
        metric.update(theirs, real=True)
    merged = SlicedWasserstein(3)
    for part in parts[:2]:
        merged.merge(part)
    # It goes on behind what was merged as if it had measured that itself.
    merged.update(generated[5:], real=False)
    merged.update(real[5:], real=True)
    assert merged.compute() == pytest.approx(distance(generated, real, seed=3), rel=1e-6)
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    assert parts[0].compute() == pytest.approx(merged.compute(), rel=1e-6)
    unmoved = SlicedWasserstein(3)
    unmoved.update(generated[2:], real=False)
    with pytest.raises(ValueError, match="from number 0 on, expected 6: give first=6"):
        merged.merge(unmoved)
    with pytest.raises(ValueError, match="expected .* with"):
        merged.merge(SlicedWasserstein(4))


def test_sets_of_different_sizes_can_be_compared() -> None:
    images = pictures(0, 6)
    assert distance(images[:4], images) < distance(pictures(1, 4) ** 5, images)


@pytest.mark.parametrize("kind", ["noise", "blur"])
def test_worse_images_are_farther_away(kind: str) -> None:
    real = pictures(0)
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(1))
    found = []
    for strength in (0, 1, 3):
        if kind == "noise":
            worse = real + 0.05 * strength * noise
        else:
            width = 2 * strength + 1
            worse = torch.nn.functional.avg_pool2d(
                torch.nn.functional.pad(real, (strength,) * 4, mode="reflect"), width, stride=1
            )
        found.append(distance(worse.clamp(-1, 1), real))
    assert found[0] == 0 < found[1] < found[2]


def test_it_is_blind_to_contrast() -> None:
    real = pictures(0)
    assert distance(real * 0.5 + 0.2, real) < 0.1


def test_results_that_carry_gradients_are_measured() -> None:
    images = pictures(0, 2)
    assert distance(images.clone().requires_grad_(), images) == 0.0


def test_what_cannot_be_measured_is_refused() -> None:
    metric = SlicedWasserstein()
    with pytest.raises(ValueError, match="15x40, expected at least 16"):
        metric.update(torch.zeros(1, 3, 15, 40), real=True)
    metric.update(torch.zeros(1, 3, 16, 16), real=True)
    with pytest.raises(ValueError, match="16x17, expected 16x16 as before"):
        metric.update(torch.zeros(1, 3, 16, 17), real=False)
    with pytest.raises(ValueError, match="no generated images"):
        metric.compute()


def test_the_constants_are_progressive_gans() -> None:
    assert (sliced.PATCH, sliced.PATCHES, sliced.REPEATS, sliced.DIRECTIONS) == (7, 128, 4, 128)
