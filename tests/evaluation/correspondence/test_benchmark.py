"""The comparison of correspondences: inputs of known truth, measurements, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import rabit
from rabit.alignment import correspond
from rabit.app.benchmark_command import BenchmarkOptions, run_benchmark
from rabit.evaluation.correspondence.accuracy import (
    matched_pixels,
    measure_accuracy,
    warp_pictures,
)
from rabit.evaluation.correspondence.charts import COLOURS, SPEED_LINES
from rabit.evaluation.correspondence.contestants import ATTENTION, Contestant, contestants
from rabit.evaluation.correspondence.fields import known_field, share_within
from rabit.evaluation.correspondence.measure import (
    Case,
    Measurement,
    measure,
    measure_apart,
    measure_here,
)
from rabit.evaluation.correspondence.study import accuracy_rows
from rabit.evaluation.correspondence.suite import growth, run_suite
from rabit.evaluation.correspondence.views import scene_views, stereo_view
from recipes import translator_of

CASE = Case("ranking", "ranking", "{}", 16, channels=64, width=4)


def test_attention_is_dense() -> None:
    torch.manual_seed(0)
    x, z, values = (torch.randn(1, n, 8, 8) for n in (12, 12, 3))
    warped = Contestant("attention", ATTENTION).warp(x, z, values)
    assert torch.allclose(warped, correspond(x, z, "dense").warp(values), atol=1e-5)


def test_the_truth_of_a_known_field() -> None:
    field = known_field(16, 64)
    assert field.truth.shape == (16, 16, 2)
    places = field.truth.long()
    copied = field.z[0][:, places[..., 1], places[..., 0]]
    assert float(F.cosine_similarity(copied, field.x[0], dim=0).mean()) > 0.85
    assert share_within(field.truth + 1, field.truth, 1.0) == 0
    assert share_within(field.truth + 1, field.truth, 1.5) == 1
    matches = correspond(field.x, field.z, "dense").matches()[0]
    assert share_within(matches, field.truth, 1.5) > 0.99


def test_operations() -> None:
    dense = Contestant("dense", "dense").operations(8, 16, 4)
    assert dense == 2 * 64 * 64 * 20
    ranking = Contestant("ranking", "ranking").operations(8, 16, 4)
    assert ranking == 2 * 16 * 16 * 64 + 2 * 64 * 12 * 20
    border = Contestant("border", "ranking", {"border": 1})
    assert border.operations(8, 16, 4) == 2 * 16 * 16 * 64 + 2 * 64 * 48 * 20
    overlap = Contestant("overlap", "ranking", {"overlap": True})
    assert overlap.operations(8, 16, 4) == 2 * 16 * 49 * 64 + 2 * 64 * 12 * 20
    short = Contestant("short", "ranking", {"overlap": True, "shortlist": 8})
    assert short.operations(8, 16, 4) == 2 * 16 * (49 * 16 + 8 * 64) + 2 * 64 * 12 * 20
    levels = Contestant("levels", "ranking", {"coarse": (4,), "coarse_k": 2})
    assert levels.operations(8, 16, 4) == 2 * 4 * 4 * 16 + 2 * 16 * 8 * 64 + 2 * 64 * 12 * 20
    assert Contestant("patchmatch", "patchmatch").operations(8, 16, 4) is None


def test_measurement_in_a_process_of_its_own() -> None:
    found = measure_apart(CASE, 120)
    assert isinstance(found, Measurement), found
    assert found.both is not None
    assert 0 < found.forward < 60
    assert found.near is not None
    assert found.near > 0.8
    assert found.residual is not None
    assert found.residual < 1e-4
    failed = measure_apart(Case("wrong", "magic", "{}", 16, channels=8), 120)
    assert isinstance(failed, str)
    assert "'magic', expected one of" in failed


def measured(seconds: float) -> Measurement:
    return Measurement(seconds, 1.0, seconds, 2.0, seconds / 2, 1e9, 0.5, None)


def test_sizes_that_would_take_too_long_are_left_out_and_said_so() -> None:
    def pretend(case: Case, timeout: float) -> Measurement | str:
        return measured((case.side / 16) ** 4)

    timings = run_suite([Contestant("dense", "dense")], (16, 32, 64), CASE, 20.0, measure=pretend)
    assert [timing.measurement is None for timing in timings] == [False, False, True]
    assert timings[2].reason == "about 256 s"
    assert growth(timings[0], timings[1]) == pytest.approx(2.0)
    assert growth(timings[1], timings[2]) is None
    large = Contestant("levels", "ranking", {"coarse": (32,)})
    (timing,) = run_suite([large], (16,), CASE, 20.0, measure=pretend)
    assert timing.reason == "blocks of 32×32 do not fit"


def test_pictures_finer_than_the_correspondence_travel_with_it() -> None:
    torch.manual_seed(1)
    features, pictures = torch.randn(1, 8, 8, 8), torch.rand(1, 3, 32, 32) * 2 - 1
    built = correspond(features, features, k=1)
    assert torch.allclose(warp_pictures(built, pictures), pictures, atol=1e-3)
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    assert torch.equal(matched_pixels(built, pictures).float(), torch.stack([columns, rows], -1))


def test_stereo_photographs() -> None:
    pytest.importorskip("skimage", reason="the stereo photographs come with scikit-image")
    view = stereo_view(32)
    x, y = view.places.long().unbind(-1)
    there = view.exemplar[0][:, y, x]
    off = (there - view.truth[0]).abs().mean(0)
    assert float(view.known.double().mean()) > 0.85
    assert float(off[view.known].mean()) < 0.1
    apart = (view.exemplar[0] - view.truth[0]).abs().mean(0)
    assert float(apart[view.known].mean()) > 0.2
    dense = measure_accuracy(Contestant("dense", "dense"), [view])
    blocks = measure_accuracy(Contestant("blocks", "ranking", {"block": 4, "k": 1}), [view])
    assert dense.psnr.mean > blocks.psnr.mean + 1
    assert dense.median_end_point.mean < 4 < blocks.end_point.mean


def test_scenes_are_described_by_what_the_model_compares() -> None:
    translator = rabit.load("scenes-small")
    (view,) = scene_views(32, 1, translator)
    assert view.x.shape == view.z.shape == (1, translator.config.alignment.channels, 32, 32)
    found = measure_accuracy(Contestant("ranking", "ranking"), [view])
    assert found.psnr.mean > 13
    assert found.end_point.mean < 60


def options(out: Path, **changes: object) -> BenchmarkOptions:
    chosen: dict[str, object] = {
        "out": out,
        "quick": True,
        "sides": (16,),
        "accuracy_sides": (32,),
        "limit": 5.0,
        "accuracy": True,
        "scenes": 0,
        "model": "scenes-small",
        "channels": 8,
        "threads": 1,
        "device": "cpu",
        "dtype": "float32",
        "overwrite": False,
    }
    return BenchmarkOptions(**(chosen | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"dtype": "int8"}, "--dtype int8: expected one of float32, bfloat16"),
        ({"threads": -1}, "--threads -1: expected 1 or more"),
        ({"threads": 0}, "--threads 0: expected 1 or more"),
        ({"scenes": -1}, "--scenes -1: expected 0 or more"),
        ({"channels": 0}, "--channels 0: expected 1 or more"),
        ({"limit": 0.0}, "--limit 0.0: expected a number of seconds above 0"),
        ({"limit": float("nan")}, "--limit nan: expected a number of seconds above 0"),
        ({"scenes": 1, "model": "nothing"}, "no model 'nothing'"),
        ({"scenes": 1, "model": "scenes-small-unaligned"}, "this model has no alignment"),
        ({"sides": (2,)}, "size 2: expected at least 4"),
        ({"accuracy_sides": (48,)}, "accuracy at 48: expected a divisor of 256"),
    ),
)
def test_wrong_options_are_refused_before_anything_is_measured(
    changes: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("rabit.app.benchmark_command.run_suite")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run_benchmark(options(tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_a_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    translator_of("edges").save(tmp_path / "edges")
    with pytest.raises(ValueError, match="knows the classes edges, distance, but scenes have sky"):
        run_benchmark(options(tmp_path / "out", scenes=1, model=str(tmp_path / "edges")))


def test_figures_and_charts_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage", reason="the stereo photographs come with scikit-image")
    monkeypatch.setattr(
        "rabit.app.benchmark_command.run_suite",
        lambda compared, sides, base, limit, progress, measure: run_suite(
            compared, sides, base, limit, progress, lambda case, timeout: measured(0.01)
        ),
    )
    run_benchmark(options(tmp_path / "out"))
    found = json.loads((tmp_path / "out" / "correspondence.json").read_text())
    assert found["environment"]["torch"] == torch.__version__
    names = [each.name for each in contestants(quick=True)]
    assert [row["name"] for row in found["times"]] == names
    assert found["times"][0]["forward_s"] == 0.01
    assert {row["pictures"] for row in found["accuracy"]} == {"stereo"}
    assert found["accuracy"][0]["ssim"]["mean"] > 0.5
    for name in ("speed.png", "accuracy.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileExistsError, match="there already; replace with --overwrite"):
        run_benchmark(options(tmp_path / "out"))


def test_times_are_kept_when_the_accuracy_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("skimage", reason="the stereo photographs come with scikit-image")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    few = contestants(quick=True)[3:4]
    monkeypatch.setattr("rabit.app.benchmark_command.contestants", lambda quick: few)
    monkeypatch.setattr("rabit.app.benchmark_command.accuracy_rows", stop)
    out = tmp_path / "out"
    out.mkdir()
    (out / "accuracy.png").write_bytes(b"of an earlier run")
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(options(out, overwrite=True))
    assert {path.name for path in out.iterdir()} == {"correspondence.json", "speed.png"}
    found = json.loads((out / "correspondence.json").read_text())
    assert found["accuracy"] == [] and found["times"][0]["forward_s"] > 0


def test_blocks_that_do_not_fit_maps_that_were_not_timed_are_a_reason() -> None:
    pytest.importorskip("skimage", reason="the stereo photographs come with scikit-image")
    few = (Contestant("levels", "ranking", {"coarse": (16,)}), Contestant("r", "ranking", {"k": 1}))
    levels, ranking = accuracy_rows("stereo", lambda side: [stereo_view(side)], few, (8,), [], 5.0)
    assert (levels.accuracy, levels.reason) == (None, "blocks of 16×16 do not fit")
    assert ranking.accuracy is not None


def test_every_contestant_is_drawn() -> None:
    assert {each.name for each in contestants()} == set(COLOURS)
    assert {each.name for each in contestants(quick=True)} <= set(list(COLOURS)[:SPEED_LINES])


def test_the_accuracy_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = contestants(quick=True)[3:4]
    monkeypatch.setattr("rabit.app.benchmark_command.contestants", lambda quick: few)
    run_benchmark(options(tmp_path / "out", accuracy=False, quick=True, limit=0.5))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"correspondence.json", "speed.png"}
    found = json.loads((tmp_path / "out" / "correspondence.json").read_text())
    assert found["accuracy"] == [] and found["times"][0]["forward_s"] > 0


def test_the_gpu_that_is_asked_for_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fail(case: Case, timeout: float) -> str:
        asked.append(case.device)
        return "not here"

    command = "rabit.app.benchmark_command."
    monkeypatch.setattr(command + "pick_device", torch.device)
    monkeypatch.setattr(command + "measure_here", fail)
    monkeypatch.setattr(command + "study_dict", lambda *_, **__: {})
    run_benchmark(options(tmp_path, accuracy=False, device="cuda:1", sides=(8,), overwrite=True))
    assert set(asked) == {"cuda:1"}


def test_measure_in_this_process_takes_bfloat16() -> None:
    threads = torch.get_num_threads()
    found = measure(Case("r", "ranking", "{}", 8, 8, 4, dtype="bfloat16", threads=threads))
    assert found.both is not None


@pytest.mark.parametrize(
    ("error", "reason"),
    (
        (torch.OutOfMemoryError("CUDA out of memory. Tried 9 GiB"), "CUDA out of memory"),
        (RuntimeError("no resources\nin line 3"), "RuntimeError: no resources"),
    ),
)
def test_what_cannot_be_measured_here_has_a_reason(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(case: Case) -> Measurement:
        raise error

    monkeypatch.setattr("rabit.evaluation.correspondence.measure.measure", fail)
    assert measure_here(Case("", "dense", "{}", 8), 1.0) == reason
    monkeypatch.undo()
    assert isinstance(measure_here(Case("", "dense", "{}", 8, channels=4), 1.0), Measurement)
