"""Figures of a batch's pictures, one a picture, and their features for distances between sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rabit.data.batch import Batch
from rabit.evaluation.quantities import Better, Quantity
from rabit.evaluation.results import Made
from rabit.layers.features import FeatureNetwork
from rabit.layers.weights import tensors_digest
from rabit.metrics.consistency import SemanticConsistency, StyleConsistency
from rabit.metrics.copied import Copied
from rabit.metrics.diversity import Diversity
from rabit.metrics.frechet import Extractor, PooledLayer
from rabit.metrics.lpips import Lpips
from rabit.metrics.perceptual import FeatureDistance, PerceptualDistance
from rabit.metrics.pixels import L1, MS_SSIM_SIDE, MsSsim, Psnr, Ssim

Features = Mapping[str, Mapping[str, Tensor]]
"""Of some pictures, by the label of the network and the name of the layer."""


@dataclass(frozen=True)
class Networks:
    """The networks that figures read.

    Args:
        backbone: of the consistencies, and of a perceptual distance.
        extractors: of the distances between sets, the main one first.
        distances: other perceptual distances, such as LPIPS, by the name of their figure.
    """

    backbone: FeatureNetwork
    extractors: tuple[Extractor, ...]
    distances: Mapping[str, FeatureDistance]


@dataclass(frozen=True)
class Inputs:
    """What all methods' pictures of a batch are compared with.

    Args:
        truth: features of the truths.
        exemplars: features of the exemplars.
        truth_figures: features of the truths for the distances between sets, and `paired`: 1 where
            the truth has the exemplar's look.
    """

    truth: Features
    exemplars: Features
    truth_figures: dict[str, Tensor]


def digests(networks: Networks) -> dict[str, str]:
    """Returns the SHA-256 of the weights of every network, by its label."""
    distances = networks.distances.values()
    every: list[Any] = [networks.backbone, *networks.extractors, *(d.backbone for d in distances)]
    found = {each.label: tensors_digest(each.state_dict()) for each in every}
    for metric in distances:
        if isinstance(metric, Lpips):
            heads = {str(number): heads for number, heads in enumerate(metric.heads.weights)}
            found[f"{metric.label}, heads"] = tensors_digest(heads)
    return found


class Measuring:
    """Measures pictures with one pass through every network.

    Args:
        networks: what figures read, on the device that batches are on.
        exemplars: of each condition, which stand one behind the other in batches.
        size: height and width of the pictures.
    """

    def __init__(self, networks: Networks, exemplars: int, size: tuple[int, int]) -> None:
        self.networks = networks
        self.exemplars = exemplars
        backbone = networks.backbone
        deepest = "relu5_2" if "relu5_2" in backbone.names else "relu5_1"
        self.semantic = {
            "semantic_42": SemanticConsistency(backbone, "relu4_2"),
            "semantic_52": SemanticConsistency(backbone, deepest),
            "semantic_42_plain": SemanticConsistency(backbone, "relu4_2", "plain"),
            "semantic_52_plain": SemanticConsistency(backbone, deepest, "plain"),
        }
        self.style = {
            "style_m": StyleConsistency(backbone, statistic="mean"),
            "style_v": StyleConsistency(backbone, statistic="deviation"),
            "style_m_plain": StyleConsistency(backbone, statistic="mean", reading="plain"),
            "style_v_plain": StyleConsistency(backbone, statistic="deviation", reading="plain"),
        }
        self.follows = {
            "style_m_own": self.style["style_m"],
            "style_v_own": self.style["style_v"],
        }
        self.copied = Copied()
        self.pixels: dict[str, Psnr | Ssim | MsSsim | L1] = {
            "psnr": Psnr(),
            "ssim": Ssim(),
            "l1": L1(),
        }
        if min(size) >= MS_SSIM_SIDE:
            self.pixels["ms_ssim"] = MsSsim()
        own: dict[str, FeatureDistance] = {"perceptual": PerceptualDistance(backbone)}
        self.distances = {**networks.distances, **own}
        # The first is the one that stands for the paper's LPIPS.
        self.diversity = {f"diversity_{n}": Diversity(d) for n, d in self.distances.items()}
        self.warped = Psnr()
        pooled = [e for e in networks.extractors if isinstance(e, PooledLayer)]
        read: list[Any] = [*self.semantic.values(), *self.distances.values(), *pooled]
        self._of_truth, self._of_exemplars = _reads(read), _reads(self.style.values())
        self._of_images = _reads([*read, *self.style.values()])

    @property
    def truth_names(self) -> frozenset[str]:
        """Names of the figures that `Inputs.truth_figures` holds."""
        return frozenset({"paired", *(feature_name(e) for e in self.networks.extractors)})

    def names(self, part: str) -> frozenset[str]:
        """Names of the figures that `measure` gives for a part of a test set."""
        features = (feature_name(extractor) for extractor in self.networks.extractors)
        return frozenset({*features, *(q.name for q in self.quantities(part))})

    def quantities(self, part: str) -> tuple[Quantity, ...]:
        """What is measured of each picture of a part of a test set."""
        return (
            *self._diversities(part),
            *self._consistencies(),
            *self._followings(part),
            *self._fidelities(part),
        )

    def _diversities(self, part: str) -> Iterable[Quantity]:
        """Distances between the results of a condition; only translations have several."""
        if not self._has_others(part):
            return
        for number, (name, metric) in enumerate(self.diversity.items()):
            heading = f"diversity, {_distance_heading(name.removeprefix('diversity_'))}"
            paper = None if number else "LPIPS"
            yield Quantity(name, heading, metric.label, "quality", "higher", 3, paper)

    def _consistencies(self) -> Iterable[Quantity]:
        """Quantities of Tables 2 and 5, and the share copied."""
        for name, semantic in self.semantic.items():
            number = name.split("_")[1]
            words = ", plain" if name.endswith("plain") else ""
            paper = None if words else f"VGG_{number}"
            heading = f"semantic {number}{words}"
            yield Quantity(name, heading, semantic.label, "consistency", "higher", 3, paper)
        for name, style in self.style.items():
            letter = name.split("_")[1].upper()
            words = ", plain" if name.endswith("plain") else ""
            paper = None if words else f"VGG_{letter}"
            yield Quantity(
                name, f"style {letter}{words}", style.label, "consistency", "higher", 3, paper
            )
        yield Quantity("copied", "copied", self.copied.label, "consistency", "neither", 3)

    def _followings(self, part: str) -> Iterable[Quantity]:
        """How much nearer results are to their own exemplar than to the condition's others."""
        if not self._has_others(part):
            return
        for name, style in self.follows.items():
            heading = f"style {name.split('_')[1].upper()}, own over others"
            label = f"own exemplar over the condition's others, {style.label}"
            yield Quantity(name, heading, label, "consistency", "higher", 4)

    def _has_others(self, part: str) -> bool:
        """Tells whether a part's conditions have several exemplars."""
        return part == "translation" and self.exemplars > 1

    def _fidelities(self, part: str) -> Iterable[Quantity]:
        """Quantities that need a truth with the exemplar's look."""
        paper = part == "manipulation"
        rows: list[tuple[str, str, str, Better, int]] = [
            ("psnr", "PSNR", "PSNR in dB", "higher", 2),
            ("ssim", "SSIM", "SSIM", "higher", 3),
            ("ms_ssim", "MS-SSIM", "MS-SSIM", "higher", 3),
            ("l1", "L1", "L1, of values in [0, 1]", "lower", 4),
        ]
        for name, heading, label, better, digits in rows:
            if name in self.pixels:
                own = heading if paper and name in ("psnr", "ssim") else None
                yield Quantity(name, heading, label, "fidelity", better, digits, own)
        for number, (name, metric) in enumerate(self.distances.items()):
            own = "LPIPS" if paper and number == 0 else None
            yield Quantity(name, _distance_heading(name), metric.label, "fidelity", "lower", 3, own)
        if part == "manipulation":
            for side in ("inside", "outside"):
                label = f"PSNR in dB {side} the edit: where its map and the photograph's "
                label += "differ" if side == "inside" else "agree"
                yield Quantity(f"psnr_{side}", f"PSNR, {side}", label, "fidelity", "higher", 2)
        label = "PSNR in dB of the warped exemplar"
        yield Quantity("warped_psnr", "PSNR, warped", label, "fidelity", "higher", 2)

    @torch.no_grad()
    def inputs(self, batch: Batch) -> Inputs:
        """Returns what a batch's pictures are compared with.

        Args:
            batch: on the networks' device.
        """
        truth = _features(self._of_truth, batch.truth)
        figures = self._for_sets(batch.truth, truth)
        figures["paired"] = batch.paired.double()
        return Inputs(truth, _features(self._of_exemplars, batch.exemplar), figures)

    @torch.no_grad()
    def measure(self, part: str, batch: Batch, inputs: Inputs, made: Made) -> dict[str, Tensor]:
        """Returns the figures of a batch's pictures.

        Args:
            part: of the test set.
            batch: what they were made from, on the networks' device.
            inputs: of the batch.
            made: the pictures.

        Returns:
            By name (B,) float64, nan where a picture has no such figure, and (B, D) features for
            the distances between sets.

        Raises:
            ValueError: shapes or ranges do not fit.
        """
        images = made.images.to(batch.truth.device)
        regions, theirs = batch.condition.regions, batch.exemplar_condition.regions
        ours = _features(self._of_images, images)
        own = ours[self.networks.backbone.label]
        truth, exemplars = (
            f[self.networks.backbone.label] for f in (inputs.truth, inputs.exemplars)
        )
        found = self._for_sets(images, ours)
        for name, semantic in self.semantic.items():
            found[name] = semantic.compare(own, truth, regions)
        for name, style in self.style.items():
            found[name] = style.compare(own, exemplars, regions, theirs)
        found["copied"] = self.copied.measure(images, batch.exemplar, regions, theirs)
        if self._has_others(part):
            for name, diversity in self.diversity.items():
                found[name] = self._diversity(diversity, ours)
            for name, style in self.follows.items():
                others = self._to_others(style, own, exemplars, regions, theirs)
                found[name] = found[name.removesuffix("_own")] - others
        found |= self._known(batch, inputs, images, ours)
        if part == "manipulation":
            edited = regions != theirs
            # Edges have no regions that could tell what is edited.
            known = batch.paired & ((regions > 0) | (theirs > 0)).flatten(1).any(dim=1)
            for name, where in (("psnr_inside", edited), ("psnr_outside", ~edited)):
                found[name] = psnr_where(images, batch.truth, where).where(known, torch.nan)
        found["warped_psnr"] = torch.full((len(images),), torch.nan, dtype=torch.float64)
        if made.warped is not None:
            warped = self.warped.measure(made.warped.to(images.device), batch.truth)
            found["warped_psnr"] = warped.where(batch.paired, torch.nan)
        return {name: value.cpu() for name, value in found.items()}

    def _for_sets(
        self, images: Float[Tensor, "B 3 H W"], features: Features
    ) -> dict[str, Float[Tensor, "B D"]]:
        """Returns the extractors' features, without a pass of their own where others share one."""
        found = {}
        for extractor in self.networks.extractors:
            if isinstance(extractor, PooledLayer):
                pooled = extractor.pooled(features[extractor.backbone.label])
            else:
                pooled = extractor(images)
            found[feature_name(extractor)] = pooled.float()
        return found

    def _known(
        self, batch: Batch, inputs: Inputs, images: Float[Tensor, "B 3 H W"], ours: Features
    ) -> dict[str, Tensor]:
        """Returns the figures that need a truth with the exemplar's look, nan without one."""
        found = {name: m.measure(images, batch.truth) for name, m in self.pixels.items()}
        for name, metric in self.distances.items():
            label = metric.backbone.label
            found[name] = metric.compare(ours[label], inputs.truth[label]).double()
        return {name: v.where(batch.paired.to(v.device), torch.nan) for name, v in found.items()}

    def _to_others(
        self,
        style: StyleConsistency,
        own: Mapping[str, Tensor],
        exemplars: Mapping[str, Tensor],
        regions: Int[Tensor, "B H W"],
        theirs: Int[Tensor, "B H W"],
    ) -> Float[Tensor, " B"]:
        """Returns each picture's mean style consistency to its condition's other exemplars."""
        numbers = torch.arange(len(regions), device=regions.device)
        found = []
        for step in range(1, self.exemplars):
            place = (numbers + step) % self.exemplars
            other = numbers - numbers % self.exemplars + place
            shown = {layer: features[other] for layer, features in exemplars.items()}
            found.append(style.compare(own, shown, regions, theirs[other]))
        return torch.stack(found).nanmean(dim=0)

    def _diversity(self, metric: Diversity, features: Features) -> Float[Tensor, " B"]:
        """Returns the diversity of each picture's condition."""
        own = features[metric.distance.backbone.label]
        count = len(next(iter(own.values())))
        found = []
        for first in range(0, count, self.exemplars):
            group = {layer: f[first : first + self.exemplars] for layer, f in own.items()}
            found.append(metric.compare(group).expand(self.exemplars))
        return torch.cat(found)


def psnr_where(
    images: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    where: Bool[Tensor, "B H W"],
) -> Float[Tensor, " B"]:
    """Returns the PSNR of some pixels of each image in [-1, 1], in decibels; nan without any."""
    errors = (images.double() - truth.double()).square().mean(dim=1)
    counts = where.flatten(1).sum(dim=1)
    error = (errors * where).flatten(1).sum(dim=1) / counts
    # As in `rabit.metrics.pixels.psnr`: the finest difference of a single value.
    return 10 * torch.log10(4 / error.maximum((2 / 255) ** 2 / (3 * counts)))


def feature_name(extractor: Extractor) -> str:
    """Returns the name of an extractor's features among a batch's figures."""
    return f"features_{slug(extractor.label)}"


def slug(label: str) -> str:
    """Returns a label as a part of names in files."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def _distance_heading(name: str) -> str:
    """Returns the heading of a perceptual distance."""
    if name == "perceptual":
        return "distance"
    return name.replace("weighted", "weighted distance").replace("lpips", "LPIPS").replace("_", " ")


def _reads(metrics: Iterable[Any]) -> dict[str, tuple[FeatureNetwork, tuple[str, ...]]]:
    """Returns the layers that metrics read, by the label of their network."""
    layers: dict[str, tuple[FeatureNetwork, tuple[str, ...]]] = {}
    for metric in metrics:
        network, known = layers.get(metric.backbone.label, (metric.backbone, ()))
        layers[network.label] = (network, tuple(dict.fromkeys((*known, *metric.layers))))
    return layers


def _features(
    reads: Mapping[str, tuple[FeatureNetwork, tuple[str, ...]]], images: Float[Tensor, "B 3 H W"]
) -> dict[str, dict[str, Tensor]]:
    return {label: network(images, layers) for label, (network, layers) in reads.items()}
