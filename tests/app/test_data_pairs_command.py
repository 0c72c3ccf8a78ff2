from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from rabit.app.data_pairs_command import data_pairs_command
from rabit.app.errors import Commands
from rabit.data import pairs
from rabit.data.layouts.find import open_source
from rabit.data.references import read_references
from rabit.data.scenes import write_scenes
from rabit.data.shards.writer import write_shards
from rabit.layers import perceptual
from rabit.layers.perceptual import random_backbone
from rabit.layers.vgg import Vgg


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little pictures, so that a run takes a fraction of a second."""
    monkeypatch.setattr(pairs, "SIDE", 32)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Six warm and six cold pictures, in turn."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photographs"
    (folder / "images").mkdir(parents=True)
    for i in range(12):
        pixels = rng.integers(0, 60, (20, 24, 3), dtype=np.uint8)
        pixels[..., 0 if i % 2 else 2] += 190
        Image.fromarray(pixels).save(folder / "images" / f"{i:02d}.png")
    return folder


def run_pairs(*arguments: object) -> Result:
    app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command("pairs")(data_pairs_command)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["pairs", *map(str, arguments)])


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_it_writes_a_list_that_training_reads(photographs: Path, tmp_path: Path) -> None:
    result = run_pairs(photographs, "--count", 3)
    assert result.exit_code == 0, result.output
    names = [f"{i:02d}.png" for i in range(12)]
    found = read_references(photographs / "references.csv", names)
    assert sorted(found) == list(range(12))
    for key, row in found.items():
        assert len(row) == 3 and key not in row
        assert all(reference % 2 == key % 2 for reference in row)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "photographs",
        "photographs-features",
    ]
    described, features, references = result.stdout.splitlines()
    assert described.startswith("described by: network random VGG (seed 0), weights ")
    assert features.startswith(
        f"features: {tmp_path / 'photographs-features'} (12 of 12 pictures described in "
    )
    assert references == f"references: {photographs / 'references.csv'} (12 rows)"
    assert "note: random VGG (seed 0) sees colours" in result.stderr


def test_two_runs_write_the_same_bytes(photographs: Path, tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        out = tmp_path / name
        files = ("--out", out / "list.csv", "--cache", out / "cache", "--sheet", out / "sheet.png")
        result = run_pairs(photographs, *files)
        assert result.exit_code == 0, result.output
        assert f"sheet: {out / 'sheet.png'}" in result.stdout
        written.append(contents(out))
    assert written[0] == written[1]
    assert sorted(written[0]) == [
        "cache/cache.json",
        "cache/shard-00000.safetensors",
        "list.csv",
        "sheet.png",
    ]
    assert contents(photographs).keys() == {f"images/{i:02d}.png" for i in range(12)}


def test_a_second_run_describes_only_what_has_changed(photographs: Path) -> None:
    assert run_pairs(photographs).exit_code == 0
    before = (photographs / "references.csv").read_bytes()
    again = run_pairs(photographs, "--overwrite")
    assert "(0 of 12 pictures described" in again.stdout
    assert (photographs / "references.csv").read_bytes() == before
    Image.new("RGB", (20, 20), "red").save(photographs / "images" / "03.png")
    os.utime(photographs / "images" / "03.png", ns=(1, 1))
    assert "(1 of 12 pictures described" in run_pairs(photographs, "--overwrite").stdout


def test_another_network_describes_anew_and_says_so(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_pairs(photographs).exit_code == 0

    def other() -> Vgg:
        return random_backbone(seed=1)

    monkeypatch.setattr(perceptual, "random_backbone", other)
    result = run_pairs(photographs, "--overwrite")
    assert result.exit_code == 0, result.output
    assert "held features of another kind (network random VGG (seed 0)" in result.stderr
    assert "(12 of 12 pictures described" in result.stdout


def test_nothing_is_overwritten_unasked(photographs: Path, tmp_path: Path) -> None:
    (photographs / "references.csv").write_text("mine")
    sheet = tmp_path / "sheet.png"
    sheet.write_text("mine too")
    for extra in ((), ("--out", tmp_path / "new.csv", "--sheet", sheet)):
        result = run_pairs(photographs, *extra)
        assert result.exit_code == 1 and "--overwrite" in result.stderr
    assert (photographs / "references.csv").read_text() == "mine"
    assert sheet.read_text() == "mine too"
    assert not (tmp_path / "new.csv").exists()
    assert not (tmp_path / "photographs-features").exists()
    assert run_pairs(photographs, "--overwrite").exit_code == 0


def test_a_damaged_picture_is_named_and_nothing_is_written(photographs: Path) -> None:
    (photographs / "images" / "05.png").write_bytes(b"no picture")
    result = run_pairs(photographs)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(
        f"error: {photographs / 'images' / '05.png'}: cannot be read as an image"
    )
    assert not (photographs / "references.csv").exists()


def test_training_takes_the_list_before_a_public_one(tmp_path: Path) -> None:
    folder = tmp_path / "ade20k"
    for part, count in (("training", 3), ("validation", 1)):
        for i in range(1, count + 1):
            stem = folder / "images" / part / f"ADE_{part[:5]}_{i:08d}"
            stem.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 20), (80 * i, 0, 0)).save(stem.with_suffix(".jpg"))
            Image.new("L", (20, 20)).save(stem.with_suffix(".png"))
    (folder / "ade20k_ref.txt").write_text("ADE_train_00000001.jpg,ADE_train_00000002.jpg\n")
    result = run_pairs(folder)
    assert result.exit_code == 0, result.output
    source = open_source(folder)
    listed = source.references(train=True)
    assert listed is not None and listed.path == folder / "references.csv"
    found = read_references(listed.path, source.names)
    assert source.split is not None and sorted(found) == [0, 1, 2, 3]
    assert all(set(row) <= set(source.split.train) - {key} for key, row in found.items())
    assert {key: len(row) for key, row in found.items()} == {
        **dict.fromkeys(source.split.train, 2),
        **dict.fromkeys(source.split.test, 3),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--count", 0), "--count 0: expected 1 or more"),
        (("--threads", 0), "--threads 0: expected 1 or more"),
        (("--seed", -1), "--seed -1: expected 0 or more"),
        (("--backbone", "none"), "--backbone none: expected one of random"),
        (("--backbone", "vgg19"), "--backbone-weights FILE"),
        (("--device", "abacus"), "--device abacus: expected cpu or cuda"),
        (("--sheet", "sheet.jpg"), "end it in .png"),
        (("--sheet", "a.png", "--out", "a.png"), "the same file as --out"),
        (("--layout", "attic"), "layout 'attic'"),
        (("--cache", "."), "--cache"),
    ],
)
def test_wrong_options_end_with_a_line(
    photographs: Path,
    options: tuple[object, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(photographs)
    before = contents(photographs.parent)
    result = run_pairs(photographs, *options)
    assert result.exit_code == 1
    assert message in result.stderr and len(result.stderr.splitlines()) == 1
    assert contents(photographs.parent) == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    result = run_pairs(tmp_path / "nowhere")
    assert result.exit_code == 1
    assert f"{tmp_path / 'nowhere'}: no such folder" in result.stderr


def test_shards_are_refused_before_any_work(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", 3, 0, (64, 64))
    shards = tmp_path / "shards"
    write_shards(open_source(tmp_path / "scenes"), "folder", shards)
    before = contents(tmp_path)
    result = run_pairs(shards)
    assert result.exit_code == 1
    assert f"{shards}: holds shards" in result.stderr and "on that folder" in result.stderr
    assert contents(tmp_path) == before
