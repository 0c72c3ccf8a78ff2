from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rabit.study.manifest import (
    Manifest,
    Method,
    make_manifest,
    manifest_json,
    picture_folders,
    read_manifest,
)
from rabit.study.questions import PAPER_QUESTIONS, Question
from study_samples import manifest_of, write_pictures

GIVEN = {
    "methods": [{"name": "a", "folder": "a"}, {"name": "b", "folder": "b"}],
    "conditions": "c",
    "exemplars": "e",
}


def write(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    pair = {"item": "i", "question": "style", "right": "r.png", "wrong": ["w.png"]}
    file = write(tmp_path / "m.json", {**GIVEN, "gold_pairs": [pair], "truth": "/there"})
    manifest = make_manifest(read_manifest(file))
    assert manifest.methods[0] == Method("a", str(tmp_path / "a"))
    assert manifest.conditions == str(tmp_path / "c") and manifest.truth == "/there"
    assert manifest.gold_pairs[0].wrong == (str(tmp_path / "w.png"),)


def test_short_forms_are_understood(tmp_path: Path) -> None:
    own = {"id": "own", "text": "Which?"}
    short = {**GIVEN, "methods": {"a": "x", "b": "y"}, "questions": ["style", own]}
    manifest = make_manifest(read_manifest(write(tmp_path / "m.json", short)))
    assert manifest.methods == (Method("a", str(tmp_path / "x")), Method("b", str(tmp_path / "y")))
    assert manifest.questions == (PAPER_QUESTIONS[1], Question("own", "Which?"))


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = manifest_of(write_pictures(tmp_path / "p"), design="pairwise", title='Ü "<b>"')
    file = tmp_path / "m.json"
    file.write_text(manifest_json(manifest), encoding="utf-8")
    assert make_manifest(read_manifest(file)) == manifest


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"metods": []}, "unknown field metods"),
        ({"seed": "0"}, "seed is '0', expected int"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"raters": 0}, "raters is 0, expected a number above 0"),
        ({"raters": True}, "raters is True, expected int"),
        ({"items": 0}, "items is 0"),
        ({"gold": -1}, "gold is -1"),
        ({"design": "best"}, "design is 'best', expected one of k-way, pairwise"),
        ({"questions": []}, "questions is empty"),
        ({"questions": [{"id": "x"}]}, r"questions\[0\]: field text is missing"),
        ({"questions": ["bad"]}, "the question 'bad' is unknown"),
        ({"questions": ["style", "style"]}, "questions names 'style' twice"),
        ({"methods": [{"name": "a", "folder": "a"}]}, "methods has 1 entries, expected 2 to 12"),
        ({"methods": {"a": "x", " ": "y"}}, "methods has one without a name"),
        ({"methods": {"a": "x", "b": 3}}, r"methods\[1\].folder is 3, expected str"),
        ({"methods": {"a": "x", "b": ""}}, "b has no folder"),
        ({"methods": [{"name": "a", "folder": "x"}] * 2}, "methods names 'a' twice"),
        ({"exemplars": ""}, "exemplars is missing"),
        ({"consent": " "}, "consent is empty"),
        ({"gold_pairs": [{"item": "i", "question": "q", "right": "r", "wrong": []}]},
         r"gold_pairs\[0\].*wrong is empty"),
        ({"gold_pairs": [{"item": "i"}]}, r"gold_pairs\[0\]: field question is missing"),
        ({"gold_pairs": ["x"]}, r"gold_pairs\[0\].*expected a mapping"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    file = tmp_path / "m.json"
    with pytest.raises(ValueError, match=told):
        make_manifest(read_manifest(write(file, {**GIVEN, **change})), str(file))


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "[" * 100_000, '{"a": NaN}x'])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "m.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="m.json: (is no JSON|found)"):
        read_manifest(file)


def test_methods_are_needed() -> None:
    with pytest.raises(ValueError, match="methods is missing"):
        make_manifest({"conditions": "c"})


def test_a_folder_of_pictures_gives_methods_and_truth(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p")
    (root / "page.html").touch()
    (root / ".cache").mkdir()
    found = picture_folders(root)
    assert [method["name"] for method in found["methods"]] == ["alpha", "beta", "gamma"]
    assert found["truth"] == str(root / "truth")
    assert isinstance(make_manifest(found), Manifest)


def test_a_folder_without_conditions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="conditions: no such folder"):
        picture_folders(tmp_path)
    with pytest.raises(FileNotFoundError, match="with a sub-folder a method"):
        picture_folders(tmp_path / "none")
