from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from rabit.config import (
    AlignmentConfig,
    ConditionConfig,
    FeatureConfig,
    GeneratorConfig,
    ModelConfig,
)
from rabit.data.batch import Sample, collate
from rabit.data.scenes import CLASSES, Scenes
from rabit.evaluation.baselines import class_mean_colours
from rabit.evaluation.benchmark import Benchmark, as_saved, benchmark_dict, evaluate
from rabit.inference import Translator
from rabit.layers.perceptual import random_backbone
from rabit.metrics.pixels import psnr
from rabit.model.network import build_network

SIZE = (64, 64)
COUNT = 10


def translator(method: str = "ranking", classes: tuple[str, ...] = CLASSES) -> Translator:
    config = ModelConfig(
        name="tiny",
        image_size=SIZE,
        condition=ConditionConfig(classes=classes),
        features=FeatureConfig(widths=(4, 4, 4, 4, 4, 4), hidden=4, norm="position"),
        alignment=AlignmentConfig(channels=8, head_width=8, head_blocks=1),
        generator=GeneratorConfig(
            widths=(8, 8, 8, 8, 8), stem=8, hidden=4, injection_width=4, norm="position"
        ),
    )
    if method == "none":
        config = replace(
            config,
            alignment=AlignmentConfig(method="none"),
            generator=replace(config.generator, injection="concat"),
        )
    return Translator(build_network(config), config)


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    models = {"tiny": translator(), "unaligned": translator("none")}
    return evaluate(models, Scenes(COUNT, SIZE, 20_000_000), random_backbone())


def test_there_is_a_row_for_each_thing_compared(benchmark: Benchmark) -> None:
    assert [row.name for row in benchmark.rows] == [
        "exemplar copied",
        "class mean colours",
        "tiny",
        "tiny, warped exemplar",
        "unaligned",
    ]
    assert benchmark.count == COUNT
    assert benchmark.distance_label == "perceptual distance (random VGG (seed 0))"
    for row in benchmark.rows:
        assert row.psnr.count == row.ssim.count == row.distance.count == COUNT


def test_a_baseline_s_figure_is_that_of_its_images(benchmark: Benchmark) -> None:
    corpus = Scenes(COUNT, SIZE, 20_000_000)
    batch = collate([corpus[i] for i in range(COUNT)], len(CLASSES))
    expected = psnr(as_saved(class_mean_colours(batch)), batch.truth)
    row = benchmark.rows[1]
    assert row.psnr.mean == pytest.approx(float(expected.mean()), rel=1e-6)
    assert row.psnr.mean > benchmark.rows[0].psnr.mean


def test_models_are_timed_and_baselines_are_not(benchmark: Benchmark) -> None:
    assert [row.seconds is not None for row in benchmark.rows] == [
        False, False, True, False, True,
    ]  # fmt: skip


def test_the_table_goes_to_json_whole(benchmark: Benchmark) -> None:
    data = json.loads(json.dumps(benchmark_dict(benchmark), allow_nan=False))
    row = data["rows"][2]
    assert row["name"] == "tiny"
    assert row["psnr_db"]["mean"] == benchmark.rows[2].psnr.mean
    assert row["ssim"]["interval95"] == pytest.approx(
        1.96 * row["ssim"]["standard_error"], rel=1e-4
    )
    assert row["perceptual_distance"]["count"] == COUNT


def test_one_image_has_no_interval_in_json() -> None:
    table = evaluate({}, Scenes(1, SIZE, 1), random_backbone())
    assert benchmark_dict(table)["rows"][0]["psnr_db"]["interval95"] is None


def test_progress_counts_images() -> None:
    told: list[tuple[int, int]] = []
    evaluate({}, Scenes(9, SIZE, 1), random_backbone(), lambda *done: told.append(done))
    assert told == [(8, 9), (9, 9)]


def test_other_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="odd was trained on the classes a, b"):
        evaluate({"odd": translator(classes=("a", "b"))}, Scenes(1, SIZE, 1), random_backbone())


def test_nothing_to_evaluate_on_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate({}, Scenes(0, SIZE, 1), random_backbone())


def test_samples_without_a_truth_in_the_exemplar_s_look_are_refused() -> None:
    class Unpaired(Scenes):
        def __getitem__(self, index: int) -> Sample:
            return replace(super().__getitem__(index), paired=False, name="photo7")

    with pytest.raises(ValueError, match=r"photo7.*pairs\.csv"):
        evaluate({}, Unpaired(1, SIZE, 1), random_backbone())


def test_saved_images_have_8_bits() -> None:
    image = torch.tensor([-1.2, -1.0, 0.0, 0.001, 1.0])
    saved = as_saved(image)
    assert torch.equal(saved[[0, 1, 4]], torch.tensor([-1.0, -1.0, 1.0]))
    levels = (saved + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-4)
