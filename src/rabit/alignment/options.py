"""What the options of correspondences may be, before any method looks at them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rabit.alignment.refiner import PatchMatchRefiner
from rabit.config import SMALLEST_TEMPERATURE
from rabit.fields import is_number, is_whole

NUMBERS = ("temperature", "epsilon", "tolerance")
WHOLE = ("block", "k", "coarse_k", "border", "shortlist", "candidates", "iterations", "start")


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checks the kinds of a method's options, the temperature, and the chunk.

    What else is in or out of range depends on the features, and is the methods' affair. Numbers
    are none that a gradient flows to: a tensor is refused.

    Args:
        options: by name, as `correspond` takes them.

    Returns:
        The same, NumPy's numbers as Python's.

    Raises:
        ValueError: one is of another kind, the temperature is below 1e-4, or the chunk below 1.
    """
    plain = dict(options)
    for name, value in options.items():
        if name in NUMBERS:
            if not is_number(value):
                raise ValueError(f"{name} is {value!r}, expected a number")
            plain[name] = float(value)
        if name in WHOLE:
            if not is_whole(value):
                raise ValueError(f"{name} is {value!r}, expected a whole number")
            plain[name] = int(value)
        if name == "coarse" and not _are_whole(value):
            raise ValueError(f"coarse is {value!r}, expected whole numbers such as (16, 4), or ()")
        if name == "overlap" and not isinstance(value, bool):
            raise ValueError(f"overlap is {value!r}, expected True or False")
        if name == "refiner" and not (value is None or isinstance(value, PatchMatchRefiner)):
            raise ValueError(f"refiner is {value!r}, expected a PatchMatchRefiner or None")
    if "temperature" in plain:
        _check_temperature(plain["temperature"])
    check_chunk(plain.get("chunk"))
    return plain


def _check_temperature(temperature: float) -> None:
    if not SMALLEST_TEMPERATURE <= temperature < math.inf:
        raise ValueError(
            f"temperature is {temperature}, expected a finite number of at least "
            f"{SMALLEST_TEMPERATURE} such as 0.01; cosines in float32 are not known finer"
        )


def check_chunk(chunk: int | None) -> None:
    """Checks how much is worked on at a time.

    Raises:
        ValueError: it is neither None nor a whole number of at least 1.
    """
    if chunk is not None and not (is_whole(chunk) and chunk >= 1):
        raise ValueError(
            f"chunk is {chunk!r}, expected a whole number of at least 1, or None to have it chosen"
        )


def _are_whole(values: Any) -> bool:
    sequence = isinstance(values, Sequence) and not isinstance(values, str)
    return sequence and all(map(is_whole, values))
