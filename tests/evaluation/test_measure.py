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
