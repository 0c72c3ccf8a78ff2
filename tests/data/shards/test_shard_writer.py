from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.layouts.folder import FolderSource
from rabit.data.shards.index import INDEX, read_index
from rabit.data.shards.writer import NOTES, write_shards
from rabit.writing import WriteError, file_digest, is_partial, partial_path

COUNT = 11
STEPS = COUNT + 3


def _write(corpus: Path, out: Path, per_shard: int = 3, **options: object) -> None:
    write_shards(FolderSource(corpus), "folder", out, per_shard, **options)  # type: ignore[arg-type]


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def whole(corpus: Path, tmp_path: Path) -> dict[str, bytes]:
    """What a run that is not interrupted writes."""
    _write(corpus, tmp_path / "whole")
    return _content(tmp_path / "whole")


def test_the_folder_holds_what_is_promised(whole: dict[str, bytes], corpus: Path) -> None:
    tars = [f"pictures-00000{i}.tar" for i in range(4)] + ["pairs-000000.tar"]
    lists = ["references-train.csv", "references-test.csv"]
    assert set(whole) == {*tars, *lists, INDEX}
    assert whole[lists[0]] == (corpus / "references.csv").read_bytes()
    index = json.loads(whole[INDEX])
    assert index["layout"] == "folder" and index["kind"] == "semantic"
    assert [len(shard["places"]) for shard in index["pictures"]] == [3, 3, 3, 2]
    assert [len(shard["places"]) for shard in index["pairs"]] == [6]
    assert index["names"] == sorted(path.name for path in (corpus / "images").iterdir())


def test_index_tells_size_and_hash(whole: dict[str, bytes], tmp_path: Path) -> None:
    index = read_index(tmp_path / "whole")
    for shard in (*index.pictures, *index.pairs):
        assert shard.bytes == len(whole[shard.file])
        assert shard.sha256 == file_digest(tmp_path / "whole" / shard.file)


def test_tar_files_hold_the_photographs_bytes_under_adjacent_keys(
    whole: dict[str, bytes], corpus: Path
) -> None:
    with tarfile.open(fileobj=io.BytesIO(whole["pictures-000001.tar"])) as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar} == {
            (0, 0, 0, "", "", 0o644)
        }
        keys = [name.partition(".")[0] for name in tar.getnames()]
        assert keys == sorted(keys) and set(keys) == {f"{i:09d}" for i in (3, 4, 5)}
        photograph = tar.extractfile("000000003.jpg")
        labels = tar.extractfile("000000003.labels.png")
        assert photograph is not None and labels is not None
        assert photograph.read() == (corpus / "images" / "03.jpg").read_bytes()
        with Image.open(labels) as image, Image.open(corpus / "labels" / "03.png") as given:
            np.testing.assert_array_equal(np.asarray(image), np.asarray(given))


def test_webdataset_reads_the_shards(whole: dict[str, bytes]) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    urls = [f"pictures-00000{i}.tar" for i in range(4)]
    # Opened here: webdataset leaves what it opens to the garbage collector.
    opened = [{"url": url, "stream": io.BytesIO(whole[url])} for url in urls]
    files = webdataset.tariterators.tar_file_expander(opened)
    items = list(webdataset.tariterators.group_by_keys(files))
    assert [item["__key__"] for item in items] == [f"{i:09d}" for i in range(COUNT)]
    assert [json.loads(item["json"])["name"] for item in items] == json.loads(whole[INDEX])["names"]
    for item in items:
        with Image.open(io.BytesIO(item["labels.png"])) as labels:
            assert labels.size == (30, 20)


def test_the_same_pictures_give_the_same_bytes(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path
) -> None:
    for path in corpus.rglob("*.*"):
        os.utime(path, (1, 1))
    _write(corpus, tmp_path / "again")
    assert _content(tmp_path / "again") == whole


def test_progress_counts_pictures_and_test_items(corpus: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    _write(corpus, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {done for done, _ in told} == set(range(STEPS + 1)) and told[-1] == (STEPS, STEPS)


# Interruptions


class _Stopped(BaseException):
    """What stops a run."""


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_stopped_run_goes_on_to_the_same_files(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path, step: int
) -> None:
    out = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        if done == step:
            raise _Stopped

    with pytest.raises(_Stopped):
        _write(corpus, out, progress=stop)
    assert not list(out.glob(".*.part")) and not (out / INDEX).exists()
    _write(corpus, out, resume=True)
    assert _content(out) == whole


_KILLED = """
import os, signal, sys
from pathlib import Path
from rabit.data.layouts.folder import FolderSource
from rabit.data.shards.writer import write_shards

def kill(done, total):
    if done == 7:
        os.kill(os.getpid(), signal.SIGKILL)

write_shards(FolderSource(sys.argv[1]), "folder", Path(sys.argv[2]), 3, progress=kill)
"""


def test_a_killed_run_goes_on_to_the_same_files(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", _KILLED, corpus, out], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = set(_content(out))
    assert any(map(is_partial, left)) and INDEX not in left
    kept = (out / "pictures-000001.tar").stat()
    _write(corpus, out, resume=True)
    assert _content(out) == whole
    assert (out / "pictures-000001.tar").stat().st_ino == kept.st_ino


# Kills a resumed run before each of its renamings in turn.
_KILLED_AGAIN = """
import os, shutil, signal, sys
from itertools import count
from pathlib import Path
from rabit.data.layouts.folder import FolderSource
from rabit.data.shards.writer import write_shards

source, begun, out = FolderSource(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
for step in count(1):
    shutil.copytree(begun, out / str(step))
    child = os.fork()
    if not child:
        steps = count(1)

        def hook(event, args):
            if event == "os.rename" and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        write_shards(source, "folder", out / str(step), 3, resume=True)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def test_a_run_killed_while_it_goes_on_keeps_what_was_finished(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path
) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    begun, outs = tmp_path / "begun", tmp_path / "outs"

    def stop(done: int, total: int) -> None:
        if done == 7:
            raise _Stopped

    with pytest.raises(_Stopped):
        _write(corpus, begun, progress=stop)
    subprocess.run([sys.executable, "-c", _KILLED_AGAIN, corpus, begun, outs], check=True)
    killed = sorted(outs.iterdir())
    assert len(killed) > 5
    for out in killed:
        kept = (out / "pictures-000001.tar").stat()
        _write(corpus, out, resume=True)
        assert _content(out) == whole
        assert (out / "pictures-000001.tar").stat().st_ino == kept.st_ino


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_run_killed_at_once_has_left_is_no_obstacle(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path, resume: bool
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    partial_path(out / INDEX).write_bytes(b"half")
    _write(corpus, out, resume=resume)
    assert _content(out) == whole


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot tell")
@pytest.mark.parametrize("step", [0, 7])
def test_a_second_run_in_one_folder_is_refused(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path, step: int
) -> None:
    out = tmp_path / "out"
    tried = []

    def second(done: int, total: int) -> None:
        if done == step:
            for resume in (False, True):
                with pytest.raises(WriteError, match="out: another run is writing it; wait"):
                    _write(corpus, out, resume=resume)
                tried.append(resume)

    _write(corpus, out, resume=True, progress=second)
    assert set(tried) == {False, True} and _content(out) == whole


@pytest.mark.parametrize(
    "line",
    [
        b'{"file":"x"}',
        b"[" * 200_000,
        b"3",
        b'{"file": "../a", "bytes": 0, "sha256": "", "places": []}',
        b'{"file": "pictures-000000.tar", "bytes": 0, "sha256": "%s", "places": []}',
    ],
    ids=["fields missing", "deep", "number", "elsewhere", "pictures missing"],
)
def test_damaged_lines_of_notes_are_passed_over(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path, line: bytes
) -> None:
    out = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        if done == 7:
            raise _Stopped

    with pytest.raises(_Stopped):
        _write(corpus, out, progress=stop)
    first, *shards = (out / NOTES).read_bytes().splitlines()
    digest = file_digest(out / "pictures-000000.tar").encode()
    (out / NOTES).write_bytes(b"\n".join([first, shards[1], line.replace(b"%s", digest), b""]))
    kept = (out / "pictures-000001.tar").stat()
    _write(corpus, out, resume=True)
    assert _content(out) == whole
    assert (out / "pictures-000001.tar").stat().st_ino == kept.st_ino


def test_what_was_finished_but_not_noted_is_written_again(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        if done == 7:
            raise _Stopped

    with pytest.raises(_Stopped):
        _write(corpus, out, progress=stop)
    notes = (out / NOTES).read_bytes()
    (out / NOTES).write_bytes(notes[:-20])  # the last line is cut off
    (out / "pictures-000000.tar").write_bytes(b"another file's")
    _write(corpus, out, resume=True)
    assert _content(out) == whole


@pytest.mark.parametrize("name", ["pictures-000002.tar", "pairs-000000.tar"])
def test_resume_mends_a_finished_folder(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "whole"
    kept = (out / "pictures-000000.tar").stat()
    (out / name).write_bytes(whole[name][:-2000])
    _write(corpus, out, resume=True)
    assert _content(out) == whole
    assert (out / "pictures-000000.tar").stat().st_ino == kept.st_ino
    (out / name).unlink()
    _write(corpus, out, resume=True)
    assert _content(out) == whole


def test_resume_begins_where_nothing_is(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path
) -> None:
    _write(corpus, tmp_path / "new" / "out", resume=True)
    assert _content(tmp_path / "new" / "out") == whole


# Refusals


def test_a_full_folder_is_refused(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".mine.part").write_text("mine")
    partial_path(out / "other").write_text("of another program of ours, perhaps")
    there = _content(out)
    for resume in (False, True):
        with pytest.raises(ValueError, match="out is not empty; give another folder$"):
            _write(corpus, out, resume=resume)
    assert _content(out) == there


def test_shards_are_not_written_over_unasked(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="or --resume to go on with the shards in it"):
        _write(corpus, tmp_path / "whole")
    assert _content(tmp_path / "whole") == whole


def test_other_options_or_pictures_cannot_go_on(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"whole: begun with other per_shard \(3, now 4\)"):
        _write(corpus, tmp_path / "whole", 4, resume=True)
    (corpus / "pairs.csv").unlink()
    for name in ("images", "labels"):
        (corpus / name / "01.png").unlink()
    with pytest.raises(ValueError, match="begun with other names"):
        _write(corpus, tmp_path / "whole", resume=True)
    assert _content(tmp_path / "whole") == whole


def test_a_bad_picture_is_named_and_nothing_is_left(corpus: Path, tmp_path: Path) -> None:
    (corpus / "labels" / "01.png").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"labels/01\.png: cannot be read"):
        _write(corpus, tmp_path / "above" / "out")
    assert not (tmp_path / "above").exists()


def test_a_run_goes_on_after_a_bad_picture_is_mended(
    whole: dict[str, bytes], corpus: Path, tmp_path: Path
) -> None:
    bad = corpus / "labels" / "07.png"
    good = bad.read_bytes()
    bad.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"labels/07\.png"):
        _write(corpus, tmp_path / "out")
    bad.write_bytes(good)
    _write(corpus, tmp_path / "out", resume=True)
    assert _content(tmp_path / "out") == whole


def test_wrong_arguments_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 pictures a shard, expected 1 or more"):
        _write(corpus, tmp_path / "out", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file: could not be written"):
        _write(corpus, tmp_path / "file")
    assert not (tmp_path / "out").exists()


def test_damaged_notes_are_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for text in ("", "[]\n", "{}\n", "{", '{"version": 1}\n'):
        (tmp_path / "out" / NOTES).write_text(text)
        with pytest.raises(ValueError, match=r"shards-written\.jsonl"):
            _write(corpus, tmp_path / "out", resume=True)
