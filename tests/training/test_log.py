from __future__ import annotations

import json
import os
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rabit.training.log import RunLog
from rabit.writing import WriteError

FULL = Path("/dev/full")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def board(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def test_figures_are_lines_of_json(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.figures(3, {"adv": 0.5})
    assert lines(tmp_path) == [{"step": 3, "adv": 0.5}]


def test_figures_of_a_validation_have_names_of_their_own_on_the_board(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.figures(3, {"validation/psnr": 20.5})
    assert lines(tmp_path) == [{"step": 3, "validation/psnr": 20.5}]
    assert board(tmp_path).Scalars("validation/psnr")[0].value == 20.5


def test_warnings_stand_in_the_log_and_on_the_board(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.warning(7, "since step 5 …")
    assert lines(tmp_path) == [{"step": 7, "warning": "since step 5 …"}]
    found = board(tmp_path)
    (event,) = found.Tensors("warnings/text_summary")
    assert (event.step, event.tensor_proto.string_val[0].decode()) == (7, "since step 5 …")


def test_a_run_that_goes_on_repeats_no_step(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        for step in range(1, 6):
            log.figures(step, {"adv": float(step)})
        log.warning(5, "later")
    # The board reads files by their names, which have the second, and then a number that 10 is
    # less than 9 in.
    time.sleep(1.1)
    with RunLog(tmp_path, step=3) as log:
        for step in range(4, 7):
            log.figures(step, {"adv": 10.0 * step})
    expected = [(1, 1), (2, 2), (3, 3), (4, 40), (5, 50), (6, 60)]
    assert [(line["step"], line["adv"]) for line in lines(tmp_path)] == expected
    shown = board(tmp_path).Scalars("adv")
    assert [(event.step, event.value) for event in shown] == expected


def test_a_line_left_half_written_is_dropped_too(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "adv": 0.5}\n{"step": 2, "ad')
    with RunLog(tmp_path, step=2) as log:
        log.figures(3, {"adv": 0.25})
    assert [line["step"] for line in lines(tmp_path)] == [1, 3]


def test_a_log_with_nothing_to_drop_is_not_written_anew(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.figures(3, {"adv": 0.5})
    before = (tmp_path / "log.jsonl").stat().st_ino
    with RunLog(tmp_path, step=3):
        pass
    assert (tmp_path / "log.jsonl").stat().st_ino == before


def test_lines_are_dropped_at_once_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunLog(tmp_path) as log:
        for step in range(1, 4):
            log.figures(step, {"adv": float(step)})
    before = (tmp_path / "log.jsonl").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match=r"log\.jsonl: could not be written"):
        RunLog(tmp_path, step=1)
    assert (tmp_path / "log.jsonl").read_bytes() == before


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_names_the_log(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to(FULL)
    expected = pytest.raises(WriteError, match=r"log\.jsonl: could not be written .*make space")
    with expected, RunLog(tmp_path) as log:
        log.figures(3, {"adv": 0.5})


class _Wandb:
    """Stands for the package wandb and for a run of it."""

    id = "abc123"

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def init(self, **options: Any) -> _Wandb:
        self.calls.append(("init", options))
        return self

    def define_metric(self, name: str, step_metric: str | None = None) -> None:
        self.calls.append(("metric", (name, step_metric)))

    def log(self, values: dict[str, Any]) -> None:
        self.calls.append(("log", values))

    def alert(self, title: str, text: str, level: str) -> None:
        self.calls.append(("alert", (title, text)))

    def finish(self, exit_code: int) -> None:
        self.calls.append(("finish", exit_code))

    def named(self, name: str) -> list[Any]:
        return [what for called, what in self.calls if called == name]


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> _Wandb:
    fake, module = _Wandb(), ModuleType("wandb")
    vars(module).update(
        init=fake.init, Error=RuntimeError, Image=str, AlertLevel=SimpleNamespace(WARN="WARN"),
        Settings=dict,
    )  # fmt: skip
    module.__spec__ = ModuleSpec("wandb", None)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return fake


def test_wandb_gets_what_is_logged(tmp_path: Path, wandb: _Wandb) -> None:
    with RunLog(tmp_path / "run", wandb="project", config={"seed": 3}) as log:
        log.figures(1, {"adv": 0.5})
        log.warning(2, "look")
        log.picture(3, np.zeros((4, 4, 3), np.uint8))
    (options,) = wandb.named("init")
    assert (options["project"], options["config"], options["id"]) == ("project", {"seed": 3}, None)
    assert (options["name"], options["dir"]) == ("run", str(tmp_path / "run"))
    picture = str(tmp_path / "run" / "samples" / "step-0000003.png")
    assert wandb.named("log") == [{"step": 1, "adv": 0.5}, {"step": 3, "samples": picture}]
    assert wandb.named("alert") == [("step 2", "look")]
    assert ("*", "step") in wandb.named("metric")
    assert wandb.named("finish") == [0]


def test_wandb_goes_on_with_the_same_run(tmp_path: Path, wandb: _Wandb) -> None:
    for _ in range(2):
        with RunLog(tmp_path, wandb="project"):
            pass
    assert [options["id"] for options in wandb.named("init")] == [None, "abc123"]
    (tmp_path / "wandb-id.txt").write_text("../x\n")
    with pytest.raises(ValueError, match=r"wandb-id\.txt: '\.\./x' is no run's id"):
        RunLog(tmp_path, wandb="project")


def test_wandb_is_told_that_a_run_failed(tmp_path: Path, wandb: _Wandb) -> None:
    with pytest.raises(KeyError), RunLog(tmp_path, wandb="project"):
        raise KeyError
    assert wandb.named("finish") == [1]


def test_a_wandb_that_cannot_start_says_what_to_do(
    tmp_path: Path, wandb: _Wandb, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("no key")

    monkeypatch.setattr(sys.modules["wandb"], "init", fail)
    with pytest.raises(ValueError, match=r"no key.*wandb login, set WANDB_MODE=offline"):
        RunLog(tmp_path, wandb="project")


def test_without_wandb_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match="pip install wandb"):
        RunLog(tmp_path, wandb="project")


def test_wandb_is_not_imported_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with RunLog(tmp_path) as log:
        log.figures(1, {"adv": 0.5})
    assert not (tmp_path / "wandb-id.txt").exists()
