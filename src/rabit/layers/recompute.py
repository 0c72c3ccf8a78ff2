"""Blocks that are computed again in the backward pass instead of keeping what it needs.

The second pass has to be the first one over again, and to leave nothing behind: spectral norm
moves its vectors in every pass, and a batch norm its running averages. So each pass notes the
block's buffers as they are before it, and the second works on copies of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Recomputable(nn.Module):
    """A block that may be computed twice, see `set_recompute`."""

    recompute = False


def set_recompute(network: nn.Module, on: bool) -> None:
    """Switches whether a network's blocks keep their inputs alone for the backward pass.

    What is computed is the same to the last bit; it takes one more forward pass of the blocks.

    Args:
        network: changed in place.
        on: whether blocks are computed again.

    Raises:
        ValueError: there is nothing to switch on.
    """
    blocks = [module for module in network.modules() if isinstance(module, Recomputable)]
    if on and not blocks:
        raise ValueError(
            f"{type(network).__name__} has no block that can be computed again; expected a "
            "translator network or a discriminator"
        )
    for block in blocks:
        block.recompute = on


def recomputed(block: nn.Module, *inputs: Any) -> Any:
    """Runs a block, and lets it be computed again in the backward pass if it is set to.

    Args:
        block: a `Recomputable`, which gets the inputs; draws no random numbers that it does not
            draw again.
        *inputs: kept, with all that they hold.

    Returns:
        What the block returns.
    """
    assert isinstance(block, Recomputable)
    if not block.recompute or not torch.is_grad_enabled():
        return block(*inputs)
    before = [(module, _clones(module._buffers)) for module in block.modules() if module._buffers]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _with_buffers(before)

    return checkpoint(block, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _with_buffers(before: list[tuple[nn.Module, dict[str, Tensor | None]]]) -> Iterator[None]:
    """Lends modules copies of earlier buffers."""
    own = [dict(module._buffers) for module, _ in before]
    for module, earlier in before:
        module._buffers.update(_clones(earlier))
    try:
        yield
    finally:
        for (module, _), buffers in zip(before, own, strict=True):
            module._buffers.update(buffers)


def _clones(buffers: dict[str, Tensor | None]) -> dict[str, Tensor | None]:
    return {name: None if each is None else each.clone() for name, each in buffers.items()}
