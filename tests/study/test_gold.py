from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from rabit.study.files import load_key
from rabit.study.make import make_study
from study_samples import manifest_of, small_study, write_pictures


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_gold_without_truth_is_the_mirrored_exemplar(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", truth=False)
    loaded = small_study(tmp_path, gold=4)
    right = [picture for picture in load_key(loaded).pictures if picture.role == "right"]
    assert len(right) == 4
    for picture in right:
        with Image.open(tmp_path / "pictures" / "exemplars" / f"{picture.item}.png") as image:
            mirrored = np.asarray(ImageOps.mirror(image))
        own = pixels(loaded.folder / "pictures" / f"{picture.id}.png")
        assert np.array_equal(own, mirrored)


def test_gold_pairs_of_the_user(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    pair = {
        "item": "item-1",
        "question": "style",
        "right": str(root / "truth" / "item-1.png"),
        "wrong": [str(root / "alpha" / "item-2.png")],
    }
    loaded = small_study(tmp_path, gold=0, gold_pairs=[pair])
    key = load_key(loaded)
    gold = [trial for trial in key.trials if trial.kind == "gold"]
    assert len(gold) == 3
    trials = {trial.id: trial for sheet in loaded.study.sheets for trial in sheet.trials}
    for told in gold:
        assert trials[told.id].question == "style" and len(trials[told.id].choices) == 2
    for change, expected in (
        ({"item": "none"}, r"gold_pairs\[0\]: item 'none' is not one of the study's"),
        ({"question": "none"}, r"gold_pairs\[0\]: question 'none' is not asked"),
    ):
        with pytest.raises(ValueError, match=expected):
            make_study(manifest_of(root, gold_pairs=[{**pair, **change}]), tmp_path / "no")
    assert not (tmp_path / "no").exists()
