"""Adversarial hinge losses (adv) and feature matching (fm)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rabit.functional.dtype import wide_difference, working_dtype


def generator_hinge(scores: tuple[Tensor, ...]) -> Float[Tensor, ""]:
    """L_adv of the generator: minus the mean score of generated images, averaged over scales.

    Args:
        scores: (B, 1, h, w) patch scores of generated images, one tensor a scale.

    Returns:
        Scalar.
    """
    means = [s.to(working_dtype(s)).mean() for s in scores]
    return -sum(means[1:], means[0]) / len(means)


def discriminator_hinge(real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Float[Tensor, ""]:
    """L_adv of the discriminator: real scores above 1, generated ones below -1.

    Args:
        real: patch scores of real images, one tensor a scale.
        fake: patch scores of generated images.

    Returns:
        Scalar, 0 or more, averaged over scales.
    """
    wide = [tuple(s.to(working_dtype(s)) for s in pair) for pair in zip(real, fake, strict=True)]
    terms = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in wide]
    return sum(terms[1:], terms[0]) / len(terms)


def feature_matching(
    real: tuple[tuple[Tensor, ...], ...], fake: tuple[tuple[Tensor, ...], ...]
) -> Float[Tensor, ""]:
    """L_fm: L1 between the discriminator's activations on real and generated images.

    Args:
        real: activations on real images, by scale and layer; no gradient reaches them.
        fake: activations on generated images.

    Returns:
        Scalar, 0 or more: summed over layers, averaged over scales.
    """
    terms = [
        wide_difference(f, r.detach()).mean()
        for real_scale, fake_scale in zip(real, fake, strict=True)
        for r, f in zip(real_scale, fake_scale, strict=True)
    ]
    return sum(terms[1:], terms[0]) / len(real)
