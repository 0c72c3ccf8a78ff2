from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rabit.data import fingerprint as module
from rabit.data.fingerprint import Fingerprint, fingerprint, scenes_fingerprint
from rabit.data.layouts.find import open_source
from rabit.data.layouts.folder import FolderSource
from rabit.data.scenes import Scenes, write_scenes
from rabit.data.shards.source import ShardSource
from rabit.data.shards.writer import write_shards
from rabit.data.source import ReferenceList
from rabit.fields import from_dict, to_dict


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of scenes with pairs.csv; read only."""
    out = tmp_path_factory.mktemp("written") / "scenes"
    write_scenes(out, 3, 5, (64, 64))
    return out


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "scenes"))


def of(folder: Path) -> Fingerprint:
    return fingerprint(open_source(folder, "folder", "labels"))


def flip(path: Path, position: int) -> None:
    """Changes a byte and keeps the file's dates."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_every_file_that_is_read_counts_once(folder: Path) -> None:
    read = [p for p in folder.rglob("*") if p.is_file() and p.suffix in (".png", ".txt", ".csv")]
    found = of(folder)
    assert found.files == len(read)
    assert found.bytes == sum(path.stat().st_size for path in read)
    assert found.whole


def test_it_stays_where_the_folder_moves_and_dates_change(folder: Path) -> None:
    before = of(folder)
    moved = folder.rename(folder.parent / "elsewhere")
    for path in moved.rglob("*.png"):
        os.utime(path, (1, 1))
    (moved / "README.md").write_text("not read")
    assert of(moved) == before
    assert of(moved).difference(before) is None


def change_photograph(folder: Path) -> None:
    flip(next(iter(sorted((folder / "images").iterdir()))), 200)


def change_map(folder: Path) -> None:
    flip(next(iter(sorted((folder / "labels").iterdir()))), 100)


def change_classes(folder: Path) -> None:
    path = folder / "classes.txt"
    path.write_text(path.read_text().swapcase())


def add_references(folder: Path) -> None:
    names = sorted(path.name for path in (folder / "images").iterdir())
    (folder / "references.csv").write_text("".join(f"{n},{names[0]}\n" for n in names))


def rename(folder: Path) -> None:
    for path in (folder / "images", folder / "labels"):
        first = sorted(path.iterdir())[0]
        shutil.copy(first, path / f"other{first.suffix}")


@pytest.mark.parametrize(
    "change", [change_photograph, change_map, change_classes, add_references, rename]
)
def test_whatever_changes_the_samples_changes_it(
    folder: Path, change: Callable[[Path], None]
) -> None:
    before = of(folder)
    change(folder)
    assert of(folder).sha256 != before.sha256


def test_a_list_of_references_elsewhere_counts(folder: Path, tmp_path: Path) -> None:
    class Listed(FolderSource):
        def references(self, train: bool) -> ReferenceList | None:
            return ReferenceList(tmp_path / "list.csv")

    (tmp_path / "list.csv").write_text("00000.png,00001.png\n")
    before = fingerprint(Listed(folder))
    (tmp_path / "list.csv").write_text("00000.png,00002.png\n")
    assert fingerprint(Listed(folder)).sha256 != before.sha256


def test_true_pictures_of_pairs_count(folder: Path) -> None:
    row = (folder / "pairs.csv").read_text().splitlines()
    named = dict(zip(row[0].split(","), row[1].split(","), strict=True))
    before = of(folder)
    flip(folder / named["truth"], 200)
    assert of(folder).sha256 != before.sha256


def test_of_large_corpora_sizes_and_ends_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHOLE", 0)
    monkeypatch.setattr(module, "ENDS", 64)
    before = of(folder)
    assert not before.whole
    photograph = sorted((folder / "images").iterdir())[0]
    for position in (0, 63, -64, -1):
        flip(photograph, position)
        assert of(folder).sha256 != before.sha256
        flip(photograph, position)
    flip(photograph, 200)
    assert of(folder) == before
    photograph.write_bytes(photograph.read_bytes()[:300] + photograph.read_bytes()[299:])
    assert of(folder).sha256 != before.sha256


def test_the_number_of_files_a_thread_takes_changes_nothing(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = of(written)
    monkeypatch.setattr(module, "_CHUNK", 2)
    assert of(written) == before


def test_a_missing_file_is_noted(folder: Path) -> None:
    (folder / "pairs.csv").unlink()
    source = open_source(folder, "folder", "labels")
    before = fingerprint(source)
    source.files(0)[0].unlink()
    found = fingerprint(source)
    assert found.files == before.files and found.bytes < before.bytes
    assert found.sha256 != before.sha256


def test_shards_are_their_tar_files_and_index(written: Path, tmp_path: Path) -> None:
    source = open_source(written, "folder", "labels")
    write_shards(source, "folder", tmp_path / "shards", 2, False, lambda *_: None)
    shards = ShardSource(tmp_path / "shards")
    found = fingerprint(shards)
    tars = {path.name for path in (tmp_path / "shards").glob("*.tar")}
    read = {shards.files(i)[0].name for i in range(len(shards))}
    assert read <= tars
    assert found.files >= len(read) + 1
    index = tmp_path / "shards" / "shards.json"
    index.write_text(index.read_text() + " ")
    assert fingerprint(shards).sha256 != found.sha256


def test_scenes_are_their_seed_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    first = scenes_fingerprint(0)
    assert first == scenes_fingerprint(0) != scenes_fingerprint(1)
    assert first.difference(scenes_fingerprint(1)) is not None
    monkeypatch.setattr(module, "SCENES_VERSION", 2)
    assert scenes_fingerprint(0) != first


def test_another_generator_needs_another_version() -> None:
    """If this fails, a seed gives other scenes than before: raise SCENES_VERSION, pin anew."""
    sample = Scenes(8, (64, 64), seed=0)[7]
    labels = sample.condition.regions.numpy().astype(np.uint8)
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:16] == "981ebf358096a1a0"
    means = [round(float(each.mean()), 2) for each in (sample.exemplar, sample.truth)]
    assert (module.SCENES_VERSION, means) == (1, [0.26, 0.24])


def test_differences_are_told() -> None:
    digest = {name: hashlib.sha256(name.encode()).hexdigest() for name in "ab"}
    before, fewer = Fingerprint(digest["a"], 10, 2**21, True), Fingerprint(digest["b"], 9, 0, True)
    assert fewer.difference(before) == "10 files of 2.0 MiB then, 9 files of 0.0 MiB now"
    changed = Fingerprint(digest["b"], 10, 2**21, True)
    assert changed.difference(before) == "the 10 files have other names or contents"
    assert scenes_fingerprint(0).difference(before) == (
        "10 files of 2.0 MiB then, generated scenes now"
    )


def test_it_is_written_and_read_as_json() -> None:
    found = scenes_fingerprint(3)
    assert from_dict(Fingerprint, json.loads(json.dumps(to_dict(found)))) == found
    with pytest.raises(ValueError, match="sha256"):
        from_dict(Fingerprint, {**to_dict(found), "sha256": "x"})
