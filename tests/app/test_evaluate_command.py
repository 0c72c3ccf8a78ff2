from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from rabit.data.edits import EditRules, write_edits
from rabit.data.layouts.find import open_source
from rabit.data.scenes import CLASSES, write_scenes
from recipes import translator_of

Run = Callable[..., Result]
SMALL = ("--count", 2, "--exemplars", 2, "--edit-count", 2)


@pytest.fixture(scope="module")
def evaluated(run: Run, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluated") / "out"
    result = run("evaluate", f"tiny={model}", *SMALL, "--out", out)
    assert result.exit_code == 0, result.output
    (out / "stdout.txt").write_text(result.stdout)
    return out


def test_terminal_tables_and_files_hold_the_same(evaluated: Path) -> None:
    data = json.loads((evaluated / "figures.json").read_text())
    printed = (evaluated / "stdout.txt").read_text()
    assert [part["part"] for part in data["parts"]] == ["translation", "manipulation"]
    translation = data["parts"][0]
    assert [row["method"] for row in translation["methods"]] == [
        "tiny",
        "exemplar copied",
        "class mean colours",
    ]
    for row in translation["methods"]:
        psnr = row["figures"]["psnr"]
        assert f"{psnr['value']:.2f} ± {(psnr['high'] - psnr['low']) / 2:.2f}" in printed
        assert psnr["count"] == 4
        for text in (evaluated / "tables.md", evaluated / "report.html"):
            assert f"{psnr['value']:.2f}" in text.read_text()
    assert "random VGG (seed 0)" in data["networks"] and data["facts"]["seed"] == "20000000"
    page = (evaluated / "tables.md").read_text().replace("\\", "")
    for label, digest in data["networks"].items():
        assert f"| weights of {label} | {digest} |" in page
    assert data["facts"]["pictures of tiny"].startswith("model ")
    assert all(str(evaluated / name) in printed for name in ("report.html", "tables.md"))
    # 2 conditions, in colours, for 2 exemplars each.
    assert (evaluated / "pictures/tiny/translation-00003.png").is_file()
    assert (evaluated / "pictures/conditions/manipulation-00001.png").is_file()
    assert (evaluated / "warped/tiny/translation-00000.png").is_file()


def test_a_second_run_does_nothing_again_and_gives_the_same_bytes(
    run: Run, model: Path, evaluated: Path
) -> None:
    names = ("figures.json", "figures.csv", "tables.md", "report.html")
    before = {name: (evaluated / name).read_bytes() for name in names}
    times = {path: path.stat().st_mtime_ns for path in (evaluated / "pictures").rglob("*.png")}
    result = run("evaluate", f"tiny={model}", *SMALL, "--out", evaluated)
    assert result.exit_code == 0, result.output
    assert {name: (evaluated / name).read_bytes() for name in names} == before
    assert times == {p: p.stat().st_mtime_ns for p in (evaluated / "pictures").rglob("*.png")}


def test_a_killed_evaluation_goes_on_to_the_same_bytes(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = ["evaluate", f"tiny={model}", *map(str, SMALL), "--out", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "rabit", *given])
    first = out / "figures/exemplar-copied/translation-00000.safetensors"
    until = time.monotonic() + 120
    while not first.exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert first.exists() and not (out / "report.html").exists()
    result = run(*given)
    assert result.exit_code == 0, result.output
    for name in ("figures.json", "figures.csv"):
        assert (out / name).read_bytes() == (evaluated / name).read_bytes()


def test_an_interrupted_evaluation_says_that_it_can_go_on(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rabit.app.evaluate_command.make_and_measure", interrupt)
    result = run("evaluate", model, *SMALL, "--out", tmp_path / "out")
    assert result.exit_code == 130
    kept = f"{tmp_path / 'out'} keeps what is made and measured; the same command"
    assert f"{kept} goes on with it" in result.stderr
    result = run("evaluate", model, *SMALL, "--out", tmp_path / "out", "--overwrite")
    assert f"{kept} without --overwrite goes on with it" in result.stderr


def test_segmented_pictures_are_measured(run: Run, model: Path, tmp_path: Path) -> None:
    """A segmenter that sees what was asked for, but for the upper half of one picture."""
    pairs, maps, out = tmp_path / "pairs", tmp_path / "maps", tmp_path / "out"
    given = ("evaluate", f"tiny={model}", *SMALL, "--no-baselines")
    assert run(*given, "--export-pairs", pairs).exit_code == 0
    (maps / "tiny").mkdir(parents=True)
    for path in (pairs / "conditions").glob("*.png"):
        shutil.copy(path, maps / "tiny" / path.name)
    wrong = maps / "tiny" / "translation-00000.png"
    ids = np.array(Image.open(wrong))
    Image.fromarray(np.where(np.arange(64)[:, None] < 32, 17 - ids, ids)).save(wrong)
    result = run(*given, "--segmentations", maps, "--out", out)
    assert result.exit_code == 0, result.output
    found = [
        part["methods"][0]["figures"]
        for part in json.loads((out / "figures.json").read_text())["parts"]
    ]
    assert found[1]["mean_iou"]["value"] == found[1]["pixel_accuracy"]["value"] == 1
    share = float((ids[:32] != 17 - ids[:32]).sum()) / (4 * 64 * 64)
    assert found[0]["pixel_accuracy"]["value"] == pytest.approx(1 - share)
    assert 0 < found[0]["mean_iou"]["value"] < 1
    above = CLASSES[int(ids[0, 0])]
    result = run(*given, "--segmentations", maps, "--ignore-class", above, "--out", out)
    told = json.loads((out / "figures.json").read_text())
    assert told["facts"]["mean IoU and accuracy"].endswith(f"call {above}")
    left = told["parts"][0]["methods"][0]["figures"]["pixel_accuracy"]["value"]
    assert found[0]["pixel_accuracy"]["value"] < left < 1
    wrong.unlink()
    result = run(*given, "--segmentations", maps, "--out", out)
    assert result.exit_code == 1 and "translation-00000.png" in result.stderr


def test_a_folder_is_read_as_the_first_model_reads_it(run: Run, tmp_path: Path) -> None:
    """The maps are there, but a model of edges has those that Canny finds."""
    corpus, edges = tmp_path / "corpus", tmp_path / "edges"
    write_scenes(corpus, 4, 3, (64, 64))
    translator_of("edges").save(edges)
    given = ("--protocol", "translation", "--count", 2, "--exemplars", 1, "--no-baselines")
    result = run("evaluate", edges, "--data", corpus, *given, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    gone = run("evaluate", edges, "--data", corpus, "--edits", tmp_path / "gone")
    assert gone.exit_code == 1 and f"--edits {tmp_path / 'gone'}: no such folder" in gone.stderr


def test_segmentations_that_nothing_would_be_read_from_are_refused(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    (tmp_path / "maps" / "other").mkdir(parents=True)
    for folder in (tmp_path / "nowhere", tmp_path / "maps"):
        given = ("--segmentations", folder, "--out", evaluated)
        result = run("evaluate", f"tiny={model}", *SMALL, *given)
        assert result.exit_code == 1
        assert f"such as {folder / 'tiny'}" in result.stderr
    result = run("evaluate", f"tiny={model}", *SMALL, "--ignore-class", "sky", "--out", evaluated)
    assert result.exit_code == 1 and "for the maps of --segmentations" in result.stderr
    (tmp_path / "maps" / "tiny").mkdir()
    given = ("--segmentations", tmp_path / "maps", "--out", evaluated)
    result = run("evaluate", f"tiny={model}", *SMALL, *given, "--ignore-class", "cow")
    assert result.exit_code == 1 and "--ignore-class cow: expected one of" in result.stderr


def test_another_evaluation_is_not_mixed_in(run: Run, model: Path, evaluated: Path) -> None:
    result = run("evaluate", f"tiny={model}", *SMALL, "--seed", 5, "--out", evaluated)
    assert result.exit_code == 1
    assert "holds an evaluation with another test set" in result.stderr
    assert "--overwrite" in result.stderr


def test_other_programs_results_are_a_row(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs"
    result = run("evaluate", f"tiny={model}", *SMALL, "--export-pairs", pairs)
    assert result.exit_code == 0 and "6 pairs" in result.stdout, result.output
    given = f"other={pairs / 'exemplars'}"
    out = tmp_path / "out"
    result = run(
        "evaluate", "--results", given, "--size", "64", "--no-baselines", *SMALL, "--out", out
    )
    assert result.exit_code == 0, result.output
    found = json.loads((out / "figures.json").read_text())["parts"][0]["methods"]
    assert [row["method"] for row in found] == ["other"]
    # The exemplars copied, as the baseline of the same test set has it.
    theirs = json.loads((evaluated / "figures.json").read_text())["parts"][0]["methods"][1]
    assert found[0]["figures"]["psnr"] == theirs["figures"]["psnr"]
    assert found[0]["figures"]["fd"] == theirs["figures"]["fd"]


def methods_in(out: Path) -> list[str]:
    return [row["method"] for row in read_part(out)["methods"]]


def read_part(out: Path) -> Any:
    return json.loads((out / "figures.json").read_text())["parts"][0]


def test_methods_of_earlier_calls_stay_in_the_tables(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    out, pairs = tmp_path / "out", tmp_path / "pairs"
    shutil.copytree(evaluated, out)
    before = {row["method"]: row["figures"] for row in read_part(out)["methods"]}
    assert run("evaluate", model, *SMALL, "--export-pairs", pairs).exit_code == 0
    given = ("evaluate", "--results", f"my one={pairs / 'exemplars'}", "--size", 64, *SMALL,
             "--out", out)  # fmt: skip
    result = run(*given)
    assert result.exit_code == 0, result.output
    baselines = ["exemplar copied", "class mean colours"]
    assert methods_in(out) == ["my one", "tiny", *baselines]
    assert "note: tiny: measured by earlier calls, and in the tables too" in result.stderr
    found = {row["method"]: row for row in read_part(out)["methods"]}
    assert all(found[name]["figures"] == before[name] for name in before)
    assert found["tiny"]["first_minus_this"] and not found["my one"]["first_minus_this"]
    for name in ("tables.md", "report.html"):
        assert "tiny" in (out / name).read_text()
    assert run(*given, "--no-baselines").exit_code == 0
    assert methods_in(out) == ["my one", "tiny"]
    alone = run(*given, "--only-named")
    assert methods_in(out) == ["my one", *baselines] and "earlier calls" not in alone.stderr
    # By its own name, though its folder has another; the pictures are kept here.
    shutil.rmtree(pairs)
    again = run("evaluate", f"tiny={model}", *SMALL, "--out", out)
    assert again.exit_code == 0, again.output
    assert methods_in(out) == ["tiny", "my one", *baselines]


def test_an_earlier_method_is_measured_by_its_pictures_alone(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    """Its figures are missing, as those of a network that is new are."""
    out = tmp_path / "out"
    shutil.copytree(evaluated, out)
    record = json.loads((out / "evaluation.json").read_text())
    # As folders have it that were made before methods were kept.
    del record["told"]
    (out / "evaluation.json").write_text(json.dumps(record))
    shutil.rmtree(out / "figures" / "tiny")
    given = ("evaluate", f"other={model}", *SMALL, "--out", out)
    result = run(*given)
    assert result.exit_code == 0, result.output
    other, tiny, *_ = read_part(out)["methods"]
    assert (other["method"], tiny["method"]) == ("other", "tiny")
    assert other["figures"] == tiny["figures"]
    (out / "pictures/tiny/translation-00002.png").unlink()
    result = run(*given)
    assert result.exit_code == 0, result.output
    assert "note: tiny: 1 of its pictures are missing, so it is left out" in result.stderr
    assert "tiny" not in methods_in(out)
    broken = out / "pictures/other/translation-00002.png"
    broken.write_bytes(broken.read_bytes()[:100])
    shutil.rmtree(out / "figures" / "other")
    result = run("evaluate", f"tiny={model}", *SMALL, "--out", out)
    assert result.exit_code == 1
    assert "other: one of its pictures translation-00000 to translation-00003" in result.stderr


def test_maps_of_an_earlier_method_are_measured(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    out, maps, pairs = tmp_path / "out", tmp_path / "maps", tmp_path / "pairs"
    shutil.copytree(evaluated, out)
    assert run("evaluate", model, *SMALL, "--export-pairs", pairs).exit_code == 0
    shutil.copytree(pairs / "conditions", maps / "tiny")
    given = ("evaluate", f"other={model}", *SMALL, "--segmentations", maps, "--out", out)
    result = run(*given)
    assert result.exit_code == 0, result.output
    other, tiny, *_ = read_part(out)["methods"]
    assert tiny["figures"]["mean_iou"]["value"] == 1 and "mean_iou" not in other["figures"]
    assert run(*given, "--only-named").exit_code == 1


def test_results_of_another_size_are_refused_before_any_work(
    run: Run, model: Path, tmp_path: Path
) -> None:
    pairs, out = tmp_path / "pairs", tmp_path / "out"
    assert run("evaluate", model, *SMALL, "--export-pairs", pairs).exit_code == 0
    path = pairs / "exemplars" / "manipulation-00001.png"
    with Image.open(path) as opened:
        opened.resize((32, 64)).save(path)
    result = run("evaluate", model, "--results", f"a={pairs / 'exemplars'}", *SMALL, "--out", out)
    assert result.exit_code == 1 and not out.exists()
    assert "manipulation-00001.png is 64x32 (height x width), expected 64x64" in result.stderr


def test_a_folder_and_its_edits_are_evaluated(
    run: Run, model: Path, corpus: Path, tmp_path: Path
) -> None:
    source = open_source(corpus, None, None)
    write_edits(source, tmp_path / "edits", 4, EditRules(seed=0, size=(64, 64)))
    listed = tmp_path / "held-out.txt"
    listed.write_text("\n".join(source.names[:4]) + "\n")
    given = ("evaluate", model, "--data", corpus, "--edits", tmp_path / "edits", "--exemplars", 2)
    result = run(*given, "--out", tmp_path / "all", "--threads", 1)
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "all" / "figures.json").read_text())
    assert [part["samples"] for part in data["parts"]] == [12, 4]
    result = run(*given, "--held-out", listed, "--protocol", "translation", "--out", tmp_path / "b")
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "b" / "figures.json").read_text())
    assert [part["samples"] for part in data["parts"]] == [8]
    # A folder of edits alone.
    result = run("evaluate", model, "--data", tmp_path / "edits", "--out", tmp_path / "c")
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "c" / "figures.json").read_text())
    assert [part["part"] for part in data["parts"]] == ["manipulation"]
    listed.write_text("nobody.png\n")
    result = run(*given, "--held-out", listed, "--out", tmp_path / "d")
    assert result.exit_code == 1 and "nobody.png" in result.stderr
    assert not (tmp_path / "d").exists()


def test_pictures_that_a_model_was_trained_on_are_pointed_out(
    run: Run, model: Path, corpus: Path, tmp_path: Path
) -> None:
    names = open_source(corpus, None, None).names
    copy, listed = tmp_path / "run" / "model", tmp_path / "measured.txt"
    shutil.copytree(model, copy)
    listed.write_text("\n".join(names[:4]) + "\n")
    data = ("--data", corpus, "--held-out", listed)
    given = ("evaluate", f"own={copy}", *data, "--no-baselines", "--protocol", "manipulation")
    text = "trained on 2 of the 4 photographs whose conditions are measured"
    for place, held_out, is_told in (
        (copy.parent, names[2:], True),
        (copy, names[2:], True),
        (copy, names[:5], False),
        (copy, ("other.png", *names[2:]), False),
    ):
        (place / "held-out.txt").write_text("\n".join(held_out) + "\n")
        out = tmp_path / "out"
        result = run(*given, "--out", out)
        assert result.exit_code == 0, result.output
        assert (f"own was {text}" in result.stderr) == is_told
        for name in ("tables.md", "report.html"):
            assert (text in (out / name).read_text()) == is_told
    # Of a method that is not named the folder knows it.
    (copy / "held-out.txt").write_text("\n".join(names[2:]) + "\n")
    assert run(*given, "--out", out).exit_code == 0
    result = run("evaluate", f"new={model}", *given[2:], "--out", out)
    assert result.exit_code == 0, result.output
    assert f"own was {text}" in result.stderr and text in (out / "tables.md").read_text()


def test_only_photographs_that_are_measured_are_counted(
    run: Run, model: Path, corpus: Path, tmp_path: Path
) -> None:
    """Two conditions are translated, of the many pictures that are held out."""
    names = open_source(corpus, None, None).names
    copy, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(model, copy)
    (copy / "held-out.txt").write_text("\n".join(names[1:3]) + "\n")
    given = ("--count", 2, "--exemplars", 1, "--protocol", "translation", "--no-baselines")
    result = run("evaluate", f"own={copy}", "--data", corpus, *given, "--out", out)
    assert result.exit_code == 0, result.output
    told = "trained on 1 of the 2 photographs whose conditions are measured"
    assert f"own was {told}" in result.stderr
    for name in ("tables.md", "report.html"):
        assert told in (out / name).read_text()


def test_how_pictures_were_cut_is_not_part_of_what_a_model_is(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    cut, out = tmp_path / "tiny", tmp_path / "out"
    shutil.copytree(model, cut)
    shutil.copytree(evaluated, out)
    config = json.loads((cut / "config.json").read_text())
    config["fit"] = "crop"
    (cut / "config.json").write_text(json.dumps(config))
    before = read_part(out)
    result = run("evaluate", f"tiny={cut}", *SMALL, "--fit", "stretch", "--out", out)
    assert result.exit_code == 0, result.output
    assert read_part(out) == before


def test_published_rows_are_those_of_the_layout(run: Run, tmp_path: Path) -> None:
    faces, out = tmp_path / "faces", tmp_path / "out"
    made = run(
        "data", "scenes", "--layout", "celebahq", "--count", 10, "--out", faces, "--size", 64
    )
    assert made.exit_code == 0, made.output
    pairs = tmp_path / "pairs"
    given: list[object] = ["evaluate", "--data", faces, "--size", 64, "--count", 2]
    given += ["--exemplars", 1, "--protocol", "translation", "--no-baselines"]
    exported = run(*given, "--results", "a=b", "--export-pairs", pairs)
    assert exported.exit_code == 0, exported.output
    result = run(*given, "--results", f"copies={pairs / 'exemplars'}", "--out", out)
    assert result.exit_code == 0, result.output
    assert "Table 1, CelebA-HQ (semantic)" in (out / "tables.md").read_text()


def test_training_seeds_are_pointed_out(run: Run, model: Path, tmp_path: Path) -> None:
    result = run("evaluate", model, *SMALL, "--seed", 0, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "training uses seeds below 10000" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fit", "pad"], "--fit is 'pad', expected one of stretch, crop"),
        (["--fit", "crop"], "--fit is for data that is a folder"),
        (["--count", "0"], "--count 0: expected 2 or more"),
        (["--exemplars", "0"], "--exemplars 0: expected 1 or more"),
        (["--resamples", "1"], "--resamples 1: expected 2 or more"),
        (["--jpeg", "96"], "--jpeg 96: expected a quality from 1 to 95"),
        (["--protocol", "editing"], "--protocol editing: expected translation or manipulation"),
        (["--backbone", "none"], "--backbone none: expected one of random, vgg19-distilled, vgg19"),
        (["--backbone", "vgg19"], "--backbone-weights FILE"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--device", "gpu"], "--device gpu"),
        (["--size", "90000"], "--size 90000: 90000×90000 is more than 64000000 pixels"),
        (["--size", "15x64"], "--size 15x64: expected 16 pixels a side or more"),
        (["--results", "other"], "--results other: expected NAME=FOLDER"),
        (["--results", "a=nowhere"], "nowhere: no such folder"),
        (["--held-out", "names.txt"], "--held-out is for data that is a folder"),
        (["--out", "/dev/null/out"], "/dev/null is a file, expected a folder"),
    ],
)
def test_wrong_options_are_refused(
    run: Run, model: Path, options: list[str], message: str, tmp_path: Path
) -> None:
    given = options if "--out" in options else [*options, "--out", str(tmp_path / "out")]
    result = run("evaluate", model, *given)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_names_are_told_apart(run: Run, model: Path, tmp_path: Path) -> None:
    other = tmp_path / model.parent.name / "model"
    shutil.copytree(model, other)
    result = run("evaluate", model, other, *SMALL, "--out", tmp_path / "out")
    assert result.exit_code == 1 and "name it as NAME=MODEL" in result.stderr
    result = run("evaluate", f"truth={model}", *SMALL, "--out", tmp_path / "out")
    assert result.exit_code == 1 and "give another one as NAME=" in result.stderr


def test_names_of_one_folder_are_one_method(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    """Another model whose pictures would lie in the same folder does not pass for the first."""
    out = tmp_path / "out"
    shutil.copytree(evaluated, out)
    shutil.rmtree(out / "pictures" / "exemplar-copied")
    pairs = tmp_path / "pairs"
    assert run("evaluate", model, *SMALL, "--export-pairs", pairs).exit_code == 0
    given = f"exemplar-copied={pairs / 'exemplars'}"
    result = run("evaluate", "--results", given, "--size", 64, "--no-baselines", *SMALL,
                 "--out", out)  # fmt: skip
    assert result.exit_code == 1 and "figures of another exemplar-copied" in result.stderr


def test_a_path_may_hold_an_equals_sign(run: Run, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "lr=1" / "mine"
    shutil.copytree(model, path)
    result = run("evaluate", path, *SMALL, "--export-pairs", tmp_path / "pairs")
    assert result.exit_code == 0, result.output


def test_a_damaged_picture_is_named_with_what_to_do(
    run: Run, model: Path, evaluated: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(evaluated, out)
    picture = out / "pictures/tiny/translation-00001.png"
    picture.write_bytes(picture.read_bytes()[:100])
    given = ("evaluate", f"tiny={model}", *SMALL, "--out", out)
    result = run(*given)
    assert result.exit_code == 1 and "translation-00001.png" in result.stderr
    assert "delete the file" in result.stderr
    picture.unlink()
    assert run(*given).exit_code == 0
    assert (out / "figures.csv").read_bytes() == (evaluated / "figures.csv").read_bytes()


def test_nothing_to_evaluate_is_said(run: Run, tmp_path: Path) -> None:
    result = run("evaluate", "--results", "a=b", "--out", tmp_path / "out")
    assert result.exit_code == 1 and "--size: expected pixels" in result.stderr
