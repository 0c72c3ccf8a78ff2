from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rabit.data.generated import poses
from rabit.data.generated.figure_shapes import FIGURE_PARTS
from rabit.data.generated.figures import (
    Figure,
    generate_figure,
    render_figure,
    sample_figure_style,
)
from rabit.data.generated.poses import VIEWS, sample_pose

SIZE = (96, 96)


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    return [generate_figure(5, index, SIZE) for index in range(48)]


def test_a_figure_depends_on_seed_index_and_size_alone() -> None:
    first, again = generate_figure(3, 5, SIZE), generate_figure(3, 5, SIZE)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.joints.places, again.joints.places)
    assert np.array_equal(first.joints.seen, again.joints.seen)
    for other in (generate_figure(4, 5, SIZE), generate_figure(3, 9, SIZE)):
        assert not np.array_equal(first.image, other.image)
        assert not np.array_equal(first.joints.places, other.joints.places)


@given(height=st.integers(64, 150), width=st.integers(64, 150), index=st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_any_size_gives_a_figure(height: int, width: int, index: int) -> None:
    figure = generate_figure(0, index, (height, width))
    assert figure.image.shape == (height, width, 3) and figure.image.dtype == np.uint8
    assert figure.parts.shape == (height, width)
    assert 0.04 < figure.person.mean() < 0.8
    x, y = figure.joints.places[figure.joints.seen].T
    assert (x >= 0).all() and (x <= width - 1).all() and (y >= 0).all() and (y <= height - 1).all()


def test_seen_joints_lie_on_the_person(figures: list[Figure]) -> None:
    for figure in figures:
        columns, rows = np.rint(figure.joints.places[figure.joints.seen]).astype(int).T
        assert figure.person[rows, columns].mean() >= 0.9


@pytest.mark.parametrize(
    ("joint", "part"),
    [
        (poses.R_WRIST, "r_"), (poses.L_WRIST, "l_"), (poses.R_ELBOW, "r_"), (poses.L_ELBOW, "l_"),
        (poses.R_ANKLE, "r_"), (poses.L_ANKLE, "l_"),
    ],
)  # fmt: skip
def test_a_limb_is_drawn_at_its_own_joint(figures: list[Figure], joint: int, part: str) -> None:
    hits = []
    for figure in figures[::4]:  # from the front
        if figure.joints.seen[joint]:
            x, y = np.rint(figure.joints.places[joint]).astype(int)
            hits.append(FIGURE_PARTS[figure.parts[y, x]].startswith(part))
    assert len(hits) > 4 and np.mean(hits) > 0.7


def test_views_hide_what_one_would_not_see(figures: list[Figure]) -> None:
    seen = np.stack([figure.joints.seen for figure in figures]).reshape(-1, len(VIEWS), 18)
    front, side, back, additional = (seen[:, view].mean(axis=0) for view in range(4))
    assert front[poses.NOSE] > 0.8 and back[poses.NOSE] == 0
    assert back[[poses.R_EYE, poses.L_EYE]].max() == 0
    assert side[poses.R_EAR] + side[poses.L_EAR] < 1.4
    assert additional[[poses.R_ANKLE, poses.L_ANKLE]].max() == 0
    assert front[poses.R_ANKLE] > 0.8
    assert 0.6 < seen.mean() < 0.97  # some are missing


def test_from_the_front_the_persons_left_is_on_the_right(figures: list[Figure]) -> None:
    for index, figure in enumerate(figures):
        x = figure.joints.places[:, 0]
        if index % 4 in (0, 3):
            assert x[poses.L_SHOULDER] > x[poses.R_SHOULDER]
        if index % 4 == 2:
            assert x[poses.L_SHOULDER] < x[poses.R_SHOULDER]


def test_views_of_one_person_share_the_look_and_not_the_pose(figures: list[Figure]) -> None:
    for start in range(0, len(figures), 4):
        views = figures[start : start + 4]
        assert all(view.style == views[0].style for view in views)
        assert not np.allclose(views[0].joints.places, views[3].joints.places, atol=5)
    styles = [figure.style for figure in figures[::4]]
    assert all(one != other for one, other in zip(styles, styles[1:], strict=False))


def test_a_torso_keeps_its_colours_in_another_pose() -> None:
    style, second = (sample_figure_style(np.random.default_rng(seed)) for seed in (1, 4))
    poses_ = [sample_pose(np.random.default_rng(seed), SIZE) for seed in (5, 6)]
    torso = FIGURE_PARTS.index("torso")

    def colour(figure: Figure) -> np.ndarray:
        return figure.image[figure.parts == torso].mean(axis=0)

    one, moved = (colour(render_figure(pose, style, SIZE)) for pose in poses_)
    other = colour(render_figure(poses_[0], second, SIZE))
    assert np.abs(one - moved).max() < 20 < np.abs(one - other).max()


def test_poses_vary(figures: list[Figure]) -> None:
    front = np.stack([figure.joints.places for figure in figures[::4]])
    apart = front - front[:, [poses.NECK]]
    assert apart[:, [poses.R_WRIST, poses.L_WRIST]].std(axis=0).min() > 2


@pytest.mark.parametrize("size", [(63, 64), (64, 10), (0, 0)])
def test_too_small_a_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="size"):
        generate_figure(0, 0, size)


def test_wrong_numbers_and_views_are_refused() -> None:
    with pytest.raises(ValueError, match="seed -1"):
        generate_figure(-1, 0, SIZE)
    with pytest.raises(ValueError, match="figure -2"):
        generate_figure(0, -2, SIZE)
    with pytest.raises(ValueError, match="view 'above'.*front"):
        sample_pose(np.random.default_rng(0), SIZE, "above")  # type: ignore[arg-type]
