from __future__ import annotations

import numpy as np
import pytest

from rabit.data.edits.objects import ObjectRules, find_objects, without_lines
from rabit.data.images import read_classes, read_labels
from samples import samples

NAMES = ("background", "wall", "window", "door", "sky")
RULES = ObjectRules()


def wall() -> np.ndarray:
    """A wall of 100×100 pixels under a sky."""
    labels = np.full((100, 100), 1)
    labels[:20] = 4
    return labels


def test_an_object_stands_before_something_larger() -> None:
    labels = wall()
    labels[40:60, 30:44] = 2
    (item,) = find_objects(labels, NAMES, RULES)
    assert item.class_id == 2 and item.box == (40, 30, 60, 44)
    assert item.centre == (49.5, 36.5)
    assert np.array_equal(item.mask, labels == 2)
    assert np.array_equal(item.surroundings, labels == 1)


def test_objects_come_in_reading_order() -> None:
    labels = wall()
    labels[70:90, 10:30] = 3
    labels[40:60, 60:80] = 2
    labels[40:60, 20:40] = 2
    assert [item.box[:2] for item in find_objects(labels, NAMES, RULES)] == [
        (40, 20),
        (40, 60),
        (70, 10),
    ]


def test_an_object_has_what_it_encloses() -> None:
    labels = wall()
    labels[40:70, 30:60] = 3
    labels[48:60, 40:50] = 2
    items = find_objects(labels, NAMES, RULES)
    door = next(item for item in items if item.class_id == 3)
    assert door.mask.sum() == 900
    # The pane is an object before the door.
    pane = next(item for item in items if item.class_id == 2)
    assert np.array_equal(pane.surroundings, labels == 3)


@pytest.mark.parametrize(
    "box",
    [
        (40, 0, 60, 20),  # at the border of the picture
        (40, 30, 46, 36),  # too small
        (25, 10, 75, 90),  # too large
        (40, 20, 48, 80),  # a strip
    ],
)
def test_other_parts_are_no_objects(box: tuple[int, int, int, int]) -> None:
    labels = wall()
    top, left, bottom, right = box
    labels[top:bottom, left:right] = 2
    assert find_objects(labels, NAMES, RULES) == ()


def test_a_frame_of_little_solidity_is_none() -> None:
    labels = wall()
    labels[40:70, 30:60] = 2
    labels[40:64, 36:60] = 1
    assert find_objects(labels, NAMES, RULES) == ()
    assert len(find_objects(labels, NAMES, ObjectRules(solidity=0.3))) == 1


def test_two_equal_neighbours_stand_before_each_other_no_more() -> None:
    labels = wall()
    labels[40:60, 30:45] = 2
    labels[40:60, 45:60] = 3
    strict = find_objects(labels, NAMES, ObjectRules(enclosed=0.8))
    assert strict == ()
    for item in find_objects(labels, NAMES, ObjectRules(enclosed=0.5)):
        assert np.array_equal(item.surroundings, labels == 1)


def test_classes_that_fill_pictures_are_no_objects_unless_chosen() -> None:
    labels = np.full((100, 100), 1)
    labels[:30] = 2  # reaches three borders
    labels[50:70, 40:60] = 2
    labels[50:70, 70:90] = 0  # background by name
    assert find_objects(labels, NAMES, RULES) == ()
    assert [item.class_id for item in find_objects(labels, NAMES, RULES, (2,))] == [2]
    assert [item.class_id for item in find_objects(labels, NAMES, RULES, (0,))] == [0]


def test_lines_go_to_what_is_nearest() -> None:
    labels = np.full((128, 128), 1)
    labels[40:80, 40:80] = 0
    labels[42:78, 42:78] = 2  # an outline of two pixels
    labels[100, 100] = 3
    cleaned = without_lines(labels)
    assert set(np.unique(cleaned)) == {1, 2}
    (item,) = find_objects(labels, NAMES, RULES)
    assert item.class_id == 2 and np.array_equal(item.surroundings, cleaned == 1)
    assert np.array_equal(without_lines(np.zeros((9, 7), int)), np.zeros((9, 7), int))


def test_a_map_of_lines_alone_stays() -> None:
    labels = np.indices((64, 64)).sum(axis=0) % 2
    assert np.array_equal(without_lines(labels), labels)
    assert find_objects(labels, NAMES, RULES) == ()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"least": 0.0}, "smallest < largest"),
        ({"least": 0.5}, "smallest < largest"),
        ({"most": 1.0}, "smallest < largest"),
        ({"solidity": 1.5}, "solidity is 1.5"),
        ({"enclosed": -1.0}, "enclosed is -1.0"),
        ({"roundness": 2.0}, "roundness is 2.0"),
    ],
)
def test_rules_outside_their_range_are_refused(given: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ObjectRules(**given)


def test_real_facades_have_windows() -> None:
    root = samples("facades")
    names = read_classes(root / "classes.txt")
    maps = sorted((root / "labels").iterdir())[:12]
    found = [
        names[item.class_id]
        for path in maps
        for item in find_objects(read_labels(path, len(names)), names, RULES)
    ]
    assert found.count("window") > 20
    assert not {"background"} & set(found)
