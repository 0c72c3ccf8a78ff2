from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from rabit.config import ExemplarMix
from rabit.data.batch import Batch, Sample, collate
from rabit.data.corpus import SourceCorpus, split_indices
from rabit.data.edges import CannyPicture, LinePicture
from rabit.data.faces import FaceEdgePicture, FacePicture
from rabit.data.joints import Joints
from rabit.data.layouts.folder import FolderSource
from rabit.data.pose import PosePicture
from rabit.data.source import Picture
from rabit.data.transforms import View

SIZE = (16, 24)
CLASSES = 4


def _write(root: Path, name: str, labels: np.ndarray, suffix: str = "png") -> None:
    """An image whose red is 60 times the label, and whose blue tells it from other images."""
    image = np.zeros((*labels.shape, 3), np.uint8)
    image[..., 0] = labels * 60
    image[..., 2] = 20 * (sum(name.encode()) % 10)
    Image.fromarray(image).save(root / "images" / f"{name}.{suffix}")
    Image.fromarray(labels.astype(np.uint8)).save(root / "labels" / f"{name}.png")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Six images of 32×48; the maps of a and b, c and d, e and f are most alike."""
    root = tmp_path / "corpus"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    (root / "classes.txt").write_text("".join(f"class {i}\n" for i in range(CLASSES)))
    for number, name in enumerate("abcdef"):
        labels = np.zeros((32, 48), np.int64)
        labels[4 + number % 2 :, 8:] = 1 + number // 2
        _write(root, name, labels)
    return root


def _folder(root: Path, size: tuple[int, int], flip: bool = True, **options: Any) -> SourceCorpus:
    return SourceCorpus(FolderSource(root, flip), size, **options)


def test_pictures_without_a_row_are_ranked_among_as_many_as_can_be(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rabit.data.corpus.MOST_COMPARED", 3)
    blues = {name: 20 * (sum(name.encode()) % 10) for name in "abcdef"}
    folder = _folder(corpus, (32, 48), mix=ExemplarMix(0.5, 0.5, 0))
    seen = {_blue(sample.exemplar) for _ in range(3) for sample in folder}
    assert seen <= {blues[name] for name in "ace"}


def _same(first: Sample, second: Sample) -> bool:
    def parts(sample: Sample) -> list[Any]:
        values = [getattr(sample, f.name) for f in fields(Sample)]
        return [getattr(value, "regions", value) for value in values]

    pairs = zip(parts(first), parts(second), strict=True)
    return all(torch.equal(a, b) if torch.is_tensor(a) else a == b for a, b in pairs)


def _blue(image: torch.Tensor) -> int:
    return round((float(image[2].mean()) + 1) * 127.5)


# What is yielded


@pytest.mark.parametrize("train", [True, False])
def test_samples_have_the_promised_shapes_and_ranges(corpus: Path, train: bool) -> None:
    folder = _folder(corpus, SIZE, train=train)
    assert len(folder) == 6 and folder.classes == tuple(f"class {i}" for i in range(CLASSES))
    for sample, name in zip(folder, "abcdef", strict=True):
        assert sample.name == name
        assert sample.truth.shape == sample.exemplar.shape == (3, *SIZE)
        assert sample.truth.dtype == sample.exemplar.dtype == torch.float32
        assert sample.condition.regions.shape == sample.exemplar_condition.regions.shape == SIZE
        assert (
            sample.condition.regions.dtype == sample.exemplar_condition.regions.dtype == torch.int64
        )
        assert sample.truth.min() >= -1 and sample.truth.max() <= 1
    assert collate(list(folder), CLASSES).condition.channels.shape == (6, CLASSES, *SIZE)


def test_image_and_map_are_seen_alike(corpus: Path) -> None:
    folder = _folder(corpus, (32, 48))
    for epoch in range(4):
        folder.set_epoch(epoch)
        for sample in folder:
            for image, labels in (
                (sample.truth, sample.condition.regions),
                (sample.exemplar, sample.exemplar_condition.regions),
            ):
                red = (image[0] + 1) * 127.5
                assert ((red - 60.0 * labels).abs() < 2).float().mean() > 0.85


def test_the_two_sides_are_seen_in_views_of_their_own(corpus: Path) -> None:
    folder = _folder(corpus, SIZE, mix=ExemplarMix(hard=0, easy=0, itself=1))
    differ = [not torch.equal(s.truth, s.exemplar) for s in folder]
    assert sum(differ) >= 4
    assert all(sample.paired for sample in folder)
    assert all(_blue(sample.truth) == _blue(sample.exemplar) for sample in folder)


def test_flip_can_be_switched_off(corpus: Path) -> None:
    for sample in _folder(corpus, SIZE, flip=False):
        assert (
            int(sample.condition.regions[-1, 0]) == 0 and int(sample.condition.regions[-1, -1]) > 0
        )
    assert any(int(sample.condition.regions[-1, -1]) == 0 for sample in _folder(corpus, SIZE))


def test_test_samples_are_whole_with_the_first_reference(corpus: Path) -> None:
    (corpus / "references.csv").write_text("".join(f"{n}.png,f.png,a.png\n" for n in "abcdef"))
    folder = _folder(corpus, (32, 48), train=False)
    sample = folder[1]
    with Image.open(corpus / "labels" / "b.png") as image:
        np.testing.assert_array_equal(sample.condition.regions, np.asarray(image))
    assert _blue(sample.exemplar) == 20 * (ord("f") % 10) and not sample.paired
    folder.set_epoch(3)
    assert _same(folder[1], sample)
    assert folder[5].paired  # its own reference


def test_indices_choose_and_order(corpus: Path) -> None:
    folder = _folder(corpus, SIZE, indices=[4, 1])
    assert [sample.name for sample in folder] == ["e", "b"]
    with pytest.raises(IndexError, match="index 2 in a data set of 2"):
        folder[2]
    with pytest.raises(IndexError):
        folder[-1]


# Determinism


def test_samples_depend_on_seed_epoch_and_index_only(corpus: Path) -> None:
    folder, again = _folder(corpus, SIZE, seed=1), _folder(corpus, SIZE, seed=1)
    forward = list(folder)
    backward = [again[i] for i in reversed(range(6))][::-1]
    assert all(map(_same, forward, backward))
    assert not all(map(_same, forward, _folder(corpus, SIZE, seed=2)))
    folder.set_epoch(1)
    assert not all(map(_same, forward, folder))
    assert not all(map(_same, _folder(corpus, SIZE, seed=2), folder))
    folder.set_epoch(0)
    assert all(map(_same, forward, folder))
    assert all(map(_same, forward, pickle.loads(pickle.dumps(folder))))


def test_colours_change_alike_on_both_sides(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b"):
        colour = np.full((16, 16, 3), (150, 100, 60), np.uint8)
        Image.fromarray(colour).save(tmp_path / f"images/{name}.png")
        Image.fromarray(colour[..., 0] * 0).save(tmp_path / f"labels/{name}.png")
    (tmp_path / "classes.txt").write_text("wall\n")
    changed = SourceCorpus(FolderSource(tmp_path), (16, 16), jitter=0.4)
    plain = SourceCorpus(FolderSource(tmp_path), (16, 16))
    seen = set()
    for epoch in range(3):
        changed.set_epoch(epoch)
        plain.set_epoch(epoch)
        for one, other in zip(changed, plain, strict=True):
            assert torch.equal(one.truth, one.exemplar) and not torch.equal(one.truth, other.truth)
            assert one.paired == other.paired and one.name == other.name
            seen.add(tuple(one.truth[:, 0, 0].tolist()))
    assert len(seen) == 6
    tested = SourceCorpus(FolderSource(tmp_path), (16, 16), train=False, jitter=0.4)
    assert torch.equal(tested[0].truth, plain[0].truth)
    with pytest.raises(ValueError, match="jitter is 1.5, expected a strength from 0 to 1"):
        SourceCorpus(FolderSource(tmp_path), (16, 16), jitter=1.5)


def test_a_window_shows_both_pictures_at_one_place_as_large_as_whole(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    rows, columns = np.mgrid[:72, :72].astype(np.uint8)
    place = np.stack([rows, columns, 0 * rows], axis=-1)
    for name in ("a", "b"):
        Image.fromarray(place).save(tmp_path / f"images/{name}.png")
        Image.fromarray(0 * rows).save(tmp_path / f"labels/{name}.png")
    (tmp_path / "classes.txt").write_text("wall\n")
    seen, whole = SourceCorpus(FolderSource(tmp_path), (64, 64), window=0.5), set()
    for epoch in range(40):
        seen.set_epoch(epoch)
        for sample in seen:
            # Pictures of 72 pixels are not resized: every pixel tells where it was.
            truth, exemplar = (
                ((image + 1) * 127.5).round().int() for image in (sample.truth, sample.exemplar)
            )
            assert truth.shape == exemplar.shape == (3, 32, 32)
            assert (
                truth.amax((1, 2)).tolist()
                == (truth.amin((1, 2)) + torch.tensor((31, 31, 0))).tolist()
            )
            assert (truth.amin((1, 2)) - exemplar.amin((1, 2))).abs().max() <= 4
            whole.add(tuple(truth.amin((1, 2)).tolist()))
    assert len(whole) > 60 and np.ptp(list(whole), axis=0)[:2].min() > 35
    tested = SourceCorpus(FolderSource(tmp_path), (64, 64), train=False, window=0.5)
    assert tested[0].truth.shape == (3, 64, 64)
    with pytest.raises(ValueError, match="window is 0.0, expected a share above 0, up to 1"):
        SourceCorpus(FolderSource(tmp_path), (64, 64), window=0.0)


def test_any_number_of_workers_gives_the_same(corpus: Path) -> None:
    folder = _folder(corpus, SIZE)
    folder.set_epoch(5)
    loader = DataLoader(
        folder,
        batch_size=2,
        num_workers=2,
        multiprocessing_context="spawn",
        collate_fn=partial(collate, channels=CLASSES),
    )
    batches: list[Batch] = list(loader)
    samples = list(folder)
    assert [name for batch in batches for name in batch.names] == list("abcdef")
    truth = torch.cat([batch.truth for batch in batches])
    assert torch.equal(truth, torch.stack([sample.truth for sample in samples]))
    exemplar = torch.cat([batch.exemplar for batch in batches])
    assert torch.equal(exemplar, torch.stack([sample.exemplar for sample in samples]))


def test_a_copy_has_an_epoch_of_its_own(corpus: Path) -> None:
    folder = _folder(corpus, SIZE)
    before = list(folder)
    pickle.loads(pickle.dumps(folder)).set_epoch(3)
    assert all(map(_same, before, folder))


# Exemplars


def test_exemplars_are_mixed_in_the_given_proportions(corpus: Path) -> None:
    (corpus / "references.csv").write_text("".join(f"{n},e,b,f\n" for n in "abcdef"))
    folder = _folder(corpus, (4, 4), indices=[0, 2, 3, 4, 1, 5], seed=3)
    seen: Counter[int] = Counter()
    for epoch in range(400):
        folder.set_epoch(epoch)
        sample = folder[0]
        assert sample.paired == (_blue(sample.exemplar) == _blue(sample.truth))
        seen[_blue(sample.exemplar)] += 1
    shares = {name: seen[20 * (ord(name) % 10)] / 400 for name in "aef"}
    assert sum(shares.values()) == 1
    # Three standard deviations are at most 0.075.
    assert abs(shares["a"] - 0.3) < 0.075
    assert abs(shares["e"] - 0.5) < 0.075
    assert abs(shares["f"] - 0.2) < 0.06


def test_computed_references_are_the_most_alike(corpus: Path) -> None:
    folder = _folder(corpus, SIZE, train=False)
    partner = dict(zip("abcdef", "badcfe", strict=True))
    for sample in folder:
        assert _blue(sample.exemplar) == 20 * (ord(partner[sample.name]) % 10)


def test_nothing_held_out_is_an_exemplar_while_training(corpus: Path) -> None:
    chosen = {20 * (ord(name) % 10) for name in "acd"}
    for listed in (False, True):
        if listed:
            (corpus / "references.csv").write_text("a,b,d\nb,a\nc,e,f\nd,b,a\ne,a\nf,a\n")
        folder = _folder(corpus, SIZE, indices=[0, 2, 3], mix=ExemplarMix(0.5, 0.5, 0))
        for epoch in range(8):
            folder.set_epoch(epoch)
            for sample in folder:
                assert _blue(sample.exemplar) in chosen and not sample.paired


def test_one_image_serves_pseudo_pairs_only(corpus: Path) -> None:
    alone = _folder(corpus, SIZE, indices=[0], mix=ExemplarMix(0, 0, 1))
    assert alone[0].paired
    for train in (True, False):
        with pytest.raises(ValueError, match="one image only.*use 2 or more images$"):
            _folder(corpus, SIZE, indices=[0], train=train)


@pytest.mark.parametrize(
    ("hard", "easy", "itself"),
    [(0.2, 0.5, 0.2), (-0.1, 0.6, 0.5), (1.5, -0.5, 0), (float("nan"), 0.5, 0.5)],
)
def test_mix_is_validated(hard: float, easy: float, itself: float) -> None:
    with pytest.raises(ValueError, match=r"mix\."):
        ExemplarMix(hard, easy, itself)


def test_default_mix_is_that_of_the_peers() -> None:
    assert ExemplarMix() == ExemplarMix(hard=0.2, easy=0.5, itself=0.3)
    assert ExemplarMix(0.1, 0.2, 0.7).needs_references
    assert not ExemplarMix(0, 0, 1).needs_references


# Pairs with a ground truth


def test_pairs_are_the_test_set(corpus: Path) -> None:
    (corpus / "pairs.csv").write_text(
        "truth,condition,note,exemplar,exemplar_condition\n"
        "images/a.png,labels/a.png,x,images\\c.png,labels\\c.png\n"
        "images/b.png,labels/b.png,,images/e.png,labels/e.png\n"
    )
    folder = _folder(corpus, SIZE, train=False)
    assert [sample.name for sample in folder] == ["a", "b"]
    assert all(sample.paired for sample in folder)
    assert [_blue(sample.exemplar) for sample in folder] == [20 * (ord(n) % 10) for n in "ce"]
    assert set(folder[0].exemplar_condition.regions.unique().tolist()) == {0, 2}
    assert [s.name for s in _folder(corpus, SIZE, train=False, indices=[1])] == ["b"]
    assert len(_folder(corpus, SIZE)) == 6


def test_pairs_need_no_images_folder(corpus: Path) -> None:
    (corpus / "images").rename(corpus / "pictures")
    (corpus / "pairs.csv").write_text(
        "condition,exemplar,exemplar_condition,truth\n"
        "labels/a.png,pictures/b.png,labels/b.png,pictures/a.png\n"
    )
    assert len(_folder(corpus, SIZE, train=False)) == 1


HEADER = "condition,exemplar,exemplar_condition,truth\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first row has not .* condition, exemplar, exemplar_condition, truth; expected"),
        ("condition,truth\n", "the first row has not .* exemplar, exemplar_condition; expected"),
        (HEADER, "no rows below the header"),
        (HEADER + "labels/a.png,images/b.png\n", "line 2: no exemplar_condition, truth"),
        (
            HEADER + "labels/a.png,../b.png,labels/b.png,images/a.png\n",
            "line 2: exemplar: .*inside",
        ),
        (HEADER + "/etc/hosts,images/b.png,labels/b.png,images/a.png\n", "line 2: .*inside"),
        (HEADER + ",images/b.png,labels/b.png,images/a.png\n", "line 2: condition: .*inside"),
    ],
)
def test_bad_pairs(corpus: Path, text: str, message: str) -> None:
    (corpus / "pairs.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"pairs\.csv: {message}"):
        _folder(corpus, SIZE, train=False)


def test_missing_file_of_a_pair(corpus: Path) -> None:
    row = "labels/a.png,images/none.png,labels/b.png,images/a.png\n"
    (corpus / "pairs.csv").write_text(HEADER + row)
    with pytest.raises(FileNotFoundError, match=r"none\.png: no such file.*pairs\.csv: line 2"):
        _folder(corpus, SIZE, train=False)


# What users get wrong


def _remove(*names: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for name in names:
            (root / name).unlink()

    return change


def _rename(old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / old).rename(root / new)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_rename("images", "photos"), r"images: no such folder"),
        (_rename("labels", "maps"), r"labels: no such folder"),
        (_remove("classes.txt"), r"classes\.txt: no such file"),
        (_remove("labels/a.png"), r"images: a\.png without a label map"),
        (_remove("images/b.png", "images/c.png"), r"labels: b\.png, c\.png without an image"),
        (
            _remove(*(f"labels/{n}.png" for n in "abcde")),
            r"a\.png, b\.png, c\.png, … \(5 files\) without a label map",
        ),
        (_remove(*(f"images/{n}.png" for n in "abcdef")), r"images: no images"),
        (_rename("labels/a.png", "labels/a.jpg"), r"a\.png without a label map"),
        (_rename("images/a.png", "images/b.jpg"), r"b\.jpg and b\.png have one stem"),
    ],
)
def test_broken_folders(corpus: Path, change: Callable[[Path], None], message: str) -> None:
    change(corpus)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        _folder(corpus, SIZE)


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        _folder(tmp_path / "nowhere", SIZE)


def test_hidden_and_other_files_are_left_out(corpus: Path) -> None:
    for name in (".DS_Store", "._a.png", "notes.txt"):
        (corpus / "images" / name).write_bytes(b"x")
    (corpus / "labels" / "Thumbs.db").write_bytes(b"x")
    assert len(_folder(corpus, SIZE)) == 6


def test_suffixes_differ_and_case_does_not_matter(corpus: Path) -> None:
    (corpus / "images" / "a.png").rename(corpus / "images" / "a.PNG")
    _write(corpus, "g", np.zeros((8, 8), np.int64), suffix="JPEG")
    assert len(_folder(corpus, SIZE)) == 7


def test_image_and_map_of_two_sizes(corpus: Path) -> None:
    Image.new("L", (48, 30)).save(corpus / "labels" / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is 48×32 pixels, its map .*a\.png 48×30"):
        _folder(corpus, SIZE)[0]


def test_wrong_ids_are_reported_when_read(corpus: Path) -> None:
    Image.new("L", (48, 32), 9).save(corpus / "labels" / "c.png")
    folder = _folder(corpus, SIZE, mix=ExemplarMix(0, 0, 1))
    assert folder[0].name == "a"
    with pytest.raises(ValueError, match=r"c\.png: ids 9 in a label map of 4 classes"):
        folder[2]


def test_keys_missing_in_the_reference_list(corpus: Path) -> None:
    (corpus / "references.csv").write_text("a,b\nc,d\n")
    with pytest.raises(ValueError, match=r"references\.csv: no row for b\.png, d\.png, e\.png, …"):
        _folder(corpus, SIZE)
    assert len(_folder(corpus, SIZE, indices=[0, 2])) == 2


def test_bad_arguments(corpus: Path) -> None:
    with pytest.raises(ValueError, match=r"size is \(0, 4\)"):
        _folder(corpus, (0, 4))
    with pytest.raises(ValueError, match="seed is -1"):
        _folder(corpus, SIZE, seed=-1)
    for indices, message in (
        ([6], r"hold \[6\]"),
        ([-1], "hold"),
        ([], "none"),
        ([1, 1], "repeat"),
    ):
        with pytest.raises(ValueError, match=f"indices .*{message}.*of the 6 images"):
            _folder(corpus, SIZE, indices=indices)
    with pytest.raises(ValueError, match="epoch is -1"):
        _folder(corpus, SIZE).set_epoch(-1)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(alphabet='abng./\\,"\n\r \x00', max_size=60).map(
            lambda body: (HEADER + body).encode()
        ),
    )
)
def test_any_bytes_as_pairs(corpus: Path, content: bytes) -> None:
    (corpus / "pairs.csv").write_bytes(content)
    try:
        assert len(_folder(corpus, SIZE, train=False)) > 0
    except (ValueError, OSError) as error:
        assert "pairs.csv" in str(error)


# Splits


def test_split_is_a_partition() -> None:
    split = split_indices(50, holdout=0.2, seed=4)
    assert len(split.test) == 10 and sorted(split.train + split.test) == list(range(50))
    assert split.train == tuple(sorted(split.train)) and split.test == tuple(sorted(split.test))
    assert split == split_indices(50, holdout=0.2, seed=4)
    assert split != split_indices(50, holdout=0.2, seed=5)


@pytest.mark.parametrize("holdout", [0.001, 0.999])
def test_split_leaves_both_sides_something(holdout: float) -> None:
    split = split_indices(3, holdout)
    assert split.train and split.test


@pytest.mark.parametrize(
    ("count", "holdout", "seed"), [(1, 0.2, 0), (9, 0.0, 0), (9, 1.0, 0), (9, 0.2, -1)]
)
def test_bad_splits(count: int, holdout: float, seed: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        split_indices(count, holdout, seed)


def _places(root: Path, size: tuple[int, int]) -> None:
    """Writes two photographs whose red is the row and whose green is the column."""
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.uint8)
    for name in ("a", "b"):
        Image.fromarray(np.stack([rows, columns, 0 * rows], axis=-1)).save(
            root / f"images/{name}.png"
        )
        Image.fromarray(columns // 8).save(root / f"labels/{name}.png")
    (root / "classes.txt").write_text("".join(f"{i}\n" for i in range(18)))


def test_cropped_pictures_keep_their_shape_and_are_seen_everywhere(tmp_path: Path) -> None:
    _places(tmp_path, (36, 144))
    seen, lefts = SourceCorpus(FolderSource(tmp_path, False), (32, 32), fit="crop"), set()
    for epoch in range(60):
        seen.set_epoch(epoch)
        for sample in seen:
            # 36 is 286/256 of 32, rounded: nothing is resized, and every pixel tells its place.
            truth, exemplar = (
                ((image + 1) * 127.5).round().int() for image in (sample.truth, sample.exemplar)
            )
            (top, left, _), (other_top, other_left, _) = truth[:, 0, 0], exemplar[:, 0, 0]
            assert torch.equal(truth[0], top + torch.arange(32)[:, None].expand(32, 32))
            assert torch.equal(truth[1], left + torch.arange(32).expand(32, 32))
            assert torch.equal(sample.condition.regions, (truth[1] // 8).long())
            assert torch.equal(sample.exemplar_condition.regions, (exemplar[1] // 8).long())
            # Truth and exemplar are seen at one place, but for the crop of each.
            assert abs(int(left - other_left)) <= 4 and abs(int(top - other_top)) <= 4
            lefts.add(int(left))
    assert min(lefts) <= 4 and max(lefts) >= 144 - 32 - 4 and len(lefts) > 50
    tested = SourceCorpus(FolderSource(tmp_path), (36, 36), train=False, fit="crop")[0]
    assert ((tested.truth[1] + 1) * 127.5).round()[0].tolist() == list(range(54, 90))
    plain = SourceCorpus(FolderSource(tmp_path), (36, 36), train=False)[0]
    assert plain.condition.regions[0].tolist() == [(4 * i + 2) // 8 for i in range(36)]
    with pytest.raises(ValueError, match="fit is 'cut', expected one of stretch, crop"):
        SourceCorpus(FolderSource(tmp_path), (36, 36), fit="cut")  # type: ignore[arg-type]


def test_pictures_too_thin_to_be_cropped_are_named(tmp_path: Path) -> None:
    _places(tmp_path, (1, 144))
    tested = SourceCorpus(FolderSource(tmp_path), (800, 800), train=False, fit="crop")
    with pytest.raises(ValueError, match="^[ab]: 144×1 pixels are too thin"):
        tested[0]


@pytest.mark.parametrize("kind", ["canny", "lines", "pose", "face", "face edges"])
def test_conditions_are_cropped_with_their_photographs(kind: str) -> None:
    """What a cropped view shows is what the middle of the whole picture shows, resized before."""
    rng = np.random.default_rng(0)
    pixels = np.asarray(
        Image.fromarray(rng.integers(0, 256, (4, 12, 3), np.uint8)).resize((144, 48))
    )
    parts = 1 << rng.integers(0, 8, (4, 12)).repeat(12, axis=0).repeat(12, axis=1)
    joints = Joints(rng.uniform((0, 0), (144, 48), (18, 2)), np.ones(18, bool))
    pictures: dict[str, Picture] = {
        "canny": CannyPicture(pixels),
        "lines": LinePicture(pixels, rng.random((48, 144)) < 0.02),
        "pose": PosePicture(pixels, joints),
        "face": FacePicture.of_parts(pixels, parts),
        "face edges": FaceEdgePicture(pixels, parts),
    }
    picture = pictures[kind]
    assert picture.size == (48, 144)
    view = View.whole((24, 24)).covered(picture.size)
    whole, cropped = (picture.condition(each) for each in (View.whole((24, 72)), view))
    middle = slice(24, 48)
    assert torch.equal(cropped.regions, whole.regions[:, middle])
    np.testing.assert_array_equal(
        picture.image(view), picture.image(View.whole((24, 72)))[:, middle]
    )
    if kind != "face":
        assert cropped.channels is not None and whole.channels is not None
        assert torch.equal(cropped.channels, whole.channels[:, :, middle])
        assert cropped.channels.std() > 0
