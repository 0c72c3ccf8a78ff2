from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.check import Report, check_folder
from rabit.data.generated.layouts import write_layout
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
