"""Validation while training: figures of the moving average on a few fixed samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rabit.data.batch import Batch
from rabit.layers.vgg import Vgg
from rabit.metrics.perceptual import PerceptualDistance
from rabit.metrics.pixels import SSIM_WINDOW, Psnr, Ssim, psnr
from rabit.metrics.running import RunningMean
from rabit.model.network import TranslationNetwork

BEST: Mapping[str, bool] = {"perceptual": False, "l1": False, "psnr": True, "ssim": True}
"""The figures that a best checkpoint can be chosen by: whether higher is better."""

SEED = 0
# Values of a tanh that the gradient hardly passes any more: its slope is below 0.01 from here on.
SATURATED = 0.995
# Exemplars whose structure is this much the truth's own are no others that could be copied.
SAME = 0.9


def validate(
    network: TranslationNetwork, batches: Sequence[Batch], backbone: Vgg | None
) -> dict[str, float]:
    """Translates held-out samples in evaluation mode and measures the results.

    Two calls with the same weights give the same figures, for correspondences that draw random
    numbers too, and the random state of the training stays as it was.

    Args:
        network: usually the moving average; every module's mode is restored.
        batches: the same ones each time, on any device; at least one.
        backbone: feature network of the perceptual distance; None leaves that out.

    Returns:
        Means over samples by name:

        - l1: |result - truth|, 0 to 2. Where a sample is not paired, that counts the difference of
          their looks as well.
        - psnr, ssim, warped_psnr: of paired samples, in dB, at most 1, and in dB; of the result and
          of the warped exemplar. Left out where there are no such samples, no correspondence, or
          for ssim pictures smaller than its window.
        - perceptual: distance of features, see `PerceptualDistance`.
        - copied_structure: how much more of the exemplar's structure the results have than the
          truth has, see `copied_structure`, from 0 to 1 for the exemplar itself. Left out where
          every exemplar is the truth.
        - spread: how far colours lie from a picture's mean colour, as a share of the truth's; 0 for
          pictures of one colour.
        - saturated: share of values at an end of the range beyond the truth's share, 0 to 1.

    Raises:
        FloatingPointError: a result is not finite.
        ValueError: there is no batch.
    """
    if not batches:
        raise ValueError("no batches to validate on, expected at least one")
    device = next(network.parameters()).device
    figures = _Figures(backbone)
    cuda = [device] if device.type == "cuda" else []
    with evaluating(network), torch.no_grad(), torch.random.fork_rng(cuda):
        torch.manual_seed(SEED)
        for batch in batches:
            there = batch.to(device)
            output = network(there.condition, there.exemplar, there.exemplar_condition)
            aligned = output.alignment.correspondence is not None
            warped = output.alignment.warped_exemplar.float() if aligned else None
            figures.take(there, output.image.float(), warped)
    return figures.means()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Puts a network into evaluation mode, and each of its modules back into its own."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


class _Figures:
    """Means of all figures while batches come in."""

    def __init__(self, backbone: Vgg | None) -> None:
        names = ("l1", "warped_psnr", "copied_structure", "spread", "saturated")
        self.running = {name: RunningMean() for name in names}
        self.psnr, self.ssim = Psnr(), Ssim()
        self.perceptual = None if backbone is None else PerceptualDistance(backbone)

    def take(
        self,
        batch: Batch,
        images: Float[Tensor, "B 3 H W"],
        warped: Float[Tensor, "B 3 H W"] | None,
    ) -> None:
        """Measures a batch; warped is None without a correspondence."""
        if not bool(images.isfinite().all()):
            raise FloatingPointError(
                "the moving average's network gives results that are not finite; lower the "
                "learning rate, and resume from an earlier checkpoint"
            )
        truth = batch.truth
        self.running["l1"].add((images - truth).abs().flatten(1).mean(dim=1))
        self.running["spread"].add(_spread(images) / _spread(truth).clamp(min=1e-3))
        self.running["saturated"].add(saturated(images, truth))
        copied = copied_structure(images, batch.exemplar, truth)
        self.running["copied_structure"].add(copied[~copied.isnan()])
        if self.perceptual is not None:
            self.perceptual.update(images, truth)
        if bool(batch.paired.any()):
            images, truth = images[batch.paired], truth[batch.paired]
            self.psnr.update(images, truth)
            if min(images.shape[-2:]) >= SSIM_WINDOW:
                self.ssim.update(images, truth)
            if warped is not None:
                self.running["warped_psnr"].add(psnr(warped[batch.paired], truth))

    def means(self) -> dict[str, float]:
        """Returns the figures that something was measured for."""
        running = {"psnr": self.psnr.running, "ssim": self.ssim.running, **self.running}
        if self.perceptual is not None:
            running["perceptual"] = self.perceptual.running
        return {name: each.mean for name, each in running.items() if each.count}


def copied_structure(
    images: Float[Tensor, "B 3 H W"],
    exemplar: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
) -> Float[Tensor, " B"]:
    """Returns how much more of the exemplar's structure images have than the truth has.

    (c(image, exemplar) - c(truth, exemplar)) / (1 - c(truth, exemplar)), clamped to [0, 1], with c
    the correlation of brightness gradients at the same positions, 0 or more. Colours do not count,
    which results shall have from the exemplar; nor what a layout shares with the exemplar's anyway.
    It needs no regions, which drawn edges do not have. Truths have 0; copies 1, darker ones too,
    and 0.7 and 0.4 to 0.5 after Gaussians of 1 and 2 pixels at 128x128; trained models below 0.05.

    Args:
        images: results in [-1, 1].
        exemplar: in [-1, 1].
        truth: the photographs that the conditions belong to.

    Returns:
        (B,) nan where the exemplar is (nearly) the truth, so that there is nothing to tell.
    """
    if exemplar.shape != truth.shape:
        return torch.full(truth.shape[:1], torch.nan, device=truth.device)
    ours, theirs, wanted = (_gradients(each) for each in (images, exemplar, truth))
    shared = _correlation(wanted, theirs).clamp(min=0)
    excess = (_correlation(ours, theirs) - shared) / (1 - shared).clamp(min=1 - SAME)
    return torch.where(shared < SAME, excess.clamp(0, 1), torch.nan)


def _gradients(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B N"]:
    """The brightness's differences from pixel to pixel, down and right."""
    brightness = images.double().mean(dim=1)
    down, right = brightness.diff(dim=1), brightness.diff(dim=2)
    return torch.cat([down.flatten(1), right.flatten(1)], dim=1)


def _correlation(x: Float[Tensor, "B N"], y: Float[Tensor, "B N"]) -> Float[Tensor, " B"]:
    """Cosine of gradients, whose mean is 0 anyway; 0 where there are none."""
    scale = x.norm(dim=1) * y.norm(dim=1)
    return (x * y).sum(dim=1) / scale.clamp(min=1e-6)


def _spread(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
    """Standard deviation over a picture's positions, averaged over its channels."""
    return images.double().flatten(2).std(dim=2, correction=0).mean(dim=1)


def saturated(
    images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, " B"]:
    """Returns the share of each picture's values at an end of the range, beyond the truth's share.

    Args:
        images: results in [-1, 1].
        truth: the photographs that the conditions belong to.

    Returns:
        (B,) from 0 to 1.
    """
    ours, theirs = ((each.abs() > SATURATED).flatten(1) for each in (images, truth))
    return (ours.double().mean(dim=1) - theirs.double().mean(dim=1)).clamp(min=0)
