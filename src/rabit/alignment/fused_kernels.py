# mypy: disallow-untyped-decorators=False
"""Triton programs behind `rabit.alignment.fused`, which alone imports this module, when needed.

Each program works on one query block n of b = INSIDE positions and its K candidates, exemplar
blocks of c = OTHERS positions. IN, OUT and SLOTS are the powers of two that hold b, c and K
numbers, CHANNELS is how many channels are worked on at once.
"""

from __future__ import annotations

import triton
import triton.language as tl


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
    OUT: tl.constexpr,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Weighs the candidates' positions; those below `least` weigh nothing.

    `sharpness` is 1 / temperature; there are `count` query and `blocks` exemplar blocks an image.
    """
    row = tl.program_id(0).to(tl.int64)
    first = row // count * blocks
    i, j, slot = tl.arange(0, IN), tl.arange(0, OUT), tl.arange(0, SLOTS)
    logits = tl.full((IN, SLOTS, OUT), float("-inf"), tl.float32)
    for rank in range(K):
        block = first + tl.load(indices_ptr + row * K + rank)
        products = tl.zeros((IN, OUT), tl.float32)
        for start in range(0, channels, CHANNELS):
            c = start + tl.arange(0, CHANNELS)
            x_at = (row * INSIDE + i)[:, None] * channels + c[None, :]
            z_at = (block * OTHERS + j)[:, None] * channels + c[None, :]
            x_in = (i < INSIDE)[:, None] & (c < channels)[None, :]
            z_in = (j < OTHERS)[:, None] & (c < channels)[None, :]
            x = tl.load(x_ptr + x_at, mask=x_in, other=0.0).to(tl.float32)
            z = tl.load(z_ptr + z_at, mask=z_in, other=0.0).to(tl.float32)
            products += tl.sum(x[:, None, :] * z[None, :, :], 2)
        found = products * sharpness + tl.load(log_mass_ptr + row * K + rank)
        found = tl.where((j < OTHERS)[None, :], found, float("-inf"))
        logits = tl.where((slot == rank)[None, :, None], found[:, None, :], logits)

    best = tl.max(tl.max(logits, 2), 1)
    weights = tl.exp(logits - best[:, None, None])
    weights = weights / tl.sum(tl.sum(weights, 2), 1)[:, None, None]
    weights = tl.where(weights < least, 0.0, weights)
    candidate = slot[:, None] * OTHERS + j[None, :]
    at = (row * INSIDE + i)[:, None, None] * (K * OTHERS) + candidate[None, :, :]
    valid = (slot < K)[:, None] & (j < OTHERS)[None, :]
    tl.store(weights_ptr + at, weights, mask=(i < INSIDE)[:, None, None] & valid[None, :, :])


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
    count: tl.tensor,
    blocks: tl.tensor,
    channels: tl.tensor,
    sharpness: tl.tensor,
    INSIDE: tl.constexpr,
    IN: tl.constexpr,
    OTHERS: tl.constexpr,
    OUT: tl.constexpr,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Pulls the weights' gradient back: stores those of x and log mass, adds those of z."""
    row = tl.program_id(0).to(tl.int64)
    first = row // count * blocks
    i, j, slot = tl.arange(0, IN), tl.arange(0, OUT), tl.arange(0, SLOTS)
    candidate = slot[:, None] * OTHERS + j[None, :]
    at = (row * INSIDE + i)[:, None, None] * (K * OTHERS) + candidate[None, :, :]
    valid = ((slot < K)[:, None] & (j < OTHERS)[None, :])[None, :, :] & (i < INSIDE)[:, None, None]
    weights = tl.load(weights_ptr + at, mask=valid, other=0.0)
    change = weights * tl.load(pull_ptr + at, mask=valid, other=0.0)
    change -= weights * tl.sum(tl.sum(change, 2), 1)[:, None, None]
    masses = tl.sum(tl.sum(change, 2), 0)
    tl.store(grad_log_mass_ptr + row * K + slot, masses, mask=slot < K)

    for start in range(0, channels, CHANNELS):
        c = start + tl.arange(0, CHANNELS)
        x_at = (row * INSIDE + i)[:, None] * channels + c[None, :]
        x_in = (i < INSIDE)[:, None] & (c < channels)[None, :]
        z_in = (j < OTHERS)[:, None] & (c < channels)[None, :]
        x = tl.load(x_ptr + x_at, mask=x_in, other=0.0).to(tl.float32)
        grad_x = tl.zeros((IN, CHANNELS), tl.float32)
        for rank in range(K):
            block = first + tl.load(indices_ptr + row * K + rank)
            chosen = tl.where((slot == rank)[None, :, None], change, 0.0)
            products = tl.sum(chosen, 1) * sharpness
            z_at = (block * OTHERS + j)[:, None] * channels + c[None, :]
            z = tl.load(z_ptr + z_at, mask=z_in, other=0.0).to(tl.float32)
            grad_x += tl.sum(products[:, :, None] * z[None, :, :], 1)
            # Blocks whose every weight is negligible have no gradient to add.
            if tl.max(tl.max(tl.abs(products), 1), 0) > 0:
                grad_z = tl.sum(products[:, :, None] * x[:, None, :], 0)
                tl.atomic_add(grad_z_ptr + z_at, grad_z, mask=z_in, sem="relaxed")
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
    OUT: tl.constexpr,
    K: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Sums the candidates' values by their weights, from map to map.

    Blocks are WIDTH and EXEMPLAR_WIDTH positions wide; a row of blocks has `across` and
    `exemplar_across` of them.
    """
    row = tl.program_id(0).to(tl.int64)
    image, own = row // count, row % count
    i, j = tl.arange(0, IN), tl.arange(0, OUT)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    sums = tl.zeros((IN, CHANNELS), tl.float32)
    for rank in range(K):
        block = tl.load(indices_ptr + row * K + rank)
        down = block // exemplar_across * (OTHERS // EXEMPLAR_WIDTH) + j // EXEMPLAR_WIDTH
        right = block % exemplar_across * EXEMPLAR_WIDTH + j % EXEMPLAR_WIDTH
        at = image * values_b + down * values_h + right * values_w
        at = at[:, None] + c[None, :] * values_c
        inside = (j < OTHERS)[:, None] & (c < channels)[None, :]
        values = tl.load(values_ptr + at, mask=inside, other=0.0).to(tl.float32)
        at = (row * INSIDE + i)[:, None] * (K * OTHERS) + rank * OTHERS + j[None, :]
        inside = (i < INSIDE)[:, None] & (j < OTHERS)[None, :]
        weights = tl.load(weights_ptr + at, mask=inside, other=0.0)
        sums += tl.sum(weights[:, :, None] * values[None, :, :], 1)
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
    grad_weights_ptr: tl.tensor | None,
    grad_values_ptr: tl.tensor | None,
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
    OUT: tl.constexpr,
    K: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Pulls the gradient of `carry_kernel` back: stores the weights', adds the values'."""
    row = tl.program_id(0).to(tl.int64)
    image, own = row // count, row % count
    i, j = tl.arange(0, IN), tl.arange(0, OUT)
    y = own // across * (INSIDE // WIDTH) + i // WIDTH
    x = own % across * WIDTH + i % WIDTH
    pull_at = image * pull_b + y * pull_h + x * pull_w
    for rank in range(K):
        block = tl.load(indices_ptr + row * K + rank)
        down = block // exemplar_across * (OTHERS // EXEMPLAR_WIDTH) + j // EXEMPLAR_WIDTH
        right = block % exemplar_across * EXEMPLAR_WIDTH + j % EXEMPLAR_WIDTH
        values_at = image * values_b + down * values_h + right * values_w
        grad_at = image * grad_b + down * grad_h + right * grad_w
        at = (row * INSIDE + i)[:, None] * (K * OTHERS) + rank * OTHERS + j[None, :]
        paired = (i < INSIDE)[:, None] & (j < OTHERS)[None, :]
        weights = tl.load(weights_ptr + at, mask=paired, other=0.0)
        grad_weights = tl.zeros((IN, OUT), tl.float32)
        for start in range(0, channels, CHANNELS):
            c = start + tl.arange(0, CHANNELS)
            inside = (i < INSIDE)[:, None] & (c < channels)[None, :]
            others = (j < OTHERS)[:, None] & (c < channels)[None, :]
            pull = tl.load(
                pull_ptr + pull_at[:, None] + c[None, :] * pull_c, mask=inside, other=0.0
            ).to(tl.float32)
            if grad_weights_ptr is not None:
                values = tl.load(
                    values_ptr + values_at[:, None] + c[None, :] * values_c, mask=others, other=0.0
                ).to(tl.float32)
                grad_weights += tl.sum(pull[:, None, :] * values[None, :, :], 2)
            if grad_values_ptr is not None:
                received = tl.sum(weights[:, :, None] * pull[:, None, :], 0)
                to = grad_values_ptr + grad_at[:, None] + c[None, :] * grad_c
                tl.atomic_add(to, received, mask=others, sem="relaxed")
        if grad_weights_ptr is not None:
            tl.store(grad_weights_ptr + at, grad_weights, mask=paired)
