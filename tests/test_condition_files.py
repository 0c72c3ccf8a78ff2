"""Edges and poses from files are what training makes of the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from rabit.config import ConditionConfig
from rabit.data.condition_files import reads_alike
from rabit.data.edges import EDGE_CHANNELS, LINE_CHANNELS, CannyPicture, LinePicture
from rabit.data.faces import FACE_EDGE_CHANNELS
from rabit.data.joints import Joints
from rabit.data.layouts.folder import FolderSource
from rabit.data.pose import POSE_CHANNELS, PosePicture, write_joints_json
from rabit.data.source import Picture
from rabit.data.transforms import View
from rabit.inputs import layout_batch
from rabit.sides import read_side
from rabit.sizing import Layout

EDGES = ConditionConfig(kind="edge", classes=EDGE_CHANNELS)
LINES = ConditionConfig(kind="edge", classes=LINE_CHANNELS)
FACES = ConditionConfig(kind="edge", classes=FACE_EDGE_CHANNELS)
POSES = ConditionConfig(kind="pose", classes=POSE_CHANNELS)
LARGE, SMALL = (96, 128), (24, 32)


def photograph() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((LARGE[1], LARGE[0])))


def drawing() -> np.ndarray:
    lines = np.full(LARGE, 255, np.uint8)
    lines[20:70, 50] = lines[40, 10:100] = 0
    return lines


def same(layout: Layout, picture: Picture) -> None:
    """The layout is what the picture gives, at its own and at a smaller size."""
    for size, given in ((LARGE, layout), (SMALL, layout.resize(SMALL))):
        expected = picture.condition(View.whole(size))
        assert expected.channels is not None and given.channels is not None
        assert torch.equal(given.channels[0], expected.channels)
        assert torch.equal(given.regions[0], expected.regions)


def test_drawings_and_photographs(tmp_path: Path) -> None:
    Image.fromarray(drawing()).save(tmp_path / "drawing.png")
    Image.fromarray(photograph()).save(tmp_path / "photo.png")
    pixels = np.repeat(drawing()[..., None], 3, axis=2)
    same(
        layout_batch(tmp_path / "drawing.png", EDGES, "condition"),
        LinePicture(pixels, drawing() == 0),
    )
    same(layout_batch(tmp_path / "photo.png", EDGES, "condition"), CannyPicture(photograph()))


@pytest.mark.parametrize("ink", ("soft", "coloured", "on grey paper", "black"))
def test_a_model_of_drawn_lines_reads_them_as_its_training_did(ink: str, tmp_path: Path) -> None:
    pixels = np.repeat(drawing()[..., None], 3, axis=2)
    if ink == "soft":
        thick = Image.fromarray(pixels).filter(ImageFilter.MinFilter(5))
        pixels = np.asarray(thick.filter(ImageFilter.GaussianBlur(4)))
    if ink == "coloured":
        pixels[..., 2] = 255
    if ink == "on grey paper":
        pixels = pixels // 2 + 60
    for folder in ("images", "edges"):
        (tmp_path / folder).mkdir()
    Image.fromarray(photograph()).save(tmp_path / "images" / "a.png")
    Image.fromarray(pixels).save(tmp_path / "edges" / "a.png")
    trained_on = FolderSource(tmp_path)
    assert trained_on.channels == LINE_CHANNELS
    picture = trained_on.load(0)
    same(layout_batch(tmp_path / "edges" / "a.png", LINES, "condition"), picture)
    same(layout_batch(pixels, LINES, "condition"), picture)
    same(layout_batch(Image.fromarray(pixels), LINES, "condition"), picture)
    found = picture if ink == "black" else CannyPicture(pixels)
    same(layout_batch(pixels, EDGES, "condition"), found)


def test_a_model_of_drawn_lines_finds_edges_in_photographs() -> None:
    same(layout_batch(photograph(), LINES, "condition"), CannyPicture(photograph()))


@pytest.mark.parametrize("config", (EDGES, LINES))
def test_edges_of_an_exemplar_are_found_in_it(config: ConditionConfig) -> None:
    """Also where most of it is white, as drawings are."""
    studio = np.full((*LARGE, 3), 255, np.uint8)
    studio[10:60, 20:60] = photograph()[10:60, 20:60]
    for pixels in (photograph(), studio, np.full_like(studio, 255)):
        layout = read_side(pixels, None, config, "exemplar", "its lines").layout
        assert layout is not None
        same(layout, CannyPicture(pixels))
    drawn = np.repeat(drawing()[..., None], 3, axis=2)
    layout = read_side(drawn, None, config, "exemplar", "its lines").layout
    assert layout is not None
    same(layout, LinePicture(drawn, drawing() == 0))


def test_drawn_and_found_edges_are_read_alike() -> None:
    assert reads_alike(EDGE_CHANNELS, LINE_CHANNELS) and reads_alike(list("ab"), tuple("ab"))
    assert not reads_alike(EDGE_CHANNELS, FACE_EDGE_CHANNELS)
    assert not reads_alike(("a", "b"), LINE_CHANNELS)


def test_poses(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    joints = Joints(rng.uniform(5, 90, (18, 2)), np.ones(18, bool))
    write_joints_json(tmp_path / "pose.json", joints)
    same(
        layout_batch(tmp_path / "pose.json", POSES, "condition", LARGE),
        PosePicture(np.zeros((*LARGE, 3), np.uint8), joints),
    )
    with pytest.raises(ValueError, match="pose.json: joints without the size of the picture"):
        layout_batch(tmp_path / "pose.json", POSES, "condition")
    write_joints_json(tmp_path / "nobody.json", Joints.none())
    with pytest.raises(ValueError, match="nobody.json: no joint of any person"):
        layout_batch(tmp_path / "nobody.json", POSES, "condition", LARGE)


def test_what_gives_no_condition_is_named_with_its_file(tmp_path: Path) -> None:
    far = Joints(np.full((18, 2), 900.0), np.ones(18, bool))
    write_joints_json(tmp_path / "far.json", far)
    with pytest.raises(ValueError, match=r"far.json: joint .* far outside the picture"):
        layout_batch(tmp_path / "far.json", POSES, "condition", LARGE)
    Image.fromarray((drawing() == 0).astype(np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(ValueError, match="mask.png: a drawing without a line; lines are"):
        layout_batch(tmp_path / "mask.png", EDGES, "condition")


def test_edges_of_another_shape_than_their_photograph_are_refused() -> None:
    narrow = np.where(drawing()[:, :40] == 0, 0, 255).astype(np.uint8)
    with pytest.raises(ValueError, match="exemplar is 96x128 and its map is 96x40"):
        read_side(photograph(), narrow, EDGES, "exemplar", "its map")
    half = drawing()[::2, ::2]
    layout = read_side(photograph(), half, EDGES, "exemplar", "its map").layout
    assert layout is not None and layout.size == LARGE


def test_a_batch_of_files_is_resized_one_by_one(tmp_path: Path) -> None:
    for name, pixels in (("a", photograph()), ("b", photograph()[::-1])):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    both = layout_batch(paths, EDGES, "condition").resize(SMALL)
    assert both.channels is not None
    for row, path in enumerate(paths):
        alone = layout_batch(path, EDGES, "condition").resize(SMALL)
        assert alone.channels is not None
        assert torch.equal(both.channels[row], alone.channels[0])
    assert len(layout_batch(paths[0], EDGES, "condition").expand(3).resize(SMALL)) == 3


def test_a_map_of_face_parts_has_an_outline_of_the_whole_face(tmp_path: Path) -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[8:32, 8:32] = 1  # skin
    labels[12:16, 12:16] = 5  # an eye
    Image.fromarray(labels).save(tmp_path / "map.png")
    layout = layout_batch(tmp_path / "map.png", FACES, "condition")
    assert layout.channels is not None
    skin = layout.channels[0, FACE_EDGE_CHANNELS.index("skin_distance")]
    # The eye is no hole in the skin: its outline is not the skin's.
    assert float(skin[14, 12]) == pytest.approx(4 // 3 / 255)


def test_other_channels_are_in_no_file(tmp_path: Path) -> None:
    config: Any = ConditionConfig(kind="edge", classes=("one", "two", "three"))
    with pytest.raises(ValueError, match="map.png: the model reads channels that no file holds"):
        layout_batch(tmp_path / "map.png", config, "condition")
