"""An evaluation's summary against figures computed by hand from the pictures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from networks import random_networks
from rabit.data.batch import Sample
from rabit.data.images import as_saved, save_png, to_image
from rabit.evaluation.folder import EvaluationFolder
from rabit.evaluation.intervals import Resamples
from rabit.evaluation.measure import Measuring
from rabit.evaluation.results import Made
from rabit.evaluation.run import Method, make_and_measure
from rabit.evaluation.segmentations import Segmentations
from rabit.evaluation.summary import (
    Evaluation,
    counted_once,
    numbered_pictures,
    summarise,
)
from rabit.evaluation.testset import Counts, TestSet, every, file_name, scenes_test_set
from rabit.metrics.diversity import Diversity
from rabit.metrics.frechet import FrechetDistance
from rabit.metrics.pixels import Psnr
from rabit.training.processes import Processes

SIZE = (64, 64)
CPU = torch.device("cpu")


class Faded:
    """The truth with less contrast."""

    def __init__(self, contrast: float) -> None:
        self.contrast = contrast

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        return Made(torch.stack([s.truth for s in samples]) * self.contrast, None, 1.0)


@pytest.fixture(scope="module")
def test_set() -> TestSet:
    return scenes_test_set(Counts(conditions=4, edits=3, exemplars=2), SIZE)


@pytest.fixture(scope="module")
def evaluation(test_set: TestSet, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    measuring = Measuring(random_networks(), 2, SIZE)
    folder = EvaluationFolder(tmp_path_factory.mktemp("evaluation"))
    methods = [Method(f"faded {c}", f"faded-{c}", Faded(c), {}) for c in (0.9, 0.5)]
    make_and_measure(methods, test_set, measuring, folder, Processes(CPU))
    return summarise(methods, test_set, measuring, folder, 50, 0, CPU)


def pictures(test_set: TestSet, contrast: float) -> torch.Tensor:
    return as_saved(torch.stack([s.truth for s in every(test_set.translation)]) * contrast)


def test_figures_are_those_of_the_metrics(evaluation: Evaluation, test_set: TestSet) -> None:
    part = evaluation.part("translation")
    truth = torch.stack([s.truth for s in every(test_set.translation)])
    for row, contrast in zip(part.rows, (0.9, 0.5), strict=True):
        images = pictures(test_set, contrast)
        psnr = Psnr()
        psnr.update(images, truth)
        assert row.figures["psnr"].value == pytest.approx(psnr.compute().mean)
        assert row.figures["psnr"].count == 8 == len(row.samples["psnr"])
        networks = random_networks()
        distance = FrechetDistance(networks.extractors[0])
        distance.update(images, real=False)
        distance.update(truth, real=True)
        assert row.figures["fd"].value == pytest.approx(distance.compute(), rel=1e-4)
        diversity = Diversity(networks.backbone)
        for first in range(0, 8, 2):
            diversity.update(images[first : first + 2])
        expected = diversity.compute().mean
        assert row.figures["diversity_perceptual"].value == pytest.approx(expected, rel=1e-5)
    assert "warped_psnr" not in part.rows[0].figures
    assert "warped_psnr" not in [quantity.name for quantity in part.quantities]
    assert part.paired == 8 and part.sample_names[1] == "translation-00001"


def test_methods_are_compared_with_the_first_sample_by_sample(evaluation: Evaluation) -> None:
    first, second = evaluation.part("manipulation").rows
    assert first.against == {} and "fd" not in second.against
    difference = second.against["psnr"]
    apart = first.samples["psnr"] - second.samples["psnr"]
    assert difference.value == pytest.approx(float(apart.mean()))
    assert difference.low > 0
    assert difference.high - difference.low < (
        second.figures["psnr"].high - second.figures["psnr"].low
    )
    assert "diversity_perceptual" not in first.figures


def test_seconds_are_told_by_method(evaluation: Evaluation) -> None:
    # 8 pictures in 1 second, 3 in 1 second.
    assert evaluation.seconds["faded 0.5"] == pytest.approx((8 * 1 / 8 + 3 * 1 / 3) / 11)


def test_pictures_without_a_time_are_left_out_of_the_mean(
    test_set: TestSet, tmp_path: Path
) -> None:
    """As of a batch that was stopped when its pictures were made, but not yet measured."""
    folder, measuring = EvaluationFolder(tmp_path), Measuring(random_networks(), 2, SIZE)
    methods = [Method("faded", "faded", Faded(0.9), {})]
    make_and_measure(methods, test_set, measuring, folder, Processes(CPU))
    for part, expected in (("translation", 3 * 1 / 3 / 3), ("manipulation", None)):
        for path in sorted((tmp_path / "figures/faded").glob(f"{part}-*")):
            figures = folder.read_figures("faded", path.stem)
            assert figures is not None
            del figures["seconds"]
            folder.write_figures("faded", path.stem, figures)
        found = summarise(methods, test_set, measuring, folder, 50, 0, CPU).seconds
        assert found.get("faded") == (None if expected is None else pytest.approx(expected))


def test_a_photograph_counts_once() -> None:
    paired = torch.tensor([True, False, False, True, True, False])
    found = counted_once((0, 0, 0, 1, 1, 2), paired)
    assert found.tolist() == [True, False, False, True, True, True]


def test_every_interval_holds_its_value(evaluation: Evaluation) -> None:
    for part in evaluation.parts:
        for row in part.rows:
            for name, figure in row.figures.items():
                if not math.isnan(figure.low):
                    assert figure.low <= figure.value <= figure.high, name


def test_missing_figures_are_named(test_set: TestSet, tmp_path: Path) -> None:
    measuring = Measuring(random_networks(), 2, SIZE)
    method = Method("a", "a", Faded(1.0), {})
    with pytest.raises(ValueError, match=r"truth/translation-00000\.safetensors: missing"):
        summarise([method], test_set, measuring, EvaluationFolder(tmp_path), 10, 0, CPU)


def test_shared_exemplars_are_drawn_as_well_as_conditions(
    test_set: TestSet, evaluation: Evaluation, tmp_path: Path
) -> None:
    samples = list(every(test_set.translation))
    # The first exemplar of a condition is the second of the one before.
    lent = [samples[index if index % 2 == 0 else (index + 1) % 8] for index in range(8)]
    crossed = [
        dataclasses.replace(s, exemplar=o.exemplar, exemplar_condition=o.exemplar_condition)
        for s, o in zip(samples, lent, strict=True)
    ]
    test = dataclasses.replace(test_set, translation=crossed, protocols=("translation",))
    measuring = Measuring(random_networks(), 2, SIZE)
    folder = EvaluationFolder(tmp_path)
    methods = [Method(f"faded {c}", f"faded-{c}", Faded(c), {}) for c in (0.9, 0.5)]
    make_and_measure(methods, test, measuring, folder, Processes(CPU))
    first, second = summarise(methods, test, measuring, folder, 50, 0, CPU).parts[0].rows
    draws = Resamples((0, 0, 1, 1, 2, 2, 3, 3), 50, 0, (0, 1, 1, 2, 2, 3, 3, 0))
    for name in ("psnr", "style_m", "semantic_42"):
        assert first.figures[name] == draws.mean(first.samples[name])
        difference = draws.difference(first.samples[name], second.samples[name])
        assert second.against[name] == difference
    alone = evaluation.part("translation").rows[0]
    assert first.samples["psnr"].equal(alone.samples["psnr"])
    assert first.figures["psnr"].low != alone.figures["psnr"].low
    # Scenes have exemplars of their own.
    own = Resamples((0, 0, 1, 1, 2, 2, 3, 3), 50, 0)
    assert alone.figures["psnr"] == own.mean(alone.samples["psnr"])
    # Distances between sets draw conditions alone.
    assert first.figures["fd"] == alone.figures["fd"]


def test_pictures_are_numbered_by_their_pixels(test_set: TestSet, tmp_path: Path) -> None:
    pixels = [to_image(s.exemplar) for s in every(test_set.manipulation)]
    for name, each in zip("abcd", (pixels[0], pixels[1], pixels[0], pixels[2]), strict=True):
        save_png(tmp_path / f"{name}.png", each)
    # The same pixels in other bytes.
    Image.fromarray(pixels[0]).save(tmp_path / "c.png", compress_level=0)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()
    paths = [tmp_path / f"{name}.png" for name in "abcd"]
    assert numbered_pictures(paths) == (0, 1, 0, 2)
    paths[1].write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"b\.png.*delete the file"):
        numbered_pictures(paths)


def test_segmenters_maps_are_compared_with_the_first_method_s(
    test_set: TestSet, tmp_path: Path
) -> None:
    measuring = Measuring(random_networks(), 2, SIZE)
    folder = EvaluationFolder(tmp_path / "out")
    test = dataclasses.replace(test_set, protocols=("translation",))
    methods = [Method(f"faded {c}", f"faded-{c}", Faded(c), {}) for c in (0.9, 0.5)]
    make_and_measure(methods, test, measuring, folder, Processes(CPU))
    maps = tmp_path / "maps"
    for number, sample in enumerate(every(test.translation)):
        ids = sample.condition.regions.numpy().astype(np.uint8)
        for rows, method in enumerate(methods):
            wrong = ids.copy()
            wrong[: 8 * rows] = (ids[: 8 * rows] + 1) % len(test.classes)
            name = file_name("translation", number)
            save_png(maps / method.folder / f"{name}.png", wrong)
    given = Segmentations(maps)
    first, second = summarise(methods, test, measuring, folder, 50, 0, CPU, given).parts[0].rows
    for name in ("mean_iou", "pixel_accuracy"):
        difference = second.against[name]
        assert first.figures[name].value == 1
        assert difference.value == 1 - second.figures[name].value > 0
        assert 0 < difference.low <= difference.value <= difference.high
    assert second.against["pixel_accuracy"].value == pytest.approx(8 / 64)
    # Maps of the second method alone are compared with nothing.
    (maps / methods[0].folder).rename(tmp_path / "elsewhere")
    _, second = summarise(methods, test, measuring, folder, 50, 0, CPU, given).parts[0].rows
    assert "mean_iou" in second.figures and "mean_iou" not in second.against
