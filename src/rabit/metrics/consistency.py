"""Semantic consistency with the truth and style consistency with the exemplar (Tables 2 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.layers.features import FeatureNetwork
from rabit.metrics.regions import (
    RegionStatistics,
    check_maps,
    check_regions,
    cosine,
    region_statistics,
)
from rabit.metrics.running import PerImage, check_pair

Reading = Literal["region", "plain"]
Statistic = Literal["mean", "deviation"]


class SemanticConsistency(PerImage):
    """Cosine between deep features of results and of the truth, per image, then averaged.

    VGG_42 and VGG_52 are this at relu4_2 and relu5_2 of VGG-19. In two readings:

    - region: features are resized to the image (nearest) and averaged over each region of the
      condition, result and truth alike; the cosines of the regions, weighted by their areas. This
      is how the family of CoCosNet computes it, and what the tables' height (0.8) fits.
    - plain: the cosine of the channels at each position, averaged over positions, as the words of
      the paper have it (4.1); about 0.55 on models that the tables have at 0.8.

    Features behind a ReLU are not negative, so between 0 and 1; higher is better. Figures compare
    only under one `label`.

    Args:
        backbone: the feature network, in evaluation mode.
        layer: name of its layer; a distilled VGG-19 has none behind relu5_1.
        reading: region or plain.

    Raises:
        ValueError: the backbone has no such layer, or there is no such reading.
    """

    def __init__(
        self, backbone: FeatureNetwork, layer: str = "relu5_2", reading: Reading = "region"
    ) -> None:
        super().__init__()
        backbone.check((layer,))
        _check_name("reading", reading, get_args(Reading))
        self.backbone = backbone
        self.layer = layer
        self.reading = reading

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the backbone's layers that `compare` reads."""
        return (self.layer,)

    @property
    def label(self) -> str:
        """What reports call the figure: it names the reading and the network."""
        return f"semantic consistency, {_WORDS[self.reading]}, {self.layer} ({self.backbone.label})"

    @torch.no_grad()
    def measure(
        self,
        images: Float[Tensor, "B 3 H W"],
        truth: Float[Tensor, "B 3 H W"],
        regions: Int[Tensor, "B H W"] | None = None,
    ) -> Float[Tensor, " B"]:
        """Returns the figure of each image, float64.

        Args:
            images: results in [-1, 1].
            truth: the photographs that the conditions belong to, in [-1, 1].
            regions: ids of the conditions' regions; only the region reading needs them.

        Raises:
            ValueError: shapes or ranges do not fit, or regions are missing.
        """
        check_pair(images, truth)
        if self.reading == "region":
            check_regions(images, (regions,))
        ours, theirs = (self.backbone(x.float(), self.layers) for x in (images, truth))
        return self.compare(ours, theirs, regions)

    def compare(
        self,
        ours: Mapping[str, Float[Tensor, "B C h w"]],
        theirs: Mapping[str, Float[Tensor, "B C h w"]],
        regions: Int[Tensor, "B H W"] | None = None,
    ) -> Float[Tensor, " B"]:
        """Returns the figure of each image from the backbone's features, which others may share.

        Args:
            ours: of results, by layer; `layers` must be among them.
            theirs: of the truth.
            regions: as in `measure`.

        Raises:
            ValueError: regions are missing or do not fit.
        """
        a, b = ours[self.layer], theirs[self.layer]
        if self.reading == "plain":
            alike = cosine(*(x.double().permute(0, 2, 3, 1) for x in (a, b)))
            return alike.mean(dim=(1, 2))
        (maps,) = check_maps(len(a), (regions,))
        found = [
            _weighted(region_statistics(x, ids), region_statistics(y, ids))
            for x, y, ids in zip(a, b, maps, strict=True)
        ]
        return torch.cat(found)

    def update(
        self,
        images: Float[Tensor, "B 3 H W"],
        truth: Float[Tensor, "B 3 H W"],
        regions: Int[Tensor, "B H W"] | None = None,
    ) -> None:
        """Measures a batch and takes the figures into the mean; arguments as in `measure`."""
        self.running.add(self.measure(images, truth, regions))


class StyleConsistency(PerImage):
    """Cosine between statistics of shallow features of results and of exemplars, then averaged.

    VGG_M and VGG_V are this at relu1_2 of VGG-19, of the channels' means and of their standard
    deviations (4.1; the V notwithstanding, not of variances). In two readings:

    - plain: statistics over the whole image, as the words of the paper have it.
    - region: statistics over each region that both the condition and the exemplar's own condition
      have, the cosines weighted by the regions' areas in the condition, as the family of CoCosNet
      computes it. An image without a shared region is left out; the count says how many stayed.

    Between 0 and 1; higher is better, and read in differences: pictures of other styles are at 0.8
    to 0.97 already. A copy of the exemplar is at 1 in the plain reading, above every translation;
    by region it falls behind a true one, as far as the layouts differ. Figures compare only under
    one `label`.

    Args:
        backbone: the feature network, in evaluation mode.
        layer: name of its layer.
        statistic: mean (VGG_M) or deviation (VGG_V).
        reading: region or plain.

    Raises:
        ValueError: the backbone has no such layer, or there is no such statistic or reading.
    """

    def __init__(
        self,
        backbone: FeatureNetwork,
        layer: str = "relu1_2",
        statistic: Statistic = "mean",
        reading: Reading = "region",
    ) -> None:
        super().__init__()
        backbone.check((layer,))
        _check_name("statistic", statistic, get_args(Statistic))
        _check_name("reading", reading, get_args(Reading))
        self.backbone = backbone
        self.layer = layer
        self.statistic = statistic
        self.reading = reading

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the backbone's layers that `compare` reads."""
        return (self.layer,)

    @property
    def label(self) -> str:
        """What reports call the figure: it names the statistic, the reading and the network."""
        return (
            f"style consistency of {self.statistic}s, {_WORDS[self.reading]}, {self.layer} "
            f"({self.backbone.label})"
        )

    @torch.no_grad()
    def measure(
        self,
        images: Float[Tensor, "B 3 H W"],
        exemplars: Float[Tensor, "B 3 H W"],
        regions: Int[Tensor, "B H W"] | None = None,
        exemplar_regions: Int[Tensor, "B H W"] | None = None,
    ) -> Float[Tensor, " B"]:
        """Returns the figure of each image, float64.

        Args:
            images: results in [-1, 1].
            exemplars: in [-1, 1].
            regions: ids of the conditions' regions; only the region reading needs them.
            exemplar_regions: ids of the regions of the exemplars' own conditions.

        Returns:
            (B,) nan for an image that shares no region with its exemplar.

        Raises:
            ValueError: shapes or ranges do not fit, or regions are missing.
        """
        check_pair(images, exemplars, "exemplars")
        if self.reading == "region":
            check_regions(images, (regions, exemplar_regions))
        ours, theirs = (self.backbone(x.float(), self.layers) for x in (images, exemplars))
        return self.compare(ours, theirs, regions, exemplar_regions)

    def compare(
        self,
        ours: Mapping[str, Float[Tensor, "B C h w"]],
        theirs: Mapping[str, Float[Tensor, "B C h w"]],
        regions: Int[Tensor, "B H W"] | None = None,
        exemplar_regions: Int[Tensor, "B H W"] | None = None,
    ) -> Float[Tensor, " B"]:
        """Returns the figure of each image from the backbone's features, which others may share.

        Args:
            ours: of results, by layer; `layers` must be among them.
            theirs: of exemplars.
            regions: as in `measure`.
            exemplar_regions: as in `measure`.

        Returns:
            (B,) nan for an image that shares no region with its exemplar.

        Raises:
            ValueError: regions are missing or do not fit.
        """
        a, b = ours[self.layer], theirs[self.layer]
        if self.reading == "plain":
            maps = [torch.zeros_like(x[:, 0], dtype=torch.long) for x in (a, b)]
        else:
            maps = check_maps(len(a), (regions, exemplar_regions))
        found = [
            _weighted(region_statistics(x, here), region_statistics(y, there), self.statistic)
            for x, y, here, there in zip(a, b, *maps, strict=True)
        ]
        return torch.cat(found)

    def update(
        self,
        images: Float[Tensor, "B 3 H W"],
        exemplars: Float[Tensor, "B 3 H W"],
        regions: Int[Tensor, "B H W"] | None = None,
        exemplar_regions: Int[Tensor, "B H W"] | None = None,
    ) -> None:
        """Measures a batch and takes the figures into the mean; arguments as in `measure`."""
        figures = self.measure(images, exemplars, regions, exemplar_regions)
        self.running.add(figures[~figures.isnan()])


_WORDS: dict[Reading, str] = {"region": "by region", "plain": "plain"}


def _weighted(
    ours: RegionStatistics, theirs: RegionStatistics, statistic: Statistic = "mean"
) -> Float[Tensor, " 1"]:
    """Averages the cosines of shared regions by our areas; nan if there is none."""
    rows, columns = torch.nonzero(ours.ids[:, None] == theirs.ids, as_tuple=True)
    a, b = (s.means if statistic == "mean" else s.deviations for s in (ours, theirs))
    areas = ours.areas[rows]
    if len(areas) == 0:
        return areas.new_full((1,), torch.nan)
    average = (cosine(a[rows], b[columns]) * areas).sum() / areas.sum()
    if not bool(average.isfinite()):
        raise ValueError("features hold nan or infinity, expected finite numbers")
    return average[None]


def _check_name(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ValueError(f"{kind} {name!r}, expected {' or '.join(known)}")
