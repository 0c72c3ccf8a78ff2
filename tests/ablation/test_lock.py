from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rabit.ablation.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from rabit.ablation.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_ablation_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with locked(folder):
        refused = pytest.raises(ValueError, match=rf"another ablation .*process {os.getpid()}")
        with refused, locked(folder):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(folder):
        pass


def test_a_killed_ablation_leaves_no_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ValueError, match=f"process {holder.pid}"), locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
    with locked(tmp_path):
        pass


def test_trainings_that_outlive_an_ablation_keep_its_lock(tmp_path: Path) -> None:
    with locked(tmp_path) as inherited:
        training = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=inherited
        )
    with training:
        with pytest.raises(ValueError, match="or trainings that it left are"), locked(tmp_path):
            pass
        training.kill()
    with locked(tmp_path):
        pass
