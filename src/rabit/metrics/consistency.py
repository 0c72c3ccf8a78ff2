"""Semantic consistency with the truth and style consistency with the exemplar (Tables 2 and 5)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.layers.vgg import Vgg
from rabit.metrics.regions import (
    RegionStatistics,
    check_regions,
    cosine,
    region_statistics,
)
from rabit.metrics.running import Estimate, RunningMean, check_pair

Reading = Literal["region", "plain"]
Statistic = Literal["mean", "deviation"]


class SemanticConsistency:
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

    def __init__(self, backbone: Vgg, layer: str = "relu5_2", reading: Reading = "region") -> None:
        backbone.check((layer,))
        _check_name("reading", reading, get_args(Reading))
        self.backbone = backbone
        self.layer = layer
        self.reading = reading
        self.running = RunningMean()

    @property
    def label(self) -> str:
        """What reports call the figure: it names the reading and the network."""
        return f"semantic consistency, {_WORDS[self.reading]}, {self.layer} ({self.backbone.label})"

    @torch.no_grad()
    def update(
        self,
        images: Float[Tensor, "B 3 H W"],
        truth: Float[Tensor, "B 3 H W"],
        regions: Int[Tensor, "B H W"] | None = None,
    ) -> None:
        """Measures a batch.

        Args:
            images: results in [-1, 1].
            truth: the photographs that the conditions belong to, in [-1, 1].
            regions: ids of the conditions' regions; only the region reading needs them.

        Raises:
            ValueError: shapes or ranges do not fit, or regions are missing.
        """
        check_pair(images, truth)
        maps = check_regions(images, (regions,)) if self.reading == "region" else []
        ours, theirs = (self.backbone(x, (self.layer,))[self.layer] for x in (images, truth))
        if self.reading == "plain":
            alike = cosine(*(x.double().permute(0, 2, 3, 1) for x in (ours, theirs)))
            self.running.add(alike.mean(dim=(1, 2)))
            return
        for a, b, ids in zip(ours, theirs, maps[0], strict=True):
            self.running.add(_weighted(region_statistics(a, ids), region_statistics(b, ids)))

    def compute(self) -> Estimate:
        """Returns the mean over all images so far."""
        return self.running.estimate()


class StyleConsistency:
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
        backbone: Vgg,
        layer: str = "relu1_2",
        statistic: Statistic = "mean",
        reading: Reading = "region",
    ) -> None:
        backbone.check((layer,))
        _check_name("statistic", statistic, get_args(Statistic))
        _check_name("reading", reading, get_args(Reading))
        self.backbone = backbone
        self.layer = layer
        self.statistic = statistic
        self.reading = reading
        self.running = RunningMean()

    @property
    def label(self) -> str:
        """What reports call the figure: it names the statistic, the reading and the network."""
        return (
            f"style consistency of {self.statistic}s, {_WORDS[self.reading]}, {self.layer} "
            f"({self.backbone.label})"
        )

    @torch.no_grad()
    def update(
        self,
        images: Float[Tensor, "B 3 H W"],
        exemplars: Float[Tensor, "B 3 H W"],
        regions: Int[Tensor, "B H W"] | None = None,
        exemplar_regions: Int[Tensor, "B H W"] | None = None,
    ) -> None:
        """Measures a batch.

        Args:
            images: results in [-1, 1].
            exemplars: in [-1, 1].
            regions: ids of the conditions' regions; only the region reading needs them.
            exemplar_regions: ids of the regions of the exemplars' own conditions.

        Raises:
            ValueError: shapes or ranges do not fit, or regions are missing.
        """
        check_pair(images, exemplars, "exemplars")
        if self.reading == "plain":
            whole = torch.zeros_like(images[:, 0], dtype=torch.long)
            maps = [whole, whole]
        else:
            maps = check_regions(images, (regions, exemplar_regions))
        ours, theirs = (self.backbone(x, (self.layer,))[self.layer] for x in (images, exemplars))
        for a, b, ids, exemplar_ids in zip(ours, theirs, *maps, strict=True):
            measured = region_statistics(a, ids), region_statistics(b, exemplar_ids)
            self.running.add(_weighted(*measured, self.statistic))

    def compute(self) -> Estimate:
        """Returns the mean over all images so far.

        Raises:
            ValueError: there was no image, or none with a region that its exemplar shares.
        """
        return self.running.estimate()


_WORDS: dict[Reading, str] = {"region": "by region", "plain": "plain"}


def _weighted(
    ours: RegionStatistics, theirs: RegionStatistics, statistic: Statistic = "mean"
) -> Float[Tensor, " 1"]:
    """Averages the cosines of shared regions by our areas; empty if there is none."""
    rows, columns = torch.nonzero(ours.ids[:, None] == theirs.ids, as_tuple=True)
    a, b = (s.means if statistic == "mean" else s.deviations for s in (ours, theirs))
    areas = ours.areas[rows]
    if len(areas) == 0:
        return areas
    return ((cosine(a[rows], b[columns]) * areas).sum() / areas.sum())[None]


def _check_name(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ValueError(f"{kind} {name!r}, expected {' or '.join(known)}")
