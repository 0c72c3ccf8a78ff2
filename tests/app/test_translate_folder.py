from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

Run = Callable[..., Result]


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


@pytest.fixture
def folders(files: Path) -> Path:
    """Two maps in maps/, a photograph for each in looks/, and these photographs' maps in own/."""
    for folder, source in (("maps", "a-map.png"), ("looks", "b.png"), ("own", "b-map.png")):
        (files / folder).mkdir()
        for stem in ("one", "two"):
            shutil.copyfile(files / source, files / folder / f"{stem}.png")
    return files


def test_every_map_of_a_folder_is_translated(run: Run, model: Path, folders: Path) -> None:
    given = ("translate", folders / "maps", folders / "looks", "--model", model)
    own = ("--exemplar-condition", folders / "own")
    out, grids = folders / "made", folders / "grids"
    result = run(*given, *own, "--out", out, "--grid", grids)
    assert result.exit_code == 0, result.output
    assert "made: 2" in result.stdout and f"out: {out}" in result.stdout
    for folder in (out, grids):
        assert sorted(path.name for path in folder.iterdir()) == ["one.png", "two.png"]
    alone = folders / "alone.png"
    one = ("translate", folders / "a-map.png", folders / "b.png", "--model", model)
    map = ("--exemplar-condition", folders / "b-map.png")
    assert run(*one, *map, "--out", alone).exit_code == 0
    assert np.array_equal(pixels(out / "one.png"), pixels(alone))


def test_what_is_there_stays_and_the_rest_is_made(run: Run, model: Path, folders: Path) -> None:
    given = ("translate", folders / "maps", folders / "b.png", "--model", model)
    more = ("--exemplar-condition", folders / "b-map.png", "--out", folders / "made")
    (folders / "made").mkdir()
    Image.new("RGB", (3, 3)).save(folders / "made" / "two.png")
    result = run(*given, *more)
    assert result.exit_code == 0, result.output
    assert "made: 1" in result.stdout
    assert "1 of 2 pictures are in" in " ".join(result.stderr.split())
    assert pixels(folders / "made" / "two.png").shape == (3, 3, 3)
    assert run(*given, *more, "--overwrite").exit_code == 0
    assert pixels(folders / "made" / "two.png").shape == (64, 64, 3)


def test_one_note_for_all_maps_of_exemplars(run: Run, model: Path, folders: Path) -> None:
    given = ("translate", folders / "maps", folders / "looks", "--model", model)
    result = run(*given, "--out", folders / "made")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("no --exemplar-condition") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        (("maps", "looks", "--out", "made.png"), "expected a folder, as the conditions are one"),
        (("maps", "looks", "--out", "looks"), "looks, which is in use already"),
        (("maps", "looks", "--out", "x", "--grid", "x"), "--grid"),
        (("maps", "few", "--out", "made"), "few: no exemplar for two; add a file of that name"),
        (("maps", "looks", "--out", "m", "--exemplar-condition", "few"), "no condition for two"),
        (("none", "looks", "--out", "made"), "none: no file that can be a condition"),
        (("maps", "gone.jpg", "--out", "made"), "gone.jpg"),
        (("maps", "odd", "--out", "made"), "two.png"),
        (
            ("maps", "own/one.png", "--out", "own", "--overwrite"),
            "one.png there is one of the files",
        ),
        (("maps", "looks", "--out", "b.png.d"), "b.png.d: expected a folder, but that is a file"),
        (("gone", "looks", "--out", "made"), "gone: no such file or folder"),
    ),
)
def test_folders_that_do_not_fit_are_refused(
    run: Run, model: Path, folders: Path, arguments: tuple[str, ...], message: str
) -> None:
    (folders / "none").mkdir()
    for name in ("few", "odd"):
        (folders / name).mkdir()
        shutil.copyfile(folders / "b.png", folders / name / "one.png")
    (folders / "odd" / "two.png").write_bytes(b"no picture")
    (folders / "b.png.d").write_bytes(b"mine")
    before = {path: path.read_bytes() for path in folders.rglob("*") if path.is_file()}
    paths = [part if part.startswith("--") else folders / part for part in arguments]
    result = run("translate", *paths, "--model", model)
    assert result.exit_code == 1 and message in " ".join(result.stderr.split())
    assert all(path.read_bytes() == content for path, content in before.items())
    made = folders / "made"
    assert not made.exists() or [path.name for path in made.iterdir()] == ["one.png"]


def test_the_exemplar_s_map_is_found_in_another_spelling(
    run: Run, model: Path, folders: Path
) -> None:
    (folders / "looks" / "one.png").rename(folders / "looks" / "a\u0308.png")
    (folders / "own" / "one.png").rename(folders / "own" / "\u00e4.png")
    given = ("translate", folders / "maps", folders / "looks" / "a\u0308.png", "--model", model)
    result = run(*given, "--exemplar-condition", folders / "own", "--out", folders / "made")
    assert result.exit_code == 0, result.output


def test_enlarging_is_told_once(run: Run, model: Path, folders: Path) -> None:
    for path in (folders / "maps").iterdir():
        Image.fromarray(pixels(path)).resize((200, 160), 0).save(path)
    given = ("translate", folders / "maps", folders / "b.png", "--model", model)
    result = run(*given, "--out", folders / "made")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("and enlarged") == 1
