"""Several processes, and several parts, learn what one process learns from the whole batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from shared_run import STEPS, experiment, short_run

from launching import launch
from rabit.training.engine import check_split

SCRIPT = Path(__file__).with_name("shared_run.py")


def run(
    out: Path, processes: int, norm: str, parts: int, steps: int = STEPS
) -> list[dict[str, Any]]:
    """Trains in several processes, and returns what each of them has at the end."""
    files = [out / f"{rank}.pt" for rank in range(processes)]
    for code, _, error in launch(
        [[str(SCRIPT), str(f), norm, str(parts), str(steps)] for f in files]
    ):
        assert code == 0, error
    return [torch.load(file, weights_only=True) for file in files]


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compares the losses of every step, and all weights and statistics at the end."""
    assert len(found["losses"]) == len(expected["losses"]) > 1
    for step, (a, b) in enumerate(zip(found["losses"], expected["losses"], strict=True)):
        assert a == pytest.approx(b, rel=1e-8, abs=1e-8), step
    for name, weights in expected["weights"].items():
        for key, value in weights.items():
            torch.testing.assert_close(
                found["weights"][name][key], value, rtol=1e-7, atol=1e-9, msg=f"{name} {key}"
            )


@pytest.mark.timeout(600)
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Losses of 20 steps, and the running statistics of batch norm, which both must share."""
    whole = short_run(experiment("batch"))
    both = run(tmp_path, processes=2, norm="batch", parts=1)
    for each in both:
        assert_same(each, whole)
    statistics = [key for key in whole["weights"]["network"] if "running_var" in key]
    assert statistics
    for key in statistics:
        assert torch.equal(*(each["weights"]["network"][key] for each in both))


@pytest.mark.timeout(600)
def test_parts_add_up_to_the_whole_batch(tmp_path: Path) -> None:
    """Without batch norm, whose statistics are of what is computed at once."""
    whole = short_run(experiment("position"), steps=5)
    assert_same(short_run(experiment("position", parts=2), steps=5), whole)
    for each in run(tmp_path, processes=2, norm="position", parts=2, steps=5):
        assert_same(each, whole)


def test_the_end_waits_for_no_thread_that_waits_for_it() -> None:
    for code, _, error in launch([[str(SCRIPT.with_name("ended_run.py"))]] * 2, timeout=60):
        assert code == 0, error


def test_a_batch_that_does_not_split_is_named() -> None:
    with pytest.raises(ValueError, match=r"train.batch is 6, but 2 processes of 2 parts.* of 4"):
        check_split(6, 2, 2)
