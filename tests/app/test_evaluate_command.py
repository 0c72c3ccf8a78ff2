from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def test_the_table_and_the_file_hold_the_same(run: Run, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "figures" / "table.json"
    given = ("evaluate", model, "--count", 3, "--json", path)
    result = run(*given)
    assert result.exit_code == 0, result.output
    data = json.loads(path.read_text())
    assert data["count"] == 3
    assert data["seed"] == 20_000_000
    assert data["size"] == [64, 64]
    assert data["perceptual_distance"] == "perceptual distance (random VGG (seed 0))"
    assert [row["name"] for row in data["rows"][:2]] == ["exemplar copied", "class mean colours"]
    assert len(data["rows"]) == 4
    for row in data["rows"]:
        psnr = row["psnr_db"]
        assert f"{psnr['mean']:.2f} ± {psnr['interval95']:.2f}" in result.stdout
    again = run(*given)
    assert again.exit_code == 1 and "--overwrite" in again.stderr
    assert run(*given, "--overwrite").exit_code == 0


def test_a_folder_s_pairs_are_evaluated(run: Run, model: Path, corpus: Path) -> None:
    result = run("evaluate", model, "--data", corpus, "--count", 100)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("6 images against the true translation")


def test_training_seeds_are_pointed_out(run: Run, model: Path) -> None:
    result = run("evaluate", model, "--count", 1, "--seed", 0)
    assert result.exit_code == 0, result.output
    assert "training uses seeds below 10000" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--count", "0"], "--count 0"),
        (["--backbone", "none"], "the perceptual distance needs one"),
        (["--backbone", "vgg19"], "--backbone-weights FILE"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--device", "gpu"], "--device gpu"),
        (["--backbone", "foo"], "--backbone foo: expected one of random, vgg19-distilled, vgg19"),
        (["--size", "90000"], "--size 90000: 90000×90000 is more than 64000000 pixels"),
        (["--json", "."], "could not be written (it is a folder, expected a file)"),
        (["--json", "/dev/null/figures.json"], "/dev/null is a file, expected a folder"),
    ],
)
def test_wrong_options_are_refused(run: Run, model: Path, options: list[str], message: str) -> None:
    result = run("evaluate", model, *options)
    assert result.exit_code == 1
    assert message in result.stderr


def test_a_model_is_named_once_and_a_folder_needs_pairs(
    run: Run, model: Path, corpus: Path, tmp_path: Path
) -> None:
    result = run("evaluate", model, model)
    assert result.exit_code == 1 and "name each model once" in result.stderr
    shutil.copytree(corpus, tmp_path / "corpus")
    (tmp_path / "corpus" / "pairs.csv").unlink()
    result = run("evaluate", model, "--data", tmp_path / "corpus")
    assert result.exit_code == 1 and "no pairs.csv" in result.stderr
