"""Tar files as the webdataset library reads them, the same bytes for the same members."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from rabit.data.shards.index import Shard
from rabit.writing import file_digest, naming, partial_path


def write_shard(path: Path, entries: Iterable[tuple[str, Mapping[str, bytes]]]) -> Shard:
    """Writes a tar file: the complete file appears at once, or none.

    Args:
        path: where to; a file that is there is replaced.
        entries: for each picture its key, without dots, and its members by their endings.

    Returns:
        What was written.

    Raises:
        OSError: the file cannot be written; it is named.
    """
    places, offset = [], 0
    partial = partial_path(path)
    try:
        with naming(path):
            stream = partial.open("wb")
        with stream:
            for key, members in entries:
                block = tar_block(key, members)
                with naming(path):
                    stream.write(block)
                places.append((offset, len(block), zlib.crc32(block)))
                offset += len(block)
            with naming(path):
                stream.write(bytes(2 * tarfile.BLOCKSIZE))
        digest = file_digest(partial)
        with naming(path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return Shard(path.name, offset + 2 * tarfile.BLOCKSIZE, digest, tuple(places))


def tar_block(key: str, members: Mapping[str, bytes]) -> bytes:
    """Returns the part of a tar file that holds a picture: a header before each member.

    Args:
        key: what the members' names begin with.
        members: their bytes by their endings.
    """
    parts = []
    for ending, data in members.items():
        info = tarfile.TarInfo(f"{key}.{ending}")
        info.size = len(data)
        parts += [info.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % tarfile.BLOCKSIZE)]
    return b"".join(parts)


def read_block(block: bytes) -> dict[str, bytes]:
    """Returns the members in a part of a tar file by their endings, see `tar_block`.

    Raises:
        tarfile.TarError: it is no such part.
    """
    members = {}
    with tarfile.open(fileobj=io.BytesIO(block), mode="r:") as tar:
        for info in tar:
            file = tar.extractfile(info)
            if file is not None:
                members[info.name.partition(".")[2]] = file.read()
    return members
