"""Folders that are filled by a command, with a list of what it wrote, so that it may replace it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from rabit.data.text import read_text, relative_name
from rabit.writing import check_target, naming, replace_files, replaceable, workplace

MANIFEST = "generated.txt"
"""Name of the file that lists what a call wrote; a folder without it is never overwritten."""

Result = TypeVar("Result")


def write_listed(
    out: Path,
    what: str,
    write: Callable[[Path], Result],
    overwrite: bool = False,
    expected: Sequence[Path] = (),
) -> Result:
    """Fills a folder and lists in it the files that were written.

    Nothing is left behind if writing fails, and what the folder held before stays as it was.

    Args:
        out: the folder; it must be empty or missing unless `overwrite`.
        what: the files are, as a plural; only files of the same kind are replaced.
        write: fills a new folder, which it has to make.
        overwrite: whether to replace the files that an earlier call wrote there; other files stay.
        expected: files that may be written, relative to the folder; where another file is in the
            place of one nothing is written at all, not even to the temporary folder.

    Returns:
        What `write` returns.

    Raises:
        ValueError: the folder is not empty and `overwrite` is off or it has no list of such files,
            or a file stands in the way that is not an earlier call's.
        OSError: the folder cannot be written; it is named.
    """
    manifest = Path(MANIFEST)
    old = replaceable(out, partial(listed_files, out, what), [manifest, *expected], what, overwrite)
    check_target(out, folder=True)
    with naming(out), workplace(out) as work:
        new = work / "new"
        result = write(new)
        written = sorted(path.relative_to(new) for path in new.rglob("*") if path.is_file())
        others = sorted({*written} - {*old})
        foreign = [name for name in others if os.path.lexists(out / name)]
        if foreign:
            raise ValueError(
                f"{out / foreign[0]} stands in the way and is none of the {what}; give another "
                "folder, or move the file"
            )
        lines = [_head(what), *(name.as_posix() for name in written)]
        text = "".join(f"{line}\n" for line in lines)
        (new / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
        # The list leaves last and comes first: killed in between, the files are still known.
        replace_files(out, old, [manifest, *written], work)
    _remove_empty(out, old)
    return result


def listed_files(out: Path, what: str) -> list[Path]:
    """Returns the files that an earlier call wrote to a folder, as its list tells them.

    Args:
        out: the folder.
        what: the files have to be.

    Returns:
        Those of them that are there, relative to the folder, the list itself last.

    Raises:
        ValueError: there is no list of such files, or it names one outside the folder.
    """
    manifest = out / MANIFEST
    lines = read_text(manifest).split("\n") if manifest.is_file() else []
    if lines[:1] != [_head(what)]:
        raise ValueError(
            f"{out} is not empty and has no {MANIFEST} that lists {what} to replace; give another "
            "folder"
        )
    named = {
        relative_name(line, f"{manifest}: line {number}")
        for number, line in enumerate(lines[1:], start=2)
        if line
    }
    names = [*sorted(named - {MANIFEST}), MANIFEST]
    return [Path(name) for name in names if os.path.isfile(out / name)]


def _head(what: str) -> str:
    """The first line of a list, which tells it from a user's own file."""
    return f"# Files of {what}; writing others over them replaces those named here."


def _remove_empty(out: Path, files: Sequence[Path]) -> None:
    """Removes the folders that held replaced files and hold nothing now."""
    folders = {folder for file in files for folder in file.parents} - {Path()}
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):
            (out / folder).rmdir()
