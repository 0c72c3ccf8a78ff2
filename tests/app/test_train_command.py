from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import Result

from launching import launch
from rabit.app import train_command
from rabit.app.corpora import TrainingData, training_data
from rabit.app.run_folder import replacing_run, settle_run
from rabit.app.train_options import default_run
from rabit.data.scenes import write_scenes
from rabit.data.transforms import View
from rabit.inference import load
from rabit.training import loop
from rabit.training.checkpoint import list_checkpoints
from rabit.training.engine import Engine
from rabit.training.update import train_step
from rabit.writing import sole_writer

Run = Callable[..., Result]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_writes_all_that_it_promises(trained: Path) -> None:
    assert names(trained) == [
        "best", "checkpoints", "config.json", "log.jsonl", "model", "samples", "status.json",
        "tensorboard",
    ]  # fmt: skip
    assert names(trained / "checkpoints") == ["step-0000003"]
    record = json.loads((trained / "config.json").read_text())
    assert record["preset"] == "small"
    assert record["data"] == "scenes"
    assert record["seed"] == 0
    assert record["torch"] == torch.__version__
    assert record["config"]["train"]["steps"] == 3
    assert record["config"]["train"]["decay_steps"] == 1
    assert record["config"]["losses"]["perc"] == record["config"]["losses"]["cxt"] == 0
    assert load(trained / "model").config.image_size == (64, 64)


def test_outputs_and_progress_are_printed(run: Run, tiny: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = ("train", "small-unaligned", "--data", "scenes", "--steps", 2, "--out", out)
    result = run(*given, "--seed", 5, "--lr-generator", 0.002, *tiny, "--set", "train.log_every=1")
    assert result.exit_code == 0, result.output
    assert "step 1/2" in result.stdout and "adv" in result.stdout
    assert f"run: {out}" in result.stdout
    assert f"model: {out / 'model'}" in result.stdout
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "adv" in line] == [1, 2]
    assert [line["step"] for line in lines if "validation/l1" in line] == [2]
    train = json.loads((out / "config.json").read_text())["config"]["train"]
    assert (train["seed"], train["lr_generator"]) == (5, 0.002)


def test_a_run_is_resumed(run: Run, tiny: list[str], tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    start = ("train", "small", "--data", "scenes", *tiny, "--set", "train.decay_steps=0")
    assert run(*start, "--steps", 3, "--out", out).exit_code == 0
    result = run("train", "small", "--data", "scenes", "--steps", 5, "--out", out, "--resume")
    assert result.exit_code == 0, result.output
    assert names(out / "checkpoints") == ["step-0000003", "step-0000005"]
    assert run(*start, "--steps", 5, "--out", whole).exit_code == 0
    one = load(out / "model").network.state_dict()
    other = load(whole / "model").network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_run_starts_from_a_model(
    run: Run, tiny: list[str], tmp_path: Path, trained: Path
) -> None:
    out = tmp_path / "run"
    given = ("train", "small", "--data", "scenes", "--steps", 1, "--out", out, *tiny)
    started = (*given, "--seed", 7, "--start-from", trained / "model")
    result = run(*started, "--lr-generator", 1e-9, "--set", "train.warmup_steps=0")
    assert result.exit_code == 0, result.output
    assert f"starting with the weights of {trained / 'model'}" in " ".join(result.output.split())
    one, other = (load(each / "model").network.parameters() for each in (out, trained))
    assert all(torch.allclose(*pair, atol=1e-3) for pair in zip(one, other, strict=True))
    whole = run(*given, "--overwrite", "--seed", 7, "--start-from", trained)
    assert whole.exit_code == 0, whole.output
    last = list_checkpoints(trained / "checkpoints")[-1]
    said = "".join(whole.output.split())
    assert f"{last},thediscriminator'stoo" in said
    refused = run(*given, "--resume", "--start-from", trained / "model")
    assert refused.exit_code == 1
    assert "leave out one of --start-from and --resume" in " ".join(refused.output.split())
    missing = run(*given[: -len(tiny)], "--overwrite", *tiny, "--start-from", tmp_path / "nothing")
    assert missing.exit_code == 1
    assert str(tmp_path / "nothing") in "".join(missing.output.split())
    assert load(out / "model")


def test_two_processes_make_one_run(run: Run, tiny: list[str], tmp_path: Path) -> None:
    out, alone = tmp_path / "run", tmp_path / "alone"
    start = ["-m", "rabit", "train", "small", "--data", "scenes", "--steps", "2", *tiny]
    told = launch([[*start, "--out", str(out)]] * 2)
    assert [code for code, *_ in told] == [0, 0], told
    assert f"run: {out}" in told[0][1] and told[1][1:] == ("", "")
    assert json.loads((out / "config.json").read_text())["processes"] == 2
    assert run(*start[2:], "--out", alone).exit_code == 0
    logs = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (out, alone)
    ]
    assert len(logs[0]) == len(logs[1])
    told = launch([[*start, "--out", str(out)]] * 2)
    assert [code for code, *_ in told] == [1, 1] and "is not empty" in told[0][2]
    assert "is not empty" not in told[1][2]
    resume = run("train", "small", "--data", "scenes", "--steps", 3, "--out", out, "--resume")
    assert resume.exit_code == 0, resume.output
    result = launch([[*start, "--out", str(tmp_path / "odd"), "--batch", "3"]] * 2)[0]
    assert result[0] == 1 and "train.batch is 3, but 2 processes" in result[2]


def test_an_unreadable_checkpoint_is_passed_over(run: Run, tiny: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    start = ("train", "small", "--data", "scenes", "--steps", 2, "--out", out, *tiny)
    assert run(*start, "--set", "train.checkpoint_every=1").exit_code == 0
    newest = list_checkpoints(out / "checkpoints")[-1]
    state = newest / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    again = ("train", "small", "--data", "scenes", "--out", out, "--resume")
    result = run(*again)
    assert result.exit_code == 0, result.output
    assert newest.name in result.stderr and "trying the one before" in result.stderr
    for path in list_checkpoints(out / "checkpoints"):
        (path / "state.pt").write_bytes(b"nothing")
    result = run(*again)
    assert result.exit_code == 1
    assert "none of its 2 checkpoints can be read" in result.stderr


def test_a_run_keeps_what_it_was_last_told(run: Run, tiny: list[str], tmp_path: Path) -> None:
    """Also if it goes on from a checkpoint that was written before."""
    out = tmp_path / "run"
    start = ("train", "small", "--data", "scenes", "--out", out)
    assert run(*start, "--steps", 2, "--set", "train.checkpoint_every=1", *tiny).exit_code == 0
    assert run(*start, "--steps", 4, "--resume").exit_code == 0
    for newest in list_checkpoints(out / "checkpoints")[1:]:
        (newest / "state.pt").write_bytes(b"")
    result = run(*start, "--resume")
    assert result.exit_code == 0 and "trying the one before" in result.stderr
    assert "training on cpu in 1 process, 2 samples a step" in result.stderr
    status = json.loads((out / "status.json").read_text())
    assert (status["status"], status["step"], status["steps"]) == ("finished", 4, 4)


def test_a_run_given_as_a_model_is_told_from_one(run: Run, trained: Path, tmp_path: Path) -> None:
    result = run("match", "map.png", "photo.png", "--model", trained, "--out", tmp_path / "x")
    assert result.exit_code == 1 and f"its model is {trained / 'model'}" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "--overwrite"], "one of the two"),
        (["--resume", "--set", "model.alignment.k=2"], "model cannot change"),
        (["--resume", "--seed", "7"], "train.seed cannot change"),
        (["--resume", "--set", "train.eps_generator=0.001"], "train.eps_generator cannot change"),
        (["--resume", "--holdout", "0.5"], "--holdout 0.5: the run was started without it"),
        ([], "--resume goes on with the run in it, --overwrite replaces it"),
    ],
)
def test_a_run_is_not_lost_or_mixed_up(
    run: Run, trained: Path, options: list[str], message: str
) -> None:
    result = run("train", "small", "--data", "scenes", "--out", trained, *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert names(trained / "checkpoints") == ["step-0000003"]


def test_another_preset_or_other_classes_are_not_resumed(
    run: Run, trained: Path, tmp_path: Path
) -> None:
    result = run("train", "paper", "--data", "scenes", "--out", trained, "--resume")
    assert result.exit_code == 1 and "is a run of small, not of paper" in result.stderr
    (tmp_path / "classes.txt").write_text("a\nb\n")
    result = run("train", "small", "--data", tmp_path, "--out", trained, "--resume")
    assert result.exit_code == 1 and "was started with scenes; resume it with" in result.stderr


def test_there_must_be_something_to_resume(run: Run, tmp_path: Path) -> None:
    for folder, how in (("none", "without --resume"), ("some", "again with --overwrite")):
        result = run("train", "small", "--data", "scenes", "--out", tmp_path / folder, "--resume")
        assert result.exit_code == 1
        assert f"no checkpoint to resume from; start the run {how}" in result.stderr
        (tmp_path / "some").mkdir(exist_ok=True)
        (tmp_path / "some" / "config.json").write_text("{}")


def test_overwriting_replaces_the_run_and_nothing_else(
    run: Run, tiny: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    start = ("train", "small", "--data", "scenes", "--out", out, *tiny)
    assert run(*start, "--steps", 2).exit_code == 0
    (out / "notes.txt").write_text("mine")
    assert run(*start, "--steps", 1, "--overwrite").exit_code == 0
    assert names(out / "checkpoints") == ["step-0000001"]
    assert (out / "notes.txt").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    result = run("train", "small", "--data", "scenes", "--out", other, "--overwrite", *tiny)
    assert result.exit_code == 1 and "something else than a run" in result.stderr
    assert names(other) == ["thesis.txt"]


def test_a_folder_is_split(run: Run, tiny: list[str], tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "run"
    given = ("train", "small", "--data", corpus, "--steps", 1, "--out", out)
    result = run(*given, "--holdout", 0.34, *tiny)
    assert result.exit_code == 0, result.output
    held_out = (out / "held-out.txt").read_text().split()
    assert len(held_out) == 2
    assert set(held_out) < set(names(corpus / "images"))


def test_a_list_says_what_is_held_out(
    run: Run, tiny: list[str], tmp_path: Path, corpus: Path
) -> None:
    out, listed = tmp_path / "run", tmp_path / "mine.txt"
    chosen = names(corpus / "images")[1:4:2]
    listed.write_text("\n".join(chosen) + "\n\n")
    given = ("train", "small", "--data", corpus, "--out", out, "--held-out", listed)
    result = run(*given, "--steps", 1, *tiny)
    assert result.exit_code == 0, result.output
    assert (out / "held-out.txt").read_text().split() == chosen
    assert json.loads((out / "config.json").read_text())["holdout"] is None
    result = run(*given, "--resume", "--steps", 2)
    assert result.exit_code == 0, result.output
    listed.write_text(chosen[0])
    result = run(*given, "--resume", "--steps", 3)
    assert result.exit_code == 1 and "was started with other pictures" in result.stderr
    result = run("train", "small", "--data", corpus, "--out", out, "--resume", "--steps", 3)
    assert result.exit_code == 0, result.output
    assert (out / "held-out.txt").read_text().split() == chosen


def test_windows_are_trained_on_and_whole_pictures_shown(
    run: Run, tiny: list[str], tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Size] = []

    def spied(engine: Engine, backbone: Any, parts: Any, *others: Any) -> Any:
        seen.extend(shown.shape for part in parts for shown in (part.truth, part.exemplar))
        return train_step(engine, backbone, parts, *others)

    monkeypatch.setattr(loop, "train_step", spied)
    out = tmp_path / "run"
    options = ("--steps", 1, *tiny, "--size", "128", "--set", "train.window=0.5")
    result = run("train", "small", "--data", corpus, "--out", out, *options)
    assert result.exit_code == 0, result.output
    assert seen == [(2, 3, 64, 64)] * 2
    with Image.open(out / "samples" / "step-0000001.png") as picture:
        assert picture.width > 6 * 128


def test_a_list_that_parts_partners_is_told() -> None:
    source: Any = SimpleNamespace(names=("a", "b", "c"), partners=((1,), (0,), ()))
    torn = train_command._torn
    assert [torn(source, held) for held in ({"a"}, {"a", "b"}, {"c"}, {"b", "c"})] == [1, 0, 0, 1]
    source.partners = ()
    assert torn(source, {"a"}) == 0


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("nobody.png\n", (), "1 names are not in"),
        ("\n", (), "the file names no picture"),
        (None, (), "mine.txt: no such file"),
        ("", ("--holdout", "0.3"), "give one of them"),
        ("", ("--data", "scenes"), "scenes have their own"),
    ],
)
def test_a_list_that_does_not_fit(
    run: Run, tmp_path: Path, corpus: Path, text: str | None, options: tuple[str, ...], message: str
) -> None:
    listed = tmp_path / "mine.txt"
    if text is not None:
        listed.write_text(text)
    out = tmp_path / "run"
    given = ("train", "small", "--data", corpus, "--out", out, "--held-out", listed)
    result = run(*given, *options, "--backbone", "none")
    assert result.exit_code == 1 and message in result.stderr, result.stderr
    assert not out.exists()


def test_a_folder_without_pairs_can_be_previewed(
    run: Run, tiny: list[str], tmp_path: Path, corpus: Path
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in ("images", "labels", "classes.txt"):
        (plain / name).symlink_to(corpus / name)
    out = tmp_path / "run"
    result = run("train", "small", "--data", plain, "--steps", 1, "--out", out, *tiny)
    assert result.exit_code == 0, result.output
    assert len((out / "held-out.txt").read_text().split()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "train.bogus=1"], "--set train.bogus=1: no field bogus; there are steps"),
        (["--set", "nosection.ema=1"], "no field nosection; there are model"),
        (["--set", "train.ema"], "expected section.field=value"),
        (["--set", "train.ema=high"], "config.train.ema is 'high', expected float"),
        (["--set", "train.ema.deep=1"], "no field deep"),
        (["--size", "big"], "--size big: expected pixels"),
        (["--size", "70"], "multiples of 16"),
        (["--size", "16000"], "--size 16000: 16000×16000 is more than 64000000 pixels"),
        (["--set", "model.image_size=[16000,16000]"], "model.image_size: 16000×16000 is more"),
        (["--set", 'model.condition.classes=["a","b"]'], "--set model.condition…: the classes"),
        (["--set", "model.condition.kind=edge"], "--set model.condition…: the classes"),
        (["--fit", "pad"], "--fit is 'pad', expected one of stretch, crop"),
        (["--fit", "crop"], "model.fit is crop (--fit), which is for data that is a folder"),
        (["--set", "train.window=0.5"], "scenes has no pictures to show windows of"),
        (["--set", "train.window=0.7"], "image_size (128, 128) have (89.6, 89.6) pixels"),
        (["--set", "train.window=1.5"], "train.window is 1.5, expected a share above 0"),
        (["--steps", "0"], "--steps 0"),
        (["--device", "tpu"], "--device tpu: expected cpu or cuda"),
        (
            ["--backbone", "none", "--backbone-weights", "w.pth"],
            "w.pth: the perceptual backbone none",
        ),
        (["--backbone-weights", "w.pth"], "the perceptual backbone random reads no file"),
        (["--threads", "0"], "--threads 0"),
        (["--seed", "10000"], "below 10000"),
        (["--backbone", "vgg19"], "--backbone-weights FILE"),
        (["--backbone", "vgg19", "--backbone-weights", "no.pth"], "no.pth: no such file"),
        (["--backbone", "vgg"], "expected one of vgg19, vgg19-distilled, random, none"),
    ],
)
def test_wrong_options_are_one_line(
    run: Run, tmp_path: Path, options: list[str], message: str
) -> None:
    out = tmp_path / "run"
    result = run("train", "small", "--data", "scenes", "--steps", 1, "--out", out, *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not out.exists()


def test_unknown_presets_and_folders_are_named(run: Run, tmp_path: Path) -> None:
    result = run("train", "smal", "--data", "scenes", "--out", tmp_path / "run")
    assert result.exit_code == 1 and "no preset 'smal'; there are paper, ade20k" in result.stderr
    result = run("train", "small", "--data", tmp_path / "no", "--out", tmp_path / "run")
    assert result.exit_code == 1 and "no such folder" in result.stderr
    result = run("train", "small", "--data", tmp_path, "--out", tmp_path / "run")
    assert result.exit_code == 1 and "classes.txt" in result.stderr


def test_usage_errors_exit_with_2(run: Run) -> None:
    assert run("train", "small").exit_code == 2
    assert run("train", "small", "--data", "scenes", "--steps", "many").exit_code == 2
    assert run("fly").exit_code == 2


def test_a_loss_that_is_no_number_stops_the_run(run: Run, tiny: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    start = ("train", "small", "--data", "scenes", "--steps", 6, "--out", out, *tiny)
    result = run(*start, "--lr-discriminator", "1e35")
    assert result.exit_code == 1
    assert "\nerror: step 1: " in result.stderr
    assert "is not finite" in result.stderr
    assert not list_checkpoints(out / "checkpoints")


def test_ctrl_c_saves_a_checkpoint(
    run: Run, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    step = train_step

    def step_then_interrupt(engine: Engine, *given: Any) -> dict[str, float]:
        values = step(engine, *given)
        if engine.state.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return values

    monkeypatch.setattr(loop, "train_step", step_then_interrupt)
    start = ("train", "small", "--data", "scenes", "--out", out)
    result = run(*start, "--steps", 50, *tiny)
    assert result.exit_code == 130
    assert "interrupted at step 2" in result.stderr
    assert names(out / "checkpoints") == ["step-0000002"]
    assert load(out / "model").config.name == "small"
    monkeypatch.undo()
    assert run(*start, "--steps", 3, "--resume").exit_code == 0


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("unexpected pos 5692608 vs 5692496"),  # how torch reports a full disk
    ],
)
def test_a_full_disk_leaves_no_half_written_file(
    run: Run,
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    def fill(data: object, path: Path) -> None:
        Path(path).write_bytes(b"half of a checkpoint")
        raise failure

    monkeypatch.setattr(torch, "save", fill)
    out = tmp_path / "run"
    result = run("train", "small", "--data", "scenes", "--steps", 1, "--out", out, *tiny)
    assert result.exit_code == 1
    assert "\nerror: " in result.stderr
    assert "step-0000001: could not be written" in result.stderr
    assert "make space" in result.stderr
    assert names(out / "checkpoints") == []


def test_a_resumed_run_keeps_its_data_and_its_held_out_images(
    run: Run, tiny: list[str], tmp_path: Path, corpus: Path
) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(corpus, data)
    (data / "pairs.csv").unlink()
    start = ("train", "small", "--data", data, "--out", out)
    assert run(*start, "--steps", 1, *tiny).exit_code == 0
    held = (out / "held-out.txt").read_text()
    for name in ("images", "labels"):  # with more images another one would be drawn
        for number in range(5):
            shutil.copy(data / name / "00000.png", data / name / f"new-{number}.png")
    result = run(*start, "--steps", 2, "--resume")
    assert result.exit_code == 0
    assert "not what the run was last trained on: 14 files of 0.0 MiB then, 24 files" in " ".join(
        result.stderr.split()
    )
    assert (out / "held-out.txt").read_text() == held

    result = run("train", "small", "--data", corpus, "--out", out, "--steps", 3, "--resume")
    assert result.exit_code == 1 and f"was started with {data}" in result.stderr
    for name in ("images", "labels"):
        (data / name / held.strip()).unlink()
    result = run(*start, "--steps", 3, "--resume")
    assert result.exit_code == 1 and f"{held.strip()}, held out when" in result.stderr
    (out / "held-out.txt").unlink()
    result = run(*start, "--steps", 3, "--resume")
    assert result.exit_code == 1 and "held-out.txt is missing" in result.stderr


def test_a_finished_run_is_not_written_again(run: Run, tiny: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    start = ("train", "small", "--data", "scenes", "--out", out)
    assert run(*start, "--steps", 2, *tiny).exit_code == 0
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")}
    result = run(*start, "--steps", 1, "--resume")
    assert result.exit_code == 1 and "has taken 2 already" in result.stderr
    result = run(*start, "--resume")
    assert result.exit_code == 0 and "has taken all of its 2 steps" in result.stderr
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in out.rglob("*")} == before


def test_a_replaced_run_comes_back_if_the_new_one_fails(
    run: Run, tiny: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    start = ("train", "small", "--data", "scenes", "--out", out, *tiny)
    assert run(*start, "--steps", 2).exit_code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    result = run(*start, "--steps", 6, "--overwrite", "--lr-discriminator", "1e35")
    assert result.exit_code == 1 and "is not finite" in result.stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert not (out / ".replaced").exists()
    every = ("--set", "train.checkpoint_every=1", "--lr-discriminator", "1e35")
    result = run(*start, "--steps", 6, "--overwrite", *every)
    assert result.exit_code == 1 and names(out / "checkpoints") == ["step-0000001"]
    assert not (out / ".replaced").exists()


def test_a_new_folder_has_one_training(
    run: Run, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = tmp_path / "above" / "run", list[Any]()
    given = ("train", "small", "--data", "scenes", "--steps", 1, *tiny)
    monkeypatch.setattr(train_command, "SECONDS_OF_ORPHANS", 0.1)

    def meanwhile(*arguments: Any) -> TrainingData:
        """Starts another training while the first one still reads its data."""
        if not seen:
            seen.append(None)
            seen[0] = run(*given, "--out", out, "--seed", 2)
        return training_data(*arguments)

    monkeypatch.setattr("rabit.app.train_command.training_data", meanwhile)
    assert run(*given, "--out", out).exit_code == 0
    assert seen[0].exit_code == 1 and "another run is writing it" in seen[0].stderr
    assert json.loads((out / "config.json").read_text())["config"]["train"]["seed"] == 0
    # What is refused later leaves no folder.
    nothing = tmp_path / "nothing" / "run"
    refused = run(*given, "--out", nothing, "--start-from", tmp_path / "missing")
    assert refused.exit_code == 1 and not nothing.parent.exists()


def test_a_replacement_that_was_killed_is_settled(tmp_path: Path) -> None:
    (tmp_path / ".replaced" / "checkpoints").mkdir(parents=True)
    (tmp_path / ".replaced" / "config.json").write_text("old")
    (tmp_path / "config.json").write_text("new")
    settle_run(tmp_path)
    assert names(tmp_path) == ["checkpoints", "config.json"]
    assert (tmp_path / "config.json").read_text() == "old"


def test_missing_weights_are_found_before_networks_are_built(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object) -> None:
        raise AssertionError("built")

    monkeypatch.setattr(train_command, "new_state", build)
    result = run("train", "paper", "--data", "scenes", "--out", tmp_path / "run")
    assert result.exit_code == 1 and "--backbone-weights FILE" in result.stderr


def test_a_second_ctrl_c_says_what_is_left(
    run: Run, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = train_step

    def interrupted(engine: Engine, *given: Any) -> dict[str, float]:
        if engine.state.step == 2:
            raise KeyboardInterrupt
        return step(engine, *given)

    monkeypatch.setattr(loop, "train_step", interrupted)
    out = tmp_path / "run"
    start = ("train", "small", "--data", "scenes", "--steps", 5, "--out", out, *tiny)
    result = run(*start)
    assert result.exit_code == 130 and "nothing was saved of this run" in result.stderr
    result = run(*start, "--set", "train.checkpoint_every=1", "--overwrite")
    assert result.exit_code == 130
    assert "nothing was saved after step-0000002; --resume goes on" in result.stderr


@pytest.mark.parametrize("count", [1, 2])
def test_small_folders_are_named_with_what_is_needed(
    run: Run, tmp_path: Path, corpus: Path, count: int
) -> None:
    data = tmp_path / "data"
    for name in ("images", "labels"):
        (data / name).mkdir(parents=True)
        for number in range(count):
            shutil.copy(corpus / name / f"{number:05d}.png", data / name)
    shutil.copy(corpus / "classes.txt", data)
    result = run("train", "small", "--data", data, "--out", tmp_path / "run", "--backbone", "none")
    assert result.exit_code == 1
    assert f"{data / 'images'}: {count} image" in result.stderr
    assert "training needs 3 or more" in result.stderr
    assert not (tmp_path / "run").exists()


def test_too_large_a_holdout_is_named(run: Run, tmp_path: Path, corpus: Path) -> None:
    given = ("--holdout", 0.9, "--out", tmp_path / "run", "--backbone", "none")
    result = run("train", "small", "--data", corpus, *given)
    assert result.exit_code == 1 and "hold out fewer (--holdout" in result.stderr


def test_a_folder_called_scenes_is_told_from_the_generated_ones(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes").mkdir()
    assert default_run("small", "scenes") == Path("runs/small-scenes")
    assert default_run("small", "./scenes") == Path("runs/small-scenes-folder")
    assert default_run("small", "../faces") == Path("runs/small-faces")
    result = run("train", "small", "--data", "scenes", "--backbone", "foo")
    assert "the folder here is --data ./scenes" in result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("moment", range(10))
@pytest.mark.parametrize("way", ["aside", "back"])
def test_a_replacement_that_is_killed_anywhere_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, moment: int
) -> None:
    for name in ("checkpoints/step-0000002", "samples", "best", "model"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("config.json", "held-out.txt", "log.jsonl", "status.json"):
        (tmp_path / name).write_text("old")
    before = names(tmp_path)
    child = os.fork()
    if child == 0:
        rename, calls = Path.rename, 0

        def dying(path: Path, target: Path) -> Path:
            nonlocal calls
            calls += 1
            if calls == moment + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return rename(path, target)

        if way == "aside":
            monkeypatch.setattr(Path, "rename", dying)
        replacing = replacing_run(tmp_path)
        replacing.__enter__()
        monkeypatch.setattr(Path, "rename", dying)
        (tmp_path / "config.json").write_text("new")
        replacing.__exit__(None, None, None)
        os._exit(0)
    os.waitpid(child, 0)
    settle_run(tmp_path)
    assert names(tmp_path) == before
    assert (tmp_path / "config.json").read_text() == "old"


def test_two_trainings_do_not_write_one_folder(
    run: Run, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_command, "SECONDS_OF_ORPHANS", 0.3)
    with sole_writer(trained):
        result = run("train", "small", "--data", "scenes", "--out", trained, "--resume")
    assert result.exit_code == 1
    assert "another run is writing it" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
def test_a_signal_to_all_processes_of_a_job_saves(tiny: list[str], tmp_path: Path) -> None:
    """Workers hear a terminal's Ctrl-C too, and must live until the step has ended."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "rabit", "train", "small", "--data", "scenes", *tiny]
    command += ["--steps", "4000", "--out", str(out), "--workers", "1"]
    job = subprocess.Popen(
        [*command, "--set", "train.log_every=1"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert job.stdout is not None
    for line in job.stdout:
        if line.startswith("step 2/"):
            break
    os.killpg(job.pid, signal.SIGTERM)
    _, error = job.communicate(timeout=200)
    assert job.returncode == 130, error
    assert "a checkpoint is saved" in error
    assert len(list_checkpoints(out / "checkpoints")) == 1


def test_pictures_that_keep_their_shape_are_trained_on_and_measured(
    run: Run, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[Any] = []
    covered = View.covered

    def spied(view: View, picture: tuple[int, int], place: tuple[float, float]) -> View:
        places.append((picture, place))
        return covered(view, picture, place)

    monkeypatch.setattr(View, "covered", spied)
    write_scenes(tmp_path / "wide", 8, 1, (64, 96))
    out, model = tmp_path / "run", tmp_path / "run/model"
    data = ("--data", tmp_path / "wide")
    result = run("train", "small", *data, "--out", out, "--steps", 1, *tiny, "--fit", "crop")
    assert result.exit_code == 0, result.output
    assert json.loads((out / "config.json").read_text())["config"]["model"]["fit"] == "crop"
    assert {picture for picture, _ in places} == {(64, 96)}
    drawn = {place for _, place in places} - {(0.5, 0.5)}
    assert len(drawn) == 2 and (0.5, 0.5) in {place for _, place in places}
    refused = run("train", "small", *data, "--out", out, "--resume", "--fit", "stretch")
    assert refused.exit_code == 1 and "model cannot change" in refused.stderr
    given = ("evaluate", model, *data, "--held-out", out / "held-out.txt", "--no-baselines")
    more = ("--count", 2, "--exemplars", 1, "--edit-count", 2)
    for options, cropped in (((), True), (("--fit", "stretch"), False)):
        places.clear()
        target = tmp_path / f"out-{cropped}"
        result = run(*given, *more, "--out", target, *options)
        assert result.exit_code == 0, result.output
        assert {place for _, place in places} == ({(0.5, 0.5)} if cropped else set())
        assert (", 64x64, cropped" in (target / "tables.md").read_text()) == cropped
    assert run(*given, *more, "--export-pairs", tmp_path / "pairs").exit_code == 0
    others = (*given, "--results", f"a={tmp_path / 'pairs/exemplars'}", *more)
    for options, told in (((), True), (("--fit", "crop"), False)):
        result = run(*others, "--out", tmp_path / "out-True", *options)
        assert result.exit_code == 0, result.output
        assert ("cropped, as for" in result.stderr) == told
    for start in (out, model):
        begun = ("train", "small", *data, "--out", tmp_path / "again", "--steps", 1, *tiny)
        result = run(*begun, "--overwrite", "--start-from", start)
        assert result.exit_code == 0, result.output
        said = " ".join(result.output.split())
        assert "trained with --fit crop there, and goes on with --fit stretch here" in said
