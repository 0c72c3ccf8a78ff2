from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from rabit.app.data_check_command import data_check_command
from rabit.app.errors import Commands
from rabit.data.layouts.find import open_source
from rabit.data.scenes import write_scenes
from rabit.data.shards.writer import write_shards

app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False)
app.command("check")(data_check_command)


@app.callback()
def root() -> None:
    """One command alone would have no name."""


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *(str(argument) for argument in arguments)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound corpus below the current directory."""
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path / "corpora" / "scenes", 14, 3, (64, 64))
    return tmp_path / "corpora" / "scenes"


def test_sound_corpus(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    result = check(folder, "--json", "report.json")
    assert result.exit_code == 0, result.output
    assert "14 pictures, 14 pairs with a ground truth" in result.output
    assert "no problems" in result.output and "64×64" in result.output
    assert "facade" in result.output and "Problems" not in result.output
    with Image.open("scenes-check.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 1000
    assert json.loads(Path("report.json").read_text())["usable"] is True
    assert sorted(folder.rglob("*")) == before


def test_sound_shards(folder: Path) -> None:
    write_shards(open_source(folder), "folder", Path("shards"), 5)
    result = check("shards")
    assert result.exit_code == 0, result.output
    assert "layout shards" in result.output
    assert "14 pictures, 14 pairs with a ground truth" in result.output
    assert Path("shards-check.png").is_file()


def test_problems_are_named_and_the_exit_code_tells(folder: Path) -> None:
    (folder / "images" / "00003.png").write_bytes(b"")
    (folder / "labels" / "00005.png").write_text("no map")
    result = check(folder, "--json", "report.json", "--out", "sheet.png")
    assert result.exit_code == 1
    for part in ("empty-file", "not-an-image", "images/00003.png", "labels/00005.png"):
        assert part in result.output
    data = json.loads(Path("report.json").read_text())
    assert [p["kind"] for p in data["problems"]] == ["empty-file", "not-an-image"]
    assert Path("sheet.png").is_file()


def test_warnings_do_not_fail(folder: Path) -> None:
    (folder / "images" / "notes.txt").write_text("notes")
    result = check(folder)
    assert result.exit_code == 0
    assert "stray" in result.output and "notes.txt" in result.output


def test_nothing_to_show_writes_no_sheet(folder: Path) -> None:
    result = check(folder.parent)
    assert result.exit_code == 1 and "nested" in result.output
    assert list(Path.cwd().glob("*.png")) == []


def test_markup_in_names_is_printed_as_it_is(folder: Path) -> None:
    (folder / "images" / "[red]a[_red].txt").write_text("notes")
    assert "[red]a[_red].txt" in check(folder).output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--out", "corpora/scenes/sheet.png"], "nothing is written"),
        (["--json", "corpora/scenes/deep/report.json"], "nothing is written"),
        (["--out", "sheet.jpg"], "ending in .png"),
        (["--out", "same.png", "--json", "same.png"], "another name"),
        (["--out", "there.png"], "exists already"),
        (["--count", "0"], "--count 0"),
        (["--seed", "-1"], "--seed -1"),
        (["--threads", "0"], "threads"),
        (["--layout", "scroll"], "layout 'scroll'"),
        (["--condition", "depth"], "condition 'depth'"),
    ],
)
def test_wrong_options_write_nothing(folder: Path, arguments: list[str], text: str) -> None:
    Path("there.png").write_bytes(b"mine")
    before = sorted(Path.cwd().rglob("*"))
    result = check(folder, *arguments)
    assert result.exit_code == 1 and text in result.output
    assert result.output.startswith("error: ")
    assert sorted(Path.cwd().rglob("*")) == before
    assert Path("there.png").read_bytes() == b"mine"


def test_overwriting_has_to_be_asked_for(folder: Path) -> None:
    assert check(folder).exit_code == 0
    first = Path("scenes-check.png").read_bytes()
    assert check(folder).exit_code == 1
    assert check(folder, "--overwrite", "--seed", "9", "--count", "5").exit_code == 0
    assert Path("scenes-check.png").read_bytes() != first


def test_the_folder_itself_is_never_written_into(folder: Path) -> None:
    os.chdir(folder)
    result = check(".", "--out", "check.png")
    assert result.exit_code == 1 and "--out" in result.output
    assert not list(folder.glob("*.png"))
    for place in (folder, folder / "images"):
        os.chdir(place)
        assert check(folder, "--overwrite").exit_code == 0
        (folder.parent / "scenes-check.png").unlink()


def test_missing_folder() -> None:
    result = check("nowhere")
    assert result.exit_code == 1 and "no such folder" in result.output
