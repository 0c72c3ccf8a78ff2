from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rabit.ablation.measure import measure
from rabit.ablation.plan import Run
from rabit.ablation.results import FolderResults, Made, ModelResults, export_pairs
from rabit.ablation.rows import RABIT
from rabit.ablation.score import score_run, scores_path
from rabit.ablation.testset import (
    EXEMPLARS,
    Counts,
    TestSet,
    every,
    file_name,
    folder_test_set,
    scenes_test_set,
)
from rabit.data.batch import Sample
from rabit.data.edits import EditRules, write_edits
from rabit.data.images import save_png, to_image
from rabit.data.layouts.find import open_source
from rabit.data.scenes import CLASSES, write_scenes
from rabit.inference import Translator
from rabit.layers.perceptual import random_backbone
from rabit.layers.vgg import Vgg
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
    return scenes_test_set(Counts(pairs=4, diverse=2, edits=5), SIZE)


@pytest.fixture(scope="module")
def backbone() -> Vgg:
    return random_backbone()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus") / "scenes"
    write_scenes(out, 6, 3, SIZE)
    return out


def test_scenes_are_held_out_and_their_parts_fit(test_set: TestSet) -> None:
    assert [len(part) for part in test_set.parts().values()] == [4, 2 * EXEMPLARS, 5]
    group = [test_set.diverse[i] for i in range(EXEMPLARS)]
    own = test_set.translation[0]
    assert torch.equal(group[0].exemplar, own.exemplar)
    assert torch.equal(group[0].truth, own.truth)
    for sample in group:
        assert torch.equal(sample.condition.regions, own.condition.regions) and sample.paired
    assert not torch.equal(group[0].exemplar, group[1].exemplar)
    assert not torch.equal(group[0].truth, group[2].truth)
    for sample in every(test_set.manipulation):
        changed = sample.condition.regions != sample.exemplar_condition.regions
        assert 0 < float(changed.float().mean()) < 0.5
        assert torch.equal(sample.exemplar[:, ~changed], sample.truth[:, ~changed])


def test_a_digest_changes_with_the_samples(test_set: TestSet) -> None:
    same = scenes_test_set(Counts(pairs=4, diverse=2, edits=5), SIZE)
    fewer = scenes_test_set(Counts(pairs=3, diverse=2, edits=5), SIZE)
    assert same.digest() == test_set.digest() != fewer.digest()
    pixels = dataclasses.replace(test_set, translation=list(every(test_set.translation)))
    pixels.translation[0].truth[0, 5, 5] += 0.5
    assert pixels.digest() != test_set.digest()


def test_figures_of_perfect_results(test_set: TestSet, backbone: Vgg) -> None:
    told: list[tuple[int, int]] = []
    found = measure(Truth(), test_set, backbone, CPU, lambda d, t: told.append((d, t))).figures
    assert told[-1] == (4 + 6 + 5, 4 + 6 + 5)
    for part in ("translation", "manipulation"):
        assert found[f"{part}.fd"] == pytest.approx(0, abs=1e-4)
        assert found[f"{part}.swd"] == pytest.approx(0, abs=1e-3)
        assert found[f"{part}.semantic"] == pytest.approx(1, abs=1e-4)
        assert found[f"{part}.l1"] == 0 and found[f"{part}.ssim"] == pytest.approx(1)
        assert found[f"{part}.perceptual"] == pytest.approx(0, abs=1e-5)
        assert found[f"{part}.psnr"] == found[f"{part}.warped_psnr"] > 80
    assert found["translation.diversity"] > 0.1
    assert found["seconds"] == pytest.approx(0.5)


def test_figures_of_copies_tell_them_from_translations(test_set: TestSet, backbone: Vgg) -> None:
    copied, right = (measure(r, test_set, backbone, CPU).figures for r in (Copies(), Truth()))
    assert copied["translation.copied"] > 0.9 > 0.2 > right["translation.copied"]
    assert copied["translation.psnr"] < 20 and copied["translation.semantic"] < 0.99
    # L1 by hand, of values in [0, 1].
    samples = list(every(test_set.translation))
    apart = torch.stack([(s.exemplar - s.truth).abs().mean() / 2 for s in samples])
    assert copied["translation.l1"] == pytest.approx(float(apart.mean()), rel=1e-5)
    assert "seconds" not in copied and "translation.warped_psnr" not in copied


def test_every_figure_is_called_by_its_network(test_set: TestSet, backbone: Vgg) -> None:
    found = measure(Truth(), test_set, backbone, CPU)
    assert set(found.labels) == set(found.figures)
    reading = ("fd", "semantic", "style", "perceptual", "diversity")
    for figure, label in found.labels.items():
        assert (figure.rpartition(".")[2] in reading) == (backbone.label in label)
        assert not any(name in label for name in ("FID", "LPIPS", "VGG_"))


def model(seed: int, method: str = "ranking") -> Translator:
    config = tiny_experiment(alignment__method=method).model
    return Translator(build_network(config, seed), config)


def test_models_are_measured_as_they_translate(test_set: TestSet) -> None:
    samples = list(every(test_set.translation))
    made = ModelResults(model(0)).make("translation", 0, samples)
    assert made.images.shape == (4, 3, *SIZE) and made.warped is not None
    levels = (made.images + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert ModelResults(model(0, "none")).make("translation", 0, samples).warped is None


def test_scores_are_kept_until_what_they_are_of_changes(
    test_set: TestSet, backbone: Vgg, tmp_path: Path
) -> None:
    config = tiny_experiment()
    run = Run(RABIT, 0, tmp_path / "seed-0", config, "scenes", ())
    run.folder.mkdir()
    save_model(run.model, model(0).network, config.model)
    (run.folder / "status.json").write_text('{"status": "finished", "seconds": 4.0}')
    run.log.write_text("$ rabit train\n")
    first = score_run(run, test_set, backbone, CPU)
    # 8 steps of 2 images in 4 seconds.
    assert first.measured.figures["training_rate"] == 4.0
    path = scores_path(run)
    marked = json.loads(path.read_text())
    marked["figures"]["seconds"] = -1.0
    path.write_text(json.dumps(marked))
    assert score_run(run, test_set, backbone, CPU).measured.figures["seconds"] == -1.0
    fewer = dataclasses.replace(test_set, translation=list(every(test_set.translation))[:3])
    assert score_run(run, fewer, backbone, CPU).measured.figures["seconds"] > 0
    path.write_text(json.dumps(marked))
    assert score_run(run, test_set, random_backbone(1), CPU).measured.figures["seconds"] > 0
    path.write_text(json.dumps(marked))
    save_model(run.model, model(1).network, config.model, overwrite=True)
    assert score_run(run, test_set, backbone, CPU).measured.figures["seconds"] > 0
    path.write_text("{")
    (run.folder / "status.json").write_text('{"status": "finished"}')
    again = score_run(run, test_set, backbone, CPU)
    assert again.measured.figures["seconds"] > 0 and "training_rate" not in again.measured.figures


def test_exported_pairs_come_back_as_results(test_set: TestSet, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    assert export_pairs(test_set, out) == 15
    rows = (out / "pairs.csv").read_text().splitlines()
    assert rows[0] == "name,part,condition,exemplar,exemplar_condition" and len(rows) == 16
    assert rows[1].startswith("translation-00000,translation,conditions/translation-00000.png,")
    assert (out / "classes.txt").read_text().split() == list(CLASSES)
    sample = test_set.translation[1]
    ids = np.array(Image.open(out / "conditions/translation-00001.png"))
    assert (ids == sample.condition.regions.numpy()).all()
    exemplar = np.array(Image.open(out / "exemplars/translation-00001.png"))
    assert (exemplar == to_image(sample.exemplar)).all()
    with pytest.raises(FileExistsError, match="not empty"):
        export_pairs(test_set, out)
    # The exemplars, as another program's results.
    other = FolderResults("other", out / "exemplars")
    other.check(test_set)
    made = other.make("translation", 1, [sample])
    assert torch.allclose(made.images[0], sample.exemplar, atol=1e-6) and made.warped is None


def test_missing_and_wrongly_sized_results_are_named(test_set: TestSet, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--results a=.*gone: no such folder"):
        FolderResults("a", tmp_path / "gone").check(test_set)
    other = FolderResults("a", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"15 of 15 .* the first is translation-00000\.png"):
        other.check(test_set)
    save_png(tmp_path / f"{file_name('translation', 0)}.png", np.zeros((32, 64, 3), np.uint8))
    with pytest.raises(ValueError, match=r"translation-00000\.png is 32x64 .*expected 64x64"):
        other.make("translation", 0, [test_set.translation[0]])
    with pytest.raises(ValueError, match=r"no picture translation-00001\.png"):
        other.make("translation", 1, [test_set.translation[1]])


def test_a_folder_with_pairs_is_measured_on_those_held_out(corpus: Path, backbone: Vgg) -> None:
    source = open_source(corpus, None, None)
    counts = Counts(pairs=9, diverse=2, edits=9)
    test = folder_test_set(source, counts, SIZE, ["00001.png", "00004.png", "00005.png"])
    assert [sample.name for sample in every(test.translation)] == ["00001", "00004", "00005"]
    assert all(sample.paired for sample in every(test.translation)) and not test.edited
    for sample in every(test.manipulation):
        assert torch.equal(sample.exemplar, sample.truth) and sample.paired
    group = [test.diverse[i] for i in range(EXEMPLARS)]
    assert [sample.paired for sample in group] == [True, False, False]
    assert torch.equal(group[1].exemplar, test.translation[1].exemplar)
    assert measure(Truth(), test, backbone, CPU).figures["translation.psnr"] > 80


def test_without_a_truth_figures_that_need_one_are_left_out(
    corpus: Path, backbone: Vgg, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("images", "labels", "classes.txt"):
        (bare / name).symlink_to(corpus / name)
    source = open_source(bare, None, None)
    test = folder_test_set(source, Counts(9, 2, 9), SIZE, source.names[:4])
    found = measure(Truth(), test, backbone, CPU).figures
    assert "translation.psnr" not in found and "translation.fd" in found
    assert found["manipulation.psnr"] > 80
    with pytest.raises(ValueError, match="1 pictures are held out, but measuring takes 2"):
        folder_test_set(source, Counts(9, 2, 9), SIZE, source.names[:1])


def test_edits_of_pictures_that_were_trained_on_are_left_out(corpus: Path, tmp_path: Path) -> None:
    source = open_source(corpus, None, None)
    write_edits(source, tmp_path / "edits", 8, EditRules(seed=0, size=SIZE))
    edits = open_source(tmp_path / "edits", None, None)
    with (tmp_path / "edits/edits.csv").open() as lines:
        sources = [row["source"] for row in csv.DictReader(lines)]
    held = sorted(set(sources))[:2]
    test = folder_test_set(source, Counts(9, 2, 9), SIZE, held, edits)
    kept = [f"{number:05d}" for number, name in enumerate(sources) if name in held]
    assert test.edited and 2 <= len(kept) < 8
    assert [sample.name for sample in every(test.manipulation)] == kept
    unseen = sorted(set(source.names) - set(sources))
    if len(unseen) >= 2:
        with pytest.raises(ValueError, match="0 of 8 edits are of pictures that were not trained"):
            folder_test_set(source, Counts(9, 2, 9), SIZE, unseen, edits)
    source.channels = ("other",)
    with pytest.raises(ValueError, match="rabit data edits writes such a folder"):
        folder_test_set(source, Counts(9, 2, 2), SIZE, held, edits)
