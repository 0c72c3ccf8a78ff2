"""How much results of one condition differ between exemplars."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.layers.features import FeatureNetwork
from rabit.metrics.perceptual import LAYERS, FeatureDistance, PerceptualDistance
from rabit.metrics.running import PerImage, check_images


class Diversity(PerImage):
    """Mean perceptual distance between the results of one condition, then over conditions.

    Of the E results of a condition with E exemplars, the mean over the E·(E - 1)/2 pairs; the
    paper takes three exemplars and LPIPS (4.2). `Diversity(Lpips(...))` is that; with a feature
    network instead, `PerceptualDistance` takes LPIPS's place and figures are no LPIPS. From 0, for
    results that do not depend on the exemplar, to 2 a layer; higher is better as long as results
    are good: noise is diverse too.

    Args:
        distance: what compares two results, or the feature network of a `PerceptualDistance`.
        layers: names of the network's layers; a distance brings its own.

    Raises:
        ValueError: the network has no such layer.
    """

    def __init__(
        self, distance: FeatureDistance | FeatureNetwork, layers: tuple[str, ...] = LAYERS
    ) -> None:
        super().__init__()
        if not isinstance(distance, FeatureDistance):
            distance = PerceptualDistance(distance, layers)
        self.distance = distance
        self.layers = distance.layers

    @property
    def label(self) -> str:
        """What reports call the figure: it names the distance and its network."""
        return f"diversity, {self.distance.label}"

    @torch.no_grad()
    def measure(self, images: Float[Tensor, "E 3 H W"]) -> Float[Tensor, " 1"]:
        """Returns the figure of one condition, float64.

        Args:
            images: its results, one an exemplar, in [-1, 1].

        Raises:
            ValueError: there are less than two, or shape or range do not fit.
        """
        check_images(images)
        return self.compare(self.distance.backbone(images, self.layers))

    def compare(self, features: Mapping[str, Float[Tensor, "E C h w"]]) -> Float[Tensor, " 1"]:
        """Returns the figure of one condition from the backbone's features of its results.

        Args:
            features: by layer; `layers` must be among them.

        Raises:
            ValueError: they are of less than two results.
        """
        count = len(features[self.layers[0]])
        if count < 2:
            raise ValueError(
                f"{count} result of the condition, expected at least 2, one for each of its "
                "exemplars"
            )
        pairs = zip(*combinations(range(count), 2), strict=True)
        chosen = ({k: features[k][list(side)] for k in self.layers} for side in pairs)
        return self.distance.compare(*chosen).double().mean()[None]

    def update(self, images: Float[Tensor, "E 3 H W"]) -> None:
        """Measures the results of one condition and takes the figure into the mean."""
        self.running.add(self.measure(images))
