"""FID's Inception-v3: against the network written out, its resizing by hand, and its file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import rabit.layers.inception as inception
from rabit.layers.inception import Inception, load_inception, resized
from rabit.metrics.frechet import FrechetDistance
from rabit.metrics.kernel import KernelDistance
from rabit.writing import file_digest

Shape = tuple[int, int, int, int]


def published_shapes() -> dict[str, Shape]:
    """Returns the convolutions of the published file: (outputs, inputs, height, width) by name."""
    shapes: dict[str, Shape] = {
        "Conv2d_1a_3x3": (32, 3, 3, 3),
        "Conv2d_2a_3x3": (32, 32, 3, 3),
        "Conv2d_2b_3x3": (64, 32, 3, 3),
        "Conv2d_3b_1x1": (80, 64, 1, 1),
        "Conv2d_4a_3x3": (192, 80, 3, 3),
        "Mixed_6a.branch3x3": (384, 288, 3, 3),
        "Mixed_6a.branch3x3dbl_1": (64, 288, 1, 1),
        "Mixed_6a.branch3x3dbl_2": (96, 64, 3, 3),
        "Mixed_6a.branch3x3dbl_3": (96, 96, 3, 3),
        "Mixed_7a.branch3x3_1": (192, 768, 1, 1),
        "Mixed_7a.branch3x3_2": (320, 192, 3, 3),
        "Mixed_7a.branch7x7x3_1": (192, 768, 1, 1),
        "Mixed_7a.branch7x7x3_2": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_3": (192, 192, 7, 1),
        "Mixed_7a.branch7x7x3_4": (192, 192, 3, 3),
    }
    for name, inputs, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        shapes[f"Mixed_{name}.branch1x1"] = (64, inputs, 1, 1)
        shapes[f"Mixed_{name}.branch5x5_1"] = (48, inputs, 1, 1)
        shapes[f"Mixed_{name}.branch5x5_2"] = (64, 48, 5, 5)
        shapes[f"Mixed_{name}.branch3x3dbl_1"] = (64, inputs, 1, 1)
        shapes[f"Mixed_{name}.branch3x3dbl_2"] = (96, 64, 3, 3)
        shapes[f"Mixed_{name}.branch3x3dbl_3"] = (96, 96, 3, 3)
        shapes[f"Mixed_{name}.branch_pool"] = (pooled, inputs, 1, 1)
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        shapes[f"Mixed_{name}.branch1x1"] = (192, 768, 1, 1)
        shapes[f"Mixed_{name}.branch7x7_1"] = (width, 768, 1, 1)
        shapes[f"Mixed_{name}.branch7x7_2"] = (width, width, 1, 7)
        shapes[f"Mixed_{name}.branch7x7_3"] = (192, width, 7, 1)
        shapes[f"Mixed_{name}.branch7x7dbl_1"] = (width, 768, 1, 1)
        shapes[f"Mixed_{name}.branch7x7dbl_2"] = (width, width, 7, 1)
        shapes[f"Mixed_{name}.branch7x7dbl_3"] = (width, width, 1, 7)
        shapes[f"Mixed_{name}.branch7x7dbl_4"] = (width, width, 7, 1)
        shapes[f"Mixed_{name}.branch7x7dbl_5"] = (192, width, 1, 7)
        shapes[f"Mixed_{name}.branch_pool"] = (192, 768, 1, 1)
    for name, inputs in (("7b", 1280), ("7c", 2048)):
        shapes[f"Mixed_{name}.branch1x1"] = (320, inputs, 1, 1)
        shapes[f"Mixed_{name}.branch3x3_1"] = (384, inputs, 1, 1)
        shapes[f"Mixed_{name}.branch3x3_2a"] = (384, 384, 1, 3)
        shapes[f"Mixed_{name}.branch3x3_2b"] = (384, 384, 3, 1)
        shapes[f"Mixed_{name}.branch3x3dbl_1"] = (448, inputs, 1, 1)
        shapes[f"Mixed_{name}.branch3x3dbl_2"] = (384, 448, 3, 3)
        shapes[f"Mixed_{name}.branch3x3dbl_3a"] = (384, 384, 1, 3)
        shapes[f"Mixed_{name}.branch3x3dbl_3b"] = (384, 384, 3, 1)
        shapes[f"Mixed_{name}.branch_pool"] = (192, inputs, 1, 1)
    return shapes


def random_weights() -> dict[str, Tensor]:
    """Returns random weights under the published names, which keep activations of size 1."""
    generator = torch.Generator().manual_seed(0)
    weights = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    for name, shape in published_shapes().items():
        fan = shape[1] * shape[2] * shape[3]
        weights[f"{name}.conv.weight"] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        weights[f"{name}.bn.weight"] = torch.rand(shape[0], generator=generator) + 0.5
        weights[f"{name}.bn.bias"] = torch.randn(shape[0], generator=generator) * 0.1
        weights[f"{name}.bn.running_mean"] = torch.randn(shape[0], generator=generator) * 0.1
        weights[f"{name}.bn.running_var"] = torch.rand(shape[0], generator=generator) * 0.1 + 0.4
        weights[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)
    return weights


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return random_weights()


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, Tensor]) -> Path:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(weights, path)
    return path


def written_out(pixels: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Returns the features of 299x299 pixels from 0 to 255, operation by operation."""

    def c(x: Tensor, name: str, stride: int = 1, inside: bool = False) -> Tensor:
        weight = weights[f"{name}.conv.weight"]
        padding = (0, 0) if inside or stride == 2 else tuple(k // 2 for k in weight.shape[2:])
        x = F.conv2d(x, weight, stride=stride, padding=padding)
        mean, variance, scale, shift = (
            weights[f"{name}.bn.{part}"].view(-1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.relu((x - mean) / (variance + 0.001).sqrt() * scale + shift)

    def average(x: Tensor) -> Tensor:
        nine = x.new_ones(1, 1, 3, 3)
        inside = F.conv2d(torch.ones_like(x[:1, :1]), nine, padding=1)
        total = F.conv2d(x.flatten(0, 1)[:, None], nine, padding=1)
        return total.view_as(x) / inside

    def chain(x: Tensor, *names: str, stride: int = 1) -> Tensor:
        for name in names[:-1]:
            x = c(x, name)
        return c(x, names[-1], stride)

    x = (pixels - 128) / 128
    x = c(c(x, "Conv2d_1a_3x3", 2), "Conv2d_2a_3x3", inside=True)
    x = F.max_pool2d(c(x, "Conv2d_2b_3x3"), 3, 2)
    x = F.max_pool2d(c(c(x, "Conv2d_3b_1x1"), "Conv2d_4a_3x3", inside=True), 3, 2)
    assert x.shape[1:] == (192, 35, 35)
    for m in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        double = (f"{m}.branch3x3dbl_{i}" for i in (1, 2, 3))
        parts = [
            c(x, f"{m}.branch1x1"),
            chain(x, f"{m}.branch5x5_1", f"{m}.branch5x5_2"),
            chain(x, *double),
            c(average(x), f"{m}.branch_pool"),
        ]
        x = torch.cat(parts, 1)
    double = (f"Mixed_6a.branch3x3dbl_{i}" for i in (1, 2, 3))
    wide = c(x, "Mixed_6a.branch3x3", 2)
    x = torch.cat([wide, chain(x, *double, stride=2), F.max_pool2d(x, 3, 2)], 1)
    assert x.shape[1:] == (768, 17, 17)
    for m in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        parts = [
            c(x, f"{m}.branch1x1"),
            chain(x, *(f"{m}.branch7x7_{i}" for i in (1, 2, 3))),
            chain(x, *(f"{m}.branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
            c(average(x), f"{m}.branch_pool"),
        ]
        x = torch.cat(parts, 1)
    parts = [
        chain(x, "Mixed_7a.branch3x3_1", "Mixed_7a.branch3x3_2", stride=2),
        chain(x, *(f"Mixed_7a.branch7x7x3_{i}" for i in (1, 2, 3, 4)), stride=2),
        F.max_pool2d(x, 3, 2),
    ]
    x = torch.cat(parts, 1)
    assert x.shape[1:] == (1280, 8, 8)
    for m in ("Mixed_7b", "Mixed_7c"):
        single = c(x, f"{m}.branch3x3_1")
        twice = chain(x, f"{m}.branch3x3dbl_1", f"{m}.branch3x3dbl_2")
        pooled = average(x) if m == "Mixed_7b" else F.max_pool2d(x, 3, 1, padding=1)
        parts = [
            c(x, f"{m}.branch1x1"),
            c(single, f"{m}.branch3x3_2a"),
            c(single, f"{m}.branch3x3_2b"),
            c(twice, f"{m}.branch3x3dbl_3a"),
            c(twice, f"{m}.branch3x3dbl_3b"),
            c(pooled, f"{m}.branch_pool"),
        ]
        x = torch.cat(parts, 1)
    return x.flatten(2).mean(2)


def test_it_is_the_network_written_out(weights_file: Path, weights: dict[str, Tensor]) -> None:
    network = load_inception(weights_file).double()
    pixels = torch.randint(0, 256, (1, 3, 299, 299), generator=torch.Generator().manual_seed(1))
    features = network(pixels / 127.5 - 1)
    assert features.shape == (1, 2048) and float(features.std()) > 0.01
    doubled = {name: value.double() for name, value in weights.items()}
    expected = written_out(pixels.double(), doubled)
    torch.testing.assert_close(features, expected, rtol=1e-6, atol=1e-6)
    assert not any(p.requires_grad for p in network.parameters())


def test_names_and_numbers_are_the_published_files() -> None:
    network = Inception()
    ours = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    theirs = {
        name: tuple(value.shape)
        for name, value in random_weights().items()
        if not name.startswith("fc.")
    }
    assert ours == theirs
    # With the classifier's two, the file's 566 tensors.
    assert len(ours) + 2 == 566
    # Inception-v3's published count without classifier, for scales and shifts of each channel.
    assert sum(p.numel() for p in network.parameters()) == 21_785_568


def test_resizing_is_tensorflows_by_hand() -> None:
    # Positions 0, 1/2, 1 and 3/2 of two pixels; behind the last one there is none.
    row = torch.tensor([10.0, 30.0]).expand(1, 1, 2, 2)
    assert resized(row, 4)[0, 0, 0].tolist() == [10.0, 20.0, 30.0, 30.0]
    assert resized(row.transpose(2, 3), 4)[0, 0, :, 0].tolist() == [10.0, 20.0, 30.0, 30.0]
    # To a third: every third pixel as it is, not an average.
    fine = torch.arange(36.0).view(1, 1, 6, 6)
    assert resized(fine, 2)[0, 0].tolist() == [[0.0, 3.0], [18.0, 21.0]]
    # From 5 to 4: positions 0, 1.25, 2.5, 3.75.
    assert resized(torch.arange(5.0).expand(1, 1, 5, 5), 4)[0, 0, 0].tolist() == [
        0,
        1.25,
        2.5,
        3.75,
    ]
    # Torch's own reads centres at halves.
    assert not torch.allclose(resized(fine, 4), F.interpolate(fine, 4, mode="bilinear"))
    assert torch.equal(resized(fine, 6), fine)


def test_images_are_read_as_8_bit_files_of_any_size(weights_file: Path) -> None:
    network = load_inception(weights_file)
    pixels = torch.randint(0, 256, (1, 3, 40, 56), generator=torch.Generator().manual_seed(2))
    images = pixels / 127.5 - 1
    features = network(images)
    assert torch.equal(network((images + 0.2 / 127.5).clamp(-1, 1)), features)
    assert not torch.allclose(network(images.flip(1)), features, rtol=0.01)


def test_only_the_published_file_makes_fid_and_kid(
    weights_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = load_inception(weights_file)
    assert not other.genuine
    assert FrechetDistance(other).label == "FD (Inception-v3, other weights than FID's)"
    assert KernelDistance(other).label == "KD (Inception-v3, other weights than FID's)"
    assert inception.INCEPTION_DIGEST == "6726825d"
    monkeypatch.setattr(inception, "INCEPTION_DIGEST", file_digest(weights_file)[:8])
    genuine = load_inception(weights_file)
    assert FrechetDistance(genuine).label == "FID"
    assert KernelDistance(genuine).label == "KID"


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    with pytest.raises(ValueError, match="no such file"):
        load_inception(path)
    weights = {"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 3, 3)}
    torch.save(weights, path)
    with pytest.raises(ValueError, match=r"no tensor Conv2d_1a_3x3\.bn\.weight"):
        load_inception(path)
    torch.save({"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 5, 5)}, path)
    with pytest.raises(ValueError, match=r"is \(32, 3, 5, 5\), expected \(32, 3, 3, 3\)"):
        load_inception(path)
