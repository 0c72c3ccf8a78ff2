from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.study.album import Names
from rabit.study.files import load_key, load_study
from rabit.study.make import make_study
from study_samples import SIZE, manifest_of, write_pictures


def test_names_are_opaque_and_all_different() -> None:
    names = Names(np.random.default_rng(0))
    drawn = [names.draw() for _ in range(2000)]
    assert len(set(drawn)) == 2000 and drawn != sorted(drawn)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in drawn)


def test_sizes_that_tell_methods_apart_are_refused(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    for path in (root / "beta").iterdir():
        with Image.open(path) as image:
            image.resize((48, 32)).save(path)
    with pytest.raises(ValueError, match="item item-0: alpha has 24x16 pixels and beta 48x32"):
        make_study(manifest_of(root), tmp_path / "study")
    make_study(manifest_of(root, resize=True), tmp_path / "study")
    roles = {p.id: p.role for p in load_key(load_study(tmp_path / "study")).pictures}
    sizes = {
        (picture.width, picture.height)
        for picture in load_study(tmp_path / "study").study.pictures
        if roles[picture.id] in ("result", "right", "wrong")
    }
    assert sizes == {(48, 32)}


def test_a_map_of_numbers_is_remarked_upon(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    for path in (root / "conditions").iterdir():
        Image.new("L", SIZE, 7).save(path)
    made = make_study(manifest_of(root), tmp_path / "study")
    assert len(made.notes) == 1 and "almost black" in made.notes[0]
