from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rabit.evaluation.folder import EvaluationFolder, complete, folder_name, stacked
from rabit.writing import partial_path

RECORD: dict[str, Any] = {
    "version": 1,
    "samples": {"translation": 3},
    "methods": {"a": {"kind": "model", "weights": "12"}},
    "networks": {"random": "ab"},
}


def test_methods_and_networks_may_be_added(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path / "out")
    folder.settle(RECORD, overwrite=False)
    folder.settle({**RECORD, "methods": {"b": {}}, "networks": {"vgg": "cd"}}, overwrite=False)
    kept = json.loads(folder.record.read_text())
    assert set(kept["methods"]) == {"a", "b"} and set(kept["networks"]) == {"random", "vgg"}


def test_what_is_told_of_methods_may_change(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path / "out")
    assert folder.methods() == ()
    folder.settle({**RECORD, "told": {"a": {"seen": 1}}}, overwrite=False)
    other = {**RECORD, "methods": {"b": {}}, "told": {"b": {"seen": 0}}}
    assert folder.settle(other, overwrite=False)["told"] == {"a": {"seen": 1}, "b": {"seen": 0}}
    written = folder.settle({**RECORD, "told": {"a": {"seen": 3}}}, overwrite=False)
    assert written["told"]["a"] == {"seen": 3} and folder.methods() == ("a", "b")
    assert json.loads(folder.record.read_text()) == written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": {"translation": 4}}, r"another samples: found .*3.*, expected .*4"),
        ({"methods": {"a": {"kind": "model", "weights": "13"}}}, "figures of another a: found"),
        ({"networks": {"random": "zz"}}, "figures of another random"),
    ],
)
def test_another_evaluation_is_refused_or_replaced(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.settle(RECORD, overwrite=False)
    folder.write_figures("a", "translation-00000", {"psnr": torch.ones(3)})
    with pytest.raises(ValueError, match=message):
        folder.settle({**RECORD, **change}, overwrite=False)
    assert folder.read_figures("a", "translation-00000") is not None
    folder.settle({**RECORD, **change}, overwrite=True)
    assert folder.read_figures("a", "translation-00000") is None
    assert json.loads(folder.record.read_text()) == {**RECORD, **change}


def test_a_test_set_may_have_another_name(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.settle({**RECORD, "test set": "9 of here", "digest": "ab"}, overwrite=False)
    moved = {**RECORD, "test set": "9 of there", "digest": "ab"}
    assert folder.settle(moved, overwrite=False)["test set"] == "9 of there"
    with pytest.raises(ValueError, match="another test set: found .*there.*, expected .*elsewhere"):
        folder.settle({**moved, "test set": "9 of elsewhere", "digest": "cd"}, overwrite=False)


def test_tables_of_a_replaced_evaluation_are_deleted(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.settle(RECORD, overwrite=False)
    for name in ("figures.json", "figures.csv", "tables.md", "report.html", "mine.txt"):
        (tmp_path / name).touch()
    folder.settle(RECORD, overwrite=False)
    assert len(list(tmp_path.iterdir())) == 6
    folder.settle(RECORD, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.json", "mine.txt"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="holds no evaluation"):
            EvaluationFolder(tmp_path).settle(RECORD, overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_replacing_keeps_what_is_not_the_evaluation_s(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.settle(RECORD, overwrite=False)
    (tmp_path / "notes.txt").write_text("mine")
    folder.settle({**RECORD, "version": 2}, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_a_killed_process_left_half_written_is_deleted(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.settle(RECORD, overwrite=False)
    left = [partial_path(folder.picture("truth", "a")), partial_path(tmp_path / "report.html")]
    for path in (*left, tmp_path / "mine.part"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    folder.settle(RECORD, overwrite=False)
    assert not any(path.exists() for path in left) and (tmp_path / "mine.part").exists()


def test_a_damaged_record_is_said(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.record.write_text('{"methods": [')
    with pytest.raises(ValueError, match=r"evaluation\.json: damaged.*--overwrite"):
        folder.settle(RECORD, overwrite=False)
    folder.settle(RECORD, overwrite=True)
    assert json.loads(folder.record.read_text()) == RECORD


def test_figures_come_back_and_damaged_ones_do_not_count(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    figures = {"psnr": torch.tensor([1.0, float("nan")]).double(), "features_x": torch.ones(2, 3)}
    folder.write_figures("a", "b", figures)
    read = folder.read_figures("a", "b")
    assert read is not None and torch.equal(read["features_x"], figures["features_x"])
    assert complete(read, 2, frozenset({"psnr"}))
    assert not complete(read, 3, frozenset({"psnr"}))
    assert not complete(read, 2, frozenset({"ssim"}))
    path = folder.figures("a", "b")
    path.write_bytes(path.read_bytes()[:40])
    assert folder.read_figures("a", "b") is None and not complete(None, 2, frozenset())


def test_batches_are_stacked_by_what_all_have() -> None:
    found = stacked([{"a": torch.ones(2), "b": torch.ones(2)}, {"a": torch.zeros(1)}])
    assert set(found) == {"a"} and found["a"].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("method", "expected"),
    [("a/b c", "a-b-c"), ("../../etc", "etc"), ("Köln v2.1", "Köln-v2.1"), ("x" * 200, "x" * 100)],
)
def test_names_become_names_of_folders(method: str, expected: str) -> None:
    assert folder_name(method) == expected


@pytest.mark.parametrize("method", ["///", "", "truth", "..", "exemplars"])
def test_names_that_cannot_be_folders_are_refused(method: str) -> None:
    with pytest.raises(ValueError, match="give another one as NAME"):
        folder_name(method)
