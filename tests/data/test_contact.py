from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.check import check_folder
from rabit.data.contact import BOX, choose_records, contact_sheet, is_sheet, sheet_bytes
from rabit.data.images import png_bytes, read_image
from rabit.data.pictures import palette
from rabit.data.scenes import write_scenes
from samples import samples


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    out = tmp_path / "scenes"
    write_scenes(out, 10, 2, (64, 96))
    (out / "pairs.csv").unlink()
    return out


def image(corpus: Path, index: int) -> Path:
    return corpus / "images" / f"{index:05d}.png"


def test_sheet_shows_photographs_beside_coloured_maps(corpus: Path) -> None:
    report = check_folder(corpus)
    sheet = contact_sheet(report, count=1, seed=3)
    (record,) = choose_records(report, 1, 3)
    height = BOX * 64 // 96
    top = 26 + (BOX - height) // 2
    shown = sheet[top : top + height, 8 : 8 + BOX].astype(int)
    wanted = np.asarray(Image.open(record.image).resize((BOX, height), Image.Resampling.BILINEAR))
    assert np.abs(shown - wanted).mean() < 1
    labels = np.asarray(Image.open(record.condition))
    middle = sheet[top + height // 2, 8 + BOX + 2 + BOX // 2]
    assert (middle == palette(len(report.channels))[labels[32, 48]]).all()


def test_sheet_is_decided_by_the_seed(corpus: Path) -> None:
    report = check_folder(corpus)
    first, again, other = (contact_sheet(report, 4, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert contact_sheet(report, 100).shape[0] > first.shape[0]


def test_faulty_pictures_come_first_and_leave_room(corpus: Path) -> None:
    image(corpus, 8).write_bytes(b"")
    (corpus / "labels" / "00003.png").write_text("no map")
    report = check_folder(corpus)
    chosen = choose_records(report, 4, 0)
    assert [record.name for record in chosen[:2]] == ["00003.png", "00008.png"]
    assert len(chosen) == 4
    for index in range(10):
        image(corpus, index).write_bytes(b"")
    report = check_folder(corpus)
    assert len(choose_records(report, 4, 0)) == 4
    contact_sheet(report, 4)


def test_maps_with_unknown_ids_are_shown(corpus: Path) -> None:
    Image.fromarray(np.full((64, 96), 250, np.uint8)).save(corpus / "labels" / "00000.png")
    assert contact_sheet(check_folder(corpus), 2).dtype == np.uint8


def test_edges_are_drawn_where_there_are_no_maps(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus / "images", tmp_path / "other" / "images")
    report = check_folder(tmp_path / "other", condition="canny")
    assert contact_sheet(report, 3).shape[1] == 3 * (2 * BOX + 18) + 8


def test_extreme_shapes_and_long_names(corpus: Path) -> None:
    for folder, shape in (("images", (1, 3000, 3)), ("labels", (1, 3000))):
        name = corpus / folder / ("a" * 120 + ".png")
        Image.fromarray(np.zeros(shape, np.uint8)).save(name)
    assert contact_sheet(check_folder(corpus), 20).ndim == 3


def test_wrong_arguments(corpus: Path, tmp_path: Path) -> None:
    report = check_folder(corpus)
    with pytest.raises(ValueError, match="contact sheet of 0"):
        contact_sheet(report, 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="of 0 pictures"):
        contact_sheet(check_folder(tmp_path / "empty"))


@pytest.mark.parametrize("condition", ["labels", "pose"])
def test_real_samples(condition: str) -> None:
    report = check_folder(samples("fashion"), condition=condition)
    assert contact_sheet(report).std() > 10


def test_a_sheet_is_told_from_other_files(tmp_path: Path) -> None:
    pixels = np.arange(300, dtype=np.uint16).astype(np.uint8).reshape(10, 10, 3)
    path = tmp_path / "sheet.png"
    assert not is_sheet(path) and not is_sheet(tmp_path)
    path.write_bytes(sheet_bytes(pixels))
    assert is_sheet(path) and np.array_equal(read_image(path), pixels)
    for other in (png_bytes(pixels), b"", b"rabit data check", path.read_bytes()[:20]):
        path.write_bytes(other)
        assert not is_sheet(path)
