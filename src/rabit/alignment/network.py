"""The alignment network: features, matching and the warped exemplar at every scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from rabit.alignment.correspondence import Correspondence
from rabit.alignment.features import FeatureExtractor, FeaturePyramid
from rabit.alignment.head import MatchingHead, encode_position
from rabit.alignment.matching import correspond
from rabit.alignment.refiner import PatchMatchRefiner
from rabit.functional.condition import Condition


@dataclass(frozen=True)
class Alignment:
    """What the alignment network gives the generation network.

    Args:
        condition_features: the pyramid of F_X.
        exemplar_features: the pyramid of F_Z, not warped.
        warped_features: the exemplar's pyramid x1 (the image) to x5, warped to the condition.
        confidence: (B, 1, H/2, W/2) CMAP in [0, 1]; ones without alignment.
        correspondence: what was built; None without alignment.
    """

    condition_features: FeaturePyramid
    exemplar_features: FeaturePyramid
    warped_features: FeaturePyramid
    confidence: Float[Tensor, "B 1 H2 W2"]
    correspondence: Correspondence | None

    @property
    def warped_exemplar(self) -> Float[Tensor, "B 3 H W"]:
        """The exemplar's pixels, warped to the condition."""
        return self.warped_features.x1


class AlignmentNetwork(nn.Module):
    """Builds the correspondence between a condition and an exemplar (paper 3.1).

    Args:
        condition_extractor: F_X.
        exemplar_extractor: F_Z.
        head: the matching head; None for no alignment.
        method: correspondence method, see `rabit.alignment.correspond`; none for no alignment.
        position: semantic, image or none.
        components: whether connected components are regions of their own.
        radius: whether positions have a radius channel.
        options: options of the method.
        refiner: of the method patchmatch; None for the others, and for whole positions.
    """

    def __init__(
        self,
        condition_extractor: FeatureExtractor,
        exemplar_extractor: FeatureExtractor,
        head: MatchingHead | None,
        method: str,
        position: str,
        components: bool,
        radius: bool,
        options: dict[str, Any],
        refiner: PatchMatchRefiner | None = None,
    ) -> None:
        super().__init__()
        self.condition_extractor = condition_extractor
        self.exemplar_extractor = exemplar_extractor
        self.head = head
        self.method = method
        self.position = position
        self.components = components
        self.radius = radius
        self.options = options
        self.refiner = refiner

    def forward(
        self,
        condition: Condition,
        exemplar: Float[Tensor, "B 3 Hz Wz"],
        exemplar_condition: Condition | None,
    ) -> Alignment:
        """Matches and warps.

        Args:
            condition: (B, C, H, W), the sides multiples of the model's stride.
            exemplar: (B, 3, Hz, Wz) in [-1, 1]; its size may differ from the condition's.
            exemplar_condition: the exemplar's own condition; without it neither side's map is
                matched and both sides get one coordinate system for the image.

        Returns:
            Both pyramids, the warped pyramid, the confidence and the correspondence.
        """
        x = self.condition_extractor(condition.channels)
        z = self.exemplar_extractor(exemplar)
        if self.head is None:
            return self._unaligned(x, z)
        options = self.options
        if self.refiner is not None:
            options = options | {"refiner": self.refiner}
        correspondence = correspond(
            *self._both_vectors(x, z, condition, exemplar_condition), method=self.method, **options
        )
        return Alignment(
            x, z, warp_pyramid(correspondence, z), correspondence.confidence, correspondence
        )

    def vectors(
        self,
        condition: Condition,
        exemplar: Float[Tensor, "B 3 Hz Wz"],
        exemplar_condition: Condition | None,
    ) -> tuple[Float[Tensor, "B D H2 W2"], Float[Tensor, "B D Hz2 Wz2"]]:
        """Returns what both sides compare; arguments as for a forward pass.

        Raises:
            ValueError: the network has no alignment.
        """
        if self.head is None:
            raise ValueError("this model has no alignment, so its sides compare nothing")
        x, z = self.condition_extractor(condition.channels), self.exemplar_extractor(exemplar)
        return self._both_vectors(x, z, condition, exemplar_condition)

    def _both_vectors(
        self,
        x: FeaturePyramid,
        z: FeaturePyramid,
        condition: Condition,
        exemplar_condition: Condition | None,
    ) -> tuple[Tensor, Tensor]:
        assert x.x6 is not None and z.x6 is not None
        known = exemplar_condition is not None
        position = self.position if known or self.position == "none" else "image"
        return (
            self._vectors(x.x6, condition, position, known, exemplar=False),
            self._vectors(z.x6, exemplar_condition or condition, position, known, exemplar=True),
        )

    def _vectors(
        self, features: Tensor, condition: Condition, position: str, known: bool, exemplar: bool
    ) -> Tensor:
        """Returns what one side compares."""
        assert self.head is not None
        size = (features.shape[-2], features.shape[-1])
        regions = resize_regions(condition.regions, size)
        if known:
            channels = F.interpolate(condition.channels, size=size, mode="nearest")
        else:
            shape = (features.shape[0], condition.channels.shape[1], *size)
            channels = features.new_zeros(shape)
            regions = regions.new_zeros((features.shape[0], *size))
        encoded = encode_position(position, regions, components=self.components, radius=self.radius)
        if encoded is not None:
            encoded = encoded.to(features)
        out: Tensor = self.head(features, channels, encoded, exemplar)
        return out

    @staticmethod
    def _unaligned(x: FeaturePyramid, z: FeaturePyramid) -> Alignment:
        """Hands the exemplar's pyramid on where it is, resized if the sizes differ."""
        pairs = [(z.scale(i), x.scale(i).shape[-2:]) for i in range(1, 6)]
        features = [
            v if v.shape[-2:] == size else F.interpolate(v, size=size, mode="nearest")
            for v, size in pairs
        ]
        confidence = x.x2.new_ones((x.x2.shape[0], 1, *x.x2.shape[-2:]))
        return Alignment(x, z, FeaturePyramid(*features), confidence, None)


def resize_regions(regions: Int[Tensor, "B H W"], size: tuple[int, int]) -> Int[Tensor, "B h w"]:
    """Returns a map of ids at another size, by nearest neighbours."""
    return F.interpolate(regions[:, None].double(), size=size, mode="nearest")[:, 0].long()


def warp_pyramid(correspondence: Correspondence, z: FeaturePyramid) -> FeaturePyramid:
    """Warps the exemplar's image and features x2 to x5 with one gather (T · Z).

    Finer values than the correspondence travel with it pixel by pixel (space to depth), coarser
    ones are repeated, warped and averaged.

    Args:
        correspondence: between feature maps of half the images' sides.
        z: the exemplar's pyramid.

    Returns:
        The pyramid at the condition's sizes, without x6.
    """
    fine = F.pixel_unshuffle(z.x1, 2)
    up = (F.interpolate(v, size=z.x2.shape[-2:], mode="nearest") for v in (z.x4, z.x5))
    parts = [fine, z.x2, z.x3, *up]
    warped = correspondence.warp(torch.cat(parts, dim=1))
    w1, w2, w3, w4, w5 = warped.split([part.shape[1] for part in parts], dim=1)
    return FeaturePyramid(
        x1=F.pixel_shuffle(w1, 2),
        x2=w2,
        x3=w3,
        x4=F.avg_pool2d(w4, 2),
        x5=F.avg_pool2d(w5, 2),
    )
