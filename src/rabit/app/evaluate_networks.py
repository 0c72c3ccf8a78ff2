"""The networks that `rabit evaluate` measures with, and what is left out for want of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from rabit.evaluation.extractors import OfJpeg
from rabit.evaluation.measure import Networks, digests
from rabit.layers.inception import load_inception
from rabit.layers.lpips import LPIPS_NETWORKS
from rabit.layers.perceptual import load_backbone
from rabit.layers.squeezenet import load_squeezenet
from rabit.layers.vgg import Vgg
from rabit.metrics.frechet import Extractor, vgg_extractor
from rabit.metrics.jpeg import QUALITY
from rabit.metrics.lpips import load_lpips
from rabit.metrics.perceptual import FeatureDistance
from rabit.metrics.weights import KNOWN_FILES, FoundWeights, find_weights

BACKBONES = ("random", "vgg19-distilled", "vgg19")


@dataclass(frozen=True)
class NetworkOptions:
    """Which networks figures read.

    Args:
        backbone: kind of the feature network of consistencies and distances.
        backbone_weights: its file.
        weights: folder of published networks' weights.
        jpeg: quality of the JPEG files that FID is measured on besides PNG.

    Raises:
        ValueError: the quality is another.
    """

    backbone: str | None = None
    backbone_weights: Path | None = None
    weights: Path | None = None
    jpeg: int = QUALITY

    def __post_init__(self) -> None:
        if not 1 <= self.jpeg <= 95:
            raise ValueError(f"--jpeg {self.jpeg}: expected a quality from 1 to 95")


@dataclass(frozen=True)
class OpenNetworks:
    """Networks that are loaded.

    Args:
        networks: for the figures.
        digests: SHA-256 of their weights, by label.
        missing: figures that are left out, and what they need.
    """

    networks: Networks
    digests: Mapping[str, str]
    missing: tuple[str, ...]


def open_networks(options: NetworkOptions, device: torch.device) -> OpenNetworks:
    """Loads what the options name, and all that the folder of weights has.

    The main extractor of distances between sets is Inception, or else SqueezeNet, or else the
    backbone.

    Raises:
        ValueError: a file is missing or of another network, or there is no such backbone.
    """
    found = find_weights(options.weights)
    backbone = _backbone(options, found.files).to(device)
    extractors: list[Extractor] = []
    others: list[str] = []
    if "inception" in found.files:
        inception = load_inception(found.files["inception"]).to(device)
        extractors += [inception, OfJpeg(inception, options.jpeg)]
        others += [] if inception.genuine else ["inception"]
    if "squeezenet" in found.files:
        extractors.append(load_squeezenet(found.files["squeezenet"]).to(device))
    extractors.append(vgg_extractor(backbone))
    distances: dict[str, FeatureDistance] = {}
    for name in LPIPS_NETWORKS:
        files = found.files.get(name), found.files.get(f"{name}-heads")
        if files[0] is not None and files[1] is not None:
            metric = load_lpips(name, files[0], files[1])
            assert isinstance(metric.backbone, nn.Module)
            metric.backbone.to(device)
            others += [] if metric.genuine else [name]
            # The name is LPIPS's only under the published weights, as the label.
            distances[f"lpips_{name}" if metric.genuine else f"weighted_{name}"] = metric
    networks = Networks(backbone, tuple(extractors), distances)
    missing = (*_missing(found, options.backbone), *(_other(key, found) for key in others))
    return OpenNetworks(networks, digests(networks), missing)


def _backbone(options: NetworkOptions, files: Mapping[str, Path]) -> Vgg:
    """Loads the named backbone, or the best that there are weights for."""
    kind, path = options.backbone, options.backbone_weights
    if kind is None:
        kind = next((each for each in ("vgg19", "vgg19-distilled") if each in files), "random")
    if kind not in BACKBONES:
        raise ValueError(f"--backbone {kind}: expected one of {', '.join(BACKBONES)}")
    backbone = load_backbone(kind, path or files.get(kind))
    assert backbone is not None
    return backbone


def _missing(found: FoundWeights, backbone: str | None) -> tuple[str, ...]:
    """Says what is left out for want of a network that figures are defined by.

    The backbone that was asked for is there, wherever its file lies. Of LPIPS's networks one is
    enough: where none is there the first is asked for, and where one is there without its heads,
    these are.
    """
    first, *others = LPIPS_NETWORKS
    there = [name for name in LPIPS_NETWORKS if name in found.files]
    unasked = {*others, *(f"{name}-heads" for name in LPIPS_NETWORKS if name not in there)}
    unasked |= {first} if there else set()
    unasked |= {backbone} if backbone is not None else set()
    return tuple(
        missing.message
        for missing in found.missing
        if missing.key not in unasked and not KNOWN_FILES[missing.key].stands_in_for
    )


def _other(key: str, found: FoundWeights) -> str:
    """Says what is left out because a file holds other weights than the published ones."""
    names = [str(found.files[each]) for each in (key, f"{key}-heads") if each in found.files]
    return (
        f"{', '.join(KNOWN_FILES[key].figures)}: left out, since {' or '.join(names)} holds other "
        "weights than the published file; what is measured with them is named after them"
    )
