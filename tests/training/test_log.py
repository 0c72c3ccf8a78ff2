from __future__ import annotations

import json
from pathlib import Path

import pytest

from rabit.training.log import RunLog
from rabit.writing import WriteError

FULL = Path("/dev/full")


def test_figures_are_lines_of_json(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.figures(3, {"adv": 0.5})
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"step": 3, "adv": 0.5}


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_names_the_log(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to(FULL)
    expected = pytest.raises(WriteError, match=r"log\.jsonl: could not be written .*make space")
    with expected, RunLog(tmp_path) as log:
        log.figures(3, {"adv": 0.5})
