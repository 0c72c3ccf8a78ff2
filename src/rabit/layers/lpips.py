"""The three networks of LPIPS, from torchvision's files: AlexNet, VGG-16 and SqueezeNet 1.1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from torch import nn

from rabit.layers.features import FeatureNetwork, Staged
from rabit.layers.perceptual import read_weights
from rabit.layers.squeezenet import FIRES, Fire
from rabit.layers.vgg import TORCHVISION, VGG19_WIDTHS, Vgg
from rabit.layers.weights import fill
from rabit.writing import file_digest

LpipsName = Literal["alex", "vgg", "squeeze"]
VGG16_STAGES = (2, 2, 3, 3, 3)
# Positions of the convolutions in torchvision's `features`.
VGG16_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
ALEX_INDICES = (0, 3, 6, 8, 10)
ALEX_WIDTHS = (64, 192, 384, 256, 256)
FIRE_INDICES = (3, 4, 6, 7, 9, 10, 11, 12)
# A network and its modules by the names of their tensors.
Built = tuple[FeatureNetwork, dict[str, nn.Module]]


@dataclass(frozen=True)
class LpipsNetwork:
    """One of LPIPS's networks.

    Args:
        label: what reports call it.
        digest: first digits of the SHA-256 of torchvision's file.
        heads_digest: of the file of the published weights of its channels, version 0.1.
        layers: names of what is compared.
        widths: channels of each layer.
    """

    label: str
    digest: str
    heads_digest: str
    layers: tuple[str, ...]
    widths: tuple[int, ...]


LPIPS_NETWORKS: Mapping[LpipsName, LpipsNetwork] = {
    "alex": LpipsNetwork(
        label="AlexNet",
        digest="7be5be79",
        heads_digest="df73285e",
        layers=("relu1", "relu2", "relu3", "relu4", "relu5"),
        widths=ALEX_WIDTHS,
    ),
    "vgg": LpipsNetwork(
        label="VGG-16",
        digest="397923af",
        heads_digest="a78928a0",
        layers=("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
        widths=VGG19_WIDTHS,
    ),
    "squeeze": LpipsNetwork(
        label="SqueezeNet 1.1",
        digest="b8a52dc0",
        heads_digest="4a5350f2",
        layers=("relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"),
        widths=(64, 128, 256, 384, 384, 512, 512),
    ),
}


@dataclass(frozen=True)
class LpipsBackbone:
    """A network of LPIPS with its weights.

    Args:
        name: which of the three.
        network: it, in evaluation mode.
        genuine: whether its file is torchvision's.
    """

    name: LpipsName
    network: FeatureNetwork
    genuine: bool


def load_lpips_backbone(name: LpipsName, path: str | Path) -> LpipsBackbone:
    """Builds one of LPIPS's networks from torchvision's file.

    Images in [-1, 1] become its input by LPIPS's scaling layer, which is torchvision's mean and
    deviation written for that range.

    Args:
        name: alex, vgg or squeeze.
        path: alexnet-owt-7be5be79.pth, vgg16-397923af.pth or squeezenet1_1-b8a52dc0.pth; a file of
            the same tensors with another SHA-256 is read too, but is not genuine. Classifiers are
            not read.

    Raises:
        ValueError: there is no such network, or the file is missing, unreadable or of another one.
    """
    check_lpips_name(name)
    known = LPIPS_NETWORKS[name]
    weights = read_weights(Path(path))
    genuine = file_digest(Path(path)).startswith(known.digest)
    label = known.label if genuine else f"{known.label}, other weights than LPIPS's"
    builders: dict[LpipsName, Callable[[str], Built]] = {
        "alex": _alexnet,
        "vgg": _vgg16,
        "squeeze": _squeezenet,
    }
    network, modules = builders[name](label)
    fill(modules, weights, path, f"{known.label} (by torchvision's names)")
    return LpipsBackbone(name, network, genuine)


def check_lpips_name(name: str) -> None:
    """Raises ValueError if LPIPS has no such network."""
    if name not in get_args(LpipsName):
        raise ValueError(f"no LPIPS network {name!r}, expected {', '.join(get_args(LpipsName))}")


def _vgg16(label: str) -> Built:
    network = Vgg(label, VGG19_WIDTHS, TORCHVISION, VGG16_STAGES)
    keys = [f"features.{i}" for i in VGG16_INDICES]
    return network.eval(), dict(zip(keys, network.convolutions, strict=True))


def _alexnet(label: str) -> Built:
    kernels, channels = (11, 5, 3, 3, 3), (3, *ALEX_WIDTHS)
    convolutions = [
        nn.Conv2d(channels[i], channels[i + 1], kernel, 4 if i == 0 else 1, 2 if i < 2 else 1)
        for i, kernel in enumerate(kernels)
    ]
    stages = {}
    for i, convolution in enumerate(convolutions):
        pool = [nn.MaxPool2d(3, stride=2)] if i in (1, 2) else []
        stages[f"relu{i + 1}"] = nn.Sequential(*pool, convolution, nn.ReLU())
    keys = [f"features.{i}" for i in ALEX_INDICES]
    # In smaller images the second pool finds nothing to read; so does SqueezeNet's third below 17.
    network = Staged(label, TORCHVISION, stages, smallest=31)
    return network.eval(), dict(zip(keys, convolutions, strict=True))


def _squeezenet(label: str) -> Built:
    stem = nn.Conv2d(3, 64, 3, stride=2)
    stages: dict[str, nn.Module] = {"relu1": nn.Sequential(stem, nn.ReLU())}
    modules: dict[str, nn.Module] = {"features.0": stem}
    channels = 64
    for number, (index, (squeeze, expand)) in enumerate(zip(FIRE_INDICES, FIRES, strict=True)):
        fire = Fire(channels, squeeze, expand)
        pooled = number in (0, 2, 4)
        stages[f"fire{number + 2}"] = nn.Sequential(
            *[nn.MaxPool2d(3, stride=2, ceil_mode=True)] if pooled else [], fire
        )
        modules[f"features.{index}.squeeze"] = fire.squeeze
        modules[f"features.{index}.expand1x1"] = fire.expand1
        modules[f"features.{index}.expand3x3"] = fire.expand3
        channels = 2 * expand
    return Staged(label, TORCHVISION, stages, smallest=17).eval(), modules
