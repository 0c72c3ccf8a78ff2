"""A correspondence matrix that is a softmax over all exemplar positions and is never stored."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.alignment.matrix import Matrix
from rabit.functional.scores import RowStatistics
from rabit.functional.streaming import (
    chosen_products,
    row_statistics,
    softmax_gather,
    softmax_scatter,
)


@dataclass(frozen=True)
class SoftmaxMatrix(Matrix):
    """T_ij = softmax over j of (<x_i, z_j> / temperature + bias_j).

    Scores are computed when a product is asked for and again in its backward pass, so that memory
    grows with the positions and not with their pairs. The statistics of the rows are found by the
    first pass over the scores, whatever it is for, and kept; they carry no gradient of their own.

    Args:
        x: (B, C, H W) features of the condition, of length 1.
        z: (B, C, Hz Wz) features of the exemplar, of length 1.
        temperature: of the softmax, > 0.
        bias: (B, Hz Wz) added to the logits; None for 0.
        places: (B, H W) exemplar position with the largest weight; None until known.
        log_sum: (B, H W) logarithm of the sum of exp(logits); None until known.
    """

    x: Float[Tensor, "B C H*W"]
    z: Float[Tensor, "B C Hz*Wz"]
    temperature: float
    bias: Float[Tensor, "B Hz*Wz"] | None = None
    places: Int[Tensor, "B H*W"] | None = None
    log_sum: Float[Tensor, "B H*W"] | None = None

    @property
    def batch(self) -> int:
        """B, the number of images."""
        return len(self.x)

    def gather(
        self, values: Float[Tensor, "B C Hz Wz"], chunk: int | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Returns T V; `chunk` query positions at a time, chosen from the device if None."""
        known = self._known()
        found = softmax_gather(
            self.x, self.z, self.bias, values.flatten(2), self.temperature, known, chunk
        )
        if known is None:
            self._keep(found.statistics)
        return found.values.unflatten(2, self.size)

    def scatter(
        self, values: Float[Tensor, "B C H W"], chunk: int | None = None
    ) -> Float[Tensor, "B C Hz Wz"]:
        """Returns transposed T times V; `chunk` as for `gather`."""
        log_sum = self._statistics(chunk).log_sum
        sums = softmax_scatter(
            self.x, self.z, self.bias, values.flatten(2), log_sum, self.temperature, chunk
        )
        return sums.unflatten(2, self.exemplar_size)

    def best(self) -> Int[Tensor, "B H W"]:
        """Returns the exemplar position, row-major, with the largest weight of each row."""
        return self._statistics().places.unflatten(1, self.size)

    def peak(self) -> Float[Tensor, "B 1 H W"]:
        """Returns the best cosine of each row, differentiable.

        With a bias the largest weight is not always at the best cosine, which then takes a pass
        over the scores of its own.
        """
        with torch.autocast(self.x.device.type, enabled=False):
            if self.bias is None:
                places = self._statistics().places
            else:
                places = row_statistics(self.x, self.z, None, self.temperature).places
            peak = chosen_products(self.x, self.z, places)
        return peak.unsqueeze(1).unflatten(2, self.size)

    def _statistics(self, chunk: int | None = None) -> RowStatistics:
        known = self._known()
        if known is None:
            known = row_statistics(self.x, self.z, self.bias, self.temperature, chunk)
            self._keep(known)
        return known

    def _known(self) -> RowStatistics | None:
        if self.places is None or self.log_sum is None:
            return None
        return RowStatistics(self.places, self.log_sum)

    def _keep(self, statistics: RowStatistics) -> None:
        """Fills in the fields that were not known, which says nothing new about the matrix.

        Tensors of inference mode could not be used in a backward pass later on, which a matrix that
        was not made in it may still have.
        """
        if torch.is_inference_mode_enabled() and not self.x.is_inference():
            return
        object.__setattr__(self, "places", statistics.places)
        object.__setattr__(self, "log_sum", statistics.log_sum)
