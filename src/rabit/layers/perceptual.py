"""Perceptual backbones behind one interface: where their weights come from."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rabit.layers.vgg import (
    CAFFE,
    CENTRED,
    SMALL_WIDTHS,
    STAGES,
    TORCHVISION,
    UNIT,
    VGG19_WIDTHS,
    Preprocessing,
    Vgg,
)
from rabit.layers.weights import fill, read_tensors
from rabit.writing import file_digest

DISTILLED_STAGES = (2, 2, 4, 4, 1)
WITHOUT_FILE = ("random", "none")
"""Kinds of backbones that no file is read for."""
# First digits of the SHA-256 of files that hold Caffe's weights under torchvision's names
# (vgg19-d01eb7cb.pth).
CAFFE_DIGESTS = ("d01eb7cb",)
# Positions of the convolutions in torchvision's `features`.
TORCHVISION_INDICES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def load_backbone(kind: str, path: str | Path | None = None) -> Vgg | None:
    """Builds a frozen perceptual backbone.

    Args:
        kind: vgg19 (a file of torchvision's state dict or of the Caffe-derived weights),
            vgg19-distilled (a safetensors file), random (seeded weights, no file) or none.
        path: the weights' file, for the first two.

    Returns:
        The backbone in evaluation mode, or None for kind none.

    Raises:
        ValueError: the file is missing, unreadable or of another network, or there is one for a
            network without a file.
    """
    if kind in WITHOUT_FILE and path is not None:
        raise ValueError(
            f"--backbone-weights {path}: the perceptual backbone {kind} reads no file; say which "
            "network's weights these are, with --backbone vgg19 or --backbone vgg19-distilled"
        )
    if kind == "none":
        return None
    if kind == "random":
        return random_backbone()
    if path is None:
        raise ValueError(
            f"the perceptual backbone {kind} needs its weights: give their file with "
            "--backbone-weights FILE (vgg19: torchvision's vgg19 state dict or the Caffe-derived "
            "vgg19_conv.pth; vgg19-distilled: a safetensors file), or choose --backbone random"
        )
    weights = read_weights(Path(path))
    if kind == "vgg19-distilled":
        network = Vgg(
            "distilled VGG-19",
            SMALL_WIDTHS,
            UNIT,
            DISTILLED_STAGES,
            colour=True,
            padding_mode="reflect",
        )
        keys = [f"conv{s}{i}" for s, n in enumerate(DISTILLED_STAGES, 1) for i in range(1, n + 1)]
        targets = [network.colour, *network.convolutions]
        fill(dict(zip(["conv0", *keys], targets, strict=True)), weights, path, network.label)
        return network.eval()
    keys, preprocessing, source = _vgg19_layout(weights, path)
    network = Vgg(f"VGG-19 ({source})", VGG19_WIDTHS, preprocessing)
    fill(dict(zip(keys, network.convolutions, strict=True)), weights, path, network.label)
    return network.eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads a file of named tensors: safetensors, or a state dict without pickled classes, which
    may be the entry `model` of what was saved.

    Raises:
        ValueError: the file is missing or holds something else.
    """
    weights = read_tensors(path, "file of network weights")
    if isinstance(weights, dict) and isinstance(weights.get("model"), dict):
        weights = weights["model"]
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise ValueError(f"{path}: expected a state dict of tensors, found something else")
    return weights


def _vgg19_layout(
    weights: dict[str, Tensor], path: str | Path
) -> tuple[list[str], Preprocessing, str]:
    """Tells torchvision's VGG-19 from the Caffe-derived one.

    By the names of its tensors; a conversion of the Caffe weights that bears torchvision's names
    is known by its SHA-256. Another such conversion would be read as torchvision's: the label of
    the network says what was assumed.
    """
    prefix = "features." if "features.0.weight" in weights else ""
    if f"{prefix}0.weight" in weights:
        keys = [f"{prefix}{i}" for i in TORCHVISION_INDICES]
        if file_digest(Path(path)).startswith(CAFFE_DIGESTS):
            return keys, CAFFE, "Caffe"
        return keys, TORCHVISION, "torchvision"
    if "conv1_1.weight" in weights:
        keys = [f"conv{s}_{i}" for s, n in enumerate(STAGES, 1) for i in range(1, n + 1)]
        return keys, CAFFE, "Caffe"
    raise ValueError(
        f"{path}: not a VGG-19 that is known here; expected tensors named features.0.weight "
        "(torchvision) or conv1_1.weight (Caffe-derived), found "
        f"{', '.join(list(weights)[:3]) or 'none'}"
    )


def random_backbone(seed: int = 0) -> Vgg:
    """Builds a feature network whose weights are random but the same everywhere.

    Random filters keep texture and colour statistics apart well enough to train and to compare
    with where no trained network is at hand. Each layer is scaled on seeded smooth noise so that
    every channel answers with zero mean and unit variance in front of its ReLU; without that,
    deep random features of all images become alike.

    Args:
        seed: seed of the weights.

    Returns:
        The backbone in evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)
    network = Vgg(f"random VGG (seed {seed})", SMALL_WIDTHS, CENTRED)
    x = sum(
        F.interpolate(
            torch.randn(8, 3, side, side, generator=generator),
            size=64,
            mode="bilinear",
            align_corners=False,
        )
        for side in (2, 4, 8, 16, 32, 64)
    )
    assert isinstance(x, Tensor)
    x = x / x.std()
    for name, layer in zip(network.names, network.convolutions, strict=True):
        assert isinstance(layer, nn.Conv2d)
        if name in network.pooled:
            x = F.max_pool2d(x, 2)
        nn.init.normal_(layer.weight, generator=generator)
        assert layer.bias is not None
        answer = F.conv2d(x, layer.weight, padding=1)
        deviation, mean = torch.std_mean(answer, dim=(0, 2, 3))
        layer.weight.div_(deviation.view(-1, 1, 1, 1))
        layer.bias.copy_(-mean / deviation)
        x = F.relu(layer(x))
    return network.eval()
