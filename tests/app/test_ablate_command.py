from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from PIL import Image
from typer.testing import Result

from rabit.ablation.plan import Run as Training
from rabit.ablation.plan import checkpoint_steps
from rabit.ablation.runner import Execution, Outcome, execute, slots
from rabit.app import ablate_run
from rabit.app.ablate_options import AblateOptions, open_options, plan
from rabit.app.ablate_report import Prepared
from rabit.config import Fit, ModelConfig
from rabit.data.layouts.find import open_source
from rabit.data.scenes import write_scenes
from rabit.evaluation.testset import Counts

Run = Callable[..., Result]

# Long enough for a training to be killed on its way.
STEPS = 12
QUICK = "train.validation=0"
TABLE6 = ("ablate", "table6", "--budget", "smoke", "--threads", 1, "--conditions", 2,
          "--steps", STEPS, "--set", QUICK)  # fmt: skip
TWO = ("--only", "spade,rabit")
FILES = [f"table6{end}" for end in
         ("-chart.png", "-results.png", "-warped.png", ".csv", ".json", ".md")]  # fmt: skip


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """Two rows, trained and measured; the second killed once on its way."""
    out = tmp_path_factory.mktemp("ablation")
    spade, rabit = trainings("scenes", out, "spade", "rabit")
    trained_here(run, spade)
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(Popen(*arguments, **options))
        return started[-1]

    def kill(outcomes: Sequence[Outcome]) -> None:
        if checkpoint_steps(rabit.folder):
            started[0].kill()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", start)
        (outcome,) = execute([rabit], slots("cpu", 1, 1), kill).outcomes
    assert outcome.status == "failed" and "signal 9" in outcome.message
    result = run(*TABLE6, *TWO, "--out", out)
    assert result.exit_code == 0, result.output
    return out


def trainings(data: str, out: Path, *rows: str) -> list[Training]:
    """What TABLE6 trains."""
    options = AblateOptions(
        "table6", data, "smoke", out, steps=STEPS, only=rows, assignments=(QUICK,)
    )
    return plan(options, open_options(options), 1)


def trained_here(run: Run, training: Training) -> None:
    """Trains in this process, as the training's own would."""
    result = run(*training.command[3:])
    assert result.exit_code == 0, result.output


def test_trainings_are_resumed_measured_and_drawn(ablation: Path) -> None:
    assert sorted(path.name for path in ablation.glob("table6*")) == FILES
    log = (ablation / "runs/rabit/seed-0.log").read_text()
    first, second = (line for line in log.splitlines() if line.startswith("$ "))
    assert " -m rabit train small " in first and second == f"{first} --resume"
    data = json.loads((ablation / "table6.json").read_text())
    spade, rabit = data["rows"]
    assert (spade["label"], spade["seeds"], rabit["seeds"]) == ("SPADE", 1, 1)
    assert rabit["published"]["translation.fd"] == 24.35
    assert "translation.warped_psnr" in rabit["figures"]
    assert "translation.warped_psnr" not in spade["figures"]
    assert "random VGG" in data["facts"]["networks of the figures"]
    assert data["facts"]["steps"] == STEPS and "torch" in data["facts"]["measured with"]
    page = (ablation / "table6.md").read_text()
    assert "*FID published*" in page and "| SPADE |" in page
    with (ablation / "table6.csv").open() as lines:
        assert {line["row"] for line in csv.DictReader(lines)} == {"spade", "rabit"}
    with Image.open(ablation / "table6-results.png") as sheet:
        assert sheet.width == 5 * 132 + 4
    with Image.open(ablation / "table6-warped.png") as sheet:
        assert sheet.width == 4 * 132 + 4


def test_what_is_finished_is_neither_trained_nor_measured_again(ablation: Path, run: Run) -> None:
    scores = ablation / "runs/rabit/seed-0.scores.json"
    log = (ablation / "runs/rabit/seed-0.log").read_text()
    marked = json.loads(scores.read_text())
    marked["figures"]["translation.psnr"] = 77.0
    scores.write_text(json.dumps(marked))
    result = run(*TABLE6, *TWO, "--out", ablation)
    assert result.exit_code == 0, result.output
    assert "rabit/seed-0: finished before" in result.stderr and "77.00" in result.stdout
    assert (ablation / "runs/rabit/seed-0.log").read_text() == log


def test_only_what_has_finished_is_measured_without_training(ablation: Path, run: Run) -> None:
    given = ("--only", "spade,confi-ras,rabit", "--no-train", "--out", ablation)
    result = run(*TABLE6, *given)
    assert result.exit_code == 0, result.output
    assert "1 of 3 trainings are left" in result.stderr
    assert "Not trained yet: CONFI+RAS." in (ablation / "table6.md").read_text()
    assert not (ablation / "runs/confi-ras").exists()


def test_rows_that_have_finished_stay_in_the_table(ablation: Path, run: Run) -> None:
    for only in ("rabit", "spade"):
        result = run(*TABLE6, "--only", only, "--no-train", "--out", ablation)
        assert result.exit_code == 0, result.output
        rows = json.loads((ablation / "table6.json").read_text())["rows"]
        assert [(row["name"], row["seeds"]) for row in rows] == [("spade", 1), ("rabit", 1)]
        with Image.open(ablation / "table6-results.png") as sheet:
            assert sheet.width == 5 * 132 + 4


def test_rows_of_other_options_are_left_out_and_named(
    ablation: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(ablation, out)
    record = json.loads((out / "runs/spade/seed-0/config.json").read_text())
    record["config"]["losses"]["perc"] = 7.0
    (out / "runs/spade/seed-0/config.json").write_text(json.dumps(record))
    result = run(*TABLE6, "--only", "rabit", "--no-train", "--out", out)
    assert result.exit_code == 0, result.output
    assert "note: the row spade is left out of table6: " in result.stderr
    assert "losses.perc is 7.0, wanted 1.0" in result.stderr
    rows = json.loads((out / "table6.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["rabit"]


def test_another_program_s_results_are_a_row(ablation: Path, run: Run, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    result = run(*TABLE6, *TWO, "--out", ablation, "--export-pairs", pairs)
    assert result.exit_code == 0, result.output
    # 2 conditions with 3 exemplars, 4 edits.
    assert "10 pairs" in result.stdout
    theirs = f"copies={pairs / 'exemplars'}"
    result = run(*TABLE6, *TWO, "--out", ablation, "--results", theirs)
    assert result.exit_code == 0, result.output
    row = json.loads((ablation / "table6.json").read_text())["rows"][-1]
    assert (row["name"], row["foreign"], row["seeds"]) == ("copies", True, 1)
    assert row["figures"]["translation.copied"]["mean"] > 0.9
    (pairs / "exemplars/manipulation-00003.png").unlink()
    result = run(*TABLE6, *TWO, "--out", ablation, "--results", theirs)
    assert result.exit_code == 1
    assert "the first is manipulation-00003.png" in result.stderr


def test_another_configuration_in_the_folder_is_named(ablation: Path, run: Run) -> None:
    result = run(*TABLE6, *TWO, "--out", ablation, "--set", "losses.perc=7")
    assert result.exit_code == 1
    assert "losses.perc is 1.0, wanted 7" in result.stderr


def test_a_folder_is_measured_on_what_it_holds_out(run: Run, tmp_path: Path) -> None:
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    write_scenes(corpus, 10, 3, (64, 64))
    given = (*TABLE6, "--data", corpus, "--only", "spade", "--out", out)
    early = run(*given, "--export-pairs", tmp_path / "pairs")
    assert early.exit_code == 1 and "nothing is held out" in early.stderr
    trained_here(run, *trainings(str(corpus), out, "spade"))
    result = run(*given)
    assert result.exit_code == 0, result.output
    page = (out / "table6.md").read_text()
    assert "2 held out of corpus" in page and "reconstructions" in page


def test_all_seeds_hold_out_the_pictures_of_a_list(run: Run, tmp_path: Path) -> None:
    corpus, out, listed = tmp_path / "corpus", tmp_path / "out", tmp_path / "list.txt"
    write_scenes(corpus, 10, 3, (64, 64))
    source = open_options(AblateOptions("table6", str(corpus), "smoke", out)).source
    assert source is not None
    held, other = list(source.names[4:7]), list(source.names[:3])
    listed.write_text("\n".join(held))
    options = AblateOptions("table6", str(corpus), "smoke", out, seeds=2, steps=1,
                            only=("spade",), assignments=(QUICK,), held_out=listed)  # fmt: skip
    first, second = plan(options, open_options(options), 1)
    for training in (first, second):
        assert training.command[training.command.index("--held-out") + 1] == str(listed)
    trained_here(run, first)
    assert set((first.folder / "held-out.txt").read_text().split()) == set(held)
    given = (*TABLE6, "--data", corpus, "--only", "spade", "--out", out, "--no-train")
    listed.write_text("\n".join(other))
    refused = run(*given, "--held-out", listed)
    assert refused.exit_code == 1 and "holds out other pictures" in refused.stderr
    listed.write_text(other[0])
    refused = run(*given, "--held-out", listed)
    assert refused.exit_code == 1 and "1 pictures are held out, but measuring" in refused.stderr


@pytest.mark.parametrize(
    ("status", "interrupted", "code", "said"),
    [
        ("failed", False, 1, "failed: rabit/seed-0; the same command tries again"),
        ("stopped", False, 0, "1 of 1 trainings are left; the same command goes on"),
        ("stopped", True, 130, "--no-train measures those that have finished"),
    ],
)
def test_how_trainings_ended_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    status: Literal["failed", "stopped"], interrupted: bool, code: int, said: str,
) -> None:  # fmt: skip
    def ended(runs: Sequence[Training], *_: object) -> Execution:
        return Execution(tuple(Outcome(run, status) for run in runs), interrupted)

    monkeypatch.setattr(ablate_run, "execute", ended)
    result = run(*TABLE6, "--only", "rabit", "--out", tmp_path / "out")
    assert result.exit_code == code and said in result.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("ablate", "table5"), "no table 'table5'; there are table6, table8, correspondences"),
        (("ablate", "table6", "--budget", "big"), "no budget 'big'"),
        (("ablate", "table6", "--seeds", 0), "--seeds 0: expected a number above 0"),
        (("ablate", "table6", "--time", -1), "--time -1.0: expected a number above 0"),
        (("ablate", "table6", "--only", "full"), "table6 has no row full"),
        (("ablate", "table8", "--conditions", 1), "--conditions 1: expected 2 or more"),
        (("ablate", "table6", "--backbone", "none"), "--backbone none: expected one of"),
        (("ablate", "table6", "--results", "x"), "--results x: expected NAME=FOLDER"),
        (("ablate", "table6", "--results", "x=gone"), "--results x=gone: no such folder"),
        (("ablate", "table6", "--edits", "gone"), "--edits is for data that is a folder"),
        (
            ("ablate", "table6", "--only", ","),
            "--only ',': expected names of rows",
        ),
        (
            ("ablate", "table6", "--loss-backbone", "vgg19"),
            "the losses read the network vgg19: give its file with --loss-weights",
        ),
        (
            ("ablate", "table6", "--loss-backbone", "vgg19", "--loss-weights", "gone"),
            "--loss-weights gone: no such file",
        ),
        (
            ("ablate", "table6", "--held-out", "gone"),
            "--held-out gone is for data that is a folder",
        ),
        (("ablate", "table6", "--data", "gone"), "--data gone: no such folder"),
        (("ablate", "table6", "--preset", "deepfashion"), "deepfashion"),
        (
            ("ablate", "table6", "--set", 'model.fit="crop"'),
            "model.fit is crop (--fit), which is for data that is a folder",
        ),
    ],
)
def test_wrong_options_are_refused_before_any_work(
    run: Run, tmp_path: Path, given: tuple[object, ...], said: str
) -> None:
    result = run(*given, "--out", tmp_path / "out")
    assert result.exit_code == 1 and said in result.stderr
    assert not (tmp_path / "out").exists()


def test_rows_are_measured_on_pictures_as_they_were_trained_on(tmp_path: Path) -> None:
    write_scenes(tmp_path / "wide", 4, 3, (64, 96))
    source = open_source(tmp_path / "wide", None, None)
    (tmp_path / "held-out.txt").write_text("\n".join(source.names))
    opened: Any = SimpleNamespace(source=source)
    networks: Any = None
    prepared = Prepared(networks, opened, None, Counts(2, 2), ())
    fits: tuple[Fit, ...] = ("stretch", "crop")
    for fit in fits:
        config = SimpleNamespace(model=ModelConfig(image_size=(64, 64), fit=fit))
        run: Any = SimpleNamespace(config=config, folder=tmp_path)
        assert prepared.test_set(run).label.endswith(", cropped") == (fit == "crop")
