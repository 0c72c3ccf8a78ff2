"""Features of both sides in, a correspondence out: the entry point of all methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.alignment.bilevel import bilevel
from rabit.alignment.correspondence import Correspondence
from rabit.alignment.dense import dense, dense_stored
from rabit.alignment.options import checked
from rabit.alignment.patchmatch import patchmatch
from rabit.alignment.transport import transport
from rabit.functional.dtype import working_dtype
from rabit.functional.finite import check_finite


def correspond(
    x: Float[Tensor, "B C H W"],
    z: Float[Tensor, "B C Hz Wz"],
    method: str = "ranking",
    **options: Any,
) -> Correspondence:
    """Builds the correspondence between a condition's and an exemplar's features.

    Features are centred over channels and L2-normalised first, x / sqrt(|x|² + 1e-8): those of a
    length below about 1e-3 count for less than their cosine. Scores are computed in float32 for
    half precision features. Under autocast, which makes features half precision that are not kept,
    they become float32 in front of the normalisation. Gradients are of first order.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar.
        method: "ranking" (the paper: `bilevel`), "dense" (CoCosNet: `dense`), "dense-stored" (the
            same with its matrix in memory), "transport" (UNITE: `transport`) or "patchmatch"
            (CoCosNet v2: `patchmatch`).
        **options: of the method. All: temperature=0.01, at least 1e-4. Ranking: block=2, k=3,
            epsilon=0.04, descriptor="concat", coarse=(), coarse_k=16, border=0, overlap=False,
            shortlist=0, confidence="block", chunk=None. Patchmatch: candidates=16, iterations=4,
            start=64, refiner=None. Transport: tolerance=1e-4, iterations=500.

    Returns:
        The correspondence; gradients flow to both features.

    Raises:
        ValueError: unknown method or option, shapes that do not fit each other or the blocks,
            features that are no floating-point tensors, not finite or so large that their squares
            overflow, or an option of another kind or out of range.

    Example:
        >>> import torch
        >>> x, z = torch.randn(1, 8, 16, 16), torch.randn(1, 8, 16, 16)
        >>> correspond(x, z, block=2, k=3).warp(z).shape
        torch.Size([1, 8, 16, 16])
    """
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method is {method!r}, expected one of {', '.join(METHODS)}")
    build, known = METHODS[method], _options(method)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"method {method!r} has no option {', '.join(unknown)}; it has {', '.join(known)}"
        )
    _check_features(x, z)
    # The ranking checks it itself, on a GPU by what became of them.
    if build is not bilevel:
        check_finite(x, z)
    options = checked(options)
    if not torch.is_autocast_enabled(x.device.type):
        return build(x, z, **options)
    x, z = (side.to(working_dtype(side)) for side in (x, z))
    with torch.autocast(x.device.type, enabled=False):
        return build(x, z, **options)


METHODS: dict[str, Callable[..., Correspondence]] = {
    "ranking": bilevel,
    "dense": dense,
    "dense-stored": dense_stored,
    "transport": transport,
    "patchmatch": patchmatch,
}


@functools.cache
def _options(method: str) -> tuple[str, ...]:
    return tuple(inspect.signature(METHODS[method]).parameters)[2:]


def _check_features(x: Tensor, z: Tensor) -> None:
    for name, features in (("x", x), ("z", z)):
        if not isinstance(features, Tensor):
            raise ValueError(
                f"features {name} are a {type(features).__name__}, expected a tensor (B, C, H, W)"
            )
        if features.ndim != 4 or not features.is_floating_point() or not features.numel():
            raise ValueError(
                f"features {name} have shape {tuple(features.shape)} and dtype {features.dtype}, "
                "expected floating-point features (B, C, H, W), all four at least 1"
            )
    if x.shape[1] == 1:
        raise ValueError(
            f"features x have shape {tuple(x.shape)}: one channel, centred over channels, is 0 "
            "everywhere; give at least 2"
        )
    if x.shape[:2] != z.shape[:2]:
        raise ValueError(
            f"features x have shape {tuple(x.shape)} and z {tuple(z.shape)}, expected the same "
            "batch and channels (the first two numbers)"
        )
