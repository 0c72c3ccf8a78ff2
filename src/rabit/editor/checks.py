"""Checks of the fields of a recipe: values from JSON in, values of known types out."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from rabit.fields import check_positive, json_number

RECIPE = "recipe"
"""What the whole document is called in errors."""

_LONGEST = 60


class RecipeError(ValueError):
    """A recipe that cannot be followed.

    Args:
        field: which of its fields is wrong, such as exemplars[0].image.
        message: what was found, what was expected and what to do.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True)
class Limits:
    """The largest recipes that are taken.

    Args:
        bytes: of the document as JSON.
        pixels: of each picture.
        side: of each picture, in pixels.
        exemplars: of a translation.

    Raises:
        ValueError: a limit is not above 0.
    """

    bytes: int = 12 * 2**20
    pixels: int = 2048 * 2048
    side: int = 4096
    exemplars: int = 8

    def __post_init__(self) -> None:
        check_positive(
            bytes=self.bytes, pixels=self.pixels, side=self.side, exemplars=self.exemplars
        )

    def check_size(self, size: tuple[int, int], field: str) -> None:
        """Checks the height and width of a picture.

        Raises:
            RecipeError: it has no pixel, or too many.
        """
        height, width = size
        if height < 1 or width < 1:
            raise RecipeError(field, f"{width}×{height} pixels, expected at least 1×1")
        if height * width > self.pixels or max(size) > self.side:
            raise RecipeError(
                field,
                f"{width}×{height} pixels (width×height), expected at most {self.pixels} with "
                f"sides of at most {self.side}; make the picture smaller",
            )


def read_document(data: bytes, limits: Limits) -> object:
    """Reads the JSON of a recipe.

    Args:
        data: UTF-8 text.
        limits: of its length.

    Returns:
        What `parse_recipe` takes.

    Raises:
        RecipeError: it is too long, or no JSON.
    """
    if len(data) > limits.bytes:
        raise RecipeError(
            RECIPE,
            f"more than {limits.bytes} bytes; use smaller pictures, or JPEG for photographs",
        )
    try:
        text = data.decode("utf-8-sig")
        document: object = json.loads(text, parse_float=json_number, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RecipeError(RECIPE, f"no JSON ({error}); expected a UTF-8 JSON object") from error
    return document


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def object_field(value: object, field: str, known: Iterable[str]) -> dict[str, object]:
    """Checks a JSON object whose keys are all known.

    Raises:
        RecipeError: it is something else, or has another key.
    """
    names = tuple(known)
    if not isinstance(value, dict):
        raise RecipeError(
            field, f"found {describe(value)}, expected an object with {', '.join(names)}"
        )
    for key in value:
        if key not in names:
            raise RecipeError(
                field, f"unknown key {describe(key)}, expected only {', '.join(names)}"
            )
    return value


def required(value: dict[str, object], key: str, field: str) -> object:
    """Returns a field that must be there.

    Raises:
        RecipeError: it is missing.
    """
    if key not in value:
        raise RecipeError(field, "missing; add it")
    return value[key]


def list_field(value: object, field: str, expected: str) -> list[object]:
    """Checks a list.

    Raises:
        RecipeError: it is something else.
    """
    if not isinstance(value, list):
        raise RecipeError(field, f"found {describe(value)}, expected {expected}")
    return value


def text_field(value: object, field: str, allowed: Iterable[str]) -> str:
    """Checks a text that must be one of several.

    Raises:
        RecipeError: it is another text, or something else.
    """
    names = tuple(allowed)
    if not isinstance(value, str) or value not in names:
        raise RecipeError(field, f"found {describe(value)}, expected one of {', '.join(names)}")
    return value


def bool_field(value: object, field: str) -> bool:
    """Checks true or false.

    Raises:
        RecipeError: it is something else.
    """
    if not isinstance(value, bool):
        raise RecipeError(field, f"found {describe(value)}, expected true or false")
    return value


def int_field(value: object, field: str, low: int, high: int) -> int:
    """Checks a whole number from `low` to `high`.

    Raises:
        RecipeError: it is another number, or something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RecipeError(
            field, f"found {describe(value)}, expected a whole number from {low} to {high}"
        )
    return value


def number_field(value: object, field: str, expected: str) -> float:
    """Checks a finite number.

    Raises:
        RecipeError: it is something else.
    """
    if not isinstance(value, bool) and isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise RecipeError(field, f"found {describe(value)}, expected {expected}")


def file_field(value: object, field: str) -> bytes:
    """Decodes a file in base64.

    Raises:
        RecipeError: it is something else.
    """
    if not isinstance(value, str):
        raise RecipeError(field, f"found {describe(value)}, expected a file in base64")
    if value.startswith("data:"):
        raise RecipeError(field, "found a data: address, expected only its base64, after the comma")
    try:
        data = base64.b64decode(value.encode("ascii"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise RecipeError(
            field, f"no base64 ({error}); expected a file in base64, with padding"
        ) from error
    if not data:
        raise RecipeError(field, "found an empty file, expected a picture")
    return data


def describe(value: object) -> str:
    """Spells a value of JSON for an error: short, whatever it is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if not isinstance(value, (str, int, float)):
        return f"a {type(value).__name__}"
    try:
        text = repr(value)
    except ValueError:  # Python does not spell numbers of thousands of digits
        return "a number of too many digits"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
