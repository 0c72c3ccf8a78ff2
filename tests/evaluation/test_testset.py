from __future__ import annotations

import csv
import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rabit.data.batch import PictureCondition
from rabit.data.edits import EditRules, write_edits
from rabit.data.images import to_tensor
from rabit.data.layouts.find import open_source
from rabit.data.scenes import write_scenes
from rabit.data.semantic import SemanticPicture
from rabit.data.source import TestPair
from rabit.data.transforms import View
from rabit.evaluation.exemplars import Edited
from rabit.evaluation.testset import (
    Counts,
    TestSet,
    every,
    folder_test_set,
    scenes_test_set,
)

SIZE = (64, 64)
COUNTS = Counts(conditions=4, edits=5, exemplars=2)


@pytest.fixture(scope="module")
def test_set() -> TestSet:
    return scenes_test_set(COUNTS, SIZE)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus") / "scenes"
    write_scenes(out, 6, 3, SIZE)
    return out


def test_scenes_are_held_out_and_their_parts_fit(test_set: TestSet) -> None:
    assert [len(part) for part in test_set.parts().values()] == [8, 5]
    first, second = test_set.translation[2], test_set.translation[3]
    for sample in (first, second):
        assert torch.equal(sample.condition.regions, first.condition.regions) and sample.paired
    assert not torch.equal(first.exemplar, second.exemplar)
    assert not torch.equal(first.truth, second.truth)
    other = test_set.translation[4].condition.regions
    assert not torch.equal(first.condition.regions, other)
    for sample in every(test_set.manipulation):
        changed = sample.condition.regions != sample.exemplar_condition.regions
        assert 0 < float(changed.float().mean()) < 0.5
        assert torch.equal(sample.exemplar[:, ~changed], sample.truth[:, ~changed])


def test_samples_of_one_condition_are_one_cluster(test_set: TestSet) -> None:
    assert test_set.clusters("translation") == (0, 0, 1, 1, 2, 2, 3, 3)
    assert test_set.clusters("manipulation") == (0, 1, 2, 3, 4)


def test_a_protocol_can_be_chosen() -> None:
    test = scenes_test_set(COUNTS, SIZE, protocols=("manipulation",))
    assert list(test.parts()) == ["manipulation"]


@pytest.mark.parametrize("changes", [{"conditions": 1}, {"edits": 0}, {"exemplars": 0}])
def test_too_few_samples_are_refused(changes: dict[str, int]) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=f"{name}: {changes[name]}, expected"):
        dataclasses.replace(COUNTS, **changes)


def test_a_digest_changes_with_the_samples(test_set: TestSet) -> None:
    same = scenes_test_set(COUNTS, SIZE)
    fewer = scenes_test_set(dataclasses.replace(COUNTS, conditions=3), SIZE)
    assert same.digest() == test_set.digest() != fewer.digest()
    for number in (0, 3):  # one in the middle as well
        pixels = dataclasses.replace(test_set, translation=list(every(test_set.translation)))
        pixels.translation[number].truth[0, 5, 5] += 0.5
        assert pixels.digest() != test_set.digest()
    for changed in (
        PictureCondition(torch.zeros(SIZE, dtype=torch.long)),
        PictureCondition(test_set.translation[0].exemplar_condition.regions, torch.ones(1, *SIZE)),
    ):
        samples = list(every(test_set.translation))
        samples[0] = dataclasses.replace(samples[0], exemplar_condition=changed)
        other = dataclasses.replace(test_set, translation=samples)
        assert other.digest() != test_set.digest()


def test_a_folder_with_pairs_is_measured_on_those_held_out(corpus: Path) -> None:
    source = open_source(corpus, None, None)
    names = ["00001.png", "00004.png", "00005.png"]
    test = folder_test_set(source, Counts(9, 9, 2), SIZE, names)
    samples = list(every(test.translation))
    assert [sample.name for sample in samples] == [
        f"{name}-{which}" for name in ("00001", "00004", "00005") for which in (0, 1)
    ]
    assert [sample.paired for sample in samples] == [True, False] * 3 and not test.edited
    # The second exemplar is the next pair's.
    assert torch.equal(samples[1].exemplar, samples[2].exemplar)
    assert torch.equal(samples[1].truth, samples[0].truth)
    for sample in every(test.manipulation):
        assert torch.equal(sample.exemplar, sample.truth) and sample.paired
    few = folder_test_set(source, Counts(2, 2, 9), SIZE, names)
    assert few.exemplars == 3 and len(few.translation) == 6 and len(few.manipulation) == 2


def test_the_photographs_that_are_measured_are_named(corpus: Path, tmp_path: Path) -> None:
    """Pairs are called without the ending that names of pictures have."""
    source = open_source(corpus, None, None)
    names = ["00001.png", "00004.png", "00005.png"]
    for counts, protocols, measured in (
        (Counts(2, 9, 2), ("translation",), names[:2]),
        (Counts(9, 2, 2), ("manipulation",), names[:2]),
        (Counts(2, 3, 2), ("translation", "manipulation"), names),
    ):
        test = folder_test_set(source, counts, SIZE, names, None, protocols)
        assert list(test.measured) == measured
    write_edits(source, tmp_path / "edits", 8, EditRules(seed=0, size=SIZE))
    edits = open_source(tmp_path / "edits", None, None)
    with (tmp_path / "edits/edits.csv").open() as lines:
        sources = [row["source"] for row in csv.DictReader(lines)]
    test = folder_test_set(source, Counts(2, 3), SIZE, source.names, edits, ("manipulation",))
    assert list(test.measured) == list(dict.fromkeys(sources[:3]))
    assert scenes_test_set(COUNTS, SIZE).measured == ()


def test_rows_of_one_condition_are_one_cluster(corpus: Path) -> None:
    folder = corpus.with_name("repeating")
    shutil.copytree(corpus, folder)
    header, *rows = (folder / "pairs.csv").read_text().splitlines()
    condition, _, _, truth = rows[0].split(",")
    _, *exemplar, _ = rows[2].split(",")
    again = ",".join([condition, *exemplar, truth])
    (folder / "pairs.csv").write_text("\n".join([header, *rows, again]) + "\n")
    source = open_source(folder, None, None)
    test = folder_test_set(source, Counts(99, 2, 2), SIZE, source.names)
    last = len(rows) - 1
    assert test.clusters("translation") == (*(n for n in range(last + 1) for _ in (0, 1)), 0, 0)
    assert test.translation[0].name == test.translation[2 * (last + 1)].name


def test_exemplars_of_a_condition_differ_and_none_is_its_own_photograph(corpus: Path) -> None:
    """References name one picture for several others, and two pictures for each other."""
    plain = open_source(corpus, None, None)
    names = list(plain.names)
    folder = corpus.with_name("referring")
    shutil.copytree(corpus, folder)
    (folder / "pairs.csv").unlink()
    listed = {0: 1, 1: 0, 2: 1, 3: 0, 4: 5, 5: 2}
    rows = [f"{names[own]},{names[other]}" for own, other in listed.items()]
    (folder / "references.csv").write_text("\n".join(rows) + "\n")
    test = folder_test_set(open_source(folder, None, None), Counts(6, 2, 3), SIZE, names)
    samples = list(every(test.translation))
    pictures = [sample.truth for sample in samples[::3]]
    found = [
        [torch.equal(s.exemplar, picture) for picture in pictures].index(True) for s in samples
    ]
    # The exemplars that follow, 0 1 0 5 2 for the first, less repeated ones and its photograph.
    assert found[:3] == [1, 5, 2] and found[3:6] == [0, 5, 2]
    for first in range(0, len(found), 3):
        own = found[first : first + 3]
        assert len(set(own)) == 3 and own[0] == listed[first // 3] and first // 3 not in own


def test_a_single_held_out_picture_is_refused(corpus: Path) -> None:
    source = open_source(corpus, None, None)
    with pytest.raises(ValueError, match="1 pictures are held out, but measuring takes 2"):
        folder_test_set(source, Counts(9, 9), SIZE, source.names[:1])


def test_edits_of_pictures_that_were_trained_on_are_left_out(corpus: Path, tmp_path: Path) -> None:
    source = open_source(corpus, None, None)
    write_edits(source, tmp_path / "edits", 8, EditRules(seed=0, size=SIZE))
    edits = open_source(tmp_path / "edits", None, None)
    with (tmp_path / "edits/edits.csv").open() as lines:
        sources = [row["source"] for row in csv.DictReader(lines)]
    held = sorted(set(sources))[:2]
    test = folder_test_set(source, Counts(9, 9), SIZE, held, edits)
    kept = [(f"{number:05d}", name) for number, name in enumerate(sources) if name in held]
    assert test.edited and 2 <= len(kept) < 8
    assert [sample.name for sample in every(test.manipulation)] == [number for number, _ in kept]
    # Edits of one photograph are one cluster.
    clusters = test.clusters("manipulation")
    for (_, one), a in zip(kept, clusters, strict=True):
        for (_, other), b in zip(kept, clusters, strict=True):
            assert (one == other) == (a == b)
    unseen = sorted(set(source.names) - set(sources))
    if len(unseen) >= 2:
        with pytest.raises(ValueError, match="0 of 8 edits are of pictures that were not trained"):
            folder_test_set(source, Counts(9, 9), SIZE, unseen, edits)
    source.channels = ("other",)
    with pytest.raises(ValueError, match="rabit data edits writes such a folder"):
        folder_test_set(source, Counts(9, 2), SIZE, held, edits)


def test_cropped_pictures_are_measured_with_their_edits_in_view(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", 6, 3, (64, 160))
    (tmp_path / "scenes/pairs.csv").unlink()
    source = open_source(tmp_path / "scenes", None, None)
    write_edits(source, tmp_path / "edits", 9, EditRules(seed=0))
    edits = open_source(tmp_path / "edits", None, None)
    counts = Counts(2, 9)
    stretched = folder_test_set(source, counts, SIZE, source.names, edits)
    cropped = folder_test_set(source, counts, SIZE, source.names, edits, fit="crop")
    assert cropped.label == stretched.label + ", cropped" and cropped.digest() != stretched.digest()
    own = source.load(0)
    middle = to_tensor(np.asarray(own.image(View.whole((64, 160)))[:, 48:112]))
    assert torch.equal(cropped.translation[0].truth, middle)
    itself = folder_test_set(source, counts, SIZE, source.names, fit="crop").manipulation[0]
    assert torch.equal(itself.truth, middle) and torch.equal(itself.exemplar, middle)
    off_centre = 0
    for number, sample in enumerate(every(cropped.manipulation)):
        pair = edits.load_pair(number)
        after, before = (
            side.condition(View.whole((64, 160))).regions for side in (pair.truth, pair.exemplar)
        )
        columns = (after != before).any(dim=0).nonzero().flatten()
        # Nothing is resized: all of an edit that is no wider than the view is in it.
        seen = sample.condition.regions != sample.exemplar_condition.regions
        if int(columns.max() - columns.min()) < 64:
            assert int(seen.sum()) == int((after != before).sum())
        assert seen.any()
        off_centre += bool((columns < 48).any() or (columns >= 112).any())
        place = [
            left
            for left in range(97)
            if torch.equal(sample.condition.regions, after[:, left : left + 64])
        ]
        assert place and torch.equal(
            sample.truth, to_tensor(pair.truth.image(View.whole((64, 160)))[:, place[0] :][:, :64])
        )
    assert off_centre > 2


@pytest.mark.parametrize("shape", [(64, 160), (160, 64), (128, 320)])
def test_the_part_with_most_of_an_edit_is_seen(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Where its ends are further apart than the view is wide, and nothing is between them."""
    write_scenes(tmp_path / "scenes", 3, 3, shape)
    source = open_source(tmp_path / "scenes", None, None)
    picture = source.load(0)
    assert isinstance(picture, SemanticPicture)
    labels = picture.labels.copy()
    for corner, side in (((0, 0), 9), ((-20, -20), 20)):
        top, left = (at % length for at, length in zip(corner, shape, strict=True))
        part = labels[top : top + side, left : left + side]
        part[:] = (part + 1) % len(source.channels)
    edit = TestPair("ends", replace(picture, labels=labels), picture)
    (sample,) = every(Edited(SimpleNamespace(load_pair=lambda row: edit), [0], SIZE, "crop"))  # type: ignore[arg-type]
    seen = sample.condition.regions != sample.exemplar_condition.regions
    assert int(seen.sum()) == (20 * SIZE[0] // min(shape)) ** 2


def test_edits_too_thin_to_be_cropped_are_named(tmp_path: Path) -> None:
    thin = SemanticPicture(np.zeros((1, 9000, 3), np.uint8), np.zeros((1, 9000), np.int64))
    same = SimpleNamespace(load_pair=lambda row: TestPair("strip", thin, thin))
    with pytest.raises(ValueError, match="^strip: 9000×1 pixels are too thin"):
        Edited(same, [0], (200, 200), "crop")[0]  # type: ignore[arg-type]


def test_an_edit_of_nothing_is_seen_in_the_middle(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", 3, 3, (64, 160))
    source = open_source(tmp_path / "scenes", None, None)
    same = SimpleNamespace(
        load_pair=lambda row: TestPair("same", source.load(row), source.load(row))
    )
    sample = Edited(same, [0], SIZE, "crop")[0]  # type: ignore[arg-type]
    assert torch.equal(
        sample.condition.regions, source.load(0).condition(View.whole((64, 160))).regions[:, 48:112]
    )
