from __future__ import annotations

import dataclasses

import torch

from networks import random_networks
from rabit.data.batch import Batch, PictureCondition, Sample, collate
from rabit.evaluation.measure import Measuring
from rabit.evaluation.results import Made

SIZE = (32, 32)
EDITED = torch.zeros(SIZE, dtype=torch.long)
EDITED[:8] = 1


def batch_of(condition: PictureCondition, exemplar_condition: PictureCondition) -> Batch:
    torch.manual_seed(0)
    truth = torch.rand(3, *SIZE) * 2 - 1
    sample = Sample(condition, truth.flip(2), exemplar_condition, truth, True, "one")
    return collate([sample, dataclasses.replace(sample, name="two")], 2)


def measured(batch: Batch, images: torch.Tensor) -> dict[str, torch.Tensor]:
    measuring = Measuring(random_networks(), 1, SIZE)
    return measuring.measure("manipulation", batch, measuring.inputs(batch), Made(images))


def test_psnr_is_taken_inside_and_outside_the_edit() -> None:
    batch = batch_of(PictureCondition(EDITED), PictureCondition(torch.zeros_like(EDITED)))
    images = batch.truth.clone()
    images[:, :, :8] = 0.5 * images[:, :, :8]
    found = measured(batch, images)
    error = (0.5 * batch.truth[:, :, :8].double()).square().flatten(1).mean(dim=1)
    torch.testing.assert_close(found["psnr_inside"], 10 * torch.log10(4 / error))
    assert bool((found["psnr_outside"] > 70).all())


def test_edges_do_not_tell_where_the_edit_is() -> None:
    """Their regions are all one, whatever is edited."""
    flat = torch.zeros_like(EDITED)
    edges = torch.stack([EDITED.float(), 1 - EDITED.float()])
    batch = batch_of(PictureCondition(flat, edges), PictureCondition(flat, 0 * edges))
    found = measured(batch, batch.truth.clone())
    assert bool(found["psnr"].isfinite().all())
    for name in ("psnr_inside", "psnr_outside", "copied"):
        assert bool(found[name].isnan().all()), name


def test_style_of_the_own_exemplar_over_the_others() -> None:
    """Of two conditions with three exemplars each, written out picture by picture."""
    measuring = Measuring(random_networks(), 3, SIZE)
    torch.manual_seed(1)
    samples = [
        Sample(
            PictureCondition((torch.rand(SIZE) > 0.5).long() if number % 3 == 0 else EDITED),
            torch.rand(3, *SIZE) * 2 - 1,
            PictureCondition((torch.rand(SIZE) > 0.3).long()),
            torch.rand(3, *SIZE) * 2 - 1,
            False,
            str(number),
        )
        for number in range(6)
    ]
    batch = collate(samples, 2)
    images = torch.rand(6, 3, *SIZE) * 2 - 1
    found = measuring.measure("translation", batch, measuring.inputs(batch), Made(images))
    regions, theirs = batch.condition.regions, batch.exemplar_condition.regions
    for name, style in (("style_m_own", measuring.style["style_m"]),
                        ("style_v_own", measuring.style["style_v"])):  # fmt: skip
        for i in range(6):
            first = i - i % 3
            values = [
                style.measure(images[i : i + 1], batch.exemplar[j : j + 1], regions[i : i + 1],
                              theirs[j : j + 1])
                for j in range(first, first + 3)
            ]  # fmt: skip
            own = values.pop(i - first)
            torch.testing.assert_close(found[name][i : i + 1], own - sum(values) / 2)
        assert bool((found[name] != 0).all())


def test_copies_of_the_exemplars_follow_them_and_one_picture_for_all_does_not() -> None:
    measuring = Measuring(random_networks(), 3, SIZE)
    torch.manual_seed(2)
    looks = torch.rand(3, 3, *SIZE) * torch.tensor([0.2, 0.6, 1.0]).view(3, 1, 1, 1) - 0.5
    condition = PictureCondition(torch.zeros_like(EDITED))
    samples = [Sample(condition, looks[i], condition, looks[0], False, str(i)) for i in range(3)]
    batch = collate(samples, 2)

    def mean(images: torch.Tensor) -> float:
        found = measuring.measure("translation", batch, measuring.inputs(batch), Made(images))
        return float(found["style_m_own"].mean())

    assert mean(looks) > 1e-4
    assert abs(mean(looks[:1].expand(3, -1, -1, -1))) < 1e-9
    assert mean(looks.roll(1, 0)) < -1e-5
    names = measuring.names("translation")
    assert {"style_m_own", "style_v_own"} <= names
    assert not {"style_m_own", "style_v_own"} & measuring.names("manipulation")
