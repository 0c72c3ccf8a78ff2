"""SqueezeNet 1.0's features, for Fréchet distances without Inception's weights."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.perceptual import read_weights
from rabit.layers.vgg import Preprocessing
from rabit.layers.weights import fill

# Channels of the squeezing and of each of the two expanding convolutions, fire2 to fire9.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
POOLED_AFTER = ("fire4", "fire8")
STEM = 96
SIDE = 227
CAFFE_ROUNDED = Preprocessing(255.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), bgr=True)


class Fire(nn.Module):
    """SqueezeNet's module: few channels, then 1x1 and 3x3 convolutions side by side.

    Args:
        channels: of its input.
        squeeze: channels in between.
        expand: channels of each of the two convolutions behind.
    """

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Returns 2 · expand channels, none negative."""
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.expand1(x), self.expand3(x)], dim=1))


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 up to its last fire module (Iandola et al. 2016), frozen.

    Images of any size are resized to 227x227 (bilinear with antialiasing, pixel centres at halves,
    the aspect ratio is not kept) and become BGR in 0 to 255 less (104, 117, 123). The features are
    the mean over positions of fire9's 512 channels; the classifier behind it is left out.

    Distances between such features are no FID, which Inception's weights define.
    """

    def __init__(self) -> None:
        super().__init__()
        self.label = "SqueezeNet 1.0"
        self.conv1 = nn.Conv2d(3, STEM, 7, stride=2)
        self.fires = nn.ModuleDict()
        channels = STEM
        for number, (squeeze, expand) in enumerate(FIRES, 2):
            self.fires[f"fire{number}"] = Fire(channels, squeeze, expand)
            channels = 2 * expand
        self.requires_grad_(False)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 512"]:
        """Returns the features of images in [-1, 1]."""
        images = images.to(self.conv1.weight.dtype)
        images = F.interpolate(
            images, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        # Windows fill 111, 55 and 27 positions to the edge: Caffe's rounding up changes nothing.
        x = F.max_pool2d(F.relu(self.conv1(CAFFE_ROUNDED(images))), 3, stride=2)
        for name, fire in self.fires.items():
            x = fire(x)
            if name in POOLED_AFTER:
                x = F.max_pool2d(x, 3, stride=2)
        return x.mean(dim=(2, 3))


def load_squeezenet(path: str | Path) -> SqueezeNet:
    """Builds SqueezeNet 1.0 from a file of its weights.

    Args:
        path: safetensors with Caffe's names, conv1, fire2/conv1x1_1 (squeeze), fire2/conv1x1_2 and
            fire2/conv3x3_2 (expand), ... fire9/conv3x3_2, each with .weight and .bias. What else
            it holds, such as the classifier, is not read.

    Returns:
        The network in evaluation mode.

    Raises:
        ValueError: the file is missing or unreadable, lacks a tensor, or one has another shape.
    """
    weights = read_weights(Path(path))
    network = SqueezeNet()
    targets: dict[str, nn.Module] = {"conv1": network.conv1}
    for name, fire in network.fires.items():
        assert isinstance(fire, Fire)
        targets[f"{name}/conv1x1_1"] = fire.squeeze
        targets[f"{name}/conv1x1_2"] = fire.expand1
        targets[f"{name}/conv3x3_2"] = fire.expand3
    fill(targets, weights, path, f"{network.label} (by Caffe's names)")
    return network.eval()
