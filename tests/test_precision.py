"""Which precision a device computes in."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rabit.precision import computed_in, has_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "aarch64"}, False),
        (None, False),
    ],
)
def test_a_cpu_that_says_so_has_bfloat16(
    capabilities: dict[str, Any] | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if capabilities is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert has_bfloat16(CPU) == expected
    assert computed_in("auto", CPU) == ("bfloat16" if expected else "float32")
    assert computed_in("bfloat16", CPU) == "bfloat16"
    assert computed_in("float32", CPU) == "float32"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True)])
def test_a_gpu_has_bfloat16_from_its_generation_on(
    capability: tuple[int, int], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert has_bfloat16(torch.device("cuda:0")) == expected
