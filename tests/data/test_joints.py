from __future__ import annotations

import numpy as np
import pytest

from rabit.data.joints import JOINTS, LIMBS, Joints


def _random(seed: int = 0) -> Joints:
    rng = np.random.default_rng(seed)
    return Joints(rng.uniform(0, 100, (18, 2)), rng.random(18) < 0.7)


def test_convention_of_joints_and_limbs() -> None:
    assert len(JOINTS) == len(set(JOINTS)) == 18 and len(LIMBS) == 17
    named = {(JOINTS[start], JOINTS[end]) for start, end in LIMBS}
    assert ("neck", "nose") in named and ("left knee", "left ankle") in named
    assert ("right shoulder", "right elbow") in named and ("right eye", "right ear") in named
    # Every joint hangs on a limb, and no limb goes from one side of the body to the other.
    assert {joint for limb in LIMBS for joint in limb} == set(range(18))
    for start, end in named:
        assert not ({"left", "right"} <= {start.split()[0], end.split()[0]})


def test_mirrored_joints_change_sides() -> None:
    joints = _random()
    mirrored = joints.mirrored(100)
    for name in JOINTS:
        other = {"left": "right", "right": "left"}.get(name.split()[0])
        opposite = JOINTS.index(name if other is None else f"{other} {name.split()[1]}")
        here = JOINTS.index(name)
        assert mirrored.seen[opposite] == joints.seen[here]
        x, y = joints.places[here]
        np.testing.assert_allclose(mirrored.places[opposite], (99 - x, y))
    back = mirrored.mirrored(100)
    np.testing.assert_allclose(back.places, joints.places)
    np.testing.assert_array_equal(back.seen, joints.seen)


def test_convention_scaling_keeps_corners() -> None:
    places = np.zeros((18, 2))
    places[0], places[1] = (-0.5, -0.5), (9.5, 19.5)
    scaled = Joints(places, np.ones(18, bool)).scaled((20, 10), (40, 30))
    np.testing.assert_allclose(scaled.places[:2], [(-0.5, -0.5), (29.5, 39.5)])
    np.testing.assert_allclose(scaled.places[2], (1, 0.5))
    same = _random().scaled((20, 10), (20, 10))
    np.testing.assert_allclose(same.places, _random().places)


def test_bad_joints_are_refused() -> None:
    with pytest.raises(ValueError, match=r"places \(17, 2\)"):
        Joints(np.zeros((17, 2)), np.zeros(18, bool))
    places = np.full((18, 2), np.nan)
    assert not Joints(places, np.zeros(18, bool)).seen.any()
    with pytest.raises(ValueError, match="joint nose lies at"):
        Joints(places, np.ones(18, bool))


def test_joints_far_outside_are_refused() -> None:
    places = np.full((18, 2), 10.0)
    places[4] = (59, -20)
    seen = np.ones(18, bool)
    Joints(places, seen).check_inside((40, 30))
    with pytest.raises(ValueError, match=r"right wrist lies at \(59, -20\).*20×40 pixels"):
        Joints(places, seen).check_inside((40, 20))
    seen[4] = False
    Joints(places, seen).check_inside((40, 20))
