from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.scenes import CLASSES, write_scenes
from rabit.data.scenes import files as scene_files

SIZE = (64, 72)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_files_read_back_as_a_corpus(tmp_path: Path) -> None:
    out = tmp_path / "new" / "corpus"
    calls: list[tuple[int, int]] = []
    write_scenes(out, 3, seed=4, size=SIZE, progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert [path.name for path in out.parent.iterdir()] == ["corpus"]
    stems = [f"{index:05d}.png" for index in range(3)]
    assert sorted(contents(out)) == sorted(
        ["classes.txt", "generated.txt", "pairs.csv"]
        + [f"{folder}/{stem}" for folder in ("images", "labels", "truth") for stem in stems]
    )
    assert (out / "classes.txt").read_text().splitlines() == list(CLASSES)
    with (out / "pairs.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["condition", "exemplar", "exemplar_condition", "truth"]
    for index, row in enumerate(rows):
        assert row["condition"] == f"labels/{stems[index]}"
        assert row["truth"] == f"truth/{stems[index]}"
        assert row["exemplar"].split("/")[1] == row["exemplar_condition"].split("/")[1]
        assert row["exemplar"] != f"images/{stems[index]}"
        for column, mode in (("condition", "L"), ("exemplar", "RGB"), ("truth", "RGB")):
            with Image.open(out / row[column]) as image:
                assert (image.mode, image.size) == (mode, (72, 64))


def test_pictures_are_renderings_of_their_maps_in_the_exemplars_style(tmp_path: Path) -> None:
    """Where exemplar and truth show a colour of one class, it is the same style's."""
    write_scenes(tmp_path / "out", 4, seed=1, size=SIZE)
    with (tmp_path / "out" / "pairs.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))

    def means(image: str, labels: str) -> np.ndarray:
        pixels = np.asarray(Image.open(tmp_path / "out" / image)).astype(float)
        ids = np.asarray(Image.open(tmp_path / "out" / labels))
        return np.array([pixels[ids == CLASSES.index(n)].mean(0) for n in ("sky", "road")])

    for row in rows:
        exemplar = means(row["exemplar"], row["exemplar_condition"])
        truth = means(row["truth"], row["condition"])
        own = means(row["truth"].replace("truth", "images"), row["condition"])
        assert np.abs(exemplar - truth).mean() < 12
        assert np.abs(exemplar - truth).mean() < np.abs(own - truth).mean()


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 2), ("again", 2), ("other", 3)):
        write_scenes(tmp_path / name, 2, seed=seed, size=SIZE)
    assert contents(tmp_path / "one") == contents(tmp_path / "again")
    assert contents(tmp_path / "one") != contents(tmp_path / "other")


def test_an_empty_folder_is_taken_and_another_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_scenes(tmp_path / "out", 2, seed=0, size=SIZE)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"out is not empty.*--overwrite"):
        write_scenes(tmp_path / "out", 2, seed=1, size=SIZE)
    assert contents(tmp_path) == before


def test_overwriting_replaces_scenes_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_scenes(out, 4, seed=0, size=SIZE)
    (out / "notes.txt").write_text("mine")
    (out / "images" / "00017.png").write_text("mine too")
    write_scenes(out, 2, seed=1, size=SIZE, overwrite=True)
    write_scenes(tmp_path / "fresh", 2, seed=1, size=SIZE)
    expected = contents(tmp_path / "fresh")
    expected |= {"notes.txt": b"mine", "images/00017.png": b"mine too"}
    assert contents(out) == expected


def test_overwriting_stops_at_a_file_that_is_not_a_scene(tmp_path: Path) -> None:
    write_scenes(tmp_path, 2, seed=0, size=SIZE)
    (tmp_path / "images" / "00002.png").write_text("a photograph")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"00002\.png stands in the way"):
        write_scenes(tmp_path, 3, seed=0, size=SIZE, overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("cell", ["truth/00000.png", "x" * 200_000])
def test_a_corpus_of_the_users_own_is_never_overwritten(tmp_path: Path, cell: str) -> None:
    """Not even one that is named and listed just as scenes are."""
    write_scenes(tmp_path, 2, seed=0, size=SIZE)
    (tmp_path / "generated.txt").unlink()
    pairs = (tmp_path / "pairs.csv").read_text()
    (tmp_path / "pairs.csv").write_text(pairs.replace("truth/00000.png", cell))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"not empty and has no generated\.txt that lists"):
        write_scenes(tmp_path, 2, seed=1, size=SIZE, overwrite=True)
    assert contents(tmp_path) == before
    (tmp_path / "generated.txt").write_text("images/00000.png\n")
    with pytest.raises(ValueError, match=r"no generated\.txt that lists"):
        write_scenes(tmp_path, 2, seed=1, size=SIZE, overwrite=True)


def test_nothing_is_left_behind_by_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_scenes(out, 3, seed=0, size=SIZE)
    before = contents(tmp_path)

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    for folder in (out, tmp_path / "missing"):
        with pytest.raises(KeyboardInterrupt):
            write_scenes(folder, 3, seed=1, size=SIZE, overwrite=True, progress=interrupt)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(scene_files, "render", fail)
    with pytest.raises(OSError, match="disk full"):
        write_scenes(tmp_path / "missing", 3, seed=1, size=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["out", "missing", "empty"])
@pytest.mark.parametrize("failing", [0, 2, 13])
def test_a_failure_while_files_are_exchanged_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, failing: int
) -> None:
    write_scenes(tmp_path / "out", 2, seed=0, size=SIZE)
    (tmp_path / "empty").mkdir()
    before = contents(tmp_path)
    rename, moves = Path.rename, iter(range(1000))

    def fail_once(source: Path, target: Path) -> Path:
        if next(moves) == min(failing, 15 if name == "out" else 5):
            raise OSError("no such luck")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(OSError, match="no such luck"):
        write_scenes(tmp_path / name, 2, seed=1, size=SIZE, overwrite=True)
    assert contents(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "out"]
    assert not any((tmp_path / "empty").iterdir())


@pytest.mark.parametrize(
    ("count", "seed", "size", "message"),
    [
        (1, 0, SIZE, "count 1"),
        (2, -1, SIZE, "seed -1"),
        (2, 0, (63, 64), "size 63 x 64"),
    ],
)
def test_bad_arguments_are_refused(
    tmp_path: Path, count: int, seed: int, size: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_scenes(tmp_path / "out", count, seed=seed, size=size)
    assert not (tmp_path / "out").exists()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="out is a file"):
        write_scenes(tmp_path / "out", 2, seed=0, size=SIZE, overwrite=True)
