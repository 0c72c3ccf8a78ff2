"""The paper's four tasks from files to a translated picture, at a few channels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from rabit.data.generated import write_layout
from rabit.data.images import read_image
from rabit.data.layouts.find import open_source
from rabit.data.shards.writer import write_shards
from rabit.inference import load

Run = Callable[..., Result]
COUNTS = {"ade20k": 6, "celebahq": 6, "celebahq-edge": 6, "deepfashion": 12}


@pytest.fixture(scope="module", params=list(COUNTS))
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("tasks") / request.param
    write_layout(root, request.param, COUNTS[request.param], 0, (64, 64))
    return root


@pytest.fixture(scope="module")
def task(corpus: Path, run: Run, tiny: list[str]) -> Path:
    """A run of one step of the layout's own preset; read only."""
    out = corpus.with_name("run")
    given = ("train", f"{corpus.name}-small", "--data", corpus, "--steps", 1, "--out", out)
    result = run(*given, *tiny)
    assert result.exit_code == 0, result.output
    return out


def _condition(corpus: Path, out: Path) -> tuple[Path, Path]:
    """A condition as a user has it in a file, and a photograph."""
    source = open_source(corpus, condition="edges" if corpus.name == "celebahq-edge" else None)
    photograph, *others = source.files(0)
    if corpus.name == "deepfashion":
        return next(path for path in others if path.name.endswith("_candidate.txt")), photograph
    if corpus.name == "ade20k":
        return others[0], photograph
    labels = np.zeros((32, 32), np.uint8)
    labels[8:24, 8:24] = 1  # skin
    Image.fromarray(labels).save(out / "map.png")
    return out / "map.png", photograph


def test_a_task_trains_on_its_layout_with_its_split(corpus: Path, task: Path) -> None:
    record = json.loads((task / "config.json").read_text())
    source = open_source(corpus, condition="edges" if corpus.name == "celebahq-edge" else None)
    condition = record["config"]["model"]["condition"]
    assert (condition["kind"], tuple(condition["classes"])) == (source.kind, source.channels)
    assert record["holdout"] is None and source.split is not None
    held = (task / "held-out.txt").read_text().splitlines()
    assert held == [source.names[i] for i in source.split.test]
    assert read_image(task / "samples" / "step-0000001.png").shape[1] > 300


def test_a_list_is_not_taken_where_the_layout_has_a_split(
    corpus: Path, run: Run, tmp_path: Path
) -> None:
    listed = tmp_path / "mine.txt"
    listed.write_text("any.png\n")
    given = ("train", f"{corpus.name}-small", "--data", corpus, "--out", tmp_path / "run")
    result = run(*given, "--held-out", listed, "--backbone", "none")
    assert result.exit_code == 1 and "says itself what is held out" in result.stderr


def test_a_task_translates_from_files(corpus: Path, task: Path, run: Run, tmp_path: Path) -> None:
    condition, photograph = _condition(corpus, tmp_path)
    out = tmp_path / "out.png"
    given = ("translate", condition, photograph, "--model", task / "model", "--out", out)
    result = run(*given, "--grid", tmp_path / "grid.png")
    assert result.exit_code == 0, result.output
    side = 32 if condition.name == "map.png" else 64
    assert read_image(out).shape == (side, side, 3)
    exemplar = () if condition.name == "map.png" else ("--exemplar-condition", condition)
    result = run(*given, *exemplar, "--overwrite")
    assert result.exit_code == 0, result.output


def test_a_run_goes_on_with_the_data_it_was_started_with(
    corpus: Path, task: Path, run: Run
) -> None:
    given = ("train", f"{corpus.name}-small", "--data", corpus, "--out", task, "--resume")
    result = run(*given, "--layout", "folder")
    assert result.exit_code == 1
    assert "--layout folder: the run was started without it; leave it out" in result.stderr
    result = run(*given, "--steps", 2)
    assert result.exit_code == 0, result.output


def test_shards_train_as_their_folder_does(
    corpus: Path, run: Run, tiny: list[str], tmp_path: Path
) -> None:
    source = open_source(corpus, condition="edges" if corpus.name == "celebahq-edge" else None)
    write_shards(source, corpus.name, tmp_path / "shards", per_shard=4)
    models = []
    for data in (corpus, tmp_path / "shards"):
        out = tmp_path / f"run-{data.name}"
        given = ("train", f"{corpus.name}-small", "--data", data, "--steps", 1, "--out", out)
        result = run(*given, *tiny)
        assert result.exit_code == 0, result.output
        models.append(load(out / "model").network.state_dict())
    assert all(bool((models[0][name] == models[1][name]).all()) for name in models[0])


def test_another_kind_of_data_is_named(run: Run, tiny: list[str], tmp_path: Path) -> None:
    write_layout(tmp_path / "faces", "celebahq", 4, 0, (64, 64))
    given = ("--data", tmp_path / "faces", "--out", tmp_path / "run", *tiny)
    result = run("train", "deepfashion-small", *given)
    assert result.exit_code == 1
    assert "preset deepfashion-small is for pose conditions, but the data has" in result.stderr
    result = run("train", "small", "--condition", "pose", *given)
    assert result.exit_code == 1 and "layouts with pose are folder, deepfashion" in result.stderr
    result = run("train", "small", "--data", "scenes", "--layout", "folder", *tiny)
    assert result.exit_code == 1 and "scenes have semantic maps" in result.stderr


def test_drawings_photographs_and_joints_in_a_plain_folder(
    run: Run, tiny: list[str], tmp_path: Path
) -> None:
    write_layout(tmp_path / "faces", "celebahq", 4, 0, (64, 64))
    root = tmp_path / "plain"
    (root / "images").mkdir(parents=True)
    for path in (tmp_path / "faces" / "CelebA-HQ-img").iterdir():
        (root / "images" / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "run"
    given = ("train", "small", "--data", root, "--out", out, "--steps", 1)
    result = run(*given, "--condition", "canny", *tiny)
    assert result.exit_code == 0, result.output
    assert load(out / "model").config.condition.classes == ("edges", "distance")
    drawing = np.full((48, 40), 255, np.uint8)
    drawing[10:30, 20] = 0
    Image.fromarray(drawing).save(tmp_path / "drawing.png")
    photograph = next((root / "images").iterdir())
    for condition, size in ((tmp_path / "drawing.png", (48, 40)), (photograph, (64, 64))):
        asked = ("translate", condition, photograph, "--model", out / "model", "--overwrite")
        result = run(*asked, "--out", tmp_path / "out.png")
        assert result.exit_code == 0, result.output
        assert read_image(tmp_path / "out.png").shape[:2] == size
