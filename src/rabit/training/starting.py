"""Weights of a trained model, or of a run, to start another training from."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rabit.model.discriminator import Discriminator
from rabit.model.network import TranslationNetwork
from rabit.training.checkpoint import TrainState

# Of the weights: with less in common the other model is of another kind.
LEAST_SHARE = 0.5


def start_from(
    state: TrainState,
    network: TranslationNetwork,
    source: str,
    averaged: TranslationNetwork | None = None,
    discriminator: Discriminator | None = None,
) -> list[str]:
    """Copies trained weights into a training that is to start.

    Those of the same name and shape are taken; others, such as the first layers of maps with
    another number of classes, start anew.

    Args:
        state: at step 0.
        network: whose weights the network gets.
        source: what it is called in an error.
        averaged: whose weights the network's average gets; those of `network` if None.
        discriminator: whose weights the discriminator gets; it starts anew if None, as with a
            model, which has none.

    Returns:
        The names of the tensors that start anew, those of a discriminator that is given too.

    Raises:
        ValueError: less than half of the network's weights fit.
    """
    taken = network.state_dict()
    own = state.network.state_dict()
    anew = _unfitting(own, taken)
    whole = sum(each.numel() for each in own.values())
    fitting = whole - sum(own[name].numel() for name in anew)
    if fitting < LEAST_SHARE * whole:
        raise ValueError(
            f"{source}: {100 * fitting // max(1, whole)} % of the network's weights are in it, "
            "expected half of them at least; start from a model of the same preset and widths"
        )
    _copy(own, taken)
    _copy(state.averaged.state_dict(), (averaged or network).state_dict())
    if discriminator is not None:
        own, taken = state.discriminator.state_dict(), discriminator.state_dict()
        anew += [f"discriminator.{name}" for name in _unfitting(own, taken)]
        _copy(own, taken)
    return anew


def _unfitting(own: Mapping[str, Tensor], taken: Mapping[str, Tensor]) -> list[str]:
    """Returns the names of tensors that the others lack, or have in another shape."""
    return [name for name in own if name not in taken or taken[name].shape != own[name].shape]


@torch.no_grad()
def _copy(own: Mapping[str, Tensor], taken: Mapping[str, Tensor]) -> None:
    """Copies what fits, in place."""
    for name in own.keys() - set(_unfitting(own, taken)):
        own[name].copy_(taken[name])
