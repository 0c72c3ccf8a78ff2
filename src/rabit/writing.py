"""Writing of files so that they appear complete or not at all, with errors that name them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

WORK_PREFIX = ".rabit-"
_CHUNK = 2**20


class WriteError(OSError):
    """A file or folder that the user asked for could not be written; the text names it."""


def write_error(error: OSError, target: Path) -> WriteError:
    """Returns an error of the system as one about the file that the user asked for.

    An error that names such a file already stays as it is.

    Args:
        error: what the system said, perhaps of a temporary file.
        target: the file or folder that the user named.
    """
    if isinstance(error, WriteError):
        return error
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = f"make space on the disk{_space(target)}, or write to another one"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "choose a place that you may write to, or change its permissions"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG):
        advice = "choose another name"
    else:
        advice = "choose another place, or try again"
    return WriteError(f"{target}: could not be written ({reason}); {advice}")


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Turns errors of the system, while a file or folder is written, into `write_error`s."""
    try:
        yield
    except OSError as error:
        raise write_error(error, target) from error


def check_target(target: Path, folder: bool = False) -> None:
    """Refuses, before any work, a file or folder that cannot be written.

    Args:
        target: where to; folders above it may be missing.
        folder: whether it is a folder.

    Raises:
        WriteError: it is a folder (or no folder), something above it is a file, or the place may
            not be written to.
    """
    with naming(target), suppress(FileNotFoundError, NotADirectoryError):
        target.stat()  # Tells of names that are too long, which `is_dir` and `exists` may not.
    with naming(target):
        if target.is_dir() and not folder:
            raise IsADirectoryError(errno.EISDIR, "it is a folder, expected a file")
        if folder and target.exists() and not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, expected a folder")
        above = target if folder else target.parent
        while not above.exists():
            above = above.parent
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{above} is a file, expected a folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"the folder {above} is not writable")


def write_files(files: Mapping[Path, bytes], overwrite: bool = False) -> None:
    """Writes several files: all of them appear, or none, and what was there stays.

    A killed process may leave some of several files new and the others old, but none half-written.

    Args:
        files: what each holds; missing folders are made.
        overwrite: whether files that are there may be replaced.

    Raises:
        FileExistsError: one is there and may not be replaced.
        WriteError: one could not be written; it is named.
    """
    for path in files:
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists already; choose another name or overwrite it")
    created: list[Path] = []
    moves: list[_Move] = []
    try:
        for path, data in files.items():
            with naming(path):
                created += make_folders(path.parent)
                moves.append(_Move(path, partial_path(path), partial_path(path)))
                moves[-1].new.write_bytes(data)
                if len(moves) < len(files) and os.path.lexists(path):
                    _copy(path, moves[-1].old)
        _replace(moves)
    finally:
        for move in moves:
            move.new.unlink(missing_ok=True)
            move.old.unlink(missing_ok=True)
        remove_empty(created)


@dataclass(frozen=True)
class _Move:
    """A file that is written: its path, and those of its new and, as a copy, old content."""

    path: Path
    new: Path
    old: Path


def _replace(moves: Sequence[_Move]) -> None:
    """Puts new files in their places, each at once, or the old ones back if that fails.

    At no time is there no file where there was one, should the process be killed. The last file
    needs no copy of the old one: once it is in its place, all are.
    """
    try:
        for move in moves:
            with naming(move.path):
                move.new.replace(move.path)
    except BaseException:
        if os.path.lexists(moves[-1].new):
            for move in reversed(moves[:-1]):
                if os.path.lexists(move.new):
                    continue
                if os.path.lexists(move.old):
                    move.old.replace(move.path)
                else:
                    move.path.unlink()
        raise


def _copy(path: Path, copy: Path) -> None:
    """Gives a file a second name or, where the file system has no such links, copies it."""
    try:
        os.link(path, copy, follow_symlinks=False)
    except (NotImplementedError, OSError):
        shutil.copy2(path, copy, follow_symlinks=False)


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def partial_path(path: Path) -> Path:
    """Returns a new path beside a file's for what is written until it is complete."""
    return path.with_name(f".{secrets.token_hex(8)}.part")


def is_partial(name: str) -> bool:
    """Tells whether a file is called as by `partial_path`: what a killed process may leave."""
    return re.fullmatch(r"\.[0-9a-f]{16}\.part", name) is not None


@contextmanager
def sole_writer(folder: Path) -> Iterator[bool]:
    """Refuses to fill a folder that another process fills by this function.

    Nothing is left in the folder by it, even if the process is killed.

    Args:
        folder: there already.

    Yields:
        Whether there is surely no other; some network drives, and Windows, cannot tell.

    Raises:
        WriteError: there is another.
    """
    if sys.platform == "win32":
        yield False
        return
    import fcntl  # Windows has none

    with naming(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        alone = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WriteError(
                f"{folder}: another run is writing it; wait until that has ended, or give another "
                "folder"
            ) from error
        except OSError:
            alone = False
        yield alone
    finally:
        os.close(handle)


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """Gives a temporary folder on the disk of a folder that is to be filled, and removes it.

    Args:
        out: the folder; where it is missing the temporary one lies beside it.
    """
    if not out.exists():
        home, created = out.parent, make_folders(out.parent)
    else:
        home, created = out, []
    work = Path(tempfile.mkdtemp(prefix=WORK_PREFIX, dir=home))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        remove_empty(created)


def replaceable(
    out: Path, own: Callable[[], list[Path]], new: Sequence[Path], what: str, overwrite: bool
) -> list[Path]:
    """Refuses a folder that files would not go well into, and returns what to replace there.

    Args:
        out: the folder.
        own: returns the files that an earlier call wrote there, relative to it.
        new: the files that will be written, relative to it.
        what: the files are, in errors.
        overwrite: whether the files of an earlier call may be replaced.

    Returns:
        The earlier call's files; none if the folder is missing or empty.

    Raises:
        ValueError: there is a file in its place, it is not empty and `overwrite` is off, or a file
            stands in the way that is not an earlier call's.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file, expected a folder; give the name of a folder")
    if not out.exists() or not any(out.iterdir()):
        return []
    if not overwrite:
        raise ValueError(
            f"{out} is not empty; give another folder, or --overwrite to replace the {what} in it"
        )
    earlier = own()
    foreign = sorted(name for name in set(new) - set(earlier) if (out / name).exists())
    if foreign:
        raise ValueError(
            f"{out / foreign[0]} stands in the way and is none of the {what}; give another "
            "folder, or move the file"
        )
    return earlier


def replace_files(out: Path, old: Sequence[Path], new: Sequence[Path], work: Path) -> None:
    """Moves old files out of a folder and new ones in, or all back again if that fails.

    Args:
        out: the folder; created if missing.
        old: names in it, relative, that go to work/old.
        new: names in work/new, relative, that come into it.
        work: a folder on the same disk.
    """
    moves = [(out / name, work / "old" / name) for name in old]
    exchange([*moves, *((work / "new" / name, out / name) for name in new)])


def exchange(moves: Sequence[tuple[Path, Path]]) -> None:
    """Renames files in order; if one cannot be, those that were renamed get their names back.

    Ctrl-C and SIGTERM wait until the end.

    Args:
        moves: each file's old and new path; folders of the new ones are made.
    """
    created: list[Path] = []
    done: list[tuple[Path, Path]] = []
    with _uninterrupted():
        try:
            for source, target in moves:
                created += make_folders(target.parent)
                source.rename(target)
                done.append((source, target))
        except BaseException:
            for source, target in reversed(done):
                target.rename(source)
            remove_empty(created)
            raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Has Ctrl-C and SIGTERM wait until the end; only the main thread ever gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    # A handler that Python did not set could not be set again.
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not None]
    before = {n: signal.signal(n, lambda number, frame: came.append(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in dict.fromkeys(came):
            signal.raise_signal(late)


def make_folders(folder: Path) -> list[Path]:
    """Makes a folder with those above it, and returns the ones that were missing."""
    missing: list[Path] = []
    above = folder
    while not above.exists():
        missing.insert(0, above)
        above = above.parent
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def remove_empty(folders: Sequence[Path]) -> None:
    """Removes folders, the last first, that hold nothing."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def _space(target: Path) -> str:
    """Says how much space is left where a file was to be written, if that is known."""
    for above in (target, *target.parents):
        with suppress(OSError):
            return f" ({shutil.disk_usage(above).free / 2**20:.0f} MiB are left)"
    return ""
