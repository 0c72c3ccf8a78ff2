"""README and docs: their Python runs, their command lines are such as the commands take, and the
pages of reference say what the code says."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import configuration_page
from rabit.app.cli import app
from rabit.config import ExperimentConfig

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["README.md", "docs/python.md"])
def test_python_runs_from_top_to_bottom(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(app, ["data", "scenes", "--out", "street", "--count", "20"])
    assert made.exit_code == 0, made.output
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert len(blocks) >= 3
    names: dict[str, Any] = {}
    for block in blocks:
        # Errors name the document's own line.
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], name, "exec"), names)


def command_lines() -> list[str]:
    """Every command line of the documents."""
    found: dict[str, None] = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8"))
        found |= dict.fromkeys(
            re.findall(r"^ {4}(?:torchrun .*-m )?(rabit .*)$", text, re.MULTILINE)
        )
        found |= dict.fromkeys(re.findall(r"`(?:torchrun -m )?(rabit [^`]*)`", text))
    return list(found)


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_are_such_as_the_commands_take(line: str) -> None:
    words = shlex.split(line.replace("\n", " "), comments=True)[1:]
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands") and not words[0].isupper():
        command = command.commands[words.pop(0)]
    options = {option for each in command.params for option in each.opts} | {"--help"}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= options


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command and those inside it, by what is typed."""
    yield name, command
    for inner in getattr(command, "commands", ()):
        yield from commands(f"{name} {inner}", command.commands[inner])


COMMANDS = dict(commands("rabit", typer.main.get_command(app)))
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def test_the_page_of_commands_has_each_of_them() -> None:
    assert re.findall(r"^##+ `(.*)`$", PAGE, re.MULTILINE) == list(COMMANDS)[1:]


@pytest.mark.parametrize("name", list(COMMANDS)[1:])
def test_the_page_of_commands_says_what_help_says(name: str) -> None:
    section = re.split(rf"^##+ `{name}`$", PAGE, flags=re.MULTILINE)[1].partition("\n##")[0]
    said = words(section)
    command = COMMANDS[name]
    assert words(command.help) in said
    options = [each for each in command.params if each.opts[0].startswith("--")]
    told = dict(re.findall(r"^\* `(--[a-z-]+)(.*)$", section, re.MULTILINE))
    assert list(told) == [each.opts[0] for each in options] + ["--help"], "make reference"
    for each in command.params:
        assert words(each.help) in said, "make reference"
    for each in options:
        if each.show_default and not each.is_flag and each.default not in (None, ()):
            assert told[each.opts[0]].endswith(f"[default: {each.default}]"), "make reference"


def words(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def test_the_page_of_the_configuration_is_that_of_the_code() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == configuration_page.page(), "make reference"


SECTIONS = dict(configuration_page.sections("", ExperimentConfig))


@pytest.mark.parametrize("path", SECTIONS)
def test_every_field_of_the_configuration_is_explained(path: str) -> None:
    section = SECTIONS[path]
    names = {
        each.name for each in dataclasses.fields(section) if f"{path}.{each.name}" not in SECTIONS
    }
    assert not {name for name in names if f"`{name}`" not in str(section.__doc__)}
