"""Translations that can be ended before they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn
from torch.utils.hooks import RemovableHandle


def ask_before_layers(
    networks: Iterable[nn.Module], check: Callable[[], None]
) -> list[RemovableHandle]:
    """Has networks call a function before each of their layers, which may raise to end the pass.

    Args:
        networks: changed in place.
        check: called without arguments, in the thread of the pass.

    Returns:
        Handles, whose `remove` takes this back.
    """

    def ask(module: nn.Module, given: object) -> None:
        check()

    layers = [
        module
        for network in networks
        for module in network.modules()
        if next(module.children(), None) is None
    ]
    return [layer.register_forward_pre_hook(ask) for layer in layers]
