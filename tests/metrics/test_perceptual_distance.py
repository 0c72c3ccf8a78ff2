from __future__ import annotations

import pytest
import torch

from rabit.layers.perceptual import random_backbone
from rabit.layers.vgg import CENTRED, Vgg
from rabit.metrics.perceptual import LAYERS, PerceptualDistance, perceptual_distance, unit


def images(seed: int, count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 32, 48, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_it_is_the_formula_written_out() -> None:
    backbone = random_backbone()
    a, b = images(0, 1), images(1, 1)
    expected = 0.0
    for layer in LAYERS:
        f, g = (backbone(x, (layer,))[layer][0] for x in (a, b))
        total = 0.0
        for y in range(f.shape[1]):
            for x in range(f.shape[2]):
                p, q = f[:, y, x], g[:, y, x]
                total += float(((p / p.norm() - q / q.norm()) ** 2).sum())
        expected += total / (f.shape[1] * f.shape[2])
    assert float(perceptual_distance(backbone, a, b)) == pytest.approx(expected, rel=1e-4)


def test_equal_images_are_at_0_and_nearer_ones_nearer() -> None:
    backbone = random_backbone()
    a, b = images(0), images(1)
    near = perceptual_distance(backbone, torch.lerp(a, b, 0.2), a)
    far = perceptual_distance(backbone, b, a)
    assert torch.equal(perceptual_distance(backbone, a, a), torch.zeros(3))
    assert bool((near > 0).all()) and bool((near < far).all())
    assert bool((far < 2 * len(LAYERS)).all())


def test_unit_leaves_zeros() -> None:
    features = torch.tensor([[3.0, 0.0], [4.0, 0.0]]).view(1, 2, 1, 2)
    expected = torch.tensor([[0.6, 0.0], [0.8, 0.0]]).view(1, 2, 1, 2)
    assert torch.allclose(unit(features), expected)


def test_a_stream_and_merged_halves_give_what_all_at_once_gives() -> None:
    backbone = random_backbone()
    once, stream, half = (PerceptualDistance(backbone) for _ in range(3))
    a, b = images(0, 4), images(1, 4)
    once.update(a, b)
    for part in (slice(0, 1), slice(1, 3)):
        stream.update(a[part], b[part])
    half.update(a[3:], b[3:])
    stream.merge(half)
    assert stream.compute().mean == pytest.approx(once.compute().mean, rel=1e-6)
    assert stream.compute().count == 4
    with pytest.raises(ValueError, match="seed 1.* cannot be merged into .*seed 0"):
        once.merge(PerceptualDistance(random_backbone(1)))


def test_one_pass_of_the_backbone_serves_all() -> None:
    backbone = random_backbone()
    metric, layers = PerceptualDistance(backbone), (*LAYERS, "relu1_1")
    a, b = images(0), images(1)
    shared = metric.compare(backbone(a, layers), backbone(b, layers))
    assert shared.dtype == torch.float64 and torch.equal(shared, metric.measure(a, b))


def test_a_stand_in_is_never_called_lpips() -> None:
    label = PerceptualDistance(random_backbone()).label
    assert label == "perceptual distance (random VGG (seed 0))"
    assert "lpips" not in label.lower()


def test_the_layers_are_there_in_every_backbone() -> None:
    small = (4, 4, 4, 4, 4)
    for stages in ((2, 2, 4, 4, 4), (2, 2, 4, 4, 1)):
        PerceptualDistance(Vgg("one", small, CENTRED, stages))


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="relu9_9"):
        PerceptualDistance(random_backbone(), ("relu9_9",))
