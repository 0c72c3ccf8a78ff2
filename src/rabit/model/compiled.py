"""Networks compiled for the machine they run on."""

from __future__ import annotations

from torch import nn

from rabit.alignment.network import AlignmentNetwork
from rabit.layers.recompute import Recomputable
from rabit.model.discriminator import Discriminator
from rabit.model.network import TranslationNetwork


def compile_networks(
    network: TranslationNetwork, discriminator: Discriminator | None, backend: str = "inductor"
) -> None:
    """Compiles the feature extractors, the generator and the discriminator in place.

    The correspondence stays as it is: its chunks and its search depend on the data. Names of
    tensors stay too. The first pass of each size takes the compiler minutes. Features that a
    compiled part returns are not to be read after their backward pass: torch 2.13 reuses the memory
    of those that end in an instance norm; images and scores stay.

    Args:
        network: a translator.
        discriminator: its judge; None without one.
        backend: of torch.compile.

    Raises:
        ValueError: blocks are to be computed again in the backward pass, which the compiler
            decides for itself.
    """
    parts = dense_parts(network, discriminator)
    if any(
        block.recompute
        for part in parts
        for block in part.modules()
        if isinstance(block, Recomputable)
    ):
        raise ValueError(
            "compiled networks choose for themselves what is computed again in the backward pass; "
            "switch off either recompute or compile"
        )
    for part in parts:
        part.compile(backend=backend)


def dense_parts(
    network: TranslationNetwork, discriminator: Discriminator | None
) -> tuple[nn.Module, ...]:
    """Returns the modules that are compiled."""
    alignment: AlignmentNetwork = network.alignment
    parts = [alignment.condition_extractor, alignment.exemplar_extractor, network.generator]
    return (*parts, *([] if discriminator is None else [discriminator]))
