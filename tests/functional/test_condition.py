from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rabit.functional import Condition

IDS = torch.tensor([[[0, 1], [2, 1]]])


def test_channels_are_one_a_class() -> None:
    condition = Condition.from_labels(IDS, 3)
    assert torch.equal(condition.channels.argmax(dim=1), IDS)
    assert torch.equal(condition.channels.sum(dim=1), torch.ones(1, 2, 2))
    assert condition[0:1].size == condition.size == (2, 2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (IDS / 255, "dtype torch.float32, expected integer class ids"),
        (IDS[0], r"shape \(2, 2\)"),
        (IDS[:, None], r"shape \(1, 1, 2, 2\)"),
        (IDS[:0], r"shape \(0, 2, 2\)"),
        (np.zeros((1, 2, 2), int), "a ndarray, expected a tensor"),
        (IDS + 1, "ids 1 to 3, expected 0 to 2"),
    ],
)
def test_wrong_labels_are_named(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Condition.from_labels(labels, 3)


def test_there_is_a_class_and_ids_stay_whole() -> None:
    with pytest.raises(ValueError, match="classes is 0, expected 1 or more"):
        Condition.from_labels(IDS, 0)
    to: Any = Condition.from_labels(IDS, 3).to
    with pytest.raises(ValueError, match="torch.float16 is no device; a condition keeps its types"):
        to(torch.float16)


def test_the_batch_stays() -> None:
    number: Any = 0
    with pytest.raises(ValueError, match=r"rows of the batch are 0, expected a slice"):
        Condition.from_labels(IDS, 3)[number]
