from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from rabit.app.data_merge_command import data_merge_command
from rabit.app.errors import Commands
from rabit.data.images import read_classes, read_labels
from rabit.data.merge import merge_corpus, read_merge

CLASSES = ("sky", "roof", "wall", "door")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for stem in ("a", "b"):
        pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{stem}.jpg")
        Image.fromarray(rng.integers(0, 4, (6, 8), dtype=np.uint8)).save(
            root / f"labels/{stem}.png"
        )
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    (root / "merge.txt").write_text("house: wall, roof, door\n\nsky: sky\n")
    return root


def test_maps_get_the_new_ids_and_photographs_keep_their_bytes(
    corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    merged = merge_corpus(corpus, corpus / "merge.txt", out)
    assert merged.classes == read_classes(out / "classes.txt") == ("house", "sky")
    for stem in ("a", "b"):
        old = read_labels(corpus / f"labels/{stem}.png", 4)
        new = read_labels(out / f"labels/{stem}.png", 2)
        np.testing.assert_array_equal(new, (old == 0).astype(int))
        name = f"images/{stem}.jpg"
        assert (out / name).read_bytes() == (corpus / name).read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("house: wall, roof, door\n", "sky in no line; name every class once"),
        ("a: sky, wall, roof, door\nb: sky\n", "line 2: 'sky' is named a second time"),
        ("a: sky\na: wall, roof, door\n", "line 2: 'a' has a line already"),
        ("a: sky, tree\n", "line 1: no class 'tree'; there are sky, roof, wall, door"),
        ("sky\n", "line 1 is 'sky', expected NEW: OLD"),
        ("a: sky, 3\n*\n", "line 1: no class '3'; .* and ids of none from 4 on"),
        ("a: sky, 255\nb: 255\n*\n", "line 2: '255' is named a second time"),
        ("1 a: sky\n0 b: roof, wall, door\n", "line 1 has the id 1, expected 0"),
        ("wall: sky\n*\n", "line 2: 'wall' has a line already"),
        (": sky\n", "expected NEW: OLD"),
        ("*: sky\n", "expected NEW: OLD"),
    ],
)
def test_wrong_lines(corpus: Path, tmp_path: Path, text: str, message: str) -> None:
    (corpus / "merge.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_merge(corpus / "merge.txt", CLASSES)
    with pytest.raises(ValueError, match="merge.txt"):
        merge_corpus(corpus, corpus / "merge.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_ids_without_a_class_get_one_and_the_rest_stays(corpus: Path, tmp_path: Path) -> None:
    ids = np.zeros((6, 8), np.uint8)
    ids[:2], ids[2:4] = 255, 3
    Image.fromarray(ids).save(corpus / "labels/a.png")
    (corpus / "merge.txt").write_text("house: wall, door\n*\nvoid: 255\n")
    merged = merge_corpus(corpus, corpus / "merge.txt", tmp_path / "out")
    assert merged.classes == ("house", "sky", "roof", "void")
    new = read_labels(tmp_path / "out/labels/a.png", 4)
    assert [int(new[row, 0]) for row in (0, 2, 4)] == [3, 0, 1]
    ids[5] = 254
    Image.fromarray(ids).save(corpus / "labels/a.png")
    with pytest.raises(ValueError, match=r"a.png: ids 254 are in no line"):
        merge_corpus(corpus, corpus / "merge.txt", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.fixture
def merge() -> Callable[..., Result]:
    app = typer.Typer(cls=Commands)
    app.callback()(lambda: None)
    app.command("merge")(data_merge_command)
    return lambda *arguments: CliRunner().invoke(app, ["merge", *map(str, arguments)])


def test_the_command_replaces_its_own_files_only(
    merge: Callable[..., Result], corpus: Path, tmp_path: Path
) -> None:
    arguments = (corpus, corpus / "merge.txt", "--out", tmp_path / "out")
    result = merge(*arguments)
    assert result.exit_code == 0 and f"4 ids became 2 classes: {tmp_path / 'out'}" in result.stdout
    assert merge(*arguments).exit_code == 1
    assert merge(*arguments, "--overwrite").exit_code == 0
    result = merge(corpus, corpus / "merge.txt", "--out", corpus, "--overwrite")
    assert result.exit_code == 1 and (corpus / "labels/a.png").exists()
