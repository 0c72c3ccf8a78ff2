"""Losses on a perceptual backbone's features (paper 3.4): perc, pse and cxt."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rabit.functional.dtype import full_precision, wide_difference, working_dtype
from rabit.losses.alignment import paired_l1


def perceptual_loss(
    generated: dict[str, Tensor],
    truth: dict[str, Tensor],
    layers: tuple[tuple[str, float], ...],
) -> Float[Tensor, ""]:
    """L_perc = |phi_l(Y) - phi_l(X')|_1 (Eq. 3), summed over weighted layers.

    Args:
        generated: features of the generated images by layer.
        truth: features of the ground truth by layer.
        layers: (name, weight) pairs.

    Returns:
        Scalar, 0 or more.
    """
    terms = [
        weight * wide_difference(generated[name], truth[name]).mean() for name, weight in layers
    ]
    return sum(terms[1:], terms[0])


def pseudo_loss(
    generated: dict[str, Tensor],
    truth: dict[str, Tensor],
    paired: Bool[Tensor, " B"],
    layers: tuple[tuple[str, float], ...],
    expected: float | None = None,
) -> Float[Tensor, ""]:
    """L_pse: L1 on features, for the samples whose truth has the exemplar's look (pseudo pairs).

    Args:
        generated: features of the generated images by layer.
        truth: features of the ground truth by layer.
        paired: (B,) which samples count; none give 0.
        layers: (name, weight) pairs.
        expected: see `paired_l1`.

    Returns:
        Scalar, 0 or more.
    """
    terms = [
        weight * paired_l1(generated[name], truth[name], paired, expected)
        for name, weight in layers
    ]
    return sum(terms[1:], terms[0])


def contextual_loss(
    generated: dict[str, Tensor],
    exemplar: dict[str, Tensor],
    layers: tuple[tuple[str, float], ...],
    bandwidth: float = 0.1,
) -> Float[Tensor, ""]:
    """L_cxt (Eq. 4): each feature of the generated image has a like one in the exemplar.

    Features of the third stage (relu3_*) are pooled by 2 first.

    Args:
        generated: features of the generated images by layer.
        exemplar: features of the exemplars by layer.
        layers: (name, weight) pairs.
        bandwidth: h of the contextual similarity.

    Returns:
        Scalar: minus the logarithm of the mean best similarity, summed over weighted layers.
    """
    total = next(iter(generated.values())).new_zeros(())
    for name, weight in layers:
        y, z = generated[name], exemplar[name]
        if name.startswith("relu3"):
            y, z = F.avg_pool2d(y, 2), F.avg_pool2d(z, 2)
        total = total + weight * contextual_distance(y, z, bandwidth)
    return total


@full_precision
def contextual_distance(
    y: Float[Tensor, "B C H W"], z: Float[Tensor, "B C Hz Wz"], bandwidth: float
) -> Float[Tensor, ""]:
    """Minus log of the contextual similarity of two feature maps (Mechrez et al. 2018).

    Distances are cosine distances of features centred by the target's channel mean, divided by
    each row's smallest; similarities are normalised over the target's positions.

    Args:
        y: (B, C, H, W) features of the generated images.
        z: (B, C, Hz, Wz) features of the exemplars, the target.
        bandwidth: h.

    Returns:
        Scalar, the mean over the batch.
    """
    y, z = (side.to(working_dtype(side)) for side in (y, z))
    centre = z.mean(dim=(2, 3), keepdim=True)
    y = F.normalize((y - centre).flatten(2), dim=1)
    z = F.normalize((z - centre).flatten(2), dim=1)
    distance = 1 - y.transpose(1, 2) @ z
    distance = distance / (distance.amin(dim=2, keepdim=True) + 1e-3)
    similarity = torch.softmax((1 - distance) / bandwidth, dim=2)
    return -similarity.amax(dim=2).mean(dim=1).log().mean()
