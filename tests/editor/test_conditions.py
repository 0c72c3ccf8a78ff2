"""Conditions of recipes: edges, faces' edges and poses, as from files."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rabit.config import ConditionConfig
from rabit.data.edges import find_lines, read_lines
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS
from rabit.data.joints import Joints
from rabit.data.pictures import condition_pixels, palette
from rabit.data.pose import write_joints_json
from rabit.editor.checks import Limits, RecipeError
from rabit.editor.conditions import (
    RecipeCondition,
    condition_key,
    map_classes,
    parse_condition,
    pose_document,
)
from rabit.inputs import condition_batch
from rabit.sizing import Layout
from recipes import CONDITIONS, JOINTS, LABELS, LINES, MODELS, PHOTO, b64, encoded

LIMITS = Limits()


def parsed(model: str, value: object, limits: Limits = LIMITS) -> RecipeCondition:
    return parse_condition(value, "condition", MODELS[model].condition, limits)


def assert_as_file(model: str, value: object, path: Path, size: tuple[int, int]) -> None:
    """Checks that a condition is, at several sizes, what the command line reads from a file."""
    config = MODELS[model].condition
    found = parsed(model, value)
    assert found.size == size
    expected = condition_batch(path, config, "condition", size)
    given = found.given(config)
    assert isinstance(given, Layout)
    assert torch.equal(given.condition().channels, expected.channels)
    assert torch.equal(given.condition().regions, expected.regions)
    picture = condition_pixels(expected.channels[0], config.kind)
    np.testing.assert_array_equal(found.pixels(config, found.size), picture)


def test_the_kind_of_a_model_says_what_a_condition_holds() -> None:
    keys = {name: condition_key(MODELS[name].condition) for name in CONDITIONS}
    assert keys == {
        "scenes": "labels",
        "unaligned": "labels",
        "random": "labels",
        "edges": "lines",
        "faces": "labels",
        "face-edges": "labels",
        "poses": "joints",
    }


def test_a_map_is_its_ids_and_looks_like_their_colours() -> None:
    config = MODELS["scenes"].condition
    found = parsed("scenes", CONDITIONS["scenes"])
    np.testing.assert_array_equal(found.given(config), LABELS)
    np.testing.assert_array_equal(found.pixels(config, found.size), palette(18)[LABELS])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_lines_are_those_of_a_drawing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "lines.png"
    path.write_bytes(encoded(LINES, kind))
    assert_as_file("edges", {"lines": b64(LINES, kind)}, path, (64, 64))
    assert_as_file("edges", {"lines": b64(255 - LINES, kind)}, path, (64, 64))


def test_lines_are_found_in_a_photograph(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(PHOTO))
    assert_as_file("edges", {"lines": b64(PHOTO)}, path, (64, 64))


@pytest.mark.parametrize("blank", [0, 255, 128])
def test_a_blank_drawing_has_no_lines(blank: int) -> None:
    pixels = np.full((8, 8, 3), blank, np.uint8)
    assert not find_lines(pixels).any()
    pixels[0, 0] = (blank + 31) % 256 if blank < 200 else blank - 31
    assert not find_lines(pixels).any()


def test_lines_in_memory_are_those_of_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i, share in enumerate((0.1, 0.5, 0.9)):
        drawn = np.where(rng.random((20, 30, 1)) < share, 3, 250).astype(np.uint8)
        pixels = np.repeat(drawn, 3, axis=2)
        path = tmp_path / f"{i}.png"
        path.write_bytes(encoded(pixels))
        np.testing.assert_array_equal(find_lines(pixels), read_lines(path))


def test_edges_of_faces_are_those_of_a_map(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    path.write_bytes(encoded(LABELS))
    assert_as_file("face-edges", {"labels": b64(LABELS)}, path, (64, 64))
    with pytest.raises(RecipeError, match=r"condition.labels: ids 19 in a label map of 19 classes"):
        parsed("face-edges", {"labels": b64(np.full((8, 8), 19, np.uint8))})


def test_joints_are_drawn_as_those_of_a_file(tmp_path: Path) -> None:
    seen = np.array([place is not None for place in JOINTS])
    joints = Joints(np.array([place or (0, 0) for place in JOINTS], float), seen)
    write_joints_json(tmp_path / "pose.json", joints)
    value = {"joints": JOINTS, "size": [80, 64]}
    assert_as_file("poses", value, tmp_path / "pose.json", (80, 64))
    assert pose_document(joints, (80, 64)) == value
    assert parsed("poses", value).document() == value


def pose(**changes: Any) -> dict[str, Any]:
    return {"joints": copy.deepcopy(JOINTS), "size": [64, 64], **changes}


def with_joint(place: Any) -> dict[str, Any]:
    value = pose()
    value["joints"][2] = place
    return value


def test_joints_may_be_cut_off_by_the_picture_s_edge() -> None:
    assert parsed("poses", with_joint([-5, 70.5])).size == (64, 64)
    assert parsed("poses", pose(joints=[None] * 17 + [[3, 4]])).size == (64, 64)


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        (pose(size=[64]), "size", "found 1 numbers, expected height and width"),
        (pose(size="64x64"), "size", "found '64x64', expected [height, width] in pixels"),
        (pose(size=[64, 0]), "size[1]", "found 0, expected a whole number from 1 to 4096"),
        (pose(size=[5000, 64]), "size[0]", "found 5000, expected a whole number"),
        (pose(size=[64, 64.0]), "size[1]", "found 64.0, expected a whole number"),
        (pose(size=[True, 64]), "size[0]", "found true, expected a whole number"),
        (pose(size=[4096, 4096]), "size", "4096×4096 pixels (width×height), expected at most"),
        (pose(joints={}), "joints", "found an object, expected a list of 18 joints"),
        (pose(joints=JOINTS[:17]), "joints", "found 17 joints, expected 18, null for one not"),
        (pose(joints=[None] * 18), "joints", "no joint is seen, expected at least one place"),
        (with_joint([1]), "joints[2]", "found 1 numbers, expected [x, y] in pixels, or null"),
        (with_joint([1, 2, 0.9]), "joints[2]", "found 3 numbers, expected [x, y] in pixels"),
        (with_joint(7), "joints[2]", "found 7, expected [x, y] in pixels, or null"),
        (with_joint([None, 2]), "joints[2][0]", "found null, expected pixels"),
        (with_joint([2, False]), "joints[2][1]", "found false, expected pixels"),
        (with_joint([2, float("nan")]), "joints[2][1]", "found nan, expected pixels"),
        (with_joint([10**400, 2]), "joints[2][0]", "expected pixels"),
        (with_joint([1e300, 2]), "joints[2]", "found (1e+300, 2), expected a place"),
        (with_joint([500, 2]), "joints", "joint right shoulder lies at (500, 2), far outside"),
    ],
)
def test_wrong_poses_are_named(value: object, field: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parsed("poses", value)
    assert caught.value.field == f"condition.{field}"
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("model", "other"), [("scenes", "edges"), ("edges", "scenes"), ("poses", "faces")]
)
def test_a_condition_of_another_kind_is_named(model: str, other: str) -> None:
    with pytest.raises(RecipeError, match="^condition: unknown key"):
        parsed(model, CONDITIONS[other])
    with pytest.raises(RecipeError, match=r"^condition.\w+: missing; add it"):
        parsed(model, {})


def test_maps_of_face_edges_have_the_classes_of_faces() -> None:
    edges = ConditionConfig(kind="edge", classes=FACE_EDGE_CHANNELS)
    assert map_classes(edges) == FACE_CLASSES
    maps = ConditionConfig(classes=("sky", "road"))
    assert map_classes(maps) == ("sky", "road")
