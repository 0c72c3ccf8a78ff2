"""The condition that a translation follows: its channels and its regions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """A batch of conditions (semantic maps, edges or poses) as the networks read them.

    Args:
        channels: (B, C, H, W) float; one-hot for semantic maps, [0, 1] for edges and poses.
        regions: (B, H, W) int64; the region that each pixel belongs to, which semantic position
            encoding gives a coordinate system of its own (semantic classes for semantic maps).
    """

    channels: Float[Tensor, "B C H W"]
    regions: Int[Tensor, "B H W"]

    @classmethod
    def from_labels(cls, labels: Int[Tensor, "B H W"], classes: int) -> Condition:
        """Builds the condition of semantic maps.

        Args:
            labels: (B, H, W) integer class ids in [0, classes).
            classes: number of classes.

        Returns:
            One-hot float32 channels (B, classes, H, W) and the map itself as regions.

        Raises:
            ValueError: it is no integer tensor of three dimensions, or an id lies outside
                [0, classes), or there is no class.
        """
        if not isinstance(labels, Tensor):
            raise ValueError(f"labels are a {type(labels).__name__}, expected a tensor (B, H, W)")
        if labels.ndim != 3 or labels.is_floating_point() or not labels.numel():
            raise ValueError(
                f"labels have shape {tuple(labels.shape)} and dtype {labels.dtype}, expected "
                "integer class ids (B, H, W)"
            )
        if classes < 1:
            raise ValueError(f"classes is {classes}, expected 1 or more")
        labels = labels.long()
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            raise ValueError(
                f"label map has ids {low} to {high}, expected 0 to {classes - 1} for {classes} "
                "classes; fix the map or give the right number of classes"
            )
        ids = torch.arange(classes, device=labels.device).view(1, -1, 1, 1)
        return cls(channels=(labels[:, None] == ids).float(), regions=labels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.channels.shape[-2], self.channels.shape[-1]

    def to(self, device: torch.device | str) -> Condition:
        """Returns the same condition on another device.

        Raises:
            ValueError: it is a dtype, in which large ids would have no exact number.
        """
        if isinstance(device, torch.dtype):
            raise ValueError(f"{device} is no device; a condition keeps its types")
        return Condition(self.channels.to(device), self.regions.to(device))

    def __getitem__(self, rows: slice) -> Condition:
        """Returns the conditions of some rows of the batch.

        Raises:
            ValueError: the rows are not given as a slice.
        """
        if not isinstance(rows, slice):
            raise ValueError(
                f"rows of the batch are {rows!r}, expected a slice such as [0:1]: the batch stays"
            )
        return Condition(self.channels[rows], self.regions[rows])
