from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.batch import collate
from rabit.data.corpus import SourceCorpus
from rabit.data.layouts.coco import COCO_STUFF_CLASSES, CocoStuffSource
from rabit.data.layouts.folder import names_sides
from rabit.data.source import ReferenceList, Split
from samples import samples

LAYOUTS = {
    "spade": {"train": ("train_img", "train_label"), "val": ("val_img", "val_label")},
    "official": {
        "train": ("images/train2017", "stuffthingmaps/train2017"),
        "val": ("images/val2017", "stuffthingmaps/val2017"),
    },
}
NAMES = ("000000000009.jpg", "000000000139.jpg", "000000000285.jpg", "000000017914.jpg")
TEST = (1, 2)


def _write(root: Path, layout: str) -> Path:
    """Pictures of 24×16: people above, unknown below, a corner of wood."""
    for index, name in enumerate(NAMES):
        images, maps = LAYOUTS[layout]["val" if index in TEST else "train"]
        (root / images).mkdir(parents=True, exist_ok=True)
        (root / maps).mkdir(parents=True, exist_ok=True)
        labels = np.zeros((16, 24), np.uint8)
        labels[8:] = 255
        labels[-1, -1] = 181
        Image.new("RGB", (24, 16), (40 * index, 0, 0)).save(root / images / name)
        Image.fromarray(labels).save(root / maps / name.replace(".jpg", ".png"))
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_on_disk_is_read(tmp_path: Path, layout: str) -> None:
    source = CocoStuffSource(_write(tmp_path, layout))
    assert source.kind == "semantic" and source.flips and source.layout == "coco-stuff"
    assert source.names == NAMES and source.split == Split(train=(0, 3), test=TEST)
    for index in range(len(NAMES)):
        picture = source.load(index)
        assert picture.labels.dtype == np.int64
        assert np.unique(picture.labels).tolist() == [0, 181, 182]
        assert picture.labels[0, 0] == 0 and picture.labels[-1, 0] == 182
        assert abs(int(picture.pixels[0, 0, 0]) - 40 * index) < 4
        assert source.files(index)[0].name == NAMES[index]
    for train in (True, False):
        samples_ = list(SourceCorpus(source, (16, 16), train=train))
        assert collate(samples_, len(source.channels)).condition.channels.shape[1] == 183


def test_classes_are_the_182_by_their_ids_in_maps() -> None:
    assert len(COCO_STUFF_CLASSES) == len(set(COCO_STUFF_CLASSES)) == 182
    # One less than in the official list, where 0 is "unlabeled".
    for listed, name in ((1, "person"), (90, "toothbrush"), (92, "banner"), (182, "wood")):
        assert COCO_STUFF_CLASSES[listed - 1] == name
    assert COCO_STUFF_CLASSES[124 - 1] == "grass" and COCO_STUFF_CLASSES[169 - 1] == "tree"
    assert all(name == " ".join(name.split()) and name for name in COCO_STUFF_CLASSES)
    assert not names_sides(COCO_STUFF_CLASSES)


def test_one_part_alone_and_instances_beside_it(tmp_path: Path) -> None:
    root = _write(tmp_path, "spade")
    (root / "train_inst").mkdir()
    (root / "train_inst" / "unused.png").write_bytes(b"")
    for name in ("val_img", "val_label"):
        (root / name).rename(root / f"old_{name}")
    source = CocoStuffSource(root)
    assert source.names == (NAMES[0], NAMES[3]) and source.split is None
    assert source.references(train=True) is None
    (root / "references.csv").write_text("a,b\n")
    assert source.references(train=True) == ReferenceList(root / "references.csv")


def test_ids_between_the_classes_and_unknown_are_named(tmp_path: Path) -> None:
    root = _write(tmp_path, "spade")
    for wrong in (182, 254):
        Image.new("L", (24, 16), wrong).save(root / "train_label" / "000000017914.png")
        with pytest.raises(ValueError, match=rf"000000017914\.png: ids {wrong} .* 182 classes"):
            CocoStuffSource(root).load(3)


def test_no_such_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder train_img.*expected"):
        CocoStuffSource(tmp_path)
    (tmp_path / "train_img").mkdir()
    with pytest.raises(ValueError, match=r"train_img: no images"):
        CocoStuffSource(tmp_path)
    (tmp_path / "train_img" / "1.jpg").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"train_label: no such folder"):
        CocoStuffSource(tmp_path)


def test_an_image_without_a_map(tmp_path: Path) -> None:
    root = _write(tmp_path, "official")
    (root / "stuffthingmaps" / "val2017" / "000000000139.png").unlink()
    with pytest.raises(ValueError, match=r"000000000139\.jpg without a label map; add"):
        CocoStuffSource(root)


def test_real_samples() -> None:
    source = CocoStuffSource(samples("samples/coco_stuff"))
    assert len(source) == 21 and source.split is not None and len(source.split.test) == 8
    for train in (True, False):
        indices = source.split.train if train else source.split.test
        corpus = SourceCorpus(source, (64, 64), train=train, indices=indices)
        batch = collate(list(corpus), len(source.channels))
        assert batch.truth.shape == (len(indices), 3, 64, 64)
    kitchen = source.load(source.names.index("000000000139.jpg"))
    counts = np.bincount(kitchen.labels.ravel(), minlength=183)
    largest = {source.channels[i] for i in np.argsort(-counts)[:5]}
    assert largest == {"wall-concrete", "floor-wood", "cabinet", "ceiling-other", "tv"}
