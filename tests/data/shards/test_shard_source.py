from __future__ import annotations

import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rabit.config import Kind
from rabit.data.corpus import SourceCorpus
from rabit.data.edges import CannyPicture, LinePicture
from rabit.data.joints import Joints
from rabit.data.layouts.find import open_source
from rabit.data.layouts.folder import FolderSource
from rabit.data.pose import PosePicture
from rabit.data.semantic import SemanticPicture
from rabit.data.shards.index import INDEX
from rabit.data.shards.members import STORED
from rabit.data.shards.source import ShardSource
from rabit.data.shards.writer import write_shards
from rabit.data.source import ReferenceList, Source, Split
from samples import samples
from shard_pictures import ArraySource, assert_same, assert_same_samples

SIZE = (16, 24)
STORED_TYPES: dict[str, Any] = STORED


@pytest.fixture
def shards(corpus: Path, tmp_path: Path) -> Path:
    write_shards(FolderSource(corpus), "folder", tmp_path / "shards", 3)
    return tmp_path / "shards"


def _assert_equal(given: Source, out: Path, per_shard: int = 3) -> ShardSource:
    """Checks that a source and its shards give the same samples."""
    write_shards(given, "any", out, per_shard)
    source = ShardSource(out)
    assert (source.kind, source.channels, source.names) == (given.kind, given.channels, given.names)
    assert (source.flips, source.split, source.partners) == (
        given.flips,
        given.split,
        given.partners,
    )
    assert source.pair_names == given.pair_names
    for seed in (0, 7):
        first, second = (SourceCorpus(each, SIZE, seed) for each in (given, source))
        for epoch in (0, 1, 5):
            first.set_epoch(epoch)
            second.set_epoch(epoch)
            assert_same_samples(first, second)
    tests = [SourceCorpus(each, SIZE, train=False) for each in (given, source)]
    assert_same_samples(*tests)
    return source


@pytest.mark.parametrize("per_shard", [1, 3, 100])
def test_a_folder_and_its_shards_give_the_same_samples(
    corpus: Path, tmp_path: Path, per_shard: int
) -> None:
    given = FolderSource(corpus)
    source = _assert_equal(given, tmp_path / "shards", per_shard)
    assert source.layout == "shards" and source.index.layout == "any" and source.pair_count == 3
    # The samples of pairs above left the references for testing unread.
    (corpus / "pairs.csv").unlink()
    _assert_equal(FolderSource(corpus), tmp_path / "without pairs", per_shard)


def test_references_are_ranked_alike_without_a_list(corpus: Path, tmp_path: Path) -> None:
    (corpus / "references.csv").unlink()
    source = _assert_equal(FolderSource(corpus), tmp_path / "shards")
    assert source.references(True) is None and source.references(False) is None


def _pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _joints(number: int) -> Joints:
    rng = np.random.default_rng(number)
    return Joints(rng.uniform(0, 20, (18, 2)), rng.random(18) > 0.2)


def _mask(number: int) -> np.ndarray:
    return np.random.default_rng(number).random((20, 30)) > 0.8


def _parts(number: int) -> np.ndarray:
    parts = np.zeros((20, 30), np.int64)
    for part in range(1, 19):
        parts[part % 7 + number : part % 7 + number + 6, part : part + 9] |= 1 << part
    return parts


_KINDS: dict[str, tuple[Kind, int, Any]] = {
    "face": ("semantic", 19, lambda i: STORED_TYPES["face"].of_parts(_pixels(i), _parts(i))),
    "face-edges": ("edge", 15, lambda i: STORED_TYPES["face-edges"](_pixels(i), _parts(i))),
    "lines": ("edge", 2, lambda i: LinePicture(_pixels(i), _mask(i))),
    "canny": ("edge", 2, lambda i: CannyPicture(_pixels(i))),
    "pose": ("pose", 20, lambda i: PosePicture(_pixels(i), _joints(i))),
}


@pytest.mark.parametrize("name", _KINDS)
def test_every_kind_of_condition_gives_the_same_samples(tmp_path: Path, name: str) -> None:
    kind, channels, make = _KINDS[name]
    root = tmp_path / "given"
    given = ArraySource(root, kind, channels, [make(i) for i in range(5)])
    for i in range(5):
        given.files(i)[0].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_pixels(i)).save(given.files(i)[0])
    _assert_equal(given, tmp_path / "shards", 2)


class _PersonSource(ArraySource):
    """With all that a layout may say."""

    def references(self, train: bool) -> ReferenceList | None:
        return None if train else ReferenceList(self.root / "test.csv", partial=True)


def test_split_partners_and_partial_lists_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "given"
    pictures = [SemanticPicture(_pixels(i), _mask(i).astype(np.int64)) for i in range(5)]
    given = _PersonSource(
        root,
        "semantic",
        2,
        pictures,
        flips=False,
        split=Split((0, 1, 2), (3, 4)),
        partners=((1, 2), (0,), (0,), (), ()),
    )
    for i in range(5):
        given.files(i)[0].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_pixels(i)).save(given.files(i)[0])
    rows = [f"{name.replace('/', chr(92))},{given.names[0]},gone.jpg" for name in given.names[1:]]
    (root / "test.csv").write_text("\n".join([*rows, "gone.jpg,gone.jpg"]))
    source = _assert_equal(given, tmp_path / "shards", 2)
    listed = source.references(False)
    assert listed is not None and listed.partial and source.references(True) is None


@pytest.mark.parametrize(
    "folder, layout, condition",
    [
        ("ade20k", "ade20k", None),
        ("celebahq", "celebahq", None),
        ("celebahqedge", "celebahq-edge", "edges"),
        ("celebamask_maskgan", "celebamask", None),
        ("coco_stuff", "coco-stuff", None),
        ("DeepFashion", "deepfashion", None),
    ],
)
def test_real_pictures_come_back_exactly(
    tmp_path: Path, folder: str, layout: str, condition: str | None
) -> None:
    given = open_source(samples(f"samples/{folder}"), layout, condition)
    write_shards(given, layout, tmp_path / "shards", 2)
    source = ShardSource(tmp_path / "shards")
    assert source.names == given.names and len(source) > 1
    for i in range(len(given)):
        assert_same(given.load(i), source.load(i))


def test_a_source_goes_to_worker_processes(shards: Path) -> None:
    source = pickle.loads(pickle.dumps(ShardSource(shards)))
    assert_same(source.load(3), ShardSource(shards).load(3))
    assert source.files(3) == (shards / "pictures-000001.tar",)


@pytest.mark.parametrize("index", [-1, 11])
def test_indices_outside_are_refused(shards: Path, index: int) -> None:
    source = ShardSource(shards)
    for call in (source.load, source.files, source.load_pair):
        with pytest.raises(IndexError):
            call(index)


# Damage


def test_a_cut_off_file_is_named_at_once(shards: Path) -> None:
    path = shards / "pictures-000001.tar"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"pictures-000001\.tar: \d+ bytes, but \d+ were written"):
        ShardSource(shards)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"pictures-000001\.tar: no such file"):
        ShardSource(shards)


def test_a_changed_byte_is_named_with_its_key(shards: Path) -> None:
    path = shards / "pictures-000001.tar"
    with tarfile.open(path) as tar:
        inside = tar.getmember("000000004.labels.png").offset_data + 10
    data = bytearray(path.read_bytes())
    data[inside] ^= 1
    path.write_bytes(data)
    source = ShardSource(shards)
    source.load(3)
    source.load(5)
    with pytest.raises(ValueError, match=r"pictures-000001\.tar: key 000000004 is damaged"):
        source.load(4)


def test_damaged_pairs_are_named(shards: Path) -> None:
    path = shards / "pairs-000000.tar"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(ValueError, match=r"pairs-000000\.tar: key 000000001-truth is damaged"):
        ShardSource(shards).load_pair(1)


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"shards\.json: no such file"):
        ShardSource(tmp_path)


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("version", 2, "version is 2, this program reads 1"),
        ("kind", "sound", r"kind is 'sound', expected one of"),
        ("per_shard", 0, "per_shard is 0"),
        ("per_shard", 10**30, "per_shard is 1(0){30}, expected 1 to"),
        ("per_shard", "HUGE", "no JSON"),
        ("train_references", {"file": "", "partial": True}, "without a folder"),
        ("train_references", {"file": "..", "partial": True}, "without a folder"),
        ("per_shard", 4, "pictures are not in shards of 4"),
        ("names", ["a"], "pictures are not in shards"),
        ("pair_names", [], "pairs are not in shards"),
        ("split", {"train": [0], "test": [11]}, "a number in split or partners"),
        ("split", {"train": [0, 0, 1], "test": [2]}, "0 is 2 times in split"),
        ("split", {"train": [0, 1], "test": [2, 1]}, "1 is 2 times in split"),
        ("split", {"train": [-1], "test": [0]}, "a number in split or partners"),
        ("names", ["a.png"] * 11, "'a.png' is 11 times in names"),
        ("names", ["a.png", "b/../a.png"], "'a.png' is 2 times in names"),
        ("names", ["../../x", *"abcdefghij"], r"names\[0\]: '\.\./\.\./x' is no file name inside"),
        ("names", [*"abcdefghij", "/x"], r"names\[10\]: '/x' is no file name inside"),
        ("names", ["", *"abcdefghij"], r"names\[0\]: '' is no file name inside"),
        ("pair_names", ["a", "a", "../x"], r"pair_names\[2\]: '\.\./x' is no file name inside"),
        ("partners", [[0]], "1 rows of partners for 11 pictures"),
        ("partners", [[-1]] * 11, "a number in split or partners"),
        ("train_references", {"file": "../a", "partial": True}, "without a folder"),
        ("train_references", 3, r"train_references: found int"),
        ("pictures", 3, r"pictures is 3, expected a list"),
        ("more", 3, "unknown field more"),
    ],
)
def test_a_wrong_index_is_refused(shards: Path, field: str, value: Any, message: str) -> None:
    index = json.loads((shards / INDEX).read_text())
    text = json.dumps({**index, field: value}).replace('"HUGE"', "1" * 5000)
    (shards / INDEX).write_text(text)
    with pytest.raises(ValueError, match=rf"shards\.json.*{message}"):
        ShardSource(shards)


@pytest.mark.parametrize("place", [[-1, 5, 0], [0, 0, 0], [0, 10**9, 0]])
def test_places_outside_their_file_are_refused(shards: Path, place: list[int]) -> None:
    index = json.loads((shards / INDEX).read_text())
    index["pictures"][1]["places"][2] = place
    (shards / INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"are not in the \d+ of pictures-000001\.tar"):
        ShardSource(shards)


def test_shards_elsewhere_cannot_be_named(shards: Path) -> None:
    index = json.loads((shards / INDEX).read_text())
    index["pictures"][0]["file"] = "../pictures-000000.tar"
    (shards / INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match="pictures are not in shards"):
        ShardSource(shards)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.binary(max_size=40), cut=st.integers(0, 3000))
def test_any_index_gives_an_error_or_a_source(shards: Path, data: bytes, cut: int) -> None:
    path = shards / INDEX
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:cut] + data + whole[cut + len(data) :])
        ShardSource(shards).load(0)
    except (FileNotFoundError, ValueError) as error:
        assert str(shards) in str(error)
    finally:
        path.write_bytes(whole)
