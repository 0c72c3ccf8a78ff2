"""Runs of many cases: every contestant at every size, as far as time and memory allow."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rabit.evaluation.correspondence.contestants import Contestant
from rabit.evaluation.correspondence.measure import Case, Measurement, measure_apart

# Time for Python and torch to start and for the inputs to be made.
STARTING = 60.0


@dataclass(frozen=True)
class Timing:
    """One contestant at one size.

    Args:
        case: what was measured.
        measurement: what came out; None where it was not measured.
        reason: why it was not measured; empty where it was.
    """

    case: Case
    measurement: Measurement | None
    reason: str


def run_suite(
    contestants: Sequence[Contestant],
    sides: Sequence[int],
    base: Case,
    limit: float,
    progress: Callable[[int, int, str], None] | None = None,
    measure: Callable[[Case, float], Measurement | str] = measure_apart,
) -> list[Timing]:
    """Measures every contestant at every size, each in a process of its own.

    A size is left out where the time of the two sizes before says that a pass would take longer
    than the limit.

    Args:
        contestants: what is compared.
        sides: of the maps, in positions, ascending.
        base: channels, device and threads of all cases; its other fields are replaced.
        limit: seconds that a forward, or forward and backward, pass may take.
        progress: called with the number of cases done, their total, and what comes next.
        measure: measures a case, or says why it cannot.

    Returns:
        A timing for each contestant and size, contestant by contestant.
    """
    timings: list[Timing] = []
    total = len(contestants) * len(sides)
    for contestant in contestants:
        known: list[tuple[int, float]] = []
        for side in sides:
            if progress is not None:
                progress(len(timings), total, f"{contestant.name}, {side}×{side}")
            case = replace(
                base,
                name=contestant.name,
                method=contestant.method,
                options=json.dumps(dict(contestant.options)),
                side=side,
            )
            measurement, reason = None, contestant.misfit(side) or _foreseen(known, side, limit)
            if not reason:
                found = measure(case, STARTING + 10 * limit)
                if isinstance(found, Measurement):
                    measurement = found
                    known.append((side, found.both or found.forward))
                else:
                    reason = found
                    known.append((side, math.inf))
            timings.append(Timing(case, measurement, reason))
    if progress is not None:
        progress(total, total, "")
    return timings


def growth(smaller: Timing, larger: Timing) -> float | None:
    """Returns the exponent e of seconds ~ positions^e of the forward pass between two sizes."""
    if smaller.measurement is None or larger.measurement is None:
        return None
    seconds = larger.measurement.forward / smaller.measurement.forward
    return math.log(seconds) / (2 * math.log(larger.case.side / smaller.case.side))


def _foreseen(known: list[tuple[int, float]], side: int, limit: float) -> str:
    """Says that a size would take too long, or nothing.

    Time that grows faster from size to size goes on growing so; a single size is taken to grow
    with the square of the positions.
    """
    if not known:
        return ""
    last, seconds = known[-1]
    exponent = 4.0
    if len(known) > 1 and math.isfinite(seconds):
        before, earlier = known[-2]
        exponent = max(1.0, math.log(seconds / earlier) / math.log(last / before))
    expected = seconds * (side / last) ** exponent
    if expected <= limit:
        return ""
    return f"about {expected:.0f} s" if math.isfinite(expected) else "the size before failed"
