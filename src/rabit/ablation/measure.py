"""Pictures of a test set measured, as in the paper's tables and against the known truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.ablation.results import Made, Results
from rabit.ablation.testset import EXEMPLARS, TestSet
from rabit.data.batch import Batch, collate
from rabit.layers.vgg import Vgg
from rabit.metrics.consistency import SemanticConsistency, StyleConsistency
from rabit.metrics.copied import Copied
from rabit.metrics.diversity import Diversity
from rabit.metrics.frechet import FrechetDistance, vgg_extractor
from rabit.metrics.perceptual import PerceptualDistance
from rabit.metrics.pixels import Psnr, Ssim
from rabit.metrics.running import Estimate, RunningMean
from rabit.metrics.sliced import SlicedWasserstein

BATCH = 8


@dataclass(frozen=True)
class Measured:
    """Figures of one method's pictures.

    Args:
        figures: by part and name, such as translation.fd; what cannot be measured is left out.
        labels: what each figure is called in full, with the network that it reads.
    """

    figures: dict[str, float]
    labels: dict[str, str]


def measure(
    results: Results,
    test: TestSet,
    backbone: Vgg,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measures a method's pictures of a whole test set.

    Args:
        results: the method's pictures.
        test: what they were made from.
        backbone: the feature network.
        device: where it is.
        progress: called with the number of pictures measured and their total.

    Raises:
        ValueError: a picture does not fit its sample.
    """
    total = sum(len(samples) for samples in test.parts().values())
    done = 0
    parts = {"translation": _Meters(backbone), "manipulation": _Meters(backbone)}
    diversity = Diversity(backbone)
    seconds, timed = 0.0, 0
    for part, samples in test.parts().items():
        step = EXEMPLARS if part == "diverse" else BATCH
        for first in range(0, len(samples), step):
            taken = [samples[i] for i in range(first, min(first + step, len(samples)))]
            made = results.make(part, first, taken)
            if part == "diverse":
                diversity.update(made.images.to(device))
            else:
                parts[part].update(collate(taken, len(test.classes)).to(device), made)
            if made.seconds is not None:
                seconds, timed = seconds + made.seconds, timed + len(taken)
            done += len(taken)
            if progress is not None:
                progress(done, total)
    figures = {f"{part}.{name}": value for part, m in parts.items() for name, value in m.figures()}
    figures["translation.diversity"] = diversity.compute().mean
    labels = {f"{part}.{name}": text for part, m in parts.items() for name, text in m.labels()}
    labels["translation.diversity"] = diversity.label
    if timed:
        figures["seconds"] = seconds / timed
        labels["seconds"] = "seconds an image"
    return Measured(figures, {name: labels[name] for name in figures})


class L1:
    """Mean absolute difference of images and truth, of values in [0, 1]; lower is better."""

    def __init__(self) -> None:
        self.running = RunningMean()

    def update(self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> None:
        """Measures a batch of images in [-1, 1]."""
        self.running.add((images - truth).abs().double().flatten(1).mean(dim=1) / 2)

    def compute(self) -> Estimate:
        """Returns the mean over all images so far."""
        return self.running.estimate()


class _Meters:
    """The figures of one part of a test set."""

    def __init__(self, backbone: Vgg) -> None:
        deepest = "relu5_2" if "relu5_2" in backbone.names else "relu5_1"
        self.fd = FrechetDistance(vgg_extractor(backbone))
        self.swd = SlicedWasserstein()
        self.semantic = SemanticConsistency(backbone, deepest)
        self.style = StyleConsistency(backbone, statistic="deviation")
        self.copied = Copied()
        # Those that need a truth with the exemplar's look.
        self.known: dict[str, Psnr | Ssim | L1 | PerceptualDistance] = {
            "psnr": Psnr(),
            "ssim": Ssim(),
            "l1": L1(),
            "perceptual": PerceptualDistance(backbone),
        }
        self.warped = Psnr()

    def update(self, batch: Batch, made: Made) -> None:
        """Measures the pictures of a batch."""
        images, truth = made.images.to(batch.truth.device), batch.truth
        regions, theirs = batch.condition.regions, batch.exemplar_condition.regions
        for distance in (self.fd, self.swd):
            distance.update(images, real=False)
            distance.update(truth, real=True)
        self.semantic.update(images, truth, regions)
        self.style.update(images, batch.exemplar, regions, theirs)
        self.copied.update(images, batch.exemplar, regions, theirs)
        known = batch.paired
        if known.any():
            for meter in self.known.values():
                meter.update(images[known], truth[known])
            if made.warped is not None:
                self.warped.update(made.warped.to(truth.device)[known], truth[known])

    def figures(self) -> list[tuple[str, float]]:
        """Returns the figures by name; those of no picture are left out."""
        means: dict[str, Any] = {
            "semantic": self.semantic,
            "style": self.style,
            "copied": self.copied,
            **self.known,
            "warped_psnr": self.warped,
        }
        found = [(name, meter.compute().mean) for name, meter in means.items()
                 if meter.running.count]  # fmt: skip
        return [("fd", self.fd.compute()), ("swd", self.swd.compute()), *found]

    def labels(self) -> list[tuple[str, str]]:
        """Returns what each figure is called."""
        return [
            ("fd", self.fd.label),
            ("swd", self.swd.label),
            ("semantic", self.semantic.label),
            ("style", self.style.label),
            ("copied", self.copied.label),
            ("psnr", "PSNR in dB"),
            ("ssim", "SSIM"),
            ("l1", "L1, of values in [0, 1]"),
            ("perceptual", PerceptualDistance(self.semantic.backbone).label),
            ("warped_psnr", "PSNR in dB of the warped exemplar"),
        ]
