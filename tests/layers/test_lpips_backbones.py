"""LPIPS's networks: against torchvision's layout written out, and files that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

import rabit.layers.lpips as lpips
from lpips_weights import TAPS, layout, save_weights
from rabit.layers.lpips import LPIPS_NETWORKS, LpipsName, load_lpips_backbone
from rabit.writing import file_digest


def images(height: int = 40, width: int = 56) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(2, 3, height, width, generator=generator) * 2 - 1


@pytest.mark.parametrize("name", get_args(LpipsName))
def test_it_is_torchvisions_layout_behind_lpips_scaling(name: LpipsName, tmp_path: Path) -> None:
    path = save_weights(name, tmp_path)
    backbone = load_lpips_backbone(name, path)
    known = LPIPS_NETWORKS[name]
    found = backbone.network(images(), known.layers)
    shift, scale = (
        torch.tensor(v).view(3, 1, 1) for v in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450))
    )
    x, expected = (images() - shift) / scale, []
    features = layout(name)
    features.load_state_dict(
        {k.removeprefix("features."): v for k, v in torch.load(path).items() if "features" in k}
    )
    with torch.no_grad():
        for i, module in enumerate(list(features)[: TAPS[name][-1]]):
            x = module(x)
            if i + 1 in TAPS[name]:
                expected.append(x.clone())
    assert tuple(x.shape[1] for x in expected) == known.widths
    for layer, wanted in zip(known.layers, expected, strict=True):
        assert float(wanted.std()) > 1e-3
        torch.testing.assert_close(found[layer], wanted, rtol=1e-4, atol=1e-5)
    parameters = [
        p for m in (backbone.network,) if isinstance(m, nn.Module) for p in m.parameters()
    ]
    assert parameters and not any(p.requires_grad for p in parameters)


@pytest.mark.parametrize("name", get_args(LpipsName))
def test_only_torchvisions_file_is_genuine(
    name: LpipsName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_weights(name, tmp_path)
    other = load_lpips_backbone(name, path)
    known = LPIPS_NETWORKS[name]
    assert not other.genuine
    assert other.network.label == f"{known.label}, other weights than LPIPS's"
    digest = {"alex": "7be5be79", "vgg": "397923af", "squeeze": "b8a52dc0"}[name]
    assert known.digest == digest

    def pretended(_: Any) -> str:
        return digest + file_digest(path)

    monkeypatch.setattr(lpips, "file_digest", pretended)
    genuine = load_lpips_backbone(name, path)
    assert genuine.genuine and genuine.network.label == known.label


def test_small_images_are_read_down_to_where_nothing_is_left(tmp_path: Path) -> None:
    network = load_lpips_backbone("alex", save_weights("alex", tmp_path)).network
    assert network(images(31, 40), ("relu5",))["relu5"].shape[1] == 256
    with pytest.raises(ValueError, match="30x40, expected at least 31"):
        network(images(30, 40), ("relu5",))
    squeeze = load_lpips_backbone("squeeze", save_weights("squeeze", tmp_path)).network
    assert squeeze(images(17, 17), ("fire9",))["fire9"].shape == (2, 512, 1, 1)
    with pytest.raises(ValueError, match="17x16, expected at least 17"):
        squeeze(images(17, 16), ("fire9",))


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    wrong: Any = "resnet"
    with pytest.raises(ValueError, match="no LPIPS network 'resnet', expected alex, vgg, squeeze"):
        load_lpips_backbone(wrong, tmp_path / "none.pth")
    with pytest.raises(ValueError, match="no such file"):
        load_lpips_backbone("alex", tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"features\.0\.weight is .* for VGG-16"):
        load_lpips_backbone("vgg", save_weights("alex", tmp_path))
    network = load_lpips_backbone("alex", save_weights("alex", tmp_path)).network
    with pytest.raises(ValueError, match="AlexNet.* has no layer relu6; it has relu1, relu2"):
        network.check(("relu1", "relu6"))
