from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_cdt

from rabit.data.pose import LIMBS, Joints, draw_pose, limb_regions, read_joints
from rabit.data.pose_drawing import COLOURS
from samples import samples


def _some(places: dict[int, tuple[float, float]]) -> Joints:
    joints = Joints.none()
    for joint, place in places.items():
        joints.places[joint] = place
        joints.seen[joint] = True
    return joints


def _random(seed: int, size: tuple[int, int]) -> Joints:
    rng = np.random.default_rng(seed)
    places = np.floor(rng.uniform(-0.2, 1.2, (18, 2)) * (size[1], size[0]))
    return Joints(places, rng.random(18) < 0.8)


def _pixels(channels: np.ndarray) -> np.ndarray:
    return np.rint(channels[:3].transpose(1, 2, 0) * 255).astype(int)


def test_nobody_gives_empty_channels() -> None:
    channels = draw_pose(Joints.none(), (8, 12))
    assert channels.shape == (20, 8, 12) and channels.dtype == np.float32
    assert (channels[:3] == 0).all() and (channels[3:] == 1).all()


def test_a_joint_is_a_disc_of_its_colour() -> None:
    pixels = _pixels(draw_pose(_some({0: (20, 30)}), (256, 256)))
    for y in range(256):
        for x in range(256):
            inside = (x - 20) ** 2 + (y - 30) ** 2 <= 16
            assert tuple(pixels[y, x]) == ((0, 0, 255) if inside else (0, 0, 0))


def test_colours_go_around_the_colour_circle() -> None:
    # Blue over cyan, green, yellow and red to magenta; limbs have the colours of the joints.
    assert [COLOURS[i] for i in (0, 3, 6, 9, 12, 15)] == [
        (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0), (255, 0, 255)
    ]  # fmt: skip
    assert len(set(COLOURS)) == 18 and all(max(c) == 255 and min(c) == 0 for c in COLOURS)


def test_an_upright_limb_has_exact_pixels_and_distances() -> None:
    # From neck to right hip, straight down: limb 6, green, its ellipse 4 wide to either side.
    channels = draw_pose(_some({1: (100, 50), 8: (100, 150)}), (256, 256))
    pixels = _pixels(channels)
    assert pixels[100, 96].tolist() == pixels[100, 104].tolist() == [0, 153, 0]
    assert not pixels[100, 95].any() and not pixels[100, 105].any()
    # The ellipse covers 0.6 of the joint's circle, which goes on beyond its end.
    neck = np.array(COLOURS[1])
    expected = np.rint(0.4 * neck + 0.6 * np.array([0, 255, 0])).astype(int)
    assert pixels[50, 100].tolist() == expected.tolist()
    assert pixels[47, 100].tolist() == neck.tolist()
    distance = np.rint(channels[3 + 6] * 255).astype(int)
    assert distance[100, 90:112].tolist() == [2] + [1] * 3 + [0] * 13 + [1] * 3 + [2] * 2
    assert distance[20, 100] == 10 and distance[20, 90] == (30 + 10) // 3
    others = [limb for limb in range(17) if limb != 6]
    assert (channels[[3 + limb for limb in others]] == 1).all()


def test_other_sizes_are_drawn_in_proportion() -> None:
    joints = _some({1: (100, 50), 8: (100, 150)})
    small = draw_pose(joints, (256, 256))
    large = draw_pose(joints.scaled((256, 256), (512, 512)), (512, 512))
    drawn = [(channels[:3] > 0).any(axis=0).mean() for channels in (small, large)]
    assert drawn[1] == pytest.approx(drawn[0], rel=0.1)
    np.testing.assert_allclose(large[9, 1::2, 1::2], small[9], atol=1.01 / 255)
    assert draw_pose(joints.scaled((256, 256), (8, 8)), (8, 8))[:3].any()


def test_a_limb_without_length_is_drawn() -> None:
    channels = draw_pose(_some({1: (30, 30), 2: (30, 30)}), (256, 256))
    # A stroke of nine pixels from (30, 26) to (30, 34), and what is within two pixels of it.
    assert (channels[3] == 0).sum() == 9 * 5 + 2 * (3 + 1)
    assert channels[3, 0, 0] == np.float32(56 // 3 / 255)


def test_a_limb_outside_the_picture_is_not_there() -> None:
    channels = draw_pose(_some({1: (-60, 30), 2: (-40, 30)}), (100, 100))
    assert not channels[:3].any() and (channels[3:] == 1).all()
    with pytest.raises(ValueError, match=r"neck lies at \(-102, 30\)"):
        draw_pose(_some({1: (-102, 30)}), (100, 100))


def _plain_line(x0: int, y0: int, x1: int, y1: int) -> list[tuple[int, int]]:
    """Bresenham's line, from left to right, half steps not taken."""
    if x1 < x0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    wide, high, down = x1 - x0, abs(y1 - y0), 1 if y1 > y0 else -1
    points, error = [(x0, y0)], max(wide, high)
    for _ in range(max(wide, high)):
        error -= 2 * min(wide, high)
        turn = error < 0
        error += 2 * max(wide, high) if turn else 0
        x0 += 1 if wide >= high or turn else 0
        y0 += down if wide < high or turn else 0
        points.append((x0, y0))
    return points


def _plain_limb(start: np.ndarray, end: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a limb in a picture of 256 rows, one vertex and one line after the other."""
    middle = [int(value) for value in (start + end) / 2]
    half = int(math.dist(start, end) / 2)
    turn = int(math.degrees(math.atan2(start[1] - end[1], start[0] - end[0]))) % 360
    sine = [float(np.float32(round(math.sin(math.radians(i)), 7))) for i in range(451)]
    outline = []
    for i in range(361):
        x, y = half * sine[450 - i], 4 * sine[i]
        cos, sin = sine[450 - turn], sine[turn]
        outline.append((round(middle[0] + x * cos - y * sin), round(middle[1] + x * sin + y * cos)))
    rows: dict[int, list[int]] = {}
    for (x0, y0), (x1, y1) in zip(outline, outline[1:], strict=False):
        for x, y in _plain_line(x0, y0, x1, y1):
            rows.setdefault(y, []).append(x)
        for y in range(min(y0, y1), max(y0, y1) + 1 if y0 != y1 else min(y0, y1)):
            rows[y].append(math.floor(x0 + (x1 - x0) * (y - y0) / (y1 - y0) + 0.5))
    mask = np.zeros(size, bool)
    for y, columns in rows.items():
        if 0 <= y < size[0]:
            mask[y, max(min(columns), 0) : max(max(columns) + 1, 0)] = True
    return mask


def _plain_pose(joints: Joints, size: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros((*size, 3))
    rows, columns = np.mgrid[: size[0], : size[1]]
    for joint in range(18):
        if joints.seen[joint]:
            x, y = joints.places[joint]
            canvas[(columns - x) ** 2 + (rows - y) ** 2 <= 16] = COLOURS[joint]
    distances = []
    for limb, (start, end) in enumerate(LIMBS):
        mask = np.zeros(size, bool)
        if joints.seen[start] and joints.seen[end]:
            mask = _plain_limb(joints.places[start], joints.places[end], size)
        canvas[mask] = np.rint(0.4 * canvas[mask] + 0.6 * np.array(COLOURS[limb]))
        steps = distance_transform_cdt(~mask, "taxicab") if mask.any() else np.full(size, 765)
        distances.append(np.minimum(steps // 3, 255))
    return np.concatenate([canvas.transpose(2, 0, 1), distances])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(40, 300))
def test_drawing_equals_a_plain_one(seed: int, width: int) -> None:
    joints = _random(seed, (256, width))
    drawn = draw_pose(joints, (256, width))
    np.testing.assert_array_equal(np.rint(drawn * 255), _plain_pose(joints, (256, width)))


def test_real_poses_equal_a_plain_drawing() -> None:
    for path in sorted(samples("samples/DeepFashion").rglob("*_candidate.txt"))[:4]:
        joints = read_joints(path)
        drawn = draw_pose(joints, (256, 256))
        np.testing.assert_array_equal(np.rint(drawn * 255), _plain_pose(joints, (256, 256)))


@pytest.mark.parametrize("seed", range(5))
def test_limbs_are_ellipses(seed: int) -> None:
    joints = _random(seed, (256, 200))
    joints.seen[:] = True
    drawn = draw_pose(joints, (256, 200))
    rows, columns = np.mgrid[:256, :200]
    for limb, (start, end) in enumerate(LIMBS):
        (x0, y0), (x1, y1) = joints.places[[start, end]]
        half, angle = math.hypot(x1 - x0, y1 - y0) / 2, math.atan2(y1 - y0, x1 - x0)
        x, y = columns - (x0 + x1) / 2, rows - (y0 + y1) / 2
        along = x * math.cos(angle) + y * math.sin(angle)
        across = -x * math.sin(angle) + y * math.cos(angle)
        drift = 2 + half * math.radians(1)  # whole pixels and degrees
        within = (along / max(half - drift, 0.1)) ** 2 + (across / max(4 - drift, 0.1)) ** 2 <= 1
        beyond = np.maximum(abs(along) - half, 0)
        on = drawn[3 + limb] == 0
        assert on[within].all()
        # Up to two pixels around the ellipse the distance is 0 too.
        assert (np.hypot(beyond, across)[on] <= 4 + drift + 2).all()


@pytest.mark.parametrize(("size", "radius"), [((64, 48), 5.0), ((40, 90), 100.0), ((30, 30), 0.5)])
def test_regions_equal_a_plain_search(size: tuple[int, int], radius: float) -> None:
    rng = np.random.default_rng(1)
    joints = Joints(rng.uniform(-0.2, 1.2, (18, 2)) * (size[1], size[0]), rng.random(18) < 0.8)
    regions = limb_regions(joints, size, radius)
    assert regions.shape == size and regions.dtype == np.int64
    for y in range(size[0]):
        for x in range(size[1]):
            distances = [_to_segment(x, y, joints, limb) for limb in range(17)]
            nearest = min(distances)
            if abs(nearest - radius) < 1e-9 or sorted(distances)[1] - nearest < 1e-9 < nearest:
                continue
            assert regions[y, x] == (distances.index(nearest) + 1 if nearest < radius else 0)


def _to_segment(x: float, y: float, joints: Joints, limb: int) -> float:
    start, end = LIMBS[limb]
    if not (joints.seen[start] and joints.seen[end]):
        return math.inf
    a, b, p = joints.places[start], joints.places[end], np.array([x, y])
    share = min(max(float((p - a) @ (b - a) / ((b - a) @ (b - a))), 0), 1)
    return math.dist(p, a + share * (b - a))


def test_regions_lie_where_the_limb_is_near() -> None:
    joints = _random(3, (256, 256))
    channels, regions = draw_pose(joints, (256, 256)), limb_regions(joints, (256, 256), 10)
    assert regions.any()
    for limb in range(17):
        # Ten pixels away are at most 15 city blocks, and the ellipse is thinner at its ends.
        assert (channels[3 + limb][regions == limb + 1] * 255 <= (15 + 8) / 3).all()
        if (channels[3 + limb] == 1).all():
            assert not (regions == limb + 1).any()


def test_regions_of_nobody_and_of_a_bad_radius() -> None:
    assert not limb_regions(Joints.none(), (5, 7), 3).any()
    for radius in (0, -1, math.nan):
        with pytest.raises(ValueError, match="radius"):
            limb_regions(Joints.none(), (5, 7), radius)


def test_a_region_reaches_as_far_as_the_radius() -> None:
    regions = limb_regions(_some({1: (10, 5), 2: (10, 15)}), (30, 30), 3)
    assert regions[10, 7:14].all() and not regions[10, 6] and not regions[10, 14]
    assert regions[18, 10] == 1 and regions[19, 10] == 0 and regions[18, 11] == 0
