from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from networks import random_networks
from rabit.ablation.measure import measure
from rabit.ablation.plan import Run
from rabit.ablation.rows import RABIT
from rabit.ablation.score import score_run, scores_path
from rabit.data.batch import Sample
from rabit.data.images import save_png, to_image
from rabit.data.layouts.find import open_source
from rabit.data.scenes import write_scenes
from rabit.evaluation.measure import Networks
from rabit.evaluation.results import Made
from rabit.evaluation.sets import SlicedDistances
from rabit.evaluation.testset import Counts, TestSet, every, folder_test_set, scenes_test_set
from rabit.inference import Translator
from rabit.model.network import build_network
from rabit.model.storage import save_model
from tiny import tiny_experiment

CPU = torch.device("cpu")
SIZE = (64, 64)


class Truth:
    """Results that are the truth itself, every exemplar warped to it."""

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        truth = torch.stack([sample.truth for sample in samples])
        return Made(truth, truth, 0.5 * len(samples))


class Copies:
    """Results that are the exemplars."""

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        return Made(torch.stack([sample.exemplar for sample in samples]))


@pytest.fixture(scope="module")
def test_set() -> TestSet:
    return scenes_test_set(Counts(conditions=3, edits=5, exemplars=2), SIZE)


@pytest.fixture(scope="module")
def networks() -> Networks:
    return random_networks()


def test_figures_of_perfect_results(test_set: TestSet, networks: Networks) -> None:
    told: list[tuple[int, int]] = []
    found = measure(Truth(), test_set, networks, CPU, lambda d, t: told.append((d, t))).figures
    assert told[-1] == (6 + 5, 6 + 5)
    for part in ("translation", "manipulation"):
        assert found[f"{part}.fd"] == pytest.approx(0, abs=1e-4)
        assert found[f"{part}.kd"] <= 0
        assert found[f"{part}.swd"] == pytest.approx(0, abs=1e-3)
        assert found[f"{part}.semantic_52"] == pytest.approx(1, abs=1e-4)
        assert found[f"{part}.l1"] == 0 and found[f"{part}.ssim"] == pytest.approx(1)
        assert found[f"{part}.perceptual"] == pytest.approx(0, abs=1e-5)
        assert found[f"{part}.psnr"] == found[f"{part}.warped_psnr"] > 80
    assert found["translation.diversity_perceptual"] > 0.1
    assert found["seconds"] == pytest.approx(0.5)


def test_figures_of_copies_tell_them_from_translations(
    test_set: TestSet, networks: Networks
) -> None:
    copied, right = (measure(r, test_set, networks, CPU).figures for r in (Copies(), Truth()))
    assert copied["translation.copied"] > 0.9 > 0.2 > right["translation.copied"]
    assert copied["translation.psnr"] < 20 and copied["translation.semantic_52"] < 0.99
    # L1 by hand, of values in [0, 1].
    samples = list(every(test_set.translation))
    apart = torch.stack([(s.exemplar - s.truth).abs().mean() / 2 for s in samples])
    assert copied["translation.l1"] == pytest.approx(float(apart.mean()), rel=1e-5)
    assert "seconds" not in copied and "translation.warped_psnr" not in copied


def test_every_figure_is_called_by_its_network(test_set: TestSet, networks: Networks) -> None:
    found = measure(Truth(), test_set, networks, CPU)
    assert set(found.labels) == set(found.figures)
    reading = ("fd", "kd", "semantic", "style", "perceptual", "diversity")
    for figure, label in found.labels.items():
        reads = figure.partition(".")[2].startswith(reading)
        assert reads == (networks.backbone.label in label), figure
        assert not any(name in label for name in ("FID", "KID", "LPIPS", "VGG_"))


def test_without_a_truth_figures_that_need_one_are_left_out(
    networks: Networks, tmp_path: Path
) -> None:
    write_scenes(tmp_path / "corpus", 6, 3, SIZE)
    (tmp_path / "corpus" / "pairs.csv").unlink()
    source = open_source(tmp_path / "corpus", None, None)
    test = folder_test_set(source, Counts(9, 9, 2), SIZE, source.names[:4])
    found = measure(Truth(), test, networks, CPU).figures
    assert "translation.psnr" not in found and "translation.fd" in found
    assert found["manipulation.psnr"] > 80
    # A photograph counts once, and sides of other numbers are not read at the same places.
    paths = [tmp_path / f"{index}.png" for index in range(len(test.translation))]
    for path, sample in zip(paths, every(test.translation), strict=True):
        save_png(path, to_image(sample.truth))
    sliced = SlicedDistances(paths[::2], len(paths), CPU)
    assert found["translation.swd"] == pytest.approx(sliced.figure(paths).value, rel=1e-6)


def model(seed: int) -> Translator:
    config = tiny_experiment().model
    return Translator(build_network(config, seed), config)


def test_scores_are_kept_until_what_they_are_of_changes(
    test_set: TestSet, networks: Networks, tmp_path: Path
) -> None:
    config = tiny_experiment()
    run = Run(RABIT, 0, tmp_path / "seed-0", config, "scenes", ())
    run.folder.mkdir()
    save_model(run.model, model(0).network, config.model)
    (run.folder / "status.json").write_text('{"status": "finished", "seconds": 4.0}')
    run.log.write_text("$ rabit train\n")
    first = score_run(run, test_set, networks, CPU)
    # 8 steps of 2 images in 4 seconds.
    assert first.measured.figures["training_rate"] == 4.0
    path = scores_path(run)
    marked = json.loads(path.read_text())
    marked["figures"]["seconds"] = -1.0
    path.write_text(json.dumps(marked))
    assert score_run(run, test_set, networks, CPU).measured.figures["seconds"] == -1.0
    fewer = dataclasses.replace(test_set, translation=list(every(test_set.translation))[:4])
    assert score_run(run, fewer, networks, CPU).measured.figures["seconds"] > 0
    path.write_text(json.dumps(marked))
    assert score_run(run, test_set, random_networks(1), CPU).measured.figures["seconds"] > 0
    path.write_text(json.dumps(marked))
    save_model(run.model, model(1).network, config.model, overwrite=True)
    assert score_run(run, test_set, networks, CPU).measured.figures["seconds"] > 0
    path.write_text("{")
    (run.folder / "status.json").write_text('{"status": "finished"}')
    again = score_run(run, test_set, networks, CPU)
    assert again.measured.figures["seconds"] > 0 and "training_rate" not in again.measured.figures
