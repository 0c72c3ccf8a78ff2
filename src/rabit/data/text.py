"""Reading of text and CSV files that users give, and of the file names in them."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 256 * 1024 * 1024
"""The largest text file that is read."""


def require_file(path: Path, kind: str) -> None:
    """Checks that a path is a file; `kind` says in the error what it should hold.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: it is no file, such as a folder.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; expected a {kind}")
    if not path.is_file():
        raise ValueError(f"{path}: not a file; expected a {kind}")


def read_text(path: Path) -> str:
    """Reads a UTF-8 text file, with any kind of line end and with or without a byte order mark.

    Args:
        path: the file.

    Returns:
        The text, its lines ended by a single line feed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, larger than MAX_BYTES or no UTF-8 text.
    """
    require_file(path, "text file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path}: {size} bytes, expected at most {MAX_BYTES}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class Row:
    """One row of a CSV file.

    Args:
        cells: its cells, without the spaces around them and without empty ones at the end.
        where: file and line, to begin an error message with.
    """

    cells: tuple[str, ...]
    where: str


def read_rows(path: Path) -> Iterator[Row]:
    """Reads a CSV file row by row; empty rows are left out.

    Args:
        path: a UTF-8 file, comma separated.

    Yields:
        The rows in order.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no CSV text.
    """
    reader = csv.reader(io.StringIO(read_text(path)), strict=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            while stripped and not stripped[-1]:
                stripped.pop()
            if stripped:
                yield Row(tuple(stripped), f"{path}: line {reader.line_num}")
    except csv.Error as error:
        raise ValueError(
            f"{path}: line {reader.line_num} is no CSV ({error}); separate cells by commas"
        ) from error


def relative_name(name: str, where: str) -> str:
    """Checks and normalises a file name that stands in a file of the user's.

    Args:
        name: relative to some folder, with slashes or backslashes.
        where: file and line, to begin an error message with.

    Returns:
        The name with slashes, without `.` and `..`.

    Raises:
        ValueError: the name is empty, absolute or leads out of the folder.
    """
    slashed = name.replace("\\", "/")
    plain = posixpath.normpath(slashed)
    outside = plain == ".." or plain.startswith(("../", "/")) or re.match(r"[A-Za-z]:", plain)
    if not slashed or plain == "." or outside or not plain.isprintable():
        raise ValueError(
            f"{where}: {name!r} is no file name inside the folder; give it relative to the folder, "
            "without leading / and without .."
        )
    return plain
