"""An evaluation's figures with their intervals, from what its folder holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from rabit.data.images import read_image
from rabit.evaluation.extractors import set_heading, set_label
from rabit.evaluation.folder import EXEMPLARS, TRUTH, EvaluationFolder, stacked
from rabit.evaluation.intervals import Figure, Resamples
from rabit.evaluation.measure import Measuring, feature_name, slug
from rabit.evaluation.quantities import Quantity
from rabit.evaluation.run import Method, figures_of
from rabit.evaluation.segmentations import (
    SEGMENTATION_QUANTITIES,
    SegmentationFigures,
    Segmentations,
    segmentation_figures,
)
from rabit.evaluation.sets import SlicedDistances, frechet_figure, kernel_figure
from rabit.evaluation.testset import TestSet, file_name
from rabit.metrics.frechet import Extractor
from rabit.metrics.sliced import SlicedWasserstein


@dataclass(frozen=True)
class Row:
    """The figures of one method on one part of a test set.

    Args:
        method: its name.
        figures: by the name of the quantity; those that it has not are missing.
        against: differences of the first method's figures to its own, paired by sample, by name;
            empty for the first method, and without figures that the first method lacks on these
            samples. The interval of a difference is narrower than those of both figures, since hard
            samples are hard for both.
        samples: a figure a sample by name, nan where there is none.
        segmented: figures of maps, which no sample has alone; None without maps.
    """

    method: str
    figures: Mapping[str, Figure]
    against: Mapping[str, Figure]
    samples: Mapping[str, Tensor]
    segmented: SegmentationFigures | None = None


@dataclass(frozen=True)
class Part:
    """All methods on one part of a test set.

    Args:
        name: translation or manipulation.
        quantities: what was measured, in the order of tables.
        rows: a method each.
        sample_names: what the files of the samples are called.
        paired: number of samples of which a truth with the exemplar's look is known.
    """

    name: str
    quantities: tuple[Quantity, ...]
    rows: tuple[Row, ...]
    sample_names: tuple[str, ...]
    paired: int


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured.

    Args:
        parts: of the test set.
        seconds: that a picture took, by method; without those that made none here.
    """

    parts: tuple[Part, ...]
    seconds: Mapping[str, float]

    def part(self, name: str) -> Part:
        """Returns a part by its name."""
        return next(part for part in self.parts if part.name == name)


def summarise(
    methods: Sequence[Method],
    test: TestSet,
    measuring: Measuring,
    folder: EvaluationFolder,
    resamples: int,
    seed: int,
    device: torch.device,
    segmentations: Segmentations | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Computes means, distances between sets and intervals.

    Args:
        methods: at least one, whose batches are all in the folder.
        test: the test set.
        measuring: the figures.
        folder: where they are.
        resamples: number of bootstrap resamples.
        seed: of resamples, subsets and projections.
        device: where sliced distances are computed.
        segmentations: maps that a segmenter made of the pictures.
        progress: called with the number of methods done and their total, over parts.

    Raises:
        FileNotFoundError: a map is missing.
        ValueError: figures of a batch are missing, or a map does not fit.
    """
    parts, seconds = [], dict[str, list[Tensor]]()
    total, done = len(methods) * len(test.parts()), 0
    for name, samples in test.parts().items():
        names = tuple(file_name(name, index) for index in range(len(samples)))
        truth = stacked(list(figures_of(None, test, name, folder)))
        exemplars = numbered_pictures([folder.picture(EXEMPLARS, n) for n in names])
        draws = Resamples(test.clusters(name), resamples, seed, exemplars)
        context = _Context(name, test.clusters(name), truth, draws, seed)
        sliced = SlicedDistances(
            [folder.picture(TRUTH, n) for n, real in zip(names, context.real, strict=True) if real],
            len(names),
            device,
            seed,
        )
        rows: list[Row] = []
        for method in methods:
            batches = list(figures_of(method, test, name, folder))
            # Pictures of a batch that was stopped before it was measured have no times.
            timed = [batch["seconds"] for batch in batches if "seconds" in batch]
            seconds.setdefault(method.name, []).extend(timed)
            found = stacked(batches)
            pictures = [folder.picture(method.folder, n) for n in names]
            swd = sliced.figure(pictures)
            maps = None
            if segmentations is not None and (segmentations.folder / method.folder).is_dir():
                maps = segmentation_figures(
                    segmentations.folder / method.folder,
                    names,
                    samples,
                    len(test.classes),
                    context.resamples,
                    segmentations.ignored,
                )
            first = rows[0] if rows else None
            rows.append(_row(method, found, swd, maps, measuring, context, first))
            done += 1
            if progress is not None:
                progress(done, total)
        parts.append(
            Part(
                name,
                tuple(
                    q
                    for q in quantities_of(name, measuring)
                    if any(q.name in r.figures for r in rows)
                ),
                tuple(rows),
                names,
                int(truth["paired"].sum()),
            )
        )
    means = {name: float(torch.cat(values).mean()) for name, values in seconds.items() if values}
    return Evaluation(tuple(parts), means)


class _Context:
    """What the figures of all methods on one part have in common."""

    def __init__(
        self,
        part: str,
        clusters: Sequence[int],
        truth: Mapping[str, Tensor],
        resamples: Resamples,
        seed: int,
    ) -> None:
        self.part = part
        self.clusters = clusters
        self.truth = truth
        self.seed = seed
        self.resamples = resamples
        self.real = counted_once(clusters, truth["paired"] > 0)


def counted_once(clusters: Sequence[int], paired: Bool[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """Tells which truths make the set of photographs.

    A truth with the exemplar's look is a photograph of its own; without it, all samples of a
    condition have the same photograph, which counts once.
    """
    seen: set[int] = set()
    first = []
    for cluster in clusters:
        first.append(cluster not in seen)
        seen.add(cluster)
    return paired | torch.tensor(first)


def numbered_pictures(paths: Sequence[Path]) -> tuple[int, ...]:
    """Numbers pictures by their pixels: files with the same ones have the same number.

    Raises:
        ValueError: a file is damaged; it is named.
    """
    numbers: dict[bytes, int] = {}
    found = []
    for path in paths:
        try:
            pixels = read_image(path)
        except ValueError as error:
            raise ValueError(
                f"{error}; delete the file, and the same command makes it again"
            ) from error
        digest = hashlib.sha256(pixels.tobytes()).digest()
        found.append(numbers.setdefault(digest, len(numbers)))
    return tuple(found)


def set_names(extractor: Extractor, number: int) -> tuple[str, str]:
    """Returns the names of the Fréchet and the kernel distance under an extractor.

    Args:
        extractor: the feature network.
        number: of it among all, the main one first.
    """
    ending = "" if number == 0 else f"_{slug(extractor.label)}"
    return f"fd{ending}", f"kd{ending}"


def quantities_of(part: str, measuring: Measuring) -> tuple[Quantity, ...]:
    """What a part's tables have, distances between sets first."""
    sets = []
    for number, extractor in enumerate(measuring.networks.extractors):
        fd, kd = set_names(extractor, number)
        for name, genuine, other, digits in ((fd, "FID", "FD", 3), (kd, "KID", "KD", 4)):
            heading = set_heading(extractor, genuine, other, number == 0)
            label = set_label(extractor, genuine, other)
            paper = "FID" if number == 0 and name == fd else None
            sets.append(Quantity(name, heading, label, "quality", "lower", digits, paper))
    sets.append(Quantity("swd", "SWD", SlicedWasserstein.label, "quality", "lower", 2, "SWD"))
    return (*sets, *measuring.quantities(part), *SEGMENTATION_QUANTITIES)


def _row(
    method: Method,
    found: Mapping[str, Tensor],
    swd: Figure,
    segmented: SegmentationFigures | None,
    measuring: Measuring,
    context: _Context,
    first: Row | None,
) -> Row:
    figures: dict[str, Figure] = {}
    for number, extractor in enumerate(measuring.networks.extractors):
        name = feature_name(extractor)
        fd, kd = set_names(extractor, number)
        both = found[name], context.truth[name], context.real
        figures[fd] = frechet_figure(*both, context.resamples)
        figures[kd] = kernel_figure(*both, context.clusters, context.seed)
    figures["swd"] = swd
    if segmented is not None:
        figures |= segmented.figures()
    samples = {q.name: found[q.name] for q in measuring.quantities(context.part)}
    known = {name: values for name, values in samples.items() if bool(values.isfinite().any())}
    figures |= {name: context.resamples.mean(values) for name, values in known.items()}
    against: dict[str, Figure] = {}
    if first is not None:
        if first.segmented is not None and segmented is not None:
            against |= first.segmented.difference(segmented)
        for name, values in known.items():
            theirs = first.samples.get(name)
            if theirs is not None and bool((theirs - values).isfinite().any()):
                against[name] = context.resamples.difference(theirs, values)
    return Row(method.name, figures, against, known, segmented)
