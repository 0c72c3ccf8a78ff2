from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rabit.study.files import digest, load_key, load_study
from study_samples import small_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_study(tmp_path_factory.mktemp("files")).folder


def copied(made: Path, to: Path, file: str = "", **changes: Any) -> Path:
    """A copy of the JSON files with some fields of one changed."""
    to.mkdir(exist_ok=True)
    for name in ("study.json", "key.json"):
        data = json.loads((made / name).read_text())
        if name == file:
            data |= changes
        (to / name).write_text(
            (made / name).read_text() if name != file else json.dumps(data), encoding="utf-8"
        )
    return to


def test_what_was_made_is_read(made: Path) -> None:
    loaded = load_study(made)
    key = load_key(loaded)
    assert loaded.digest == key.study == digest((made / "study.json").read_text())
    assert key.methods == ("alpha", "beta", "gamma") and key.design == "k-way"


def test_missing_files_are_named(made: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="rabit study make"):
        load_study(tmp_path)
    folder = copied(made, tmp_path)
    (folder / "key.json").unlink()
    with pytest.raises(FileNotFoundError, match="bring the key back"):
        load_key(load_study(folder))


def trial(**fields: Any) -> list[dict[str, Any]]:
    plain = {"id": "t", "item": "i", "question": "quality", "choices": ["a", "b"]}
    return [{"trials": [{**plain, **fields}]}]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 2}, "version is 2, expected 1"),
        ({"sheets": []}, "sheets has none"),
        ({"sheets": [{"trials": []}]}, "sheets has none, or one without trials"),
        ({"sheets": trial()}, "trials: t names 'i', which is not there"),
        ({"sheets": "x"}, "sheets is 'x', expected a list"),
        ({"sheets": [{}]}, r"sheets\[0\]: field trials is missing"),
        ({"items": [{"id": "i", "condition": "no", "exemplar": "no"}]}, "items: i names 'no'"),
        ({"pictures": []}, "which is not there"),
        ({"extra": 1}, "unknown field extra"),
        ({"pictures": [{"id": "../key", "width": 1, "height": 1}]}, "id is '../key', expected dig"),
    ],
)
def test_damaged_studies_are_refused(
    made: Path, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        load_study(copied(made, tmp_path, "study.json", **changes))


def test_wrong_choices_are_refused(made: Path, tmp_path: Path) -> None:
    study = load_study(made).study
    picture, item = study.pictures[0].id, study.items[0].id
    for choices, told in (
        ([picture], "two or more different choices"),
        ([picture, picture], "two or more different choices"),
        ([picture, "x"], "names 'x', which is not there"),
    ):
        sheets = trial(item=item, choices=choices)
        with pytest.raises(ValueError, match=told):
            load_study(copied(made, tmp_path, "study.json", sheets=sheets))


def test_the_key_of_another_study_is_refused(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path, "study.json", title="Another")
    with pytest.raises(ValueError, match="belongs to another study"):
        load_key(load_study(folder))
    folder = copied(made, tmp_path, "key.json", trials=[])
    with pytest.raises(ValueError, match="trials are not those of study.json"):
        load_key(load_study(folder))
    folder = copied(made, tmp_path, "key.json", trials=[{"id": "t", "kind": "best"}])
    with pytest.raises(ValueError, match="kind is 'best', expected one of main, gold, repeat"):
        load_key(load_study(folder))
