"""Inception-v3 of 2015, the network that FID and KID are defined by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.perceptual import read_weights
from rabit.writing import file_digest

INCEPTION_DIGEST = "6726825d"
"""First digits of the SHA-256 of the published conversion of TensorFlow's weights."""

SIDE = 299
EPSILON = 0.001
FEATURES = 2048

Pool = Literal["average", "max", "halved"]


@dataclass(frozen=True)
class Step:
    """A convolution of a block, with what follows it.

    Args:
        name: in the file of weights.
        width: channels that it gives.
        kernel: (height, width).
        stride: 1 keeps the size of its input, 2 takes positions inside the image only.
    """

    name: str
    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


# Steps in a row; a pair of steps reads the same input, side by side.
Branch = tuple[Step | tuple[Step, Step], ...]


@dataclass(frozen=True)
class Block:
    """Branches side by side and a pooled one behind them.

    Args:
        branches: of convolutions.
        pool: 3x3, in front of the last branch: average (of what is inside the image), max, or
            halved (max of every other position, inside the image only).
        pooled: the convolution behind the pool; 0 stands for none.
    """

    branches: tuple[Branch, ...]
    pool: Pool
    pooled: int = 0


def _five(pooled: int) -> Block:
    """A block at 35x35 positions (Inception's Figure 5 with two 3x3 for one 5x5)."""
    return Block(
        branches=(
            (Step("branch1x1", 64),),
            (Step("branch5x5_1", 48), Step("branch5x5_2", 64, (5, 5))),
            (
                Step("branch3x3dbl_1", 64),
                Step("branch3x3dbl_2", 96, (3, 3)),
                Step("branch3x3dbl_3", 96, (3, 3)),
            ),
        ),
        pool="average",
        pooled=pooled,
    )


def _six(width: int) -> Block:
    """A block at 17x17 positions, of 1x7 and 7x1 convolutions."""
    row, column = (1, 7), (7, 1)
    return Block(
        branches=(
            (Step("branch1x1", 192),),
            (
                Step("branch7x7_1", width),
                Step("branch7x7_2", width, row),
                Step("branch7x7_3", 192, column),
            ),
            (
                Step("branch7x7dbl_1", width),
                Step("branch7x7dbl_2", width, column),
                Step("branch7x7dbl_3", width, row),
                Step("branch7x7dbl_4", width, column),
                Step("branch7x7dbl_5", 192, row),
            ),
        ),
        pool="average",
        pooled=192,
    )


def _seven(pool: Pool) -> Block:
    """A block at 8x8 positions, whose branches fork into 1x3 and 3x1 convolutions."""

    def forked(name: str) -> tuple[Step, Step]:
        return Step(f"{name}a", 384, (1, 3)), Step(f"{name}b", 384, (3, 1))

    return Block(
        branches=(
            (Step("branch1x1", 320),),
            (Step("branch3x3_1", 384), forked("branch3x3_2")),
            (
                Step("branch3x3dbl_1", 448),
                Step("branch3x3dbl_2", 384, (3, 3)),
                forked("branch3x3dbl_3"),
            ),
        ),
        pool=pool,
        pooled=192,
    )


STEM = (
    Step("Conv2d_1a_3x3", 32, (3, 3), 2),
    Step("Conv2d_2a_3x3", 32, (3, 3)),
    Step("Conv2d_2b_3x3", 64, (3, 3)),
    Step("Conv2d_3b_1x1", 80),
    Step("Conv2d_4a_3x3", 192, (3, 3)),
)
PADDED = ("Conv2d_2b_3x3",)
POOLED_AFTER = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")
BLOCKS: Mapping[str, Block] = {
    "Mixed_5b": _five(32),
    "Mixed_5c": _five(64),
    "Mixed_5d": _five(64),
    "Mixed_6a": Block(
        branches=(
            (Step("branch3x3", 384, (3, 3), 2),),
            (
                Step("branch3x3dbl_1", 64),
                Step("branch3x3dbl_2", 96, (3, 3)),
                Step("branch3x3dbl_3", 96, (3, 3), 2),
            ),
        ),
        pool="halved",
    ),
    "Mixed_6b": _six(128),
    "Mixed_6c": _six(160),
    "Mixed_6d": _six(160),
    "Mixed_6e": _six(192),
    "Mixed_7a": Block(
        branches=(
            (Step("branch3x3_1", 192), Step("branch3x3_2", 320, (3, 3), 2)),
            (
                Step("branch7x7x3_1", 192),
                Step("branch7x7x3_2", 192, (1, 7)),
                Step("branch7x7x3_3", 192, (7, 1)),
                Step("branch7x7x3_4", 192, (3, 3), 2),
            ),
        ),
        pool="halved",
    ),
    "Mixed_7b": _seven("average"),
    # The network of 2015 takes the maximum here, and so does every FID.
    "Mixed_7c": _seven("max"),
}


class Convolved(nn.Module):
    """A convolution without bias, batch normalisation by stored statistics, and a ReLU.

    Args:
        channels: of its input.
        step: what it is.
        padded: whether its output keeps the size of its input.
    """

    def __init__(self, channels: int, step: Step, padded: bool) -> None:
        super().__init__()
        height, width = step.kernel
        padding = (height // 2, width // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(
            channels, step.width, step.kernel, stride=step.stride, padding=padding, bias=False
        )
        self.bn = nn.BatchNorm2d(step.width, eps=EPSILON)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Returns activations, none negative."""
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """One of Inception's blocks.

    Args:
        channels: of its input.
        block: what it consists of.
    """

    def __init__(self, channels: int, block: Block) -> None:
        super().__init__()
        self.block = block
        self.channels = 0
        for branch in block.branches:
            width = channels
            for step in branch:
                side_by_side = (step,) if isinstance(step, Step) else step
                for each in side_by_side:
                    self.add_module(each.name, Convolved(width, each, each.stride == 1))
                width = sum(each.width for each in side_by_side)
            self.channels += width
        if block.pooled:
            self.branch_pool = Convolved(channels, Step("branch_pool", block.pooled), True)
        self.channels += block.pooled or channels

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Returns the branches' channels in a row, the pooled ones last."""
        found = []
        for branch in self.block.branches:
            y = x
            for step in branch:
                side_by_side = (step,) if isinstance(step, Step) else step
                y = torch.cat([self.get_submodule(each.name)(y) for each in side_by_side], dim=1)
            found.append(y)
        if self.block.pool == "halved":
            y = F.max_pool2d(x, 3, stride=2)
        elif self.block.pool == "max":
            y = F.max_pool2d(x, 3, stride=1, padding=1)
        else:
            y = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return torch.cat([*found, self.branch_pool(y) if self.block.pooled else y], dim=1)


class Inception(nn.Module):
    """Inception-v3 as FID reads it, up to its last pool, frozen.

    The network of TensorFlow's graph of 2015-12-05 (Szegedy et al. 2016; Heusel et al. 2017): it
    differs from torchvision's in its weights, in averages that leave padding out, and in a maximum
    in its last block. Images of any size are rounded to the 256 values of a file, resized to
    299x299 as TensorFlow 1 does, scaled to (x - 128)/128, and become 2048 features, the means over
    positions of the last block.

    Args:
        genuine: whether its weights are the published ones; only then are distances called FID
            and KID.
    """

    def __init__(self, genuine: bool = False) -> None:
        super().__init__()
        self.genuine = genuine
        self.label = "Inception-v3 of 2015" if genuine else "Inception-v3, other weights than FID's"
        channels = 3
        for step in STEM:
            self.add_module(step.name, Convolved(channels, step, step.name in PADDED))
            channels = step.width
        for name, block in BLOCKS.items():
            mixed = Mixed(channels, block)
            self.add_module(name, mixed)
            channels = mixed.channels
        assert channels == FEATURES
        self.requires_grad_(False)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 2048"]:
        """Returns the features of images in [-1, 1]."""
        images = images.to(self.get_parameter("Conv2d_1a_3x3.conv.weight").dtype)
        pixels = ((images.clamp(-1, 1) + 1) * 127.5).round()
        x = (resized(pixels, SIDE) - 128) / 128
        for step in STEM:
            x = self.get_submodule(step.name)(x)
            if step.name in POOLED_AFTER:
                x = F.max_pool2d(x, 3, stride=2)
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))


def resized(images: Float[Tensor, "B C H W"], side: int) -> Float[Tensor, "B C S S"]:
    """Resizes to a square as TensorFlow 1's resize_bilinear does.

    Pixel i of the result reads position i·H/S of the input, between its two nearest rows: corners
    are not aligned, centres are not at halves, and nothing is averaged where images shrink, unlike
    torch's and Pillow's resizing. Positions are float32's, as TensorFlow's are.
    """
    for axis in (3, 2):
        length = images.shape[axis]
        positions = torch.arange(side, dtype=torch.float32, device=images.device)
        positions = positions * torch.tensor(length / side, dtype=torch.float32)
        low = positions.long()
        high = (low + 1).clamp(max=length - 1)
        share = (positions - low).view((side, 1) if axis == 2 else (side,))
        first = images.index_select(axis, low)
        images = first + (images.index_select(axis, high) - first) * share
    return images


def load_inception(path: str | Path) -> Inception:
    """Builds FID's Inception-v3 from a file of its weights.

    Args:
        path: pt_inception-2015-12-05-6726825d.pth (pytorch-fid) or the same weights as
            weights-inception-2015-12-05-6726825d.pth (torch-fidelity). A file of the same tensors
            with another SHA-256 is read too, but its figures are not called FID. The classifier is
            not read.

    Returns:
        The network in evaluation mode.

    Raises:
        ValueError: the file is missing or unreadable, lacks a tensor, or one has another shape.
    """
    weights = read_weights(Path(path))
    network = Inception(file_digest(Path(path)).startswith(INCEPTION_DIGEST))
    for name, target in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in weights:
            raise ValueError(
                f"{path}: no tensor {name}, which Inception-v3 needs; found "
                f"{', '.join(list(weights)[:3]) or 'none'}"
            )
        if weights[name].shape != target.shape:
            raise ValueError(
                f"{path}: {name} is {tuple(weights[name].shape)}, expected {tuple(target.shape)} "
                "for Inception-v3"
            )
        target.copy_(weights[name])
    return network.eval()
