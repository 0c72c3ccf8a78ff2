"""Both sides of a translation: conditions as they were read once, and exemplars with their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rabit.config import ConditionConfig
from rabit.data.edges import EDGE_CHANNELS, LinePicture
from rabit.inference import Translator
from rabit.inputs import layout_batch
from rabit.sides import Side, read_layout, read_side
from rabit.sizing import Layout
from recipes import LABELS, LINES, PHOTO, translator_of

EDGES = ConditionConfig("edge", EDGE_CHANNELS)


def drawing(size: tuple[int, int] = (64, 64)) -> Layout:
    picture = LinePicture(LINES, LINES[..., 0] == 0)
    return Layout.of_pictures((picture,), size, len(EDGE_CHANNELS))


def test_a_layout_is_taken_as_it_is() -> None:
    layout = drawing()
    assert read_layout(layout, EDGES, "condition", (64, 64)) is layout
    with pytest.raises(ValueError, match="condition has 2 channels, the model's edge condition ha"):
        read_layout(layout, ConditionConfig("edge", ("a", "b", "c")), "condition", (64, 64))


def test_a_layout_translates_and_edits_as_what_it_was_read_from() -> None:
    translator = translator_of("scenes")
    config = translator.config.condition
    read = layout_batch(LABELS, config, "condition")
    expected = translator.translate(LABELS, PHOTO, LABELS)
    assert torch.equal(translator.translate(read, PHOTO, read).image, expected.image)
    changed = LABELS.copy()
    changed[4:20, 4:20] = 5
    after = layout_batch(changed, config, "condition")
    edited = translator.edit(PHOTO, LABELS, changed)
    assert torch.equal(translator.edit(PHOTO, read, after).image, edited.image)


@pytest.mark.parametrize("method", ["translate", "edit"])
def test_lines_are_drawn_anew_at_the_size_that_is_worked_at(method: str) -> None:
    """A picture of lines stays one: its channels are not averaged on the way."""
    translator: Translator = translator_of("edges")
    large, photo = drawing((400, 400)), np.resize(PHOTO, (400, 400, 3))
    given = (large, photo, large) if method == "translate" else (photo, large, large, False)
    made = getattr(translator, method)(*given).image
    channels = large.condition().channels
    again = (
        (channels, photo, channels) if method == "translate" else (photo, channels, channels, False)
    )
    averaged = getattr(translator, method)(*again).image
    assert made.shape == averaged.shape == (1, 3, 400, 400)
    assert not torch.equal(made, averaged)


def test_an_exemplar_s_condition_is_brought_to_its_size() -> None:
    config = ConditionConfig("semantic", tuple("abcdefghijklmnopqr"))
    side = read_side(PHOTO, LABELS[::2, ::2], config, "exemplar", "its map")
    assert side.size == (64, 64) and len(side) == 1
    assert side.layout is not None and side.layout.size == (64, 64)
    with pytest.raises(ValueError, match="exemplar is 64x64 and its map is 64x32"):
        read_side(PHOTO, LABELS[:, :32], config, "exemplar", "its map")
    with pytest.raises(ValueError, match="exemplar has 1 items but its map 2; give one each"):
        read_side(PHOTO, np.stack([LABELS, LABELS]), config, "exemplar", "its map")
    assert read_side(PHOTO, None, config, "exemplar", "its map").layout is None


@pytest.mark.parametrize("size", [(33, 32), (48, 47), (128, 127)])
def test_pictures_of_lines_are_drawn_at_the_exemplar_s_size(size: tuple[int, int]) -> None:
    """Those of its shape, as near as whole pixels come."""
    side = read_side(PHOTO, drawing(size), EDGES, "exemplar", "its lines")
    assert side.layout is not None and side.layout.size == (64, 64)
    with pytest.raises(ValueError, match="exemplar is 64x64 and its lines is 32x64"):
        read_side(PHOTO, drawing((32, 64)), EDGES, "exemplar", "its lines")


def test_a_single_side_becomes_a_batch() -> None:
    config = ConditionConfig("semantic", tuple("abcdefghijklmnopqr"))
    side = read_side(PHOTO, LABELS, config, "exemplar", "its map").expand(3)
    assert len(side) == 3 and side.layout is not None and len(side.layout) == 3
    assert len(Side(side.images, None).expand(3)) == 3
