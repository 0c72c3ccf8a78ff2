"""How much results of one condition differ between exemplars."""

from __future__ import annotations

from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.layers.vgg import Vgg
from rabit.metrics.perceptual import LAYERS, features_apart
from rabit.metrics.running import Estimate, RunningMean, check_images


class Diversity:
    """Mean perceptual distance between the results of one condition, then over conditions.

    Of the E results of a condition with E exemplars, the mean over the E·(E - 1)/2 pairs; the
    paper takes three exemplars and LPIPS (4.2), whose place `PerceptualDistance` takes here, so
    figures are no LPIPS. From 0, for results that do not depend on the exemplar, to 2 a layer;
    higher is better as long as results are good: noise is diverse too.

    Args:
        backbone: the feature network, in evaluation mode.
        layers: names of its layers.

    Raises:
        ValueError: the backbone has no such layer.
    """

    def __init__(self, backbone: Vgg, layers: tuple[str, ...] = LAYERS) -> None:
        backbone.check(layers)
        self.backbone = backbone
        self.layers = layers
        self.running = RunningMean()

    @property
    def label(self) -> str:
        """What reports call the figure: it names the feature network."""
        return f"diversity, perceptual distance ({self.backbone.label})"

    @torch.no_grad()
    def update(self, images: Float[Tensor, "E 3 H W"]) -> None:
        """Measures the results of one condition, one an exemplar, in [-1, 1].

        Raises:
            ValueError: there are less than two, or shape or range do not fit.
        """
        check_images(images)
        if len(images) < 2:
            raise ValueError(
                "1 result of the condition, expected at least 2, one for each of its exemplars"
            )
        features = self.backbone(images, self.layers)
        first, second = zip(*combinations(range(len(images)), 2), strict=True)
        apart = features_apart(
            {layer: features[layer][list(first)] for layer in self.layers},
            {layer: features[layer][list(second)] for layer in self.layers},
        )
        self.running.add(apart.double().mean()[None])

    def compute(self) -> Estimate:
        """Returns the mean over all conditions so far."""
        return self.running.estimate()
