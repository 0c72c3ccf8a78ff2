from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from rabit.study.items import find_items
from rabit.study.manifest import make_manifest
from study_samples import METHODS, manifest_of, write_pictures


def test_items_have_a_picture_in_every_folder(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p")
    (root / "beta" / "item-2.png").unlink()
    (root / "notes.txt").touch()
    found = find_items(manifest_of(root))
    assert [item.name for item in found.items] == ["item-0", "item-1", "item-3"]
    assert found.items[0].results == tuple(root / m / "item-0.png" for m in METHODS)
    assert found.items[0].truth == root / "truth" / "item-0.png"
    assert found.notes == (
        "1 items are left out: not every folder has them, such as item-2, which is missing in beta",
    )


def test_named_items_must_be_there(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p")
    (root / "beta" / "item-2.png").unlink()
    with pytest.raises(FileNotFoundError, match="names: item-2 has no picture in beta"):
        find_items(manifest_of(root, names=["item-1", "item-2"]))
    found = find_items(manifest_of(root, names=["item-3", "item-1"]))
    assert [item.name for item in found.items] == ["item-3", "item-1"] and not found.notes


def test_items_are_drawn_by_the_seed(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p", items=9)
    drawn = [
        [item.name for item in find_items(manifest_of(root, items=4, seed=seed)).items]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2] and len(set(drawn[0])) == 4
    with pytest.raises(ValueError, match="items is 10, but there are 9"):
        find_items(manifest_of(root, items=10))


def test_items_may_be_chosen_by_a_pattern(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p", items=12)
    found = find_items(manifest_of(root, match="item-1*")).items
    assert [item.name for item in found] == ["item-1", "item-10", "item-11"]
    with pytest.raises(ValueError, match="match is 'x-\\*', but no item is called so"):
        find_items(manifest_of(root, match="x-*"))


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p")
    shutil.copy(root / "alpha" / "item-0.png", root / "alpha" / "item-0.jpg")
    with pytest.raises(ValueError, match="methods: alpha: item-0.jpg and item-0.png"):
        find_items(manifest_of(root))


def test_missing_folders_and_common_names_are_named(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p", items=1)
    manifest = manifest_of(root)
    (root / "beta" / "item-0.png").rename(root / "beta" / "other.png")
    with pytest.raises(ValueError, match="no item has a picture in every folder"):
        find_items(manifest)
    shutil.rmtree(root / "beta")
    with pytest.raises(FileNotFoundError, match="methods: beta: .*no such folder"):
        find_items(manifest)


def table(path: Path, root: Path, **changes: str) -> Path:
    rows = [
        {
            "item": f"één {i}",
            "condition": f"conditions/item-{i}.png",
            "exemplar": f"exemplars/item-{i}.png",
            "truth": "",
            **{m: f"{m}/item-{i}.png" for m in METHODS},
        }
        for i in range(2)
    ]
    rows[1] |= changes
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_table_lists_items(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p")
    file = table(root / "items.csv", root, truth="truth/item-1.png")
    methods = [{"name": name} for name in METHODS]
    found = find_items(make_manifest({"methods": methods, "table": str(file)}))
    assert [item.name for item in found.items] == ["één 0", "één 1"]
    assert found.items[1].truth == root / "truth" / "item-1.png" and found.items[0].truth is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"beta": "beta/none.png"}, "line 3, column beta: 'beta/none.png' is no file"),
        ({"item": ""}, "line 3, column item: it is empty"),
        ({"item": "één 0"}, "item één 0 is there twice"),
    ],
)
def test_wrong_rows_of_a_table_are_named(
    tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    root = write_pictures(tmp_path / "p")
    file = table(root / "items.csv", root, **changes)
    methods = [{"name": name} for name in METHODS]
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        find_items(make_manifest({"methods": methods, "table": str(file)}))


def test_a_table_has_a_column_a_method(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "p")
    file = table(root / "items.csv", root)
    methods = [{"name": "alpha"}, {"name": "delta"}]
    with pytest.raises(ValueError, match="column delta is missing"):
        find_items(make_manifest({"methods": methods, "table": str(file)}))
