from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rabit.data.check import check_folder
from rabit.data.contact import choose_records, contact_sheet
from rabit.data.generated.layouts import write_layout
from rabit.data.layouts.find import open_source
from rabit.data.scenes import write_scenes
from rabit.data.shards.index import INDEX
from rabit.data.shards.source import ShardSource
from rabit.data.shards.writer import write_shards

COUNT = 12


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound scenes, of which two have one photograph; read only."""
    out = tmp_path_factory.mktemp("plain") / "scenes"
    write_scenes(out, COUNT, 1, (64, 80))
    for folder in ("images", "labels"):
        shutil.copy(out / folder / "00002.png", out / folder / "00009.png")
    return out


@pytest.fixture
def shards(plain: Path, tmp_path: Path) -> Path:
    """Shards of these, five pictures each."""
    write_shards(open_source(plain), "folder", tmp_path / "shards", 5)
    return tmp_path / "shards"


def spoil(shards: Path, series: str, number: int, place: int) -> Path:
    """Changes a byte of a picture; the file keeps its size."""
    shard = json.loads((shards / INDEX).read_text())[series][number]
    path = shards / shard["file"]
    data = bytearray(path.read_bytes())
    offset, length, _ = shard["places"][place]
    data[offset + length // 2] ^= 255
    path.write_bytes(data)
    return path


def test_shards_are_checked_as_what_they_were_written_from(plain: Path, shards: Path) -> None:
    given, report = check_folder(plain), check_folder(shards)
    assert report.problems == () and report.layout == "shards"
    assert (report.kind, report.channels, report.pairs) == (given.kind, given.channels, COUNT)
    assert (report.sizes, report.classes) == (given.sizes, given.classes)
    assert [record.name for record in report.records] == [record.name for record in given.records]
    assert len({record.image for record in report.records}) == COUNT
    assert [finding.kind for finding in report.findings] == ["duplicate"]
    names = [file.relative_to(shards).as_posix() for file in report.findings[0].files]
    assert names == ["pictures-000000.tar/00002.png", "pictures-000001.tar/00009.png"]


@pytest.mark.parametrize("layout", ["celebahq-edge", "deepfashion"])
def test_shards_of_other_conditions(tmp_path: Path, layout: str) -> None:
    write_layout(tmp_path / "corpus", layout, 10, 1, 64)
    write_shards(open_source(tmp_path / "corpus", layout), layout, tmp_path / "shards", 4)
    report = check_folder(tmp_path / "shards")
    assert report.findings == () and len(report.records) == 10
    assert contact_sheet(report).std() > 10


def test_every_picture_is_read_once(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    load = ShardSource.load

    def counted(source: ShardSource, index: int) -> object:
        read.append(index)
        return load(source, index)

    monkeypatch.setattr(ShardSource, "load", counted)
    read_bytes = Path.read_bytes

    def not_whole(path: Path) -> bytes:
        assert path.suffix != ".tar"
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", not_whole)
    check_folder(shards)
    assert sorted(read) == list(range(COUNT))


def test_damaged_pictures_are_named(shards: Path) -> None:
    tar = spoil(shards, "pictures", 1, 2)
    spoil(shards, "pairs", 0, 0)
    report = check_folder(shards)
    assert [(f.files[0], f.kind) for f in report.problems] == [
        (shards, "bad-pairs"),
        (tar / "00007.png", "damaged"),
    ]
    assert "pair 00000" in report.problems[0].text
    assert "write the shards again" in report.problems[1].text
    chosen = choose_records(report, 6, 0)
    assert [record.name for record in chosen[:3]] == ["00002.png", "00007.png", "00009.png"]
    assert contact_sheet(report, 6).ndim == 3


def test_shards_keep_what_references_lack(plain: Path, tmp_path: Path) -> None:
    source = open_source(plain)
    rows = [f"{name},{source.names[i - 1]}" for i, name in enumerate(source.names)]
    shutil.copytree(plain, tmp_path / "scenes")
    (tmp_path / "scenes" / "references.csv").write_text("\n".join(rows[1:]))
    write_shards(open_source(tmp_path / "scenes"), "folder", tmp_path / "shards", 5)
    (problem,) = check_folder(tmp_path / "shards").problems
    assert problem.kind == "bad-references" and source.names[0] in problem.text
