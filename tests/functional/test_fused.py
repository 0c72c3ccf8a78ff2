from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from rabit.functional import fused
from rabit.functional.fused import LARGEST_K, LARGEST_ROW, can_fuse
from rabit.functional.threshold import MAX_ITERATIONS

ROOT = Path(__file__).parents[2]
needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: pip install triton"
)


def run(*arguments: str, interpret: bool) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=kept | ({"TRITON_INTERPRET": "1"} if interpret else {}),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]


@needs_triton
@pytest.mark.parametrize(
    "device",
    (
        "interpreter",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
        ),
    ),
)
def test_cases(device: str) -> None:
    cases = str(Path(__file__).with_name("fused_cases.py"))
    flags = ("-q", "-p", "no:xdist", "-p", "no:cacheprovider")
    run("-m", "pytest", *flags, cases, interpret=device == "interpreter")


def test_triton_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, torch, rabit; from rabit.functional.fused import can_fuse; "
        "assert not can_fuse(torch.zeros(2, 9), 3); assert 'triton' not in sys.modules"
    )
    run("-c", code, interpret=False)


@pytest.mark.parametrize(
    ("device", "dtype", "count", "k", "expected"),
    (
        ("cuda", torch.float32, LARGEST_ROW, LARGEST_K, True),
        ("cuda", torch.float32, LARGEST_ROW + 1, 3, False),
        ("cuda", torch.float32, 100, LARGEST_K + 1, False),
        ("cuda", torch.float64, 100, 3, False),
        ("cuda", torch.bfloat16, 100, 3, False),
        ("cpu", torch.float32, 100, 3, False),
    ),
)
def test_scores_that_can_be_fused(
    device: str,
    dtype: torch.dtype,
    count: int,
    k: int,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fused, "_triton_works", lambda device: True)
    with FakeTensorMode():
        assert can_fuse(torch.empty((2, count), dtype=dtype, device=device), k) is expected


def test_without_triton_the_eager_form_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "find_spec", lambda name: None)
    assert not fused._triton_works.__wrapped__(torch.device("cpu"))


def test_a_triton_that_fails_is_named_in_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(fused, "find_spec", lambda name: object())
    monkeypatch.setattr(fused, "solve_rows", fail)
    with pytest.warns(UserWarning, match="on cpu.* eager form: RuntimeError: Failed to find C"):
        assert not fused._triton_works.__wrapped__(torch.device("cpu"))


@needs_triton
@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="Triton interprets, nothing compiles")
@pytest.mark.parametrize("capability", (80, 90))
@pytest.mark.parametrize(("count", "k"), ((2, 1), (4096, 3), (LARGEST_ROW, LARGEST_K)))
def test_programs_compile_without_a_gpu_and_stay_in_registers(
    count: int, k: int, capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rabit.functional.fused_kernels import gradient_kernel, solve_kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    slots, tile = fused._power_of_two(k), fused._power_of_two(count)
    pointers = ["*fp32", "*i64", "*fp32", "*fp32", "*fp32", "*fp32"]
    solve = (*pointers, "*i32", "i32", *["fp32"] * 4)
    constants = {"K": k, "SLOTS": slots, "TILE": tile, "MAX_STEPS": MAX_ITERATIONS}
    check_compiled(solve_kernel, solve, constants, capability, fused.warps(tile), tmp_path)
    gradient = (*pointers, "*fp32", "i32", *["fp32"] * 4)
    constants = {"K": k, "SLOTS": slots, "TILE": min(tile, fused.GRADIENT_TILE)}
    check_compiled(gradient_kernel, gradient, constants, capability, 4, tmp_path)


def check_compiled(
    kernel: Any,
    types: tuple[str, ...],
    constants: dict[str, int],
    capability: int,
    warps: int,
    folder: Path,
) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature = dict(zip(kernel.arg_names, (*types, *["constexpr"] * len(constants)), strict=True))
    compiled = triton.compile(
        ASTSource(kernel, signature, constants),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": warps},
    )
    binary = folder / "kernel.cubin"
    binary.write_bytes(compiled.asm["cubin"])
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    if not tool.is_file():
        pytest.skip(f"this Triton brings no {tool.name} to read the registers with")
    usage = subprocess.run([tool, "-res-usage", binary], capture_output=True, text=True, check=True)
    found = {name: int(size) for name, size in re.findall(r"(REG|STACK|LOCAL):(\d+)", usage.stdout)}
    assert found["STACK"] == found["LOCAL"] == 0
    # All warps of one program must fit into the 65536 registers of a multiprocessor.
    assert 32 * warps * found["REG"] <= 65536
