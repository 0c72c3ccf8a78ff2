from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from rabit.config import ExemplarMix
from rabit.data.batch import collate
from rabit.data.corpus import SourceCorpus
from rabit.data.edges import EDGE_CHANNELS, LINE_CHANNELS
from rabit.data.layouts.folder import FolderCondition, FolderSource, names_sides
from rabit.data.listing import list_files, list_joints, match_maps
from rabit.data.pose import JOINTS, POSE_CHANNELS, Joints, write_joints_json, write_joints_text
from samples import samples

SIZE = (32, 48)
STEMS = ("a", "b", "c")


def _square(number: int, ground: str, ink: str) -> Image.Image:
    """A square that moves to the right with the number."""
    picture = Image.new("RGB", (48, 32), ground)
    left = 6 + 4 * number
    ImageDraw.Draw(picture).rectangle((left, 8, left + 15, 23), outline=ink)
    return picture


def _joints(number: int) -> Joints:
    places = np.stack([10.0 + number + np.arange(18), 4.0 + np.arange(18)], axis=1)
    return Joints(places, np.arange(len(JOINTS)) != 17)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three photographs, each of a square, with every condition that a folder can have."""
    for name in ("images", "labels", "edges", "pose"):
        (tmp_path / name).mkdir()
    (tmp_path / "classes.txt").write_text("ground\nsquare\n")
    for number, stem in enumerate(STEMS):
        _square(number, "black", "white").save(tmp_path / "images" / f"{stem}.jpg")
        labels = np.zeros(SIZE, np.uint8)
        labels[8:24, 6 + 4 * number : 22 + 4 * number] = 1
        Image.fromarray(labels).save(tmp_path / "labels" / f"{stem}.png")
        _square(number, "white", "black").save(tmp_path / "edges" / f"{stem}.png")
    write_joints_text(tmp_path / "pose" / "a", _joints(0))
    write_joints_json(tmp_path / "pose" / "b_keypoints.json", _joints(1))
    write_joints_json(tmp_path / "pose" / "c.json", _joints(2))
    return tmp_path


def _remove(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        if path.is_dir():
            path.rename(root / f"no_{name}")
        else:
            path.unlink()


# Which condition


def test_the_first_condition_that_is_there_is_taken(root: Path) -> None:
    for condition, kind, channels in (
        ("labels", "semantic", ("ground", "square")),
        ("edges", "edge", LINE_CHANNELS),
        ("pose", "pose", POSE_CHANNELS),
    ):
        source = FolderSource(root)
        assert (source.condition, source.kind) == (condition, kind)
        assert source.channels == tuple(channels) and source.names == ("a.jpg", "b.jpg", "c.jpg")
        _remove(root, condition, *(["classes.txt"] if condition == "labels" else []))
    with pytest.raises(ValueError, match=r"no labels/, edges/ or pose/; add .*classes\.txt.*canny"):
        FolderSource(root)
    assert FolderSource(root, condition="canny").channels == EDGE_CHANNELS


@pytest.mark.parametrize("condition", ["labels", "edges", "pose", "canny"])
def test_each_condition_is_seen_in_samples(root: Path, condition: FolderCondition) -> None:
    source = FolderSource(root, condition=condition)
    assert len(source) == 3 and source.layout == "folder"
    for train in (True, False):
        corpus = SourceCorpus(pickle.loads(pickle.dumps(source)), (24, 24), train=train)
        batch = collate(list(corpus), len(source.channels))
        assert batch.names == STEMS
        assert batch.condition.channels.shape == (3, len(source.channels), 24, 24)
        assert batch.condition.channels.min() >= 0 and batch.condition.channels.max() <= 1
        first, second = batch.condition.channels[0], batch.condition.channels[1]
        assert not first.equal(second)


def test_unknown_condition(root: Path) -> None:
    with pytest.raises(ValueError, match="condition 'sketch'; .* labels, edges, pose, canny"):
        FolderSource(root, condition="sketch")  # type: ignore[arg-type]


def test_what_a_picture_is_read_from(root: Path) -> None:
    def names(condition: FolderCondition, index: int) -> list[str]:
        files = FolderSource(root, condition=condition).files(index)
        assert all(file.is_file() for file in files)
        return [f"{file.parent.name}/{file.name}" for file in files]

    assert names("labels", 0) == ["images/a.jpg", "labels/a.png"]
    assert names("edges", 1) == ["images/b.jpg", "edges/b.png"]
    assert names("pose", 0) == ["images/a.jpg", "pose/a_candidate.txt", "pose/a_subset.txt"]
    assert names("pose", 1) == ["images/b.jpg", "pose/b_keypoints.json"]
    assert names("pose", 2) == ["images/c.jpg", "pose/c.json"]
    assert names("canny", 2) == ["images/c.jpg"]


# Edges


@pytest.mark.parametrize(("ground", "ink"), [("white", "black"), ("black", "white")])
def test_lines_are_read_on_either_ground(root: Path, ground: str, ink: str) -> None:
    for number, stem in enumerate(STEMS):
        _square(number, ground, ink).save(root / "edges" / f"{stem}.png")
    corpus = SourceCorpus(FolderSource(root, condition="edges"), SIZE, train=False)
    channels = corpus[1].condition.channels
    assert channels is not None
    expected = np.asarray(_square(1, "black", "white").convert("L")) == 255
    np.testing.assert_array_equal(channels[0].numpy() > 0.5, expected)
    assert not corpus[1].condition.regions.any()


def test_a_drawing_of_another_size_is_named(root: Path) -> None:
    Image.new("L", (20, 20)).save(root / "edges" / "b.png")
    with pytest.raises(ValueError, match=r"b\.jpg is 48×32 pixels, .*b\.png 20×20"):
        FolderSource(root, condition="edges").load(1)


# Poses


def test_joints_are_the_same_from_either_kind_of_file(root: Path) -> None:
    (root / "pose" / "c.json").unlink()
    write_joints_text(root / "pose" / "c", _joints(2))
    text = FolderSource(root, condition="pose").load(2)
    _remove(root / "pose", "c_candidate.txt", "c_subset.txt")
    write_joints_json(root / "pose" / "c.json", _joints(2))
    assert vars(text).keys() == {"pixels", "joints"}
    for picture in (text, FolderSource(root, condition="pose").load(2)):
        joints: Joints = picture.joints  # type: ignore[attr-defined]
        np.testing.assert_array_equal(joints.seen, _joints(2).seen)
        np.testing.assert_allclose(joints.places[:17], _joints(2).places[:17])


def test_text_comes_before_keypoints_before_json(root: Path) -> None:
    people = json.dumps({"people": []})
    for name in ("a.json", "a_keypoints.json", "c_keypoints.json"):
        (root / "pose" / name).write_text(people)
    found = list_joints(root / "pose")
    assert [path.name for path in found.values()] == [
        "a_candidate.txt",
        "b_keypoints.json",
        "c_keypoints.json",
    ]
    assert tuple(found) == STEMS


def test_missing_joints_are_named(root: Path) -> None:
    (root / "pose" / "c.json").unlink()
    with pytest.raises(ValueError, match=r"images: c\.jpg without joints; add its joints as STEM_"):
        FolderSource(root, condition="pose")
    (root / "images" / "c.jpg").unlink()
    (root / "pose" / "d.json").write_text("{}")
    with pytest.raises(ValueError, match=r"pose: d\.json without an image"):
        FolderSource(root, condition="pose")
    (root / "pose" / "a_subset.txt").unlink()
    with pytest.raises(ValueError, match=r"pose: a_candidate\.txt without the _subset\.txt"):
        FolderSource(root, condition="pose")


def test_a_broken_file_of_joints_is_named(root: Path) -> None:
    (root / "pose" / "c.json").write_text("{")
    with pytest.raises(ValueError, match=r"c\.json"):
        FolderSource(root, condition="pose").load(2)


# Flips


@pytest.mark.parametrize(
    ("classes", "sided"),
    [
        (("left eye", "right eye"), True),
        (("skin", "l_brow", "r_brow"), True),
        (("Left", "sky"), True),
        (("arm (right)",), True),
        (("hand left",), True),
        (("eye_l",), True),
        (("left-hand",), True),
        (("sky", "street light", "bright wall", "car", "lane"), False),
        (("wall", "floor_rug", "all_parts", "her eye"), False),
        ((), False),
    ],
)
def test_classes_that_name_left_and_right(classes: tuple[str, ...], sided: bool) -> None:
    assert names_sides(classes) is sided


def test_nothing_is_mirrored_that_has_sides(root: Path) -> None:
    flips: Callable[..., bool] = lambda **options: FolderSource(root, **options).flips  # noqa: E731
    assert flips() and flips(condition="edges") and flips(condition="canny")
    assert not flips(condition="pose") and flips(condition="pose", flips=True)
    assert not flips(flips=False)
    (root / "classes.txt").write_text("ground\nleft eye\n")
    assert not flips() and flips(flips=True) and flips(condition="edges")


# Lists


def test_references_serve_every_condition_and_pairs_serve_maps(root: Path) -> None:
    (root / "references.csv").write_text("a,c\nb,a\nc,b\n")
    (root / "pairs.csv").write_text(
        "condition,exemplar,exemplar_condition,truth\n"
        "labels/a.png,images/b.jpg,labels/b.png,images/a.jpg\n"
    )
    assert FolderSource(root).pair_names == ("a",) and FolderSource(root).pair_count == 1
    conditions: tuple[FolderCondition, ...] = ("edges", "pose", "canny")
    for condition in conditions:
        source = FolderSource(root, condition=condition)
        assert source.pair_count == 0 and source.references(train=True) is not None
        corpus = SourceCorpus(source, SIZE, train=False)
        assert (corpus[1].exemplar == corpus[0].truth).all()
        with pytest.raises(IndexError):
            source.load_pair(0)


# Files


@pytest.mark.parametrize("condition", ["edges", "pose", "canny"])
def test_missing_folders_are_named(root: Path, condition: FolderCondition) -> None:
    if condition != "canny":
        _remove(root, condition)
        with pytest.raises(FileNotFoundError, match=rf"{condition}: no such folder"):
            FolderSource(root, condition=condition)
        (root / f"no_{condition}").rename(root / condition)
    _remove(root, "images")
    with pytest.raises(FileNotFoundError, match="images: no such folder"):
        FolderSource(root, condition=condition)
    (root / "images").mkdir()
    with pytest.raises(ValueError, match="images: no images"):
        FolderSource(root, condition=condition)


def test_a_missing_drawing_is_named(root: Path) -> None:
    (root / "edges" / "b.png").unlink()
    with pytest.raises(ValueError, match=r"b\.jpg without a line drawing; add a line drawing of"):
        FolderSource(root, condition="edges")


def test_only_files_of_the_right_kind_are_listed(tmp_path: Path) -> None:
    for name in (".b.png", "a.PNG", "c.txt", "d.jpeg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "a.PNG")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone")
    assert list(list_files(tmp_path, frozenset({".png"}))) == ["a", "link"]


@given(
    st.dictionaries(
        st.text(alphabet="ab._-é ", min_size=1, max_size=6).filter(lambda s: not s.startswith(".")),
        st.sampled_from(["both", "image", "map"]),
        max_size=6,
    )
)
def test_matching_finds_all_or_names_what_is_missing(
    tmp_path_factory: Any, content: dict[str, str]
) -> None:
    root = tmp_path_factory.mktemp("folder")
    for folder, suffix, kind in (("images", "jpg", "image"), ("labels", "png", "map")):
        (root / folder).mkdir()
        for stem, has in content.items():
            if has in ("both", kind):
                (root / folder / f"{stem}.{suffix}").write_bytes(b"")
    try:
        found = match_maps(root / "images", root / "labels")
    except ValueError as error:
        assert set(content.values()) != {"both"}
        assert "no images" in str(error) or any(
            f"{stem}." in str(error) for stem, has in content.items() if has != "both"
        )
    else:
        assert [photograph.image.stem for photograph in found] == sorted(content)
        assert all(photograph.condition.stem == photograph.image.stem for photograph in found)
        assert set(content.values()) == {"both"}


# Real files


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("facades", "labels"),
        ("faces", "labels"),
        ("faces", "canny"),
        ("fashion", "labels"),
        ("fashion", "pose"),
        ("fashion", "canny"),
    ],
)
def test_real_samples(name: str, condition: FolderCondition) -> None:
    source = FolderSource(samples(name), condition=condition)
    assert len(source) >= 200 and source.flips == (condition != "pose")
    indices = range(0, len(source), len(source) // 4)
    mix = ExemplarMix(0, 0, 1)
    for train in (True, False):
        corpus = SourceCorpus(source, (64, 64), train=train, mix=mix, indices=indices)
        batch = collate(list(corpus), len(source.channels))
        assert batch.condition.channels.shape == (len(indices), len(source.channels), 64, 64)
        assert batch.condition.channels.std() > 0.01


def test_names_that_are_nearly_right_are_pointed_at(tmp_path: Path) -> None:
    for name in ("images/1.png", "labels/1_mask.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name)
    (tmp_path / "classes.txt").write_text("one\n")
    with pytest.raises(ValueError, match=r"1.png without a label map.*rename 1_mask.png"):
        FolderSource(tmp_path)
    (tmp_path / "images").rename(tmp_path / "other")
    (tmp_path / "other").rename(tmp_path / "Images")
    with pytest.raises(FileNotFoundError, match="images: no such folder; rename Images/ there"):
        FolderSource(tmp_path)


def test_lists_say_what_trains_and_what_tests(root: Path) -> None:
    for empty, side in ((STEMS, "train on"), ((), "test")):
        (root / "val.txt").write_text("".join(f"{stem}.jpg\n" for stem in empty))
        with pytest.raises(ValueError, match=f"leave no photograph to {side}; correct them"):
            FolderSource(root)
    (root / "val.txt").write_text("b.jpg\n")
    split = FolderSource(root).split
    assert split is not None and (split.train, split.test) == ((0, 2), (1,))
    (root / "train.txt").write_text("a.jpg\n")
    split = FolderSource(root, condition="canny").split
    assert split is not None and (split.train, split.test) == ((0,), (1,))
    (root / "train.txt").write_text("a.jpg\nb\n")
    with pytest.raises(ValueError, match=r"train.txt: .*2.*no photograph b; expected the name of"):
        FolderSource(root)


def test_names_in_two_spellings_of_unicode_belong_together(root: Path) -> None:
    (root / "images" / "a.jpg").rename(root / "images" / "a\u0308.jpg")
    (root / "labels" / "a.png").rename(root / "labels" / "\u00e4.png")
    assert len(FolderSource(root)) == 3
