"""Networks for figures that need no file."""

from __future__ import annotations

from rabit.evaluation.measure import Networks
from rabit.layers.perceptual import random_backbone
from rabit.metrics.frechet import vgg_extractor


def random_networks(seed: int = 0) -> Networks:
    """Returns the random backbone, and the Fréchet distance's extractor on it."""
    backbone = random_backbone(seed)
    return Networks(backbone, (vgg_extractor(backbone),), {})
