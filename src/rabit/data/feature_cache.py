"""A folder that keeps computed features of pictures, so that work that was stopped goes on."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from rabit.writing import check_target, is_partial, write_files

DESCRIPTION = "cache.json"
"""What a cache was made with; it says that a folder is a cache."""

SHARD = 128
"""Pictures a file."""

_WHAT = "features of pictures, kept by rabit; safe to delete"
_SHARDS = "shard-[0-9]*.safetensors"
# Unfinished files older than this, in seconds, are no running process's.
_ABANDONED = 3600

Settings: TypeAlias = Mapping[str, str | int | list[int]]
Features: TypeAlias = Float32[np.ndarray, "N D"]


@dataclass(frozen=True)
class PictureFile:
    """A picture as a cache knows it: it is computed anew where any of this changed.

    Args:
        name: of the picture in its list.
        size: of the file, in bytes.
        changed: when the file was last changed, in nanoseconds.
    """

    name: str
    size: int
    changed: int

    @classmethod
    def of(cls, name: str, path: Path) -> PictureFile:
        """Describes a file.

        Raises:
            OSError: it is not there; it is named.
        """
        status = path.stat()
        return cls(name, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class _Shard:
    pictures: tuple[PictureFile, ...]
    features: Features


class FeatureCache:
    """Features of pictures in a folder: cache.json and shard-00000.safetensors, ….

    A shard holds the features of `SHARD` pictures in the order of the list, with name, size and
    time of change of each in its header, and appears complete or not at all. Killed at any moment
    the folder holds what was done, and the next run ends with the same files as one that was never
    stopped. A shard that is damaged, was made with other settings, or describes files that have
    changed, counts as missing.
    Nothing is unpickled.

    Args:
        folder: made if missing.
        settings: what the features depend on, as JSON.
        shard: pictures a file.

    Raises:
        OSError: the folder cannot be written; it is named.
        ValueError: the folder holds something else.
    """

    def __init__(self, folder: Path, settings: Settings, shard: int = SHARD) -> None:
        if shard < 1:
            raise ValueError(f"shard is {shard}, expected 1 or more pictures a file")
        check_target(folder, folder=True)
        self.folder = folder
        self.settings = dict(settings)
        self.shard = shard
        self.dropped = self._open()

    def _open(self) -> Settings | None:
        """Drops what other settings left here, and returns these."""
        path = self.folder / DESCRIPTION
        found = _read_description(path)
        if found is None and self.folder.exists() and any(self.folder.glob("[!.]*")):
            raise ValueError(
                f"{self.folder}: holds files but no {DESCRIPTION} of a feature cache; choose "
                "another folder with --cache"
            )
        if found is not None:
            self._tidy()
        if found == self.settings:
            return None
        # Only then the new description: killed in between, it is still the old one's cache.
        for old in self.folder.glob(_SHARDS):
            old.unlink()
        text = json.dumps({"what": _WHAT, "settings": self.settings}, indent=1) + "\n"
        write_files({path: text.encode()}, overwrite=True)
        return found

    def _tidy(self) -> None:
        """Removes what processes that were killed left half-written."""
        latest = time.time() - _ABANDONED
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another process may tidy up as well
                known = is_partial(path.name) and path.is_file()
                if known and path.lstat().st_mtime < latest:
                    path.unlink()

    def collect(
        self,
        names: Sequence[str],
        paths: Sequence[Path],
        compute: Callable[[Sequence[Path]], Features],
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[Features, int]:
        """Returns the features of pictures, computing those that are not here, and keeps them.

        Args:
            names: of the pictures, each once.
            paths: their files.
            compute: features of some files, in their order, the same whichever are asked for.
            progress: told after each shard how many of how many pictures are done.

        Returns:
            (N, D) float32 features, and how many were computed.

        Raises:
            OSError: a picture is missing, or the cache cannot be written.
            ValueError: a picture cannot be read; what was done before it is kept.
        """
        pictures = tuple(map(PictureFile.of, names, paths))
        where = dict(zip(pictures, paths, strict=True))
        shards = {
            self.folder / f"shard-{start // self.shard:05d}.safetensors": pictures[
                start : start + self.shard
            ]
            for start in range(0, len(pictures), self.shard)
        }
        ready, rows = self._read(shards, frozenset(pictures))
        done = computed = 0
        for path, wanted in shards.items():
            if path not in ready:
                missing = [picture for picture in wanted if picture not in rows]
                if missing:
                    fresh = compute([where[picture] for picture in missing])
                    rows |= dict(zip(missing, fresh, strict=True))
                ready[path] = np.stack([rows.pop(picture) for picture in wanted])
                _write_shard(path, wanted, ready[path], self.settings)
                computed += len(missing)
            done += len(wanted)
            if progress is not None:
                progress(done, len(pictures))
        for path in self.folder.glob(_SHARDS):
            if path not in shards:
                path.unlink()
        return np.concatenate([ready[path] for path in shards]), computed

    def _read(
        self, shards: Mapping[Path, Sequence[PictureFile]], wanted: frozenset[PictureFile]
    ) -> tuple[dict[Path, Features], dict[PictureFile, Float32[np.ndarray, " D"]]]:
        """Reads the shards that are as wanted, and the rows that now belong to another shard."""
        ready, rows = {}, {}
        for path in sorted(self.folder.glob(_SHARDS)):
            stored = _read_shard(path, self.settings)
            if stored is None:
                continue
            if stored.pictures == shards.get(path):
                ready[path] = stored.features
                continue
            for picture, row in zip(stored.pictures, stored.features, strict=True):
                if picture in wanted:
                    rows[picture] = row
        return ready, rows


def spell_settings(settings: Settings) -> str:
    """Spells what features were made with, for people."""
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _read_description(path: Path) -> Settings | None:
    """Reads the settings of a cache; None where the file is missing or something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, RecursionError):
        return None
    settings = found.get("settings") if isinstance(found, dict) else None
    return settings if isinstance(settings, dict) and found.get("what") == _WHAT else None


def _write_shard(
    path: Path, pictures: Sequence[PictureFile], features: Features, settings: Settings
) -> None:
    features = np.ascontiguousarray(features, dtype=np.float32)
    record = {
        "pictures": [[picture.name, picture.size, picture.changed] for picture in pictures],
        "checksum": zlib.crc32(features.tobytes()),
        "settings": settings,
    }
    # One entry: safetensors writes several in an order that differs from run to run.
    data = save({"features": features}, {"record": json.dumps(record)})
    write_files({path: data}, overwrite=True)


def _read_shard(path: Path, settings: Settings) -> _Shard | None:
    """Reads a shard; None where it is missing, damaged or made with other settings."""
    try:
        with safe_open(path, framework="np") as file:
            record = json.loads((file.metadata() or {})["record"])
            features = file.get_tensor("features")
        pictures = tuple(_picture(*entry) for entry in record["pictures"])
        intact = record["checksum"] == zlib.crc32(features.tobytes())
        intact = intact and record["settings"] == settings
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError):
        return None
    fits = features.ndim == 2 and len(features) == len(pictures) and features.dtype == np.float32
    return _Shard(pictures, features) if intact and fits else None


def _picture(name: object, size: object, changed: object) -> PictureFile:
    """Checks what a shard says of a picture.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(name, str) or not isinstance(size, int) or not isinstance(changed, int):
        raise TypeError(f"{name!r}, {size!r}, {changed!r} describe no picture")
    return PictureFile(name, size, changed)
