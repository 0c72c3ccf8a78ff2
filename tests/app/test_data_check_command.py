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
        (["--json", "there.png"], "exists already"),
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


def test_checking_again_replaces_its_own_sheet(folder: Path) -> None:
    assert check(folder).exit_code == 0
    first = Path("scenes-check.png").read_bytes()
    (folder / "images" / "00003.png").write_bytes(b"")
    result = check(folder, "--seed", "9", "--count", "5")
    assert result.exit_code == 1 and "empty-file" in result.output
    assert Path("scenes-check.png").read_bytes() != first


@pytest.mark.parametrize("name", ["scenes-check.png", "other.png"])
def test_another_file_in_the_sheet_s_place_stays(folder: Path, name: str) -> None:
    Image.new("RGB", (4, 4)).save(name)
    mine = Path(name).read_bytes()
    out = () if name == "scenes-check.png" else ("--out", name)
    result = check(folder, *out, "--json", "report.json")
    assert result.exit_code == 0 and "ready for training" in result.output
    assert f"note: no contact sheet: {name} exists already" in result.output
    assert Path(name).read_bytes() == mine and Path("report.json").is_file()
    assert check(folder, *out, "--overwrite").exit_code == 0
    assert Path(name).read_bytes() != mine


def test_a_place_that_cannot_be_written_hinders_only_the_sheet(folder: Path) -> None:
    Path("scenes-check.png").mkdir()
    result = check(folder)
    assert result.exit_code == 0 and "no contact sheet: scenes-check.png" in result.output
    result = check(folder, "--out", "scenes-check.png")
    assert result.exit_code == 1 and result.output.startswith("error: scenes-check.png")


def test_findings_of_one_cause_are_one(folder: Path) -> None:
    for path in sorted((folder / "labels").iterdir())[:9]:
        with Image.open(path) as labels:
            Image.new("L", labels.size, 200).save(path)
    for path in sorted((folder / "labels").iterdir())[9:11]:
        path.unlink()
    result = check(folder, "--json", "report.json")
    assert result.exit_code == 1
    assert result.output.count("unknown-ids") == result.output.count("no-map") == 1
    assert "labels/00000.png: ids 200 in a label map" in result.output
    assert "the same: 00001.png, 00002.png, 00003.png and 5 more" in result.output
    assert "the same: 00010.png" in result.output
    problems = json.loads(Path("report.json").read_text())["problems"]
    assert sum(problem["kind"] == "unknown-ids" for problem in problems) == 9


def test_many_causes_of_one_kind_are_cut_off(folder: Path) -> None:
    for index, path in enumerate(sorted((folder / "labels").iterdir())):
        with Image.open(path) as labels:
            Image.new("L", labels.size, 200 + index).save(path)
    result = check(folder)
    assert "ids 209 in" in result.output and "ids 210 in" not in result.output
    assert "unknown-ids  and 4 more; --json FILE lists all" in result.output


def test_a_shape_that_is_no_square_is_told(folder: Path) -> None:
    assert "shapes:" not in check(folder).output
    for side in ("images", "labels"):
        for path in (folder / side).iterdir():
            with Image.open(path) as picture:
                picture.resize((96, 128), Image.Resampling.NEAREST).save(path)
    output = check(folder).output
    assert "shapes: 14 of 14 are 3:4 (width:height)" in output
    assert "train with --size 256x192, or with --fit crop" in output


def test_shapes_of_all_kinds_are_told(folder: Path) -> None:
    for side in ("images", "labels"):
        for number, path in enumerate(sorted((folder / side).iterdir())[:5]):
            with Image.open(path) as picture:
                size = (96 + 8 * number, 80)
                picture.resize(size, Image.Resampling.NEAREST).save(path)
    output = check(folder).output
    assert "shapes: 5 of 14 are no squares" in output and "train with --fit crop" in output


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
