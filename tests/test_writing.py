from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rabit.writing import (
    WriteError,
    check_target,
    is_partial,
    naming,
    partial_path,
    replace_files,
    sole_writer,
    write_files,
)


def test_errors_name_the_target_and_what_to_do(tmp_path: Path) -> None:
    for number, advice in (
        (errno.ENOSPC, "make space on the disk"),
        (errno.EROFS, "choose a place that you may write to"),
        (errno.ENAMETOOLONG, "choose another name"),
        (errno.EIO, "choose another place"),
    ):
        with pytest.raises(WriteError) as caught, naming(tmp_path / "a.png"):
            raise OSError(number, "reason", ".0123.part")
        text = str(caught.value)
        assert text.startswith(f"{tmp_path / 'a.png'}: could not be written (reason); {advice}")
        assert ".part" not in text


def test_the_innermost_target_is_named(tmp_path: Path) -> None:
    inner = pytest.raises(WriteError, match="^[^:]*inner: could not be written [^:]*$")
    with inner, naming(tmp_path / "outer"), naming(tmp_path / "inner"):
        raise OSError(errno.ENOSPC, "full")


def test_folders_that_may_not_be_written_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_target(tmp_path / "new" / "a.png")
    check_target(tmp_path / "new", folder=True)
    with pytest.raises(WriteError, match="it is a folder"):
        check_target(tmp_path)
    with pytest.raises(WriteError, match="choose another name"):
        check_target(tmp_path / ("a" * 300 + ".png"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(WriteError, match="is not writable"):
        check_target(tmp_path / "a.png")


def test_an_interrupt_waits_until_all_files_have_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, work, rename = tmp_path / "out", tmp_path / "work", Path.rename
    names = [Path(name) for name in ("a", "b/c", "d")]
    for number, folder in enumerate((out, work / "new")):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(str(number))
    fails = False

    def interrupted(source: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        if fails and source == work / "new/b/c":
            raise OSError(errno.EIO, "broken")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        replace_files(out, names, names, work)
    assert [(out / name).read_text() for name in names] == ["1"] * 3
    assert [(work / "old" / name).read_text() for name in names] == ["0"] * 3
    for name in names:
        rename(work / "old" / name, work / "new" / name)
    fails = True
    with pytest.raises(KeyboardInterrupt) as caught:
        replace_files(out, names, names, work)
    assert isinstance(caught.value.__context__, OSError)
    assert [(out / name).read_text() for name in names] == ["1", "1", "1"]
    assert signal.getsignal(signal.SIGINT) is before


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "new" / "other"
    write_files({one: b"1", other: b"2"})
    assert (one.read_bytes(), other.read_bytes()) == (b"1", b"2")
    with pytest.raises(FileExistsError, match="one exists already"):
        write_files({tmp_path / "third": b"3", one: b"4"})
    with pytest.raises(WriteError, match="below: could not be written"):
        write_files({one: b"5", one / "below": b"6"}, overwrite=True)
    assert one.read_bytes() == b"1"
    write_files({one: b"7"}, overwrite=True)
    assert one.read_bytes() == b"7"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "one", "other"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_what_was_there_comes_back_if_a_later_file_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    old, folder = tmp_path / "old", tmp_path / "folder"
    (folder / "full").mkdir(parents=True)
    old.write_bytes(b"old")
    files = {old: b"1", tmp_path / "new" / "a": b"2", folder: b"3"}
    with pytest.raises(WriteError, match="folder: could not be written .*choose another name"):
        write_files(files, overwrite=True)
    assert old.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "full", "old"]
    files.pop(folder)
    write_files(files, overwrite=True)
    assert [path.read_bytes() for path in files] == [b"1", b"2"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "folder", "full", "new", "old"]


# Kills children, each before another of their steps on files, and looks at what they have left.
_KILLED = """
import os, signal, sys
from itertools import count
from pathlib import Path
from rabit.writing import is_partial, write_files


def kill_at(step, paths):
    child = os.fork()
    if not child:
        steps = count(1)

        def hook(event, args):
            if (event == "open" or event.startswith("os.")) and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        write_files({path: b"new" for path in paths}, overwrite=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
    return status == 0


for number in (1, 3):
    folder = Path(sys.argv[1], str(number))
    folder.mkdir()
    paths = [folder / str(i) for i in range(number)]
    for step in count(1):
        for path in paths:
            path.write_bytes(b"old")
        complete = kill_at(step, paths)
        content = {path.read_bytes() if path.exists() else b"none" for path in paths}
        assert content <= {b"old", b"new"}, (step, content)
        left = {path.name for path in folder.iterdir()} - {path.name for path in paths}
        assert all(map(is_partial, left)), left
        if complete:
            break
    assert content == {b"new"} and step > 2 * number
"""


def test_a_killed_process_leaves_each_file_old_or_new(tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    subprocess.run([sys.executable, "-c", _KILLED, tmp_path], check=True)


def test_partial_files_are_known_by_their_names(tmp_path: Path) -> None:
    one, other = (partial_path(tmp_path / "a.png") for _ in range(2))
    assert one.parent == tmp_path and one != other and is_partial(one.name)
    for name in (".mine.part", "a.part", f"a{one.name}", f"{one.name}\n", ".0123456789ABCDEF.part"):
        assert not is_partial(name)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot tell")
def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_writer(tmp_path) as alone:
            assert alone
            refused = pytest.raises(WriteError, match="another run is writing it; wait until")
            with refused, sole_writer(tmp_path):
                pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot tell")
def test_a_drive_that_cannot_tell_of_writers_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EBADF, "no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    with sole_writer(tmp_path) as alone:
        assert not alone
