"""A perceptual distance: LPIPS's arithmetic on whatever feature network is at hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.layers.features import FeatureNetwork
from rabit.metrics.running import PerImage, check_pair

LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_1")
"""One layer a stage that VGG-19, its distilled form and the random network all have."""


class FeatureDistance(PerImage, ABC):
    """A distance between features of images and of the truth, per image, then averaged.

    Args:
        backbone: the feature network, in evaluation mode.
        layers: names of its layers.

    Raises:
        ValueError: the backbone has no such layer.
    """

    def __init__(self, backbone: FeatureNetwork, layers: tuple[str, ...]) -> None:
        super().__init__()
        backbone.check(layers)
        self.backbone = backbone
        self.layers = layers

    @property
    @abstractmethod
    def label(self) -> str:
        """What reports call the figure: it names the feature network."""

    @abstractmethod
    def compare(
        self,
        ours: Mapping[str, Float[Tensor, "B C h w"]],
        theirs: Mapping[str, Float[Tensor, "B C h w"]],
    ) -> Float[Tensor, " B"]:
        """Returns the distance of each image from the backbone's features, which others may share.

        Args:
            ours: of images, by layer; `layers` must be among them.
            theirs: of the truth.
        """

    @torch.no_grad()
    def measure(
        self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]
    ) -> Float[Tensor, " B"]:
        """Returns the distance of each image in [-1, 1] to the truth, float64.

        Raises:
            ValueError: the shapes or ranges do not fit.
        """
        check_pair(images, truth)
        return self.compare(*(self.backbone(x.float(), self.layers) for x in (images, truth)))

    def update(self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> None:
        """Measures a batch of images in [-1, 1] and takes the figures into the mean.

        Raises:
            ValueError: the shapes or ranges do not fit.
        """
        self.running.add(self.measure(images, truth))


class PerceptualDistance(FeatureDistance):
    """Distance between the features of images and of the truth, per image, then averaged.

    Sum over layers of the mean over positions of |f/|f| - g/|g||², with f and g the channels at a
    position. This is LPIPS (Zhang et al. 2018, Eq. 1) without its learned weights of channels, so
    figures are no LPIPS and comparable only under the same `label`. Between 0, for equal images,
    and 2 a layer; lower is better.

    Args:
        backbone: the feature network, in evaluation mode.
        layers: names of its layers.

    Raises:
        ValueError: the backbone has no such layer.
    """

    def __init__(self, backbone: FeatureNetwork, layers: tuple[str, ...] = LAYERS) -> None:
        super().__init__(backbone, layers)

    @property
    def label(self) -> str:
        """What reports call the figure: it names the feature network."""
        return f"perceptual distance ({self.backbone.label})"

    def compare(
        self,
        ours: Mapping[str, Float[Tensor, "B C h w"]],
        theirs: Mapping[str, Float[Tensor, "B C h w"]],
    ) -> Float[Tensor, " B"]:
        """Returns the distance of each image from features by layer; see `FeatureDistance`."""
        return features_apart(*({k: x[k] for k in self.layers} for x in (ours, theirs))).double()


@torch.no_grad()
def perceptual_distance(
    backbone: FeatureNetwork,
    images: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    layers: tuple[str, ...] = LAYERS,
) -> Float[Tensor, " B"]:
    """Returns the distance of each image in [-1, 1] to the truth."""
    return features_apart(backbone(images, layers), backbone(truth, layers))


def features_apart(
    ours: Mapping[str, Float[Tensor, "B C h w"]], theirs: Mapping[str, Float[Tensor, "B C h w"]]
) -> Float[Tensor, " B"]:
    """Returns the perceptual distance of images whose features are known, by layer."""
    apart = [
        (unit(ours[layer]) - unit(theirs[layer])).square().sum(dim=1).mean(dim=(1, 2))
        for layer in ours
    ]
    return torch.stack(apart).sum(dim=0)


def unit(features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Scales the channels at each position to length 1; zeros stay zeros."""
    # A twentieth of the time of `norm`, which reads channels one stride after the other.
    lengths = (features * features).sum(dim=1, keepdim=True).sqrt()
    return features / (lengths + 1e-10)
