"""README and docs: their Python runs, and their command lines are such as the commands take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from rabit.app.cli import app

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
