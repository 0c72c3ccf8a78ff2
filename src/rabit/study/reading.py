"""Reading of the study's JSON files, with errors that name the file and the field."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from rabit.fields import from_dict

T = TypeVar("T")


def read_object(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON, or something else than an object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is no JSON ({error}); expected an object of fields") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: found {type(data).__name__}, expected an object of fields")
    return data


def build(cls: type[T], data: Mapping[str, Any], where: str) -> T:
    """Builds a dataclass from plain data, refusing what is unknown, missing or wrong.

    Raises:
        ValueError: a field is unknown, missing, of the wrong type or out of range; it is named.
    """
    _require(cls, data, where)
    return from_dict(cls, dict(data), where)


def _require(cls: type, data: Any, where: str) -> None:
    """Refuses data in which a field without a default is missing, at any depth."""
    if not isinstance(data, Mapping):
        return
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if field.name not in data:
            if field.default is dataclasses.MISSING:
                raise ValueError(f"{where}: field {field.name} is missing")
            continue
        inner = typing.get_args(hints[field.name])
        if inner and dataclasses.is_dataclass(inner[0]) and isinstance(data[field.name], list):
            for i, entry in enumerate(data[field.name]):
                _require(typing.cast(type, inner[0]), entry, f"{where}.{field.name}[{i}]")
