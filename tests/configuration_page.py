"""Writes docs/configuration.md: every field of an experiment, and what the presets set it to."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from rabit.config import ConditionConfig, ExperimentConfig
from rabit.fields import to_dict
from rabit.presets import PRESETS, preset_kind

FAMILIES = ("paper", "base", "small")
OF_THE_DATA = ("model.condition.kind", "model.condition.classes")
NAME = "model.name"

INTRODUCTION = """\
# Configuration

A preset is a function that returns an `ExperimentConfig`; `rabit train PRESET` starts from it, and
`--set` replaces any of these fields, the value as JSON:

    rabit train small --data FOLDER --set losses.cxt=0 --set 'model.alignment.coarse=[16]'

A run's `config.json` has all of them as they were. `make reference` writes this page from the
code's own words.
"""


def page() -> str:
    """The page's text."""
    experiments = {name: _flat(name) for name in PRESETS}
    parts = [INTRODUCTION]
    for path, section in sections("", ExperimentConfig):
        parts.append(f"## {path}\n\n{inspect.cleandoc(section.__doc__ or '')}\n")
        parts.append(_table(path, section, {name: experiments[name] for name in FAMILIES}))
    return "\n".join([*parts, _presets(experiments)])


def sections(path: str, cls: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    """The dataclasses with fields of their own, by their path."""
    hints = typing.get_type_hints(cls)
    inner = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    if len(inner) < len(hints):
        yield path, cls
    for name, hint in inner.items():
        yield from sections(f"{path}.{name}".lstrip("."), typing.cast("type[Any]", hint))


def _table(path: str, section: type[Any], experiments: dict[str, dict[str, Any]]) -> str:
    """One section's fields, what they may be and what the families' presets set them to."""
    rows = [["field", "value", *(f"`{name}`" for name in experiments)]]
    for name, hint in typing.get_type_hints(section).items():
        field = f"{path}.{name}"
        if dataclasses.is_dataclass(hint):
            continue
        values = (
            ["the data's"] * len(experiments)
            if field in OF_THE_DATA
            else [_json(each[field]) for each in experiments.values()]
        )
        rows.append([f"`{name}`", _kind(hint), *values])
    return _rows(rows)


def _rows(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:], ""])


def _kind(hint: Any) -> str:
    """What a field may be, in words."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if typing.get_origin(hint) is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"list: {_kind(arguments[0])} each"
        kinds = [_kind(each) for each in arguments]
        if len(set(kinds)) == 1:
            return f"list of {len(kinds)}: {kinds[0]} each"
        return f"[{', '.join(kinds)}]"
    return {int: "whole number", float: "number", bool: "true, false", str: "text"}[hint]


def _json(value: Any) -> str:
    return f"`{json.dumps(value)}`"


def _flat(name: str) -> dict[str, Any]:
    """A preset's fields by their path."""
    kind = preset_kind(name) or "semantic"
    flat: dict[str, Any] = {}

    def visit(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{path}.{key}".lstrip("."), inner)
        else:
            flat[path] = value

    visit("", to_dict(PRESETS[name](ConditionConfig(kind=kind))))
    return {path: value for path, value in flat.items() if path not in OF_THE_DATA}


def _presets(experiments: dict[str, dict[str, Any]]) -> str:
    """Every preset as one of the families' and what it has otherwise."""
    rows = [["preset", "condition", "as", "but for"]]
    for name, fields in experiments.items():
        others = {
            each: [
                path
                for path, value in fields.items()
                if value != experiments[each][path] and path != NAME
            ]
            for each in FAMILIES
        }
        near = min(FAMILIES, key=lambda each: len(others[each]))
        changes = [f"`{path}={json.dumps(fields[path])}`" for path in others[near]]
        if name not in FAMILIES:
            rows.append(
                [f"`{name}`", preset_kind(name) or "any", f"`{near}`", ", ".join(changes) or "–"]
            )
    return "## Presets\n\nThose of the tables above, and:\n\n" + _rows(rows)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
