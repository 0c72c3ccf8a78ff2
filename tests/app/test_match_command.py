from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

import rabit
from rabit.model.network import build_network
from rabit.model.storage import save_model
from tiny import tiny_experiment

Run = Callable[..., Result]

FILES = ("warped.png", "confidence.png", "matches.png", "matches.npy")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_folder_gets_what_the_correspondence_is(run: Run, model: Path, files: Path) -> None:
    with Image.open(files / "b.png") as photograph:
        photograph.resize((48, 80)).save(files / "b.png")
    with Image.open(files / "b-map.png") as labels:
        labels.resize((48, 80), Image.Resampling.NEAREST).save(files / "b-map.png")
    condition, exemplar, known = (files / name for name in ("a-map.png", "b.png", "b-map.png"))
    out = files / "new" / "out"
    given = (condition, exemplar, "--exemplar-condition", known, "--model", model)
    result = run("match", *given, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)

    translation = rabit.load(model, "auto").translate(condition, exemplar, known)
    assert translation.matches is not None
    coordinates = np.load(out / "matches.npy", allow_pickle=False)
    assert coordinates.dtype == np.float32
    assert np.array_equal(coordinates, translation.matches[0].numpy())
    with Image.open(out / "matches.png") as picture:
        assert picture.width >= 1200
    others = {name: files / f"t-{name}.png" for name in ("warped", "confidence")}
    options = [part for name, path in others.items() for part in (f"--{name}", path)]
    assert run("translate", *given, "--out", files / "t.png", *options).exit_code == 0
    for name, path in others.items():
        assert (out / f"{name}.png").read_bytes() == path.read_bytes()

    *places, figures = result.stdout.splitlines()
    assert [Path(line.partition(": ")[2]) for line in places] == [out / name for name in FILES]
    confidence = translation.confidence.numpy()
    share, median = 100 * (confidence > 0.5).mean(), np.median(confidence)
    assert figures == (
        f"places with a confidence above 0.5: {share:.1f} %, median confidence: {median:.2f}"
    )


def test_places_of_a_correspondence_at_a_quarter(run: Run, files: Path) -> None:
    config = tiny_experiment(64, alignment__stride=4).model
    save_model(files / "model", build_network(config, seed=1), config)
    maps = ("--exemplar-condition", files / "b-map.png")
    given = (files / "a-map.png", files / "b.png", *maps, "--model", files / "model")
    result = run("match", *given, "--out", files / "out")
    assert result.exit_code == 0, result.output
    coordinates = np.load(files / "out" / "matches.npy", allow_pickle=False)
    assert bool((coordinates % 4 == 1.5).all())
    cells = coordinates.reshape(16, 4, 16, 4, 2)
    assert bool((cells == cells[:, :1, :, :1]).all())
    assert len(np.unique(coordinates.reshape(-1, 2), axis=0)) > 1


def test_lines_are_drawn_only_if_asked_for(run: Run, files: Path) -> None:
    maps = ("--exemplar-condition", files / "b-map.png")
    given = ("match", files / "a-map.png", files / "b.png", *maps, "--overwrite", "--out", files)
    pictures = []
    for options in ([], ["--lines", 32], ["--lines", 0]):
        result = run(*given, *options)
        assert result.exit_code == 0, result.output
        pictures.append((files / "matches.png").read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_without_the_exemplar_s_map_a_note_says_what_is_lost(
    run: Run, model: Path, files: Path
) -> None:
    given = ("match", files / "a-map.png", files / "b.png", "--model", model)
    result = run(*given, "--out", files / "out")
    assert result.exit_code == 0, result.output
    assert "note: no --exemplar-condition" in result.stderr


@pytest.mark.parametrize("name", FILES)
def test_files_are_replaced_only_if_told_to(run: Run, model: Path, files: Path, name: str) -> None:
    out = files / "out"
    out.mkdir()
    (out / name).write_bytes(b"old")
    (out / "notes.txt").write_text("mine")
    given = ("match", files / "a-map.png", files / "b.png", "--model", model, "--out", out)
    result = run(*given)
    assert result.exit_code == 1
    assert f"{out / name} exists already" in result.stderr and "--overwrite" in result.stderr
    assert contents(out) == {name: b"old", "notes.txt": b"mine"}
    assert run(*given, "--overwrite").exit_code == 0
    assert sorted(contents(out)) == sorted([*FILES, "notes.txt"])
    assert (out / name).read_bytes() != b"old"
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_input_is_not_replaced(run: Run, files: Path, position: int) -> None:
    names = ["a-map.png", "b.png", "b-map.png"]
    (files / names[position]).rename(files / "warped.png")
    (files / names[position]).symlink_to(files / "warped.png")
    condition, exemplar, exemplar_condition = (files / name for name in names)
    before = contents(files)
    given = ("match", condition, exemplar, "--exemplar-condition", exemplar_condition)
    result = run(*given, "--overwrite", "--model", "nothing", "--out", files)
    assert result.exit_code == 1
    assert f"--out {files / 'warped.png'} is one of the files to read" in result.stderr
    assert contents(files) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "nothing"], "no model 'nothing'"),
        (["--model", "scenes-small-unaligned"], "scenes-small-unaligned has no alignment"),
        (["--lines", "-1", "--model", "nothing"], "--lines is -1, expected 0"),
        (["--lines", "1000", "--model", "nothing"], "--lines is 1000, expected 0"),
        (["--out", "b.png", "--model", "nothing"], "b.png is a file, expected a folder"),
        (["--device", "tpu"], "--device tpu: expected cpu or cuda"),
        (["--seed", "-1"], "seed is -1"),
        (["--exemplar-condition", "tall.png"], "b.png is 64×64 pixels but its map tall.png 64×80"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    Image.new("L", (64, 80)).save(files / "tall.png")
    monkeypatch.chdir(files)
    before = contents(files)
    maps = ["--exemplar-condition", "b-map.png"]
    result = run("match", "a-map.png", "b.png", *maps, "--out", "out", *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert contents(files) == before


def test_a_failure_leaves_no_part_of_the_outputs(
    run: Run, model: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "warped.png").write_bytes(b"old")
    before = contents(files)
    replace = Path.replace

    def fail(source: Path, target: Path) -> Path:
        if target.name == "matches.npy":
            raise OSError(errno.ENOSPC, "No space left on device", str(source))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", fail)
    given = ("match", files / "a-map.png", files / "b.png", "--model", model, "--overwrite")
    result = run(*given, "--out", files)
    assert result.exit_code == 1
    assert "could not be written (No space left on device)" in result.stderr
    assert contents(files) == before
    result = run(*given, "--out", files / "new")
    assert result.exit_code == 1 and not (files / "new").exists()
