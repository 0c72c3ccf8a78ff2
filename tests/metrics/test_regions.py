from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rabit.metrics.regions import check_regions, cosine, region_statistics


@pytest.mark.parametrize(("height", "width"), [(4, 6), (3, 5), (16, 20), (1, 1)])
def test_statistics_are_those_of_resized_features(height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(5, height, width, generator=generator)
    regions = torch.randint(0, 3, (16, 20), generator=generator) * 7
    resized = F.interpolate(features[None], size=(16, 20), mode="nearest")[0].double().numpy()
    found = region_statistics(features, regions)
    assert found.ids.tolist() == [0, 7, 14]
    for row, number in enumerate((0, 7, 14)):
        inside = resized[:, regions.numpy() == number]
        assert float(found.areas[row]) == inside.shape[1]
        np.testing.assert_allclose(found.means[row].numpy(), inside.mean(axis=1), atol=1e-12)
        np.testing.assert_allclose(found.deviations[row].numpy(), inside.std(axis=1), atol=1e-7)


def test_one_region_is_the_whole_image() -> None:
    features = torch.randn(4, 8, 8)
    found = region_statistics(features, torch.zeros(8, 8, dtype=torch.long))
    torch.testing.assert_close(found.means[0].float(), features.mean(dim=(1, 2)))
    torch.testing.assert_close(found.deviations[0].float(), features.std((1, 2), correction=0))


def test_flat_regions_have_no_deviation() -> None:
    generator = torch.Generator().manual_seed(0)
    regions = torch.zeros(96, 96, dtype=torch.long)
    regions[:, 48:] = 1
    features = torch.rand(64, 96, 96, generator=generator)
    features[:, :, :48] = 3 * features[:, :1, :1]
    flat, textured = region_statistics(features, regions).deviations
    assert bool((flat == 0).all()) and bool((textured > 0.25).all())
    # Two flat regions are alike, and a flat one is like no texture.
    others = region_statistics(2 * features, regions).deviations
    assert cosine(flat, others[0]) == 1 and cosine(flat, others[1]) == 0
    # Rounding of float32 is no texture; a pixel's step of 8 bits is.
    features[5, 10, 10] *= 1 + 2**-22
    features[6, 20, 20] += 1 / 127.5
    flat = region_statistics(features, regions).deviations[0]
    assert torch.nonzero(flat).flatten().tolist() == [6]
    assert float(flat[6]) == pytest.approx(1 / 127.5 / math.sqrt(96 * 48), rel=1e-3)


def test_features_that_are_not_finite_keep_their_deviations() -> None:
    features = torch.full((2, 4, 4), torch.nan)
    found = region_statistics(features, torch.zeros(4, 4, dtype=torch.long))
    assert bool(found.deviations.isnan().all())


def test_cosines_and_zeros() -> None:
    a = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [2.0, 2.0]])
    b = torch.tensor([[4.0, 3.0], [0.0, 5.0], [0.0, 0.0], [1.0, 0.0], [-1.0, -1.0]])
    assert cosine(a, b).tolist() == pytest.approx([24 / 25, 0, 1, 0, -1])


def test_regions_that_do_not_fit_are_refused() -> None:
    images = torch.zeros(2, 3, 4, 5)
    fitting = torch.zeros(2, 4, 5, dtype=torch.uint8)
    assert check_regions(images, (fitting,))[0] is fitting
    for wrong in (fitting[:1], fitting.float(), fitting.transpose(1, 2)):
        with pytest.raises(ValueError, match=r"expected integers \(2, 4, 5\)"):
            check_regions(images, (fitting, wrong))
    with pytest.raises(ValueError, match="found none"):
        check_regions(images, (fitting, None))
