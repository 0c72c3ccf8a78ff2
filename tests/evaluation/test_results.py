from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rabit.data.images import save_png, to_image
from rabit.data.scenes import CLASSES
from rabit.evaluation.baselines import class_mean_colours
from rabit.evaluation.results import BaselineResults, FolderResults, ModelResults, export_pairs
from rabit.evaluation.testset import Counts, TestSet, every, file_name, scenes_test_set
from rabit.inference import Translator
from rabit.model.network import build_network
from tiny import tiny_experiment

SIZE = (64, 64)


@pytest.fixture(scope="module")
def test_set() -> TestSet:
    return scenes_test_set(Counts(conditions=2, edits=3, exemplars=2), SIZE)


def model(seed: int, method: str = "ranking") -> Translator:
    config = tiny_experiment(alignment__method=method).model
    return Translator(build_network(config, seed), config)


def test_models_are_measured_as_they_translate(test_set: TestSet) -> None:
    samples = list(every(test_set.translation))
    made = ModelResults(model(0)).make("translation", 0, samples)
    assert made.images.shape == (4, 3, *SIZE) and made.warped is not None
    levels = (made.images + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert made.seconds is not None and made.seconds > 0
    assert ModelResults(model(0, "none")).make("translation", 0, samples).warped is None


def test_baselines_paint_what_they_compute(test_set: TestSet) -> None:
    sample = test_set.translation[0]
    made = BaselineResults(class_mean_colours, len(CLASSES)).make("translation", 0, [sample])
    regions = sample.condition.regions
    for number in regions.unique():
        colours = made.images[0][:, regions == number]
        assert torch.equal(colours, colours[:, :1].expand_as(colours))
    assert made.warped is None and made.seconds is None


def test_exported_pairs_come_back_as_results(test_set: TestSet, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    assert export_pairs(test_set, out) == 7
    rows = (out / "pairs.csv").read_text().splitlines()
    assert rows[0] == "name,part,condition,exemplar,exemplar_condition" and len(rows) == 8
    assert rows[1].startswith("translation-00000,translation,conditions/translation-00000.png,")
    assert (out / "classes.txt").read_text().split() == list(CLASSES)
    sample = test_set.translation[1]
    ids = np.array(Image.open(out / "conditions/translation-00001.png"))
    assert (ids == sample.condition.regions.numpy()).all()
    exemplar = np.array(Image.open(out / "exemplars/translation-00001.png"))
    assert (exemplar == to_image(sample.exemplar)).all()
    with pytest.raises(FileExistsError, match="not empty"):
        export_pairs(test_set, out)
    assert export_pairs(test_set, out, overwrite=True) == 7
    # The exemplars, as another program's results.
    other = FolderResults("other", out / "exemplars")
    other.check(test_set)
    made = other.make("translation", 1, [sample])
    assert torch.allclose(made.images[0], sample.exemplar, atol=1e-6) and made.warped is None
    before = other.digest(test_set)
    assert before == FolderResults("same", out / "exemplars").digest(test_set)
    save_png(out / "exemplars/manipulation-00002.png", np.zeros((64, 64, 3), np.uint8), True)
    assert other.digest(test_set) != before


def test_only_exports_are_replaced(test_set: TestSet, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("condition,exemplar,exemplar_condition,truth\n")
    with pytest.raises(FileExistsError, match="other files than exported pairs"):
        export_pairs(test_set, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    for overwrite in (False, True):
        with pytest.raises(KeyboardInterrupt):
            export_pairs(test_set, out, overwrite, stop)
        # Nothing of an export that was stopped is taken for pairs.
        assert (out / "pairs.csv").read_text().count("\n") == 1
        assert export_pairs(test_set, out, overwrite=True) == 7


def test_missing_and_wrongly_sized_results_are_named(test_set: TestSet, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--results a=.*gone: no such folder"):
        FolderResults("a", tmp_path / "gone").check(test_set)
    other = FolderResults("a", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"7 of 7 .* the first is translation-00000\.png"):
        other.check(test_set)
    save_png(tmp_path / f"{file_name('translation', 0)}.png", np.zeros((32, 64, 3), np.uint8))
    with pytest.raises(ValueError, match=r"translation-00000\.png is 32x64 .*expected 64x64"):
        other.make("translation", 0, [test_set.translation[0]])
    with pytest.raises(ValueError, match=r"no picture translation-00001\.png"):
        other.make("translation", 1, [test_set.translation[1]])


def test_a_damaged_result_is_named_before_any_work(test_set: TestSet, tmp_path: Path) -> None:
    export_pairs(test_set, tmp_path / "pairs", overwrite=False)
    other = FolderResults("a", tmp_path / "pairs" / "exemplars")
    other.check(test_set)
    path = other.folder / "manipulation-00001.png"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"manipulation-00001\.png"):
        other.check(test_set)
