"""A training that is killed again and again ends as one that never was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from killed_run import STEPS, run

from rabit.training.checkpoint import list_checkpoints, load_checkpoint

SCRIPT = Path(__file__).with_name("killed_run.py")
KILLS = 12


@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_killed_run_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    """Twelve times by SIGKILL: in steps, and at every stage of a checkpoint's write."""
    died = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "killed"), str(KILLS), "1"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert died.returncode == 0, died.stderr
    killed = [line for line in died.stdout.splitlines() if line.startswith("killed")]
    assert len(killed) >= 10 and len(set(killed)) == 6, died.stdout
    torch.set_num_threads(1)
    run(tmp_path / "whole")
    one, other = (
        load_checkpoint(list_checkpoints(tmp_path / name / "checkpoints")[-1])
        for name in ("killed", "whole")
    )
    assert one.step == other.step == STEPS
    for name, part in one.parts().items():
        torch.testing.assert_close(
            part.state_dict(), other.parts()[name].state_dict(), rtol=0, atol=0
        )
    assert one.best and one.best == other.best
    assert one.watch and one.watch == other.watch
    assert one.engine["random"][0]["torch"].equal(other.engine["random"][0]["torch"])
    logs = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("killed", "whole")
    ]
    assert logs[0] == logs[1]
