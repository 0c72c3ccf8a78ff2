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
        confidence: (B, 1, H/s, W/s) CMAP in [0, 1], s the stride; ones without alignment.
        correspondence: what was built; None without alignment.
    """

    condition_features: FeaturePyramid
    exemplar_features: FeaturePyramid
    warped_features: FeaturePyramid
    confidence: Float[Tensor, "B 1 Hs Ws"]
    correspondence: Correspondence | None

    @property
    def stride(self) -> int:
        """Factor s between the images' sides and the correspondence's."""
        return self.condition_features.x1.shape[-1] // self.confidence.shape[-1]

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
        stride: factor between the images' sides and the correspondence's, 2 or 4.
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
        stride: int,
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
        self.stride = stride
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

        Raises:
            ValueError: a side of what is matched is no multiple of the correspondence's stride.
        """
        x, z = self._pyramids(condition, exemplar)
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
    ) -> tuple[Float[Tensor, "B D Hs Ws"], Float[Tensor, "B D Hzs Wzs"]]:
        """Returns what both sides compare; arguments as for a forward pass.

        Raises:
            ValueError: the network has no alignment, or as for a forward pass.
        """
        if self.head is None:
            raise ValueError("this model has no alignment, so its sides compare nothing")
        x, z = self._pyramids(condition, exemplar)
        return self._both_vectors(x, z, condition, exemplar_condition)

    def _pyramids(
        self, condition: Condition, exemplar: Tensor
    ) -> tuple[FeaturePyramid, FeaturePyramid]:
        """Returns the features of both sides."""
        if self.head is not None:
            self._check_size(condition.channels, "condition")
            self._check_size(exemplar, "exemplar")
        return self.condition_extractor(condition.channels), self.exemplar_extractor(exemplar)

    def _check_size(self, images: Tensor, name: str) -> None:
        height, width = images.shape[-2:]
        if height % self.stride or width % self.stride:
            raise ValueError(
                f"{name} is {height}x{width} (height x width), expected multiples of the "
                f"correspondence's stride, {self.stride}; resize or pad it first"
            )

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
        """Returns what one side compares, at the correspondence's size."""
        assert self.head is not None
        if self.stride > 2:  # x6 is at half of the image's sides
            features = F.avg_pool2d(features, self.stride // 2)
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

    def _unaligned(self, x: FeaturePyramid, z: FeaturePyramid) -> Alignment:
        """Hands the exemplar's pyramid on where it is, resized if the sizes differ."""
        pairs = [(z.scale(i), x.scale(i).shape[-2:]) for i in range(1, 6)]
        features = [
            v if v.shape[-2:] == size else F.interpolate(v, size=size, mode="nearest")
            for v, size in pairs
        ]
        height, width = (side // self.stride for side in x.x1.shape[-2:])
        confidence = x.x2.new_ones((x.x2.shape[0], 1, height, width))
        return Alignment(x, z, FeaturePyramid(*features), confidence, None)


def resize_regions(regions: Int[Tensor, "B H W"], size: tuple[int, int]) -> Int[Tensor, "B h w"]:
    """Returns a map of ids at another size, by nearest neighbours."""
    return F.interpolate(regions[:, None].double(), size=size, mode="nearest")[:, 0].long()


def warp_pyramid(correspondence: Correspondence, z: FeaturePyramid) -> FeaturePyramid:
    """Warps the exemplar's image and features x2 to x5 with one gather (T · Z).

    Finer values than the correspondence travel with it pixel by pixel (space to depth), coarser
    ones are repeated, warped and averaged.

    Args:
        correspondence: between feature maps of the images' sides divided by 2 or 4.
        z: the exemplar's pyramid.

    Returns:
        The pyramid at the condition's sizes, without x6.
    """
    size = correspondence.exemplar_size
    scales = [z.scale(i) for i in range(1, 6)]
    # A position's channels side by side: a CPU copies blocks of them ten times faster.
    parts = [_brought_to(v, size).movedim(1, -1) for v in scales]
    values = torch.cat(parts, dim=-1).movedim(-1, 1)
    warped = correspondence.warp(values).split([v.shape[-1] for v in parts], dim=1)
    return FeaturePyramid(
        *(_brought_back(w, size[1], v.shape[3]) for w, v in zip(warped, scales, strict=True))
    )


def _brought_to(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns values of the exemplar at the correspondence's size, none of them lost."""
    width = values.shape[3]
    if width < size[1]:
        return F.interpolate(values, size=size, mode="nearest")
    return values if width == size[1] else F.pixel_unshuffle(values, width // size[1])


def _brought_back(warped: Tensor, width: int, given: int) -> Tensor:
    """Undoes `_brought_to`, which brought values of a width of `given` to `width`."""
    if given < width:
        return F.avg_pool2d(warped, width // given)
    return warped if given == width else F.pixel_shuffle(warped, given // width)
