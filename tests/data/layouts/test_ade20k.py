from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.batch import collate
from rabit.data.corpus import SourceCorpus
from rabit.data.layouts.ade20k import ADE20K_CLASSES, ADE20KSource, shift_unknown
from rabit.data.source import ReferenceList, Split
from samples import samples

# Folder of photographs and folder of maps, each before and after the name of the part.
LAYOUTS = {
    "beside": ("images/{}", "images/{}"),
    "bare": ("{}", "{}"),
    "benchmark": ("images/{}", "annotations/{}"),
}
NAMES = (
    "ADE_train_00000001.jpg",
    "ADE_train_00000002.jpg",
    "ADE_train_00000010.jpg",
    "ADE_val_00000001.jpg",
    "ADE_val_00000002.jpg",
)


def _write(root: Path, layout: str, parts: tuple[str, ...] = ("training", "validation")) -> Path:
    """Pictures of 24×16 whose maps hold the first ids, the second of them in the lower half."""
    for part in parts:
        images, maps = (root / folder.format(part) for folder in LAYOUTS[layout])
        images.mkdir(parents=True, exist_ok=True)
        maps.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            if ("train" in name) == (part == "training"):
                number = int(name[-7:-4])
                labels = np.zeros((16, 24), np.uint8)
                labels[8:] = number
                labels[-1, -1] = 150
                Image.new("RGB", (24, 16), (number * 20, 0, 0)).save(images / name)
                Image.fromarray(labels).save(maps / name.replace(".jpg", ".png"))
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_on_disk_is_read(tmp_path: Path, layout: str) -> None:
    source = ADE20KSource(_write(tmp_path, layout))
    assert source.kind == "semantic" and source.flips and source.layout == "ade20k"
    assert source.names == NAMES
    assert source.split == Split(train=(0, 1, 2), test=(3, 4))
    image, labels = source.files(2)
    assert image == tmp_path / LAYOUTS[layout][0].format("training") / NAMES[2]
    assert labels.parent == tmp_path / LAYOUTS[layout][1].format("training")
    picture = source.load(2)
    assert picture.labels[0, 0] == 0 and picture.labels[-1, 0] == 10 and picture.labels[-1, -1]
    for train in (True, False):
        corpus = SourceCorpus(source, (16, 16), train=train)
        assert collate(list(corpus), len(source.channels)).condition.channels.shape[1] == 151
    assert pickle.loads(pickle.dumps(source)).names == NAMES


def test_both_numberings_name_the_same_pixels(tmp_path: Path) -> None:
    root = _write(tmp_path, "beside")
    first, last = ADE20KSource(root), ADE20KSource(root, unknown="last")
    assert first.channels[:3] == ("unknown", "wall", "building") and first.channels[150] == "flag"
    assert last.channels[:2] == ("wall", "building") and last.channels[149:] == ("flag", "unknown")
    for index in range(len(NAMES)):
        one, other = first.load(index).labels, last.load(index).labels
        assert not np.array_equal(one, other) and other.dtype == np.int64
        assert [first.channels[i] for i in one.ravel()] == [last.channels[i] for i in other.ravel()]
    assert last.load(0).labels[0, 0] == 150 and last.load(0).labels[-1, 0] == 0
    everything = np.arange(151)
    np.testing.assert_array_equal(shift_unknown(everything), [150, *range(150)])
    with pytest.raises(ValueError, match="unknown is 'middle', expected 'first' or 'last'"):
        ADE20KSource(root, unknown="middle")  # type: ignore[arg-type]


def test_classes_are_the_150_of_the_benchmark() -> None:
    assert len(ADE20K_CLASSES) == len(set(ADE20K_CLASSES)) == 150
    assert all(name == " ".join(name.split()) and name for name in ADE20K_CLASSES)
    # Ids as the benchmark lists them, from 1.
    for number, name in ((1, "wall"), (13, "person"), (45, "chest of drawers"), (90, "television")):
        assert ADE20K_CLASSES[number - 1] == name
    assert ADE20K_CLASSES[120 - 1] == "ball" and ADE20K_CLASSES[150 - 1] == "flag"


def test_one_part_alone_says_nothing_of_a_split(tmp_path: Path) -> None:
    source = ADE20KSource(_write(tmp_path, "beside", parts=("validation",)))
    assert source.split is None and source.names == NAMES[3:]


@pytest.mark.parametrize("beside", [True, False])
def test_public_lists_are_found_and_passed_over_where_partial(tmp_path: Path, beside: bool) -> None:
    root = _write(tmp_path / "ade", "beside")
    (root / "references.csv").write_text("ADE_train_00000001,ADE_train_00000002\n")
    source = ADE20KSource(root)
    assert source.references(train=True) == ReferenceList(root / "references.csv")
    path = (tmp_path if beside else root) / "ade20k_ref_test.txt"
    path.write_text(
        "ADE_val_00000001.jpg,ADE_train_00019999.jpg,ADE_train_00000010.jpg\n"
        "ADE_val_00000002.jpg,ADE_train_00000001.jpg\n"
        "ADE_val_00001999.jpg,ADE_train_00000001.jpg\n"
    )
    for train in (True, False):
        assert source.references(train=train) == ReferenceList(root / "references.csv")
    (root / "references.csv").unlink()
    assert source.references(train=True) is None
    assert source.references(train=False) == ReferenceList(path, partial=True)
    corpus = SourceCorpus(source, (16, 16), train=False, indices=[3, 4])
    reds = [round((float(sample.exemplar[0].mean()) + 1) * 127.5 / 20) for sample in corpus]
    assert reds == [10, 1]


def test_a_folder_in_which_one_stands_has_a_list_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "ade", "beside")
    (tmp_path / "ade20k_ref.txt").write_text("ADE_val_00000001.jpg,ADE_val_00000002.jpg\n")
    monkeypatch.chdir(tmp_path / "ade")
    found = ADE20KSource(".").references(train=True)
    assert found is not None and found.path == tmp_path / "ade20k_ref.txt"


# What users get wrong


def test_no_such_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder training or validation.*expected"):
        ADE20KSource(tmp_path)


def test_the_full_corpus_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "images" / "training" / "a" / "abbey").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"training: folders instead.*ADEChallengeData2016"):
        ADE20KSource(tmp_path)


def test_a_missing_map_and_a_missing_photograph_are_named(tmp_path: Path) -> None:
    root = _write(tmp_path, "benchmark")
    (root / "annotations" / "training" / "ADE_train_00000002.png").unlink()
    with pytest.raises(ValueError, match=r"ADE_train_00000002\.jpg without a label map.*\.png to"):
        ADE20KSource(root)
    (root / "images" / "training" / "ADE_train_00000002.jpg").unlink()
    (root / "images" / "validation" / "ADE_val_00000002.jpg").unlink()
    with pytest.raises(ValueError, match=r"ADE_val_00000002\.png without an image"):
        ADE20KSource(root)


def test_an_image_in_both_parts(tmp_path: Path) -> None:
    root = _write(tmp_path, "bare")
    for suffix in ("jpg", "png"):
        name = f"ADE_val_00000001.{suffix}"
        (root / "training" / name).write_bytes((root / "validation" / name).read_bytes())
    with pytest.raises(ValueError, match=r"ADE_val_00000001\.jpg in .*training as well"):
        ADE20KSource(root)


@pytest.mark.parametrize("unknown", ["first", "last"])
def test_an_id_beyond_150_is_named(tmp_path: Path, unknown: str) -> None:
    root = _write(tmp_path, "bare")
    path = root / "training" / "ADE_train_00000001.png"
    Image.new("L", (24, 16), 151).save(path)
    source = ADE20KSource(root, unknown=unknown)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"ADE_train_00000001\.png: ids 151 .* 151 classes"):
        source.load(0)


def test_real_samples() -> None:
    source = ADE20KSource(samples("samples/ade20k"))
    assert source.split == Split(train=tuple(range(6)), test=tuple(range(6, 12)))
    train = SourceCorpus(source, (64, 64), indices=source.split.train)
    test = SourceCorpus(source, (64, 64), train=False, indices=source.split.test)
    assert len(list(train)) == 6
    listed = source.references(train=False)
    assert listed is not None and listed.partial
    row = listed.path.read_text().splitlines()[0].split(",")
    sample = test[source.split.test.index(source.names.index(row[0]))]
    own = source.load(source.names.index(row[1]))
    assert set(sample.exemplar_condition.regions.unique().tolist()) <= set(np.unique(own.labels))
    assert {sample.name for sample in test} == {name[:-4] for name in source.names[6:]}
