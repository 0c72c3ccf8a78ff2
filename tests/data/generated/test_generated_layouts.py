from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.edits import EditRules, write_edits
from rabit.data.faces import FACE_CLASSES
from rabit.data.generated import LAYOUTS, generate_face, generate_figure, write_layout
from rabit.data.layouts.ade20k import ADE20KSource
from rabit.data.layouts.celeba import CelebAEdgeSource, CelebAMaskSource
from rabit.data.layouts.deepfashion import DeepFashionSource
from rabit.data.layouts.find import find_layout
from rabit.data.layouts.folder import FolderSource
from rabit.data.pose import read_joints
from rabit.data.references import read_references
from rabit.data.scenes import write_scenes
from rabit.data.source import Source
from rabit.data.transforms import View

SIZE = (64, 72)
COUNT = 13
SOURCES: dict[str, type[Source]] = {
    "ade20k": ADE20KSource,
    "celebahq": CelebAMaskSource,
    "celebahq-edge": CelebAEdgeSource,
    "deepfashion": DeepFashionSource,
}
VIEW = View(scaled=(48, 54), corner=(0, 3), size=(48, 48), flip=False)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module", params=LAYOUTS)
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated") / str(request.param)
    write_layout(out, request.param, COUNT, 3, SIZE)
    return out


def open_corpus(corpus: Path) -> Source:
    return SOURCES[corpus.name](corpus)  # type: ignore[call-arg]


def test_every_picture_loads(corpus: Path) -> None:
    source = open_corpus(corpus)
    assert len(source) == COUNT
    for index in range(COUNT):
        picture = source.load(index)
        condition = picture.condition(VIEW)
        assert picture.image(VIEW).shape == (48, 48, 3)
        assert condition.regions.shape == (48, 48)
        if source.kind == "semantic":
            assert len(condition.regions.unique()) > 3 and (
                int(condition.regions.max()) < len(source.channels)
            )
        else:
            assert condition.channels is not None
            assert condition.channels.shape == (len(source.channels), 48, 48)
            assert float(condition.channels.std()) > 0.01


def test_the_layout_is_found_by_its_folders(corpus: Path) -> None:
    condition = "edges" if corpus.name == "celebahq-edge" else None
    assert find_layout(corpus, condition) == corpus.name


def test_the_split_holds_out_the_last_looks(corpus: Path) -> None:
    split = open_corpus(corpus).split
    assert split is not None
    views = 4 if corpus.name == "deepfashion" else 1
    looks = -(-COUNT // views)
    test = COUNT - views * (looks - max(1, round(looks / 5)))
    assert len(split.test) == test and len(split.train) == COUNT - test
    assert not set(split.test) & set(split.train)


@pytest.mark.parametrize("train", [True, False])
def test_references_are_training_pictures_of_another_look(corpus: Path, train: bool) -> None:
    source = open_corpus(corpus)
    listed = source.references(train)
    assert listed is not None and listed.path.parent == corpus
    references = read_references(listed.path, source.names, partial=False)
    assert source.split is not None
    assert sorted(references) == list(source.split.train if train else source.split.test)
    for key, others in references.items():
        own = {key, *(source.partners[key] if source.partners else ())}
        assert others and len(set(others)) == len(others) <= 10
        assert set(others) <= set(source.split.train) - own


def test_photographs_have_the_size_and_the_seed_decides(corpus: Path, tmp_path: Path) -> None:
    for path in corpus.rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", SIZE[::-1])
    write_layout(tmp_path / "again", corpus.name, COUNT, 3, SIZE)
    assert digests(tmp_path / "again") == digests(corpus)
    write_layout(tmp_path / "other", corpus.name, COUNT, 4, SIZE)
    photographs = [
        {name: value for name, value in digests(folder).items() if name.endswith(".jpg")}
        for folder in (corpus, tmp_path / "other")
    ]
    assert not set(photographs[0].values()) & set(photographs[1].values())


def test_more_pictures_leave_the_first_ones_as_they_are(corpus: Path, tmp_path: Path) -> None:
    write_layout(tmp_path / "more", corpus.name, COUNT + 4, 3, SIZE)
    first = {value for name, value in digests(corpus).items() if name.endswith(".jpg")}
    assert first <= set(digests(tmp_path / "more").values())


def test_the_manifest_names_every_file(corpus: Path) -> None:
    head, *names = (corpus / "generated.txt").read_text().splitlines()
    assert head.startswith("#")
    assert set(names) | {"generated.txt"} == set(digests(corpus))


def test_street_maps_are_as_the_real_ones(tmp_path: Path) -> None:
    write_layout(tmp_path, "ade20k", 6, 0, 64)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert found[0] == "images/training/ADE_train_00000001.png"
    assert found[-1] == "images/validation/ADE_val_00000001.png"
    ids = set()
    for name in found:
        with Image.open(tmp_path / name) as image:
            assert image.mode == "L"
            ids |= set(np.unique(np.array(image)).tolist())
    assert {2, 3, 9, 10, 12} <= ids  # building, sky, windowpane, grass, sidewalk
    assert ids <= {0, 2, 3, 5, 7, 9, 10, 12, 13, 15, 21, 26, 69, 88}


def test_face_masks_are_as_the_real_ones(tmp_path: Path) -> None:
    write_layout(tmp_path / "masks", "celebahq", 8, 0, SIZE)
    write_layout(tmp_path / "edges", "celebahq-edge", 8, 0, SIZE)
    annotations = tmp_path / "masks" / "CelebAMask-HQ-mask-anno"
    edges = digests(tmp_path / "edges")
    masks = digests(tmp_path / "masks")
    merged = "all_parts_except_glasses/"
    assert not any(merged in name for name in edges)
    lists = {"generated.txt"}
    assert {k: v for k, v in masks.items() if merged not in k and k not in lists} == {
        k: v for k, v in edges.items() if k not in lists
    }
    for index in range(8):
        with Image.open(annotations / merged / f"{index:05d}.png") as image:
            assert (image.mode, image.size) == ("L", (36, 32))
            parts = np.array(image)
        seen = {FACE_CLASSES[number] for number in np.unique(parts) if number}
        files = {path.name for path in (annotations / "0").glob(f"{index:05d}_*.png")}
        disk = {"earring": "ear_r", "necklace": "neck_l"}
        expected = {f"{index:05d}_{disk.get(name, name)}.png" for name in seen}
        if generate_face(0, index, SIZE).glasses.any():
            expected.add(f"{index:05d}_eye_g.png")
        assert files == expected
        with Image.open(annotations / "0" / f"{index:05d}_skin.png") as image:
            assert image.mode == "RGB"
            skin = np.array(image)[..., 0]
        assert set(np.unique(skin).tolist()) == {0, 255}
        assert np.array_equal(skin == 255, np.isin(parts, (1, 3, 4, 5, 6, 9, 10, 11, 12)))


def test_figures_have_joints_partners_and_lists_as_the_real_ones(tmp_path: Path) -> None:
    write_layout(tmp_path, "deepfashion", 10, 0, 64)
    source = DeepFashionSource(tmp_path)
    for index, name in enumerate(source.names):
        person = int(Path(name).parent.name.removeprefix("id_")) - 1
        view = ("front", "side", "back", "additional").index(Path(name).stem.split("_")[2])
        joints = generate_figure(0, 4 * person + view, (64, 64)).joints
        stem = tmp_path / "pose" / Path(name).relative_to("img").with_suffix("")
        read = read_joints(stem.with_name(stem.name + "_candidate.txt"))
        assert np.array_equal(read.seen, joints.seen)
        assert np.allclose(read.places[read.seen], joints.places[joints.seen])
        folder = Path(name).parent
        others = {source.names[other] for other in source.partners[index]}
        assert others == {n for n in source.names if Path(n).parent == folder and n != name}
    for name in ("val", "deepfashion_ref_test", "deepfashion_self_pair"):
        text = (tmp_path / f"{name}.txt").read_text()
        assert "\\" in text and "/" not in text
    assert "/" in (tmp_path / "train.txt").read_text()


def test_overwriting_replaces_a_generated_corpus_and_nothing_else(tmp_path: Path) -> None:
    write_layout(tmp_path, "deepfashion", 13, 0, 64)
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / "img" / "mine.jpg").write_text("mine")
    before = digests(tmp_path)
    with pytest.raises(ValueError, match="not empty.*--overwrite"):
        write_layout(tmp_path, "deepfashion", 9, 1, 64)
    assert digests(tmp_path) == before
    write_layout(tmp_path, "celebahq", 4, 1, 64, overwrite=True)
    assert (tmp_path / "notes.md").read_text() == "mine"
    assert sorted(path.name for path in (tmp_path / "img").iterdir()) == ["mine.jpg"]
    assert not (tmp_path / "pose").exists() and not (tmp_path / "deepfashion_ref.txt").exists()
    assert len(CelebAMaskSource(tmp_path)) == 4


def test_a_folder_of_other_data_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("1\n")
    for overwrite, reason in ((False, "give another folder"), (True, "no generated.txt that")):
        with pytest.raises(ValueError, match=f"not empty.*{reason}"):
            write_layout(tmp_path, "celebahq", 4, 0, 64, overwrite=overwrite)
    assert digests(tmp_path).keys() == {"val.txt"}


def test_a_file_in_the_way_stays(tmp_path: Path) -> None:
    write_layout(tmp_path, "celebahq", 3, 0, 64)
    (tmp_path / "CelebA-HQ-img" / "3.jpg").write_text("mine")
    before = digests(tmp_path)
    with pytest.raises(ValueError, match=r"3\.jpg stands in the way"):
        write_layout(tmp_path, "celebahq", 4, 0, 64, overwrite=True)
    assert digests(tmp_path) == before


def test_a_manifest_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    write_layout(out, "ade20k", 3, 0, 64)
    (tmp_path / "precious").write_text("mine")
    with (out / "generated.txt").open("a") as manifest:
        manifest.write("../precious\n")
    with pytest.raises(ValueError, match=r"generated\.txt: line \d+.*precious"):
        write_layout(out, "ade20k", 3, 1, 64, overwrite=True)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 4
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_layout(tmp_path / "a" / "corpus", "celebahq", 4, 0, 64, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("layout", "count", "seed", "size", "text"),
    [
        ("imagenet", 9, 0, 64, "layout 'imagenet', expected one of ade20k"),
        ("ade20k", 2, 0, 64, "count 2 .*expected 3"),
        ("celebahq", -1, 0, 64, "count -1 .*expected 3"),
        ("deepfashion", 8, 0, 64, "count 8 .*expected 9"),
        ("celebahq", 9, -1, 64, "seed -1"),
        ("celebahq", 9, 0, 63, "size 63 x 63"),
        ("deepfashion", 9, 0, (64, 20), "size 64 x 20"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_written(
    tmp_path: Path, layout: str, count: int, seed: int, size: int | tuple[int, int], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        write_layout(tmp_path / "out", layout, count, seed, size)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ValueError, match="is a file, expected a folder"):
        write_layout(tmp_path / "out", "ade20k", 3, 0, 64, overwrite=True)


def test_a_layout_replaces_scenes_and_edits_stay(tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    write_scenes(scenes, 3, 0, (64, 64))
    write_edits(FolderSource(scenes), tmp_path / "edits", 1, EditRules())
    write_layout(scenes, "celebahq", 3, 0, 64, overwrite=True)
    assert len(CelebAMaskSource(scenes)) == 3 and not (scenes / "images").exists()
    before = digests(tmp_path / "edits")
    with pytest.raises(ValueError, match=r"no generated\.txt that lists generated pictures"):
        write_layout(tmp_path / "edits", "celebahq", 3, 0, 64, overwrite=True)
    assert digests(tmp_path / "edits") == before


@pytest.mark.parametrize("line", ["val.txt", "generated.txt", "./val.txt", "n" * 300, "gone.txt"])
def test_a_manifest_may_name_a_file_twice_or_one_that_is_gone(tmp_path: Path, line: str) -> None:
    out = tmp_path / "corpus"
    write_layout(out, "celebahq", 3, 0, 64)
    with (out / "generated.txt").open("a") as manifest:
        manifest.write(f"{line}\n")
    write_layout(out, "celebahq", 3, 1, 64, overwrite=True)
    write_layout(tmp_path / "fresh", "celebahq", 3, 1, 64)
    assert digests(out) == digests(tmp_path / "fresh")
