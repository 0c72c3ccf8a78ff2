from __future__ import annotations

import numpy as np
import pytest

from rabit.data.scenes import CLASSES
from rabit.data.scenes.edits import SceneEdit, sample_edits

SIZE = (96, 128)


@pytest.fixture(scope="module")
def edits() -> list[SceneEdit]:
    return sample_edits(7, SIZE)


def test_there_is_one_of_each_kind(edits: list[SceneEdit]) -> None:
    assert [edit.title.split()[1] for edit in edits] == ["tree", "person", "car", "cloud"]


def test_only_changed_pixels_change_their_looks(edits: list[SceneEdit]) -> None:
    for edit in edits:
        assert edit.image.shape == (*SIZE, 3)
        assert edit.labels.shape == edit.edited.shape == SIZE
        assert np.array_equal(edit.truth[~edit.changed], edit.image[~edit.changed])
        assert not np.array_equal(edit.truth[edit.changed], edit.image[edit.changed])


def test_edits_are_small_and_not_tiny(edits: list[SceneEdit]) -> None:
    for edit in edits:
        assert 0.005 < edit.changed.mean() < 0.25


@pytest.mark.parametrize(
    ("kind", "new"),
    [
        (0, {"foliage", "trunk"}),
        (2, {"car", "glass", "wheel"}),
        (3, {"cloud"}),
    ],
)
def test_added_objects_are_of_classes_that_the_photograph_shows(
    edits: list[SceneEdit], kind: int, new: set[str]
) -> None:
    edit = edits[kind]
    added = {CLASSES[i] for i in np.unique(edit.edited[edit.changed])}
    assert added <= new
    assert new <= {CLASSES[i] for i in np.unique(edit.labels)}


def test_the_person_is_gone(edits: list[SceneEdit]) -> None:
    edit, person = edits[1], CLASSES.index("person")
    assert (edit.labels[edit.changed] == person).all()
    assert not (edit.edited[edit.changed] == person).any()


def test_the_same_seed_gives_the_same_edits(edits: list[SceneEdit]) -> None:
    for one, other in zip(edits, sample_edits(7, SIZE), strict=True):
        assert np.array_equal(one.edited, other.edited)
        assert np.array_equal(one.image, other.image)
    assert not np.array_equal(edits[0].edited, sample_edits(8, SIZE)[0].edited)
