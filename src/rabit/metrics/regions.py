"""Statistics of features over the regions of a map, as if features had the map's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

# Steps of the features' precision, of a region's largest mean, that a flat region may vary by.
_ROUNDING = 4


@dataclass(frozen=True)
class RegionStatistics:
    """What the features of one image are like in each region.

    Args:
        ids: (R,) the map's ids, ascending.
        areas: (R,) float64, pixels of each region.
        means: (R, C) float64, mean of each channel over the region.
        deviations: (R, C) float64, standard deviation of each channel over the region, divided by
            its number of pixels; 0 where it is no more than rounding of the features.
    """

    ids: Int[Tensor, " R"]
    areas: Float[Tensor, " R"]
    means: Float[Tensor, "R C"]
    deviations: Float[Tensor, "R C"]


def region_statistics(
    features: Float[Tensor, "C h w"], regions: Int[Tensor, "H W"]
) -> RegionStatistics:
    """Measures features over regions, each pixel reading the features of its nearest cell.

    The same as resizing the features to (H, W) by F.interpolate's nearest, whose memory it spares:
    how many pixels of each region read each cell is enough.
    """
    height, width = features.shape[-2:]
    cells = torch.arange(height * width, dtype=torch.float64, device=features.device)
    cells = F.interpolate(cells.view(1, 1, height, width), size=regions.shape, mode="nearest")
    ids, inverse = torch.unique(regions, return_inverse=True)
    pairs = inverse.flatten() * (height * width) + cells.flatten().long()
    counts = torch.bincount(pairs, minlength=len(ids) * height * width).view(len(ids), -1)
    counts = counts.double()
    flat = features.double().flatten(1).T
    areas = counts.sum(dim=1)
    means = counts @ flat / areas[:, None]
    deviations = _deviations(flat, counts, means)
    rounding = _ROUNDING * torch.finfo(features.dtype).eps * means.abs().amax(dim=1, keepdim=True)
    deviations = torch.where(deviations <= rounding, 0, deviations)
    return RegionStatistics(ids=ids, areas=areas, means=means, deviations=deviations)


def _deviations(
    flat: Float[Tensor, "N C"], counts: Float[Tensor, "R N"], means: Float[Tensor, "R C"]
) -> Float[Tensor, "R C"]:
    """Returns the deviations of cells over regions that read each of them so many times.

    They are centred before they are squared: mean squares less squared means would leave nothing
    but rounding of a flat region. Each region touches its own cells only.
    """
    rows, cells = counts.nonzero(as_tuple=True)
    sizes = torch.bincount(rows, minlength=len(counts)).tolist()
    found = [
        count[own] @ (flat[own] - mean).square() / count.sum()
        for own, count, mean in zip(cells.split(sizes), counts, means, strict=True)
    ]
    return torch.stack(found).sqrt()


def cosine(a: Float[Tensor, "*N C"], b: Float[Tensor, "*N C"]) -> Float[Tensor, "*N"]:
    """Returns the cosine of vectors; two of zeros are alike (1), one of zeros is like none (0)."""
    lengths = a.norm(dim=-1), b.norm(dim=-1)
    product = lengths[0] * lengths[1]
    found = (a * b).sum(dim=-1) / torch.where(product > 0, product, 1)
    return torch.where((lengths[0] == 0) & (lengths[1] == 0), 1.0, found.clamp(-1, 1))


def check_regions(images: Float[Tensor, "B 3 H W"], maps: Sequence[Tensor | None]) -> list[Tensor]:
    """Returns the maps that a reading by region needs.

    Raises:
        ValueError: one is missing, holds no integers or is of another size than the images.
    """
    height, width = images.shape[-2:]
    return check_maps(len(images), maps, (height, width))


def check_maps(
    count: int, maps: Sequence[Tensor | None], size: tuple[int, int] | None = None
) -> list[Tensor]:
    """Returns maps of regions, (B, H, W).

    Args:
        count: number of images, B.
        maps: what to check.
        size: (H, W); None for maps of any size.

    Raises:
        ValueError: one is missing, holds no integers or has another shape.
    """
    found = []
    for regions in maps:
        if regions is None:
            raise ValueError("the reading by region needs maps of regions (B, H, W), found none")
        shape = (count, *(size or regions.shape[1:]))
        if regions.is_floating_point() or regions.ndim != 3 or tuple(regions.shape) != shape:
            raise ValueError(
                f"regions are {tuple(regions.shape)} of {regions.dtype}, expected integers {shape}"
            )
        found.append(regions)
    return found
