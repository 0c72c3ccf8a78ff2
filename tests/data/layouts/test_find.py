from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rabit.data.corpus import SourceCorpus
from rabit.data.layouts.ade20k import ADE20KSource
from rabit.data.layouts.celeba import CelebAEdgeSource, CelebAMaskSource, MergedFaceSource
from rabit.data.layouts.coco import CocoStuffSource
from rabit.data.layouts.deepfashion import DeepFashionSource
from rabit.data.layouts.find import CONDITIONS, LAYOUTS, find_layout, open_source
from rabit.data.layouts.folder import FolderSource
from rabit.data.pose import Joints, write_joints_text
from rabit.data.shards.writer import write_shards
from rabit.data.source import Source
from samples import samples

SOURCES: dict[str, type[Source]] = {
    "folder": FolderSource,
    "ade20k": ADE20KSource,
    "coco-stuff": CocoStuffSource,
    "celebahq": CelebAMaskSource,
    "celebahq-edge": CelebAEdgeSource,
    "celebamask": MergedFaceSource,
    "deepfashion": DeepFashionSource,
}

# The files of each layout, here each with one picture. Those of a plain folder come first.
FILES: dict[str, tuple[str, ...]] = {
    "folder": ("images/a.jpg", "labels/a.png", "classes.txt"),
    "ade20k": ("images/training/ADE_train_00000001.jpg", "images/training/ADE_train_00000001.png"),
    "coco-stuff": ("train_img/1.jpg", "train_label/1.png"),
    "celebahq": ("CelebA-HQ-img/7.jpg", "CelebAMask-HQ-mask-anno/0/00007_skin.png"),
    "celebamask": ("7.jpg", "7.png"),
    "deepfashion": ("img/a/1.jpg", "pose/a/1"),
}
OTHERS = {
    "ade20k": (
        ("training/ADE_train_00000001.jpg", "training/ADE_train_00000001.png"),
        ("images/validation/ADE_val_00000001.jpg", "annotations/validation/ADE_val_00000001.png"),
    ),
    "coco-stuff": (
        ("val_img/1.jpg", "val_label/1.png"),
        ("images/val2017/1.jpg", "stuffthingmaps/val2017/1.png"),
    ),
    "celebamask": (("CelebA-HQ-img/7.jpg", "CelebAMask-HQ-mask/7.png"),),
    "folder": (
        ("images/a.jpg", "edges/a.png"),
        ("images/a.jpg", "pose/a"),
    ),
}
EVERY = [
    *FILES.items(),
    *((name, files) for name, several in OTHERS.items() for files in several),
]


def _write(root: Path, files: tuple[str, ...]) -> Path:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jpg":
            Image.new("RGB", (24, 24), "grey").save(path)
        elif path.suffix == ".png":
            Image.new("L", (24, 24), 1).save(path)
        elif path.suffix == ".txt":
            path.write_text("one\nother\n")
        else:
            write_joints_text(path, Joints(np.full((18, 2), 9.0), np.ones(18, bool)))
    return root


@pytest.mark.parametrize(("layout", "files"), EVERY)
def test_each_layout_is_found_and_opened(
    tmp_path: Path, layout: str, files: tuple[str, ...]
) -> None:
    root = _write(tmp_path, files)
    assert find_layout(root) == layout
    source = open_source(str(root))
    assert type(source) is SOURCES[layout] and len(source) == 1
    source.load(0)
    assert source.files(0)[0] == root / files[0]


def test_every_layout_has_a_source_of_its_name() -> None:
    assert LAYOUTS.keys() == {*SOURCES, "ade20k-unknown-last", "shards"}
    for name in SOURCES:
        layout = LAYOUTS[name]
        assert SOURCES[name].layout == name  # type: ignore[attr-defined]
        assert layout.open is SOURCES[name] and set(layout.conditions) <= set(CONDITIONS)


def test_an_ambiguous_folder_is_the_first_that_has_the_condition(tmp_path: Path) -> None:
    root = _write(tmp_path, FILES["celebahq"])
    assert isinstance(open_source(root), CelebAMaskSource)
    assert isinstance(open_source(root, condition="labels"), CelebAMaskSource)
    assert isinstance(open_source(root, condition="edges"), CelebAEdgeSource)
    assert isinstance(open_source(root, layout="celebahq-edge"), CelebAEdgeSource)
    _write(root, FILES["folder"])
    assert find_layout(root) == "folder"
    assert isinstance(open_source(root, layout="celebahq"), CelebAMaskSource)


def test_a_plain_folder_has_the_condition_that_is_asked_for(tmp_path: Path) -> None:
    root = _write(tmp_path, ("images/a.jpg", "edges/a.png", "pose/a"))
    for condition in (None, "edges", "pose", "canny"):
        source = open_source(root, condition=condition)
        assert isinstance(source, FolderSource) and source.condition == (condition or "edges")
    with pytest.raises(FileNotFoundError, match=r"classes\.txt: no such file"):
        open_source(root, condition="labels")


def test_photographs_alone_do_for_canny_only(tmp_path: Path) -> None:
    root = _write(tmp_path, ("images/a.jpg",))
    assert find_layout(root, "canny") == "folder"
    assert open_source(root, condition="canny").kind == "edge"
    assert open_source(root, layout="folder", condition="canny").kind == "edge"
    with pytest.raises(ValueError, match=r"condition canny images/ alone"):
        open_source(root)
    with pytest.raises(ValueError, match=r"no labels/, edges/ or pose/.*canny"):
        open_source(root, layout="folder")


# What users get wrong


@pytest.mark.parametrize(
    ("layout", "condition", "having"),
    [
        ("ade20k", "edges", "folder, celebahq-edge, shards"),
        ("coco-stuff", "pose", "folder, deepfashion, shards"),
        ("deepfashion", "canny", "folder, shards"),
        ("celebahq", "pose", "folder, deepfashion, shards"),
    ],
)
def test_a_condition_that_the_layout_has_not(
    tmp_path: Path, layout: str, condition: str, having: str
) -> None:
    root = _write(tmp_path, FILES[layout])
    own = LAYOUTS[layout].conditions[0]
    message = rf"layout {layout} has the condition {own}, not {condition}; .* are {having}$"
    with pytest.raises(ValueError, match=message):
        find_layout(root, condition)
    for named in (None, layout):
        with pytest.raises(ValueError, match=message):
            open_source(root, named, condition)


def test_unknown_names(tmp_path: Path) -> None:
    root = _write(tmp_path, FILES["folder"])
    with pytest.raises(ValueError, match="layout 'cityscapes': expected one of folder, ade20k"):
        open_source(root, layout="cityscapes")
    for call in (find_layout, lambda root, name: open_source(root, "ade20k", name)):
        with pytest.raises(ValueError, match="condition 'sketch': expected one of labels, edges"):
            call(root, "sketch")
    for layout in (None, "ade20k"):
        with pytest.raises(FileNotFoundError, match="gone: no such folder"):
            open_source(tmp_path / "gone", layout)


def test_an_unknown_folder_is_described(tmp_path: Path) -> None:
    for name in ("photos", "notes.txt", *(f"x{i:02}" for i in range(9))):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=r"it has notes\.txt/, photos/, x00/, .*…; Exp") as caught:
        find_layout(tmp_path)
    text = str(caught.value)
    assert all(f"{name}: {layout.expects}" in text for name, layout in LAYOUTS.items())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="it has nothing;"):
        find_layout(tmp_path / "empty")


def test_the_folder_above_a_corpus(tmp_path: Path) -> None:
    _write(tmp_path / "mine", FILES["ade20k"])
    with pytest.raises(ValueError, match=rf"did you mean {tmp_path / 'mine'}\?"):
        open_source(tmp_path)


def test_what_is_missing_in_a_nearly_right_folder_is_named(tmp_path: Path) -> None:
    root = _write(tmp_path, FILES["folder"])
    (root / "images").rename(root / "photos")
    with pytest.raises(FileNotFoundError, match="images: no such folder"):
        open_source(root)
    (root / "photos").rename(root / "images")
    (root / "classes.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"classes\.txt: no such file"):
        open_source(root)


def test_no_file_is_looked_at_to_list_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stat a file would make a large corpus on a network drive take minutes to open."""
    for folder, suffix in (("train_img", "jpg"), ("train_label", "png")):
        (tmp_path / folder).mkdir()
        for number in range(500):
            (tmp_path / folder / f"{number:012}.{suffix}").touch()
    calls = []
    original = os.stat

    def counted(*arguments: Any, **options: Any) -> os.stat_result:
        calls.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(os, "stat", counted)
    source = open_source(tmp_path)
    assert len(source) == 500 and len(calls) < 50


# Real files


@pytest.mark.parametrize(
    ("folder", "layout", "condition"),
    [
        ("facades", "folder", None),
        ("fashion", "folder", None),
        ("fashion", "folder", "pose"),
        ("samples/ade20k", "ade20k", None),
        ("samples/coco_stuff", "coco-stuff", None),
        ("samples/celebahq", "celebahq", None),
        ("samples/celebahqedge", "celebahq-edge", "edges"),
        ("samples/celebamask_maskgan", "celebamask", None),
        ("samples/DeepFashion", "deepfashion", None),
    ],
)
def test_real_samples(folder: str, layout: str, condition: str | None) -> None:
    root = samples(folder)
    assert find_layout(root, condition) == layout
    source = open_source(root, condition=condition)
    assert type(source) is SOURCES[layout]
    corpus = SourceCorpus(source, (64, 64), train=False, indices=range(3))
    assert len(list(corpus)) == 3


def test_spades_numbering_of_ade20k_is_asked_for_by_name(tmp_path: Path) -> None:
    root = _write(tmp_path, ("training/ADE_train_00000001.jpg", "training/ADE_train_00000001.png"))
    first, last = open_source(root), open_source(root, "ade20k-unknown-last")
    assert find_layout(root) == "ade20k"
    assert first.channels[0] == last.channels[-1] == "unknown"
    assert first.channels[1:] == last.channels[:-1]


def test_shards_are_found_and_have_one_condition(tmp_path: Path) -> None:
    write_shards(open_source(_write(tmp_path / "plain", FILES["folder"])), "folder", tmp_path / "s")
    assert find_layout(tmp_path / "s") == "shards"
    assert open_source(tmp_path / "s", condition="labels").kind == "semantic"
    with pytest.raises(ValueError, match="its pictures have semantic conditions, not pose"):
        open_source(tmp_path / "s", condition="pose")


def test_shards_of_one_kind_of_edges_are_not_taken_for_another(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    for folder in ("images", "edges"):
        (root / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(root / folder / "a.png")
    for condition, other in (("edges", "canny"), ("canny", "edges")):
        shards = tmp_path / condition
        write_shards(open_source(root, condition=condition), "folder", shards)
        assert open_source(shards, condition=condition).kind == "edge"
        assert open_source(shards).condition == condition
        with pytest.raises(ValueError, match=f"have the condition {condition}, not {other}"):
            open_source(shards, condition=other)


def test_pictures_without_folders_are_told_where_to_go(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.PNG"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    with pytest.raises(ValueError, match="2 pictures lie in it; put photographs into its images/"):
        open_source(tmp_path, None, None)
