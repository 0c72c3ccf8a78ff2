"""Fingerprints of data: on which files a run was trained, and whether they are still the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rabit.data.listing import read_pairs
from rabit.data.source import Source

SCENES_VERSION = 1
"""Of the generated scenes: another one where a seed gives other pictures than before."""

WHOLE = 64 * 2**20
"""Up to so many bytes in all, files are read whole."""

ENDS = 4096
"""Bytes at either end of a file that are read of larger corpora."""

# Suffixes of the lists that layouts have in their root: classes, splits, pairs, references.
LISTS = (".csv", ".txt", ".json", ".jsonl")
# Opening files takes time on a network's file system, where it helps to wait for several at once.
_THREADS = 8
_CHUNK = 500


@dataclass(frozen=True)
class Fingerprint:
    """What identifies data.

    Args:
        sha256: over the names, sizes and contents of all files.
        files: how many there are; 0 for generated data.
        bytes: their size in all.
        whole: whether all bytes were read; otherwise `ENDS` bytes at either end of each file.
    """

    sha256: str
    files: int
    bytes: int
    whole: bool

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"sha256 is {self.sha256!r}, expected 64 digits in hexadecimal")

    def difference(self, before: Fingerprint) -> str | None:
        """Says how the data differs from what it was; None if it does not."""
        if self.sha256 == before.sha256:
            return None
        if self.files == before.files == 0:
            return "scenes of another seed or another version of the generator"
        if (self.files, self.bytes) == (before.files, before.bytes):
            return f"the {self.files} files have other names or contents"
        return f"{_amount(before)} then, {_amount(self)} now"


def fingerprint(source: Source) -> Fingerprint:
    """Returns the fingerprint of a folder's pictures with their conditions, pairs and lists.

    It stays the same where the folder is moved or files get new dates. A change in the middle of
    a file that keeps its size is only seen in small corpora, of which all bytes are read (`WHOLE`).

    Args:
        source: the pictures. A file that is missing is noted as such.

    Raises:
        OSError: a file cannot be read; it is named.
    """
    named = {Path(os.path.relpath(path, source.root)).as_posix(): path for path in _paths(source)}
    names = sorted(named)
    paths = [named[name] for name in names]
    with ThreadPoolExecutor(_THREADS) as pool:
        sizes = [size for part in pool.map(_sizes, _chunks(paths)) for size in part]
        total = sum(size for size in sizes if size is not None)
        whole = total <= WHOLE
        parts = pool.map(partial(_digests, whole=whole), _chunks(paths))
        digests = [digest for part in parts for digest in part]
    combined = hashlib.sha256(b"whole\n" if whole else b"ends\n")
    for name, size, digest in zip(names, sizes, digests, strict=True):
        combined.update(f"{name}\0{size}\0{digest}\n".encode(errors="surrogateescape"))
    return Fingerprint(combined.hexdigest(), len(names), total, whole)


def scenes_fingerprint(seed: int) -> Fingerprint:
    """Returns the fingerprint of the generated scenes.

    Args:
        seed: of the scenes.
    """
    text = f"scenes\0{SCENES_VERSION}\0{seed}"
    return Fingerprint(hashlib.sha256(text.encode()).hexdigest(), 0, 0, True)


def _paths(source: Source) -> Iterator[Path]:
    """All files that samples are read from; some may come more than once."""
    for index in range(len(source)):
        yield from source.files(index)
    for train in (True, False):
        references = source.references(train)
        if references is not None:
            yield references.path
    for path in source.root.iterdir():
        if path.suffix.lower() in LISTS and path.is_file():
            yield path
    if source.pair_count and (source.root / "pairs.csv").is_file():
        for pair in read_pairs(source.root):
            for photograph in (pair.truth, pair.exemplar):
                yield from (photograph.image, photograph.condition)


def _chunks(paths: Sequence[Path]) -> list[Sequence[Path]]:
    """Splits paths so that a thread has some work at a time."""
    return [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]


def _sizes(paths: Sequence[Path]) -> list[int | None]:
    """Returns the files' sizes; None for those that are missing."""
    sizes: list[int | None] = []
    for path in paths:
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            sizes.append(None)
    return sizes


def _digests(paths: Sequence[Path], whole: bool) -> list[str]:
    """Returns the SHA-256 of the files' bytes, or of those at their ends."""
    return [_digest(path, whole) for path in paths]


def _digest(path: Path, whole: bool) -> str:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if whole or size <= 2 * ENDS:
                return hashlib.sha256(file.read()).hexdigest()
            head = file.read(ENDS)
            file.seek(-ENDS, os.SEEK_END)
            return hashlib.sha256(head + file.read()).hexdigest()
    except FileNotFoundError:
        return "missing"


def _amount(of: Fingerprint) -> str:
    """Spells how much data there is."""
    if not of.files:
        return "generated scenes"
    return f"{of.files} files of {of.bytes / 2**20:.1f} MiB"
