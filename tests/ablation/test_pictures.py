from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from rabit.ablation.measure import Measured
from rabit.ablation.pictures import chart, side_by_side
from rabit.ablation.rows import TABLES
from rabit.ablation.table import fill_table
from rabit.data.batch import Sample
from rabit.data.images import to_image
from rabit.evaluation.results import Made
from rabit.evaluation.testset import Counts, TestSet, scenes_test_set


class Painted:
    """Results of one colour, warped or not."""

    def __init__(self, value: float, warped: bool) -> None:
        self.value, self.warped = value, warped

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        images = torch.full((len(samples), 3, 64, 64), self.value)
        return Made(images, -images if self.warped else None)


@pytest.fixture(scope="module")
def test_set() -> TestSet:
    return scenes_test_set(Counts(conditions=4, edits=4, exemplars=1), (64, 64))


def test_sheets_show_every_result_beside_what_it_was_made_from(test_set: TestSet) -> None:
    given = [("A", Painted(-1, False)), ("B", Painted(1, True))]
    results, warped = side_by_side(test_set, given, pairs=2, edits=1)
    # Pictures of 64 pixels are doubled; a gap of 4 pixels; titles of 16.
    assert results.shape == (16 + 3 * 132 + 4, 5 * 132 + 4, 3)
    assert warped.shape == (16 + 3 * 132 + 4, 4 * 132 + 4, 3)

    def shown(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
        top, left = 20 + row * 132, 4 + column * 132
        return sheet[top : top + 128 : 2, left : left + 128 : 2]

    assert (shown(results, 0, 2) == 0).all() and (shown(results, 2, 3) == 255).all()
    assert (shown(warped, 1, 2) == 0).all()
    samples = [test_set.translation[0], test_set.translation[2], test_set.manipulation[0]]
    for row, sample in enumerate(samples):
        assert (shown(results, row, 1) == to_image(sample.exemplar)).all()
        assert (shown(results, row, 4) == to_image(sample.truth)).all()


def test_a_chart_is_drawn_of_whatever_there_is() -> None:
    figures = {"translation.fd": 3.0, "manipulation.psnr": 20.0, "seconds": 0.1}
    labels = {name: name for name in figures}
    seeds = {"rabit": [Measured(figures, labels), Measured(figures, labels)]}
    other = {"other": Measured({"translation.fd": 5.0}, labels)}
    table = fill_table("table6", TABLES["table6"], seeds, other, {}, True)
    picture = Image.open(io.BytesIO(chart(table)))
    assert picture.format == "PNG" and picture.width > 1000
