from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rabit.data.scenes import CLASSES
from rabit.evaluation.showcase import EXEMPLARS, Showcase, make_showcase
from rabit.inference import Translator
from rabit.model.network import build_network
from rabit.presets import preset

SIZE = (64, 64)


def tiny(classes: tuple[str, ...]) -> Translator:
    config = preset("small-unaligned", classes).model
    config = replace(
        config,
        image_size=SIZE,
        features=replace(config.features, widths=(4, 4, 4, 4, 4, 4), hidden=4),
        generator=replace(config.generator, widths=(8, 8, 8, 8, 8), stem=8, hidden=4),
    )
    return Translator(build_network(config), config)


@pytest.fixture(scope="module")
def showcase() -> Showcase:
    return make_showcase(tiny(CLASSES), scenes=2)


def test_it_shows_what_it_says(showcase: Showcase) -> None:
    assert len(showcase.scenes) == 2
    assert all(len(scene.rows) == EXEMPLARS for scene in showcase.scenes)
    assert len(showcase.edits) == 4
    assert showcase.seconds > 0
    for scene in showcase.scenes:
        assert scene.condition.shape == (*SIZE, 3)
        for row in scene.rows:
            for pixels in (row.exemplar, row.warped, row.confidence, row.result, row.truth):
                assert pixels.shape == (*SIZE, 3)
                assert pixels.dtype == np.uint8


def test_without_alignment_the_warped_exemplar_is_the_exemplar(showcase: Showcase) -> None:
    for scene in showcase.scenes:
        for row in scene.rows:
            assert np.array_equal(row.warped, row.exemplar)


def test_edits_keep_what_is_far_from_them(showcase: Showcase) -> None:
    for edit in showcase.edits:
        kept = (edit.result == edit.image).all(axis=2)
        assert 0.2 < kept.mean() < 1
        assert 0 < edit.share < 0.3


def test_a_model_of_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="knows the classes a, b"):
        make_showcase(tiny(("a", "b")), scenes=1)
