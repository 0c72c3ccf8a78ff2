"""What a translator's networks compute in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch

Computed = Literal["float32", "bfloat16"]
Precision = Literal[Computed, "auto"]
COMPUTED: tuple[Computed, ...] = get_args(Computed)
PRECISIONS: tuple[Precision, ...] = (*COMPUTED, "auto")


def computed_in(precision: Precision, device: torch.device) -> Computed:
    """Returns what convolutions and products of features are to be computed in.

    Args:
        precision: one of PRECISIONS; auto is bfloat16 where `has_bfloat16`.
        device: what computes.
    """
    if precision == "auto":
        return "bfloat16" if has_bfloat16(device) else "float32"
    return precision


def has_bfloat16(device: torch.device) -> bool:
    """Tells whether a device has instructions for products of bfloat16 numbers.

    Others compute them as float32 ones, which takes longer than to begin with those. A release of
    torch that cannot tell what the CPU has counts as one on such a CPU.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16"))
