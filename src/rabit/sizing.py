"""The sizes that a model works at, and the way of conditions and images there and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rabit.config import ModelConfig
from rabit.data.batch import stack_conditions
from rabit.data.source import Picture
from rabit.data.transforms import View
from rabit.functional.condition import Condition

MAX_AREA_FACTOR = 4
"""Larger conditions are translated at this multiple of the area that the model was trained on."""

LEAST_STRIDES = 2
"""The shortest side of what is translated, in strides of the model."""


@dataclass(frozen=True)
class Layout:
    """Conditions at any size, with label maps not yet spread into one channel a class.

    A photograph's map of 150 classes would take gigabytes as channels before it is made smaller.

    Args:
        regions: (B, H, W) integer; the class ids of label maps, else as in `Condition`.
        channels: (B, C, H, W) float; None for label maps.
        classes: number of channels.
        pictures: what edges and poses were read from, which are made anew at every size as in
            training; none where channels were given.
        classwise: whether channels that were given are classes, whose pixels have them or have not.
    """

    regions: Int[Tensor, "B H W"]
    channels: Float[Tensor, "B C H W"] | None
    classes: int
    pictures: tuple[Picture, ...] = ()
    classwise: bool = False

    @classmethod
    def of_pictures(
        cls, pictures: tuple[Picture, ...], size: tuple[int, int], classes: int
    ) -> Layout:
        """Makes the conditions of pictures at a size."""
        names = ["condition"] * len(pictures)
        made = [picture.condition(View.whole(size)) for picture in pictures]
        condition = stack_conditions(made, classes, names)
        return cls(condition.regions, condition.channels, classes, pictures)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.regions.shape[-2], self.regions.shape[-1]

    def __len__(self) -> int:
        return len(self.regions)

    def to(self, device: torch.device | str) -> Layout:
        """Returns the same conditions on another device."""
        channels = None if self.channels is None else self.channels.to(device)
        return replace(self, regions=self.regions.to(device), channels=channels)

    def expand(self, count: int) -> Layout:
        """Returns a single condition as a batch of equal ones."""
        channels = None if self.channels is None else self.channels.expand(count, -1, -1, -1)
        regions = self.regions.expand(count, -1, -1)
        return replace(self, regions=regions, channels=channels, pictures=self.pictures * count)

    def resize(self, size: tuple[int, int]) -> Layout:
        """Returns the conditions at another size.

        Ids and channels of classes are those under the new pixels' centres; other channels that
        were given, which may be thin lines, are averaged (bilinear, antialiased).
        """
        if size == self.size:
            return self
        if self.pictures:
            return self.of_pictures(self.pictures, size, self.classes).to(self.regions.device)
        device = self.regions.device
        rows, columns = (
            torch.div(
                (2 * torch.arange(new, device=device) + 1) * old, 2 * new, rounding_mode="floor"
            )
            for old, new in zip(self.size, size, strict=True)
        )
        channels = self.channels
        if channels is not None and self.classwise:
            channels = channels[:, :, rows[:, None], columns]
        elif channels is not None:
            channels = F.interpolate(channels, size=size, mode="bilinear", antialias=True)
        return replace(self, regions=self.regions[:, rows[:, None], columns], channels=channels)

    def pad(self, size: tuple[int, int]) -> Layout:
        """Returns the conditions padded at the bottom and right by their last row and column."""
        if size == self.size:
            return self
        device = self.regions.device
        rows, columns = (
            torch.arange(new, device=device).clamp(max=old - 1)
            for old, new in zip(self.size, size, strict=True)
        )
        channels = self.channels
        if channels is not None:
            channels = channels[:, :, rows[:, None], columns]
        regions = self.regions[:, rows[:, None], columns]
        return replace(self, regions=regions, channels=channels, pictures=())

    def condition(self) -> Condition:
        """Returns the conditions as networks read them."""
        if self.channels is None:
            return Condition.from_labels(self.regions, self.classes)
        return Condition(self.channels, self.regions)

    def differs(
        self, other: Layout, channels: Sequence[int] | None = None
    ) -> Bool[Tensor, "B H W"]:
        """Returns where two layouts of one size are not the same.

        Args:
            other: the other.
            channels: numbers of those that are compared besides the regions; None for all.
        """
        changed = self.regions != other.regions
        if self.channels is None and other.channels is None:
            return changed
        which = slice(None) if channels is None else list(channels)
        own, others = (each.condition().channels[:, which] for each in (self, other))
        return changed | (own != others).any(dim=1)


def working_size(size: tuple[int, int], config: ModelConfig) -> tuple[int, int]:
    """Returns the size that a condition is translated at, before padding to the stride.

    The condition's own, unless its area is over MAX_AREA_FACTOR times the trained one (then
    smaller; the trained one where all pairs of positions are compared) or its shorter side under
    LEAST_STRIDES (then larger). The shape is kept, but for strips so thin that both cannot hold:
    their length is cut.
    """
    quadratic = config.alignment.method in ("dense", "dense-stored", "transport")
    factor = 1 if quadratic else MAX_AREA_FACTOR
    limit = factor * config.image_size[0] * config.image_size[1]
    least = LEAST_STRIDES * config.stride
    scale = min(1.0, math.sqrt(limit / (size[0] * size[1])))
    scale = max(scale, least / min(size))
    longest = max(limit // least, least)
    height, width = (min(max(round(side * scale), least), longest) for side in size)
    return height, width


def padded_size(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Returns the next larger multiples of the stride."""
    return math.ceil(size[0] / stride) * stride, math.ceil(size[1] / stride) * stride


def exemplar_size(
    size: tuple[int, int], target: tuple[int, int], config: ModelConfig
) -> tuple[int, int]:
    """Returns the size that an exemplar is matched at: about the condition's area and its own
    shape, both sides multiples of the model's stride.

    The shape is kept as far as the shorter side allows it, see `working_size`; there are at least
    the k blocks that the ranking retrieves, or the places that patchmatch keeps.

    Args:
        size: the exemplar's.
        target: the condition's working size.
        config: the model's configuration.
    """
    stride = config.stride
    area = max(target[0] * target[1], (LEAST_STRIDES * stride) ** 2)
    scale = math.sqrt(area / (size[0] * size[1])) / stride
    longest = area // (LEAST_STRIDES * stride**2)
    height, width = (min(max(round(side * scale), LEAST_STRIDES), longest) for side in size)
    alignment = config.alignment
    needed = alignment.k * (alignment.stride * alignment.block) ** 2
    if alignment.method == "patchmatch":
        needed = alignment.stride**2 * alignment.patchmatch.candidates
    while height * width * stride**2 < needed:
        height, width = height + 1, width + 1
    return height * stride, width * stride


def resize_images(
    images: Float[Tensor, "B C H W"], size: tuple[int, int], mode: str = "bilinear"
) -> Float[Tensor, "B C h w"]:
    """Returns images at another size; antialiased when bilinear, untouched if it is theirs."""
    if images.shape[-2:] == size:
        return images
    if mode == "nearest":
        return F.interpolate(images, size=size, mode="nearest-exact")
    return F.interpolate(images, size=size, mode="bilinear", antialias=True).clamp(-1, 1)


def edit_share(changed: Bool[Tensor, "B H W"]) -> Float[Tensor, "B 1 H W"]:
    """Returns how much of each pixel is generated: 1 in the edit, falling to 0 around it.

    With r = 1/32 of the shorter side: 1 up to r from the edit, 0 beyond 3 r.

    Args:
        changed: (B, H, W) the pixels that are edited.
    """
    reach = max(min(changed.shape[1:]) // 32, 1)
    grown = changed
    for dim in (1, 2):
        grown = _window_sum(grown, 2 * reach, dim) > 0
    total, count = grown, torch.ones_like(grown[:1])
    for dim in (1, 2):
        total, count = _window_sum(total, reach, dim), _window_sum(count, reach, dim)
    return (total.double() / count).float()[:, None]


def _window_sum(x: Tensor, reach: int, dim: int) -> Int[Tensor, "B H W"]:
    """Sums over what lies up to `reach` away on one axis: exact, at the same cost for any reach."""
    sums = F.pad(x.cumsum(dim).movedim(dim, -1), (1, 0)).movedim(-1, dim)
    at = torch.arange(x.shape[dim], device=x.device)
    ends = sums.index_select(dim, (at + reach + 1).clamp(max=x.shape[dim]))
    return ends - sums.index_select(dim, (at - reach).clamp(min=0))
