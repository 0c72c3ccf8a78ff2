"""What a run's status says when the run ends badly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rabit.training import record
from rabit.training.checkpoint import new_state
from rabit.training.engine import Engine
from rabit.training.log import RunLog
from rabit.training.processes import Processes
from rabit.training.record import Record
from rabit.training.runs import read_run
from rabit.writing import WriteError
from run_folders import write_run
from tiny import tiny_batch, tiny_experiment

FULL = WriteError("best/model.safetensors: could not be written (No space left on device)")
HOLDING = """
import sys, time
from pathlib import Path
from rabit.writing import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def recorded(folder: Path, **changes: Any) -> Record:
    """Returns the record of a training that validates after every step."""
    state = new_state(tiny_experiment(64, train__checkpoint_every=1, **changes))
    batch = tiny_batch()
    return Record(Engine(state, Processes()), None, batch, (batch,), folder)


def status(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return told


def full(*_: object, **__: object) -> None:
    raise FULL


def test_no_best_is_claimed_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = recorded(tmp_path)
    monkeypatch.setattr(record, "save_model", full)
    with pytest.raises(WriteError, match="best/model"), writing:
        writing.state.step = 1
        writing.step({"perc": 1.0}, stopped=False)
    told = status(tmp_path)
    assert (told["status"], told["best"]) == ("failed", None)
    assert told["message"] == str(FULL) and not writing.state.best


def test_a_run_on_a_full_disk_is_written_down_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No new file can be written, and the log cannot be closed; the old file has its place."""

    def unclosed(self: RunLog, *_: object) -> None:
        self.lines.close()
        self.board.close()
        raise WriteError("log.jsonl: could not be written")

    monkeypatch.setattr(RunLog, "__exit__", unclosed)
    writing = recorded(tmp_path)
    with pytest.raises(WriteError, match="best/model"), writing:
        monkeypatch.setattr(record, "write_files", full)
        raise FULL
    told = status(tmp_path)
    assert (told["status"], told["message"]) == ("failed", str(FULL))


def test_the_error_that_ended_a_run_is_told_though_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = recorded(tmp_path)
    with pytest.raises(FloatingPointError, match="step 3"), writing:
        monkeypatch.setattr(record, "write_files", full)
        (tmp_path / "status.json").unlink()
        raise FloatingPointError("step 3: not finite")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such locks")
def test_a_run_that_was_killed_is_told_as_interrupted(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "running", taken=25)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(folder)], stdout=subprocess.PIPE
    ) as training:
        assert training.stdout is not None and training.stdout.readline() == b"held\n"
        assert (read_run(folder).state, read_run(folder).message) == ("running", None)
        training.kill()
    run = read_run(folder)
    assert run.state == "interrupted" and run.message is not None
    assert "was killed" in run.message and "--overwrite begins anew" in run.message
    (folder / "checkpoints" / "step-0000020").mkdir(parents=True)
    assert "--resume goes on from its last" in (read_run(folder).message or "")
