"""Sliced Wasserstein distance between small patches of results and of photographs."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from rabit.metrics.running import check_alike, check_images

COARSEST = 16
PATCH = 7
PATCHES = 128
REPEATS = 4
DIRECTIONS = 128
FACTOR = 1000.0
# A channel that varies less than float32 rounds images in [-1, 1] does not vary.
FLAT = 1e-6


class SlicedWasserstein:
    """SWD between two sets of images, as the code of Progressive GAN computes it (Karras et al.
    2018).

    Of each image, the levels of its Laplacian pyramid whose shorter side is at least 16; of each
    level, 128 patches of 7x7 at random places; of all patches of a set, every colour channel
    standardised; then the mean over 4·128 random directions of the Wasserstein-1 distance between
    the projections of both sets, |difference| of the sorted ones where sets are of one size.
    Averaged over levels, times 1000. From 0 up; lower is better. Blind to brightness, contrast and
    tint of a whole set, which standardising removes.

    Where Progressive GAN draws places for both sets on their own, image i of both is read at the
    same places here: where results and photographs come in one order, much of the noise of few
    images falls away, and a set against itself is at exactly 0. `same_places=False` draws them
    apart: 48 photographs of 128x128 are then 22 away from themselves, and 35 from 48 others.
    Either way the figure falls with the number of images; compare under one number.

    The result depends on the seed and the images' order, not on how updates split them. Patches
    are kept: 73.5 KiB a level and image, 1.8 GB a side for 5000 images of 256x256.

    Args:
        seed: of places and directions.
        same_places: whether image i of both sets is read at the same places.
        first: how many images of each set lie in front of these, for a part of sets whose parts
            are merged in order.
    """

    label = "SWD"

    def __init__(self, seed: int = 0, same_places: bool = True, first: int = 0) -> None:
        self.drawn_by, self.first = (seed, same_places), first
        seeds = torch.Generator().manual_seed(seed)
        one, other, self.directions_seed = torch.randint(2**62, (3,), generator=seeds).tolist()
        self.places = {
            True: torch.Generator().manual_seed(one),
            False: torch.Generator().manual_seed(one if same_places else other),
        }
        self.patches: dict[bool, list[list[Tensor]]] = {True: [], False: []}
        self.size: tuple[int, int] | None = None
        self.device = torch.device("cpu")

    @torch.no_grad()
    def update(self, images: Float[Tensor, "B 3 H W"], real: bool) -> None:
        """Takes in a batch of images in [-1, 1], photographs or results.

        Raises:
            ValueError: the shape or range does not fit, the size is not that of the images before,
                or a side is shorter than 16.
        """
        check_images(images)
        size = (images.shape[-2], images.shape[-1])
        if min(size) < COARSEST:
            raise ValueError(
                f"images are {size[0]}x{size[1]}, expected at least {COARSEST} pixels a side"
            )
        if self.size is not None and size != self.size:
            raise ValueError(
                f"images are {size[0]}x{size[1]}, expected {self.size[0]}x{self.size[1]} as before"
            )
        self.size, self.device = size, images.device
        levels = laplacian_pyramid(images.float())
        kept = self.patches[real]
        if not kept:
            kept.extend([] for _ in levels)
            for _ in range(self.first):
                for level in levels:
                    self._draw(level, real)
        # Places are drawn image by image, so that they do not depend on the batches.
        drawn = [[self._draw(level, real) for level in levels] for _ in images]
        for number, level in enumerate(levels):
            corners = torch.stack([places[number] for places in drawn]).to(level.device)
            kept[number].append(patches_at(level, corners).flatten(0, 1).cpu())

    def merge(self, other: SlicedWasserstein) -> None:
        """Takes in the images behind its own, such as those of another process.

        Raises:
            ValueError: the other has another seed, does not begin (`first`) where this one ends,
                or its images are of another size.
        """
        check_alike(self, other)
        sizes = {size for size in (self.size, other.size) if size is not None}
        if other.drawn_by != self.drawn_by or len(sizes) > 1:
            raise ValueError(
                f"SWD of {other.size} images with {other.drawn_by}, expected {self.size} with "
                f"{self.drawn_by} (seed, same places)"
            )
        for real, theirs in other.patches.items():
            if not theirs:
                continue
            kept = self.patches[real]
            end = self.first + (sum(map(len, kept[0])) // PATCHES if kept else 0)
            if other.first != end:
                raise ValueError(
                    f"SWD of images from number {other.first} on, expected {end}: give first={end}"
                )
            if not kept:
                kept.extend([] for _ in theirs)
            for mine, level in zip(kept, theirs, strict=True):
                mine.extend(level)
            self.places[real].set_state(other.places[real].get_state())
        self.size = self.size or other.size

    def compute(self) -> float:
        """Returns the distance of all images so far, the mean of `by_level`."""
        levels = self.by_level()
        return sum(levels.values()) / len(levels)

    def by_level(self) -> dict[int, float]:
        """Returns the distance at each level, by the shorter side of its images, finest first.

        Raises:
            ValueError: there are no images on a side.
        """
        for real, name in ((True, "real"), (False, "generated")):
            if not self.patches[real]:
                raise ValueError(f"no {name} images were measured, expected at least one")
        assert self.size is not None
        found = {}
        generator = torch.Generator().manual_seed(self.directions_seed)
        side = min(self.size)
        for ours, theirs in zip(self.patches[False], self.patches[True], strict=True):
            a, b = (standardised(torch.cat(part).to(self.device)) for part in (ours, theirs))
            directions = torch.randn(REPEATS, a.shape[1], DIRECTIONS, generator=generator)
            directions = F.normalize(directions, dim=1).to(a.device)
            apart = [sorted_distance(a @ d, b @ d).mean() for d in directions]
            found[side] = FACTOR * float(torch.stack(apart).mean())
            side = (side + 1) // 2
        return found

    def _draw(self, level: Float[Tensor, "B 3 h w"], real: bool) -> Int[Tensor, "N 2"]:
        """Draws the upper left corners of one image's patches."""
        height, width = (side - PATCH + 1 for side in level.shape[-2:])
        corners = torch.randint(height * width, (PATCHES,), generator=self.places[real])
        return torch.stack([corners // width, corners % width], dim=1)


def laplacian_pyramid(images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B 3 h w"]]:
    """Splits images into bands of halved sizes while the shorter side is at least 16.

    Burt and Adelson's, as OpenCV's pyrDown and pyrUp make it: 5x5 binomial filter, edges mirrored
    without repeating them. The last level is the coarsest image itself.
    """
    levels, side = [images], min(images.shape[-2:])
    while side // 2 >= COARSEST:
        coarser = _binomial(levels[-1])[..., ::2, ::2]
        spread = torch.zeros_like(levels[-1])
        spread[..., ::2, ::2] = coarser
        levels[-1] = levels[-1] - 4 * _binomial(spread)
        levels.append(coarser)
        side //= 2
    return levels


def _binomial(images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Averages with the weights (1, 4, 6, 4, 1)/16 along both axes."""
    sizes = images.shape
    images = F.pad(images, (2, 2, 2, 2), mode="reflect")
    # Sums of shifted images, a third of the time of a convolution by channel.
    for axis in (2, 3):
        parts = [images.narrow(axis, shift, sizes[axis]) for shift in range(5)]
        images = (parts[0] + parts[4]) / 16 + (parts[1] + parts[3]) / 4 + parts[2] * (6 / 16)
    return images


def patches_at(
    images: Float[Tensor, "B C H W"], corners: Int[Tensor, "B N 2"]
) -> Float[Tensor, "B N C 7 7"]:
    """Cuts out patches by their upper left corners (row, column)."""
    offsets = torch.arange(PATCH, device=images.device)
    rows = (corners[..., 0, None] + offsets)[:, :, None, :, None]
    columns = (corners[..., 1, None] + offsets)[:, :, None, None, :]
    batch = torch.arange(len(images), device=images.device).view(-1, 1, 1, 1, 1)
    channels = torch.arange(images.shape[1], device=images.device).view(1, 1, -1, 1, 1)
    return images[batch, channels, rows, columns]


def standardised(patches: Float[Tensor, "N C h w"]) -> Float[Tensor, "N D"]:
    """Gives each channel zero mean and unit deviation over all patches, and flattens them.

    A channel that does not vary becomes zeros.
    """
    mean = patches.mean(dim=(0, 2, 3), keepdim=True, dtype=torch.float64)
    centred = patches - mean.float()
    deviation = centred.double().square().mean(dim=(0, 2, 3), keepdim=True).sqrt().float()
    scale = torch.where(deviation > FLAT, 1 / deviation.clamp(min=FLAT), 0)
    return (centred * scale).flatten(1)


def sorted_distance(a: Float[Tensor, "N K"], b: Float[Tensor, "M K"]) -> Float[Tensor, " K"]:
    """Returns the Wasserstein-1 distance between samples on a line, exact and in float64.

    Args:
        a: (N, K), N points on each of K lines.
        b: (M, K).
    """
    count, other = len(a), len(b)
    a, b = _ascending(a), _ascending(b)
    if count == other:
        return (a - b).abs().mean(dim=0, dtype=torch.float64)
    # Quantile functions are constant between multiples of 1/N and of 1/M, counted in 1/(N·M).
    steps = torch.cat([torch.arange(count) * other, torch.arange(other) * count]).unique()
    lengths = torch.diff(steps, append=torch.tensor([count * other])).double() / (count * other)
    steps, lengths = steps.to(a.device), lengths.to(a.device)
    return lengths @ (a[steps // other] - b[steps // count]).abs().double()


def _ascending(points: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    """Sorts each column; numpy takes a quarter of torch's time on a CPU."""
    if points.device.type == "cpu":
        return torch.from_numpy(np.sort(points.numpy(), axis=0))
    return points.sort(dim=0).values
