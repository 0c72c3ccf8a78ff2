# mypy: disallow-untyped-decorators=False
"""Triton programs behind `rabit.alignment.fused`, imported when needed.

Each program works on one query block n of b = INSIDE positions and its K OTHERS candidates, the
positions of K exemplar blocks of c = OTHERS. IN and ALL are the powers of two that hold b and K c
numbers, CHANNELS is how many channels are worked on at once, in PARTS. Pointers are annotated as
tensors even where they may be None: Triton up to 3.3 reads annotations, and not all of Python's.

Candidates are taken one after the other: of a sum over a product of three axes Triton makes a
matrix product, which is less exact and, over an axis of less than 8 numbers, wrong (Triton 3.6).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def weigh_row(
    row: tl.tensor,
    indices: tl.tensor,
    log_mass: tl.tensor,
    x_ptr: tl.tensor,
    z_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    count: tl.tensor,
    blocks: tl.tensor,
    channels: tl.tensor,
    sharpness: tl.tensor,
    least: tl.tensor,
    INSIDE: tl.constexpr,
    IN: tl.constexpr,
    OTHERS: tl.constexpr,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    ALL: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
) -> None:
    """Weighs the candidates of query block `row`; weights below `least` are nothing.

    `indices` and `log_mass` are SLOTS numbers, of which K count. `sharpness` is 1 / temperature;
    there are `count` query and `blocks` exemplar blocks an image.
    """
    first = row // count * blocks
    i, candidate, slot = tl.arange(0, IN), tl.arange(0, ALL), tl.arange(0, SLOTS)
    logits = tl.zeros((IN, ALL), tl.float32)
    for part in range(PARTS):
        c = part * CHANNELS + tl.arange(0, CHANNELS)
        x_at = (row * INSIDE + i)[:, None] * channels + c[None, :]
        x_in = (i < INSIDE)[:, None] & (c < channels)[None, :]
        x = tl.load(x_ptr + x_at, mask=x_in, other=0.0).to(tl.float32)
        for each in range(K * OTHERS):
            block = first + tl.sum(tl.where(slot == each // OTHERS, indices, 0), 0)
            z_at = (block * OTHERS + each % OTHERS) * channels + c
            z = tl.load(z_ptr + z_at, mask=c < channels, other=0.0).to(tl.float32)
            product = tl.sum(x * z[None, :], 1)
            logits += tl.where((candidate == each)[None, :], product[:, None], 0.0)

    prior = tl.full((ALL,), float("-inf"), tl.float32)
    for rank in range(K):
        own = tl.sum(tl.where(slot == rank, log_mass, 0.0), 0)
        prior = tl.where(candidate // OTHERS == rank, own, prior)
    logits = logits * sharpness + prior[None, :]
    weights = tl.exp(logits - tl.max(logits, 1)[:, None])
    weights = weights / tl.sum(weights, 1)[:, None]
    weights = tl.where(weights < least, 0.0, weights)
    at = (row * INSIDE + i)[:, None] * (K * OTHERS) + candidate[None, :]
    valid = candidate < K * OTHERS
    tl.store(weights_ptr + at, weights, mask=(i < INSIDE)[:, None] & valid[None, :])


@triton.jit
def attend_kernel(
    x_ptr: tl.tensor,
    z_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    log_mass_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    count: tl.tensor,
    blocks: tl.tensor,
    channels: tl.tensor,
    sharpness: tl.tensor,
    least: tl.tensor,
    INSIDE: tl.constexpr,
    IN: tl.constexpr,
    OTHERS: tl.constexpr,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    ALL: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
) -> None:
    """Weighs the candidates of one query block, see `weigh_row`."""
    row = tl.program_id(0).to(tl.int64)
    slot = tl.arange(0, SLOTS)
    indices = tl.load(indices_ptr + row * K + slot, mask=slot < K, other=0)
    log_mass = tl.load(log_mass_ptr + row * K + slot, mask=slot < K, other=0.0)
    weigh_row(
        row,
        indices,
        log_mass,
        x_ptr,
        z_ptr,
        weights_ptr,
        count,
        blocks,
        channels,
        sharpness,
        least,
        INSIDE,
        IN,
        OTHERS,
        K,
        SLOTS,
        ALL,
        CHANNELS,
        PARTS,
    )


@triton.jit
def attend_gradient_kernel(
    pull_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    x_ptr: tl.tensor,
    z_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    grad_x_ptr: tl.tensor,
    grad_z_ptr: tl.tensor,
    grad_log_mass_ptr: tl.tensor,
    logits_ptr: tl.tensor,
    more_mass_ptr: tl.tensor,
    more_log_mass_ptr: tl.tensor,
    count: tl.tensor,
    blocks: tl.tensor,
    channels: tl.tensor,
    sharpness: tl.tensor,
    INSIDE: tl.constexpr,
    IN: tl.constexpr,
    OTHERS: tl.constexpr,
    K: tl.constexpr,
    ALL: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
) -> None:
    """Pulls the weights' gradient back: stores those of x and log mass, adds those of z.

    Where the masses' logits are given, the gradients that mass and log mass have from elsewhere are
    added, and what is stored is `gradient.selection_pull` of them all.
    """
    row = tl.program_id(0).to(tl.int64)
    first = row // count * blocks
    i, candidate = tl.arange(0, IN), tl.arange(0, ALL)
    at = (row * INSIDE + i)[:, None] * (K * OTHERS) + candidate[None, :]
    valid = (i < INSIDE)[:, None] & (candidate < K * OTHERS)[None, :]
    weights = tl.load(weights_ptr + at, mask=valid, other=0.0)
    change = weights * tl.load(pull_ptr + at, mask=valid, other=0.0)
    change -= weights * tl.sum(change, 1)[:, None]
    received = tl.sum(change, 0)
    for rank in range(K):
        mass = tl.sum(tl.where(candidate // OTHERS == rank, received, 0.0), 0)
        own = row * K + rank
        if logits_ptr is not None:
            logit = tl.load(logits_ptr + own)
            if more_log_mass_ptr is not None:
                mass += tl.load(more_log_mass_ptr + own)
            if more_mass_ptr is not None:
                mass += tl.load(more_mass_ptr + own) / (1.0 + tl.exp(-logit))
            mass = mass / (1.0 + tl.exp(logit))
        tl.store(grad_log_mass_ptr + own, mass)

    change *= sharpness
    for part in range(PARTS):
        c = part * CHANNELS + tl.arange(0, CHANNELS)
        x_at = (row * INSIDE + i)[:, None] * channels + c[None, :]
        x_in = (i < INSIDE)[:, None] & (c < channels)[None, :]
        x = tl.load(x_ptr + x_at, mask=x_in, other=0.0).to(tl.float32)
        grad_x = tl.zeros((IN, CHANNELS), tl.float32)
        for each in range(K * OTHERS):
            block = first + tl.load(indices_ptr + row * K + each // OTHERS)
            z_at = (block * OTHERS + each % OTHERS) * channels + c
            z = tl.load(z_ptr + z_at, mask=c < channels, other=0.0).to(tl.float32)
            product = tl.sum(tl.where((candidate == each)[None, :], change, 0.0), 1)
            grad_x += product[:, None] * z[None, :]
            # A candidate whose every weight is negligible has no gradient to add; NaN is one.
            if tl.sum(tl.abs(product), 0) != 0:
                grad_z = tl.sum(product[:, None] * x, 0)
                tl.atomic_add(grad_z_ptr + z_at, grad_z, mask=c < channels, sem="relaxed")
        tl.store(grad_x_ptr + x_at, grad_x.to(grad_x_ptr.dtype.element_ty), mask=x_in)


@triton.jit
def carry_kernel(
    weights_ptr: tl.tensor,
    values_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    out_ptr: tl.tensor,
    count: tl.tensor,
    across: tl.tensor,
    exemplar_across: tl.tensor,
    channels: tl.tensor,
    values_b: tl.tensor,
    values_c: tl.tensor,
    values_h: tl.tensor,
    values_w: tl.tensor,
    out_b: tl.tensor,
    out_c: tl.tensor,
    out_h: tl.tensor,
    out_w: tl.tensor,
    WIDTH: tl.constexpr,
    EXEMPLAR_WIDTH: tl.constexpr,
    INSIDE: tl.constexpr,
    IN: tl.constexpr,
    OTHERS: tl.constexpr,
    K: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Sums the candidates' values by their weights, from map to map.

    Blocks are WIDTH and EXEMPLAR_WIDTH positions wide; a row of blocks has `across` and
    `exemplar_across` of them.
    """
    row = tl.program_id(0).to(tl.int64)
    image, own = row // count, row % count
    i = tl.arange(0, IN)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    sums = tl.zeros((IN, CHANNELS), tl.float32)
    for each in range(K * OTHERS):
        block = tl.load(indices_ptr + row * K + each // OTHERS)
        j = each % OTHERS
        down = block // exemplar_across * (OTHERS // EXEMPLAR_WIDTH) + j // EXEMPLAR_WIDTH
        right = block % exemplar_across * EXEMPLAR_WIDTH + j % EXEMPLAR_WIDTH
        values_at = image * values_b + down * values_h + right * values_w + c * values_c
        values = tl.load(values_ptr + values_at, mask=c < channels, other=0.0).to(tl.float32)
        weights_at = (row * INSIDE + i) * (K * OTHERS) + each
        weights = tl.load(weights_ptr + weights_at, mask=i < INSIDE, other=0.0)
        sums += weights[:, None] * values[None, :]
    y = own // across * (INSIDE // WIDTH) + i // WIDTH
    x = own % across * WIDTH + i % WIDTH
    at = (image * out_b + y * out_h + x * out_w)[:, None] + c[None, :] * out_c
    inside = (i < INSIDE)[:, None] & (c < channels)[None, :]
    tl.store(out_ptr + at, sums.to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def carry_gradient_kernel(
    pull_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    values_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    grad_weights_ptr: tl.tensor,
    grad_values_ptr: tl.tensor,
    count: tl.tensor,
    across: tl.tensor,
    exemplar_across: tl.tensor,
    channels: tl.tensor,
    values_b: tl.tensor,
    values_c: tl.tensor,
    values_h: tl.tensor,
    values_w: tl.tensor,
    grad_b: tl.tensor,
    grad_c: tl.tensor,
    grad_h: tl.tensor,
    grad_w: tl.tensor,
    pull_b: tl.tensor,
    pull_c: tl.tensor,
    pull_h: tl.tensor,
    pull_w: tl.tensor,
    WIDTH: tl.constexpr,
    EXEMPLAR_WIDTH: tl.constexpr,
    INSIDE: tl.constexpr,
    IN: tl.constexpr,
    OTHERS: tl.constexpr,
    K: tl.constexpr,
    ALL: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
) -> None:
    """Pulls the gradient of `carry_kernel` back: stores the weights', adds the values'."""
    row = tl.program_id(0).to(tl.int64)
    image, own = row // count, row % count
    i, candidate = tl.arange(0, IN), tl.arange(0, ALL)
    y = own // across * (INSIDE // WIDTH) + i // WIDTH
    x = own % across * WIDTH + i % WIDTH
    pull_at = image * pull_b + y * pull_h + x * pull_w
    grad_weights = tl.zeros((IN, ALL), tl.float32)
    for part in range(PARTS):
        c = part * CHANNELS + tl.arange(0, CHANNELS)
        inside = (i < INSIDE)[:, None] & (c < channels)[None, :]
        where = pull_at[:, None] + c[None, :] * pull_c
        pull = tl.load(pull_ptr + where, mask=inside, other=0.0).to(tl.float32)
        for each in range(K * OTHERS):
            block = tl.load(indices_ptr + row * K + each // OTHERS)
            j = each % OTHERS
            down = block // exemplar_across * (OTHERS // EXEMPLAR_WIDTH) + j // EXEMPLAR_WIDTH
            right = block % exemplar_across * EXEMPLAR_WIDTH + j % EXEMPLAR_WIDTH
            if grad_weights_ptr is not None:
                there = image * values_b + down * values_h + right * values_w + c * values_c
                values = tl.load(values_ptr + there, mask=c < channels, other=0.0).to(tl.float32)
                product = tl.sum(pull * values[None, :], 1)
                grad_weights += tl.where((candidate == each)[None, :], product[:, None], 0.0)
            if grad_values_ptr is not None:
                weight_at = (row * INSIDE + i) * (K * OTHERS) + each
                weights = tl.load(weights_ptr + weight_at, mask=i < INSIDE, other=0.0)
                received = tl.sum(weights[:, None] * pull, 0)
                to = image * grad_b + down * grad_h + right * grad_w + c * grad_c
                tl.atomic_add(grad_values_ptr + to, received, mask=c < channels, sem="relaxed")
    if grad_weights_ptr is not None:
        at = (row * INSIDE + i)[:, None] * (K * OTHERS) + candidate[None, :]
        inside = (i < INSIDE)[:, None] & (candidate < K * OTHERS)[None, :]
        tl.store(grad_weights_ptr + at, grad_weights, mask=inside)
