from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from rabit.data.images import to_image
from rabit.inference import load
from rabit.precision import PRECISIONS, Precision

Run = Callable[..., Result]


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def test_translation_writes_what_is_asked_for(run: Run, model: Path, files: Path) -> None:
    out = files / "out" / "result.png"
    extra = {name: files / f"{name}.png" for name in ("warped", "confidence", "grid")}
    options = [part for name, path in extra.items() for part in (f"--{name}", path)]
    given = ("translate", files / "a-map.png", files / "b.png", "--model", model, "--out", out)
    result = run(*given, "--exemplar-condition", files / "b-map.png", *options)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    for path in (out, *extra.values()):
        assert str(path) in result.stdout
        assert path.is_file()
    assert pixels(out).shape == pixels(extra["warped"]).shape == (64, 64, 3)
    assert pixels(extra["grid"]).shape[1] > 5 * 64

    again = run(*given, "--exemplar-condition", files / "b-map.png")
    assert again.exit_code == 1
    assert f"{out} exists already" in again.stderr
    before = pixels(out)
    assert run(*given, "--exemplar-condition", files / "b-map.png", "--overwrite").exit_code == 0
    assert np.array_equal(pixels(out), before)


def test_without_the_exemplar_s_map_a_note_says_what_is_lost(
    run: Run, model: Path, files: Path
) -> None:
    given = ("translate", files / "a-map.png", files / "b.png", "--model", model)
    result = run(*given, "--out", files / "result.png")
    assert result.exit_code == 0, result.output
    assert "note: no --exemplar-condition" in result.stderr


def test_an_edit_keeps_the_rest(run: Run, model: Path, files: Path) -> None:
    given = ("edit", files / "b.png", files / "b-map.png", files / "b-edited.png", "--model", model)
    result = run(*given, "--out", files / "kept.png", "--grid", files / "grid.png")
    assert result.exit_code == 0, result.output
    assert run(*given, "--out", files / "all.png", "--regenerate-all").exit_code == 0
    photograph, kept, whole = (pixels(files / f"{n}.png") for n in ("b", "kept", "all"))
    assert np.array_equal(kept[40:], photograph[40:])
    assert not np.array_equal(kept[4:20, 4:20], photograph[4:20, 4:20])
    assert not np.array_equal(whole[40:], photograph[40:])
    assert (files / "grid.png").is_file()


def test_wrong_label_ids_are_named(run: Run, model: Path, files: Path) -> None:
    labels = pixels(files / "a-map.png")
    labels[0, :3] = 77
    Image.fromarray(labels).save(files / "wrong.png")
    given = ("translate", files / "wrong.png", files / "b.png", "--model", model)
    result = run(*given, "--out", files / "result.png")
    assert result.exit_code == 1
    assert "wrong.png: ids 77 in a label map of 18 classes" in result.stderr
    assert not (files / "result.png").exists()


def test_sizes_that_do_not_fit_are_named(run: Run, model: Path, files: Path) -> None:
    Image.new("L", (64, 80)).save(files / "tall.png")
    given = ("edit", files / "b.png", files / "b-map.png", files / "tall.png", "--model", model)
    result = run(*given, "--out", files / "result.png")
    assert result.exit_code == 1
    assert (
        f"{files / 'b.png'} is 64×64 pixels but its map {files / 'tall.png'} 64×80" in result.stderr
    )
    assert "make them the same size" in result.stderr
    inputs = (files / "a-map.png", files / "b.png", "--exemplar-condition", files / "tall.png")
    result = run("translate", *inputs, "--model", model, "--out", files / "r.png")
    assert result.exit_code == 1 and "its map" in result.stderr


@pytest.mark.parametrize("precision", [None, *PRECISIONS])
def test_a_translation_has_the_precision_that_is_asked_for(
    run: Run, model: Path, files: Path, precision: Precision | None
) -> None:
    condition, exemplar, its_map = (files / name for name in ("a-map.png", "b.png", "b-map.png"))
    options = [] if precision is None else ["--precision", precision]
    given = (condition, exemplar, "--exemplar-condition", its_map, "--model", model)
    assert run("translate", *given, "--out", files / "out.png", *options).exit_code == 0
    translator = load(model, precision or "auto")
    expected = translator.translate(condition, exemplar, its_map)
    assert np.array_equal(pixels(files / "out.png"), to_image(expected.image[0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "result.jpg"], "--out result.jpg: expected a name that ends in .png"),
        (["--out", "r.png", "--grid", "r.png"], "--out and --grid name one file"),
        (["--out", "r.png", "--model", "nothing"], "no model 'nothing'"),
        (["--out", "r.png", "--precision", "half"], "--precision is 'half', expected one of"),
    ],
)
def test_wrong_outputs_and_models_are_refused(
    run: Run,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(files)
    result = run("translate", "a-map.png", "b.png", *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_missing_and_damaged_files_are_named(run: Run, model: Path, files: Path) -> None:
    options = ("--model", model, "--out", files / "result.png")
    result = run("translate", files / "no.png", files / "b.png", *options)
    assert result.exit_code == 1 and "no.png" in result.stderr
    damaged = files / "damaged.png"
    damaged.write_bytes((files / "b.png").read_bytes()[:200])
    result = run("translate", files / "a-map.png", damaged, *options)
    assert result.exit_code == 1 and "damaged.png" in result.stderr
    assert not (files / "result.png").exists()


def test_a_damaged_model_is_named(run: Run, model: Path, files: Path) -> None:
    copy = files / "model"
    copy.mkdir()
    (copy / "config.json").write_bytes((model / "config.json").read_bytes())
    (copy / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:99])
    given = ("translate", files / "a-map.png", files / "b.png", "--model", copy)
    result = run(*given, "--out", files / "result.png")
    assert result.exit_code == 1
    assert "model.safetensors: not a readable file" in result.stderr


@pytest.mark.parametrize("name", ["a-map.png", "b.png", "b-map.png", "link.png"])
@pytest.mark.parametrize("option", ["--out", "--grid"])
def test_an_input_is_not_replaced(run: Run, files: Path, name: str, option: str) -> None:
    (files / "link.png").symlink_to(files / "b.png")
    before = (files / name).read_bytes()
    given = ("translate", files / "a-map.png", files / "b.png", option, files / name)
    others = () if option == "--out" else ("--out", files / "result.png")
    maps = ("--exemplar-condition", files / "b-map.png")
    result = run(*given, *others, *maps, "--overwrite", "--model", "nothing")
    assert result.exit_code == 1
    assert f"{option} {files / name} is one of the files to read" in result.stderr
    assert (files / name).read_bytes() == before


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("folder.png", "folder.png: could not be written (it is a folder, expected a file)"),
        ("b.png/r.png", "b.png is a file, expected a folder"),
    ],
)
def test_targets_are_checked_before_the_work(
    run: Run, files: Path, target: str, message: str
) -> None:
    (files / "folder.png").mkdir()
    given = ("translate", files / "a-map.png", files / "b.png", "--out", files / "new" / "r.png")
    result = run(*given, "--warped", files / target, "--overwrite", "--model", "nothing")
    assert result.exit_code == 1 and message in result.stderr
    assert not (files / "new").exists()


def test_a_failure_leaves_no_part_of_the_outputs(
    run: Run, model: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "result.png").write_bytes(b"old")
    before = {path.name: path.read_bytes() for path in files.iterdir()}
    replace = Path.replace

    def fail(source: Path, target: Path) -> Path:
        if target.name == "grid.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(source))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", fail)
    given = ("translate", files / "a-map.png", files / "b.png", "--model", model, "--overwrite")
    outputs = ("--out", files / "result.png", "--grid", files / "new" / "grid.png")
    result = run(*given, *outputs)
    assert result.exit_code == 1
    assert "could not be written (No space left on device); make space" in result.stderr
    assert {path.name: path.read_bytes() for path in files.iterdir()} == before


def test_a_result_that_was_enlarged_says_so(run: Run, model: Path, files: Path) -> None:
    large = files / "large-map.png"
    Image.fromarray(pixels(files / "a-map.png")).resize((200, 160), 0).save(large)
    given = ("translate", large, files / "b.png", "--model", model, "--out", files / "r.png")
    result = run(*given, "--exemplar-condition", files / "b-map.png")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "large-map.png is 200×160 (width×height), far more than the model's 64×64" in said
    assert pixels(files / "r.png").shape == (160, 200, 3)
