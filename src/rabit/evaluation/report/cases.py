"""The best and the worst results of a method, and those that look wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rabit.data.images import read_image
from rabit.data.pictures import Pixels
from rabit.evaluation.baselines import MEAN_COLOURS
from rabit.evaluation.folder import EXEMPLARS, TRUTH, EvaluationFolder
from rabit.evaluation.quantities import Quantity
from rabit.evaluation.summary import Part, Row
from rabit.metrics.copied import STEPS

FLAT = 5.0
"""Standard deviation, of values in 0 to 255, below which a channel has one value to the eye."""

COPIED_SHARE = 0.5

PIXELS = ("psnr", "ssim", "ms_ssim", "l1")
"""Figures that every sample with a known truth has, beside the perceptual distances."""


@dataclass(frozen=True)
class Failure:
    """A result that looks wrong.

    Args:
        sample: what its files are called.
        reason: which rule found it.
        value: the figure that the rule reads; nan where it is missing.
    """

    sample: str
    reason: str
    value: float


@dataclass(frozen=True)
class Ranking:
    """The ends of the samples in order of a figure.

    Args:
        quantity: the figure.
        best: numbers of samples, the best first.
        worst: numbers of others, the worst first.
    """

    quantity: Quantity
    best: tuple[int, ...]
    worst: tuple[int, ...]


def is_distance(quantity: Quantity) -> bool:
    """Tells whether a quantity is a perceptual distance to the truth."""
    known = quantity.name == "perceptual" or quantity.name.startswith(("lpips", "weighted"))
    return known and quantity.group == "fidelity"


def distance_of(part: Part) -> Quantity | None:
    """Returns the first perceptual distance that the first method has of samples, if any."""
    distances = (q for q in part.quantities if is_distance(q))
    return next((q for q in distances if q.name in part.rows[0].samples), None)


def judged_by(part: Part) -> Quantity | None:
    """Returns the figure that samples are put in order by.

    A perceptual distance to the truth; where no truth is known, the semantic consistency of the
    deepest layer. None if the first method has neither.
    """
    distance = distance_of(part)
    if distance is not None:
        return distance
    consistent = (q for q in part.quantities if q.name == "semantic_52")
    return next((q for q in consistent if q.name in part.rows[0].samples), None)


def ranked(part: Part, most: int = 4) -> Ranking | None:
    """Finds the best and the worst results of the first method; no sample is both.

    Args:
        part: of an evaluation.
        most: number of either.

    Returns:
        None if no sample has a figure to be judged by.
    """
    quantity = judged_by(part)
    if quantity is None:
        return None
    values = part.rows[0].samples[quantity.name].tolist()
    known = [index for index, value in enumerate(values) if math.isfinite(value)]
    sign = -1 if quantity.better == "higher" else 1
    order = sorted(known, key=lambda index: sign * values[index])
    best = order[: min(most, -(-len(order) // 2))]
    worst = order[len(best) :][::-1][:most]
    return Ranking(quantity, tuple(best), tuple(worst))


def failures(
    part: Part, folder: EvaluationFolder, folders: Mapping[str, str]
) -> tuple[Failure, ...]:
    """Finds results of the first method that look wrong.

    - The picture is missing, or of one colour though the truth is not: no channel's standard
      deviation reaches `FLAT`.
    - It copies the exemplar: the copied share is above `COPIED_SHARE`, and so is the share of the
      pixels with the exemplar's colour among those where the truth has another.
    - It is farther from the truth than the classes' mean colours are, by the perceptual distance.
    - A figure is infinite, or missing though another method has it there; or it is of `PIXELS` or a
      distance, and others of these are known.

    Args:
        part: of an evaluation.
        folder: where its pictures are.
        folders: the name of each method's folder.

    Returns:
        By sample, one for each rule that finds it.
    """
    own = folders[part.rows[0].method]
    found: list[Failure] = []
    for index, sample in enumerate(part.sample_names):
        reasons = (
            *_by_picture(part.rows[0], index, folder, own, sample),
            *_by_baseline(part, index),
            *_by_figures(part, index),
        )
        found += [Failure(sample, reason, value) for reason, value in reasons]
    return tuple(found)


def _by_picture(
    row: Row, index: int, folder: EvaluationFolder, own: str, sample: str
) -> Iterator[tuple[str, float]]:
    """Yields what the picture itself shows, with the figure."""
    result = _read(folder, own, sample)
    if result is None:
        yield "its picture is missing or damaged", math.nan
        return
    spread = _spread(result)
    truth = None
    if spread < FLAT:
        truth = _read(folder, TRUTH, sample)
        if truth is None or _spread(truth) >= FLAT:
            yield f"nearly of one colour (deviation below {FLAT:g} of 255)", spread
    copied = float(row.samples["copied"][index]) if "copied" in row.samples else math.nan
    if copied <= COPIED_SHARE or math.isnan(copied):
        return
    truth = _read(folder, TRUTH, sample) if truth is None else truth
    exemplar = _read(folder, EXEMPLARS, sample)
    if truth is None or exemplar is None:
        return
    elsewhere = ~_same(truth, exemplar)
    if elsewhere.any() and _same(result, exemplar)[elsewhere].mean() > COPIED_SHARE:
        yield f"copies the exemplar (copied share above {COPIED_SHARE:g})", copied


def _by_baseline(part: Part, index: int) -> Iterator[tuple[str, float]]:
    """Yields whether a painting of plain colours is nearer to the truth."""
    distance = distance_of(part)
    plain = next((row for row in part.rows if row.method == MEAN_COLOURS), None)
    if distance is None or plain is None or distance.name not in plain.samples:
        return
    ours, theirs = (float(r.samples[distance.name][index]) for r in (part.rows[0], plain))
    if ours > theirs:
        yield (
            f"{distance.heading} above that of {MEAN_COLOURS} ({theirs:.{distance.digits}f})",
            ours,
        )


def _by_figures(part: Part, index: int) -> Iterator[tuple[str, float]]:
    """Yields figures that are not finite though they should be."""
    first, others = part.rows[0], part.rows[1:]
    quantities = [q for q in part.quantities if q.name in first.samples]
    paired = [q for q in quantities if q.name in PIXELS or is_distance(q)]
    known = any(_finite(first, q, index) for q in paired)
    for quantity in quantities:
        value = float(first.samples[quantity.name][index])
        # The warped exemplar's is missing where a method warps nothing, which is no fault.
        shared = quantity.name != "warped_psnr" and any(_finite(r, quantity, index) for r in others)
        expected = shared or (known and quantity in paired)
        if math.isinf(value) or (math.isnan(value) and expected):
            yield f"{quantity.heading} is not finite", value


def _finite(row: Row, quantity: Quantity, index: int) -> bool:
    values = row.samples.get(quantity.name)
    return values is not None and math.isfinite(float(values[index]))


def _read(folder: EvaluationFolder, kind: str, sample: str) -> Pixels | None:
    try:
        return read_image(folder.picture(kind, sample))
    except (OSError, ValueError):
        return None


def _spread(pixels: Pixels) -> float:
    """Returns the largest standard deviation of a channel."""
    return float(pixels.reshape(-1, 3).std(axis=0).max())


def _same(ours: Pixels, theirs: Pixels) -> np.ndarray:
    """Tells which pixels have one colour, up to the tolerance of the copied share."""
    apart = np.abs(ours.astype(np.int16) - theirs.astype(np.int16))
    return apart.max(axis=2) <= STEPS
