from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rabit.data.shards.tar import read_block, tar_block, write_shard
from rabit.writing import file_digest

MEMBERS = st.dictionaries(
    st.sampled_from(["json", "jpg", "labels.png", "joints.places.npy"]),
    st.integers(0, 3).flatmap(lambda n: st.sampled_from([512 * n, 512 * n + 1, 512 * n + 511])),
    min_size=1,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pictures=st.lists(MEMBERS, min_size=1, max_size=4))
def test_python_reads_what_is_written(tmp_path: Path, pictures: list[dict[str, int]]) -> None:
    path = tmp_path / "a.tar"
    entries = [
        (f"{i:09d}", {ending: bytes([i + 1]) * size for ending, size in picture.items()})
        for i, picture in enumerate(pictures)
    ]
    shard = write_shard(path, entries)
    data = path.read_bytes()
    assert (shard.file, shard.bytes, shard.sha256) == ("a.tar", len(data), file_digest(path))
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    assert found == {f"{key}.{ending}": d for key, parts in entries for ending, d in parts.items()}
    for (_, members), (offset, length, checksum) in zip(entries, shard.places, strict=True):
        block = data[offset : offset + length]
        assert read_block(block) == members and zlib.crc32(block) == checksum


def test_a_block_is_aligned_and_other_bytes_are_refused() -> None:
    block = tar_block("000000001", {"jpg": bytes(512), "json": b"{}"})
    assert len(block) == 512 * 4
    with pytest.raises(tarfile.TarError):
        read_block(b"no tar" * 200)


def test_nothing_is_left_of_a_shard_that_cannot_be_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"old")

    def entries() -> Iterator[tuple[str, dict[str, bytes]]]:
        yield "000000000", {"jpg": b"a"}
        raise ValueError("bad picture")

    with pytest.raises(ValueError, match="bad picture"):
        write_shard(path, entries())
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar"] and path.read_bytes() == b"old"


def test_two_that_write_one_shard_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    inner = []

    def entries() -> Iterator[tuple[str, dict[str, bytes]]]:
        yield "000000000", {"jpg": b"outer"}
        inner.append(write_shard(path, [("000000000", {"jpg": b"inner"})]))
        assert file_digest(path) == inner[0].sha256
        yield "000000001", {"jpg": b"outer"}

    shard = write_shard(path, entries())
    assert file_digest(path) == shard.sha256 != inner[0].sha256
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar"]
