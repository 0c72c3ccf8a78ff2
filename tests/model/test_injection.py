"""Confidence feature injection follows its formula."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from rabit.model.injection import ConcatInjection, ConfidenceInjection, resize_guides


def test_confidence_injection_is_the_papers_formula() -> None:
    inject = ConfidenceInjection(3, 4, 5)
    condition, warped = torch.randn(2, 3, 6, 6), torch.randn(2, 4, 6, 6)
    cmap = torch.rand(2, 1, 6, 6)
    x, z = inject.condition_in(condition), inject.warped_in(warped)
    fused = x * (1 - cmap) + z * cmap
    m = torch.sigmoid(inject.weigh[2](F.leaky_relu(inject.weigh[0](fused), 0.2)))
    torch.testing.assert_close(inject(condition, warped, cmap), x * (1 - m) + z * m)


def test_concatenation_ignores_the_confidence() -> None:
    inject = ConcatInjection(3, 4)
    condition, warped = torch.randn(1, 3, 2, 2), torch.randn(1, 4, 2, 2)
    result = inject(condition, warped, torch.rand(1, 1, 2, 2))
    assert inject.channels == 7 and torch.equal(result, torch.cat([condition, warped], dim=1))


def test_guides_are_resized_by_nearest_neighbours() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    small, _, _ = resize_guides((x, x, x), (2, 2))
    assert small.flatten().tolist() == [0, 2, 8, 10]


def test_confidence_injection_runs_in_mixed_precision() -> None:
    inject = ConfidenceInjection(3, 4, 5)
    condition, warped = torch.randn(1, 3, 6, 6), torch.randn(1, 4, 6, 6)
    cmap = torch.rand(1, 1, 6, 6)
    whole = inject(condition, warped, cmap)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = inject(condition, warped, cmap)
    torch.testing.assert_close(mixed.float(), whole, rtol=0.05, atol=0.05)
