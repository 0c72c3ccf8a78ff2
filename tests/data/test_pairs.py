from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rabit.data import pairs
from rabit.data.feature_cache import FeatureCache
from rabit.data.layouts.find import open_source
from rabit.data.pairs import (
    Descriptor,
    PictureList,
    contact_sheet,
    find_references,
    list_pictures,
    references_text,
)
from rabit.data.references import read_references
from rabit.data.shards.writer import write_shards
from rabit.data.source import Split
from rabit.layers.perceptual import random_backbone
from rabit.layers.vgg import Vgg
from samples import samples


class Means:
    """A network in miniature: its one layer is the picture at a quarter of its side."""

    label = "means"
    names: tuple[str, ...] = ("shallow", "deep")

    def __call__(self, images: torch.Tensor, layers: tuple[str, ...]) -> dict[str, torch.Tensor]:
        assert layers == ("deep",)
        return {"deep": torch.nn.functional.avg_pool2d(images, 4)}

    def parameters(self) -> Iterator[torch.Tensor]:
        yield torch.zeros(1)


def picture(path: Path, seed: int, size: tuple[int, int] = (24, 32)) -> Path:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.NEAREST).save(path)
    return path


@pytest.fixture(scope="module")
def network() -> Vgg:
    return random_backbone()


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    for i in range(9):
        picture(folder / "images" / f"p {i}.png", i)
    return folder


def test_a_description_is_the_means_of_the_deepest_layer_in_four_cells(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:32, :32] = (255, 0, 0)
    pixels[:32, 32:] = (0, 255, 0)
    pixels[32:, :32] = (0, 0, 255)
    pixels[32:, 32:] = (255, 255, 255)
    path = tmp_path / "four.png"
    Image.fromarray(pixels).resize((448, 448), Image.Resampling.NEAREST).save(path)
    features = Descriptor(Means())([path])
    red, green, blue = [1, -1, -1, 1], [-1, 1, -1, 1], [-1, -1, 1, 1]
    assert features.dtype == np.float32
    assert features.tolist() == [pytest.approx([*red, *green, *blue], abs=0.02)]


def test_features_do_not_depend_on_the_other_pictures(
    photographs: Path, network: Vgg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "SIDE", 96)
    describe = Descriptor(network)
    paths = sorted((photographs / "images").iterdir())[:5]
    together = describe(paths)
    assert together.shape == (5, 128 * 2 * 2)
    assert np.array_equal(describe(paths[3:4])[0], together[3])
    assert np.array_equal(describe(paths[::-1])[::-1], together)


def test_settings_tell_networks_apart(network: Vgg) -> None:
    first, again, second = (
        Descriptor(known).settings for known in (network, random_backbone(0), random_backbone(1))
    )
    assert first == again
    assert first["weights"] != second["weights"]
    assert first["layer"] == "relu5_4" and first["pixels"] == [224, 224]


def test_a_folder_of_photographs_needs_nothing_else(photographs: Path) -> None:
    (photographs / "images" / ".hidden.png").write_bytes(b"")
    (photographs / "images" / "notes.txt").write_text("no picture")
    inside = list_pictures(photographs)
    direct = list_pictures(photographs / "images")
    assert inside.names == direct.names == tuple(f"p {i}.png" for i in range(9))
    assert inside.paths == direct.paths
    assert inside.split is None


def test_a_corpus_is_listed_by_its_layout(tmp_path: Path) -> None:
    for part, count in (("training", 3), ("validation", 2)):
        for i in range(1, count + 1):
            name = f"ADE_{part[:5] if part == 'training' else 'val'}_{i:08d}"
            path = picture(tmp_path / "images" / part / f"{name}.jpg", i)
            Image.new("L", (32, 24)).save(path.with_suffix(".png"))
    listed = list_pictures(tmp_path)
    assert len(listed.names) == 5 and listed.split is not None
    assert [listed.paths[i].parent.name for i in listed.split.train] == ["training"] * 3
    assert all(path.suffix == ".jpg" for path in listed.paths)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures_are_refused_before_any_work(tmp_path: Path, count: int) -> None:
    (tmp_path / "images").mkdir()
    for i in range(count):
        picture(tmp_path / "images" / f"{i}.png", i)
    with pytest.raises(ValueError, match=str(tmp_path)):
        list_pictures(tmp_path)


def test_a_name_that_a_list_cannot_hold_is_refused(photographs: Path) -> None:
    picture(photographs / "images" / " spaced.png", 1)
    with pytest.raises(ValueError, match=r" spaced\.png: .* rename"):
        list_pictures(photographs)


def test_a_missing_folder_and_an_unknown_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list_pictures(tmp_path / "nowhere")
    (tmp_path / "documents").mkdir()
    with pytest.raises(ValueError, match="in no known layout"):
        list_pictures(tmp_path)


def test_shards_are_sent_back_to_their_folder(photographs: Path, tmp_path: Path) -> None:
    (photographs / "labels").mkdir()
    for path in (photographs / "images").iterdir():
        Image.new("L", (32, 24)).save(photographs / "labels" / path.name)
    (photographs / "classes.txt").write_text("thing\n")
    shards = tmp_path / "shards"
    write_shards(open_source(photographs), "folder", shards)
    with pytest.raises(ValueError, match=r"shards: holds shards.*pairs on that folder"):
        list_pictures(shards)


def test_references_are_the_most_alike_without_the_picture_itself() -> None:
    turns = np.radians([0, 10, 30, 100, 95])
    features = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    found = find_references(features, None, 2)
    assert found == ((1, 2), (0, 2), (1, 0), (4, 2), (3, 2))


def test_all_references_come_from_the_training_side() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((30, 5)).astype(np.float32)
    split = Split(train=tuple(range(0, 30, 3)), test=tuple(i for i in range(30) if i % 3))
    told: list[tuple[int, int]] = []
    found = find_references(features, split, 20, progress=lambda *done: told.append(done))
    for key, row in enumerate(found):
        assert set(row) <= set(split.train) - {key}
        assert len(row) == (9 if key in split.train else 10)
    assert told == [(10, 30), (30, 30)]


def test_the_list_reads_back(tmp_path: Path) -> None:
    names = ["train/a,b.jpg", 'train/"c".jpg', "train/ä ö.jpg"]
    references = ((1, 2), (2, 0), (0, 1))
    path = tmp_path / "references.csv"
    path.write_text(references_text(names, references), encoding="utf-8", newline="")
    assert read_references(path, names) == dict(enumerate(references))
    assert path.read_bytes().count(b"\n") == 3 and b"\r" not in path.read_bytes()


def test_a_sheet_shows_pictures_beside_their_references(photographs: Path) -> None:
    pictures = list_pictures(photographs)
    references = tuple(tuple(j for j in range(9) if j != i)[:4] for i in range(9))
    sheet = contact_sheet(pictures, references, seed=3, rows=2)
    assert np.array_equal(sheet, contact_sheet(pictures, references, seed=3, rows=2))
    assert not np.array_equal(sheet, contact_sheet(pictures, references, seed=4, rows=2))
    assert sheet.shape == (16 + 2 * (128 + 14 + 4) + 4, 5 * (128 + 4) + 4, 3)
    keys = sorted(np.random.default_rng(3).permutation(9)[:2].tolist())
    for row, key in enumerate(keys):
        for column, index in enumerate([key, *references[key]]):
            top = 16 + 4 + row * (128 + 14 + 4)
            left = 4 + column * (128 + 4)
            with Image.open(pictures.paths[index]) as image:
                shown = sheet[top + 64, left + 64]
                assert np.array_equal(shown, np.asarray(image)[12, 16])


def test_letters_beyond_ascii_are_written(tmp_path: Path) -> None:
    sheets = []
    for name in ("Ж.png", "Я.png"):
        path = picture(tmp_path / name, 0)
        sheets.append(contact_sheet(PictureList((path.name,) * 2, (path, path)), ((1,), (0,))))
    assert not np.array_equal(sheets[0], sheets[1])


def test_a_long_name_is_shortened_to_its_end(tmp_path: Path) -> None:
    path = picture(tmp_path / f"{'long' * 30}.png", 0)
    listed = PictureList((path.name, path.name), (path, path))
    assert contact_sheet(listed, ((1,), (0,))).shape[1] == 2 * (128 + 4) + 4


KILLED = """
import sys, time
from pathlib import Path
from rabit.data import pairs
from rabit.data.feature_cache import FeatureCache
from rabit.data.pairs import Descriptor, list_pictures
from rabit.layers.perceptual import random_backbone
from rabit.layers.vgg import Vgg
pairs.SIDE = 32
describe = Descriptor(random_backbone())
done = []
def stuck(paths):
    done.append(paths)
    if len(done) == 3:
        time.sleep(120)
    return describe(paths)
pictures = list_pictures(Path(sys.argv[1]))
cache = FeatureCache(Path(sys.argv[2]), describe.settings, shard=2)
cache.collect(pictures.names, pictures.paths, stuck)
"""


def test_a_killed_run_resumes_and_ends_with_identical_files(
    photographs: Path, network: Vgg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, fresh = tmp_path / "cache", tmp_path / "fresh"
    command = [sys.executable, "-c", KILLED, str(photographs), str(cache)]
    child = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 120
        while len(list(cache.glob("shard-*"))) < 2:
            assert child.poll() is None and time.monotonic() < deadline, "no shards appeared"
            time.sleep(0.005)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    monkeypatch.setattr(pairs, "SIDE", 32)
    describe = Descriptor(network)
    pictures = list_pictures(photographs)
    lists, computed = [], []
    for folder in (cache, fresh):
        opened = FeatureCache(folder, describe.settings, shard=2)
        features, new = opened.collect(pictures.names, pictures.paths, describe)
        lists.append(references_text(pictures.names, find_references(features, None, 5)))
        computed.append(new)
    assert computed == [5, 9]
    assert lists[0] == lists[1]
    held = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in (cache, fresh)]
    assert held[0] == held[1] and len(held[0]) == 6


def test_real_pictures_find_their_doubles(
    network: Vgg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "SIDE", 64)
    paths: Sequence[Path] = sorted((samples("facades") / "images").iterdir())[:12]
    doubles = []
    for path in paths[:4]:
        with Image.open(path) as image:
            double = tmp_path / path.name
            image.save(double, quality=60)
            doubles.append(double)
    features = Descriptor(network)([*paths, *doubles])
    found = find_references(features, None, 1)
    assert [found[i] for i in range(4)] == [(12,), (13,), (14,), (15,)]
