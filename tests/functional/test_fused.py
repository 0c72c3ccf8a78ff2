from __future__ import annotations

import math
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

from rabit.alignment.fused import program_shapes
from rabit.functional import fused
from rabit.functional.fused import LARGEST_K, LARGEST_ROW, can_fuse
from rabit.functional.fused_units import LARGEST_CHANNELS, _tile
from rabit.functional.threshold import MAX_ITERATIONS

ROOT = Path(__file__).parents[2]
TESTS = os.pathsep.join((str(ROOT / "tests"), *filter(None, sys.path)))
needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: pip install triton"
)


def run(*arguments: str, interpret: bool) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=kept | ({"TRITON_INTERPRET": "1"} if interpret else {}) | {"PYTHONPATH": TESTS},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]


@needs_triton
@pytest.mark.parametrize("cases", ("functional/fused_cases.py", "alignment/fused_cases.py"))
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
def test_cases(device: str, cases: str) -> None:
    flags = ("-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "interpreting")
    path = str(ROOT / "tests" / cases)
    run("-m", "pytest", *flags, path, interpret=device == "interpreter")


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
    monkeypatch.setattr(fused, "triton_works", lambda device: True)
    with FakeTensorMode():
        assert can_fuse(torch.empty((2, count), dtype=dtype, device=device), k) is expected


def test_without_triton_the_eager_form_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "find_spec", lambda name: None)
    assert not fused.triton_works.__wrapped__(torch.device("cpu"))


def test_a_triton_that_fails_is_named_in_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(fused, "find_spec", lambda name: object())
    monkeypatch.setattr(fused, "solve_rows", fail)
    with pytest.warns(UserWarning, match="on cpu.* eager form: RuntimeError: Failed to find C"):
        assert not fused.triton_works.__wrapped__(torch.device("cpu"))


@needs_triton
def test_annotations_of_programs_are_such_as_every_triton_reads() -> None:
    from rabit.alignment import fused_kernels as of_blocks
    from rabit.alignment import fused_levels_kernel as of_levels
    from rabit.functional import fused_kernels as of_rows

    programs = [
        program
        for module in (of_rows, of_blocks, of_levels)
        for name, program in vars(module).items()
        if name.endswith("_kernel")
    ]
    assert len(programs) >= 9
    found = {each for program in programs for each in program.fn.__annotations__.values()}
    assert found == {"tl.tensor", "tl.constexpr", "None"}


@needs_triton
@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="Triton interprets, nothing compiles")
@pytest.mark.parametrize("capability", (80, 90))
@pytest.mark.parametrize(("count", "k"), ((2, 1), (4096, 3), (LARGEST_ROW, LARGEST_K)))
def test_programs_compile_without_a_gpu_and_stay_in_registers(
    count: int, k: int, capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rabit.functional.fused_kernels import gradient_kernel, solve_kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    slots, tile = fused.power_of_two(k), fused.power_of_two(count)
    solve = ("*fp32", "*i64", "*fp32", "*fp32", "*i32", *["i32"] * 2, *["fp32"] * 4)
    constants = {"K": k, "SLOTS": slots, "TILE": tile, "MAX_STEPS": MAX_ITERATIONS}
    check_compiled(solve_kernel, solve, constants, capability, fused.warps(tile), tmp_path)
    gradient = ("*fp32", "*i64", *["*fp32"] * 6, "i32", "i32", *["fp32"] * 5)
    constants = {"K": k, "SLOTS": slots, "TILE": min(tile, fused.GRADIENT_TILE)}
    check_compiled(gradient_kernel, gradient, constants, capability, 4, tmp_path)


@needs_triton
@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="Triton interprets, nothing compiles")
@pytest.mark.parametrize("capability", (80, 90))
def test_programs_of_features_compile_without_a_gpu(
    capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rabit.functional.fused_kernels import unit_gradient_kernel, unit_kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    for channels in (256, LARGEST_CHANNELS):
        padded, tile = _tile(channels, 128)
        constants = {"SIDE": 2, "CHANNELS": padded, "TILE": tile}
        unit = ("*bf16", "*bf16", "*bf16", "*fp32", *["i32"] * 8, "fp32")
        check_compiled(unit_kernel, unit, constants, capability, 4, tmp_path)
        gradient = ("*bf16", "*bf16", "*fp32", "*bf16", *["i32"] * 7)
        check_compiled(unit_gradient_kernel, gradient, constants, capability, 4, tmp_path)


@needs_triton
@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="Triton interprets, nothing compiles")
@pytest.mark.parametrize("capability", (80, 90))
@pytest.mark.parametrize(("inside", "others", "k"), ((4, 4, 3), (1, 1, 1), (16, 16, 16)))
def test_programs_of_blocks_compile_without_a_gpu(
    inside: int, others: int, k: int, capability: int, tmp_path: Path, monkeypatch: Any
) -> None:
    from rabit.alignment import fused_kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    shapes = program_shapes(inside, others, k, 256)
    sides = {"WIDTH": math.isqrt(inside), "EXEMPLAR_WIDTH": math.isqrt(others)}
    warps = shapes.pop("num_warps")
    powers = {"ALL": fused.power_of_two(k * others), "SLOTS": fused.power_of_two(k)}
    known = {**shapes, **sides, **powers}
    pair, whole = ("*bf16", "*bf16", "*i64"), "*fp32"
    numbers = ["i32"] * 3
    for kernel, types in (
        (fused_kernels.attend_kernel, (*pair, whole, whole, *numbers, "fp32", "fp32")),
        (
            fused_kernels.attend_gradient_kernel,
            (whole, whole, *pair, "*bf16", *[whole] * 5, *numbers, "fp32"),
        ),
        (fused_kernels.carry_kernel, (whole, "*bf16", "*i64", "*bf16", *["i32"] * 12)),
        (
            fused_kernels.carry_gradient_kernel,
            ("*bf16", whole, "*bf16", "*i64", whole, whole, *["i32"] * 16),
        ),
    ):
        constants = {name: known[name] for name in kernel.arg_names if name in known}
        check_compiled(kernel, types, constants, capability, warps, tmp_path)


@needs_triton
@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="Triton interprets, nothing compiles")
@pytest.mark.parametrize("capability", (80, 90))
@pytest.mark.parametrize(("inside", "k", "count"), ((4, 3, 4096), (16, 16, LARGEST_ROW)))
def test_the_program_of_both_levels_compiles_without_a_gpu(
    inside: int, k: int, count: int, capability: int, tmp_path: Path, monkeypatch: Any
) -> None:
    from rabit.alignment.fused_levels_kernel import levels_kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    shapes, tile = program_shapes(inside, inside, k, 256), fused.power_of_two(count)
    warps = max(shapes.pop("num_warps"), fused.warps(tile))
    powers = {"ALL": fused.power_of_two(k * inside), "SLOTS": fused.power_of_two(k)}
    known = {**shapes, **powers, "TILE": tile, "MAX_STEPS": MAX_ITERATIONS}
    types = ("*fp32", "*i64", *["*fp32"] * 2, *["*bf16"] * 2, "*fp32", *["i32"] * 5, *["fp32"] * 7)
    constants = {name: known[name] for name in levels_kernel.arg_names if name in known}
    check_compiled(levels_kernel, types, constants, capability, warps, tmp_path)


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
