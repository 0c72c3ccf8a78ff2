"""The whole comparison: what is run, and its figures as JSON-ready data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from rabit.evaluation.correspondence.accuracy import Accuracy, measure_accuracy
from rabit.evaluation.correspondence.contestants import ATTENTION, Contestant
from rabit.evaluation.correspondence.suite import Timing, growth
from rabit.evaluation.correspondence.views import View
from rabit.evaluation.environment import environment

# Beside which every dense form gives the same figures.
SAME_AS_DENSE = (ATTENTION, "dense-stored")


@dataclass(frozen=True)
class AccuracyRow:
    """The accuracy of one contestant at one size.

    Args:
        pictures: which pictures were warped.
        name: of the contestant.
        side: of the feature maps, in positions.
        accuracy: the figures; None where it was left out.
        reason: why it was left out; empty where it was not.
    """

    pictures: str
    name: str
    side: int
    accuracy: Accuracy | None
    reason: str = ""


def accuracy_rows(
    pictures: str,
    make_views: Callable[[int], Sequence[View]],
    contestants: Sequence[Contestant],
    sides: Sequence[int],
    timings: Sequence[Timing],
    limit: float,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[AccuracyRow]:
    """Measures the accuracy of every contestant that is not the same as dense.

    Args:
        pictures: what to call the pictures.
        make_views: makes the views for a size.
        contestants: what is compared.
        sides: of the feature maps, in positions.
        timings: of the contestants; those whose time is known to be over the limit are left out.
        limit: seconds of a forward pass.
        progress: called with the number of rows done, their total, and what comes next.
    """
    own = [each for each in contestants if each.method not in SAME_AS_DENSE]
    known = {(each.case.name, each.case.side): each for each in timings}
    rows: list[AccuracyRow] = []
    for side in sides:
        views = make_views(side)
        for contestant in own:
            if progress is not None:
                what = f"{pictures}: {contestant.name}, {side}×{side}"
                progress(len(rows), len(own) * len(sides), what)
            timing, reason = known.get((contestant.name, side)), contestant.misfit(side)
            if timing is not None and timing.measurement is None:
                reason = timing.reason
            if not reason and timing is not None and timing.measurement is not None:
                seconds = timing.measurement.forward * len(views)
                reason = f"about {seconds:.0f} s" if seconds > limit else ""
            accuracy = None if reason else measure_accuracy(contestant, views)
            rows.append(AccuracyRow(pictures, contestant.name, side, accuracy, reason))
    return rows


def study_dict(
    timings: Sequence[Timing], rows: Sequence[AccuracyRow], device: torch.device, threads: int
) -> dict[str, Any]:
    """Returns all figures as JSON-ready data, with what they were measured with."""
    return {
        "environment": environment(device, threads),
        "times": [_timing_dict(timing, timings) for timing in timings],
        "accuracy": [
            {
                "pictures": row.pictures,
                "name": row.name,
                "side": row.side,
                "left_out": row.reason,
                **({} if row.accuracy is None else _accuracy_dict(row.accuracy)),
            }
            for row in rows
        ],
    }


def smaller_size(timing: Timing, timings: Sequence[Timing]) -> Timing | None:
    """Returns the timing of the same contestant at the next smaller size."""
    same = [each for each in timings if each.case.name == timing.case.name]
    smaller = [each for each in same if each.case.side < timing.case.side]
    return max(smaller, key=lambda each: each.case.side, default=None)


def _timing_dict(timing: Timing, timings: Sequence[Timing]) -> dict[str, Any]:
    found: dict[str, Any] = {**asdict(timing.case), "left_out": timing.reason}
    measured = timing.measurement
    if measured is None:
        return found
    before = smaller_size(timing, timings)
    return {
        **found,
        "forward_s": measured.forward,
        "forward_mb": measured.forward_memory,
        "forward_backward_s": measured.both,
        "forward_backward_mb": measured.both_memory,
        "floor_s": measured.floor,
        "share_of_floor": None if measured.floor is None else measured.floor / measured.forward,
        "matrix_product_gflops": measured.rate / 1e9,
        "matched_within_1.5": measured.near,
        "residual": measured.residual,
        "growth": None if before is None else growth(before, timing),
    }


def _accuracy_dict(accuracy: Accuracy) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        name: {
            "mean": number(estimate.mean),
            "interval95": number(estimate.interval),
            "count": estimate.count,
        }
        for name, estimate in vars(accuracy).items()
    }
