"""Perceptual backbones: where weights come from, and what they compute."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from rabit.layers import perceptual
from rabit.layers.perceptual import TORCHVISION_INDICES, load_backbone, random_backbone
from rabit.layers.vgg import CAFFE, STAGES, TORCHVISION, VGG19_WIDTHS


def vgg19_weights(prefix: str, caffe: bool = False) -> dict[str, Tensor]:
    """Returns random weights of VGG-19's shapes under torchvision's or Caffe's names."""
    generator = torch.Generator().manual_seed(1)
    names = [f"{prefix}{i}" for i in TORCHVISION_INDICES]
    if caffe:
        names = [f"conv{s}_{i}" for s, n in enumerate(STAGES, 1) for i in range(1, n + 1)]
    weights, channels = {}, 3
    widths = [w for w, n in zip(VGG19_WIDTHS, STAGES, strict=True) for _ in range(n)]
    for name, width in zip(names, widths, strict=True):
        shape = (width, channels, 3, 3)
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) * 0.02
        weights[f"{name}.bias"] = torch.randn(width, generator=generator)
        channels = width
    return weights


@pytest.fixture(scope="module")
def torchvision_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save(vgg19_weights("features."), path)
    return path


def test_vgg19_from_torchvisions_names(torchvision_file: Path) -> None:
    network = load_backbone("vgg19", torchvision_file)
    assert network is not None and network.label == "VGG-19 (torchvision)"
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    weights = vgg19_weights("features.")
    mean, deviation = (
        torch.tensor(v).view(3, 1, 1) for v in (TORCHVISION.mean, TORCHVISION.deviation)
    )
    x = ((images + 1) / 2 - mean) / deviation
    for i in (0, 2):
        x = F.relu(
            F.conv2d(x, weights[f"features.{i}.weight"], weights[f"features.{i}.bias"], padding=1)
        )
    x = F.max_pool2d(x, 2)
    x = F.relu(F.conv2d(x, weights["features.5.weight"], weights["features.5.bias"], padding=1))
    torch.testing.assert_close(network(images, ("relu2_1",))["relu2_1"], x)
    deep = network(images, ("relu5_4", "relu1_1"))
    assert deep["relu5_4"].shape == (1, 512, 2, 2) and deep["relu1_1"].shape == (1, 64, 32, 32)


def test_caffe_names_mean_caffe_preprocessing(tmp_path: Path) -> None:
    path = tmp_path / "vgg19_conv.pth"
    torch.save(vgg19_weights("", caffe=True), path)
    network = load_backbone("vgg19", path)
    assert network is not None and network.label == "VGG-19 (Caffe)"
    white = torch.ones(1, 3, 16, 16)
    expected = torch.tensor([255 - m for m in CAFFE.mean]).view(3, 1, 1).expand(3, 16, 16)
    torch.testing.assert_close(network.preprocessing(white)[0], expected)
    red = torch.full((1, 3, 2, 2), -1.0)
    red[:, 0] = 1
    assert float(network.preprocessing(red)[0, 2, 0, 0]) == pytest.approx(255 - CAFFE.mean[2])


def test_caffe_weights_under_torchvisions_names_are_known_by_their_digest(
    torchvision_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(torchvision_file.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(perceptual, "CAFFE_DIGESTS", ("d01eb7cb", digest))
    network = load_backbone("vgg19", torchvision_file)
    assert network is not None
    assert (network.label, network.preprocessing) == ("VGG-19 (Caffe)", CAFFE)


@pytest.mark.parametrize("kind", ["vgg19", "vgg19-distilled"])
def test_missing_weights_say_what_to_do(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{kind} needs its weights.*--backbone-weights"):
        load_backbone(kind)
    with pytest.raises(ValueError, match=r"absent.pth: no such file of network"):
        load_backbone(kind, tmp_path / "absent.pth")


@pytest.mark.parametrize("kind", ["random", "none"])
def test_a_file_that_would_not_be_read_is_refused(kind: str, torchvision_file: Path) -> None:
    with pytest.raises(ValueError, match=f"{kind} reads no file; say which network's"):
        load_backbone(kind, torchvision_file)


def test_weights_may_lie_under_model(tmp_path: Path, torchvision_file: Path) -> None:
    path = tmp_path / "nested.pth"
    torch.save({"model": torch.load(torchvision_file, weights_only=True), "epoch": 3}, path)
    found, wanted = load_backbone("vgg19", path), load_backbone("vgg19", torchvision_file)
    assert found is not None and wanted is not None
    tensors = zip(found.state_dict().values(), wanted.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in tensors)


def test_pickled_classes_are_not_advised_to_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "whole.pth"
    torch.save(torch.nn.Linear(1, 1), path)
    with pytest.raises(ValueError, match="classes of its own") as caught:
        load_backbone("vgg19", path)
    assert "weights_only" not in str(caught.value)


def test_wrong_files_are_named(tmp_path: Path, torchvision_file: Path) -> None:
    cut = tmp_path / "cut.pth"
    cut.write_bytes(torchvision_file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cut.pth: not a readable file of network weights"):
        load_backbone("vgg19", cut)
    other = tmp_path / "other.safetensors"
    save_file({"layer.weight": torch.zeros(2)}, other)
    with pytest.raises(ValueError, match=r"other.safetensors: not a VGG-19.*found layer.weight"):
        load_backbone("vgg19", other)
    with pytest.raises(ValueError, match=r"no tensor conv0.weight, which distilled VGG-19 needs"):
        load_backbone("vgg19-distilled", other)
    weights = vgg19_weights("features.")
    weights["features.2.weight"] = torch.zeros(4, 4, 3, 3)
    save_file(weights, tmp_path / "shape.safetensors")
    with pytest.raises(ValueError, match=r"features.2.weight is \(4, 4, 3, 3\), expected"):
        load_backbone("vgg19", tmp_path / "shape.safetensors")


def test_distilled_network_from_a_file(tmp_path: Path) -> None:
    tensors = {"conv0.weight": torch.eye(3).view(3, 3, 1, 1), "conv0.bias": torch.zeros(3)}
    channels = 3
    for stage, (width, count) in enumerate(
        zip((16, 32, 64, 128, 128), (2, 2, 4, 4, 1), strict=True), 1
    ):
        for i in range(1, count + 1):
            tensors[f"conv{stage}{i}.weight"] = torch.randn(width, channels, 3, 3) * 0.1
            tensors[f"conv{stage}{i}.bias"] = torch.zeros(width)
            channels = width
    save_file(tensors, tmp_path / "student.safetensors")
    network = load_backbone("vgg19-distilled", tmp_path / "student.safetensors")
    assert network is not None
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    padded = F.pad((image + 1) / 2, (1, 1, 1, 1), mode="reflect")
    expected = F.relu(F.conv2d(padded, tensors["conv11.weight"]))
    torch.testing.assert_close(network(image, ("relu1_1",))["relu1_1"], expected)
    with pytest.raises(ValueError, match="distilled VGG-19 has no layer relu5_2"):
        network(image, ("relu5_2",))


def test_random_backbone_is_the_same_everywhere_and_keeps_images_apart() -> None:
    first, second = random_backbone(), random_backbone()
    images = torch.rand(4, 3, 64, 64) * 2 - 1
    deep = first(images, ("relu5_2",))["relu5_2"]
    torch.testing.assert_close(deep, second(images, ("relu5_2",))["relu5_2"])
    other = next(random_backbone(1).parameters())
    assert not torch.equal(other, next(first.parameters()))
    flat = F.normalize(deep.flatten(1), dim=1)
    assert float((flat @ flat.T - torch.eye(4)).max()) < 0.97
    assert not any(p.requires_grad for p in first.parameters())


def test_no_backbone() -> None:
    assert load_backbone("none") is None
