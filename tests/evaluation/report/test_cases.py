from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from evaluations import folders, make_part, make_row, noise, write_pictures
from rabit.data.images import save_png
from rabit.evaluation.baselines import MEAN_COLOURS
from rabit.evaluation.folder import EXEMPLARS, TRUTH, EvaluationFolder
from rabit.evaluation.report.cases import Failure, failures, judged_by, ranked
from rabit.evaluation.summary import Part, Row
from rabit.metrics.copied import STEPS

NAN = math.nan
DISTANCES = [0.3, 0.1, 0.5, 0.2, 0.6, 0.4]


def part_of(*rows: Row) -> Part:
    return make_part(rows)


def found_in(root: Path, part: Part) -> tuple[Failure, ...]:
    return failures(part, EvaluationFolder(root), folders(part))


@pytest.fixture
def sound(tmp_path: Path) -> Part:
    """Results that nothing is wrong with, better than the baseline."""
    figures = {"copied": [0.1] * 6, "psnr": [20.0] * 6, "perceptual": DISTANCES}
    first = make_row("ours", figures)
    plain = make_row(MEAN_COLOURS, figures | {"perceptual": [0.7] * 6})
    part = part_of(first, plain)
    write_pictures(tmp_path, [part])
    return part


def test_results_are_ordered_by_the_distance_to_the_truth_and_none_is_both() -> None:
    part = part_of(make_row("ours", {"semantic_52": [0.5] * 6, "perceptual": DISTANCES}))
    ranking = ranked(part)
    assert ranking is not None and ranking.quantity.name == "perceptual"
    assert ranking.best == (1, 3, 0) and ranking.worst == (4, 2, 5)
    ranking = ranked(part, most=2)
    assert ranking is not None
    assert ranking.best == (1, 3) and ranking.worst == (4, 2)


def test_without_a_truth_results_are_ordered_by_consistency_and_unknown_ones_left_out() -> None:
    part = part_of(make_row("ours", {"semantic_52": [0.9, NAN, 0.7, 0.8]}))
    ranking = ranked(part)
    assert ranking is not None and ranking.quantity.name == "semantic_52"
    assert ranking.best == (0, 3) and ranking.worst == (2,)


def test_results_without_any_such_figure_are_in_no_order() -> None:
    part = part_of(make_row("ours", {"copied": [0.1, 0.2]}))
    assert judged_by(part) is None and ranked(part) is None


def test_the_figure_is_one_that_the_first_method_has() -> None:
    first = make_row("ours", {"semantic_52": [0.9, 0.8]})
    other = make_row("theirs", {"semantic_52": [0.9, 0.8], "perceptual": [0.1, 0.2]})
    quantity = judged_by(part_of(first, other))
    assert quantity is not None and quantity.name == "semantic_52"


def test_nothing_is_wrong_with_sound_results(tmp_path: Path, sound: Part) -> None:
    assert found_in(tmp_path, sound) == ()


def test_a_result_of_one_colour_is_found_unless_the_truth_is_one_too(
    tmp_path: Path, sound: Part
) -> None:
    folder, name = EvaluationFolder(tmp_path), sound.sample_names[2]
    grey = np.full((12, 12, 3), 90, np.uint8)
    grey[:6] += 8  # a deviation of 4
    save_png(folder.picture("ours", name), grey, overwrite=True)
    (failure,) = found_in(tmp_path, sound)
    assert failure.sample == name and "of one colour" in failure.reason
    assert failure.value == pytest.approx(4)
    save_png(folder.picture(TRUTH, name), grey, overwrite=True)
    assert found_in(tmp_path, sound) == ()
    save_png(folder.picture(TRUTH, name), noise(1), overwrite=True)
    grey[:6] += 8  # a deviation of 8
    save_png(folder.picture("ours", name), grey, overwrite=True)
    assert found_in(tmp_path, sound) == ()


def test_a_missing_and_a_damaged_picture_are_found(tmp_path: Path, sound: Part) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.picture("ours", sound.sample_names[0]).unlink()
    folder.picture("ours", sound.sample_names[1]).write_bytes(b"nothing")
    found = found_in(tmp_path, sound)
    assert [failure.sample for failure in found] == list(sound.sample_names[:2])
    assert all("missing or damaged" in f.reason and math.isnan(f.value) for f in found)


def copying(
    tmp_path: Path, share: float, result: str, truth: str, steps: int = 10
) -> tuple[Failure, ...]:
    """Failures where the result and the truth are the exemplar, some steps off, or noise."""
    part = part_of(make_row("ours", {"copied": [share, 0.0]}))
    folder = write_pictures(tmp_path, [part])
    name = part.sample_names[0]
    for kind, content in (("ours", result), (TRUTH, truth)):
        if content == "exemplar":
            pixels = 100 + noise(5) % 100
            save_png(folder.picture(EXEMPLARS, name), pixels, overwrite=True)
            save_png(folder.picture(kind, name), pixels + np.uint8(steps), overwrite=True)
    return failures(part, folder, folders(part))


def test_a_copied_exemplar_is_found(tmp_path: Path) -> None:
    (failure,) = copying(tmp_path, 0.6, "exemplar", "noise")
    assert "copies the exemplar" in failure.reason and failure.value == 0.6
    assert failure.sample == "translation-00000"


def test_a_copy_may_be_as_far_off_as_in_the_copied_share(tmp_path: Path) -> None:
    for steps in (STEPS, STEPS + 1):
        found = copying(tmp_path / str(steps), 0.6, "exemplar", "noise", steps)
        assert len(found) == (steps == STEPS)


@pytest.mark.parametrize(
    ("share", "result", "truth"),
    [
        (0.5, "exemplar", "noise"),
        (math.nan, "exemplar", "noise"),
        (0.6, "exemplar", "exemplar"),
        (0.6, "noise", "noise"),
    ],
)
def test_a_result_that_may_look_like_the_exemplar_is_not_found(
    tmp_path: Path, share: float, result: str, truth: str
) -> None:
    assert copying(tmp_path, share, result, truth) == ()


def test_a_result_farther_from_the_truth_than_mean_colours_is_found(
    tmp_path: Path, sound: Part
) -> None:
    first, plain = sound.rows
    samples = {name: values.tolist() for name, values in plain.samples.items()}
    # As far as the first result, nearer than the third one.
    distances = [0.3, 0.7, 0.45, 0.7, 0.7, 0.7]
    baseline = make_row(MEAN_COLOURS, samples | {"perceptual": distances})
    (failure,) = found_in(tmp_path, part_of(first, baseline))
    assert failure.sample == "translation-00002" and failure.value == 0.5
    assert failure.reason == f"distance above that of {MEAN_COLOURS} (0.450)"
    write_pictures(tmp_path, [part_of(first, make_row("theirs", {"perceptual": distances}))])
    other = part_of(first, make_row("theirs", {"perceptual": distances}))
    assert found_in(tmp_path, other) == ()


def test_figures_that_should_be_finite_and_are_not_are_found(tmp_path: Path) -> None:
    first = make_row(
        "ours",
        {
            "semantic_52": [0.9, math.inf, 0.9, 0.9],
            "copied": [0.1, 0.1, NAN, 0.1],
            "psnr": [20.0, 20.0, 20.0, NAN],
            "perceptual": [0.1, 0.1, 0.1, 0.1],
        },
    )
    other = make_row("theirs", {"copied": [0.1, 0.1, 0.2, 0.1]})
    part = part_of(first, other)
    write_pictures(tmp_path, [part])
    found = {(f.sample[-1], f.reason) for f in found_in(tmp_path, part)}
    assert found == {
        ("1", "semantic 52 is not finite"),
        ("2", "copied is not finite"),
        ("3", "PSNR is not finite"),
    }


def test_figures_that_a_sample_cannot_have_are_no_failures(tmp_path: Path) -> None:
    figures = {
        # Where no truth is known, and where regions agree everywhere.
        "copied": [0.1, NAN],
        "psnr": [20.0, NAN],
        "perceptual": [0.1, NAN],
    }
    first = make_row("ours", figures | {"warped_psnr": [NAN, 9.0]})
    part = part_of(first, make_row("theirs", figures | {"warped_psnr": [15.0, NAN]}))
    write_pictures(tmp_path, [part])
    assert found_in(tmp_path, part) == ()
