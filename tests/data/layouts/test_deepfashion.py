from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rabit.config import ExemplarMix
from rabit.data.corpus import SourceCorpus
from rabit.data.images import save_png
from rabit.data.layouts.deepfashion import DeepFashionSource
from rabit.data.pose import POSE_CHANNELS, Joints, write_joints_json, write_joints_text
from rabit.data.transforms import View
from samples import samples

NAMES = tuple(
    f"img/{who}/0{view}_front.png"
    for who in ("MEN/Denim/id_01", "WOMEN/Dresses/id_02")
    for view in (1, 2, 3)
)


def _standing(seed: int) -> Joints:
    rng = np.random.default_rng(seed)
    return Joints(rng.uniform(4, 28, (18, 2)), np.ones(18, bool))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "DeepFashion"
    for index, name in enumerate(NAMES):
        save_png(root / name, np.full((32, 32, 3), 40 * index, np.uint8))
        write_joints_text(_stem(root, name), _standing(index))
    return root


def _stem(root: Path, name: str) -> Path:
    return (root / "pose" / name.removeprefix("img/")).with_suffix("")


def _list(path: Path, *rows: tuple[str, ...]) -> None:
    """Writes a list as the public ones are: backslashes and Windows' line ends."""
    text = "\r\n".join(",".join(row).replace("/", "\\") for row in rows)
    path.write_bytes(text.encode())


def test_photographs_are_named_by_their_paths(root: Path) -> None:
    source = DeepFashionSource(root)
    assert source.names == NAMES and len(source) == 6
    assert source.kind == "pose" and source.channels == POSE_CHANNELS and not source.flips
    assert source.split is None and source.partners == ()
    assert source.references(True) is None and source.references(False) is None


def test_a_photograph_is_read_with_its_joints(root: Path) -> None:
    source = DeepFashionSource(root)
    for index in range(6):
        picture = source.load(index)
        np.testing.assert_array_equal(picture.joints.places, _standing(index).places)
        assert (picture.pixels == 40 * index).all()
        files = source.files(index)
        assert [path.relative_to(root).parts[0] for path in files] == ["img", "pose", "pose"]
        assert all(path.is_file() for path in files)


def test_openpose_json_is_read_too(root: Path) -> None:
    for name, ending in ((NAMES[0], "_keypoints.json"), (NAMES[1], ".json")):
        stem = _stem(root, name)
        for text in ("_candidate.txt", "_subset.txt"):
            stem.with_name(stem.name + text).unlink()
        write_joints_json(stem.with_name(stem.name + ending), _standing(7))
    source = DeepFashionSource(root)
    for index in (0, 1):
        np.testing.assert_array_equal(source.load(index).joints.places, _standing(7).places)
        assert len(source.files(index)) == 2 and source.files(index)[1].is_file()


def test_missing_poses_are_named(root: Path) -> None:
    stems = [_stem(root, name) for name in NAMES]
    stems[1].with_name(stems[1].name + "_candidate.txt").unlink()
    stems[4].with_name(stems[4].name + "_subset.txt").unlink()
    source = DeepFashionSource(root)
    with pytest.raises(
        FileNotFoundError, match=r"02_front_candidate.txt.*add the joints of img/MEN"
    ):
        source.load(1)
    with pytest.raises(FileNotFoundError, match="02_front_subset.txt"):
        source.load(4)
    source.load(0)


def test_lists_say_what_trains(root: Path) -> None:
    _list(root / "val.txt", (NAMES[1],), (NAMES[4],), ("img/MEN/Denim/id_77/01_front.png",))
    split = DeepFashionSource(root).split
    assert split is not None and split.test == (1, 4) and split.train == (0, 2, 3, 5)
    _list(root / "train.txt", (NAMES[5],), (NAMES[0],))
    split = DeepFashionSource(root).split
    assert split is not None and split.test == (1, 4) and split.train == (0, 5)
    (root / "val.txt").unlink()
    split = DeepFashionSource(root).split
    assert split is not None and split.test == (1, 2, 3, 4) and split.train == (0, 5)


def test_bad_lists_are_refused(root: Path) -> None:
    _list(root / "train.txt", (NAMES[0],), (NAMES[1],))
    _list(root / "val.txt", (NAMES[1],), (NAMES[2],))
    with pytest.raises(ValueError, match=r"val.txt: img/MEN/Denim/id_01/02_front.png in train.txt"):
        DeepFashionSource(root)
    _list(root / "val.txt", (NAMES[2], NAMES[3]))
    with pytest.raises(ValueError, match="line 1: 2 cells"):
        DeepFashionSource(root)
    _list(root / "val.txt", ("01_front.jpg",))
    with pytest.raises(ValueError, match="none of its 1 photographs is there"):
        DeepFashionSource(root)
    _list(root / "val.txt", ("../img/a.jpg",))
    with pytest.raises(ValueError, match="line 1: .* no file name inside the folder"):
        DeepFashionSource(root)


@pytest.mark.parametrize("name", ["deepfashion_self_pair.txt", "../self_pair.txt"])
def test_views_of_one_garment_are_partners(root: Path, name: str) -> None:
    absent = "img/MEN/Denim/id_99/01_front.png"
    _list(
        root / name,
        (NAMES[0], NAMES[0], NAMES[2], absent),
        (absent, NAMES[1]),
        (NAMES[3], NAMES[5]),
    )
    source = DeepFashionSource(root)
    assert source.partners == ((2,), (), (), (5,), (), ())
    corpus = SourceCorpus(source, (16, 16), mix=ExemplarMix(0.5, 0.5, 0))
    assert [sample.paired for sample in corpus] == [True] * 6
    # The exemplar is the other view, which is all of one colour, and else the picture itself.
    for index, other in enumerate((2, 1, 2, 5, 4, 5)):
        assert float(corpus[index].exemplar.mean()) == pytest.approx(40 * other / 127.5 - 1)
    itself = SourceCorpus(source, (16, 16), mix=ExemplarMix(0, 0, 1))
    for index in range(6):
        assert float(itself[index].exemplar.mean()) == pytest.approx(40 * index / 127.5 - 1)
    # Partners that are held out are no exemplars.
    alone = SourceCorpus(source, (16, 16), mix=ExemplarMix(0.5, 0.5, 0), indices=[0, 1])
    assert float(alone[0].exemplar.mean()) == pytest.approx(-1)


def test_a_list_of_other_garments_says_nothing(root: Path) -> None:
    _list(root.parent / "self_pair.txt", ("img/a/1.jpg", "img/a/2.jpg"))
    assert DeepFashionSource(root).partners == ()


def test_public_lists_of_references_are_found(root: Path) -> None:
    _list(root.parent / "deepfashion_ref_test.txt", (NAMES[0], NAMES[4]))
    source = DeepFashionSource(root)
    test, train = source.references(False), source.references(True)
    assert test is not None and test.partial and test.path.name == "deepfashion_ref_test.txt"
    assert train is None
    _list(root / "deepfashion_ref.txt", (NAMES[0], NAMES[4]))
    train = source.references(True)
    assert train is not None and train.partial and train.path == root / "deepfashion_ref.txt"
    (root / "references.csv").write_text("", encoding="utf-8")
    own = source.references(True)
    assert own is not None and not own.partial and own.path == root / "references.csv"


def test_missing_folders_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        DeepFashionSource(tmp_path / "nowhere")
    (root / "img").rename(root / "images")
    with pytest.raises(FileNotFoundError, match=r"img: no such folder"):
        DeepFashionSource(root)
    (root / "img" / ".hidden").mkdir(parents=True)
    save_png(root / "img" / ".hidden" / "a.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="img: no photographs"):
        DeepFashionSource(root)


def test_the_real_layout_is_read() -> None:
    source = DeepFashionSource(samples("samples/DeepFashion"))
    assert len(source) == 8 and source.partners == ()
    assert source.split is not None and len(source.split.test) == len(source.split.train) == 4
    references = source.references(train=False)
    assert references is not None and references.path.name == "deepfashion_ref_test.txt"
    corpus = SourceCorpus(source, (64, 64), train=False, indices=source.split.test)
    for sample in corpus:
        assert sample.condition.channels is not None
        assert sample.condition.channels.shape == (20, 64, 64) and not sample.paired
    for index in range(len(source)):
        condition = source.load(index).condition(View.whole((256, 256)))
        assert condition.channels is not None and bool(condition.channels[:3].any())
