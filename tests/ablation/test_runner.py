from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rabit.ablation.plan import Run, continuing, plan_runs, state_of, steps_taken
from rabit.ablation.rows import RABIT, TABLES, Row
from rabit.ablation.runner import Outcome, execute, found, slots
from rabit.app.options import override
from rabit.config import ExperimentConfig
from rabit.data.scenes import CLASSES
from rabit.fields import from_dict, to_dict
from rabit.presets import preset, with_backbone
from tiny import tiny_experiment

STAND_IN = Path(__file__).with_name("stand_in.py")
CONFIG = tiny_experiment(train__steps=4, train__decay_steps=0)
SLOT = [{"OMP_NUM_THREADS": "1"}]

Make = Callable[..., Run]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a run of the stand-in."""

    def run(name: str, mode: str = "", seed: int = 0) -> Run:
        config = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, seed=seed))
        folder = tmp_path / "runs" / name / f"seed-{seed}"
        record = tmp_path / f"{name}-{seed}.json"
        record.write_text(json.dumps({"rabit": "", "data": "scenes", "config": to_dict(config)}))
        command = (sys.executable, str(STAND_IN), str(folder), str(record), mode)
        return Run(Row(name, name), seed, folder, config, "scenes", command)

    return run


def silent(outcomes: Sequence[Outcome]) -> None:
    pass


def statuses(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def commands(run: Run) -> list[str]:
    return [line for line in run.log.read_text().splitlines() if line.startswith("$ ")]


def test_runs_end_and_are_found_finished_the_next_time(make: Make) -> None:
    runs = [make("a"), make("b")]
    seen: list[tuple[str, ...]] = []
    ended = execute(runs, SLOT, lambda o: seen.append(tuple(statuses(o))))
    assert statuses(ended.outcomes) == ["finished", "finished"] and not ended.interrupted
    assert ("running", "waiting") in seen and ("finished", "running") in seen
    assert ("running", "running") not in seen
    again = execute(runs, SLOT, silent)
    assert statuses(again.outcomes) == ["found", "found"]
    assert [len(commands(run)) for run in runs] == [1, 1]
    assert found(runs[0]).status == "found"


def test_as_many_run_at_a_time_as_there_are_slots(make: Make) -> None:
    runs = [make("a", "pair"), make("b", "pair")]
    assert statuses(execute(runs, SLOT * 2, silent).outcomes) == ["finished", "finished"]


def test_trainings_inherit_what_they_are_given(make: Make) -> None:
    there, here = os.pipe()
    try:
        run = make("a", f"write:{here}")
        (outcome,) = execute([run], [{"OMP_NUM_THREADS": "5"}], silent, inherited=(here,)).outcomes
        assert outcome.status == "finished" and os.read(there, 9) == b"5"
    finally:
        os.close(there)
        os.close(here)


def test_a_failure_is_told_with_its_last_lines_and_the_others_go_on(make: Make) -> None:
    runs = [make("a", "fail"), make("b")]
    first, second = execute(runs, SLOT, silent).outcomes
    assert (first.status, second.status) == ("failed", "finished")
    assert "exit code 3" in first.message and str(runs[0].log) in first.message
    assert first.message.endswith("  first line\n  error: no luck")
    assert statuses(execute(runs, SLOT, silent).outcomes) == ["finished", "found"]
    assert commands(runs[0])[1].endswith("--resume")


def test_a_run_without_a_model_has_not_finished(make: Make) -> None:
    (outcome,) = execute([make("a", "modelless")], SLOT, silent).outcomes
    assert outcome.status == "failed" and "exit code 0" in outcome.message


def test_the_end_of_the_time_saves_and_the_same_call_goes_on(make: Make) -> None:
    runs = [make("a", "wait"), make("b")]
    ended = execute(runs, SLOT, silent, seconds=1.0)
    assert statuses(ended.outcomes) == ["stopped", "waiting"] and not ended.interrupted
    assert state_of(runs[0]) == "resumable" and steps_taken(runs[0]) == 2
    assert statuses(execute(runs, SLOT, silent).outcomes) == ["finished", "finished"]


def test_ctrl_c_reaches_every_training_once(make: Make) -> None:
    runs = [make("a", "wait"), make("b", "wait"), make("c")]
    pressed: list[int] = []

    def press(outcomes: Sequence[Outcome]) -> None:
        if not pressed and all((run.folder / "ready").exists() for run in runs[:2]):
            pressed.append(1)
            signal.raise_signal(signal.SIGINT)

    ended = execute(runs, SLOT * 2, press)
    assert statuses(ended.outcomes) == ["stopped", "stopped", "waiting"] and ended.interrupted
    assert all((run.folder / "checkpoints/step-0000002").is_dir() for run in runs[:2])
    # A terminal sends Ctrl-C to the whole group: each is in one of its own, to get it once.
    groups = {int((run.folder / "ready").read_text()) for run in runs[:2]}
    assert len(groups) == 2 and os.getpgrp() not in groups


def test_a_second_ctrl_c_ends_trainings_at_once(make: Make) -> None:
    run = make("a", "deaf")
    pressed: list[int] = []

    def press(outcomes: Sequence[Outcome]) -> None:
        wanted = ["ready", "heard"][len(pressed)] if len(pressed) < 2 else ""
        if wanted and (run.folder / wanted).exists():
            pressed.append(1)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        execute([run], SLOT, press)
    assert state_of(run) == "started"


def test_a_killed_start_is_started_anew(make: Make) -> None:
    run = make("a")
    run.folder.mkdir(parents=True)
    (run.folder / "config.json").write_text(
        json.dumps({"rabit": "", "data": "scenes", "config": to_dict(run.config)})
    )
    assert continuing(run, state_of(run))[-1] == "--overwrite"
    assert statuses(execute([run], SLOT, silent).outcomes) == ["finished"]


def test_a_run_that_is_said_to_go_on_is_not_finished(make: Make) -> None:
    run = make("a")
    execute([run], SLOT, silent)
    (run.folder / "status.json").write_text('{"status": "running"}')
    assert state_of(run) == "resumable"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"losses": {"cyc": 3.0}}, "losses.cyc is 3.0, wanted 1.0"),
        ({"train": {"steps": 9}}, "train.steps is 9, wanted 4"),
    ],
)
def test_another_configuration_in_the_way_is_named(
    make: Make, change: dict[str, dict[str, float]], named: str
) -> None:
    run, other = make("a"), make("b")
    execute([run], SLOT, silent)
    record = json.loads((run.folder / "config.json").read_text())
    for section, values in change.items():
        record["config"][section].update(values)
    (run.folder / "config.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=named):
        execute([run, other], SLOT, silent)
    assert not other.folder.exists()


def test_other_data_and_other_files_in_the_way_are_named(make: Make) -> None:
    run = make("a")
    execute([run], SLOT, silent)
    with pytest.raises(ValueError, match='data is "scenes", wanted "/pictures"'):
        state_of(dataclasses.replace(run, data="/pictures"))
    (run.folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no config\.json of a training; move it away"):
        state_of(run)


def test_a_record_without_newer_fields_is_of_the_same_training(make: Make) -> None:
    run = make("a")
    execute([run], SLOT, silent)
    record = json.loads((run.folder / "config.json").read_text())
    del record["config"]["train"]["keep_checkpoints"]
    (run.folder / "config.json").write_text(json.dumps(record))
    assert state_of(run) == "finished"


def test_all_rows_of_a_seed_come_before_the_next_seed(tmp_path: Path) -> None:
    runs = plan_runs(TABLES["table6"][-2:], (0, 1), CONFIG, "small", "scenes", tmp_path)
    assert [run.name for run in runs] == [
        "confi-ras-pe/seed-0", "rabit/seed-0", "confi-ras-pe/seed-1", "rabit/seed-1",
    ]  # fmt: skip
    assert [run.config.train.seed for run in runs] == [0, 0, 1, 1]


def test_rows_that_are_the_same_trainings_are_refused(tmp_path: Path) -> None:
    bare = dataclasses.replace(CONFIG, losses=with_backbone(CONFIG.losses, "none"))
    rows = [row for row in TABLES["table8"] if row.name in ("without-perc", "without-cst", "rabit")]
    with pytest.raises(ValueError, match="rows without-perc and rabit are the same trainings"):
        plan_runs(rows, (0,), bare, "small", "scenes", tmp_path)
    others = [row for row in rows if row.name != "without-perc"]
    assert len(plan_runs(others, (0,), bare, "small", "scenes", tmp_path)) == 2


def test_a_command_makes_the_very_experiment(tmp_path: Path) -> None:
    start = preset("small", CLASSES)
    for row in TABLES["table6"]:
        (run,) = plan_runs([row], (3,), CONFIG, "small", "scenes", tmp_path, ("--threads", "1"))
        command = list(run.command)
        assert command[1:5] == ["-m", "rabit", "train", "small"]
        assert command[command.index("--threads") + 1] == "1"
        given = [command[i + 1] for i, part in enumerate(command) if part == "--set"]
        made = override(start, given)
        seed = int(command[command.index("--seed") + 1])
        made = dataclasses.replace(made, train=dataclasses.replace(made.train, seed=seed))
        assert made == run.config
        # As a run records it, by way of JSON.
        recorded = json.loads(json.dumps(to_dict(run.config)))
        assert from_dict(ExperimentConfig, recorded) == run.config


def test_a_folder_of_data_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (run,) = plan_runs([RABIT], (0,), CONFIG, "small", "pictures", Path("out"))
    assert run.data == str(tmp_path / "pictures") and run.data in run.command
    assert str(tmp_path / "out/runs/rabit/seed-0") in run.command


def test_trainings_take_cuda_devices_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert slots("cpu", 2, 3) == [{"OMP_NUM_THREADS": "3"}] * 2
    assert [s["CUDA_VISIBLE_DEVICES"] for s in slots("cuda", 3, 1, 2)] == ["0", "1", "0"]
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "4,7")
    assert [s["CUDA_VISIBLE_DEVICES"] for s in slots("cuda", 2, 1, 2)] == ["4", "7"]
