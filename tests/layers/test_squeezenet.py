"""SqueezeNet 1.0: its features against the network written out, and files that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from rabit.layers.squeezenet import load_squeezenet


def random_weights() -> dict[str, Tensor]:
    """Returns random weights under Caffe's names, scaled so that features stay of size 1."""
    generator = torch.Generator().manual_seed(2)
    shapes = {"conv1": (96, 3, 7, 7), "conv_final": (1000, 512, 1, 1)}
    channels = 96
    squeezes, expands = (16, 16, 32, 32, 48, 48, 64, 64), (64, 64, 128, 128, 192, 192, 256, 256)
    for i, (squeeze, expand) in enumerate(zip(squeezes, expands, strict=True), 2):
        shapes[f"fire{i}/conv1x1_1"] = (squeeze, channels, 1, 1)
        shapes[f"fire{i}/conv1x1_2"] = (expand, squeeze, 1, 1)
        shapes[f"fire{i}/conv3x3_2"] = (expand, squeeze, 3, 3)
        channels = 2 * expand
    weights = {}
    for name, shape in shapes.items():
        fan = shape[1] * shape[2] * shape[3] * (128**2 if name == "conv1" else 1)
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        weights[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.1
    return weights


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    save_file(random_weights(), path)
    return path


def written_out(images: Tensor, weights: dict[str, Tensor]) -> Tensor:
    def convolved(x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.relu(F.conv2d(x, weight, bias, stride=stride, padding=padding))

    x = (images + 1) * 127.5
    blue, green, red = x[:, 2:3] - 104, x[:, 1:2] - 117, x[:, 0:1] - 123
    x = convolved(torch.cat([blue, green, red], dim=1), "conv1", stride=2)
    assert x.shape[2:] == (111, 111)
    x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)
    for i in range(2, 10):
        x = convolved(x, f"fire{i}/conv1x1_1")
        wide = convolved(x, f"fire{i}/conv3x3_2", padding=1)
        x = torch.cat([convolved(x, f"fire{i}/conv1x1_2"), wide], dim=1)
        if i in (4, 8):
            x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)
    assert x.shape[2:] == (13, 13)
    return x.flatten(2).mean(dim=2)


def images(height: int, width: int, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(count, 3, height, width, generator=generator) * 2 - 1


def test_it_is_the_network_written_out(weights_file: Path) -> None:
    network = load_squeezenet(weights_file)
    x = images(227, 227)
    features = network(x)
    assert features.shape == (2, 512) and float(features.std()) > 0.01
    torch.testing.assert_close(features, written_out(x, random_weights()), rtol=1e-4, atol=1e-5)
    assert network.label == "SqueezeNet 1.0"
    assert not any(p.requires_grad for p in network.parameters())


def test_other_sizes_are_averaged_down_to_227(weights_file: Path) -> None:
    network = load_squeezenet(weights_file)
    # Bilinear without antialiasing reads every third column: black, white, black, ...
    wide, aliased = torch.ones(1, 3, 681, 681), torch.ones(1, 3, 227, 227)
    wide[..., ::2] = aliased[..., ::2] = -1
    grey = network(torch.zeros(1, 3, 227, 227))
    off, far = float((network(wide) - grey).norm()), float((network(aliased) - grey).norm())
    assert off < 0.4 * far
    assert network(images(64, 96, 1)).shape == (1, 512)


def test_red_and_blue_are_told_apart(weights_file: Path) -> None:
    network = load_squeezenet(weights_file)
    x = images(227, 227, 1)
    assert not torch.allclose(network(x), network(x.flip(1)), rtol=0.01)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    weights = random_weights()
    del weights["fire5/conv3x3_2.bias"]
    save_file(weights, tmp_path / "part.safetensors")
    with pytest.raises(ValueError, match=r"no tensor fire5/conv3x3_2\.bias.*SqueezeNet 1\.0"):
        load_squeezenet(tmp_path / "part.safetensors")


def test_another_networks_shape_is_named(tmp_path: Path) -> None:
    weights = random_weights()
    weights["conv1.weight"] = torch.zeros(64, 3, 3, 3)  # SqueezeNet 1.1's
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"conv1\.weight is \(64, 3, 3, 3\), expected \(96, 3, 7"):
        load_squeezenet(tmp_path / "other.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        load_squeezenet(tmp_path / "none.safetensors")


def test_the_classifier_need_not_be_there(tmp_path: Path, weights_file: Path) -> None:
    weights = {k: v for k, v in random_weights().items() if not k.startswith("conv_final")}
    save_file(weights, tmp_path / "features.safetensors")
    x = images(64, 64, 1)
    assert torch.equal(
        load_squeezenet(tmp_path / "features.safetensors")(x), load_squeezenet(weights_file)(x)
    )
