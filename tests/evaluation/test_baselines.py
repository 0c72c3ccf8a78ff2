from __future__ import annotations

import torch

from rabit.data.batch import Batch, PictureCondition, Sample, collate
from rabit.evaluation.baselines import class_mean_colours, exemplar_copied


def batch() -> Batch:
    """A 2x3 condition of classes 0, 1, 2; the exemplar has no class 2."""
    exemplar = torch.zeros(3, 2, 3)
    exemplar[0] = torch.tensor([[0.0, 0.5, 1.0], [-1.0, -1.0, 0.5]])
    sample = Sample(
        condition=PictureCondition(torch.tensor([[0, 0, 1], [1, 2, 2]])),
        exemplar=exemplar,
        exemplar_condition=PictureCondition(torch.tensor([[0, 0, 0], [1, 1, 1]])),
        truth=torch.zeros(3, 2, 3),
        paired=True,
        name="one",
    )
    return collate([sample], 3)


def test_classes_get_their_mean_colour_and_absent_ones_the_overall() -> None:
    painted = class_mean_colours(batch())
    expected = torch.tensor([[0.5, 0.5, -0.5], [-0.5, 0.0, 0.0]])
    assert torch.allclose(painted[0, 0], expected, atol=1e-6)
    assert torch.equal(painted[0, 1:], torch.zeros(2, 2, 3))


def test_copied_is_the_exemplar() -> None:
    given = batch()
    assert torch.equal(exemplar_copied(given), given.exemplar)
