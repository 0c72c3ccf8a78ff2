"""LPIPS: a perceptual distance whose channels have learned weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.layers.lpips import (
    LPIPS_NETWORKS,
    LpipsBackbone,
    LpipsName,
    check_lpips_name,
    load_lpips_backbone,
)
from rabit.layers.perceptual import read_weights
from rabit.metrics.perceptual import FeatureDistance, unit
from rabit.writing import file_digest


@dataclass(frozen=True)
class LpipsHeads:
    """The weights of channels of one of LPIPS's networks.

    Args:
        weights: (C,) of each layer.
        genuine: whether they are the published ones of version 0.1.
    """

    weights: tuple[Float[Tensor, " C"], ...]
    genuine: bool


class Lpips(FeatureDistance):
    """LPIPS of images and of the truth, version 0.1, per image, then averaged.

    Sum over layers of the mean over positions of Σ_c w_c·(f_c/|f| - g_c/|g|)², with f and g the
    channels at a position and w learned from people's judgements (Zhang et al. 2018, Eq. 1). The
    layers are the activations of AlexNet's five convolutions, the last of each of VGG-16's five
    stages, or seven of SqueezeNet 1.1. From 0, for equal images, up, rarely above 1; lower is
    better. Figures of the three networks do not compare. Images are read at their own size.

    It is called LPIPS only under torchvision's weights and the published heads.

    Args:
        backbone: the network, such as `rabit.layers.lpips.load_lpips_backbone` gives.
        heads: the weights of its channels, such as `load_heads` gives.

    Raises:
        ValueError: heads do not fit the network.
    """

    def __init__(self, backbone: LpipsBackbone, heads: LpipsHeads) -> None:
        known = LPIPS_NETWORKS[backbone.name]
        widths = tuple(len(w) for w in heads.weights)
        if widths != known.widths:
            raise ValueError(
                f"heads weigh {', '.join(map(str, widths))} channels, expected "
                f"{', '.join(map(str, known.widths))} for {known.label}"
            )
        super().__init__(backbone.network, known.layers)
        self.name = backbone.name
        self.heads = heads
        self.genuine = backbone.genuine and heads.genuine

    @property
    def label(self) -> str:
        """What reports call the figure: LPIPS only where all weights are the published ones."""
        if self.genuine:
            return f"LPIPS ({self.name})"
        heads = "" if self.heads.genuine else ", other heads"
        return f"weighted perceptual distance ({self.backbone.label}{heads})"

    def compare(
        self,
        ours: Mapping[str, Float[Tensor, "B C h w"]],
        theirs: Mapping[str, Float[Tensor, "B C h w"]],
    ) -> Float[Tensor, " B"]:
        """Returns the distance of each image from features by layer; see `FeatureDistance`."""
        apart = []
        for layer, weights in zip(self.layers, self.heads.weights, strict=True):
            squares = (unit(ours[layer]) - unit(theirs[layer])).square()
            weighted = torch.einsum("bchw,c->bhw", squares, weights.to(squares))
            apart.append(weighted.double().mean(dim=(1, 2)))
        return torch.stack(apart).sum(dim=0)


def load_lpips(name: LpipsName, backbone: str | Path, heads: str | Path | None = None) -> Lpips:
    """Builds LPIPS from files of weights.

    Args:
        name: alex, vgg or squeeze.
        backbone: torchvision's file; see `rabit.layers.lpips.load_lpips_backbone`.
        heads: the published alex.pth, vgg.pth or squeeze.pth of version 0.1; None takes the copy
            that an installed torchmetrics brings.

    Raises:
        ValueError: a file is missing, unreadable or of another network.
    """
    check_lpips_name(name)
    if heads is None:
        heads = installed_heads(name)
    if heads is None:
        raise ValueError(
            f"LPIPS ({name}) needs the published weights of its channels: give a file {name}.pth "
            "of LPIPS 0.1, or install torchmetrics, which brings them"
        )
    return Lpips(load_lpips_backbone(name, backbone), load_heads(name, heads))


def load_heads(name: LpipsName, path: str | Path) -> LpipsHeads:
    """Reads the weights of channels of one of LPIPS's networks.

    Args:
        name: alex, vgg or squeeze.
        path: of tensors lin0.model.1.weight (1, C, 1, 1), lin1.model.1.weight, and so on.

    Raises:
        ValueError: there is no such network, or the file is missing, unreadable or of another one.
    """
    check_lpips_name(name)
    known = LPIPS_NETWORKS[name]
    tensors = read_weights(Path(path))
    found = []
    for i, width in enumerate(known.widths):
        key = f"lin{i}.model.1.weight"
        if key not in tensors or tensors[key].shape != (1, width, 1, 1):
            shape = tuple(tensors[key].shape) if key in tensors else "none"
            raise ValueError(
                f"{path}: {key} is {shape}, expected {(1, width, 1, 1)} for LPIPS ({name})"
            )
        found.append(tensors[key].flatten())
    return LpipsHeads(tuple(found), file_digest(Path(path)).startswith(known.heads_digest))


def installed_heads(name: LpipsName) -> Path | None:
    """Returns the file of published heads in an installed torchmetrics; None without one."""
    spec = importlib.util.find_spec("torchmetrics")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "functional" / "image" / "lpips_models" / f"{name}.pth"
    return path if path.is_file() else None
