"""Writing of a source's pictures as shards, in a run that can be interrupted and gone on with.

A shard that is finished is noted in a file, which goes when all are; a run that goes on keeps the
shards that are whole by these notes and writes the others.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rabit.data.shards.index import (
    INDEX,
    PAIRS,
    PICTURES,
    SIDES,
    VERSION,
    Shard,
    ShardIndex,
    StoredList,
    index_bytes,
    item_key,
    parse_index,
    read_index,
)
from rabit.data.shards.members import NamedPicture, encode_picture
from rabit.data.shards.tar import write_shard
from rabit.data.source import Source
from rabit.data.text import read_text
from rabit.fields import from_dict, to_dict
from rabit.writing import (
    check_target,
    file_digest,
    is_partial,
    make_folders,
    naming,
    remove_empty,
    sole_writer,
    write_files,
)

NOTES = ".shards-written.jsonl"
"""What a run has finished: the index without shards, and then a shard a line."""

_LISTS = {True: "references-train.csv", False: "references-test.csv"}


@dataclass(frozen=True)
class _Progress:
    """Tells how many of all pictures and test items are done."""

    report: Callable[[int, int], None] | None
    total: int

    def __call__(self, done: int) -> None:
        if self.report is not None:
            self.report(done, self.total)


def write_shards(
    source: Source,
    layout: str,
    out: Path,
    per_shard: int = 1000,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ShardIndex:
    """Writes the pictures of a source, and its test items with a ground truth, as shards.

    The folder gets pictures-000000.tar, pairs-000000.tar and so on, the lists of references, and
    last shards.json. After an interruption finished shards stay, and `resume` goes on; the pictures
    must not have changed meanwhile. The files are then, byte for byte, those of a run that was not
    interrupted.

    Args:
        source: the pictures.
        layout: its name.
        out: the folder; empty or missing unless `resume`, but for what a killed run has left of
            files that it had not completed.
        per_shard: pictures, or test items, a shard, 1 or more.
        resume: whether to go on in a folder that an earlier call left, or to begin where it is
            empty or missing; shards in a finished folder that are damaged are written again.
        progress: called with the number of pictures and test items done, and their total.

    Returns:
        What was written.

    Raises:
        FileNotFoundError: a file of a picture is missing.
        OSError: the folder cannot be written, or another run writes it now; it is named.
        ValueError: an argument is outside its range, a picture cannot be used, or the folder holds
            something else.
    """
    if per_shard < 1:
        raise ValueError(f"{per_shard} pictures a shard, expected 1 or more")
    told = _Progress(progress, len(source) + source.pair_count)
    if not told.total:
        raise ValueError(f"{source.root}: there is no picture to write")
    check_target(out, folder=True)
    lists, header = _describe(source, layout, per_shard)
    with naming(out):
        created = make_folders(out)
    try:
        with sole_writer(out) as alone:
            kept = _finished(out, header, resume)
            for path in _partials(out) if alone else ():
                path.unlink()
            return _fill(source, out, header, lists, kept, told)
    finally:
        remove_empty(created)


def _fill(
    source: Source,
    out: Path,
    header: ShardIndex,
    lists: Mapping[str, bytes],
    kept: Mapping[str, Shard],
    told: _Progress,
) -> ShardIndex:
    """Writes the shards that are not whole yet, the lists and the index."""
    shards = dict(kept)
    try:
        _begin_notes(out / NOTES, header, kept)
        for series, before in ((PICTURES, 0), (PAIRS, len(source))):
            for file, items in header.planned(series):
                if file not in shards:
                    entries = _entries(source, series, items, told, before)
                    shard = write_shard(out / file, entries)
                    _note(out / NOTES, shard)
                    shards[file] = shard
                told(before + items.stop)
        index = _complete(header, shards)
        files = {out / name: data for name, data in lists.items()}
        write_files(files | {out / INDEX: index_bytes(index)}, overwrite=True)
        (out / NOTES).unlink()
    except BaseException:
        if not shards:
            (out / NOTES).unlink(missing_ok=True)
        raise
    return index


def _describe(source: Source, layout: str, per_shard: int) -> tuple[dict[str, bytes], ShardIndex]:
    """Returns the lists of references by their new names, and the index without shards."""
    lists: dict[str, bytes] = {}
    stored: dict[bool, StoredList] = {}
    for train, name in _LISTS.items():
        references = source.references(train)
        if references is not None:
            lists[name] = references.path.read_bytes()
            stored[train] = StoredList(name, references.partial)
    header = ShardIndex(
        version=VERSION,
        layout=layout,
        kind=source.kind,
        channels=source.channels,
        flips=source.flips,
        per_shard=per_shard,
        names=source.names,
        split=source.split,
        partners=source.partners,
        train_references=stored.get(True),
        test_references=stored.get(False),
        pair_names=source.pair_names,
        condition=source.condition,
    )
    return lists, header


def _entries(
    source: Source, series: str, items: range, told: _Progress, before: int
) -> Iterator[tuple[str, Mapping[str, bytes]]]:
    """Reads what a shard holds: keys and members."""
    for item in items:
        told(before + item)
        if series == PICTURES:
            named = NamedPicture(source.names[item], source.load(item))
            yield item_key(item), encode_picture(named, source.files(item)[0])
            continue
        pair = source.load_pair(item)
        for side, picture in zip(SIDES, (pair.truth, pair.exemplar), strict=True):
            yield item_key(item, side), encode_picture(NamedPicture(pair.name, picture), None)


def _finished(out: Path, header: ShardIndex, resume: bool) -> dict[str, Shard]:
    """Returns the shards in a folder that are whole, by their names.

    Raises:
        ValueError: the folder is not empty and `resume` is off, or what it holds is not what would
            be written.
    """
    if len(list(out.iterdir())) == len(_partials(out)):
        return {}
    begun = (out / NOTES).is_file() or (out / INDEX).is_file()
    if not resume or not begun:
        advice = " or --resume to go on with the shards in it" if begun else ""
        raise ValueError(f"{out} is not empty; give another folder{advice}")
    was, shards = _read_notes(out / NOTES) if (out / NOTES).is_file() else _read_finished(out)
    for field in dataclasses.fields(ShardIndex):
        before, now = getattr(was, field.name), getattr(header, field.name)
        if before != now:
            raise ValueError(
                f"{out}: begun with other {field.name} ({_short(before)}, now {_short(now)}); use "
                "the same folder and options, or give another --out"
            )
    sides = {PICTURES: 1, PAIRS: len(SIDES)}
    expected = {
        file: len(items) * sides[series]
        for series in sides
        for file, items in header.planned(series)
    }
    return {
        shard.file: shard
        for shard in shards
        if expected.get(shard.file) == len(shard.places)
        and (out / shard.file).is_file()
        and file_digest(out / shard.file) == shard.sha256
    }


def _partials(out: Path) -> list[Path]:
    """Returns what killed runs have left in a folder; it counts as no file."""
    return [path for path in out.iterdir() if is_partial(path.name)]


def _read_finished(out: Path) -> tuple[ShardIndex, tuple[Shard, ...]]:
    index = read_index(out)
    return index.header(), (*index.pictures, *index.pairs)


def _read_notes(path: Path) -> tuple[ShardIndex, tuple[Shard, ...]]:
    """Reads which shards a run has finished; lines that were cut off or damaged are left out."""
    first, *lines = read_text(path).split("\n")
    shards = []
    for line in lines:
        with suppress(RecursionError, TypeError, ValueError):
            shards.append(from_dict(Shard, json.loads(line), str(path)))
    return parse_index(first, str(path)), tuple(shards)


def _begin_notes(path: Path, header: ShardIndex, kept: Mapping[str, Shard]) -> None:
    lines = b"".join(_line(shard) for shard in kept.values())
    write_files({path: index_bytes(header) + lines}, overwrite=True)


def _note(path: Path, shard: Shard) -> None:
    with naming(path), path.open("ab") as stream:
        stream.write(_line(shard))


def _line(shard: Shard) -> bytes:
    return (json.dumps(to_dict(shard), sort_keys=True) + "\n").encode()


def _complete(header: ShardIndex, shards: Mapping[str, Shard]) -> ShardIndex:
    pictures, pairs = (
        tuple(shards[file] for file, _ in header.planned(series)) for series in (PICTURES, PAIRS)
    )
    return dataclasses.replace(header, pictures=pictures, pairs=pairs)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
