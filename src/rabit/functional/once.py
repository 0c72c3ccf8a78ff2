"""Gradients that have no gradient themselves, and say so."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def first_order(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Marks the backward pass of an autograd function as one that cannot be differentiated.

    torch's `once_differentiable` refuses only where the incoming gradient has a gradient: of a loss
    that is linear in the function's output, the second derivatives would silently lack a part.

    Args:
        backward: of a `torch.autograd.Function`: a context and gradients, to gradients or None.

    Returns:
        The same; where a graph of the gradients is made, going through it raises a RuntimeError.
    """

    @functools.wraps(backward)
    def once(ctx: Any, *grads: Any) -> Any:
        with torch.no_grad():
            found = backward(ctx, *grads)
        several = isinstance(found, tuple)
        gradients = list(found) if several else [found]
        tensors = [each for each in gradients if each is not None]
        if not torch.is_grad_enabled() or not tensors:
            return found
        marked = iter(_Ended.apply(torch.ones((), requires_grad=True), *tensors))
        gradients = [None if each is None else next(marked) for each in gradients]
        return tuple(gradients) if several else gradients[0]

    return once


class _Ended(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, key: Tensor, *gradients: Tensor) -> tuple[Tensor, ...]:
        return tuple(each.view_as(each) for each in gradients)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise RuntimeError(
            "a gradient of RABIT's rankings and correspondences has no gradient itself: they are "
            "differentiable once. Take second derivatives of what is not behind them"
        )
