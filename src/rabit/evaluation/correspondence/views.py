"""Pairs of pictures whose true correspondence is known: a stereo photograph, generated scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rabit.data.batch import collate
from rabit.data.scenes import Scenes, true_correspondence
from rabit.functional.condition import Condition
from rabit.inference import Translator

PICTURE = 256
WINDOW = 8
# Scenes that neither training nor `rabit evaluate` draws.
SEED = 41_000_000


@dataclass(frozen=True)
class View:
    """Features to match, and the truth at the resolution of the pictures.

    Args:
        x: (1, C, S, S) the condition's features.
        z: (1, C, S, S) the exemplar's features.
        exemplar: (1, 3, R, R) in [-1, 1], what is warped.
        truth: (1, 3, R, R) in [-1, 1], what should come out.
        places: (R, R, 2) the pixel (x, y) of the exemplar that each pixel comes from.
        known: (R, R) where that is known; elsewhere nothing is measured.
    """

    x: Float[Tensor, "1 C S S"]
    z: Float[Tensor, "1 C S S"]
    exemplar: Float[Tensor, "1 3 R R"]
    truth: Float[Tensor, "1 3 R R"]
    places: Float[Tensor, "R R 2"]
    known: Bool[Tensor, "R R"]


def stereo_view(side: int) -> View:
    """Two photographs of a motorcycle with true disparity (Middlebury 2014, in scikit-image).

    The left photograph is the condition, the right one the exemplar, both brought to 256x256. A
    position is described by the 8x8 RGB pixels around it in the photographs at twice the
    resolution of the features: fixed, nothing is learned.

    Args:
        side: of the feature maps, in positions.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
    """
    from skimage.data import stereo_motorcycle

    left, right, disparity = (np.asarray(part) for part in stereo_motorcycle())
    width, size = left.shape[1], (PICTURE, PICTURE)
    truth, exemplar = (_photograph(part) for part in (left, right))
    shift = torch.from_numpy(disparity.astype(np.float64))[None, None]
    shift = F.interpolate(shift, size=size, mode="nearest-exact")[0, 0] * (PICTURE / width)
    rows, columns = torch.meshgrid(
        torch.arange(PICTURE, dtype=torch.float64),
        torch.arange(PICTURE, dtype=torch.float64),
        indexing="ij",
    )
    x = columns - shift
    known = shift.isfinite() & (x >= 0)
    return View(
        x=_windows(truth, side),
        z=_windows(exemplar, side),
        exemplar=_resized(exemplar, PICTURE),
        truth=_resized(truth, PICTURE),
        places=torch.stack([x.masked_fill(~known, 0), rows], dim=-1),
        known=known,
    )


def scene_views(side: int, count: int, translator: Translator) -> Iterator[View]:
    """Generated scenes, described by what a model's two sides compare.

    Args:
        side: of the feature maps, in positions; the model sees pictures of twice that.
        count: number of scenes.
        translator: a model trained on the generated classes, with alignment.
    """
    scenes = Scenes(count, (PICTURE, PICTURE), SEED)
    for index in range(count):
        sample = scenes[index]
        batch = collate([sample], len(scenes.classes))
        inner = (2 * side, 2 * side)
        condition, exemplar_condition = (
            Condition.from_labels(_nearest(labels, inner)[None], len(scenes.classes))
            for labels in (sample.condition.regions, sample.exemplar_condition.regions)
        )
        with torch.no_grad():
            x, z = translator.network.alignment.vectors(
                condition, _resized(batch.exemplar, 2 * side), exemplar_condition
            )
        places = torch.from_numpy(
            true_correspondence(
                sample.condition.regions.numpy(), sample.exemplar_condition.regions.numpy()
            )
        ).double()
        known = places.isfinite().all(-1)
        yield View(
            x=x,
            z=z,
            exemplar=batch.exemplar,
            truth=batch.truth,
            places=places.masked_fill(~known.unsqueeze(-1), 0),
            known=known,
        )


def _photograph(pixels: np.ndarray) -> Float[Tensor, "1 3 H W"]:
    values = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)
    return values[None] / 127.5 - 1


def _resized(images: Tensor, side: int) -> Tensor:
    if images.shape[-2:] == (side, side):
        return images
    size = (side, side)
    return F.interpolate(images, size=size, mode="bilinear", antialias=True).clamp(-1, 1)


def _nearest(labels: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(labels[None, None].double(), size=size, mode="nearest-exact")[0, 0].long()


def _windows(photograph: Float[Tensor, "1 3 H W"], side: int) -> Float[Tensor, "1 C S S"]:
    """Describes each position by the pixels around it."""
    fine = _resized(photograph, 2 * side)
    margin = WINDOW // 2 - 1
    padded = F.pad(fine, (margin, margin, margin, margin), mode="reflect")
    return F.unfold(padded, WINDOW, stride=2).unflatten(2, (side, side))
