"""The whole translator network: alignment, then generation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rabit.alignment.features import FeatureExtractor
from rabit.alignment.head import MatchingHead
from rabit.alignment.network import Alignment, AlignmentNetwork
from rabit.alignment.refiner import PatchMatchRefiner
from rabit.config import AlignmentConfig, DiscriminatorConfig, ModelConfig
from rabit.functional.condition import Condition
from rabit.layers.convolution import initialise
from rabit.model.discriminator import Discriminator
from rabit.model.generator import Generator, build_generator


@dataclass(frozen=True)
class NetworkOutput:
    """What a forward pass gives.

    Args:
        image: (B, 3, H, W) in [-1, 1].
        alignment: everything the image was made from.
    """

    image: Float[Tensor, "B 3 H W"]
    alignment: Alignment


class TranslationNetwork(nn.Module):
    """Alignment network and generation network, optimised jointly.

    Args:
        alignment: matches and warps.
        generator: makes the image.
    """

    def __init__(self, alignment: AlignmentNetwork, generator: Generator) -> None:
        super().__init__()
        self.alignment = alignment
        self.generator = generator

    def forward(
        self,
        condition: Condition,
        exemplar: Float[Tensor, "B 3 Hz Wz"],
        exemplar_condition: Condition | None,
    ) -> NetworkOutput:
        """Translates a condition with an exemplar's look."""
        alignment = self.alignment(condition, exemplar, exemplar_condition)
        return NetworkOutput(image=self.generator(alignment), alignment=alignment)


def check_network(network: nn.Module) -> None:
    """Refuses a translator's network that would be saved under other names, or is not float32.

    Raises:
        ValueError: it is another module, such as one around the network, or of another type.
    """
    if not isinstance(network, TranslationNetwork):
        inner = next((n for n in ("module", "_orig_mod") if hasattr(network, n)), None)
        hint = "one from build_network or load" if inner is None else f"the network.{inner} in it"
        raise ValueError(
            f"network is a {type(network).__name__}, expected a TranslationNetwork: give {hint}"
        )
    kinds = {str(weight.dtype) for weight in network.parameters()} - {"torch.float32"}
    if kinds:
        raise ValueError(
            f"network has weights of {', '.join(sorted(kinds))}, expected float32: give "
            "network.float(); precision= says what is computed in"
        )


def build_network(config: ModelConfig, seed: int = 0) -> TranslationNetwork:
    """Builds a translator network: every architecture number of it is read here.

    Args:
        config: the model's configuration.
        seed: seed of the initial weights.

    Returns:
        The network in training mode, on the CPU.
    """
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        network = _assemble(config)
        # Again, so that the alignment's weights do not depend on the generator's parts.
        torch.manual_seed(seed)
        initialise(network, config.init_gain)
        if network.alignment.head is not None:
            network.alignment.head.start_equal()
        if network.alignment.refiner is not None:
            network.alignment.refiner.start_still()
    return network


def _assemble(config: ModelConfig) -> TranslationNetwork:
    """Puts the submodules together."""
    channels = config.condition.channels
    features, alignment, generator = config.features, config.alignment, config.generator
    extractors = [
        FeatureExtractor(
            n,
            features.widths,
            features.hidden,
            features.norm,
            match=alignment.method != "none",
            attention=features.attention,
            shortcut=features.shortcut,
            last_norm=features.last_norm,
        )
        for n in (channels, 3)
    ]
    head = None
    if alignment.method != "none":
        positions = 0 if alignment.position == "none" else 2 + alignment.radius
        head = MatchingHead(
            features.widths[5],
            channels,
            positions,
            alignment.head_width,
            alignment.head_blocks,
            alignment.channels,
        )
    return TranslationNetwork(
        AlignmentNetwork(
            condition_extractor=extractors[0],
            exemplar_extractor=extractors[1],
            head=head,
            method=alignment.method,
            position=alignment.position,
            components=alignment.components,
            radius=alignment.radius,
            options=alignment.options(),
            stride=alignment.stride,
            refiner=_refiner(alignment),
        ),
        build_generator(
            channels,
            features.widths,
            generator.widths,
            generator.stem,
            generator.hidden,
            generator.injection,
            generator.injection_width,
            generator.norm,
            generator.attention,
            generator.shortcut,
        ),
    )


def _refiner(alignment: AlignmentConfig) -> PatchMatchRefiner | None:
    """Builds what moves the matches of PatchMatch, if that is the method and it has one."""
    search = alignment.patchmatch
    if alignment.method != "patchmatch" or search.refiner_width == 0:
        return None
    return PatchMatchRefiner(
        alignment.channels, search.candidates, search.refiner_width, search.refiner_reach
    )


def build_discriminator(
    model: ModelConfig, config: DiscriminatorConfig, seed: int = 0
) -> Discriminator:
    """Builds the discriminator that a model is trained against.

    Args:
        model: the model's configuration.
        config: the discriminator's own.
        seed: seed of the initial weights.

    Returns:
        The discriminator in training mode, on the CPU.
    """
    channels = model.condition.channels + 3
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        network = Discriminator(channels, config.widths, config.scales, config.attention)
        initialise(network, model.init_gain)
    return network
