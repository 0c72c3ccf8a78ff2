from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from rabit.app.data_scenes_command import data_scenes_command
from rabit.app.errors import Commands
from rabit.data.layouts.find import find_layout


def scenes(*arguments: str) -> Result:
    app = typer.Typer(cls=Commands)
    app.command("scenes")(data_scenes_command)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["scenes", *arguments])


@pytest.mark.parametrize("layout", ["folder", "ade20k", "celebahq", "deepfashion"])
def test_each_layout_is_written(tmp_path: Path, layout: str) -> None:
    out = tmp_path / "corpus"
    options = ["--out", str(out), "--count", "9", "--size", "64x80"]
    result = scenes(*options, "--layout", layout)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("9 ") and str(out) in result.output
    assert find_layout(out) == layout
    again = scenes(*options, "--layout", layout)
    assert again.exit_code == 1 and "not empty" in again.output
    assert scenes(*options, "--layout", layout, "--overwrite").exit_code == 0


def test_without_a_layout_it_is_a_plain_folder(tmp_path: Path) -> None:
    result = scenes("--out", str(tmp_path / "corpus"), "--count", "2", "--size", "64")
    assert result.exit_code == 0 and (tmp_path / "corpus" / "pairs.csv").is_file()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--layout", "coco"), "--layout coco: expected one of folder, ade20k"),
        (("--layout", "celebahq", "--size", "32"), "at least 64"),
        (("--layout", "deepfashion", "--count", "2"), "expected 9 or more"),
        (("--size", "big"), "--size big"),
    ],
)
def test_wrong_options_end_with_one_line(
    tmp_path: Path, options: tuple[str, ...], text: str
) -> None:
    result = scenes("--out", str(tmp_path / "corpus"), *options)
    assert result.exit_code == 1
    assert text in result.output and result.output.count("\n") == 1
    assert not (tmp_path / "corpus").exists()
