"""What every corpus yields: one sample, and samples collated into a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rabit.functional.condition import Condition


@dataclass(frozen=True)
class Sample:
    """One training or test sample of a corpus of semantic maps.

    Args:
        labels: (H, W) int64 class ids, the condition X.
        exemplar: (3, H, W) float32 in [-1, 1], the exemplar Z.
        exemplar_labels: (H, W) int64 class ids of the exemplar.
        truth: (3, H, W) float32 in [-1, 1], the photograph X' that the condition belongs to.
        paired: whether the truth has the exemplar's look (the pseudo pairs of L_pse).
        name: what to call the sample in reports and errors.
    """

    labels: Int[Tensor, "H W"]
    exemplar: Float[Tensor, "3 H W"]
    exemplar_labels: Int[Tensor, "H W"]
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


def collate(samples: Sequence[Sample], classes: int) -> Batch:
    """Stacks samples of one size into a batch.

    Args:
        samples: at least one sample, all of the same height and width.
        classes: number of classes of the corpus.

    Returns:
        The batch, on the CPU.

    Raises:
        ValueError: a label id lies outside [0, classes); the sample is named.
    """
    for sample in samples:
        high = max(int(sample.labels.max()), int(sample.exemplar_labels.max()))
        if high >= classes:
            raise ValueError(
                f"{sample.name}: label id {high} in a corpus of {classes} classes (0 to "
                f"{classes - 1}); fix the map or the list of classes"
            )
    labels = torch.stack([s.labels for s in samples])
    exemplar_labels = torch.stack([s.exemplar_labels for s in samples])
    return Batch(
        condition=Condition.from_labels(labels, classes),
        exemplar=torch.stack([s.exemplar for s in samples]),
        exemplar_condition=Condition.from_labels(exemplar_labels, classes),
        truth=torch.stack([s.truth for s in samples]),
        paired=torch.tensor([s.paired for s in samples]),
        names=tuple(s.name for s in samples),
    )
