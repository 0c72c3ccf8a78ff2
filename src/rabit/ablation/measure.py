"""The figures of one row's pictures: those of an evaluation, without intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rabit.data.batch import collate
from rabit.evaluation.folder import stacked
from rabit.evaluation.measure import Measuring, Networks, feature_name
from rabit.evaluation.results import Results
from rabit.evaluation.run import pieces
from rabit.evaluation.summary import counted_once, quantities_of, set_names
from rabit.evaluation.testset import TestSet
from rabit.metrics.frechet_features import frechet_of_features
from rabit.metrics.kernel import kernel_distance
from rabit.metrics.sliced import SlicedWasserstein


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
    networks: Networks,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measures a method's pictures of a whole test set.

    Args:
        results: the method's pictures.
        test: what they were made from.
        networks: what figures read.
        device: where they are.
        progress: called with the number of pictures measured and their total.

    Raises:
        ValueError: a picture does not fit its sample.
    """
    size = test.translation[0].truth.shape[-2:]
    measuring = Measuring(networks, test.exemplars, (size[0], size[1]))
    parts = {part: _Part(measuring, part) for part in test.parts()}
    total, done = sum(len(samples) for samples in test.parts().values()), 0
    seconds: list[float] = []
    for piece in pieces(test):
        samples = [test.parts()[piece.part][piece.first + i] for i in range(piece.count)]
        clusters = test.clusters(piece.part)[piece.first : piece.first + piece.count]
        made = results.make(piece.part, piece.first, samples)
        batch = collate(samples, len(test.classes)).to(device)
        inputs = measuring.inputs(batch)
        found = measuring.measure(piece.part, batch, inputs, made)
        real = counted_once(clusters, batch.paired.cpu())
        images, truth = made.images.to(device), batch.truth[real.to(device)]
        parts[piece.part].add(found, inputs.truth_figures, real, images, truth)
        if made.seconds is not None:
            seconds += [made.seconds / piece.count] * piece.count
        done += piece.count
        if progress is not None:
            progress(done, total)
    figures = {f"{n}.{name}": v for n, part in parts.items() for name, v in part.figures().items()}
    labels = {
        f"{part}.{quantity.name}": quantity.label
        for part in parts
        for quantity in quantities_of(part, measuring)
    }
    if seconds:
        figures["seconds"] = sum(seconds) / len(seconds)
        labels["seconds"] = "seconds an image"
    return Measured(figures, {name: labels[name] for name in figures})


class _Part:
    """What was measured of one part of a test set."""

    def __init__(self, measuring: Measuring, part: str) -> None:
        self.measuring = measuring
        self.part = part
        self.found: list[dict[str, Tensor]] = []
        self.photographs: list[dict[str, Tensor]] = []
        self.sliced: SlicedWasserstein | None = None

    def add(
        self,
        found: dict[str, Tensor],
        truth: dict[str, Tensor],
        real: Tensor,
        images: Tensor,
        photographs: Tensor,
    ) -> None:
        """Takes in a batch: its figures, those of its truths, and which of these count."""
        self.found.append(found)
        self.photographs.append({name: value.cpu()[real] for name, value in truth.items()})
        if self.sliced is None:
            # As `rabit.evaluation.sets.SlicedDistances`: both sides are in one order only where
            # all truths count, which the first batch tells of all.
            self.sliced = SlicedWasserstein(same_places=bool(real.all()))
        self.sliced.update(images, real=False)
        if len(photographs):
            self.sliced.update(photographs, real=True)

    def figures(self) -> dict[str, float]:
        """Returns the figures by name; those of no picture are left out."""
        found, truth = stacked(self.found), stacked(self.photographs)
        assert self.sliced is not None
        figures = {"swd": self.sliced.compute()}
        for number, extractor in enumerate(self.measuring.networks.extractors):
            fd, kd = set_names(extractor, number)
            ours, theirs = (side[feature_name(extractor)] for side in (found, truth))
            figures[fd] = frechet_of_features(ours, theirs)
            figures[kd] = kernel_distance(ours, theirs).mean
        for quantity in self.measuring.quantities(self.part):
            known = found[quantity.name]
            known = known[known.isfinite()]
            if len(known):
                figures[quantity.name] = float(known.mean())
        return figures
