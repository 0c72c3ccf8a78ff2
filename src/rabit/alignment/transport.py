"""Mass-preserving correspondence by entropic optimal transport (UNITE)."""

from __future__ import annotations

import warnings

from jaxtyping import Float
from torch import Tensor

from rabit.alignment.correspondence import Correspondence
from rabit.alignment.streamed import SoftmaxMatrix
from rabit.functional.normalise import unit_features
from rabit.functional.sinkhorn import sinkhorn


def transport(
    x: Float[Tensor, "B C H W"],
    z: Float[Tensor, "B C Hz Wz"],
    temperature: float = 0.01,
    tolerance: float = 1e-4,
    iterations: int = 500,
) -> Correspondence:
    """Builds the transport plan between all positions, in which every one sends and receives alike.

    The rows of T sum to 1 and its columns to H W / (Hz Wz). Nothing of the size of T is stored. The
    gradient is the implicit one of the converged plan.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar.
        temperature: the regularisation, > 0, in units of the cosine; the default is that of the
            other methods, so that they differ in the marginal alone.
        tolerance: of the column sums in the 1-norm, of a total of 1; > 0.
        iterations: most passes over the scores, at least 1.

    Returns:
        The correspondence, with the error of the column sums as its residual.

    Raises:
        ValueError: temperature, tolerance or iterations not positive.

    Warns:
        RuntimeWarning: the iterations did not suffice for the tolerance.
    """
    rows, columns = unit_features(x).flatten(2), unit_features(z).flatten(2)
    plan = sinkhorn(rows, columns, temperature, tolerance, iterations)
    if not plan.converged:
        warnings.warn(
            "the transport plan has not converged: its column sums are off by "
            f"{float(plan.error.max()):.1e} in the 1-norm after {iterations} iterations, expected "
            f"{tolerance:.1e}; allow more, or raise the temperature {temperature} or the tolerance",
            RuntimeWarning,
            stacklevel=2,
        )
    matrix = SoftmaxMatrix(
        size=(x.shape[2], x.shape[3]),
        exemplar_size=(z.shape[2], z.shape[3]),
        x=rows,
        z=columns,
        temperature=temperature,
        bias=plan.bias,
    )
    return Correspondence(matrix=matrix, residual=plan.error.unsqueeze(1))
