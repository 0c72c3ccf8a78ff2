from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rabit.data.images import to_tensor
from rabit.metrics.copied import TOLERANCE, Copied
from rabit.metrics.running import Estimate
from tiny import tiny_batch


def measured(images: Tensor, exemplars: Tensor, regions: Tensor, theirs: Tensor) -> Estimate:
    metric = Copied()
    metric.update(images, exemplars, regions, theirs)
    return metric.compute()


def test_it_is_the_loop_over_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    exemplars = torch.rand(2, 3, 6, 7, generator=generator) - 0.5
    results = exemplars + 0.3 * (torch.rand(exemplars.shape, generator=generator) - 0.5)
    regions, theirs = torch.randint(0, 3, (2, 2, 6, 7), generator=generator)
    shares = []
    for i in range(2):
        copied = apart = 0
        for y in range(6):
            for x in range(7):
                if regions[i, y, x] == theirs[i, y, x]:
                    continue
                apart += 1
                gaps = (results[i, :, y, x] - exemplars[i, :, y, x]).abs().tolist()
                copied += all(gap <= 2 * 16.5 / 255 for gap in gaps)
        shares.append(copied / apart)
    found = measured(results, exemplars, regions, theirs)
    assert 0 < found.mean < 1
    assert found.mean == pytest.approx(sum(shares) / 2, rel=1e-12)


def test_copies_of_scenes_stand_out_from_true_translations() -> None:
    batch = tiny_batch(6)
    regions, theirs = batch.condition.regions, batch.exemplar_condition.regions
    exemplars = batch.exemplar
    noise = 0.05 * torch.randn(exemplars.shape, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(exemplars, 3, stride=1, padding=1)
    chance = measured(batch.truth, exemplars, regions, theirs).mean
    assert chance < 0.05
    assert measured(exemplars, exemplars, regions, theirs).mean == 1
    assert measured(exemplars * 0.9, exemplars, regions, theirs).mean > 0.99
    assert measured((exemplars + noise).clamp(-1, 1), exemplars, regions, theirs).mean > 0.9
    assert measured(blurred.clamp(-1, 1), exemplars, regions, theirs).mean > 10 * chance
    # A model that hands the exemplar through only where the condition has something else.
    elsewhere = (regions != theirs)[:, None]
    handed = torch.where(elsewhere, exemplars, batch.truth)
    assert measured(handed, exemplars, regions, theirs).mean == 1
    fitting = torch.where(elsewhere, batch.truth, exemplars)
    assert measured(fitting, exemplars, regions, theirs).mean == chance


@pytest.mark.parametrize(("steps", "share"), [(15, 1), (16, 1), (17, 0)])
def test_whole_steps_of_8_bits_are_on_one_side(steps: int, share: float) -> None:
    values = np.arange(256 - steps, dtype=np.uint8)
    lower, upper = (
        np.tile(v[None, :, None], (1, 1, 3)) for v in (values, values + np.uint8(steps))
    )
    images, exemplars = (to_tensor(pixels)[None] for pixels in (lower, upper))
    regions = torch.zeros(1, 1, len(values), dtype=torch.long)
    assert measured(images, exemplars, regions, regions + 1).mean == share
    assert measured(exemplars, images, regions, regions + 1).mean == share


def test_every_channel_has_to_agree() -> None:
    regions, theirs = torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(1, 2, 2, dtype=torch.long)
    exemplars, results = torch.zeros(2, 1, 3, 2, 2)
    results[0, 2, 0, 0] = TOLERANCE + 0.01
    results[0, 1, 1, 1] = -TOLERANCE
    assert measured(results, exemplars, regions, theirs).mean == 0.75


def test_images_of_one_layout_are_left_out() -> None:
    regions = torch.zeros(2, 2, 2, dtype=torch.long)
    theirs = regions.clone()
    theirs[1] = 1
    images = torch.zeros(2, 3, 2, 2)
    assert measured(images, images, regions, theirs).count == 1
    with pytest.raises(ValueError, match="no images"):
        measured(images, images, regions, regions)


def test_a_stream_gives_what_all_at_once_gives() -> None:
    batch = tiny_batch(4)
    tensors = (batch.truth, batch.exemplar, batch.condition.regions)
    theirs = batch.exemplar_condition.regions
    stream = Copied()
    for part in zip(*(t.split([1, 3]) for t in (*tensors, theirs)), strict=True):
        stream.update(*part)
    once = measured(*tensors, theirs)
    assert stream.compute().mean == pytest.approx(once.mean, rel=1e-12)
    assert stream.compute().standard_error == pytest.approx(once.standard_error, rel=1e-9)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance -1"):
        Copied(-1.0)
    images, regions = torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="expected integers"):
        Copied().update(images, images, regions, regions[:, :2])
    with pytest.raises(ValueError, match="the exemplars"):
        Copied().update(images, images[:, :, :2], regions, regions)


def test_an_image_without_a_differing_region_has_no_figure() -> None:
    images = torch.zeros(2, 3, 4, 4)
    regions = torch.zeros(2, 4, 4, dtype=torch.long)
    theirs = regions.clone()
    theirs[1, 0] = 1
    figures = Copied().measure(images, images, regions, theirs)
    assert figures.dtype == torch.float64
    assert figures.isnan().tolist() == [True, False] and float(figures[1]) == 1


def test_merged_halves_give_what_all_at_once_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    exemplars = torch.rand(3, 3, 6, 7, generator=generator) - 0.5
    results = exemplars + 0.3 * (torch.rand(exemplars.shape, generator=generator) - 0.5)
    regions, theirs = torch.randint(0, 3, (2, 3, 6, 7), generator=generator)
    once, first, second = Copied(), Copied(), Copied()
    once.update(results, exemplars, regions, theirs)
    first.update(results[:1], exemplars[:1], regions[:1], theirs[:1])
    second.update(results[1:], exemplars[1:], regions[1:], theirs[1:])
    first.merge(second)
    assert first.compute().mean == pytest.approx(once.compute().mean, rel=1e-12)
    assert first.compute().count == 3
