from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.check import Report, check_folder
from rabit.data.checking import files
from rabit.data.corpus import SourceCorpus
from rabit.data.generated.layouts import write_layout
from rabit.data.layouts.find import open_source
from samples import samples

COUNT = 12
LAYOUTS = ("ade20k", "celebahq", "celebahq-edge", "deepfashion")


@pytest.fixture(scope="session")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated corpora, each named as its layout; read only."""
    root = tmp_path_factory.mktemp("layouts")
    for layout in LAYOUTS:
        write_layout(root / layout, layout, COUNT, 1, 64)
    return root


def problems(report: Report) -> list[tuple[str, str]]:
    return sorted((finding.files[0].name, finding.kind) for finding in report.problems)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sound_corpora(layouts: Path, layout: str) -> None:
    report = check_folder(layouts / layout, layout=layout)
    assert report.problems == ()
    assert len(report.records) == COUNT and report.sizes == (((64, 64), COUNT),)
    shares = [use.share for use in report.classes]
    assert not shares or sum(shares) == pytest.approx(1)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scrawl(path: Path) -> None:
    path.write_text("x y z")


def raise_ids(path: Path) -> None:
    with Image.open(path) as image:
        labels = np.array(image)
    Image.fromarray(labels + 180).save(path)


def colour(path: Path) -> None:
    with Image.open(path) as image:
        labels = np.array(image)
    Image.fromarray(np.dstack([labels, labels // 2, labels])).save(path)


@pytest.mark.parametrize(
    ("layout", "pattern", "damage", "kind"),
    [
        ("ade20k", "*.jpg", cut, "damaged"),
        ("ade20k", "*.png", empty, "empty-file"),
        ("ade20k", "*.png", raise_ids, "unknown-ids"),
        ("ade20k", "*.png", colour, "coloured-map"),
        ("celebahq", "*.jpg", scrawl, "not-an-image"),
        ("celebahq", "all_parts*/*.png", raise_ids, "unknown-ids"),
        ("celebahq-edge", "*_nose.png", cut, "damaged"),
        ("celebahq-edge", "*_nose.png", empty, "empty-file"),
        ("deepfashion", "*.jpg", cut, "damaged"),
        ("deepfashion", "*_candidate.txt", cut, "bad-joints"),
        ("deepfashion", "*_subset.txt", scrawl, "bad-joints"),
        ("deepfashion", "*_candidate.txt", Path.unlink, "no-joints"),
        ("deepfashion", "*_subset.txt", Path.unlink, "no-joints"),
    ],
)
def test_a_fault_is_named_and_nothing_else(
    layouts: Path,
    tmp_path: Path,
    layout: str,
    pattern: str,
    damage: Callable[[Path], object],
    kind: str,
) -> None:
    root = tmp_path / layout
    shutil.copytree(layouts / layout, root)
    path = sorted(root.rglob(pattern))[3]
    damage(path)
    assert problems(check_folder(root, layout=layout)) == [(path.name, kind)]


def test_photographs_are_decoded_once(layouts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the reader of the layout has decoded this photograph already")

    monkeypatch.setattr(files, "decode_file", refuse)
    monkeypatch.setattr(files, "_decode_photograph", refuse)
    for layout in LAYOUTS:
        assert check_folder(layouts / layout, layout=layout).problems == ()


@pytest.mark.parametrize("side", ["train", "test"])
def test_a_missing_row_of_references_is_found_as_training_finds_it(
    layouts: Path, tmp_path: Path, side: str
) -> None:
    root = tmp_path / "ade20k"
    shutil.copytree(layouts / "ade20k", root)
    source = open_source(root)
    assert source.split is not None
    rows = [f"{name},{source.names[i - 1]}" for i, name in enumerate(source.names)]
    (root / "references.csv").write_text("\n".join(rows))
    assert problems(check_folder(root)) == []
    lost = getattr(source.split, side)[1]
    (root / "references.csv").write_text("\n".join(rows[:lost] + rows[lost + 1 :]))
    indices = getattr(source.split, side)
    with pytest.raises(ValueError, match=f"no row for {source.names[lost]}"):
        SourceCorpus(source, (32, 32), train=side == "train", indices=indices)
    report = check_folder(root)
    assert problems(report) == [("references.csv", "bad-references")]
    assert f"no row for {source.names[lost]};" in report.problems[0].text


def test_rows_that_training_does_not_need(layouts: Path, tmp_path: Path) -> None:
    shutil.copytree(layouts / "ade20k", tmp_path / "ade20k")
    source = open_source(tmp_path / "ade20k")
    public = f"{source.names[0]},{source.names[1]}\n"
    for name in ("ade20k_ref.txt", "ade20k_ref_test.txt"):
        (tmp_path / "ade20k" / name).write_text(public)
    assert problems(check_folder(tmp_path / "ade20k")) == []

    root = tmp_path / "deepfashion"
    shutil.copytree(layouts / "deepfashion", root)
    names = open_source(root).names
    (root / "train.txt").unlink()
    (root / "val.txt").write_text(f"{names[0]}\n{names[1]}\n")
    (root / "deepfashion_self_pair.txt").write_text(f"{names[2]},{names[3]}\n")
    (root / "references.csv").write_text(f"{names[0]},{names[1]}\n{names[1]},{names[0]}\n")
    assert open_source(root).partners
    assert problems(check_folder(root)) == []
    (root / "val.txt").write_text(f"{names[0]}\n")
    assert problems(check_folder(root)) == [("references.csv", "bad-references")]


def test_a_list_that_cannot_be_read_is_named_once(layouts: Path, tmp_path: Path) -> None:
    shutil.copytree(layouts / "ade20k", tmp_path / "ade20k")
    (tmp_path / "ade20k" / "references.csv").write_text("a.jpg,b.jpg\n")
    assert problems(check_folder(tmp_path / "ade20k")) == [("references.csv", "bad-references")]


def test_a_layout_that_trains_on_one_picture(layouts: Path, tmp_path: Path) -> None:
    root = tmp_path / "deepfashion"
    shutil.copytree(layouts / "deepfashion", root)
    names = open_source(root).names
    for held, expected in ((COUNT - 2, []), (COUNT - 1, [("deepfashion", "too-few")])):
        (root / "val.txt").write_text("\n".join(names[:held]))
        (root / "train.txt").write_text("\n".join(names[held:]))
        assert problems(check_folder(root)) == expected
    (root / "train.txt").unlink()
    (root / "val.txt").write_text("\n".join(names))
    assert problems(check_folder(root)) == []  # all are held out: the program splits them itself


def test_a_person_without_joints_is_a_warning(layouts: Path, tmp_path: Path) -> None:
    shutil.copytree(layouts / "deepfashion", tmp_path / "figures")
    path = sorted((tmp_path / "figures").rglob("*_subset.txt"))[2]
    path.write_bytes(b"")
    report = check_folder(tmp_path / "figures")
    assert [(f.kind, f.files[0]) for f in report.findings] == [("no-joint-seen", path)]
    assert report.problems == ()


def test_what_the_reader_of_a_layout_refuses(layouts: Path, tmp_path: Path) -> None:
    shutil.copytree(layouts / "ade20k", tmp_path / "ade20k")
    path = sorted((tmp_path / "ade20k").rglob("*.png"))[0]
    path.unlink()
    report = check_folder(tmp_path / "ade20k")
    assert [finding.kind for finding in report.findings] == ["cannot-open"]
    assert path.stem in report.findings[0].text


def test_swapped_maps_are_found_in_any_layout(tmp_path: Path) -> None:
    write_layout(tmp_path / "ade20k", "ade20k", 30, 1, 96)
    assert check_folder(tmp_path / "ade20k").problems == ()
    first, second = sorted((tmp_path / "ade20k").rglob("ADE_train*.png"))[3:5]
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    (finding,) = check_folder(tmp_path / "ade20k").problems
    assert finding.kind == "swapped-pair"
    assert [file.stem for file in finding.files] == [first.stem, second.stem]


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("samples/ade20k", "ade20k"),
        ("samples/celebahq", "celebahq"),
        ("samples/celebahqedge", "celebahq-edge"),
        ("samples/celebamask_maskgan", "celebamask"),
        ("samples/coco_stuff", "coco-stuff"),
        ("samples/DeepFashion", "deepfashion"),
    ],
)
def test_real_samples_have_no_problems(name: str, layout: str) -> None:
    report = check_folder(samples(name), layout=layout)
    assert report.layout == layout and report.problems == () and report.records
