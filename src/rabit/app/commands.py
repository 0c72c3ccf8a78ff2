"""Commands that are imported when they are asked for: most need much that the others do not."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.main import get_command, get_group

PLACES = {
    "translate": "rabit.app.translate_cli:translate_command",
    "edit": "rabit.app.translate_cli:edit_command",
    "match": "rabit.app.correspondence_cli:match_command",
    "demo": "rabit.app.demo_command:demo_command",
    "serve": "rabit.app.serve_command:serve_command",
    "replay": "rabit.app.replay_command:replay_command",
    "train": "rabit.app.train_cli:train_command",
    "runs": "rabit.app.runs_command:runs_command",
    "evaluate": "rabit.app.evaluate_cli:evaluate_command",
    "ablate": "rabit.app.ablate_command:ablate_command",
    "data": "rabit.app.data_cli:data_app",
    "study": "rabit.app.study_cli:study_app",
    "benchmark": "rabit.app.correspondence_cli:benchmark_app",
}
"""The module and the name of every command's function, or of its group."""

ONE_PICTURE = ("translate", "edit", "match", "replay")
"""The commands that make one picture, and have nothing left to do when its files are written."""


class ImportedCommands(Mapping[str, Any]):
    """The commands by name, each imported at its first use.

    Args:
        places: MODULE:NAME of a function or a typer.Typer, by the command's name.
    """

    def __init__(self, places: dict[str, str]) -> None:
        self._places = dict(places)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, _, attribute = self._places[name].partition(":")
            self._made[name] = _command(name, getattr(_imported(module), attribute))
        return self._made[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a command, or the default where there is none: a KeyError of its import is none
        of those that say so.
        """
        return self[name] if name in self._places else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places


def _imported(module: str) -> ModuleType:
    """Imports a module without a search for garbage on the way: of a million new objects none is,
    and looking at them all, again and again, takes a sixth of the time. What there is by then is
    not looked at later, either.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


def _command(name: str, found: Any) -> Any:
    """Makes a command of a function, or a group of a typer.Typer."""
    if isinstance(found, typer.Typer):
        command = get_group(found)
        command.name = name
        return command
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(found)
    return get_command(alone)
