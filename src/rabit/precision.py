"""What a translator's networks compute in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch

Precision = Literal["float32", "bfloat16", "auto"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def in_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Tells whether convolutions and products of features are to be computed in bfloat16.

    Args:
        precision: one of PRECISIONS; auto is bfloat16 where `has_bfloat16`.
        device: what computes.
    """
    return precision == "bfloat16" or (precision == "auto" and has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Tells whether a device has instructions for products of bfloat16 numbers.

    Others compute them as float32 ones, which takes longer than to begin with those. A release of
    torch that cannot tell what the CPU has counts as one on such a CPU.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16"))
