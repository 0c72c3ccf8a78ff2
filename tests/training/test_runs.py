from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rabit.training.runs import Best, differences, find_runs, is_run, read_history, read_run
from rabit.writing import sole_writer
from run_folders import write_run


def change_status(folder: Path, **changes: Any) -> None:
    path = folder / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", seed=5, warnings=((7, "since step 5 …"),)))
    assert (run.state, run.step, run.steps, run.seed) == ("finished", 40, 40, 5)
    assert (run.seconds, run.message, run.problems) == (12.5, None, ())
    assert run.record["preset"] == "small"
    assert run.last == {"psnr": 13.0, "l1": pytest.approx(0.3678794)}
    assert run.best == Best(20, "psnr", 15.0)
    assert run.history.warnings == ((7, "since step 5 …"),)
    assert [step for step, _ in run.history.losses["perc"]] == list(range(1, 41))
    assert run.history.losses["adv"][0][1] < 0
    assert set(run.history.figures) == {"psnr", "l1"}


def test_the_best_is_the_lowest_where_lower_is_better(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", train__best_by="l1"))
    assert run.best is not None and (run.best.step, run.best.name) == (40, "l1")


def test_l1_stands_in_for_a_figure_that_was_not_measured(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", train__best_by="perceptual"))
    assert run.best is not None and (run.best.step, run.best.name) == (40, "l1")


def test_a_run_before_its_first_step_has_no_figures(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "running", taken=0)
    with sole_writer(folder):
        run = read_run(folder)
    assert (run.state, run.step, run.steps, run.last, run.best) == ("running", 0, 40, {}, None)


def test_without_a_status_the_state_is_unknown(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", taken=25)
    (folder / "status.json").unlink()
    run = read_run(folder)
    assert (run.state, run.step, run.steps, run.problems) == ("unknown", 25, 40, ())


def test_a_log_may_be_ahead_of_the_status(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "running", taken=25)
    change_status(folder, step=20)
    assert read_run(folder).step == 25


def test_the_reason_of_a_failure_is_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "failed")
    change_status(folder, message="step 4: a gradient …")
    assert read_run(folder).message == "step 4: a gradient …"


def test_the_last_change_is_that_of_any_file(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    for path in (folder, *folder.iterdir()):
        os.utime(path, (1000, 1000))
    os.utime(folder / "log.jsonl", (2000, 2000))
    assert read_run(folder).changed == 2000


def damage_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"rabit": "0.1", "con')


def remove_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def damage_status(folder: Path) -> None:
    (folder / "status.json").write_bytes(b"\xff\x00")


def damage_log(folder: Path) -> None:
    text = (folder / "log.jsonl").read_text()
    (folder / "log.jsonl").write_text('{"step": 1, "perc"\n[1]\n{"step": true}\n' + text)


@pytest.mark.parametrize(
    ("damage", "state", "problem"),
    [
        (damage_config, "damaged", "config.json is damaged"),
        (remove_config, "damaged", "config.json is missing"),
        (damage_status, "unknown", "status.json is damaged"),
        (damage_log, "finished", "3 lines of log.jsonl cannot be read"),
    ],
)
def test_what_is_damaged_is_told_and_the_rest_is_read(
    tmp_path: Path, damage: Callable[[Path], None], state: str, problem: str
) -> None:
    folder = write_run(tmp_path / "run")
    damage(folder)
    assert is_run(folder) and find_runs([tmp_path]) == [folder]
    run = read_run(folder)
    assert (run.state, run.problems, run.step) == (state, (problem,), 40)
    assert run.last["psnr"] == 13.0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"rabit": 1}',
        '{"rabit": "0.1", "config": {"train": 3}}',
        "[" * 9999,
    ],
)
@pytest.mark.parametrize("name", ["config.json", "status.json", "log.jsonl"])
def test_strange_files_are_no_crash(tmp_path: Path, name: str, content: str) -> None:
    folder = write_run(tmp_path / "run")
    (folder / name).write_text(content + "\n")
    run = read_run(folder)
    assert isinstance(run.last, dict) and run.step >= 0
    (folder / name).unlink()
    (folder / name).mkdir()
    assert read_run(folder).folder == folder


@pytest.mark.parametrize(
    "strange",
    [
        {"status": 3, "step": "x", "steps": [1], "seconds": "now", "message": 5},
        {"status": "dancing", "step": -1.5, "steps": 10**400, "seconds": 10**400, "message": None},
    ],
)
def test_strange_values_count_as_not_said(tmp_path: Path, strange: dict[str, Any]) -> None:
    folder = write_run(tmp_path / "run")
    change_status(folder, **strange)
    run = read_run(folder)
    assert (run.state, run.step, run.steps) == ("unknown", 40, 40)
    assert (run.seconds, run.message) == (None, None)


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "perc": 0.5}\n{"step": 2, "pe')
    history = read_history(path)
    assert (history.losses, history.damaged) == ({"perc": ((1, 0.5),)}, 0)


def test_values_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    line = (
        '{"step": 1, "a": NaN, "b": Infinity, "c": null, "d": true, "e": "x", "f": 2, "g": 1e999}'
    )
    path.write_text(f'{line}\n{{"step": 1{"0" * 400}, "f": 1}}\n')
    history = read_history(path)
    assert (history.losses, history.damaged) == ({"f": ((1, 2.0),)}, 1)


def test_of_a_step_that_was_logged_twice_the_later_line_holds(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        "".join(f'{{"step": {s}, "a": {v}}}\n' for s, v in ((1, 1), (3, 3), (2, 2), (3, 9)))
    )
    assert read_history(path).losses == {"a": ((1, 1.0), (2, 2.0), (3, 9.0))}


def test_runs_are_found_below_a_folder_but_not_within_runs(tmp_path: Path) -> None:
    b = write_run(tmp_path / "rows" / "b" / "seed-0")
    a = write_run(tmp_path / "rows" / "a" / "seed-0")
    write_run(a / "model" / "inner")
    write_run(tmp_path / "rows" / ".replaced" / "old")
    write_run(tmp_path / "1" / "2" / "3" / "4")
    (tmp_path / "rows" / "notes").mkdir()
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"name": "small"}')
    assert find_runs([tmp_path]) == [a, b]
    assert find_runs([b, tmp_path / "rows", b.parent / ".." / "b" / "seed-0"]) == [b, a]
    with pytest.raises(FileNotFoundError, match="no such folder; give the folder of a run"):
        find_runs([tmp_path / "nothing"])


@pytest.mark.parametrize("only", ["log.jsonl", "status.json", "checkpoints", "config.json"])
def test_one_file_of_a_run_is_enough_to_know_it(tmp_path: Path, only: str) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "checkpoints").mkdir()
    for path in folder.iterdir():
        if path.name != only:
            path.rmdir() if path.is_dir() else path.unlink()
    assert find_runs([tmp_path]) == [folder]


def test_differences_are_fields_with_every_run_s_value(tmp_path: Path) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"losses__cyc": 0.0},
        {"generator__widths": [8, 8, 8, 8, 8]},
    )
    records = [
        dict(read_run(write_run(tmp_path / str(i), seed=i // 2, **each)).record)
        for i, each in enumerate(changes)
    ]
    del records[1]["preset"]
    assert differences(records) == {
        "preset": ("small", None, "small"),
        "seed": (0, 0, 1),
        "config.model.generator.widths": ([12, 12, 10, 8, 8], [12, 12, 10, 8, 8], [8] * 5),
        "config.losses.cyc": (1.0, 0.0, 1.0),
        "config.train.seed": (0, 0, 1),
    }
    assert differences(records[:1] * 2) == {}
    assert differences([{}, {"a": {}}]) == {"a": (None, {})}
