"""Features of both sides in, a correspondence out: the entry point of all methods."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.alignment.attention import attend_blocks
from rabit.alignment.correspondence import Correspondence
from rabit.alignment.dense import dense
from rabit.alignment.matrix import BlockMatrix
from rabit.alignment.ranking import block_descriptor, rank_blocks
from rabit.functional.blocks import to_blocks
from rabit.functional.dtype import working_dtype
from rabit.functional.normalise import unit_vectors


def correspond(
    x: Float[Tensor, "B C H W"],
    z: Float[Tensor, "B C Hz Wz"],
    method: str = "ranking",
    **options: Any,
) -> Correspondence:
    """Builds the correspondence between a condition's and an exemplar's features.

    Features are centred over channels and L2-normalised first. Scores are computed in float32
    for half precision features.

    Args:
        x: (B, C, H, W) features of the condition.
        z: (B, C, Hz, Wz) features of the exemplar.
        method: "ranking" (the paper: `ranked`) or "dense" (CoCosNet: `dense`).
        **options: of the method. Both: temperature=0.01. Ranking: block=2, k=3, epsilon=0.04,
            descriptor="concat", chunk=None.

    Returns:
        The correspondence; gradients flow to both features.

    Raises:
        ValueError: unknown method or option, shapes that do not fit each other or the blocks,
            features that are not floating-point or not finite, or an option out of range.

    Example:
        >>> import torch
        >>> x, z = torch.randn(1, 8, 16, 16), torch.randn(1, 8, 16, 16)
        >>> correspond(x, z, block=2, k=3).warp(z).shape
        torch.Size([1, 8, 16, 16])
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}, expected one of {', '.join(METHODS)}")
    build = METHODS[method]
    known = list(inspect.signature(build).parameters)[2:]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"method {method!r} has no option {', '.join(unknown)}; it has {', '.join(known)}"
        )
    _check_features(x, z)
    if "temperature" in options:
        _check_temperature(options["temperature"])
    with torch.autocast(x.device.type, enabled=False):
        return build(normalise_features(x), normalise_features(z), **options)


def ranked(
    x: Float[Tensor, "B C H W"],
    z: Float[Tensor, "B C Hz Wz"],
    block: int = 2,
    k: int = 3,
    temperature: float = 0.01,
    epsilon: float = 0.04,
    descriptor: Literal["concat", "mean"] = "concat",
    chunk: int | None = None,
) -> Correspondence:
    """Builds the bi-level correspondence: top-k ranking of blocks, attention inside them.

    Args:
        x: (B, C, H, W) features of the condition, of length 1.
        z: (B, C, Hz, Wz) features of the exemplar, of length 1.
        block: side of the blocks in positions; divides all four sizes.
        k: exemplar blocks that each query block retrieves.
        temperature: of the attention, > 0, in units of the cosine.
        epsilon: of the ranking, > 0; 4 / epsilon = 1 / temperature gives both levels one slope.
        descriptor: of a block, "concat" (the paper) or "mean".
        chunk: query blocks at a time; chosen from the sizes if None.

    Returns:
        The correspondence, with the ranking's mass, threshold and residual.

    Raises:
        ValueError: a block that does not divide the maps, k larger than the number of exemplar
            blocks, epsilon not positive, or an unknown descriptor.
    """
    ranking = rank_blocks(
        block_descriptor(x, block, descriptor),
        block_descriptor(z, block, descriptor),
        k,
        epsilon,
        chunk,
    )
    weights = attend_blocks(
        to_blocks(x, block),
        to_blocks(z, block),
        ranking.indices,
        ranking.log_mass,
        temperature,
        chunk,
    )
    size, exemplar_size = (x.shape[2], x.shape[3]), (z.shape[2], z.shape[3])
    matrix = BlockMatrix(
        size, exemplar_size, weights, ranking.indices, (block, block), (block, block)
    )
    return Correspondence(
        matrix=matrix,
        peak=ranking.peak.view(len(x), 1, size[0] // block, size[1] // block),
        mass=ranking.mass,
        threshold=ranking.threshold,
        residual=ranking.residual,
    )


METHODS: dict[str, Callable[..., Correspondence]] = {"ranking": ranked, "dense": dense}


def normalise_features(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Subtracts each position's mean over channels and scales it to length 1.

    Args:
        x: (B, C, H, W) features; half precision is normalised in float32.

    Returns:
        (B, C, H, W) of the input's dtype; positions whose channels are all equal become 0.
    """
    centred = x.to(working_dtype(x))
    return unit_vectors(centred - centred.mean(1, keepdim=True), dim=1).to(x.dtype)


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature is {temperature}, expected a positive number such as 0.01")


def _check_features(x: Tensor, z: Tensor) -> None:
    for name, features in (("x", x), ("z", z)):
        if features.ndim != 4 or not features.is_floating_point() or not features.numel():
            raise ValueError(
                f"features {name} have shape {tuple(features.shape)} and dtype {features.dtype}, "
                "expected floating-point features (B, C, H, W)"
            )
        if not bool(features.isfinite().all()):
            raise ValueError(
                f"features {name} of shape {tuple(features.shape)} contain NaN or infinite "
                "numbers; look at the network or the input that made them"
            )
    if x.shape[:2] != z.shape[:2]:
        raise ValueError(
            f"features x have shape {tuple(x.shape)} and z {tuple(z.shape)}, expected the same "
            "batch and channels (the first two numbers)"
        )
