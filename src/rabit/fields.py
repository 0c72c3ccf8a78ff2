"""Fields of configurations: their checks, and their way to JSON and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, Literal, TypeVar

import numpy as np

T = TypeVar("T")


def is_number(value: Any) -> bool:
    """Whether a value is a real number of Python or NumPy; a tensor is none."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number of Python or NumPy."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises ValueError unless a named value is one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(allowed)}")


def check_positive(**values: float) -> None:
    """Raises ValueError unless every named value is finite and above 0."""
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} is {value}, expected a number above 0")


def check_at_least_zero(**values: float) -> None:
    """Raises ValueError unless every named value is finite and 0 or more."""
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} is {value}, expected 0 or more")


def json_number(text: str) -> int | float:
    """Reads a number with a fraction or exponent; 1.0, which is whole, is as good as 1 in JSON."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def to_dict(config: Any) -> dict[str, Any]:
    """Returns a configuration as plain, JSON-ready data."""
    return dataclasses.asdict(config)


def set_field(data: dict[str, Any], path: str, value: Any) -> None:
    """Sets one field of a configuration's plain data.

    Args:
        data: as `to_dict` gives it; changed in place.
        path: section.field.
        value: the new one.

    Raises:
        ValueError: there is no such field; those that there are are named.
    """
    *sections, name = path.split(".")
    inner: Any = data
    for section in [*sections, name]:
        if not isinstance(inner, dict) or section not in inner:
            known = ", ".join(inner) if isinstance(inner, dict) else "none"
            raise ValueError(f"no field {section}; there are {known}")
        parent, inner = inner, inner[section]
    parent[name] = value


def from_dict(cls: type[T], data: Any, where: str = "config") -> T:
    """Builds a configuration from plain data, refusing what it does not know.

    Args:
        cls: the dataclass to build.
        data: a mapping of its fields, as `to_dict` or a JSON file gives them.
        where: what to call the data in errors (a file name).

    Returns:
        The validated configuration.

    Raises:
        ValueError: a field is unknown, of the wrong type or out of range; the field is named.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where}: found {type(data).__name__}, expected a mapping of fields")
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise ValueError(
            f"{where}: unknown field {', '.join(unknown)}; known fields are {', '.join(hints)}"
        )
    values = {name: _parse(hints[name], value, f"{where}.{name}") for name, value in data.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _parse(hint: Any, value: Any, where: str) -> Any:
    """Checks one value against its annotation, turning lists into tuples."""
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast("type[Any]", hint), value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where} is {value!r}, expected a list")
        args = typing.get_args(hint)
        if len(args) == 2 and args[1] is Ellipsis:
            args = (args[0],) * len(value)
        if len(args) != len(value):
            raise ValueError(f"{where} has {len(value)} entries, expected {len(args)}")
        pairs = zip(args, value, strict=True)
        return tuple(_parse(arg, item, f"{where}[{i}]") for i, (arg, item) in enumerate(pairs))
    if origin is Literal:
        check_choice(where, value, typing.get_args(hint))
        return value
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _parse(typing.get_args(hint)[0], value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{where} is {value!r}, expected {hint.__name__}")
    return value
