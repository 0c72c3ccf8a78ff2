"""How much of the exemplar stands in results where the condition asks for something else."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.metrics.regions import check_regions
from rabit.metrics.running import PerImage, check_pair

STEPS = 16
"""Of 8 bits, that a channel may be off."""

TOLERANCE = 2 * (STEPS + 0.5) / 255
"""The same of images in [-1, 1]: half a step more, so that rounding moves no whole step over it."""


class Copied(PerImage):
    """Share of an image that is the exemplar's, pixel at pixel, where it should not be.

    Of the pixels whose region differs between the condition and the exemplar's own condition,
    those whose colour is the exemplar's at the same place, up to a tolerance in each channel;
    the mean over images. Where the regions agree, the exemplar's colour may be right and is not
    counted; an image whose regions agree everywhere is left out, and the count says how many
    stayed. This is for models trained without exemplars of another layout, which hand the exemplar
    through and disregard the condition, while the figures that compare with the exemplar praise
    them.

    Between 0 and 1; lower is better. A good model gives what the true pictures give when they are
    measured in the place of results: chance, which depends on the corpus (0.02 on the generated
    scenes). There a copy gives 1, darkened by a tenth too, and blurred by Gaussians of 1 and 2
    pixels, 0.7 and 0.4 at 128x128 and 0.4 and 0.2 at 64x64.

    Args:
        tolerance: how far a channel may be off, for values in [-1, 1].

    Raises:
        ValueError: the tolerance is negative.

    Example:
        >>> import torch
        >>> exemplar = torch.rand(1, 3, 4, 4) * 2 - 1
        >>> condition = torch.zeros(1, 4, 4, dtype=torch.long)
        >>> copied = Copied()
        >>> copied.update(exemplar, exemplar, condition, condition + 1)
        >>> copied.compute().mean
        1.0
    """

    label = "copied share"

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        super().__init__()
        if not tolerance >= 0:
            raise ValueError(f"tolerance {tolerance}, expected 0 or more")
        self.tolerance = tolerance

    def measure(
        self,
        images: Float[Tensor, "B 3 H W"],
        exemplars: Float[Tensor, "B 3 H W"],
        regions: Int[Tensor, "B H W"],
        exemplar_regions: Int[Tensor, "B H W"],
    ) -> Float[Tensor, " B"]:
        """Returns the share of each image, float64.

        Args:
            images: results in [-1, 1].
            exemplars: in [-1, 1].
            regions: ids of the conditions' regions.
            exemplar_regions: ids of the regions of the exemplars' own conditions.

        Returns:
            (B,) nan for an image whose regions agree with its exemplar's everywhere.

        Raises:
            ValueError: shapes or ranges do not fit.
        """
        check_pair(images, exemplars, "exemplars")
        regions, exemplar_regions = check_regions(images, (regions, exemplar_regions))
        elsewhere = (regions != exemplar_regions).flatten(1)
        same = ((images - exemplars).abs().amax(dim=1) <= self.tolerance).flatten(1)
        counts = elsewhere.sum(dim=1, dtype=torch.float64)
        return (same & elsewhere).sum(dim=1) / counts

    def update(
        self,
        images: Float[Tensor, "B 3 H W"],
        exemplars: Float[Tensor, "B 3 H W"],
        regions: Int[Tensor, "B H W"],
        exemplar_regions: Int[Tensor, "B H W"],
    ) -> None:
        """Measures a batch and takes the figures into the mean; arguments as in `measure`."""
        shares = self.measure(images, exemplars, regions, exemplar_regions)
        self.running.add(shares[~shares.isnan()])
