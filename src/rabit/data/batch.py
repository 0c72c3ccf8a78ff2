"""What every corpus yields: one sample, and samples collated into a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rabit.functional.condition import Condition


@dataclass(frozen=True)
class PictureCondition:
    """The condition of one picture, not yet in a batch.

    Args:
        regions: (H, W) int64, see `Condition`; of a semantic map the class ids.
        channels: (C, H, W) float32 in [0, 1]; None for a semantic map whose classes do not overlap,
            which becomes one-hot channels in a batch.
    """

    regions: Int[Tensor, "H W"]
    channels: Float[Tensor, "C H W"] | None = None


@dataclass(frozen=True)
class Sample:
    """One training or test sample of a corpus.

    Args:
        condition: of (H, W), the condition X.
        exemplar: (3, H, W) float32 in [-1, 1], the exemplar Z.
        exemplar_condition: the exemplar's own condition.
        truth: (3, H, W) float32 in [-1, 1], the photograph X' that the condition belongs to.
        paired: whether the truth has the exemplar's look (the pseudo pairs of L_pse).
        name: what to call the sample in reports and errors.
    """

    condition: PictureCondition
    exemplar: Float[Tensor, "3 H W"]
    exemplar_condition: PictureCondition
    truth: Float[Tensor, "3 H W"]
    paired: bool
    name: str


@dataclass(frozen=True)
class Batch:
    """Samples stacked, with conditions as the networks read them.

    Args:
        condition: (B, C, H, W) channels and (B, H, W) regions.
        exemplar: (B, 3, H, W) in [-1, 1].
        exemplar_condition: the exemplar's own condition.
        truth: (B, 3, H, W) in [-1, 1].
        paired: (B,) bool, true where the truth has the exemplar's look.
        names: one name a sample.
    """

    condition: Condition
    exemplar: Float[Tensor, "B 3 H W"]
    exemplar_condition: Condition
    truth: Float[Tensor, "B 3 H W"]
    paired: Bool[Tensor, " B"]
    names: tuple[str, ...]

    def to(self, device: torch.device | str) -> Batch:
        """Returns the same batch on another device."""
        return Batch(
            condition=self.condition.to(device),
            exemplar=self.exemplar.to(device),
            exemplar_condition=self.exemplar_condition.to(device),
            truth=self.truth.to(device),
            paired=self.paired.to(device),
            names=self.names,
        )


@dataclass(frozen=True)
class PackedBatch:
    """A batch as the processes that read hand it over: ids are not yet spread into channels.

    One-hot channels of 150 classes are a hundred times the size of the ids, and are made sooner
    where they are needed.

    Args:
        condition: regions (B, H, W), and channels (B, C, H, W) where they are no ids.
        exemplar_condition: the same of the exemplars.
        exemplar: as in `Batch`.
        truth: as in `Batch`.
        paired: as in `Batch`.
        names: as in `Batch`.
        classes: number of channels.
    """

    condition: tuple[Tensor, Tensor | None]
    exemplar_condition: tuple[Tensor, Tensor | None]
    exemplar: Float[Tensor, "B 3 H W"]
    truth: Float[Tensor, "B 3 H W"]
    paired: Bool[Tensor, " B"]
    names: tuple[str, ...]
    classes: int

    def unpack(self, device: torch.device | str) -> Batch:
        """Returns the batch on a device."""
        return Batch(
            condition=_spread(self.condition, self.classes, device),
            exemplar=self.exemplar.to(device),
            exemplar_condition=_spread(self.exemplar_condition, self.classes, device),
            truth=self.truth.to(device),
            paired=self.paired.to(device),
            names=self.names,
        )


def collate(samples: Sequence[Sample], channels: int) -> Batch:
    """Stacks samples of one size into a batch.

    Args:
        samples: at least one sample, all of one size and one kind of condition.
        channels: number of channels of the corpus' conditions (classes of semantic maps).

    Returns:
        The batch, on the CPU.

    Raises:
        ValueError: a label id lies outside [0, channels), or a condition has another number of
            channels; the sample is named.
    """
    return pack(samples, channels).unpack("cpu")


def pack(samples: Sequence[Sample], channels: int) -> PackedBatch:
    """Stacks samples as `collate` does, without spreading ids into channels."""
    names = [sample.name for sample in samples]
    return PackedBatch(
        condition=_stack([s.condition for s in samples], channels, names),
        exemplar_condition=_stack([s.exemplar_condition for s in samples], channels, names),
        exemplar=torch.stack([s.exemplar for s in samples]),
        truth=torch.stack([s.truth for s in samples]),
        paired=torch.tensor([s.paired for s in samples]),
        names=tuple(names),
        classes=channels,
    )


def stack_conditions(
    conditions: Sequence[PictureCondition], channels: int, names: Sequence[str]
) -> Condition:
    """Stacks conditions of one size and kind.

    Args:
        conditions: at least one.
        channels: number of channels.
        names: of the conditions, for errors.

    Raises:
        ValueError: a label id lies outside [0, channels), or there are other channels; the
            condition is named.
    """
    return _spread(_stack(conditions, channels, names), channels, "cpu")


def _spread(
    packed: tuple[Tensor, Tensor | None], classes: int, device: torch.device | str
) -> Condition:
    """Moves packed conditions to a device and gives ids their channels."""
    regions, channels = packed
    if channels is None:
        return Condition.from_labels(regions.to(device), classes)
    return Condition(channels=channels.to(device), regions=regions.to(device))


def _stack(
    conditions: Sequence[PictureCondition], channels: int, names: Sequence[str]
) -> tuple[Tensor, Tensor | None]:
    """Stacks regions, and channels unless all conditions are ids."""
    regions = torch.stack([condition.regions for condition in conditions])
    for condition, name in zip(conditions, names, strict=True):
        if condition.channels is None:
            high = int(condition.regions.max())
            if high >= channels:
                raise ValueError(
                    f"{name}: label id {high} in a corpus of {channels} classes (0 to "
                    f"{channels - 1}); fix the map or the list of classes"
                )
        elif len(condition.channels) != channels:
            raise ValueError(
                f"{name}: a condition of {len(condition.channels)} channels, expected {channels}"
            )
    if all(condition.channels is None for condition in conditions):
        return regions, None
    parts = [
        Condition.from_labels(condition.regions[None], channels).channels[0]
        if condition.channels is None
        else condition.channels
        for condition in conditions
    ]
    return regions, torch.stack(parts)
