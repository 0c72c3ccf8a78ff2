"""Several processes, and several parts, learn what one process learns from the whole batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from shared_run import STEPS, experiment, short_run

from rabit.training.engine import check_split

SCRIPT = Path(__file__).with_name("shared_run.py")


def launch(out: Path, processes: int, norm: str, parts: int) -> list[dict[str, Any]]:
    """Trains in several processes that find each other, as torchrun would start them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(processes):
        known = {
            "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes,
            "LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            "OMP_NUM_THREADS": 1, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        }  # fmt: skip
        command = [sys.executable, str(SCRIPT), str(out / f"{rank}.pt"), norm, str(parts)]
        environment = os.environ | {name: str(value) for name, value in known.items()}
        children.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    for child in children:
        _, error = child.communicate(timeout=250)
        assert child.returncode == 0, error.decode()
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(processes)]


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compares the losses of every step, and all weights and statistics at the end."""
    assert len(found["losses"]) == STEPS
    for step, (a, b) in enumerate(zip(found["losses"], expected["losses"], strict=True)):
        assert a == pytest.approx(b, rel=1e-8, abs=1e-8), step
    for name, weights in expected["weights"].items():
        for key, value in weights.items():
            torch.testing.assert_close(
                found["weights"][name][key], value, rtol=1e-7, atol=1e-9, msg=f"{name} {key}"
            )


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Losses of 20 steps, and the running statistics of batch norm, which both must share."""
    whole = short_run(experiment("batch"))
    both = launch(tmp_path, processes=2, norm="batch", parts=1)
    for each in both:
        assert_same(each, whole)
    statistics = [key for key in whole["weights"]["network"] if "running_var" in key]
    assert statistics
    for key in statistics:
        assert torch.equal(*(each["weights"]["network"][key] for each in both))


def test_parts_add_up_to_the_whole_batch(tmp_path: Path) -> None:
    """Without batch norm, whose statistics are of what is computed at once."""
    whole = short_run(experiment("position"))
    assert_same(short_run(experiment("position", parts=2)), whole)
    for each in launch(tmp_path, processes=2, norm="position", parts=2):
        assert_same(each, whole)


def test_a_batch_that_does_not_split_is_named() -> None:
    with pytest.raises(ValueError, match=r"train.batch is 6, but 2 processes of 2 parts.* of 4"):
        check_split(6, 2, 2)
