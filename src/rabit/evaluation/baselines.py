"""What a translation has to be better than: results that need no network."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.data.batch import Batch

COPIED = "exemplar copied"
MEAN_COLOURS = "class mean colours"
BASELINES = frozenset({COPIED, MEAN_COLOURS})


def exemplar_copied(batch: Batch) -> Float[Tensor, "B 3 H W"]:
    """Returns the exemplars as they are."""
    return batch.exemplar


def class_mean_colours(batch: Batch) -> Float[Tensor, "B 3 H W"]:
    """Paints each class with the mean colour that it has in the exemplar.

    Classes that the exemplar lacks get its overall mean colour.
    """
    theirs = batch.exemplar_condition.channels.flatten(2)
    colours = batch.exemplar.flatten(2)
    pixels: Float[Tensor, "B C 1"] = theirs.sum(dim=2, keepdim=True)
    means = torch.einsum("bcp,bdp->bcd", theirs, colours) / pixels.clamp(min=1)
    overall = colours.mean(dim=2)[:, None]
    means = torch.where(pixels > 0, means, overall)
    return torch.einsum("bchw,bcd->bdhw", batch.condition.channels, means)
