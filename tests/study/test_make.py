from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.study.files import load_key, load_study, require_pictures
from rabit.study.make import make_study
from study_samples import METHODS, SIZE, manifest_of, small_study, write_pictures


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("design", ["k-way", "pairwise"])
def test_every_picture_is_the_one_that_the_key_says(tmp_path: Path, design: str) -> None:
    loaded = small_study(tmp_path, design=design)
    key = load_key(loaded)
    counts = Counter(picture.role for picture in key.pictures)
    wrong = 2 * (1 if design == "pairwise" else 2)
    assert counts == {"condition": 4, "exemplar": 4, "result": 12, "right": 2, "wrong": wrong}
    folders = {"condition": "conditions", "exemplar": "exemplars", "right": "truth"}
    for picture in key.pictures:
        own = pixels(loaded.folder / "pictures" / f"{picture.id}.png")
        folder = folders.get(picture.role, picture.method)
        if picture.role != "wrong":
            source = pixels(tmp_path / "pictures" / folder / f"{picture.item}.png")
            assert np.array_equal(own, source)
        assert own.shape == (*SIZE[::-1], 3)
    shown = {item.condition: item.exemplar for item in loaded.study.items}
    roles = {picture.id: picture for picture in key.pictures}
    assert all(roles[c].item == roles[e].item for c, e in shown.items())


def test_trials_are_what_the_key_says(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, raters=5, gold=3, repeats=3)
    key = load_key(loaded)
    pictures = {picture.id: picture for picture in key.pictures}
    items = {item.id: pictures[item.condition].item for item in loaded.study.items}
    kinds = {trial.id: trial for trial in key.trials}
    for sheet in loaded.study.sheets:
        own = {trial.id: trial for trial in sheet.trials}
        assert Counter(kinds[t].kind for t in own) == {"main": 8, "gold": 3, "repeat": 3}
        for trial in sheet.trials:
            told = kinds[trial.id]
            assert {pictures[choice].item for choice in trial.choices} == {items[trial.item]}
            if told.kind == "gold":
                assert [pictures[c].role for c in trial.choices].count("right") == 1
                assert told.right in trial.choices and pictures[told.right].role == "right"
                continue
            assert sorted(pictures[choice].method for choice in trial.choices) == sorted(METHODS)
            if told.kind == "repeat":
                first = own[told.of]
                assert set(first.choices) == set(trial.choices) and first.choices != trial.choices


def test_nothing_that_is_served_names_a_method(tmp_path: Path) -> None:
    names = ("RABIT ours", 'größer "<b>&', "SPADE")
    write_pictures(tmp_path / "pictures", methods=names)
    loaded = small_study(tmp_path, picture_url="https://example.org/p")
    hidden = [name.encode() for name in names] + [json.dumps(names[1])[1:-1].encode()]
    for path, content in contents(loaded.folder).items():
        if path not in ("key.json", "manifest.json"):
            assert not any(name in content or name.decode() in path for name in hidden), path
    assert load_key(loaded).methods == tuple(sorted(names))
    for file in (loaded.folder / "pictures").iterdir():
        with Image.open(file) as image:
            assert image.info == {}


def test_the_seed_alone_decides(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_study(manifest_of(root, seed=seed), tmp_path / name)
    one, same, other = (contents(tmp_path / name) for name in "abc")
    assert one == same and one["study.json"] != other["study.json"]
    assert set(one) & set(other) == {"study.json", "key.json", "manifest.json"}


def test_the_papers_protocol_is_the_default(tmp_path: Path) -> None:
    """As many trials as items times both questions, of all methods, for 10 raters."""
    root = write_pictures(tmp_path / "pictures", items=3)
    fields = {"raters": 10, "gold": None, "repeats": None}
    made = make_study(manifest_of(root, **fields), tmp_path / "study")
    assert (made.items, made.sheets, made.main, made.gold, made.repeats) == (3, 10, 6, 1, 1)
    study = load_study(tmp_path / "study").study
    assert [question.id for question in study.questions] == ["quality", "style"]
    assert all(len(trial.choices) == 3 for sheet in study.sheets for trial in sheet.trials)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"trials_per_rater": 7}, "expected a multiple of the 2 questions"),
        ({"trials_per_rater": 10}, "asks for 5 trials a question, but there are 4 items"),
        ({"repeats": 5}, "repeats is 5, but at most 4 of a rater's 8 trials"),
    ],
)
def test_numbers_that_do_not_fit_are_named(
    tmp_path: Path, fields: dict[str, int], told: str
) -> None:
    root = write_pictures(tmp_path / "pictures")
    with pytest.raises(ValueError, match=told):
        make_study(manifest_of(root, **fields), tmp_path / "study")


def test_a_study_replaces_its_own_files_only(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    out = tmp_path / "study"
    make_study(manifest_of(root), out)
    (out / "mine.txt").touch()
    before = contents(out)
    with pytest.raises(ValueError, match="is not empty"):
        make_study(manifest_of(root, seed=1), out)
    assert contents(out) == before
    make_study(manifest_of(root, seed=1), out, overwrite=True)
    made = load_study(out).study
    assert {path.stem for path in (out / "pictures").iterdir()} == {p.id for p in made.pictures}
    assert (out / "mine.txt").exists()


def test_a_replacement_that_was_killed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out, whole = write_pictures(tmp_path / "pictures"), tmp_path / "study", tmp_path / "whole"
    make_study(manifest_of(root, seed=1), whole)
    make_study(manifest_of(root), out)
    moves = 2 * len(contents(out))
    rename = Path.rename
    for last in range(1, moves, 3):
        done: list[Path] = []

        def killed(source: Path, target: Path, done: list[Path] = done, last: int = last) -> Path:
            done.append(target)
            if len(done) >= last:  # Nothing is brought back any more either.
                raise RuntimeError("killed")
            return rename(source, target)

        monkeypatch.setattr(Path, "rename", killed)
        with pytest.raises(RuntimeError, match="killed"):
            make_study(manifest_of(root, seed=1), out, overwrite=True)
        monkeypatch.undo()
        if (out / "study.json").exists() and len(done) > 2:
            loaded = load_study(out)
            if not all((out / f"pictures/{p.id}.png").exists() for p in loaded.study.pictures):
                with pytest.raises(FileNotFoundError, match="pictures are missing"):
                    require_pictures(loaded)
        make_study(manifest_of(root, seed=1), out, overwrite=True)
        assert contents(out) == contents(whole)
        require_pictures(load_study(out))
        make_study(manifest_of(root), out, overwrite=True)


def test_a_study_with_answers_is_not_replaced(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    out = tmp_path / "study"
    make_study(manifest_of(root), out)
    (out / "answers.sqlite").touch()
    with pytest.raises(ValueError, match="holds answers"):
        make_study(manifest_of(root), out, overwrite=True)


def test_a_damaged_picture_leaves_nothing(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    (root / "gamma" / "item-3.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"item-3\.png: cannot be read"):
        make_study(manifest_of(root), tmp_path / "study")
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
