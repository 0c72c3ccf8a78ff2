"""Losses of the alignment network (paper 3.4): cyc, cst, and the direct warp loss."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from rabit.functional.dtype import wide_difference
from rabit.functional.normalise import unit_vectors


@dataclass(frozen=True)
class CycleLoss:
    """The cycle loss and what it could not see.

    Args:
        value: scalar.
        masked: share of the exemplar's positions that no mass returned to, in [0, 1].
    """

    value: Float[Tensor, ""]
    masked: float


def cycle_loss(
    returned: Float[Tensor, "B C H W"],
    original: Float[Tensor, "B C H W"],
    received: Bool[Tensor, "B 1 H W"],
) -> CycleLoss:
    """L_cyc = |T^T T Z - Z|_1 over the positions that mass returns to.

    Every sample counts the same, however many of its positions that are, so that the loss of a
    batch is the mean of those of its parts.

    Args:
        returned: T^T T Z, the exemplar warped there and back.
        original: Z.
        received: where any mass arrived; other positions are left out.

    Returns:
        The mean absolute difference and the share left out.
    """
    difference = ((returned - original).abs() * received).flatten(1).sum(dim=1)
    count = received.flatten(1).sum(dim=1) * original.shape[1]
    masked = 1 - float(received.double().mean())
    return CycleLoss(value=(difference / count.clamp_min(1)).mean(), masked=masked)


def consistency_loss(
    condition_features: tuple[Tensor, ...], truth_features: tuple[Tensor, ...]
) -> Float[Tensor, ""]:
    """L_cst = |F_X(X) - F_Z(X')|_1: both domains' features of one scene agree.

    Compared with unit length at each position, so that the loss cannot be lowered by shrinking
    the features.

    Args:
        condition_features: (B, C, H, W) features of the condition, one tensor a scale.
        truth_features: the features of its photograph at the same scales.

    Returns:
        Mean absolute difference, averaged over the scales, times the square root of C so that
        its size does not depend on the number of channels.
    """
    terms = [
        (unit_vectors(x, dim=1) - unit_vectors(z, dim=1)).abs().mean() * x.shape[1] ** 0.5
        for x, z in zip(condition_features, truth_features, strict=True)
    ]
    return sum(terms[1:], terms[0]) / len(terms)


def paired_l1(
    images: Float[Tensor, "B C H W"],
    truth: Float[Tensor, "B C H W"],
    paired: Bool[Tensor, " B"],
    expected: float | None = None,
) -> Float[Tensor, ""]:
    """Mean absolute difference over the samples whose truth has the exemplar's look.

    Used on the warped exemplar (the direct warp loss of CoCosNet's pose task).

    Args:
        images: (B, C, H, W).
        truth: (B, C, H, W).
        paired: (B,) which samples count; none give 0.
        expected: what the sum is divided by, above 0; the number of samples that count if None. Of
            a batch that is one of several parts, their mean number, so that the mean of the parts'
            losses is the loss of the whole.

    Returns:
        Scalar, 0 or more.
    """
    difference = wide_difference(images, truth).flatten(1).mean(dim=1)
    total = (difference * paired).sum()
    return total / (paired.sum().clamp_min(1) if expected is None else expected)
