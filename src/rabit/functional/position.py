"""Coordinates that tell apart the positions inside a semantic region (section 3.1, figure 3)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def semantic_position(
    regions: Int[Tensor, "B H W"],
    *,
    radius: bool = False,
    components: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "B P H W"]:
    """Gives every region of every image a coordinate system of its own.

    The origin is the region's centroid; each axis is divided by the region's largest absolute
    offset on it, so that coordinates lie in [-1, 1]. An axis on which a region is one pixel wide
    is 0. A constant: no gradient flows.

    Args:
        regions: (B, H, W) region id per pixel, any integers.
        radius: adds a third channel, the distance to the centroid sqrt(x² + y²) / sqrt(2).
        components: every 4-connected component of a region is a region of its own (on the CPU).
        dtype: of the result.

    Returns:
        (B, 2, H, W) x and y, or (B, 3, H, W) with the radius.

    Raises:
        ValueError: `regions` is not an integer tensor of three dimensions.
    """
    if regions.ndim != 3 or regions.is_floating_point() or regions.is_complex():
        raise ValueError(
            f"regions have shape {tuple(regions.shape)} and dtype {regions.dtype}, expected "
            "integer region ids (B, H, W)"
        )
    batch, height, width = regions.shape
    ids = _components(regions) if components else _ids(regions)
    rows, columns = torch.meshgrid(
        torch.arange(height, device=ids.device),
        torch.arange(width, device=ids.device),
        indexing="ij",
    )
    pixels = torch.stack([columns, rows]).reshape(2, 1, -1).expand(2, batch, -1).reshape(2, -1)
    position = _centred(pixels, ids.reshape(-1), dtype)
    if radius:
        distance = position.square().sum(0, keepdim=True).div(2).sqrt()
        position = torch.cat([position, distance])
    return position.reshape(-1, batch, height, width).transpose(0, 1).contiguous()


def image_position(
    size: tuple[int, int],
    batch: int = 1,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "B 2 H W"]:
    """Gives the whole image one coordinate system (the paper's vanilla position encoding).

    Args:
        size: (H, W) in positions.
        batch: number of images.
        device: of the result.
        dtype: of the result.

    Returns:
        (B, 2, H, W) x and y, -1 and 1 at the centres of the outermost positions (0 for a side of
        one position).
    """
    height, width = size
    y, x = torch.meshgrid(
        _axis(height).to(device, dtype), _axis(width).to(device, dtype), indexing="ij"
    )
    return torch.stack([x, y]).expand(batch, 2, height, width)


def _axis(length: int) -> Tensor:
    return torch.linspace(-1, 1, length) if length > 1 else torch.zeros(1)


def _centred(pixels: Int[Tensor, "2 P"], ids: Int[Tensor, "P"], dtype: torch.dtype) -> Tensor:
    """Offsets from each region's centroid, divided by the largest of the region: (2, P).

    Offsets times the region's pixel count are integers, so one-pixel extents are exactly 0.
    """
    groups = int(ids.max()) + 1 if ids.numel() else 0
    counts = torch.bincount(ids, minlength=groups)
    sums = pixels.new_zeros(2, groups).index_add_(1, ids, pixels)
    offsets = pixels * counts[ids] - sums[:, ids]
    index = ids.expand(2, -1)
    largest = pixels.new_zeros(2, groups).scatter_reduce_(1, index, offsets.abs(), "amax")
    return (offsets.double() / largest.clamp(min=1)[:, ids]).to(dtype)


def _ids(regions: Int[Tensor, "B H W"]) -> Int[Tensor, "B H W"]:
    """Numbers the regions of all images from 0, so that no two images share one."""
    found, ids = regions.unique(return_inverse=True)
    images = torch.arange(len(regions), device=regions.device).view(-1, 1, 1)
    return ids + images * len(found)


def _components(regions: Int[Tensor, "B H W"]) -> Int[Tensor, "B H W"]:
    """Numbers the 4-connected components of equal ids of all images from 0."""
    # Imported here, since few models tell components apart and this takes long.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    labels = regions.cpu().numpy()
    pixels = np.arange(labels.size).reshape(labels.shape)
    across, down = labels[:, :, 1:] == labels[:, :, :-1], labels[:, 1:] == labels[:, :-1]
    first = np.concatenate([pixels[:, :, :-1][across], pixels[:, :-1][down]])
    second = np.concatenate([pixels[:, :, 1:][across], pixels[:, 1:][down]])
    edges = coo_matrix((np.ones(len(first), bool), (first, second)), (labels.size, labels.size))
    _, ids = connected_components(edges, directed=False)
    return torch.from_numpy(ids.astype(np.int64)).view(regions.shape).to(regions.device)
