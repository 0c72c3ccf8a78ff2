from __future__ import annotations

import torch

from rabit.functional.softmax import truncated_softmax


def test_equals_softmax() -> None:
    torch.manual_seed(0)
    logits = 30 * torch.randn(5, 7, 40)
    weights = truncated_softmax(logits)
    assert torch.allclose(weights, logits.softmax(-1), atol=1e-7)
    # No denormal number is left.
    assert float(weights[weights > 0].min()) > 1e-20
    assert int((weights == 0).sum()) > 0


def test_gradient() -> None:
    torch.manual_seed(1)
    logits = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(truncated_softmax, logits)
