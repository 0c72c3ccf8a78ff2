"""Plain residual blocks of the matching head, and non-local attention."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rabit.layers.convolution import conv
from rabit.layers.normalisation import InstanceNorm
from rabit.layers.recompute import Recomputable


class Residual(Recomputable):
    """Reflection-padded 3x3 convolutions with instance norm and PReLU around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_in = conv(channels, channels, bias=False, padding_mode="reflect")
        self.conv_out = conv(channels, channels, bias=False, padding_mode="reflect")
        self.norm = InstanceNorm()
        self.activation_in = nn.PReLU()
        self.activation_out = nn.PReLU()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Returns the features after the block."""
        y = self.activation_in(self.norm(self.conv_in(x)))
        return self.activation_out(x + self.norm(self.conv_out(y)))


class NonLocal(nn.Module):
    """Self-attention over all positions, added to its input (SAGAN, Zhang et al. 2019).

    Args:
        channels: channels of the features.
        strength: start of the learned factor in front of the attended features; not 0, so that
            every weight learns from the first step.
    """

    def __init__(self, channels: int, strength: float = 0.1) -> None:
        super().__init__()
        inner = max(channels // 8, 1)
        self.query = conv(channels, inner, 1, bias=False, spectral_weight=True)
        self.key = conv(channels, inner, 1, bias=False, spectral_weight=True)
        self.value = conv(channels, channels, 1, bias=False, spectral_weight=True)
        self.strength = nn.Parameter(self.value.weight.new_full((), strength))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Returns x plus what each position attends to."""
        query, key, value = (
            layer(x).flatten(2).transpose(1, 2).unsqueeze(1)
            for layer in (self.query, self.key, self.value)
        )
        # One head of contiguous vectors, queries and keys filled up with zeros to the values'
        # width: with these torch attends without a matrix of all pairs, on a CPU too.
        missing = (0, value.shape[-1] - query.shape[-1])
        attended = F.scaled_dot_product_attention(
            F.pad(query, missing).contiguous(),
            F.pad(key, missing).contiguous(),
            value.contiguous(),
            scale=query.shape[-1] ** -0.5,
        )
        return x + self.strength * attended.transpose(2, 3).reshape(x.shape)
