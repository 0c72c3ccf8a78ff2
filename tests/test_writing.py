from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rabit.writing import WriteError, check_target, naming, write_files


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
