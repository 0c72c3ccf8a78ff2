"""Sample grids: how far a run has come, to look at."""

from __future__ import annotations

import torch

from rabit.config import Kind
from rabit.data.batch import Batch
from rabit.data.images import to_image
from rabit.data.pictures import (
    Pixels,
    condition_pixels,
    confidence_pixels,
    grid,
)
from rabit.model.network import NetworkOutput, TranslationNetwork
from rabit.training.validation import SEED, evaluating

TITLES = ("condition", "exemplar", "warped exemplar", "confidence", "result", "truth")


def sample_grid(network: TranslationNetwork, batch: Batch, kind: Kind = "semantic") -> Pixels:
    """Translates a batch in evaluation mode and lays it out, one row a sample.

    The random state of the training stays as it was, whether or not a grid is drawn.

    Args:
        network: every module's mode is restored afterwards.
        batch: on the network's device.
        kind: of its conditions.

    Returns:
        Condition, exemplar, warped exemplar, confidence, result and truth side by side.
    """
    device = batch.exemplar.device
    cuda = [device] if device.type == "cuda" else []
    with evaluating(network), torch.no_grad(), torch.random.fork_rng(cuda):
        torch.manual_seed(SEED)
        output = network(batch.condition, batch.exemplar, batch.exemplar_condition)
    return output_grid(output, batch, kind)


def output_grid(output: NetworkOutput, batch: Batch, kind: Kind = "semantic") -> Pixels:
    """Lays out what a network made of a batch, one row a sample."""
    alignment = output.alignment
    rows = []
    for i in range(batch.exemplar.shape[0]):
        rows.append(
            [
                condition_pixels(batch.condition.channels[i], kind),
                to_image(batch.exemplar[i]),
                to_image(alignment.warped_exemplar[i]),
                confidence_pixels(alignment.confidence[i], batch.condition.size),
                to_image(output.image[i]),
                to_image(batch.truth[i]),
            ]
        )
    return grid(rows, TITLES)
