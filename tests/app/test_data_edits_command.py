from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from rabit.app.data_edits_command import data_edits_command
from rabit.app.display import Bar
from rabit.app.errors import INTERRUPTED, Commands
from rabit.data.images import read_image
from rabit.data.scenes import write_scenes

Edits = Callable[..., Result]


@pytest.fixture
def edits() -> Edits:
    app = typer.Typer(cls=Commands)
    app.callback()(lambda: None)
    app.command("edits")(data_edits_command)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["edits", *map(str, arguments)])

    return run


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("edited") / "scenes"
    write_scenes(out, 8, 0, (96, 96))
    return out


def test_the_command_writes_edits_and_says_so(edits: Edits, scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = edits(scenes, "--out", out, "--count", 4, "--kinds", "move, add", "--seed", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"4 edits (2 move, 2 add): {out}",
        f"sheet: {out / 'sheet.png'}",
    ]
    assert len(list((out / "images").iterdir())) == 4
    again = edits(scenes, "--out", out)
    assert again.exit_code == 1 and "--overwrite" in again.stderr
    more = edits(scenes, "--out", out, "--overwrite", "--count", 1, "--size", "64x80")
    assert more.exit_code == 0, more.output


def test_fewer_edits_are_told(edits: Edits, scenes: Path, tmp_path: Path) -> None:
    given = ("--classes", "car", "--kinds", "add", "--count", 99)
    result = edits(scenes, "--out", tmp_path / "out", *given)
    assert result.exit_code == 0, result.output
    assert re.search(r"objects for [1-9]\d? edits only, not 99", result.stderr)


def test_only_listed_pictures_are_edited(edits: Edits, scenes: Path, tmp_path: Path) -> None:
    listed, out = tmp_path / "held-out.txt", tmp_path / "out"
    chosen = sorted(path.name for path in (scenes / "images").iterdir())[2:5]
    listed.write_text("\n".join(chosen) + "\n")
    result = edits(scenes, "--out", out, "--count", 6, "--held-out", listed)
    assert result.exit_code == 0, result.output
    with (out / "edits.csv").open(newline="") as table:
        sources = {row["source"] for row in csv.DictReader(table)}
    assert sources and sources <= set(chosen)
    for text, message in (("nobody.png\n", "nobody.png"), ("\n", "names no picture")):
        listed.write_text(text)
        result = edits(scenes, "--out", tmp_path / "other", "--held-out", listed)
        assert result.exit_code == 1 and message in result.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--kinds", "turn"), "kinds of edits turn"),
        (("--kinds", ","), "kinds of edits none"),
        (("--classes", "tower"), "has no class tower"),
        (("--count", 0), "count 0"),
        (("--seed", -1), "seed -1"),
        (("--smallest", 0.5), "smallest < largest"),
        (("--size", "0"), "--size 0"),
        (("--condition", "canny"), "of the kind edge"),
        (("--layout", "ade20k"), "ade20k"),
    ],
)
def test_wrong_options_end_with_one_line(
    edits: Edits, scenes: Path, tmp_path: Path, options: tuple[object, ...], named: str
) -> None:
    result = edits(scenes, "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1
    if named != "ade20k":
        assert named in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_is_named(edits: Edits, tmp_path: Path) -> None:
    result = edits(tmp_path / "none", "--out", tmp_path / "out")
    assert result.exit_code == 1 and "no such folder" in result.stderr


def test_ctrl_c_leaves_nothing(
    edits: Edits, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "__call__", stop)
    result = edits(scenes, "--out", tmp_path / "out", "--count", 2)
    assert result.exit_code == INTERRUPTED
    assert list(tmp_path.iterdir()) == []


def test_every_option_has_a_help_text(edits: Edits) -> None:
    result = edits("--help")
    assert result.exit_code == 0
    for told in ("15 %", "0.75", "20 degrees", "--classes", "--overwrite"):
        assert told in " ".join(result.stdout.split())


def test_pictures_are_cropped_when_told(edits: Edits, tmp_path: Path) -> None:
    write_scenes(tmp_path / "wide", 6, 0, (96, 192))
    given = ("--count", 2, "--fit", "crop")
    result = edits(tmp_path / "wide", "--out", tmp_path / "out", *given, "--size", "96")
    assert result.exit_code == 0, result.output
    truth = read_image(min((tmp_path / "out/truth").iterdir()))
    with (tmp_path / "out/edits.csv").open(encoding="utf-8") as rows:
        source = next(csv.DictReader(rows))["source"]
    np.testing.assert_array_equal(truth, read_image(tmp_path / "wide/images" / source)[:, 48:144])
    result = edits(tmp_path / "wide", "--out", tmp_path / "none", *given)
    assert (
        result.exit_code == 1 and "there is no size to crop to; give one (--size)" in result.stderr
    )
    assert not (tmp_path / "none").exists()
