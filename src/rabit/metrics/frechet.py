"""Fréchet distance between the features of results and of photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.features import FeatureNetwork
from rabit.layers.inception import Inception
from rabit.metrics.running import check_alike, check_images


class Extractor(Protocol):
    """What turns images in [-1, 1] into one vector of features an image."""

    label: str

    def __call__(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Returns the features."""


def distribution_label(extractor: Extractor, genuine: str, other: str) -> str:
    """Returns what reports call a distance of distributions.

    Args:
        extractor: whose features it compares.
        genuine: the name under the published Inception of 2015, such as FID.
        other: the name under every other network, which is named behind it.
    """
    if isinstance(extractor, Inception) and extractor.genuine:
        return genuine
    return f"{other} ({extractor.label})"


class FrechetDistance:
    """Distance between two sets of images, as Gaussians of their features.

    |m1 - m2|² + tr(C1 + C2 - 2·(C1·C2)^½) with the means m and covariances C of the features
    (Heusel et al. 2017, Eq. 6). At least 0; lower is better. Figures compare only under one
    `label`, and under one number of images: the fewer there are, the higher the distance
    comes out, the more so where they are fewer than the features. FID is this distance under
    Inception's 2015 weights (`rabit.layers.inception`); no other extractor's figure bears that
    name. Those of the published tables are of JPEG files on both sides (`rabit.metrics.jpeg`).

    Args:
        extractor: the feature network, such as `rabit.layers.inception.load_inception`,
            `rabit.layers.squeezenet.load_squeezenet` or `vgg_extractor` give.

    Example:
        >>> import torch
        >>> from rabit.layers.perceptual import random_backbone
        >>> distance = FrechetDistance(vgg_extractor(random_backbone(), "relu3_1"))
        >>> images = torch.rand(4, 3, 32, 32) * 2 - 1
        >>> distance.update(images, real=True)
        >>> distance.update(images, real=False)
        >>> round(distance.compute(), 6)
        0.0
    """

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor
        self.real, self.generated = RunningMoments(), RunningMoments()

    @property
    def label(self) -> str:
        """What reports call the figure: it names the feature network."""
        return distribution_label(self.extractor, "FID", "FD")

    @torch.no_grad()
    def update(self, images: Float[Tensor, "B 3 H W"], real: bool) -> None:
        """Takes in a batch of images in [-1, 1], photographs or results.

        Raises:
            ValueError: the shape or the range does not fit, or features are not finite.
        """
        check_images(images)
        self.add(self.extractor(images.float()), real)

    def add(self, features: Float[Tensor, "B D"], real: bool) -> None:
        """Takes in what the extractor gave for images, which others may share.

        Raises:
            ValueError: features are not finite, or of another length than those before.
        """
        (self.real if real else self.generated).add(features)

    def merge(self, other: FrechetDistance) -> None:
        """Takes in the images of another, such as that of another process.

        Raises:
            ValueError: it has another extractor.
        """
        check_alike(self, other)
        self.real.merge(other.real)
        self.generated.merge(other.generated)

    def compute(self) -> float:
        """Returns the distance of all images so far.

        Raises:
            ValueError: there are less than two images on a side.
        """
        return frechet_distance(
            self.real.mean,
            self.real.covariance("real"),
            self.generated.mean,
            self.generated.covariance("generated"),
        )


class RunningMoments:
    """Mean and covariance of a stream of vectors, in float64 and without keeping them.

    Groups are merged as in `RunningMean`.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor = torch.zeros(0, dtype=torch.float64)
        self.scatter: Tensor = torch.zeros(0, 0, dtype=torch.float64)

    def add(self, vectors: Float[Tensor, "B D"]) -> None:
        """Takes in vectors.

        Raises:
            ValueError: they are not finite, or of another length than those before.
        """
        vectors = vectors.detach().to("cpu", torch.float64)
        count, length = vectors.shape
        if not bool(torch.isfinite(vectors).all()):
            raise ValueError("features hold nan or infinity, expected finite numbers")
        if self.count == 0:
            self.mean = vectors.new_zeros(length)
            self.scatter = vectors.new_zeros(length, length)
        elif length != len(self.mean):
            raise ValueError(f"features of length {length}, expected {len(self.mean)} as before")
        if count == 0:
            return
        mean = vectors.mean(dim=0)
        centred = vectors - mean
        self._join(count, mean, centred.T @ centred)

    def merge(self, other: RunningMoments) -> None:
        """Takes in what another has taken in, such as that of another process.

        Raises:
            ValueError: its vectors are of another length.
        """
        if other.count == 0:
            return
        if self.count == 0:
            self.mean, self.scatter = other.mean.clone(), other.scatter.clone()
            self.count = other.count
            return
        if len(other.mean) != len(self.mean):
            raise ValueError(
                f"features of length {len(other.mean)}, expected {len(self.mean)} as before"
            )
        self._join(other.count, other.mean, other.scatter)

    def _join(self, count: int, mean: Float[Tensor, " D"], scatter: Float[Tensor, "D D"]) -> None:
        """Merges a group's count, mean and sum of outer products of deviations."""
        gap, total = mean - self.mean, self.count + count
        self.scatter = self.scatter + scatter
        self.scatter += torch.outer(gap, gap) * (self.count * count / total)
        self.mean = self.mean + gap * (count / total)
        self.count = total

    def covariance(self, name: str) -> Float[Tensor, "D D"]:
        """Returns the covariance, its sum divided by the count less one.

        Args:
            name: what errors call the images.

        Raises:
            ValueError: there are less than two.
        """
        if self.count < 2:
            raise ValueError(
                f"{self.count} {name} images were measured, expected at least 2 for a covariance"
            )
        return self.scatter / (self.count - 1)


def frechet_distance(
    mean1: Float[Tensor, " D"],
    cov1: Float[Tensor, "D D"],
    mean2: Float[Tensor, " D"],
    cov2: Float[Tensor, "D D"],
) -> float:
    """Returns |m1 - m2|² + tr(C1 + C2 - 2·(C1·C2)^½), in float64.

    With C = S·Sᵀ, tr (C1·C2)^½ is the sum of the singular values of S1ᵀ·S2. Both S come from
    eigenvalues, whose zeros stay zeros, so that covariances of any rank are exact and need no
    small number on their diagonal, as the square root of the product C1·C2 does.

    Args:
        mean1: (D,).
        cov1: (D, D), symmetric, no negative eigenvalues but by rounding.
        mean2: (D,).
        cov2: (D, D).

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
    """
    length = len(mean1)
    shapes = [tuple(t.shape) for t in (mean1, cov1, mean2, cov2)]
    if shapes != [(length,), (length, length)] * 2:
        raise ValueError(
            f"means and covariances are {', '.join(map(str, shapes))}, expected (D,), (D, D) twice"
        )
    mean1, cov1, mean2, cov2 = (t.double() for t in (mean1, cov1, mean2, cov2))
    if not all(bool(torch.isfinite(t).all()) for t in (mean1, cov1, mean2, cov2)):
        raise ValueError("means or covariances hold nan or infinity, expected finite numbers")
    shared = torch.linalg.svdvals(_square_root(cov1).T @ _square_root(cov2)).sum()
    apart = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * shared
    return max(float(apart), 0.0)


def _square_root(covariance: Float[Tensor, "D D"]) -> Float[Tensor, "D D"]:
    """Returns S with S·Sᵀ the covariance; what is below its rounding is taken for 0."""
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    finest = values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    return vectors * torch.where(values > finest, values, 0.0).sqrt()


class PooledLayer(nn.Module):
    """The mean over positions of one layer of a feature network: an `Extractor`.

    Args:
        backbone: the feature network.
        layer: name of its layer.

    Raises:
        ValueError: the backbone has no such layer.
    """

    def __init__(self, backbone: FeatureNetwork, layer: str) -> None:
        super().__init__()
        backbone.check((layer,))
        self.backbone = backbone
        self.layers = (layer,)
        self.label = f"{backbone.label}, mean of {layer}"

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Returns the features of images in [-1, 1]."""
        return self.pooled(self.backbone(images, self.layers))

    def pooled(self, features: Mapping[str, Float[Tensor, "B D h w"]]) -> Float[Tensor, "B D"]:
        """Returns the same from the backbone's features by layer, which others may share."""
        return features[self.layers[0]].mean(dim=(2, 3))


def vgg_extractor(backbone: FeatureNetwork, layer: str = "relu5_1") -> PooledLayer:
    """Builds an extractor of spatially averaged features, for `FrechetDistance`.

    Args:
        backbone: the feature network.
        layer: name of its layer; relu5_1 is the deepest that VGG-19, its distilled form and the
            random network share.

    Raises:
        ValueError: the backbone has no such layer.
    """
    return PooledLayer(backbone, layer)
