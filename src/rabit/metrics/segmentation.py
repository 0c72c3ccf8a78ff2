"""Agreement of results with their conditions, by a segmenter: mean IoU and pixel accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.metrics.running import check_alike, check_images

Segmenter = Callable[[Float[Tensor, "B 3 H W"]], Int[Tensor, "B H W"]]
"""What gives a map of class ids for images in [-1, 1]."""


@dataclass(frozen=True)
class SegmentationScores:
    """Figures of a confusion matrix.

    Args:
        mean_iou: over the classes that are in the conditions or in the predictions, without the
            ignored one.
        accuracy: share of pixels whose predicted class is the condition's.
        class_iou: (C,) of each class; nan for one that is in neither, and for the ignored one.
        pixels: how many were counted.
    """

    mean_iou: float
    accuracy: float
    class_iou: tuple[float, ...]
    pixels: int


class SegmentationAgreement:
    """Whether results show the classes that their conditions ask for, as a segmenter sees them.

    IoU of a class = pixels that are of it in both / pixels that are of it in either, over all
    images; the mean over the classes that are in either somewhere. The ignored class has no IoU,
    even where it is predicted; such pixels are missed ones of their own class. Accuracy = pixels
    whose class is the condition's / pixels. Both between 0 and 1; higher is better. They are the
    segmenter's as much as the results': name it, and measure the true photographs beside them (as
    in SPADE, Park et al. 2019, 4).

    Args:
        classes: number of classes.
        ignored: id of the condition's pixels that are not counted; None counts all.
        segmenter: name of the segmenter, for the label.

    Raises:
        ValueError: the number of classes is not positive.
    """

    def __init__(
        self, classes: int, ignored: int | None = None, segmenter: str = "given maps"
    ) -> None:
        if classes < 1:
            raise ValueError(f"{classes} classes, expected 1 or more")
        self.classes = classes
        self.ignored = ignored
        self.segmenter = segmenter
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)

    @property
    def label(self) -> str:
        """What reports call the figures: it names the segmenter."""
        return f"segmentation agreement of {self.classes} classes ({self.segmenter})"

    def measure(
        self, predicted: Int[Tensor, "B H W"], condition: Int[Tensor, "B H W"]
    ) -> Int[Tensor, "B C C"]:
        """Returns the confusion matrix of each image; see `confusion_matrices`."""
        return confusion_matrices(predicted, condition, self.classes, self.ignored)

    def update(self, predicted: Int[Tensor, "B H W"], condition: Int[Tensor, "B H W"]) -> None:
        """Takes in maps.

        Args:
            predicted: the segmenter's maps of results.
            condition: the maps that results were made from.

        Raises:
            ValueError: maps do not fit.
        """
        self.confusion += self.measure(predicted, condition).sum(dim=0).cpu()

    @torch.no_grad()
    def update_images(
        self,
        images: Float[Tensor, "B 3 H W"],
        condition: Int[Tensor, "B H W"],
        segmenter: Segmenter,
    ) -> None:
        """Segments a batch of results in [-1, 1] and takes in the maps.

        Raises:
            ValueError: images, or the maps that the segmenter gives, do not fit.
        """
        check_images(images)
        self.update(segmenter(images), condition)

    def merge(self, other: SegmentationAgreement) -> None:
        """Takes in the images of another, such as that of another process.

        Raises:
            ValueError: it has other classes or another segmenter.
        """
        check_alike(self, other)
        self.confusion += other.confusion

    def compute(self) -> SegmentationScores:
        """Returns the figures of all images so far.

        Raises:
            ValueError: no pixel was counted.
        """
        return segmentation_scores(self.confusion, self.ignored)


def confusion_matrices(
    predicted: Int[Tensor, "B H W"],
    condition: Int[Tensor, "B H W"],
    classes: int,
    ignored: int | None = None,
) -> Int[Tensor, "B C C"]:
    """Counts the pixels of each image by the condition's class (rows) and the predicted one.

    Args:
        predicted: class ids.
        condition: class ids.
        classes: their number.
        ignored: id of the condition's pixels that are not counted.

    Raises:
        ValueError: shapes do not fit, maps hold no integers, or an id is no class.
    """
    maps = {"predictions": predicted, "conditions": condition}
    for name, ids in maps.items():
        if ids.is_floating_point() or ids.ndim != 3 or ids.shape != condition.shape:
            raise ValueError(
                f"{name} are {tuple(ids.shape)} of {ids.dtype}, expected integers (B, H, W) of one "
                "shape"
            )
    rows, columns = condition.long(), predicted.to(condition.device).long()
    counted = torch.ones_like(rows, dtype=torch.bool) if ignored is None else rows != ignored
    found = []
    for here, there, kept in zip(rows, columns, counted, strict=True):
        pair = here[kept], there[kept]
        for name, ids in zip(("conditions", "predictions"), pair, strict=True):
            if len(ids) and not (int(ids.min()) >= 0 and int(ids.max()) < classes):
                raise ValueError(
                    f"{name} hold ids from {int(ids.min())} to {int(ids.max())}, expected 0 to "
                    f"{classes - 1}"
                )
        cells = torch.bincount(pair[0] * classes + pair[1], minlength=classes**2)
        found.append(cells.view(classes, classes))
    return torch.stack(found)


def segmentation_scores(
    confusion: Int[Tensor, "C C"], ignored: int | None = None
) -> SegmentationScores:
    """Returns the figures of a confusion matrix; those of several images are added up first.

    Args:
        confusion: see `confusion_matrices`.
        ignored: id of the class that has no IoU; None for none.

    Raises:
        ValueError: it counts no pixel.
    """
    sides = confusion.sum(dim=1), confusion.sum(dim=0)
    return scores_of_counts(*sides, confusion.diagonal(), ignored)


def scores_of_counts(
    condition: Int[Tensor, " C"],
    predicted: Int[Tensor, " C"],
    both: Int[Tensor, " C"],
    ignored: int | None = None,
) -> SegmentationScores:
    """Returns the figures of pixels counted by class, all that they need of a confusion matrix.

    Args:
        condition: pixels whose condition is of the class.
        predicted: pixels that are predicted to be.
        both: pixels that are both.
        ignored: id of the class that has no IoU, though it may be predicted; None for none.

    Raises:
        ValueError: there is no pixel.
    """
    condition, predicted, both = (x.double() for x in (condition, predicted, both))
    total = condition.sum()
    if total == 0:
        raise ValueError("no pixels were measured, expected at least one that is not ignored")
    either = condition + predicted - both
    if ignored is not None and 0 <= ignored < len(either):
        either[ignored] = 0
    iou = torch.where(either > 0, both / either, torch.nan)
    return SegmentationScores(
        mean_iou=float(iou.nanmean()),
        accuracy=float(both.sum() / total),
        class_iou=tuple(iou.tolist()),
        pixels=int(total),
    )
