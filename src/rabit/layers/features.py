"""Networks that give the activations behind named layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.vgg import Preprocessing, check_layers


class FeatureNetwork(Protocol):
    """What gives features of images in [-1, 1] by layer, such as `rabit.layers.vgg.Vgg`.

    `label` is what reports call the network and `names` are those of its layers.
    """

    label: str
    names: tuple[str, ...]

    def check(self, layers: tuple[str, ...]) -> None:
        """Raises ValueError if a layer's name is not one of this network's."""

    def __call__(
        self, images: Float[Tensor, "B 3 H W"], layers: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """Returns a (B, C, h, w) tensor a name."""


class Staged(nn.Module):
    """A frozen feature network of stages in a row, each of which has a name.

    Args:
        label: what reports call it.
        preprocessing: how images in [-1, 1] become its input.
        stages: modules by name, in order.
        smallest: the shortest side that images may have, in pixels.
    """

    def __init__(
        self,
        label: str,
        preprocessing: Preprocessing,
        stages: Mapping[str, nn.Module],
        smallest: int = 1,
    ) -> None:
        super().__init__()
        self.label = label
        self.preprocessing = preprocessing
        self.names = tuple(stages)
        self.smallest = smallest
        self.stages = nn.ModuleDict(dict(stages))
        self.requires_grad_(False)

    def check(self, layers: tuple[str, ...]) -> None:
        """Raises ValueError if a layer's name is not one of this network's."""
        check_layers(self.label, self.names, layers)

    def forward(
        self, images: Float[Tensor, "B 3 H W"], layers: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """Returns the activations behind the named stages.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            layers: names of stages, in any order.

        Raises:
            ValueError: there is no such stage, or images are too small.
        """
        self.check(layers)
        if min(images.shape[-2:]) < self.smallest:
            raise ValueError(
                f"images are {images.shape[-2]}x{images.shape[-1]}, expected at least "
                f"{self.smallest} pixels a side for {self.label}"
            )
        x, found = self.preprocessing(images), dict[str, Tensor]()
        for name, stage in self.stages.items():
            if len(found) == len(set(layers)):
                break
            x = stage(x)
            if name in layers:
                found[name] = x
        return found
