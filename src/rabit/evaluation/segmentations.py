"""Mean IoU and pixel accuracy of maps that a user's segmenter made of the pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
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
        ignored: id of the conditions' pixels that are not counted, and of the class that is left
            out of the mean IoU; None counts all.
    """

    folder: Path
    ignored: int | None = None


@dataclass(frozen=True)
class SegmentationFigures:
    """The figures of a method whose pictures were segmented, kept for differences to others'.

    Args:
        values: of all samples, by the name of the quantity.
        drawn: of every resample; nan of one without a counted pixel.
        influence: the figure less that of all other samples, of each; nan for a sample without a
            counted pixel.
        resamples: which gave `drawn`, those of all methods.
    """

    values: Mapping[str, float]
    drawn: Mapping[str, Float[Tensor, " R"]]
    influence: Mapping[str, Float[Tensor, " N"]]
    resamples: Resamples

    def figures(self) -> dict[str, Figure]:
        """Returns the figures with bootstrap intervals."""
        return {
            name: self.resamples.figure(value, self.drawn[name], self.influence[name])
            for name, value in self.values.items()
        }

    def difference(self, other: SegmentationFigures) -> dict[str, Figure]:
        """Returns the figures less another method's, with intervals, in the same resamples each."""
        return {
            name: self.resamples.figure(
                value - other.values[name],
                self.drawn[name] - other.drawn[name],
                self.influence[name] - other.influence[name],
            )
            for name, value in self.values.items()
        }


def segmentation_figures(
    folder: Path,
    names: Sequence[str],
    samples: Samples,
    classes: int,
    resamples: Resamples,
    ignored: int | None = None,
) -> SegmentationFigures:
    """Returns the figures of a method whose pictures were segmented, over all and over resamples.

    Args:
        folder: holds NAME.png, a map of class ids, for every sample.
        names: of the samples.
        samples: whose conditions the maps should be.
        classes: number of classes.
        resamples: of the samples.
        ignored: id of the conditions' pixels that are not counted, and of the class that is left
            out of the mean IoU; None counts all.

    Raises:
        FileNotFoundError: a map is missing.
        ValueError: a map has another size, an id is no class, or no pixel is counted.
    """
    counts = torch.stack(
        [
            _counts(folder / f"{name}.png", samples, i, classes, ignored)
            for i, name in enumerate(names)
        ]
    )
    total = counts.sum(dim=0)
    whole = scores_of_counts(total[0], total[1], total[2], ignored)
    values = {"mean_iou": whole.mean_iou, "pixel_accuracy": whole.accuracy}
    known = counts.flatten(1).any(dim=1)
    drawn = resamples.sums(counts.flatten(1).double(), known).long().unflatten(1, (3, classes))
    others = _scores(total - counts, ignored)
    # The others of the only sample with a counted pixel have no figure.
    moved = {name: (value - others[name]).nan_to_num() for name, value in values.items()}
    return SegmentationFigures(
        values=values,
        drawn=_scores(drawn, ignored),
        influence={name: each.where(known, torch.nan) for name, each in moved.items()},
        resamples=resamples,
    )


def _scores(counts: Int[Tensor, "N 3 C"], ignored: int | None) -> dict[str, Float[Tensor, " N"]]:
    """Returns the figures of each of several counts; nan where no pixel is counted."""
    scores = [
        scores_of_counts(each[0], each[1], each[2], ignored) if bool(each.any()) else None
        for each in counts
    ]
    found = [(s.mean_iou, s.accuracy) if s else (math.nan, math.nan) for s in scores]
    columns = torch.tensor(found, dtype=torch.float64)
    return {"mean_iou": columns[:, 0], "pixel_accuracy": columns[:, 1]}


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
