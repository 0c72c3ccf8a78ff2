from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rabit.data.feature_cache import DESCRIPTION, FeatureCache, Settings
from rabit.writing import WriteError

SETTINGS: Settings = {"network": "a", "cells": [2, 2]}


class Compute:
    """The features of a file are its bytes; what was asked for is remembered."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, paths: Sequence[Path]) -> np.ndarray:
        self.asked += [path.name for path in paths]
        return np.array([list(path.read_bytes()[:3]) for path in paths], dtype=np.float32)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(10):
        write(folder / f"{i:02d}.png", i)
    return folder


def write(path: Path, value: int, changed: int = 10**18) -> None:
    path.write_bytes(bytes([value, 7, 200]))
    os.utime(path, ns=(changed, changed))


def collect(
    cache: Path, pictures: Path, settings: Settings = SETTINGS
) -> tuple[np.ndarray, list[str]]:
    compute = Compute()
    paths = sorted(pictures.iterdir())
    opened = FeatureCache(cache, settings, shard=4)
    features, computed = opened.collect([path.name for path in paths], paths, compute)
    assert computed == len(compute.asked)
    assert np.array_equal(features, Compute()(paths))
    return features, compute.asked


def left_half_written(path: Path, hours: float) -> Path:
    path.write_bytes(b"half")
    changed = time.time() - 3600 * hours
    os.utime(path, (changed, changed))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_run_computes_nothing(tmp_path: Path, pictures: Path) -> None:
    cache = tmp_path / "new" / "cache"
    features, asked = collect(cache, pictures)
    assert features.dtype == np.float32 and len(asked) == 10
    before = contents(cache)
    assert sorted(before) == [DESCRIPTION, *(f"shard-0000{i}.safetensors" for i in range(3))]
    assert collect(cache, pictures)[1] == []
    assert contents(cache) == before


def test_a_changed_picture_alone_is_computed_anew(tmp_path: Path, pictures: Path) -> None:
    cache = tmp_path / "cache"
    collect(cache, pictures)
    write(pictures / "05.png", 99, changed=10**18 + 1)
    assert collect(cache, pictures)[1] == ["05.png"]
    (pictures / "07.png").write_bytes(b"longer")
    os.utime(pictures / "07.png", ns=(10**18, 10**18))
    assert collect(cache, pictures)[1] == ["07.png"]


def test_added_and_removed_pictures_leave_the_files_of_a_fresh_run(
    tmp_path: Path, pictures: Path
) -> None:
    cache = tmp_path / "cache"
    collect(cache, pictures)
    write(pictures / "00a.png", 50)
    assert collect(cache, pictures)[1] == ["00a.png"]
    for name in ("02.png", "03.png", "08.png"):
        (pictures / name).unlink()
    assert collect(cache, pictures)[1] == []
    collect(tmp_path / "fresh", pictures)
    assert contents(cache) == contents(tmp_path / "fresh")
    assert len(contents(cache)) == 3


def test_other_settings_drop_what_is_there_and_say_what_it_was(
    tmp_path: Path, pictures: Path
) -> None:
    cache = tmp_path / "cache"
    assert FeatureCache(cache, SETTINGS).dropped is None
    collect(cache, pictures)
    other: Settings = {**SETTINGS, "network": "b"}
    opened = FeatureCache(cache, other)
    assert opened.dropped == SETTINGS
    assert sorted(contents(cache)) == [DESCRIPTION]
    assert FeatureCache(cache, other).dropped is None
    assert len(collect(cache, pictures, other)[1]) == 10


def test_other_settings_meanwhile_are_not_mixed_in(tmp_path: Path, pictures: Path) -> None:
    cache, names = tmp_path / "cache", sorted(path.name for path in pictures.iterdir())
    paths = [pictures / name for name in names]
    other: Settings = {**SETTINGS, "network": "b"}
    begun = FeatureCache(cache, SETTINGS, shard=4)
    assert len(collect(cache, pictures, other)[1]) == 10
    begun.collect(names, paths, lambda asked: np.full((len(asked), 3), 9, np.float32))
    assert len(collect(cache, pictures, other)[1]) == 10


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "empty", "swapped"])
def test_a_damaged_shard_is_computed_anew(tmp_path: Path, pictures: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    collect(cache, pictures)
    before = contents(cache)
    shard = cache / "shard-00001.safetensors"
    data = shard.read_bytes()
    damaged = {
        "truncated": data[:-5],
        "flipped": data[:-1] + bytes([data[-1] ^ 1]),
        "text": b"no tensors here",
        "empty": b"",
        "swapped": before["shard-00000.safetensors"],
    }
    shard.write_bytes(damaged[damage])
    assert collect(cache, pictures)[1] == ["04.png", "05.png", "06.png", "07.png"]
    assert contents(cache) == before


def test_a_picture_that_fails_keeps_what_was_done(tmp_path: Path, pictures: Path) -> None:
    paths = sorted(pictures.iterdir())
    names = [path.name for path in paths]

    def fails(asked: Sequence[Path]) -> np.ndarray:
        if any(path.name == "06.png" for path in asked):
            raise ValueError("06.png: damaged")
        return Compute()(asked)

    cache = tmp_path / "cache"
    with pytest.raises(ValueError, match=r"06\.png: damaged"):
        FeatureCache(cache, SETTINGS, shard=4).collect(names, paths, fails)
    assert collect(cache, pictures)[1] == names[4:]


def test_progress_ends_with_all(tmp_path: Path, pictures: Path) -> None:
    told: list[tuple[int, int]] = []
    paths = sorted(pictures.iterdir())
    for _ in range(2):
        FeatureCache(tmp_path / "cache", SETTINGS, shard=4).collect(
            [path.name for path in paths], paths, Compute(), lambda *done: told.append(done)
        )
    assert told == [(4, 10), (8, 10), (10, 10)] * 2


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, pictures: Path) -> None:
    before = contents(pictures)
    with pytest.raises(ValueError, match=r"no cache\.json of a feature cache.*--cache"):
        FeatureCache(pictures, SETTINGS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / DESCRIPTION).write_text('{"mine": [1]}')
    with pytest.raises(ValueError, match="--cache"):
        FeatureCache(tmp_path / "other", SETTINGS)
    with pytest.raises(WriteError, match="expected a folder"):
        FeatureCache(pictures / "00.png", SETTINGS)
    with pytest.raises(ValueError, match="shard is 0"):
        FeatureCache(tmp_path / "cache", SETTINGS, shard=0)
    assert contents(pictures) == before
    assert not (tmp_path / "cache").exists()


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_feature_cache import SETTINGS, Compute
from rabit.data.feature_cache import FeatureCache

done = []
def stuck(paths):
    done.append(paths)
    if len(done) == 4:
        time.sleep(120)
    return Compute()(paths)

paths = sorted(Path(sys.argv[2]).iterdir())
cache = FeatureCache(Path(sys.argv[3]), SETTINGS, shard=1)
cache.collect([path.name for path in paths], paths, stuck)
"""


def test_killed_at_any_moment_it_ends_with_the_same_files(tmp_path: Path, pictures: Path) -> None:
    cache, fresh = tmp_path / "cache", tmp_path / "fresh"
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), pictures, cache]
    child = subprocess.Popen(list(map(str, command)))
    try:
        deadline = time.monotonic() + 60
        while len(list(cache.glob("shard-*"))) < 3:
            assert child.poll() is None and time.monotonic() < deadline, "no shards appeared"
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    # What a kill in the middle of writing leaves.
    left_half_written(cache / ".0123456789abcdef.part", hours=2)

    paths = sorted(pictures.iterdir())
    names = [path.name for path in paths]
    compute = Compute()
    resumed, computed = FeatureCache(cache, SETTINGS, shard=1).collect(names, paths, compute)
    assert compute.asked == names[3:] and computed == 7
    whole, _ = FeatureCache(fresh, SETTINGS, shard=1).collect(names, paths, Compute())
    assert np.array_equal(resumed, whole)
    assert contents(cache) == contents(fresh)


def test_only_old_unfinished_files_of_its_own_are_removed(tmp_path: Path, pictures: Path) -> None:
    cache = tmp_path / "cache"
    collect(cache, pictures)
    abandoned = left_half_written(cache / ".0123456789abcdef.part", hours=2)
    # Perhaps a running process's, and two of the user's.
    others = [
        left_half_written(cache / ".fedcba9876543210.part", hours=0.5),
        left_half_written(cache / ".mydownload.part", hours=50),
        left_half_written(cache / ".0123456789abcdef.partial", hours=50),
    ]
    collect(cache, pictures)
    assert not abandoned.exists() and all(path.exists() for path in others)


@pytest.mark.parametrize("visible", [False, True])
def test_nothing_is_removed_where_there_was_no_cache(tmp_path: Path, visible: bool) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    hidden = left_half_written(folder / ".0123456789abcdef.part", hours=50)
    if visible:
        (folder / "mine.txt").write_text("mine")
        with pytest.raises(ValueError, match="--cache"):
            FeatureCache(folder, SETTINGS)
    else:
        FeatureCache(folder, SETTINGS)
    assert hidden.read_bytes() == b"half"


NESTED = "[" * 100_000


@pytest.mark.parametrize(
    "entry",
    ['[["a"], 1, 2]', '["00.png", [3], 2]', '["00.png", 3, {}]', '["00.png"]', "7", NESTED],
)
def test_a_shard_that_tells_of_no_pictures_is_computed_anew(
    tmp_path: Path, pictures: Path, entry: str
) -> None:
    cache = tmp_path / "cache"
    collect(cache, pictures)
    before = contents(cache)
    features = np.zeros((1, 3), dtype=np.float32)
    record = f'{{"pictures": [{entry}], "checksum": {zlib.crc32(features.tobytes())}}}'
    save_file({"features": features}, cache / "shard-00000.safetensors", {"record": record})
    assert collect(cache, pictures)[1] == ["00.png", "01.png", "02.png", "03.png"]
    assert contents(cache) == before


def test_features_of_another_type_are_computed_anew(tmp_path: Path, pictures: Path) -> None:
    cache = tmp_path / "cache"
    collect(cache, pictures)
    entries = [[f"{i:02d}.png", 3, 10**18] for i in range(4)]
    features = np.zeros((4, 3))
    record = json.dumps({"pictures": entries, "checksum": zlib.crc32(features.tobytes())})
    save_file({"features": features}, cache / "shard-00000.safetensors", {"record": record})
    assert len(collect(cache, pictures)[1]) == 4


@pytest.mark.parametrize("text", [NESTED, "[]", '{"settings": 3}', None])
def test_a_description_of_something_else_is_no_cache(tmp_path: Path, text: str | None) -> None:
    if text is None:
        (tmp_path / DESCRIPTION).mkdir()
    else:
        (tmp_path / DESCRIPTION).write_text(text)
    with pytest.raises(ValueError, match="--cache"):
        FeatureCache(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == [DESCRIPTION]
