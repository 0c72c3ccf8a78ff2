from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lpips_weights import layout
from rabit.app.evaluate_networks import NetworkOptions, open_networks
from rabit.evaluation.measure import Measuring
from rabit.evaluation.report.cases import is_distance
from rabit.layers.lpips import LPIPS_NETWORKS


def test_a_stand_in_s_figure_never_carries_the_real_name(tmp_path: Path) -> None:
    """Other weights under the published file's name are told by their digest."""
    weights = {f"features.{key}": value for key, value in layout("squeeze").state_dict().items()}
    torch.save(weights, tmp_path / "squeezenet1_1-b8a52dc0.pth")
    widths = LPIPS_NETWORKS["squeeze"].widths
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(widths)}
    torch.save(heads, tmp_path / "lpips-squeeze.pth")
    opened = open_networks(NetworkOptions(weights=tmp_path), torch.device("cpu"))
    quantities = Measuring(opened.networks, 2, (32, 32)).quantities("translation")
    (own,) = (q for q in quantities if q.name == "weighted_squeeze")
    assert own.heading == "weighted distance squeeze" and is_distance(own)
    (told,) = (text for text in opened.missing if text.startswith("LPIPS (squeeze)"))
    assert "lpips-squeeze.pth holds other weights than the published file" in told
    for quantity in quantities:
        text = f"{quantity.name} {quantity.heading} {quantity.label}"
        assert "LPIPS" not in text.replace("other weights than LPIPS's", "")
        assert "lpips" not in text


def vgg19_weights() -> dict[str, Tensor]:
    """Returns random weights in torchvision's layout."""
    weights: dict[str, Tensor] = {}
    index, channels = 0, 3
    for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            weights[f"features.{index}.weight"] = 0.01 * torch.randn(width, channels, 3, 3)
            weights[f"features.{index}.bias"] = torch.zeros(width)
            index, channels = index + 2, width
        index += 1
    return weights


def test_a_backbone_with_a_file_of_its_own_is_not_said_to_be_missing(tmp_path: Path) -> None:
    torch.save(vgg19_weights(), tmp_path / "mine.pth")
    own = NetworkOptions("vgg19", tmp_path / "mine.pth")
    for options, said in ((own, False), (NetworkOptions(), True)):
        missing = open_networks(options, torch.device("cpu")).missing
        assert any("VGG-19" in text for text in missing) == said
