"""The second level and the product with T, each pass in one launch on a GPU.

The eager forms gather every query block's candidates, which are k times the exemplar, and go over
what they make of them in a dozen small launches. Here a program gathers for one query block and
keeps all of it in registers. `attend_blocks` and `BlockMatrix.gather` take these forms where they
can.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.functional.dtype import full_precision
from rabit.functional.fused import power_of_two, triton_works
from rabit.functional.once import first_order

# Numbers that a program holds: a weight for each pair of positions, and features of some channels.
PAIRS = 4096
NUMBERS = 4096
# Of features, a warp.
NUMBERS_A_WARP = 1024

# A smaller weight is nothing.
LEAST_WEIGHT = math.sqrt(torch.finfo(torch.float32).tiny)


def can_fuse_blocks(inside: int, others: int, k: int, *tensors: Tensor) -> bool:
    """Returns whether `attend` and `carry` take these blocks.

    They need tensors on one GPU on which Triton works, single precision or less, and at most 4096
    pairs of a query position and a candidate, each number of them rounded up to a power of two.

    Args:
        inside: positions of a query block.
        others: positions of an exemplar block.
        k: candidates of a query block.
        *tensors: all that is multiplied.
    """
    return (
        all(each.is_cuda and each.dtype != torch.float64 for each in tensors)
        and all(each.device == tensors[0].device for each in tensors[1:])
        and power_of_two(inside) * power_of_two(k * others) <= PAIRS
        and triton_works(tensors[0].device)
    )


def attend(
    x: Float[Tensor, "B N b C"],
    z: Float[Tensor, "B M c C"],
    indices: Int[Tensor, "B N k"],
    log_mass: Float[Tensor, "B N k"],
    temperature: float,
) -> Float[Tensor, "B N b k*c"]:
    """Does what `attention.attend_blocks` does, in one launch, for all candidates.

    Args:
        x: (B, N, b, C) query blocks.
        z: (B, M, c, C) exemplar blocks for which `can_fuse_blocks` holds.
        indices: (B, N, k) candidates, in [0, M).
        log_mass: (B, N, k) float32.
        temperature: of the softmax.

    Returns:
        (B, N, b, k c) weights, float32.
    """
    return _Attend.apply(x, z, indices, log_mass, 1 / temperature)


def carry(
    weights: Float[Tensor, "B N b k*c"],
    values: Float[Tensor, "B V Hz Wz"],
    indices: Int[Tensor, "B N k"],
    size: tuple[int, int],
    block: tuple[int, int],
    exemplar_block: tuple[int, int],
) -> Float[Tensor, "B V H W"]:
    """Does what `matrix.BlockMatrix.gather` does, in one launch.

    Args:
        weights: (B, N, b, k c) for which `can_fuse_blocks` holds.
        values: (B, V, Hz, Wz) with any strides.
        indices: (B, N, k) candidates.
        size: (H, W) of the result.
        block: (height, width) of the query blocks.
        exemplar_block: (height, width) of the exemplar blocks.

    Returns:
        (B, V, H, W) of the values' dtype.
    """
    graph = torch.is_grad_enabled() and (weights.requires_grad or values.requires_grad)
    compute = _Carry.apply if graph else _carried
    return compute(weights.contiguous(), values, indices.contiguous(), size, block, exemplar_block)


class _Attend(torch.autograd.Function):
    @staticmethod
    @full_precision
    def forward(
        ctx: Any, x: Tensor, z: Tensor, indices: Tensor, log_mass: Tensor, sharpness: float
    ) -> Tensor:
        x, z, indices = x.contiguous(), z.contiguous(), indices.contiguous()
        weights = attention_weights(x, z, indices, log_mass.contiguous(), sharpness)
        ctx.sharpness = sharpness
        ctx.save_for_backward(weights, x, z, indices)
        return weights

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, pull: Tensor) -> tuple[Tensor | None, ...]:
        weights, x, z, indices = ctx.saved_tensors
        grad_x, grad_z = torch.empty_like(x), torch.zeros_like(z, dtype=torch.float32)
        grad_log_mass = weights.new_empty(indices.shape)
        attention_gradients(
            pull, weights, x, z, indices, ctx.sharpness, grad_x, grad_z, grad_log_mass
        )
        return grad_x, grad_z.to(z.dtype), None, grad_log_mass, None


def attention_weights(
    x: Float[Tensor, "B N b C"],
    z: Float[Tensor, "B M c C"],
    indices: Int[Tensor, "B N k"],
    log_mass: Float[Tensor, "B N k"],
    sharpness: float,
) -> Float[Tensor, "B N b k*c"]:
    """Computes `attend` of contiguous tensors without a graph; `sharpness` is 1 / temperature."""
    from rabit.alignment.fused_kernels import attend_kernel

    (batch, count, inside, channels), k = x.shape, indices.shape[2]
    weights = x.new_empty((batch, count, inside, k * z.shape[2]), dtype=torch.float32)
    with torch.cuda.device_of(x):
        attend_kernel[(batch * count,)](
            x,
            z,
            indices,
            log_mass,
            weights,
            count,
            z.shape[1],
            channels,
            sharpness,
            LEAST_WEIGHT,
            SLOTS=power_of_two(k),
            ALL=power_of_two(k * z.shape[2]),
            **program_shapes(inside, z.shape[2], k, channels),
        )
    return weights


def attention_gradients(
    pull: Float[Tensor, "B N b k*c"],
    weights: Float[Tensor, "B N b k*c"],
    x: Float[Tensor, "B N b C"],
    z: Float[Tensor, "B M c C"],
    indices: Int[Tensor, "B N k"],
    sharpness: float,
    grad_x: Float[Tensor, "B N b C"],
    grad_z: Float[Tensor, "B M c C"],
    grad_log_mass: Float[Tensor, "B N k"],
    logits: Float[Tensor, "B N k"] | None = None,
    more_mass: Float[Tensor, "B N k"] | None = None,
    more_log_mass: Float[Tensor, "B N k"] | None = None,
) -> None:
    """Pulls the gradient of `attention_weights` back.

    Args:
        pull: the weights' gradient.
        weights: as found.
        x: as given, like all up to the sharpness.
        z: as given.
        indices: as given.
        sharpness: as given.
        grad_x: written to.
        grad_z: added to; float32.
        grad_log_mass: written to; with `logits` it is `selection_pull` of all gradients.
        logits: of the masses.
        more_mass: gradient that mass has from elsewhere.
        more_log_mass: gradient that log mass has from elsewhere.
    """
    from rabit.alignment.fused_kernels import attend_gradient_kernel

    (batch, count, inside, channels), k = x.shape, indices.shape[2]
    with torch.cuda.device_of(x):
        attend_gradient_kernel[(batch * count,)](
            pull.contiguous(),
            weights,
            x,
            z,
            indices,
            grad_x,
            grad_z,
            grad_log_mass,
            logits,
            None if more_mass is None else more_mass.contiguous(),
            None if more_log_mass is None else more_log_mass.contiguous(),
            count,
            z.shape[1],
            channels,
            sharpness,
            ALL=power_of_two(k * z.shape[2]),
            **program_shapes(inside, z.shape[2], k, channels),
        )


@full_precision
def _carried(
    weights: Tensor,
    values: Tensor,
    indices: Tensor,
    size: tuple[int, int],
    block: tuple[int, int],
    exemplar_block: tuple[int, int],
) -> Tensor:
    """Computes `carry` of contiguous weights and indices without a graph."""
    from rabit.alignment.fused_kernels import carry_kernel

    (batch, count, inside, _), k = weights.shape, indices.shape[2]
    others, channels = exemplar_block[0] * exemplar_block[1], values.shape[1]
    out = values.new_empty((batch, channels, *size))
    shapes = program_shapes(inside, others, k, channels)
    parts = shapes.pop("PARTS")
    with torch.cuda.device_of(weights):
        carry_kernel[(batch * count, parts)](
            weights,
            values,
            indices,
            out,
            count,
            size[1] // block[1],
            values.shape[3] // exemplar_block[1],
            channels,
            *values.stride(),
            *out.stride(),
            WIDTH=block[1],
            EXEMPLAR_WIDTH=exemplar_block[1],
            **shapes,
        )
    return out


class _Carry(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, values: Tensor, indices: Tensor, *sizes: tuple[int, int]
    ) -> Tensor:
        size, block, exemplar_block = sizes
        ctx.across = (size[1] // block[1], values.shape[3] // exemplar_block[1])
        ctx.widths = {"WIDTH": block[1], "EXEMPLAR_WIDTH": exemplar_block[1]}
        ctx.save_for_backward(weights, values, indices)
        return _carried(weights, values, indices, size, block, exemplar_block)

    @staticmethod
    @first_order
    @full_precision
    def backward(ctx: Any, pull: Tensor) -> tuple[Tensor | None, ...]:
        from rabit.alignment.fused_kernels import carry_gradient_kernel

        weights, values, indices = ctx.saved_tensors
        need_weights, need_values = ctx.needs_input_grad[:2]
        (batch, count, inside, candidates), k = weights.shape, indices.shape[2]
        grad_weights = torch.empty_like(weights) if need_weights else None
        grad_values = torch.zeros_like(values, dtype=torch.float32) if need_values else None
        with torch.cuda.device_of(weights):
            carry_gradient_kernel[(batch * count,)](
                pull,
                weights,
                values,
                indices,
                grad_weights,
                grad_values,
                count,
                *ctx.across,
                values.shape[1],
                *values.stride(),
                *(values if grad_values is None else grad_values).stride(),
                *pull.stride(),
                **ctx.widths,
                ALL=power_of_two(candidates),
                **program_shapes(inside, candidates // k, k, values.shape[1]),
            )
        if grad_values is not None:
            grad_values = grad_values.to(values.dtype)
        return grad_weights, grad_values, None, None, None, None


def program_shapes(inside: int, others: int, k: int, channels: int) -> dict[str, int]:
    """Returns what the programs are compiled for.

    Args:
        inside: positions of a query block.
        others: positions of an exemplar block.
        k: candidates of a query block.
        channels: of what is multiplied.
    """
    rows = power_of_two(inside)
    columns = min(power_of_two(channels), max(16, NUMBERS // rows))
    return {
        "INSIDE": inside,
        "IN": rows,
        "OTHERS": others,
        "K": k,
        "CHANNELS": columns,
        "PARTS": -(-channels // columns),
        "num_warps": min(8, max(1, rows * columns // NUMBERS_A_WARP)),
    }
