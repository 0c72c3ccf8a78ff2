"""LPIPS: its formula written out, torchmetrics' own, and the names it may bear."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

import rabit.metrics.lpips as lpips
from lpips_weights import layout, save_weights
from rabit.layers.lpips import LPIPS_NETWORKS, LpipsBackbone, LpipsName, load_lpips_backbone
from rabit.metrics.diversity import Diversity
from rabit.metrics.lpips import Lpips, LpipsHeads, installed_heads, load_heads, load_lpips


def images(seed: int, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, 48, 40, generator=generator) * 2 - 1


def save_heads(name: LpipsName, folder: Path) -> Path:
    generator = torch.Generator().manual_seed(1)
    path = folder / f"heads-{name}.pth"
    heads = {
        f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1, generator=generator)
        for i, width in enumerate(LPIPS_NETWORKS[name].widths)
    }
    torch.save(heads, path)
    return path


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> Lpips:
    folder = tmp_path_factory.mktemp("weights")
    return load_lpips("squeeze", save_weights("squeeze", folder), save_heads("squeeze", folder))


def test_it_is_the_formula_written_out(metric: Lpips) -> None:
    a, b = images(0), images(1)
    expected = torch.zeros(2, dtype=torch.float64)
    for layer, weights in zip(metric.layers, metric.heads.weights, strict=True):
        f, g = (metric.backbone(x, (layer,))[layer].double() for x in (a, b))
        for i in range(2):
            total = 0.0
            for y in range(f.shape[2]):
                for x in range(f.shape[3]):
                    p, q = f[i, :, y, x], g[i, :, y, x]
                    apart = p / p.norm().clamp(min=1e-9) - q / q.norm().clamp(min=1e-9)
                    total += float((weights.double() * apart**2).sum())
            expected[i] += total / (f.shape[2] * f.shape[3])
    torch.testing.assert_close(metric.measure(a, b), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", get_args(LpipsName))
def test_it_equals_torchmetrics_with_the_published_heads(
    name: LpipsName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = pytest.importorskip(
        "torchmetrics.functional.image.lpips", reason="torchmetrics is not installed"
    )
    path = save_weights(name, tmp_path)
    features = layout(name)
    features.load_state_dict(
        {k.removeprefix("features."): v for k, v in torch.load(path).items() if "features" in k}
    )
    monkeypatch.setattr(reference, "_get_tv_model_features", lambda net, pretrained: features)
    a, b = images(0), images(1)
    expected = reference._LPIPS(net=name)(a, b).flatten()
    found = load_lpips(name, path)
    assert found.heads.genuine
    torch.testing.assert_close(found.measure(a, b).float(), expected, rtol=1e-4, atol=1e-6)


def test_equal_images_are_at_0_and_nearer_ones_nearer(metric: Lpips) -> None:
    a, b = images(0), images(1)
    assert torch.equal(metric.measure(a, a), torch.zeros(2, dtype=torch.float64))
    near, far = metric.measure(torch.lerp(a, b, 0.2), a), metric.measure(b, a)
    assert bool((near > 0).all()) and bool((near < far).all())


def test_a_stream_and_merged_halves_give_what_all_at_once_gives(metric: Lpips) -> None:
    backbone, heads = load_like(metric)
    once, stream, half = (Lpips(backbone, heads) for _ in range(3))
    a, b = images(0, 4), images(1, 4)
    once.update(a, b)
    stream.update(a[:1], b[:1])
    stream.update(a[1:3], b[1:3])
    half.update(a[3:], b[3:])
    stream.merge(half)
    assert stream.compute().mean == pytest.approx(once.compute().mean, rel=1e-6)
    assert stream.compute().count == 4


def load_like(metric: Lpips) -> tuple[LpipsBackbone, LpipsHeads]:
    return LpipsBackbone(metric.name, metric.backbone, False), metric.heads


def test_it_is_lpips_only_with_torchvisions_weights_and_the_published_heads(
    metric: Lpips,
) -> None:
    backbone, heads = load_like(metric)
    published = dataclasses.replace(heads, genuine=True)
    trained = dataclasses.replace(backbone, genuine=True)
    assert Lpips(trained, published).label == "LPIPS (squeeze)"
    network = "SqueezeNet 1.1, other weights than LPIPS's"
    expected = f"weighted perceptual distance ({network}, other heads)"
    assert metric.label == expected
    assert Lpips(backbone, published).label == f"weighted perceptual distance ({network})"
    assert "other heads" in Lpips(trained, heads).label
    for label in (metric.label, Lpips(backbone, published).label, Lpips(trained, heads).label):
        assert not label.startswith("LPIPS")
    assert Diversity(Lpips(trained, published)).label == "diversity, LPIPS (squeeze)"


def test_diversity_takes_it(metric: Lpips) -> None:
    results = images(2, 3)
    pairs = [
        metric.measure(results[i : i + 1], results[j : j + 1]) for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    found = Diversity(metric).measure(results)
    assert float(found) == pytest.approx(float(torch.cat(pairs).mean()), rel=1e-5)


def test_published_heads_are_known_by_their_digest() -> None:
    for name in get_args(LpipsName):
        path = installed_heads(name)
        if path is None:
            pytest.skip("torchmetrics, which brings the published heads, is not installed")
        heads = load_heads(name, path)
        assert heads.genuine
        # Learned under the constraint that none is negative.
        assert all(float(w.min()) >= 0 for w in heads.weights)


def test_what_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alex = save_weights("alex", tmp_path)
    with pytest.raises(
        ValueError, match=r"lin0\.model\.1\.weight is none, expected \(1, 64, 1, 1\)"
    ):
        load_heads("alex", alex)
    heads = save_heads("alex", tmp_path)
    with pytest.raises(ValueError, match=r"lin1\.model\.1\.weight is \(1, 192, 1, 1\), expected"):
        load_heads("vgg", heads)
    with pytest.raises(ValueError, match="heads weigh 64, 192.* for SqueezeNet"):
        squeeze = load_lpips_backbone("squeeze", save_weights("squeeze", tmp_path))
        Lpips(squeeze, load_heads("alex", heads))
    monkeypatch.setattr(lpips, "installed_heads", lambda name: None)
    with pytest.raises(ValueError, match=r"give a file alex\.pth of LPIPS 0\.1"):
        load_lpips("alex", alex)
