from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from rabit.app.curves import curves_chart, smoothed
from rabit.app.errors import Commands
from rabit.app.runs_command import runs_command, runs_table, short_names
from rabit.training.runs import History, Run, read_run
from rabit.writing import sole_writer
from run_folders import write_run

Invoke = Callable[..., Result]


@pytest.fixture
def invoke() -> Invoke:
    app = typer.Typer(cls=Commands, rich_markup_mode=None)
    app.command("runs")(runs_command)
    app.callback()(lambda: None)

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["runs", *map(str, arguments)])

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three runs: one has finished, one failed after a warning, one is damaged."""
    out = tmp_path / "runs"
    write_run(out / "base")
    warning = "since step 3 the loss perc is 41 times its level before"
    bad = write_run(
        out / "bad [x]", "failed", seed=1, taken=31, warnings=((5, warning),), losses__cyc=0.0
    )
    status = json.loads((bad / "status.json").read_text())
    (bad / "status.json").write_text(json.dumps(status | {"message": "step 31: not finite"}))
    (write_run(out / "cut", taken=3) / "config.json").write_text("{")
    return out


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_runs_are_listed(invoke: Invoke, folder: Path) -> None:
    result = invoke(folder)
    assert result.exit_code == 0, result.output
    text = squeezed(result.stdout)
    assert "base 40/40 13.00 0.368" in text
    assert "small, scenes, seed 0 finished 15.00 at 20" in text
    assert "bad [x] 31/40 14.00 0.472 1 " in text
    assert "small, scenes, seed 1 failed 15.00 at 20" in text
    assert "cut 3/40" in text and "damaged" in text
    assert "bad [x]: failed: step 31: not finite" in result.stderr
    assert "cut: config.json is damaged" in result.stderr
    assert time.strftime("%Y-%m-%d") in text
    assert not (Path.cwd() / "curves.png").exists()


def test_the_folder_runs_is_the_default(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    assert "base" in invoke().stdout
    monkeypatch.chdir(folder)
    result = invoke()
    assert result.exit_code == 1
    assert "error: runs: no such folder; give the folder of a run" in result.stderr


def test_a_folder_without_runs_is_an_error(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke(tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no run in there; rabit train makes one" in result.stderr


def test_of_a_single_run_the_warnings_are_told(invoke: Invoke, folder: Path) -> None:
    result = invoke(folder / "bad [x]")
    assert "warned at step 5: since step 3 the loss perc is 41 times" in result.stderr


def test_a_run_that_was_really_trained_is_listed(invoke: Invoke, trained: Path) -> None:
    result = invoke(trained, "--json", "-")
    assert result.exit_code == 0, result.output
    (run,) = json.loads(result.stdout)
    assert (run["preset"], run["data"], run["seed"]) == ("small", "scenes", 0)
    assert (run["state"], run["step"], run["steps"]) == ("finished", 3, 3)
    assert run["problems"] == run["warnings"] == []
    assert {"psnr", "l1"} <= set(run["validation"])
    assert run["best"]["step"] == 3


def test_json_goes_to_a_file_or_alone_to_the_output(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    printed = json.loads(invoke(folder, "--json", "-").stdout)
    path = tmp_path / "new" / "runs.json"
    result = invoke(folder, "--json", path)
    assert f"runs: {path}" in result.stdout and "base" in result.stdout
    assert json.loads(path.read_text()) == printed
    assert [Path(run["folder"]).name for run in printed] == ["bad [x]", "base", "cut"]
    bad, base, cut = printed
    assert bad["warnings"][0]["step"] == 5 and bad["message"] == "step 31: not finite"
    assert base["best"] == {"step": 20, "name": "psnr", "value": 15.0}
    assert (cut["state"], cut["preset"], cut["seed"]) == ("damaged", None, None)
    assert invoke(folder, "--json", path).exit_code == 1
    assert invoke(folder, "--json", path, "--overwrite").exit_code == 0


def test_runs_that_are_named_are_compared(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    result = invoke("base", "bad [x]")
    assert result.exit_code == 0, result.output
    assert "curves: curves.png" in result.stdout
    text = squeezed(result.stdout.partition("what differs")[2])
    assert "field base bad [x]" in text
    assert "seed 0 1" in text and "losses.cyc 1.0 0.0" in text and "train.seed 0 1" in text
    assert "command" not in text
    with Image.open(folder / "curves.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 600
    again = invoke("base", "bad [x]")
    assert again.exit_code == 1
    assert "curves.png: there already; replace with --overwrite" in again.stderr
    assert invoke("base", "bad [x]", "--overwrite").exit_code == 0


def test_all_runs_of_a_folder_are_compared_where_asked_for(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "pictures" / "all.png"
    result = invoke(folder, "--compare", "--out", picture)
    assert result.exit_code == 0, result.output
    assert picture.is_file() and f"curves: {picture}" in result.stdout
    assert "preset –" not in squeezed(result.stdout) and "small –" in squeezed(result.stdout)


def test_equal_configurations_are_said_to_be(invoke: Invoke, tmp_path: Path) -> None:
    for name in "ab":
        write_run(tmp_path / name)
    result = invoke(tmp_path, "--out", tmp_path / "out.png")
    assert "the runs' configurations are the same" in result.stdout


def test_outputs_are_checked_before_anything_is_written(invoke: Invoke, folder: Path) -> None:
    same = invoke(folder, "--out", folder / "x", "--json", folder / "x")
    assert same.exit_code == 1 and "is --out too" in same.stderr
    result = invoke(folder, "--out", folder, "--overwrite")
    assert result.exit_code == 1 and "it is a folder, expected a file" in result.stderr


def test_a_comparison_without_any_log_says_so(invoke: Invoke, tmp_path: Path) -> None:
    write_run(tmp_path / "run", taken=0)
    result = invoke(tmp_path, "--compare", "--out", tmp_path / "x.png")
    assert result.exit_code == 1 and "run: nothing was logged yet" in result.stderr
    assert not (tmp_path / "x.png").exists()


def test_a_run_that_is_silent_for_long_is_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "running")
    with sole_writer(folder):
        run = read_run(folder)

    def shown(later: float) -> str:
        console = Console(file=io.StringIO(), width=160)
        console.print(runs_table({"run": run}, run.changed + later))
        stream: Any = console.file
        return squeezed(stream.getvalue())

    assert "running" in shown(60) and "silent" not in shown(60)
    assert "running, silent for 3 h 00 min" in shown(3 * 3600)
    assert "finished" not in shown(60)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such locks")
def test_a_run_that_was_killed_is_listed_as_interrupted(invoke: Invoke, tmp_path: Path) -> None:
    write_run(tmp_path / "run", "running", taken=3)
    result = invoke(tmp_path)
    assert result.exit_code == 0 and "interrupted" in result.stdout
    assert "note: run: interrupted: its process was killed" in result.stderr
    assert json.loads(invoke(tmp_path, "--json", "-").stdout)[0]["state"] == "interrupted"


def test_names_leave_out_what_runs_have_in_common(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("rows/a/seed-0", "rows/b/seed-0", "c")]
    assert short_names(paths) == ["rows/a/seed-0", "rows/b/seed-0", "c"]
    assert short_names(paths[:2]) == ["a/seed-0", "b/seed-0"]
    assert short_names(paths[:1]) == ["seed-0"]


def drawn(monkeypatch: pytest.MonkeyPatch, runs: dict[str, Run]) -> Figure:
    """The figure of a chart."""
    kept: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *arguments: Any, **options: Any) -> None:
        kept.append(self)
        save(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    assert curves_chart(runs).startswith(b"\x89PNG")
    return kept[0]


def steps(line: Line2D) -> list[int]:
    return np.atleast_1d(np.asarray(line.get_xdata())).tolist()


def test_the_chart_has_a_panel_for_every_curve(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {name: read_run(folder / name) for name in ("base", "bad [x]", "cut")}
    figure = drawn(monkeypatch, runs)
    panels = {axis.get_title(loc="left"): axis for axis in figure.axes if axis.axison}
    up, down = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"
    assert list(panels) == [
        "perc", "pse", "adv", f"validation: L1 {down}", f"validation: PSNR in dB {up}",
    ]  # fmt: skip
    legends = [[text.get_text() for text in legend.get_texts()] for legend in figure.legends]
    assert legends[0] == ["base", "bad [x]", "cut"]
    assert {"as logged", "smoothed", "validation", "warning"} <= set(legends[1])
    lines = panels["perc"].lines
    colours = {line.get_color() for line in lines}
    assert len(colours) == 3
    assert [steps(line) for line in lines if line.get_marker() == "^"] == [[5]]
    assert not any(line.get_marker() == "^" for line in panels["adv"].lines)
    paired = steps(next(iter(panels["pse"].lines)))
    assert 3 not in paired and 4 in paired
    stars = [
        line for line in panels[f"validation: PSNR in dB {up}"].lines if line.get_marker() == "*"
    ]
    assert [steps(star) for star in stars] == [[20], [20]]
    boxes = [axis.get_window_extent() for axis in panels.values()]
    for legend in figure.legends:
        assert not any(box.overlaps(legend.get_window_extent()) for box in boxes)


def test_a_long_range_is_shown_by_its_logarithm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {
        "a": read_run(write_run(tmp_path / "a")),
        "b": read_run(write_run(tmp_path / "b", factor=100)),
    }
    scales = {
        axis.get_title(loc="left"): axis.get_yscale() for axis in drawn(monkeypatch, runs).axes
    }
    assert (scales["perc"], scales["adv"]) == ("log", "linear")


def test_many_runs_stay_distinguishable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = read_run(write_run(tmp_path / "run"))
    runs = {f"run {i} " + 30 * "x" * (i % 2): run for i in range(20)}
    figure = drawn(monkeypatch, runs)
    looks = {
        (
            str(handle.get_color()),
            str(handle.get_linestyle()),
            str(vars(handle)["_dash_pattern"]),
        )
        for handle in figure.legends[0].get_lines()
    }
    assert len(looks) == 20


@pytest.mark.parametrize(
    "history",
    [
        {"losses": {"perc": ((5, 0.5),)}, "figures": {}},
        {"losses": {}, "figures": {"saturated": ((5, 0.0),), "psnr": ((5, 12.0),)}},
        {
            "losses": {"cst": ((1, 0.0), (2, 0.0)), "odd name": ((1, 1e300), (2, -1e300))},
            "figures": {},
        },
        {"losses": {"pse": ((1, 0.0), (2, 0.0)), "perc": ((1, 1e-12), (2, 5.0))}, "figures": {}},
        {"losses": {"residual": ((0, 1e-7),)}, "figures": {"new": ((0, 1.0),)}},
    ],
)
def test_few_or_strange_values_can_be_drawn(tmp_path: Path, history: dict[str, Any]) -> None:
    run = read_run(write_run(tmp_path / "run"))
    run = replace(run, history=History(**history, warnings=((1, "perc"),), damaged=0))
    assert curves_chart({"run": run}).startswith(b"\x89PNG")


def test_smoothing_keeps_constants_lines_and_lengths() -> None:
    assert smoothed([3.0] * 50).tolist() == [3.0] * 50
    line = smoothed([float(i) for i in range(100)])
    assert line[10:90] == pytest.approx(np.arange(10, 90))
    assert smoothed([1.0, 5.0]).tolist() == [1.0, 5.0]
    noise = np.random.default_rng(0).normal(size=300)
    assert float(smoothed(noise.tolist()).std()) < 0.5
