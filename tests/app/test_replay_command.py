"""`rabit replay`: the editor's bytes again, and errors that name file and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import Result

from rabit.data.pictures import palette
from rabit.editor.example import example_recipe
from rabit.editor.recipe import OUTPUTS, parse_recipe
from rabit.editor.run import run_recipe
from rabit.inference import load
from rabit.precision import Precision
from recipes import LABELS, MODELS, PHOTO, b64, edit, full, put, translation, translator_of

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("replayed") / "model"
    translator_of("scenes").save(folder)
    return folder


def written(folder: Path, document: object) -> Path:
    path = folder / "recipe.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


@pytest.mark.parametrize("document", [full(), edit(), edit(keep_unedited=False)])
def test_a_replay_writes_the_editor_s_bytes(
    document: dict[str, Any], run: Run, model: Path, tmp_path: Path
) -> None:
    out = {name: tmp_path / "out" / f"{name}.png" for name in ("out", "warped", "confidence")}
    options = [part for name, path in out.items() for part in (f"--{name}", path)]
    result = run("replay", written(tmp_path, document), "--model", model, *options)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    expected = run_recipe(load(model, "auto"), parse_recipe(document, MODELS), OUTPUTS)
    assert out["out"].read_bytes() == expected.image
    assert out["warped"].read_bytes() == expected.warped
    assert out["confidence"].read_bytes() == expected.confidence
    for path in out.values():
        assert str(path) in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "recipe.json"]


@pytest.mark.parametrize("asked", [None, "float32", "bfloat16"])
@pytest.mark.parametrize("written_down", [None, "float32", "bfloat16"])
def test_a_replay_has_the_precision_of_its_recipe_or_the_one_that_is_asked_for(
    asked: Precision | None, written_down: Precision | None, run: Run, model: Path, tmp_path: Path
) -> None:
    document = {**translation(), "precision": written_down}
    options = [] if asked is None else ["--precision", asked]
    path = written(tmp_path, document)
    result = run("replay", path, "--model", model, "--out", tmp_path / "out.png", *options)
    assert result.exit_code == 0, result.output
    translator = load(model, asked or written_down or "auto")
    expected = run_recipe(translator, parse_recipe(translation(), MODELS), ["image"])
    assert (tmp_path / "out.png").read_bytes() == expected.image


def test_the_embedded_model_of_a_recipe_is_found(run: Run, tmp_path: Path) -> None:
    translator = load("scenes-small", "auto")
    document = example_recipe(translator.config, 1)
    result = run("replay", written(tmp_path, document), "--out", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    recipe = parse_recipe(document, {"scenes-small": translator.config})
    expected = run_recipe(translator, recipe, ["image"]).image
    assert (tmp_path / "out.png").read_bytes() == expected


def test_threads_are_those_of_the_editor(run: Run, model: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            out = tmp_path / f"{threads}.png"
            given = ("replay", written(tmp_path, full()), "--model", model, "--out", out)
            assert run(*given, "--threads", threads).exit_code == 0
            assert torch.get_num_threads() == threads
            expected = run_recipe(load(model, "auto"), parse_recipe(full(), MODELS), ["image"])
            assert out.read_bytes() == expected.image
    finally:
        torch.set_num_threads(before)
    result = run("replay", tmp_path / "recipe.json", "--out", tmp_path / "0.png", "--threads", 0)
    assert result.exit_code == 1
    assert "--threads 0: expected 1 or more" in result.stderr


def test_a_grid_shows_every_exemplar(run: Run, model: Path, tmp_path: Path) -> None:
    document = full()
    document["exemplars"].append(document["exemplars"][0])
    grid = tmp_path / "grid.png"
    given = ("replay", written(tmp_path, document), "--model", model)
    assert run(*given, "--out", tmp_path / "out.png", "--grid", grid).exit_code == 0
    sheet = pixels(grid)
    assert sheet.shape == (88, 5 * 68 + 4, 3)
    shown = [sheet[20:84, 4 + 68 * i : 68 + 68 * i] for i in range(5)]
    np.testing.assert_array_equal(shown[0], palette(18)[LABELS])
    np.testing.assert_array_equal(shown[4], pixels(tmp_path / "out.png"))
    small = np.array(Image.fromarray(PHOTO).resize((32, 32)))
    cells = shown[1][:32, :32], shown[1][:32, 32:], shown[1][32:, :32], shown[1][32:, 32:]
    np.testing.assert_array_equal(cells[0], small)
    np.testing.assert_array_equal(cells[2], small)
    assert cells[1].std() > 5 and not np.array_equal(cells[1], small)
    assert (cells[3] == 255).all()


@pytest.mark.parametrize("kind", ["scenes", "edges", "face-edges", "poses"])
def test_the_grid_of_an_edit_has_its_photograph_s_size(kind: str, run: Run, tmp_path: Path) -> None:
    """Maps may be smaller."""
    large = np.repeat(np.repeat(PHOTO, 2, axis=0), 2, axis=1)
    document = put(edit(kind), "exemplars[0].image", b64(large))
    translator_of(kind).save(tmp_path / "model")
    given = ("replay", written(tmp_path, document), "--model", tmp_path / "model")
    grid = tmp_path / "grid.png"
    result = run(*given, "--out", tmp_path / "out.png", "--grid", grid)
    assert result.exit_code == 0, result.output
    sheet = pixels(grid)
    assert sheet.shape == (152, 5 * 132 + 4, 3)
    np.testing.assert_array_equal(sheet[20:148, 136:264], large)
    if kind == "scenes":
        painted = palette(18)[LABELS].repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(sheet[20:148, 4:132][60:], painted[60:])


@pytest.mark.parametrize("kind", ["edges", "face-edges", "poses"])
def test_a_grid_of_other_conditions_is_drawn(kind: str, run: Run, tmp_path: Path) -> None:
    translator_of(kind).save(tmp_path / "model")
    given = ("replay", written(tmp_path, translation(kind)), "--model", tmp_path / "model")
    grid = tmp_path / "grid.png"
    result = run(*given, "--out", tmp_path / "out.png", "--grid", grid)
    assert result.exit_code == 0, result.output
    sheet = pixels(grid)
    assert sheet[20:84, 4:68].std() > 5
    np.testing.assert_array_equal(sheet[20:84, 72:136], PHOTO)


def test_files_are_replaced_only_when_asked(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"mine")
    given = ("replay", written(tmp_path, full()), "--model", model, "--out", out)
    result = run(*given)
    assert result.exit_code == 1
    assert f"{out} exists already" in result.stderr
    assert out.read_bytes() == b"mine"
    assert run(*given, "--overwrite").exit_code == 0
    assert pixels(out).shape == (64, 64, 3)


def test_the_recipe_itself_is_never_replaced(run: Run, model: Path, tmp_path: Path) -> None:
    recipe = written(tmp_path, full()).rename(tmp_path / "recipe.png")
    result = run("replay", recipe, "--model", model, "--out", recipe, "--overwrite")
    assert result.exit_code == 1
    assert "is one of the files to read" in result.stderr
    assert json.loads(recipe.read_text()) == full()


def refusal(run: Run, recipe: Path, *options: object) -> str:
    out = recipe.with_name("out.png")
    result = run("replay", recipe, "--out", out, *options)
    assert result.exit_code == 1
    assert result.stdout == "" and not out.exists()
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_a_model_that_is_not_found_is_to_be_named(run: Run, model: Path, tmp_path: Path) -> None:
    error = refusal(run, written(tmp_path, full()))
    assert f"{tmp_path / 'recipe.json'}: model: 'scenes' is none of this program's models" in error
    assert "give its folder, file or Hugging Face id with --model" in error
    assert "no model 'nowhere'" in refusal(run, written(tmp_path, full()), "--model", "nowhere")


@pytest.mark.parametrize("name", ["owner/name", "../model", "recipe.json"])
def test_a_recipe_opens_no_file_and_fetches_no_model_by_its_name(
    name: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("rabit.app.translate_command.load", opened.append)
    monkeypatch.chdir(tmp_path)
    error = refusal(run, written(tmp_path, full() | {"model": name}))
    assert f"model: {name!r} is none of this program's models" in error
    assert not opened


def test_wrong_recipes_are_named_with_file_and_field(run: Run, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    error = refusal(
        run, written(tmp_path, put(full(), "exemplars[1].weight", -1)), "--model", model
    )
    assert f"error: {path}: exemplars[1].weight: found -1, expected a number above 0" in error
    error = refusal(
        run, written(tmp_path, put(full(), "exemplars[0].image", "AAAA")), "--model", model
    )
    assert f"{path}: exemplars[0].image: found no photograph in these bytes" in error
    path.write_text("{")
    assert f"{path}: recipe: no JSON" in refusal(run, path)
    path.write_bytes(b"[" * 13_000_000)
    assert f"{path}: recipe: more than 12582912 bytes" in refusal(run, path)
    path.write_text("{}")
    assert f"{path}: model: missing; add it" in refusal(run, path)


def test_files_that_are_not_there_are_named(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    assert f"{missing}: no such file; expected a recipe" in refusal(run, missing)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert f"{folder}: not a file; expected a recipe" in refusal(run, folder)
    recipe = written(tmp_path, full())
    result = run("replay", recipe, "--out", tmp_path / "out.jpg")
    assert result.exit_code == 1 and "expected a name that ends in .png" in result.stderr
