from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rabit.data.images import save_png
from rabit.data.pose import (
    LIMBS,
    POSE_CHANNELS,
    REGION_RADIUS,
    Joints,
    PosePicture,
    draw_pose,
    limb_regions,
    read_pose,
    write_joints_text,
)
from rabit.data.transforms import View
from samples import samples


def _picture(height: int = 60, width: int = 40, seed: int = 0) -> PosePicture:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    places = rng.uniform(0, 1, (18, 2)) * (width, height)
    return PosePicture(pixels, Joints(places, rng.random(18) < 0.9))


def test_channels_are_named_by_their_limbs() -> None:
    assert len(POSE_CHANNELS) == len(set(POSE_CHANNELS)) == 20
    assert POSE_CHANNELS[:4] == ("red", "green", "blue", "neck to right shoulder")
    assert POSE_CHANNELS[3 + LIMBS.index((1, 0))] == "neck to nose"


def test_the_whole_picture_is_drawn_at_its_size() -> None:
    picture = _picture()
    condition = picture.condition(View.whole((60, 40)))
    assert condition.channels is not None
    np.testing.assert_allclose(condition.channels.numpy(), draw_pose(picture.joints, (60, 40)))
    regions = limb_regions(picture.joints, (60, 40), REGION_RADIUS * 60)
    np.testing.assert_array_equal(condition.regions.numpy(), regions)
    np.testing.assert_array_equal(picture.image(View.whole((60, 40))), picture.pixels)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.integers(8, 70), st.integers(8, 70))
def test_a_view_is_a_part_of_the_resized_drawing(
    seed: int, flip: bool, height: int, width: int
) -> None:
    picture = _picture(seed=seed)
    view = View.draw((height, width), np.random.default_rng(seed), flip)
    condition = picture.condition(view)
    joints = picture.joints.scaled((60, 40), view.scaled)
    if view.flip:
        joints = joints.mirrored(view.scaled[1])
    whole = draw_pose(joints, view.scaled)
    regions = limb_regions(joints, view.scaled, REGION_RADIUS * view.scaled[0])
    if view.flip:
        # The crop is chosen in the picture as it was.
        whole, regions = whole[..., ::-1], regions[:, ::-1]
    (top, left), (bottom, right) = view.corner, np.add(view.corner, view.size)
    whole, regions = whole[:, top:bottom, left:right], regions[top:bottom, left:right]
    if view.flip:
        whole, regions = whole[..., ::-1], regions[:, ::-1]
    assert condition.channels is not None and condition.channels.is_contiguous()
    np.testing.assert_array_equal(condition.channels.numpy(), whole)
    np.testing.assert_array_equal(condition.regions.numpy(), regions)


def test_a_mirrored_view_exchanges_left_and_right() -> None:
    joints = Joints.none()
    # The right arm alone, at the left of the picture: neck, right shoulder, right elbow.
    for joint, place in ((1, (30, 20)), (2, (15, 20)), (3, (10, 40))):
        joints.places[joint], joints.seen[joint] = place, True
    picture = PosePicture(np.zeros((64, 64, 3), np.uint8), joints)
    plain, mirrored = (
        picture.condition(View((64, 64), (0, 0), (64, 64), f)) for f in (False, True)
    )
    right, left = LIMBS.index((2, 3)), LIMBS.index((5, 6))
    assert plain.channels is not None and mirrored.channels is not None
    assert (plain.channels[3 + left] == 1).all() and (mirrored.channels[3 + right] == 1).all()
    on = (mirrored.channels[3 + left] == 0).nonzero()[:, 1].float().mean()
    was = (plain.channels[3 + right] == 0).nonzero()[:, 1].float().mean()
    assert float(on) == pytest.approx(63 - float(was), abs=1)
    assert set(np.unique(mirrored.regions)) == {0, 1 + LIMBS.index((1, 5)), 1 + left}


def test_joints_of_another_picture_are_refused(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", np.zeros((20, 20, 3), np.uint8))
    joints = Joints.none()
    joints.places[7], joints.seen[7] = (90, 10), True
    write_joints_text(tmp_path / "a", joints)
    with pytest.raises(ValueError, match=r"a_candidate.txt: joint left wrist lies at \(90, 10\)"):
        read_pose(tmp_path / "a.png", tmp_path / "a_candidate.txt")
    with pytest.raises(FileNotFoundError, match=r"b\.png"):
        read_pose(tmp_path / "b.png", tmp_path / "a_candidate.txt")


def test_real_street_photographs_fit_their_poses() -> None:
    folder = samples("fashion")
    for image in sorted((folder / "images").glob("*.jpg"))[:5]:
        picture = read_pose(image, folder / "pose" / f"{image.stem}_candidate.txt")
        condition = picture.condition(View.whole((96, 64)))
        assert condition.channels is not None and condition.channels.shape == (20, 96, 64)
        assert float(condition.channels.min()) >= 0 and float(condition.channels.max()) <= 1
        assert len(np.unique(condition.regions)) > 8


def test_joints_at_the_limit_are_drawn_at_every_size() -> None:
    places = np.full((18, 2), 20.0)
    places[0] = (-256, 100)
    picture = PosePicture(np.zeros((256, 256, 3), np.uint8), Joints(places, np.ones(18, bool)))
    for side in (64, 128, 286):
        channels = picture.condition(View.whole((side, side))).channels
        assert channels is not None and channels.shape == (20, side, side)
