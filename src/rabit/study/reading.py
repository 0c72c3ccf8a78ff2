"""Reading of the study's JSON and CSV files, with errors that name the file and the field."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rabit.fields import from_dict

T = TypeVar("T")

# What programs write between columns where it is no comma.
_SEPARATORS = {";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True)
class Table:
    """A CSV file whose first row names its columns.

    Args:
        columns: their names, in order.
        rows: by column, each with the line of the file that it ends in.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_table(path: Path) -> Table:
    """Reads a CSV file in UTF-8, with or without a byte order mark.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is in another encoding, no CSV, or not separated by commas.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = tuple(reader.fieldnames or ())
        rows = tuple((reader.line_num, row) for row in reader)
    except csv.Error as error:
        raise ValueError(
            f"{path}: line {reader.line_num} is no CSV ({error}); separate columns by commas"
        ) from error
    for mark, name in _SEPARATORS.items():
        if len(columns) == 1 and mark in columns[0]:
            raise ValueError(
                f"{path}: its columns are separated by {name}, expected commas; save it as CSV "
                "with commas"
            )
    return Table(columns, rows)


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
