from __future__ import annotations

import pytest
import torch

from rabit.data.batch import PictureCondition, Sample, collate, pack


def _sample(name: str, condition: PictureCondition) -> Sample:
    image = torch.zeros(3, 2, 2)
    return Sample(condition, image, condition, image + 1, paired=True, name=name)


IDS = torch.tensor([[0, 1], [2, 2]])
OVERLAPPING = torch.stack([IDS == 0, IDS >= 1, IDS == 2]).float()


def test_ids_travel_as_ids_and_arrive_as_channels() -> None:
    samples = [_sample(name, PictureCondition(IDS)) for name in "ab"]
    packed = pack(samples, 3)
    assert packed.condition[1] is None and packed.exemplar_condition[1] is None
    batch, unpacked = collate(samples, 3), packed.unpack("cpu")
    one_hot = torch.nn.functional.one_hot(IDS, 3).permute(2, 0, 1).float()
    for each in (batch, unpacked):
        for condition in (each.condition, each.exemplar_condition):
            assert torch.equal(condition.channels, one_hot.expand(2, 3, 2, 2))
            assert torch.equal(condition.regions, IDS.expand(2, 2, 2))
        assert torch.equal(each.truth, torch.ones(2, 3, 2, 2)) and each.names == ("a", "b")


def test_overlapping_classes_stand_beside_ids() -> None:
    samples = [
        _sample("a", PictureCondition(IDS)),
        _sample("b", PictureCondition(IDS, OVERLAPPING)),
    ]
    channels = collate(samples, 3).condition.channels
    assert torch.equal(channels[1], OVERLAPPING)
    assert channels[0].sum() == 4 and channels[1].sum() == 6


def test_what_does_not_fit_names_the_sample() -> None:
    with pytest.raises(ValueError, match="a: label id 2 in a corpus of 2 classes"):
        pack([_sample("a", PictureCondition(IDS))], 2)
    with pytest.raises(ValueError, match="b: a condition of 3 channels, expected 4"):
        pack([_sample("b", PictureCondition(IDS, OVERLAPPING))], 4)
