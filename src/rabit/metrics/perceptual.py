"""A perceptual distance: LPIPS's arithmetic on whatever feature network is at hand."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.layers.vgg import Vgg
from rabit.metrics.running import Estimate, RunningMean, check_pair

LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_1")
"""One layer a stage that VGG-19, its distilled form and the random network all have."""


class PerceptualDistance:
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

    def __init__(self, backbone: Vgg, layers: tuple[str, ...] = LAYERS) -> None:
        backbone.check(layers)
        self.backbone = backbone
        self.layers = layers
        self.running = RunningMean()

    @property
    def label(self) -> str:
        """What reports call the figure: it names the feature network."""
        return f"perceptual distance ({self.backbone.label})"

    def update(self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> None:
        """Measures a batch of images in [-1, 1].

        Raises:
            ValueError: the shapes or ranges do not fit.
        """
        check_pair(images, truth)
        self.running.add(perceptual_distance(self.backbone, images, truth, self.layers))

    def compute(self) -> Estimate:
        """Returns the mean over all images so far."""
        return self.running.estimate()


@torch.no_grad()
def perceptual_distance(
    backbone: Vgg,
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
    return features / (features.norm(dim=1, keepdim=True) + 1e-10)
