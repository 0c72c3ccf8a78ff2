"""Mean IoU and pixel accuracy of maps that a user's segmenter made of the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from rabit.data.images import read_labels
from rabit.evaluation.intervals import Figure, Resamples
from rabit.evaluation.quantities import Quantity
from rabit.evaluation.testset import Samples
from rabit.metrics.segmentation import confusion_matrices, scores_of_counts

SEGMENTATION_QUANTITIES = (
    Quantity(
        "mean_iou", "mean IoU", "mean IoU of the classes (given maps)", "consistency", "higher", 3
    ),
    Quantity(
        "pixel_accuracy", "accuracy", "pixel accuracy (given maps)", "consistency", "higher", 3
    ),
)


@dataclass(frozen=True)
class Segmentations:
    """Maps that a segmenter made of pictures.

    Args:
        folder: METHOD/NAME.png, of class ids.
        ignored: id of the conditions' pixels that are not counted; None counts all.
    """

    folder: Path
    ignored: int | None = None


def segmentation_figures(
    folder: Path,
    names: Sequence[str],
    samples: Samples,
    classes: int,
    resamples: Resamples,
    ignored: int | None = None,
) -> dict[str, Figure]:
    """Returns the figures of a method whose pictures were segmented, with bootstrap intervals.

    Args:
        folder: holds NAME.png, a map of class ids, for every sample.
        names: of the samples.
        samples: whose conditions the maps should be.
        classes: number of classes.
        resamples: of the samples.
        ignored: id of the conditions' pixels that are not counted; None counts all.

    Raises:
        FileNotFoundError: a map is missing.
        ValueError: a map has another size, or an id is no class.
    """
    counts = torch.stack(
        [
            _counts(folder / f"{name}.png", samples, i, classes, ignored)
            for i, name in enumerate(names)
        ]
    )
    whole = scores_of_counts(*counts.sum(dim=0))
    drawn = [
        scores_of_counts(*counts[rows].sum(dim=0)) for rows in resamples.samples(resamples.count)
    ]
    values = {
        "mean_iou": (whole.mean_iou, [each.mean_iou for each in drawn]),
        "pixel_accuracy": (whole.accuracy, [each.accuracy for each in drawn]),
    }
    return {
        name: Figure(value, *resamples.ends(torch.tensor(of, dtype=torch.float64)), len(names))
        for name, (value, of) in values.items()
    }


def _counts(
    path: Path, samples: Samples, index: int, classes: int, ignored: int | None
) -> Int[Tensor, "3 C"]:
    """Counts a picture's pixels by class: of the condition, of the map, and of both."""
    regions = samples[index].condition.regions
    found = torch.from_numpy(read_labels(path, classes))
    if found.shape != regions.shape:
        raise ValueError(
            f"{path} is {found.shape[0]}x{found.shape[1]} (height x width), expected "
            f"{regions.shape[0]}x{regions.shape[1]}, as the picture"
        )
    confusion = confusion_matrices(found[None], regions[None], classes, ignored)[0]
    return torch.stack([confusion.sum(dim=1), confusion.sum(dim=0), confusion.diagonal()])
