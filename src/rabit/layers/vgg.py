"""VGG-19 feature networks: the real one, its distilled form, and one with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.convolution import PaddingMode

# Convolutions of VGG-19 by stage; relu{stage}_{index} is what follows each.
STAGES = (2, 2, 4, 4, 4)
VGG19_WIDTHS = (64, 128, 256, 512, 512)
SMALL_WIDTHS = (16, 32, 64, 128, 128)


def layer_names(stages: tuple[int, ...] = STAGES) -> tuple[str, ...]:
    """Returns relu1_1, relu1_2, ... for the stages' numbers of convolutions."""
    return tuple(f"relu{s}_{i}" for s, n in enumerate(stages, 1) for i in range(1, n + 1))


@dataclass(frozen=True)
class Preprocessing:
    """How images in [-1, 1] become what a network was trained on.

    Args:
        scale: factor on images in [0, 1] before the mean is taken off.
        mean: mean of the three channels, in the network's channel order.
        deviation: what the channels are divided by.
        bgr: whether the network reads blue first.
    """

    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    bgr: bool

    def __call__(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Returns the network's input."""
        x = images.flip(1) if self.bgr else images
        mean, deviation = (x.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.deviation))
        return ((x + 1) * (self.scale / 2) - mean) / deviation


TORCHVISION = Preprocessing(1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), bgr=False)
CAFFE = Preprocessing(255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), bgr=True)
UNIT = Preprocessing(1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), bgr=False)
CENTRED = Preprocessing(2.0, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), bgr=False)


class Vgg(nn.Module):
    """A frozen feature network of VGG-19's shape.

    Args:
        label: what reports call it.
        widths: channels of each stage.
        preprocessing: how images become its input.
        stages: number of convolutions of each stage.
        colour: whether a 1x1 convolution of the colours stands in front.
        padding_mode: zeros (VGG-19) or reflect (the distilled form).
    """

    def __init__(
        self,
        label: str,
        widths: tuple[int, ...],
        preprocessing: Preprocessing,
        stages: tuple[int, ...] = STAGES,
        colour: bool = False,
        padding_mode: PaddingMode = "zeros",
    ) -> None:
        super().__init__()
        self.label = label
        self.preprocessing = preprocessing
        self.names = layer_names(stages)
        self.pooled = {f"relu{s}_1" for s in range(2, len(stages) + 1)}
        self.colour = nn.Conv2d(3, 3, 1) if colour else nn.Identity()
        self.convolutions = nn.ModuleList()
        channels = 3
        for width, count in zip(widths, stages, strict=True):
            for _ in range(count):
                layer = nn.Conv2d(channels, width, 3, padding=1, padding_mode=padding_mode)
                self.convolutions.append(layer)
                channels = width
        self.requires_grad_(False)

    def check(self, layers: tuple[str, ...]) -> None:
        """Raises ValueError if a layer's name is not one of this network's."""
        check_layers(self.label, self.names, layers)

    def forward(
        self, images: Float[Tensor, "B 3 H W"], layers: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """Returns the activations behind the named layers.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            layers: names such as relu3_2, in any order.

        Returns:
            A (B, C, h, w) tensor a name; nothing behind the deepest one is computed.
        """
        self.check(layers)
        wanted = set(layers)
        found: dict[str, Tensor] = {}
        x = self.colour(self.preprocessing(images))
        for name, convolution in zip(self.names, self.convolutions, strict=True):
            if len(found) == len(wanted):
                break
            if name in self.pooled:
                x = F.max_pool2d(x, 2)
            x = F.relu(convolution(x))
            if name in wanted:
                found[name] = x
        return found


def check_layers(label: str, names: tuple[str, ...], layers: tuple[str, ...]) -> None:
    """Raises ValueError if a layer's name is not one of those that the network has."""
    unknown = [name for name in layers if name not in names]
    if unknown:
        raise ValueError(f"{label} has no layer {', '.join(unknown)}; it has {', '.join(names)}")
