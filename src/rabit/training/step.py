"""One training step: the generator's losses, then the discriminator's; weights and sums."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rabit.alignment.network import Alignment
from rabit.config import LossConfig
from rabit.data.batch import Batch
from rabit.layers.vgg import Vgg
from rabit.losses.adversarial import discriminator_hinge, feature_matching, generator_hinge
from rabit.losses.alignment import consistency_loss, cycle_loss, paired_l1
from rabit.losses.perceptual import contextual_loss, perceptual_loss, pseudo_loss
from rabit.model.discriminator import Discriminator
from rabit.model.network import NetworkOutput, TranslationNetwork


@dataclass(frozen=True)
class GeneratorLosses:
    """The generator's side of a step.

    Args:
        values: unweighted losses by name; only those that are on.
        output: the forward pass that they were computed on.
        masked: share of exemplar positions that the cycle loss leaves out, None without it.
        residual: largest |sum p - k| of the ranking, or error of transport's column sums; None for
            other methods.
    """

    values: dict[str, Tensor]
    output: NetworkOutput
    masked: float | None
    residual: float | None


def generator_losses(
    network: TranslationNetwork,
    discriminator: Discriminator,
    backbone: Vgg | None,
    batch: Batch,
    config: LossConfig,
    with_exemplar_condition: bool = True,
    expected_pairs: float | None = None,
    run: nn.Module | None = None,
) -> GeneratorLosses:
    """Runs the network and computes every loss whose weight is not 0 (Eq. 5).

    Args:
        network: the translator.
        discriminator: judges the result.
        backbone: perceptual features; None only if no loss needs them.
        batch: what to translate.
        config: which losses are on.
        with_exemplar_condition: whether the network sees the exemplar's condition.
        expected_pairs: where the batch is one of several parts, the mean number of paired samples
            of a part.
        run: what runs the network, where something surrounds it; the network itself if None.

    Returns:
        Unweighted losses and the forward pass.
    """
    exemplar_condition = batch.exemplar_condition if with_exemplar_condition else None
    output = (network if run is None else run)(batch.condition, batch.exemplar, exemplar_condition)
    values: dict[str, Tensor] = {}
    masked = _alignment_losses(values, network, output.alignment, batch, config, expected_pairs)
    _perceptual_losses(values, backbone, output.image, batch, config, expected_pairs)
    if config.adv or config.fm:
        fake = discriminator(batch.condition.channels, output.image)
        if config.adv:
            values["adv"] = generator_hinge(tuple(j.scores for j in fake))
        if config.fm:
            with torch.no_grad():
                real = discriminator(batch.condition.channels, batch.truth)
            values["fm"] = feature_matching(
                tuple(j.features for j in real), tuple(j.features for j in fake)
            )
    correspondence = output.alignment.correspondence
    residual = None
    if correspondence is not None and correspondence.residual is not None:
        residual = float(correspondence.residual.max())
    return GeneratorLosses(values=values, output=output, masked=masked, residual=residual)


def _alignment_losses(
    values: dict[str, Tensor],
    network: TranslationNetwork,
    alignment: Alignment,
    batch: Batch,
    config: LossConfig,
    expected_pairs: float | None,
) -> float | None:
    """Adds cyc, cst and warp; returns the share of positions that the cycle leaves out."""
    masked = None
    correspondence = alignment.correspondence
    if config.cyc and correspondence is not None:
        exemplar = F.avg_pool2d(batch.exemplar, alignment.stride)
        back = correspondence.warp_back(correspondence.warp(exemplar))
        cycle = cycle_loss(back.values, exemplar, back.received)
        values["cyc"], masked = cycle.value, cycle.masked
    if config.cst and correspondence is not None:
        x = alignment.condition_features
        z = network.alignment.exemplar_extractor(batch.truth)
        assert x.x6 is not None and z.x6 is not None
        values["cst"] = consistency_loss((x.x5, x.x6), (z.x5, z.x6))
    if config.warp and correspondence is not None:
        values["warp"] = paired_l1(
            alignment.warped_exemplar, batch.truth, batch.paired, expected_pairs
        )
    return masked


def _perceptual_losses(
    values: dict[str, Tensor],
    backbone: Vgg | None,
    image: Tensor,
    batch: Batch,
    config: LossConfig,
    expected_pairs: float | None,
) -> None:
    """Adds perc, cxt and pse from one pass over each of the three images."""
    if not config.layers():
        return
    if backbone is None:
        raise ValueError("the losses perc, cxt or pse are on, but no perceptual backbone is given")
    used = {
        "perc": config.perc_layers if config.perc else (),
        "cxt": config.cxt_layers if config.cxt else (),
        "pse": config.pse_layers if config.pse else (),
    }
    layers = {name: tuple(layer for layer, _ in pairs) for name, pairs in used.items()}
    truth_layers = layers["perc"] + layers["pse"]
    generated = backbone(image, truth_layers + layers["cxt"])
    with torch.no_grad():
        truth = backbone(batch.truth, truth_layers) if truth_layers else {}
        exemplar = backbone(batch.exemplar, layers["cxt"]) if layers["cxt"] else {}
    if config.perc:
        values["perc"] = perceptual_loss(generated, truth, config.perc_layers)
    if config.cxt:
        values["cxt"] = contextual_loss(
            generated, exemplar, config.cxt_layers, config.cxt_bandwidth
        )
    if config.pse:
        values["pse"] = pseudo_loss(
            generated, truth, batch.paired, config.pse_layers, expected_pairs
        )


def discriminator_loss(discriminator: nn.Module, batch: Batch, image: Tensor) -> Tensor:
    """Returns the discriminator's hinge loss on real and generated images.

    Args:
        discriminator: the judge, or what runs it.
        batch: holds the conditions and the real images.
        image: (B, 3, H, W) generated images, detached.
    """
    real = discriminator(batch.condition.channels, batch.truth)
    fake = discriminator(batch.condition.channels, image)
    return discriminator_hinge(tuple(j.scores for j in real), tuple(j.scores for j in fake))


def check_gradients(network: nn.Module, what: str, step: int) -> None:
    """Raises if a gradient is not a number, which finite losses do not rule out.

    Raises:
        FloatingPointError: names the network and the step.
    """
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not bool(torch.nn.utils.get_total_norm(gradients).isfinite()):
        raise FloatingPointError(
            f"step {step}: a gradient of the {what} is not finite; training stopped before it was "
            "applied. Lower the learning rate, and resume from the last checkpoint"
        )


def weigh(values: dict[str, Tensor], config: LossConfig) -> Tensor:
    """Returns the weighted sum of the losses (Eq. 5).

    Raises:
        ValueError: there is no such loss; one of your own is added to the sum.
    """
    weights = config.weights()
    unknown = sorted(set(values) - set(weights))
    if unknown:
        raise ValueError(
            f"losses has {', '.join(unknown)}, which have no weight: expected "
            f"{', '.join(weights)}; add others to the weighted sum"
        )
    terms = [weights[name] * value for name, value in values.items()]
    return sum(terms[1:], terms[0])


def check_finite(values: dict[str, float], step: int) -> None:
    """Raises if a loss is not a number.

    Raises:
        FloatingPointError: names the losses and the step.
    """
    bad = [f"{name} = {value}" for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise FloatingPointError(
            f"step {step}: the loss {', '.join(bad)} is not finite; training stopped before "
            "these gradients were applied. Lower the learning rate or the loss's weight, and "
            "resume from the last checkpoint"
        )
