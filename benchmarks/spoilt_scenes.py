"""True translations of held-out scenes, and six ways to spoil them more and more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rabit.data.images import to_tensor
from rabit.data.scenes import Scenes
from rabit.evaluation.showcase import HELD_OUT_SEED
from rabit.metrics.jpeg import as_jpeg

SIDE = 176
SCENES = 8
EXEMPLARS = 3
SHARES = (0.25, 0.5, 0.75, 1.0)
LEVELS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "blur": ("Gaussian blur,\nσ in pixels", (0.5, 1, 2, 4)),
    "noise": ("noise,\nσ of values in [0, 1]", (0.02, 0.05, 0.1, 0.2)),
    "jpeg": ("JPEG,\nquality", (90, 50, 20, 5)),
    "tint": ("tint,\nred less blue in [0, 1]", (0.05, 0.1, 0.2, 0.4)),
    "exemplar": ("another exemplar's truth,\nshare of results", SHARES),
    "copy": ("the exemplar itself,\nshare of results", SHARES),
}


@dataclass(frozen=True)
class Bed:
    """What results are measured against; N images, the exemplars of a condition in a row.

    Args:
        truth: (N, 3, H, W), the true translations.
        exemplars: (N, 3, H, W).
        regions: (N, H, W), of the conditions.
        exemplar_regions: (N, H, W).
    """

    truth: Tensor
    exemplars: Tensor
    regions: Tensor
    exemplar_regions: Tensor


def make_bed() -> Bed:
    """Draws held-out scenes, each with several exemplars."""
    corpus = Scenes(SCENES, (SIDE, SIDE), HELD_OUT_SEED)
    drawn = [(corpus[i], e) for i in range(SCENES) for e in corpus.exemplars(i, EXEMPLARS)]
    return Bed(
        truth=torch.stack([to_tensor(e.truth) for _, e in drawn]),
        exemplars=torch.stack([to_tensor(e.image) for _, e in drawn]),
        regions=torch.stack([sample.condition.regions for sample, _ in drawn]).long(),
        exemplar_regions=torch.stack([torch.from_numpy(e.labels).long() for _, e in drawn]),
    )


def spoilt(bed: Bed, series: str, level: float) -> Tensor:
    """Returns the true translations, spoilt, with the 256 values of a file."""
    x, count = bed.truth, len(bed.truth)
    if series == "blur":
        x = blurred(x, level)
    elif series == "noise":
        generator = torch.Generator().manual_seed(0)
        x = x + 2 * level * torch.randn(x.shape, generator=generator)
    elif series == "jpeg":
        x = as_jpeg(x, round(level))
    elif series == "tint":
        x = x + level * torch.tensor([1.0, 0.0, -1.0]).view(3, 1, 1)
    elif series == "exemplar":
        turned = x.view(SCENES, EXEMPLARS, *x.shape[1:]).roll(1, dims=1).flatten(0, 1)
        x = torch.cat([turned[: round(level * count)], x[round(level * count) :]])
    else:
        # Every fourth, every second, ...: of all conditions and exemplars.
        chosen = torch.arange(count) % len(SHARES) < round(level * len(SHARES))
        x = torch.where(chosen.view(-1, 1, 1, 1), bed.exemplars, x)
    return ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Blurs by a Gaussian, edges mirrored."""
    reach = round(4 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    weights = weights / weights.sum()
    x = F.pad(images, (reach,) * 4, mode="reflect").flatten(0, 1)[:, None]
    x = F.conv2d(F.conv2d(x, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return x.view_as(images)
