# mypy: disallow-untyped-decorators=False
"""Triton programs behind `rabit.functional.fused` and `fused_units`, imported when needed.

Notation as in `rabit.functional.threshold`: x_v = slope (a_v - pivot), p_v = sigmoid(x_v - shift).
K is k; SLOTS and TILE are the powers of two that hold k and N (or a part of N) numbers. Pointers
are annotated as tensors even where they may be None: Triton up to 3.3 reads annotations, and not
all of Python's.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _k_best(
    scores: tl.tensor, column: tl.tensor, K: tl.constexpr, SLOTS: tl.constexpr
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """The k best scores, best first and the lowest index first among equals, and the others.

    None may be NaN: threads would not agree about the best.
    """
    slot = tl.arange(0, SLOTS)
    best = tl.full((SLOTS,), 0.0, tl.float32)
    indices = tl.full((SLOTS,), 0, tl.int32)
    for rank in range(K):
        largest, place = tl.max(scores, 0, return_indices=True, return_indices_tie_break_left=True)
        best = tl.where(slot == rank, largest, best)
        indices = tl.where(slot == rank, place, indices)
        scores = tl.where(column == place, float("-inf"), scores)
    return best, indices, scores


@triton.jit
def _missing_mass(x: tl.tensor, shift: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """Logarithm of sum (1 - p) over the k best, whose smallest x is 0, and its derivative."""
    y = shift - x
    largest = tl.minimum(shift, 0.0)
    decay = tl.exp(-tl.abs(y))
    # Relative to the largest of them: the sum cannot underflow.
    shares = tl.exp(tl.minimum(y, 0.0) - largest) / (1.0 + decay)
    total = tl.sum(shares, 0)
    slope = tl.sum(shares * tl.where(y > 0, decay, 1.0) / (1.0 + decay), 0) / total
    return largest + tl.log(total), slope


@triton.jit
def _excess_mass(
    powers: tl.tensor, following: tl.tensor, shift: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Logarithm of sum p over the others, and minus its derivative.

    With u_v = exp(x_v - shift) = powers_v q, p = u / (1 + u): one exponential a score serves the
    whole search. The largest power is 1, so the sum cannot underflow, and the search keeps q below
    e k, so nothing overflows.
    """
    q = tl.exp(following - shift)
    # A division takes a GPU eight instructions to be right for all numbers; of one in [1, 1 + e k]
    # the square of the reciprocal root is as exact.
    root = tl.rsqrt(1.0 + powers * q)
    inverse = root * root
    shares = powers * inverse
    total = tl.sum(shares, 0)
    return following - shift + tl.log(total), tl.sum(shares * inverse, 0) / total


@triton.jit
def _balance(
    x: tl.tensor, powers: tl.tensor, following: tl.tensor, shift: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Both masses at one shift, the sum of p (1 - p), and Newton's step."""
    log_missing, missing_slope = _missing_mass(x, shift)
    log_excess, excess_slope = _excess_mass(powers, following, shift)
    step = (log_missing - log_excess) / (missing_slope + excess_slope)
    missing, excess = tl.exp(log_missing), tl.exp(log_excess)
    return missing, excess, missing * missing_slope + excess * excess_slope, step


@triton.jit
def solve_row(
    row: tl.tensor,
    scores: tl.tensor,
    indices_ptr: tl.tensor,
    chosen_ptr: tl.tensor,
    each_ptr: tl.tensor,
    total: tl.tensor,
    slope: tl.tensor,
    low_margin: tl.tensor,
    high: tl.tensor,
    tolerance: tl.tensor,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    TILE: tl.constexpr,
    MAX_STEPS: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Solves one row of scores, filled up to TILE with -inf: its k best and the shift with
    sum p = k.

    The bracket of the shift is [x_(k+1) - low_margin, high], as in `threshold._find_shift`. Of the
    `total` rows of the results it is number `row`. `chosen` are 4 numbers for each of the k best:
    score, logit, mass and log mass; `each` are 5 for each row: pivot, shift, spread, residual and
    threshold. Returned are indices and log mass of the k best, and the number of steps taken,
    negative if they did not suffice.
    """
    column = tl.arange(0, TILE)
    slot = tl.arange(0, SLOTS)
    chosen = slot < K
    # NaN counts as infinite, and a row with either has no solution: all threads find NaN.
    scores = tl.where(scores == scores, scores, float("inf"))
    best, indices, others = _k_best(scores, column, K, SLOTS)
    pivot = tl.sum(tl.where(slot == K - 1, best, 0.0), 0)
    pivot = tl.where(tl.max(best, 0) < float("inf"), pivot, float("nan"))
    runner_up = tl.max(others, 0)
    x = tl.where(chosen, slope * (best - pivot), float("inf"))
    following = slope * (runner_up - pivot)
    powers = tl.exp(slope * (others - runner_up))

    low = following - low_margin
    shift = (low + high) / 2
    missing, excess, spread, step = _balance(x, powers, following, shift)
    limit = tolerance * (1.0 + tl.abs(shift))
    steps = 1
    # Fast exponentials can leave a step above its limit for ever; the bracket then shrinks to it.
    while (tl.minimum(tl.abs(step), high - low) > limit) & (steps < MAX_STEPS):
        low = tl.where(step > 0, low, shift)
        high = tl.where(step > 0, shift, high)
        newton = shift - step
        inside = (newton > low) & (newton < high)
        shift = tl.where(inside, newton, (low + high) / 2)
        missing, excess, spread, step = _balance(x, powers, following, shift)
        limit = tolerance * (1.0 + tl.abs(shift))
        steps += 1
    settled = tl.minimum(tl.abs(step), high - low) <= limit

    logits = x - shift
    decay = tl.exp(-tl.abs(logits))
    mass = tl.where(logits > 0, 1.0, decay) / (1.0 + decay)
    log_mass = tl.minimum(logits, 0.0) - tl.log(1.0 + decay)
    place = row * K + slot
    tl.store(indices_ptr + place, indices.to(tl.int64), mask=chosen)
    tl.store(chosen_ptr + place, best, mask=chosen)
    tl.store(chosen_ptr + total * K + place, logits, mask=chosen)
    tl.store(chosen_ptr + 2 * total * K + place, mass, mask=chosen)
    tl.store(chosen_ptr + 3 * total * K + place, log_mass, mask=chosen)
    tl.store(each_ptr + row, pivot)
    tl.store(each_ptr + total + row, shift)
    tl.store(each_ptr + 2 * total + row, spread)
    tl.store(each_ptr + 3 * total + row, tl.abs(missing - excess))
    tl.store(each_ptr + 4 * total + row, pivot + shift / slope)
    return indices, log_mass, tl.where(settled, steps, -steps)


@triton.jit
def solve_kernel(
    scores_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    chosen_ptr: tl.tensor,
    each_ptr: tl.tensor,
    steps_ptr: tl.tensor,
    total: tl.tensor,
    count: tl.tensor,
    slope: tl.tensor,
    low_margin: tl.tensor,
    high: tl.tensor,
    tolerance: tl.tensor,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    TILE: tl.constexpr,
    MAX_STEPS: tl.constexpr,
) -> None:
    """Solves one row of scores, see `solve_row`."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, TILE)
    scores = tl.load(scores_ptr + row * count + column, mask=column < count, other=float("-inf"))
    _, _, steps = solve_row(
        row,
        scores,
        indices_ptr,
        chosen_ptr,
        each_ptr,
        total,
        slope,
        low_margin,
        high,
        tolerance,
        K,
        SLOTS,
        TILE,
        MAX_STEPS,
    )
    tl.store(steps_ptr + row, steps)


@triton.jit
def gradient_kernel(
    scores_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    pull_ptr: tl.tensor,
    pivot_ptr: tl.tensor,
    shift_ptr: tl.tensor,
    spread_ptr: tl.tensor,
    pull_of_best_ptr: tl.tensor,
    grad_ptr: tl.tensor,
    first: tl.tensor,
    count: tl.tensor,
    scale: tl.tensor,
    slope: tl.tensor,
    floor: tl.tensor,
    flat: tl.tensor,
    smallest: tl.tensor,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """One tile of one row of `gradient.score_gradient`, of scores times `scale`.

    It is that numbered `first` and up of the rows that all but scores and gradient have.
    `floor` is the smallest argument of the exponential, `flat` the spread below which the plan is
    constant, `smallest` the size up to which a gradient is 0. The pull of the best score is added
    to what its row says.
    """
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * TILE + tl.arange(0, TILE)
    slot = tl.arange(0, SLOTS)
    inside = column < count
    at = row * count + column
    scores = tl.load(scores_ptr + at, mask=inside, other=0.0) * scale
    row += first
    pivot, shift = tl.load(pivot_ptr + row), tl.load(shift_ptr + row)
    pull = tl.load(pull_ptr + row * K + slot, mask=slot < K, other=0.0)
    spread = tl.load(spread_ptr + row)
    constant = spread <= flat
    share = tl.where(constant, 0.0, tl.sum(pull, 0)) / tl.where(constant, 1.0, spread)

    decay = tl.exp(tl.maximum(-tl.abs(slope * (scores - pivot) - shift), floor))
    s = decay / (1.0 + decay)
    grad = (s - s * s) * (-slope * share)
    for rank in range(K):
        place = tl.load(indices_ptr + row * K + rank).to(tl.int32)
        own = slope * tl.load(pull_ptr + row * K + rank)
        grad += tl.where(column == place, own, 0.0)
    grad = tl.where(tl.abs(grad) <= smallest, 0.0, grad)
    if pull_of_best_ptr is not None:
        best = tl.load(indices_ptr + row * K).to(tl.int32)
        grad += tl.where(column == best, tl.load(pull_of_best_ptr + row), 0.0)
    tl.store(grad_ptr + at, grad * scale, mask=inside)


@triton.jit
def unit_kernel(
    x_ptr: tl.tensor,
    other_ptr: tl.tensor,
    unit_ptr: tl.tensor,
    scale_ptr: tl.tensor,
    batch: tl.tensor,
    channels: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    stride_b: tl.tensor,
    stride_c: tl.tensor,
    stride_h: tl.tensor,
    stride_w: tl.tensor,
    smallest: tl.tensor,
    SIDE: tl.constexpr,
    CHANNELS: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Centres a part of one row of a map over channels, scales it to length 1, and puts it into
    its blocks. `smallest` is the square that is added to that of a length. Images from number
    `batch` on are those of `other`, which is laid out as `x`.
    """
    y, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    x = tl.program_id(0) * TILE + tl.arange(0, TILE)
    channel = tl.arange(0, CHANNELS)
    inside = (x < width)[:, None] & (channel < channels)[None, :]
    start, own = x_ptr, image
    if other_ptr is not None:  # noqa: SIM102  (known when this is compiled)
        if image >= batch:
            start, own = other_ptr, image - batch
    start += own * stride_b + y.to(tl.int64) * stride_h
    where = start + x[:, None] * stride_w + channel[None, :] * stride_c
    found = tl.load(where, mask=inside, other=0.0).to(tl.float32)
    centred = tl.where(inside, found - (tl.sum(found, 1) / channels)[:, None], 0.0)
    # What rounding left of a mean would be large beside channels that are all equal.
    centred = tl.where(inside, centred - (tl.sum(centred, 1) / channels)[:, None], 0.0)
    length = tl.sum(centred * centred, 1) + smallest
    # Of what overflows here no number is known, which is found as what is not finite is.
    scale = tl.where(length < float("inf"), 1.0 / tl.sqrt(length), float("nan"))

    place = ((y // SIDE) * (width // SIDE) + x // SIDE) * (SIDE * SIDE)
    place = image * height * width + place + (y % SIDE) * SIDE + x % SIDE
    unit = (centred * scale[:, None]).to(unit_ptr.dtype.element_ty)
    tl.store(unit_ptr + place[:, None] * channels + channel[None, :], unit, mask=inside)
    tl.store(scale_ptr + place, scale, mask=x < width)


@triton.jit
def unit_gradient_kernel(
    pull_ptr: tl.tensor,
    unit_ptr: tl.tensor,
    scale_ptr: tl.tensor,
    grad_ptr: tl.tensor,
    channels: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    stride_b: tl.tensor,
    stride_c: tl.tensor,
    stride_h: tl.tensor,
    stride_w: tl.tensor,
    SIDE: tl.constexpr,
    CHANNELS: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Pulls the gradient of `unit_kernel`'s blocks back to a part of one row of the map."""
    y, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    x = tl.program_id(0) * TILE + tl.arange(0, TILE)
    channel = tl.arange(0, CHANNELS)
    inside = (x < width)[:, None] & (channel < channels)[None, :]
    place = ((y // SIDE) * (width // SIDE) + x // SIDE) * (SIDE * SIDE)
    place = image * height * width + place + (y % SIDE) * SIDE + x % SIDE
    at = place[:, None] * channels + channel[None, :]
    pull = tl.load(pull_ptr + at, mask=inside, other=0.0).to(tl.float32)
    unit = tl.load(unit_ptr + at, mask=inside, other=0.0).to(tl.float32)
    scale = tl.load(scale_ptr + place, mask=x < width, other=0.0)
    change = (pull - unit * tl.sum(pull * unit, 1)[:, None]) * scale[:, None]
    change -= (tl.sum(change, 1) / channels)[:, None]
    start = grad_ptr + image * stride_b + y.to(tl.int64) * stride_h
    where = start + x[:, None] * stride_w + channel[None, :] * stride_c
    tl.store(where, change.to(grad_ptr.dtype.element_ty), mask=inside)
