from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from rabit.data.corpus import SourceCorpus
from rabit.data.edits import EditRules, ObjectRules, corpus_edits, write_edits
from rabit.data.edits import files as edit_files
from rabit.data.edits.files import COLUMNS, FOLDERS
from rabit.data.faces import FACE_CLASSES, FacePicture
from rabit.data.images import read_image, read_labels, save_png
from rabit.data.layouts.folder import FolderSource
from rabit.data.source import Source
from rabit.data.transforms import View

RULES = EditRules(seed=3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five walls with windows; read only."""
    root = tmp_path_factory.mktemp("walls")
    rng = np.random.default_rng(0)
    for number in range(5):
        labels = np.zeros((72, 96), int)
        labels[60:] = 2
        for left in (10, 40, 70):
            top = 14 + int(rng.integers(12))
            labels[top : top + 14, left : left + 12] = 1
        pixels = np.array([(190, 150, 110), (40, 60, 90), (90, 90, 90)])[labels]
        pixels = pixels + rng.integers(-15, 16, (72, 96, 3))
        save_png(root / f"images/wall-{number}.png", pixels.astype(np.uint8))
        save_png(root / f"labels/wall-{number}.png", labels)
    (root / "classes.txt").write_text("wall\nwindow\nground\n", encoding="utf-8")
    return root


def contents(root: Path) -> dict[str, bytes]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_a_folder_holds_everything(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[tuple[int, int]] = []
    written = write_edits(
        FolderSource(corpus), out, 6, RULES, progress=lambda *done: told.append(done)
    )
    assert written == {"move": 2, "remove": 2, "add": 2}
    assert told == [(number, 6) for number in range(1, 7)]
    assert {path.name for path in out.iterdir()} == {
        *FOLDERS,
        *("classes.txt", "edits.csv", "generated.txt", "pairs.csv", "sheet.png"),
    }
    with (out / "edits.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 6
    for row in rows:
        image, truth = read_image(out / row["image"]), read_image(out / row["truth"])
        labels = read_labels(out / row["condition"], 3)
        edited = read_labels(out / row["edited_condition"], 3)
        altered = read_labels(out / row["mask"], 256) == 255
        assert np.array_equal(truth, read_image(corpus / "images" / row["source"]))
        assert np.array_equal(edited, read_labels(corpus / "labels" / row["source"], 3))
        assert np.array_equal(image[~altered], truth[~altered])
        assert np.array_equal(labels[~altered], edited[~altered])
        assert (labels != edited).any() and (image != truth).any()
        assert row["class"] == "window" and row["seed"] == "3"
        box = (slice(int(row["top"]), int(row["bottom"])), slice(int(row["left"]), None))
        assert (edited[box][:, :3] == 1).any()
        assert (row["scale"] == "") == (row["kind"] == "add")
    assert read_image(out / "sheet.png").shape[1] > 5 * 160


def test_evaluation_reads_the_folder(corpus: Path, tmp_path: Path) -> None:
    write_edits(FolderSource(corpus), tmp_path / "out", 4, RULES)
    source = FolderSource(tmp_path / "out")
    assert len(source) == source.pair_count == 4
    sample = SourceCorpus(source, (72, 96), train=False)[0]
    assert sample.paired
    edited = read_labels(tmp_path / "out/edited_labels/00000.png", 3)
    before = read_labels(tmp_path / "out/labels/00000.png", 3)
    assert np.array_equal(sample.condition.regions.numpy(), edited)
    assert np.array_equal(sample.exemplar_condition.regions.numpy(), before)
    truth = read_image(tmp_path / "out/truth/00000.png")
    assert np.array_equal(((sample.truth + 1) * 127.5).round().numpy().transpose(1, 2, 0), truth)


def test_a_seed_gives_the_same_bytes_whatever_the_count(corpus: Path, tmp_path: Path) -> None:
    source = FolderSource(corpus)
    for name, count, seed in (("a", 3, 3), ("b", 3, 3), ("more", 5, 3), ("other", 1, 4)):
        write_edits(source, tmp_path / name, count, EditRules(seed=seed))
    first = contents(tmp_path / "a")
    assert first == contents(tmp_path / "b")
    more = contents(tmp_path / "more")
    assert all(more[name] == data for name, data in first.items() if "/" in name)
    assert more["edits.csv"].startswith(first["edits.csv"])
    assert contents(tmp_path / "other")["images/00000.png"] != first["images/00000.png"]


def test_no_object_is_edited_twice_in_one_way(corpus: Path) -> None:
    made = list(corpus_edits(FolderSource(corpus), EditRules(kinds=("add",))))
    keys = {(edit.source, edit.edit.item.box) for edit in made}
    assert len(made) == len(keys) == 15


def test_fewer_are_written_where_there_are_no_more(corpus: Path, tmp_path: Path) -> None:
    rules = EditRules(kinds=("add",))
    assert write_edits(FolderSource(corpus), tmp_path / "out", 400, rules) == {"add": 15}
    assert len(list((tmp_path / "out/images").iterdir())) == 15


def test_a_kind_without_room_is_left_out(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rabit.data.edits import compose

    monkeypatch.setattr(compose, "_LEAST_ON_SURROUNDINGS", {"move": 0.8, "remove": 2.0})
    rules = EditRules(kinds=("remove", "add"))
    made = [edit.edit.kind for edit in corpus_edits(FolderSource(corpus), rules)]
    assert made == ["add"] * 15


def test_classes_and_sizes_are_chosen(corpus: Path) -> None:
    source = FolderSource(corpus)
    rules = EditRules(kinds=("add",), classes=("window",), size=(144, 192))
    made = next(corpus_edits(source, rules))
    assert made.edit.image.shape == (144, 192, 3) and made.edit.item.class_id == 1
    none = EditRules(classes=("ground",), objects=ObjectRules())
    assert list(corpus_edits(source, none)) == []


def test_edits_are_replaced_when_allowed(corpus: Path, tmp_path: Path) -> None:
    out, source = tmp_path / "out", FolderSource(corpus)
    write_edits(source, out, 5, RULES)
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="--overwrite"):
        write_edits(source, out, 2, RULES)
    write_edits(source, out, 2, RULES, overwrite=True)
    assert len(list((out / "truth").iterdir())) == 2
    assert (out / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_files_of_others_are_never_replaced(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(corpus, out)
    before = contents(out)
    with pytest.raises(ValueError, match=r"no generated\.txt that lists edits"):
        write_edits(FolderSource(corpus), out, 2, RULES, overwrite=True)
    assert contents(out) == before
    edits = tmp_path / "edits"
    write_edits(FolderSource(corpus), edits, 1, RULES)
    (edits / "masks/00001.png").write_bytes(b"mine")
    before = contents(edits)
    with pytest.raises(ValueError, match=r"00001\.png stands .* none of the edits"):
        write_edits(FolderSource(corpus), edits, 2, RULES, overwrite=True)
    assert contents(edits) == before
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match="is a file"):
        write_edits(FolderSource(corpus), tmp_path / "file", 2, RULES)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
@pytest.mark.parametrize("there", [False, True])
def test_nothing_half_written_stays(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    there: bool,
) -> None:
    out, source = tmp_path / "out", FolderSource(corpus)
    if there:
        write_edits(source, out, 2, RULES)
    before = contents(tmp_path)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise error("stopped")

    with pytest.raises(error):
        write_edits(source, out, 4, EditRules(seed=9), overwrite=True, progress=stop)
    assert contents(tmp_path) == before
    assert out.exists() == there


def test_an_error_while_the_table_is_written_leaves_nothing(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(edit_files, "grid", fail)
    with pytest.raises(RuntimeError, match="broken"):
        write_edits(FolderSource(corpus), tmp_path / "out", 2, RULES)
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_without_objects_is_refused(corpus: Path, tmp_path: Path) -> None:
    rules = EditRules(objects=ObjectRules(least=0.5, most=0.6))
    with pytest.raises(ValueError, match="no object to edit in 5 pictures"):
        write_edits(FolderSource(corpus), tmp_path / "out", 2, rules)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_meant_is_refused(corpus: Path, tmp_path: Path) -> None:
    source = FolderSource(corpus)
    with pytest.raises(ValueError, match="count 0"):
        write_edits(source, tmp_path / "out", 0, RULES)
    with pytest.raises(ValueError, match="no class roof; its classes are wall, window, ground"):
        write_edits(source, tmp_path / "out", 2, EditRules(classes=("roof",)))
    with pytest.raises(ValueError, match="seed -1"):
        EditRules(seed=-1)
    for kinds in ((), ("move", "move"), ("turn",)):
        with pytest.raises(ValueError, match="kinds of edits"):
            EditRules(kinds=kinds)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="of the kind edge"):
        write_edits(FolderSource(corpus, condition="canny"), tmp_path / "out", 2, RULES)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_picture_is_named(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "in")
    (tmp_path / "in/images/wall-2.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="wall-2.png"):
        write_edits(FolderSource(tmp_path / "in"), tmp_path / "out", 100, RULES)
    assert not (tmp_path / "out").exists()


class Faces(Source):
    """One face of half the map's size, with glasses over it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "semantic", FACE_CLASSES, ["0.jpg"])

    def load(self, index: int) -> FacePicture:
        labels = np.zeros((64, 64), int)
        labels[6:58, 10:54] = 1
        glasses = np.zeros((64, 64), bool)
        glasses[20:28, 20:44] = True
        pixels = np.full((128, 128, 3), 128, np.uint8)
        return FacePicture(pixels, labels, glasses)

    def files(self, index: int) -> tuple[Path, ...]:
        return (self.root / "0.jpg",)


def test_glasses_over_a_face_are_an_object(tmp_path: Path) -> None:
    made = next(corpus_edits(Faces(tmp_path), EditRules(kinds=("add",))))
    assert FACE_CLASSES[made.edit.item.class_id] == "glasses"
    assert made.edit.image.shape == (128, 128, 3)
    assert set(np.unique(made.edit.labels)) == {0, 1}


@pytest.mark.parametrize("cell", ["truth/00000.png", "x" * 200_000])
def test_edits_without_a_list_of_files_are_not_replaced(
    corpus: Path, tmp_path: Path, cell: str
) -> None:
    write_edits(FolderSource(corpus), tmp_path, 1, RULES)
    (tmp_path / "generated.txt").unlink()
    table = (tmp_path / "edits.csv").read_text(encoding="utf-8")
    (tmp_path / "edits.csv").write_text(table.replace("truth/00000.png", cell), encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"no generated\.txt that lists edits"):
        write_edits(FolderSource(corpus), tmp_path, 1, RULES, overwrite=True)
    assert contents(tmp_path) == before


def test_pictures_may_keep_their_shape(corpus: Path) -> None:
    source = FolderSource(corpus)
    rules = EditRules(kinds=("add",), size=(60, 60), fit="crop")
    made = next(corpus_edits(source, rules))
    picture = source.load(source.names.index(made.source))
    height, width = picture.size
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    assert height != width
    truth = np.asarray(picture.image(View.whole(picture.size)))[top:, left:][:side, :side]
    seen = picture.image(View.whole((60, 60)).covered(picture.size))
    np.testing.assert_array_equal(made.edit.truth, seen)
    assert np.abs(seen.mean((0, 1)) - truth.mean((0, 1))).max() < 3
    with pytest.raises(ValueError, match="fit is 'pad', expected one of stretch, crop"):
        EditRules(fit="pad")  # type: ignore[arg-type]
