"""How near correspondences come to the truth, as in the paper's Table 7."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rabit.alignment import Correspondence
from rabit.data.images import as_saved
from rabit.evaluation.correspondence.contestants import Contestant
from rabit.evaluation.correspondence.views import View
from rabit.metrics.pixels import psnr, ssim
from rabit.metrics.running import Estimate, RunningMean


@dataclass(frozen=True)
class Accuracy:
    """Figures of warped exemplars and matches, means over pictures.

    Args:
        l1: mean absolute difference to the truth, of a range of 1.
        ssim: at most 1, higher is better.
        psnr: in decibels.
        end_point: mean distance of a pixel's match to its true place, in pixels of 256.
        median_end_point: the median distance of each picture, averaged.
    """

    l1: Estimate
    ssim: Estimate
    psnr: Estimate
    end_point: Estimate
    median_end_point: Estimate


def measure_accuracy(contestant: Contestant, views: Iterable[View]) -> Accuracy:
    """Warps the exemplar of each view and compares it, and the matches, with the truth.

    Pixels whose true place is unknown are taken as right in the picture and left out of the
    distances. Pictures are measured as they would be saved, with 8 bits.

    Args:
        contestant: a correspondence method with its options.
        views: at least one.
    """
    running = {name: RunningMean() for name in Accuracy.__dataclass_fields__}
    for view in views:
        with torch.no_grad():
            built = contestant.correspond(view.x, view.z)
            warped = warp_pictures(built, view.exemplar)
        warped = as_saved(torch.where(view.known, warped.float(), view.truth))
        distance = (matched_pixels(built, view.exemplar) - view.places).norm(dim=-1)[view.known]
        figures = {
            "l1": (warped - view.truth).abs().mean() / 2 / view.known.double().mean(),
            "ssim": ssim(warped, view.truth),
            "psnr": psnr(warped, view.truth),
            "end_point": distance.mean(),
            "median_end_point": distance.median(),
        }
        for name, value in figures.items():
            running[name].add(value.reshape(-1))
    return Accuracy(**{name: each.estimate() for name, each in running.items()})


def warp_pictures(
    built: Correspondence, pictures: Float[Tensor, "B 3 R R"]
) -> Float[Tensor, "B 3 R R"]:
    """Warps pictures that are finer than the correspondence: a position carries its pixels."""
    factor = pictures.shape[-1] // built.exemplar_size[1]
    return F.pixel_shuffle(built.warp(F.pixel_unshuffle(pictures, factor)), factor)


def matched_pixels(
    built: Correspondence, pictures: Float[Tensor, "1 3 R R"]
) -> Float[Tensor, "R R 2"]:
    """Returns the pixel (x, y) that each pixel is matched with, as `warp_pictures` carries it."""
    factor = pictures.shape[-1] // built.exemplar_size[1]
    matches = built.matches()[0].double() * factor
    matches = matches.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
    inside = torch.arange(matches.shape[0], dtype=torch.float64) % factor
    return matches + torch.stack(torch.meshgrid(inside, inside, indexing="xy"), dim=-1)
