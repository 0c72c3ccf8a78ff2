"""Models and baselines against the true translation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Float
from torch import Tensor

from rabit.data.batch import Batch, Sample, collate
from rabit.evaluation.baselines import (
    COPIED,
    MEAN_COLOURS,
    class_mean_colours,
    exemplar_copied,
)
from rabit.inference import Translator
from rabit.layers.vgg import Vgg
from rabit.metrics.perceptual import PerceptualDistance
from rabit.metrics.pixels import Psnr, Ssim
from rabit.metrics.running import Estimate

BATCH = 8


class PairedCorpus(Protocol):
    """A data set of samples whose truth has the exemplar's look."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by id."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True)
class Row:
    """The figures of one model or baseline.

    Args:
        name: of the model, its warped exemplar, or the baseline.
        psnr: in decibels, higher is better.
        ssim: at most 1, higher is better.
        distance: perceptual distance, lower is better.
        seconds: for one image; None for a baseline.
    """

    name: str
    psnr: Estimate
    ssim: Estimate
    distance: Estimate
    seconds: float | None


@dataclass(frozen=True)
class Benchmark:
    """A table of figures.

    Args:
        rows: baselines first, then each model and its warped exemplar.
        count: number of images.
        distance_label: what the perceptual distance is called.
    """

    rows: tuple[Row, ...]
    count: int
    distance_label: str


class _Meter:
    """The metrics of one row, and the time that its images took."""

    def __init__(self, backbone: Vgg) -> None:
        self.psnr, self.ssim = Psnr(), Ssim()
        self.distance = PerceptualDistance(backbone)
        self.seconds = 0.0

    def update(self, images: Tensor, truth: Tensor) -> None:
        saved = as_saved(images)
        for metric in (self.psnr, self.ssim, self.distance):
            metric.update(saved, truth)

    def row(self, name: str) -> Row:
        psnr = self.psnr.compute()
        return Row(
            name=name,
            psnr=psnr,
            ssim=self.ssim.compute(),
            distance=self.distance.compute(),
            seconds=self.seconds / psnr.count if self.seconds else None,
        )


def evaluate(
    models: Mapping[str, Translator],
    corpus: PairedCorpus,
    backbone: Vgg,
    progress: Callable[[int, int], None] | None = None,
) -> Benchmark:
    """Measures models, their warped exemplars and two baselines against the true translation.

    Images are measured as they would be saved, with 8 bits.

    Args:
        models: by name; a model without alignment has no warped exemplar.
        corpus: what to translate; all of it.
        backbone: features of the perceptual distance.
        progress: called with the number of images done and their total.

    Returns:
        The table.

    Raises:
        ValueError: a model was trained on other classes, the corpus is empty, or a truth does
            not have the exemplar's look.
    """
    for name, model in models.items():
        if model.classes != corpus.classes:
            raise ValueError(
                f"{name} was trained on the classes {', '.join(model.classes)}; the data has "
                f"{', '.join(corpus.classes)}"
            )
    meters: dict[str, _Meter] = {}

    def measure(name: str, images: Tensor, truth: Tensor) -> _Meter:
        meter = meters.setdefault(name, _Meter(backbone))
        meter.update(images, truth)
        return meter

    done = 0
    for batch in _batches(corpus):
        measure(COPIED, exemplar_copied(batch), batch.truth)
        measure(MEAN_COLOURS, class_mean_colours(batch), batch.truth)
        for name, model in models.items():
            started = time.perf_counter()
            result = model.translate(batch.condition, batch.exemplar, batch.exemplar_condition)
            image = result.image.cpu()
            seconds = time.perf_counter() - started
            measure(name, image, batch.truth).seconds += seconds
            if result.correspondence is not None:
                measure(f"{name}, warped exemplar", result.warped.cpu(), batch.truth)
        done += len(batch.names)
        if progress is not None:
            progress(done, len(corpus))
    return Benchmark(
        rows=tuple(meter.row(name) for name, meter in meters.items()),
        count=done,
        distance_label=PerceptualDistance(backbone).label,
    )


def _batches(corpus: PairedCorpus) -> Iterator[Batch]:
    """Collates a corpus, a few samples at a time."""
    if len(corpus) == 0:
        raise ValueError("there is nothing to evaluate on, expected at least one sample")
    for start in range(0, len(corpus), BATCH):
        samples = [corpus[i] for i in range(start, min(start + BATCH, len(corpus)))]
        unpaired = [sample.name for sample in samples if not sample.paired]
        if unpaired:
            raise ValueError(
                f"{unpaired[0]}: its photograph does not have the exemplar's look, so it is no "
                "truth to compare with; evaluation needs a folder with pairs.csv"
            )
        yield collate(samples, len(corpus.classes))


def as_saved(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Rounds images in [-1, 1] to the 256 values that a file holds."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def benchmark_dict(benchmark: Benchmark) -> dict[str, Any]:
    """Returns a table as JSON-ready data; figures that are not finite become None."""

    def number(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    def estimate(value: Estimate) -> dict[str, Any]:
        return {
            "mean": number(value.mean),
            "interval95": number(value.interval),
            "standard_error": number(value.standard_error),
            "count": value.count,
        }

    return {
        "count": benchmark.count,
        "perceptual_distance": benchmark.distance_label,
        "rows": [
            {
                "name": row.name,
                "psnr_db": estimate(row.psnr),
                "ssim": estimate(row.ssim),
                "perceptual_distance": estimate(row.distance),
                "seconds_per_image": number(row.seconds),
            }
            for row in benchmark.rows
        ],
    }
