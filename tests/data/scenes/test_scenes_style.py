from __future__ import annotations

import numpy as np
import pytest

from rabit.data.scenes import (
    CLASSES,
    Style,
    region_coordinates,
    render,
    sample_layout,
    sample_style,
    true_correspondence,
)
from rabit.data.scenes.moods import MOODS
from rabit.data.scenes.palettes import DRIFT, KINDS, MATERIALS
from rabit.data.scenes.patterns import Grain
from rabit.data.scenes.textures import TEXTURES

SIZE = (128, 128)


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, Style]:
    rng = np.random.default_rng([7, seed])
    return sample_layout(rng, SIZE), sample_layout(rng, SIZE), sample_style(rng)


def psnr(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    error = np.square(one[where].astype(float) - other[where]).mean()
    return float(10 * np.log10(255**2 / error))


def test_same_numbers_give_the_same_style_and_others_another() -> None:
    first, again, other = (sample_style(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert len(first.surfaces) == len(CLASSES)


def test_a_moved_region_keeps_its_look_to_the_last_bit() -> None:
    shape = np.random.default_rng(0).random((30, 40)) < 0.8
    for name in range(1, len(CLASSES)):
        style = sample_style(np.random.default_rng(name))
        looks = []
        for top, left in ((0, 0), (50, 21)):
            labels = np.zeros((100, 90), dtype=np.uint8)
            labels[top : top + 30, left : left + 40][shape] = name
            looks.append(render(labels, style)[labels == name])
        assert np.array_equal(looks[0], looks[1])


def test_a_pixel_depends_on_class_and_region_coordinates_only() -> None:
    """A region drawn twice as large shows the small one's colours at the small one's places."""
    _, _, style = scene(1)
    small = np.zeros((40, 40), dtype=np.uint8)
    small[10:21, 5:36] = CLASSES.index("facade")
    large = np.zeros((80, 80), dtype=np.uint8)
    large[30:51, 9:70] = CLASSES.index("facade")
    assert np.array_equal(
        region_coordinates(large)[:, 30:51:2, 9:70:2], region_coordinates(small)[:, 10:21, 5:36]
    )
    assert np.array_equal(render(large, style)[30:51:2, 9:70:2], render(small, style)[10:21, 5:36])


def test_the_true_correspondence_brings_the_exemplar_close_to_the_truth() -> None:
    """Clearly closer than the mean colour of every class does."""
    warped_psnr, mean_psnr = [], []
    for seed in range(12):
        layout, exemplar_labels, style = scene(seed)
        exemplar, truth = render(exemplar_labels, style), render(layout, style)
        found = true_correspondence(layout, exemplar_labels)
        shared = ~np.isnan(found[..., 0])
        warped, mean = np.zeros_like(truth), np.zeros(truth.shape)
        x, y = found[shared].astype(int).T
        warped[shared] = exemplar[y, x]
        for name in np.unique(layout[shared]):
            mean[layout == name] = exemplar[exemplar_labels == name].mean(axis=0)
        warped_psnr.append(psnr(warped, truth, shared))
        mean_psnr.append(psnr(mean, truth, shared))
        assert warped_psnr[-1] > mean_psnr[-1] + 1
    assert np.mean(warped_psnr) > 22
    assert np.mean(warped_psnr) > np.mean(mean_psnr) + 4


def test_the_true_correspondence_of_a_layout_with_itself_is_the_truth() -> None:
    layout, _, style = scene(2)
    x, y = true_correspondence(layout, layout).astype(int).reshape(-1, 2).T
    truth = render(layout, style)
    assert np.array_equal(truth[y, x].reshape(truth.shape), truth)


def test_styles_differ_and_surfaces_are_textured() -> None:
    layout, _, _ = scene(3)
    pictures = [render(layout, sample_style(np.random.default_rng(s))) for s in range(20)]
    sky = layout == CLASSES.index("sky")
    colours = np.array([picture[sky].mean(axis=0) for picture in pictures])
    assert colours.std(axis=0).min() > 25
    spread = [p[layout == n].std(axis=0).mean() for p in pictures for n in np.unique(layout)]
    assert np.mean(spread) > 0.08 * 255


@pytest.mark.parametrize("name", sorted(TEXTURES))
def test_every_texture_stays_in_range_and_varies(name: str) -> None:
    v, u = (c.reshape(-1) for c in np.mgrid[-1:1:65j, -1:1:65j].astype(np.float32))
    for seed in range(5):
        grain = Grain(across=4.0, down=3.0, phase=(0.2 * seed, 0.7), seed=2**31 - 1 - seed)
        weights = TEXTURES[name](u, v, grain)
        assert weights.second.dtype == np.float32
        assert weights.second.min() >= 0 and weights.second.max() <= 1
        assert weights.second.std() > 0.03
        if weights.accent is not None:
            assert weights.accent.min() >= 0 and weights.accent.max() <= 1


def test_every_class_has_colours_textures_and_light() -> None:
    assert set(KINDS) == set(DRIFT) == set(CLASSES)
    assert {kind.texture for kinds in KINDS.values() for kind in kinds} == set(TEXTURES)
    for mood in MOODS:
        assert set(mood.sky_kinds) <= {kind.texture for kind in KINDS["sky"]}
        for name in CLASSES:
            for swatch in MATERIALS[name] if name in MATERIALS else getattr(mood, name):
                assert [len(bytes.fromhex(code)) for code in swatch.split()] == [3, 3, 3]


def test_every_mood_is_drawn() -> None:
    drawn = {sample_style(np.random.default_rng(seed)).mood for seed in range(150)}
    assert drawn == {mood.name for mood in MOODS}


def test_unknown_classes_are_refused() -> None:
    labels = np.full((64, 64), len(CLASSES), dtype=np.uint8)
    with pytest.raises(ValueError, match=f"ids {len(CLASSES)} to {len(CLASSES)}, expected 0 to"):
        render(labels, sample_style(np.random.default_rng(0)))
