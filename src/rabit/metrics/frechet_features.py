"""Fréchet distance of two matrices of features, and of many resamples of their rows."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Draw = tuple[Int[Tensor, " N"], Int[Tensor, " M"]]


def frechet_of_features(ours: Float[Tensor, "N D"], theirs: Float[Tensor, "M D"]) -> float:
    """Returns the Fréchet distance of two sets of features, in float64.

    With X and Y the features less their means, C1 = XᵀX/(N - 1) and C2 = YᵀY/(M - 1), so that
    tr (C1·C2)^½ is the nuclear norm of X·Yᵀ (N, M) divided by √((N - 1)·(M - 1)). No covariance is
    made; where there are more images than features, QR makes D rows of them first. The same as
    `rabit.metrics.frechet.frechet_distance` of the moments.

    Args:
        ours: (N, D), one row an image.
        theirs: (M, D).

    Raises:
        ValueError: shapes do not fit, there are less than two rows on a side, or a number is not
            finite.

    Example:
        >>> import torch
        >>> round(frechet_of_features(torch.eye(4), torch.eye(4) + 3), 6)
        36.0
    """
    every = tuple(torch.arange(len(x)) for x in (ours, theirs))
    return float(frechet_resampled(ours, theirs, [(every[0], every[1])]))


def frechet_resampled(
    ours: Float[Tensor, "N D"], theirs: Float[Tensor, "M D"], draws: Iterable[Draw]
) -> Float[Tensor, " K"]:
    """Returns the Fréchet distance of each resample of the rows, as a bootstrap needs it.

    The cross product K = X·Yᵀ is made once: that of a resample is K's rows and columns, centred.
    A row that is drawn w times counts as one of weight √w, which leaves the nuclear norm as it is
    and about 0.63 of the rows. Where both sides keep more of them than there are features, QR
    takes K's place.

    Args:
        ours: (N, D), one row an image.
        theirs: (M, D).
        draws: pairs of row numbers of ours and of theirs, with repeats; two or more on a side.

    Returns:
        (K,) float64, one distance a draw, on the features' device.

    Raises:
        ValueError: shapes do not fit, a draw has less than two rows on a side, or a number is not
            finite.
    """
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1]:
        raise ValueError(
            f"features are {tuple(ours.shape)} and {tuple(theirs.shape)}, expected (N, D) and "
            "(M, D)"
        )
    x, y = ours.detach().double(), theirs.detach().double()
    if not (bool(x.isfinite().all()) and bool(y.isfinite().all())):
        raise ValueError("features hold nan or infinity, expected finite numbers")
    # A shift of both changes nothing and keeps squares from cancelling.
    shift = (x.sum(dim=0) + y.sum(dim=0)) / max(len(x) + len(y), 1)
    sides = _Side(x - shift), _Side(y - shift)
    cross = sides[0].rows @ sides[1].rows.T if min(len(x), len(y)) <= 1.6 * x.shape[1] else None
    return torch.stack([_drawn_distance(sides, draw, cross) for draw in draws])


class _Side:
    """One set of features, with what all draws of it share."""

    def __init__(self, rows: Float[Tensor, "N D"]) -> None:
        self.rows = rows
        self.squares = rows.square().sum(dim=1)


class _Drawn:
    """One draw of a side: which rows, how often, and their moments."""

    def __init__(self, side: _Side, numbers: Int[Tensor, " N"]) -> None:
        if len(numbers) < 2:
            raise ValueError(f"{len(numbers)} images, expected at least 2 for a covariance")
        times = torch.bincount(numbers.to(side.rows.device), minlength=len(side.rows))
        self.kept = times.nonzero()[:, 0]
        self.side = side
        weights = times[self.kept].double()
        self.count = len(numbers)
        self.roots = weights.sqrt()
        self.shares = weights / self.count
        self.mean = self.shares @ side.rows[self.kept]
        total = weights @ side.squares[self.kept] - self.count * self.mean.square().sum()
        self.trace = total / (self.count - 1)

    def root(self) -> Float[Tensor, "R D"]:
        """Returns R with RᵀR the sum of outer products of deviations, of at most D rows."""
        rows = (self.side.rows[self.kept] - self.mean) * self.roots[:, None]
        return torch.linalg.qr(rows, mode="r").R if len(rows) > rows.shape[1] else rows


def _drawn_distance(
    sides: tuple[_Side, _Side], draw: Draw, cross: Float[Tensor, "N M"] | None
) -> Float[Tensor, ""]:
    a, b = (_Drawn(side, numbers) for side, numbers in zip(sides, draw, strict=True))
    if cross is not None and min(len(a.kept), len(b.kept)) <= len(a.mean):
        block = cross[a.kept[:, None], b.kept]
        # Centred on both sides: x·y less the means of its row and column.
        columns, rows = a.shares @ block, block @ b.shares
        block = block - columns - (rows - a.shares @ rows)[:, None]
        block = a.roots[:, None] * block * b.roots
    else:
        block = a.root() @ b.root().T
    shared = torch.linalg.svdvals(block).sum() / ((a.count - 1) * (b.count - 1)) ** 0.5
    apart = (a.mean - b.mean).square().sum() + a.trace + b.trace - 2 * shared
    return apart.clamp(min=0)
