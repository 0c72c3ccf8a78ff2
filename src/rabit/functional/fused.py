"""The plan's solution and gradient, fused for a GPU in Triton where that works, else eager.

The eager search launches a few dozen small kernels a step. Here one program solves one row and
keeps it in registers, so the scores are read once. Triton is imported at the first call.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from types import ModuleType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.functional.gradient import score_gradient
from rabit.functional.threshold import (
    MAX_ITERATIONS,
    Threshold,
    join,
    solve_chunks,
    solve_threshold,
)

# A row lies in the registers of one program, and each of the k best costs a pass over them.
LARGEST_ROW = 16384
LARGEST_K = 16

GRADIENT_TILE = 1024


def solve_plan(chunks: Iterable[Float[Tensor, "r N"]], k: int, epsilon: float) -> Threshold:
    """Solves rows of scores that come some at a time.

    Args:
        chunks: (r, N) finite scores, at least one chunk, all of one device and dtype.
        k: wanted mass, 1 <= k <= N.
        epsilon: regularisation, > 0, in score units.

    Returns:
        All rows, by `solve_rows` where `can_fuse` holds, else by `solve_chunks`.
    """
    scores = iter(chunks)
    first = next(scores)
    if not can_fuse(first, k):
        return solve_chunks(chain([first], scores), k, epsilon)
    return join([solve_rows(each, k, epsilon) for each in chain([first], scores)])


def plan_gradient(
    scores: Float[Tensor, "R N"],
    indices: Int[Tensor, "R k"],
    pull: Float[Tensor, "R k"],
    pivot: Float[Tensor, "R 1"],
    shift: Float[Tensor, "R 1"],
    spread: Float[Tensor, "R 1"],
    slope: float,
    pull_of_best: Float[Tensor, "R"] | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "R N"]:
    """Returns the gradient of all scores: `score_gradient_rows` or `score_gradient`.

    Args:
        scores: (R, N), and all up to the slope as `score_gradient` takes them.
        indices: (R, k).
        pull: (R, k).
        pivot: (R, 1).
        shift: (R, 1).
        spread: (R, 1).
        slope: 4 / epsilon.
        pull_of_best: (R,) added to the gradient of each row's best score.
        dtype: of the result; the scores' if None.
    """
    rest = (scores, indices, pull, pivot, shift, spread, slope)
    if can_fuse(scores, indices.shape[1]):
        return score_gradient_rows(*rest, pull_of_best, dtype)
    grad = score_gradient(*rest)
    if pull_of_best is not None:
        grad.scatter_add_(1, indices[:, :1], pull_of_best.unsqueeze(1))
    return grad if dtype is None else grad.to(dtype)


def can_fuse(scores: Tensor, k: int) -> bool:
    """Returns whether `solve_rows` and `score_gradient_rows` take these scores.

    They need float32 on a GPU, k <= 16, N <= 16384 and a Triton that works there. The last is
    found out by solving one row at the first call for a device; if that fails, a warning says why.

    Args:
        scores: (R, N) scores.
        k: wanted mass.
    """
    return (
        scores.is_cuda
        and scores.dtype == torch.float32
        and scores.shape[1] <= LARGEST_ROW
        and k <= LARGEST_K
        and triton_works(scores.device)
    )


def solve_rows(scores: Float[Tensor, "R N"], k: int, epsilon: float) -> Threshold:
    """Does what `threshold.solve_threshold` does, in one launch; no gradient flows.

    Args:
        scores: (R, N) finite scores for which `can_fuse` holds.
        k: wanted mass, 1 <= k <= N.
        epsilon: regularisation, > 0, in score units.

    Returns:
        The solved rows: the indices and scores of `solve_threshold`, the rest to rounding error.
    """
    rows, count = scores.shape
    if rows == 0 or k == count:
        return solve_threshold(scores, k, epsilon)
    out = Solved.empty(rows, k, scores)
    steps = scores.new_empty((rows, 1), dtype=torch.int32)
    tile = power_of_two(count)
    with torch.cuda.device_of(scores):
        _kernels().solve_kernel[(rows,)](
            scores.contiguous(),
            out.indices,
            out.chosen,
            out.each,
            steps,
            rows,
            count,
            *search_numbers(count, k, epsilon),
            K=k,
            SLOTS=power_of_two(k),
            TILE=tile,
            MAX_STEPS=MAX_ITERATIONS,
            num_warps=warps(tile),
        )
    top, logits, mass, log_mass = out.chosen
    pivot, shift, spread, residual, value = out.each
    plan = (pivot, shift, 4.0 / epsilon, spread, residual, value, logits, mass, log_mass)
    return Threshold(out.indices, top, *plan, steps)


@dataclass(frozen=True)
class Solved:
    """Where a program writes the R solved rows.

    Args:
        indices: (R, k) int64.
        chosen: (4, R, k) scores, logits, mass and log mass of the k best.
        each: (5, R, 1) pivot, shift, spread, residual and threshold.
    """

    indices: Int[Tensor, "R k"]
    chosen: Float[Tensor, "4 R k"]
    each: Float[Tensor, "5 R 1"]

    @classmethod
    def empty(cls, rows: int, k: int, like: Tensor) -> Solved:
        """Returns memory for some rows on a tensor's device."""
        return cls(
            indices=like.new_empty((rows, k), dtype=torch.int64),
            chosen=like.new_empty((4, rows, k), dtype=torch.float32),
            each=like.new_empty((5, rows, 1), dtype=torch.float32),
        )


def search_numbers(count: int, k: int, epsilon: float) -> tuple[float, float, float, float]:
    """Returns what the search of a threshold among `count` scores of single precision starts from:
    slope, margin below the bracket, its upper end, and tolerance, as programs take them.
    """
    tolerance = 8 * torch.finfo(torch.float32).eps
    return 4.0 / epsilon, math.log(k) + 1, math.log(count - k) + 1, tolerance


def score_gradient_rows(
    scores: Float[Tensor, "r N"],
    indices: Int[Tensor, "R k"],
    pull: Float[Tensor, "R k"],
    pivot: Float[Tensor, "R 1"],
    shift: Float[Tensor, "R 1"],
    spread: Float[Tensor, "R 1"],
    slope: float,
    pull_of_best: Float[Tensor, "R"] | None = None,
    dtype: torch.dtype | None = None,
    scale: float = 1.0,
    first: int = 0,
) -> Float[Tensor, "r N"]:
    """Does what `gradient.score_gradient` does, in one launch.

    Args:
        scores: (r, N) scores for which `can_fuse` holds; r = R, but with `first`.
        indices: (R, k) the selected ones, each once.
        pull: (R, k) from `gradient.selection_pull`.
        pivot: (R, 1) as in `Threshold`.
        shift: (R, 1) as in `Threshold`.
        spread: (R, 1) sum of w over the row; where it underflows the plan is constant.
        slope: 4 / epsilon.
        pull_of_best: (R,) added to the gradient of each row's best score.
        dtype: of the result; the scores' if None.
        scale: what the scores are times it to all others; the gradient is that of the scores.
        first: number of the first score's row among the rows of all others.

    Returns:
        (r, N): the gradient of `score_gradient`, with its cut-offs.
    """
    (rows, count), k = scores.shape, indices.shape[1]
    scores = scores.contiguous()
    grad = torch.empty_like(scores, dtype=dtype)
    tile = min(GRADIENT_TILE, power_of_two(count))
    tiny = torch.finfo(scores.dtype).tiny
    with torch.cuda.device_of(scores):
        _kernels().gradient_kernel[(rows, -(-count // tile))](
            scores,
            indices.contiguous(),
            pull.contiguous(),
            pivot.contiguous(),
            shift.contiguous(),
            spread.contiguous(),
            None if pull_of_best is None else pull_of_best.contiguous(),
            grad,
            first,
            count,
            scale,
            slope,
            0.9 * math.log(tiny),
            tiny**0.8,
            tiny**0.5,
            K=k,
            SLOTS=power_of_two(k),
            TILE=tile,
        )
    return grad


def warps(tile: int) -> int:
    """Returns the warps of a program that holds `tile` scores.

    Compiled for capability 9.0, 16 scores a thread take 48 registers, so that 40 warps share a
    multiprocessor, and 72 in a program that attends as well; the 32 scores a thread of the largest
    row take 93. Nothing spills.
    """
    return min(16, max(1, tile // 512))


def power_of_two(count: int) -> int:
    """Returns the least power of two that is not less than a positive number."""
    return 1 << (count - 1).bit_length()


def _kernels() -> ModuleType:
    from rabit.functional import fused_kernels

    return fused_kernels


@functools.cache
def triton_works(device: torch.device) -> bool:
    """Solves one row on the device to see whether Triton can build and run a program there.

    Warns:
        UserWarning: it can't, and why.
    """
    if find_spec("triton") is None:
        return False
    try:
        solve_rows(torch.zeros((1, 2), device=device), 1, 1.0)
    except Exception as error:  # no C compiler, old GPU, old driver: each fails in its own way
        warnings.warn(
            f"Triton does not work on {device}, so the correspondence takes its slower eager form: "
            f"{type(error).__name__}: {error}",
            stacklevel=2,
        )
        return False
    return True
