"""Random weights for LPIPS's networks, in torchvision's layouts and under its names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from rabit.layers.lpips import LpipsName

TAPS: dict[LpipsName, tuple[int, ...]] = {
    "alex": (2, 5, 8, 10, 12),
    "vgg": (4, 9, 16, 23, 30),
    "squeeze": (2, 5, 8, 10, 11, 12, 13),
}
"""How many modules of `features` lie up to each of LPIPS's layers."""


class FireModule(nn.Module):
    """Torchvision's fire module."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], 1)


def layout(name: LpipsName) -> nn.Sequential:
    """Returns torchvision's `features`."""
    if name == "alex":
        return nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        )
    layers: list[nn.Module] = []
    if name == "vgg":
        channels = 3
        for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2, 2))
        return nn.Sequential(*layers)
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        FireModule(64, 16, 64),
        FireModule(128, 16, 64),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        FireModule(128, 32, 128),
        FireModule(256, 32, 128),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        FireModule(256, 48, 192),
        FireModule(384, 48, 192),
        FireModule(384, 64, 256),
        FireModule(512, 64, 256),
    )


def save_weights(name: LpipsName, folder: Path) -> Path:
    """Writes random weights as torchvision would, with a classifier, and returns the file."""
    generator = torch.Generator().manual_seed(0)
    weights = {"classifier.1.bias": torch.zeros(1000)}
    for key, value in layout(name).state_dict().items():
        drawn = torch.randn(value.shape, generator=generator)
        fan = value[0].numel() if value.ndim == 4 else 100
        weights[f"features.{key}"] = drawn * (2 / fan) ** 0.5
    path = folder / f"{name}.pth"
    torch.save(weights, path)
    return path
