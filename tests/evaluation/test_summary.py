"""An evaluation's summary against figures computed by hand from the pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from networks import random_networks
from rabit.data.batch import Sample
from rabit.data.images import as_saved
from rabit.evaluation.folder import EvaluationFolder
from rabit.evaluation.measure import Measuring
from rabit.evaluation.results import Made
from rabit.evaluation.run import Method, make_and_measure
from rabit.evaluation.summary import Evaluation, counted_once, summarise
from rabit.evaluation.testset import Counts, TestSet, every, scenes_test_set
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
