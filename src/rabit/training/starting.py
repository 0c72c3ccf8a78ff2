"""Weights of a trained model to start another training from."""

from __future__ import annotations

import torch
from torch import Tensor

from rabit.model.network import TranslationNetwork
from rabit.training.checkpoint import TrainState

# Of the weights: with less in common the other model is of another kind.
LEAST_SHARE = 0.5


def start_from(state: TrainState, model: TranslationNetwork, source: str) -> list[str]:
    """Copies a trained model's weights into a network that is to be trained, and its average.

    Those of the same name and shape are taken; others, such as the first layers of maps with
    another number of classes, start anew, and so does the discriminator, which no model has.

    Args:
        state: at step 0.
        model: whose weights are taken.
        source: what the model is called in an error.

    Returns:
        The names of the tensors that start anew.

    Raises:
        ValueError: less than half of the weights fit.
    """
    taken, anew, fitting, whole = model.state_dict(), [], 0, 0
    targets: list[dict[str, Tensor]] = [state.network.state_dict(), state.averaged.state_dict()]
    for name, own in targets[0].items():
        whole += own.numel()
        if name in taken and taken[name].shape == own.shape:
            fitting += own.numel()
        else:
            anew.append(name)
    if fitting < LEAST_SHARE * whole:
        raise ValueError(
            f"{source}: {100 * fitting // max(1, whole)} % of the network's weights are in it, "
            "expected half of them at least; start from a model of the same preset and widths"
        )
    with torch.no_grad():
        for target in targets:
            for name in target.keys() - set(anew):
                target[name].copy_(taken[name])
    return anew
