from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rabit.data.check import Report, check_folder
from rabit.data.layouts.find import open_source
from rabit.data.pose import Joints, write_joints_json, write_joints_text
from rabit.data.scenes import CLASSES, write_scenes
from samples import samples

COUNT = 40
SIZE = (72, 72)
EXIF_ORIENTATION = 0x0112


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound scenes; read only."""
    out = tmp_path_factory.mktemp("check") / "scenes"
    write_scenes(out, COUNT, 1, SIZE)
    return out


@pytest.fixture
def corpus(scenes: Path, tmp_path: Path) -> Path:
    """The same, to be damaged; without pairs, since these name the same files again."""
    out = tmp_path / "scenes"
    shutil.copytree(scenes, out)
    (out / "pairs.csv").unlink()
    shutil.rmtree(out / "truth")
    return out


@pytest.fixture
def poses(scenes: Path, tmp_path: Path) -> Path:
    """Photographs with joints: two files of text, or one of JSON."""
    out = tmp_path / "poses"
    shutil.copytree(scenes / "images", out / "images")
    (out / "pose").mkdir()
    for index, image in enumerate(sorted((out / "images").iterdir())):
        if index % 2:
            write_joints_text(out / "pose" / image.stem, person())
        else:
            write_joints_json(out / "pose" / f"{image.stem}_keypoints.json", person())
    return out


def person(left: float = 10.0) -> Joints:
    places = np.stack([left + 2.0 * np.arange(18), 4.0 + 3.0 * np.arange(18)], axis=1)
    return Joints(places, np.ones(18, bool))


def found(report: Report) -> list[tuple[str, str]]:
    """The file that each finding names first, relative to the folder, and its kind."""
    return sorted(
        (finding.files[0].relative_to(report.root).as_posix(), finding.kind)
        for finding in report.findings
    )


def maps(corpus: Path, index: int) -> Path:
    return corpus / "labels" / f"{index:05d}.png"


def images(corpus: Path, index: int) -> Path:
    return corpus / "images" / f"{index:05d}.png"


def change(path: Path, edit: Callable[[np.ndarray], np.ndarray]) -> None:
    with Image.open(path) as image:
        array = np.array(image)
    Image.fromarray(edit(array)).save(path)


def jpeg(image: Path, exif: Image.Exif | None = None) -> Path:
    """Replaces a photograph by a JPEG of it."""
    out = image.with_suffix(".jpg")
    with Image.open(image) as opened:
        opened.convert("RGB").save(out, quality=92, exif=exif or Image.Exif())
    image.unlink()
    return out


def test_sound_corpus_has_no_findings(scenes: Path) -> None:
    report = check_folder(scenes, threads=2)
    assert report.findings == ()
    assert (report.layout, report.kind, report.pairs) == ("folder", "semantic", COUNT)
    assert report.sizes == ((SIZE, COUNT),)
    assert report.channels == CLASSES
    labels = np.stack([np.array(Image.open(maps(scenes, i))) for i in range(COUNT)])
    for index, use in enumerate(report.classes):
        assert use.name == CLASSES[index]
        assert use.share == pytest.approx((labels == index).mean())
        assert use.pictures == (labels == index).any(axis=(1, 2)).sum()


def test_every_planted_fault_is_found_and_nothing_else(corpus: Path) -> None:
    expected: list[tuple[str, str]] = []

    def plant(kind: str, path: Path) -> None:
        expected.append((path.relative_to(corpus).as_posix(), kind))

    def put(labels: np.ndarray, value: int) -> np.ndarray:
        labels[10:14, 20:30] = value
        return labels

    def swap(first: int, second: int) -> None:
        one, other = maps(corpus, first).read_bytes(), maps(corpus, second).read_bytes()
        maps(corpus, first).write_bytes(other)
        maps(corpus, second).write_bytes(one)
        plant("swapped-pair", images(corpus, first))

    change(maps(corpus, 0), lambda labels: put(labels, 200))
    plant("unknown-ids", maps(corpus, 0))
    change(maps(corpus, 1), lambda labels: put(labels.astype(np.uint16), 4000))
    plant("unknown-ids", maps(corpus, 1))
    cut = jpeg(images(corpus, 2))
    cut.write_bytes(cut.read_bytes()[:-300])
    plant("damaged", cut)
    whole = images(corpus, 3).read_bytes()
    images(corpus, 3).write_bytes(whole[: len(whole) // 2])
    plant("damaged", images(corpus, 3))
    swap(4, 5)
    change(maps(corpus, 6), lambda labels: labels[:, :60])
    plant("size-mismatch", images(corpus, 6))
    images(corpus, 7).write_bytes(b"")
    plant("empty-file", images(corpus, 7))
    images(corpus, 8).write_text("no picture\n")
    plant("not-an-image", images(corpus, 8))
    maps(corpus, 9).write_bytes(b"")
    plant("empty-file", maps(corpus, 9))
    with Image.open(maps(corpus, 10)) as labels:
        labels.convert("L").save(maps(corpus, 10).with_suffix(".jpg"))
    maps(corpus, 10).unlink()
    plant("lossy-map", maps(corpus, 10).with_suffix(".jpg"))
    with Image.open(maps(corpus, 11)) as labels:
        labels.convert("L").save(maps(corpus, 11), format="JPEG")
    plant("lossy-map", maps(corpus, 11))
    shutil.copy(images(corpus, 12), maps(corpus, 12))
    plant("coloured-map", maps(corpus, 12))
    change(maps(corpus, 13), lambda labels: np.stack([labels, labels, labels, labels * 9], axis=2))
    plant("transparent-map", maps(corpus, 13))
    maps(corpus, 14).unlink()
    plant("no-map", images(corpus, 14))
    images(corpus, 15).unlink()
    plant("no-photograph", maps(corpus, 15))
    shutil.copy(images(corpus, 16), corpus / "images" / "00016.webp")
    plant("same-stem", corpus / "images" / "00016.webp")
    for side in (images, maps):
        shutil.copy(side(corpus, 17), side(corpus, 40))
        change(side(corpus, 18), lambda pixels: pixels[:, :64])
        change(side(corpus, 19), lambda pixels: pixels[:64])
        change(side(corpus, 20), lambda pixels: pixels[:64])
    plant("duplicate", images(corpus, 17))
    swap(18, 19)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    plant("rotated-photograph", jpeg(images(corpus, 20), exif=exif))
    change(images(corpus, 21), lambda pixels: np.dstack([pixels, pixels[..., 0]]))
    plant("transparent-photograph", images(corpus, 21))
    for side in (images, maps):
        change(side(corpus, 22), lambda pixels: pixels[:40])
    plant("small", images(corpus, 22))
    for side in (images, maps):
        change(side(corpus, 23), lambda pixels: np.tile(pixels[:64], (1, 51, 1)[: pixels.ndim]))
    plant("thin", images(corpus, 23))
    (corpus / "images" / "readme.md").write_text("photographs\n")
    plant("stray", corpus / "images" / "readme.md")
    rows = [f"{i:05d},{(i + 1) % 14:05d}" for i in range(COUNT + 1) if i != 15]
    rows[20] += ",nobody.png"
    (corpus / "references.csv").write_text("key,ref1\n" + "\n".join(rows) + "\n")
    plant("bad-references", corpus / "references.csv")

    assert len({kind for _, kind in expected}) >= 15
    assert found(check_folder(corpus, threads=2)) == sorted(expected)


def test_each_fault_alone_says_what_to_do(corpus: Path) -> None:
    images(corpus, 3).write_bytes(b"")
    change(maps(corpus, 5), lambda labels: labels[:, :60])
    by_kind = {finding.kind: finding for finding in check_folder(corpus).findings}
    assert set(by_kind) == {"empty-file", "size-mismatch"}
    assert by_kind["empty-file"].text.startswith(f"{images(corpus, 3)}: is empty")
    assert "remove" in by_kind["empty-file"].text
    assert str(maps(corpus, 5)) in by_kind["size-mismatch"].text
    assert "72×72" in by_kind["size-mismatch"].text and "60×72" in by_kind["size-mismatch"].text


def test_palettes_that_differ_are_a_problem(corpus: Path) -> None:
    colours = np.random.default_rng(0).permutation(256)[: 3 * len(CLASSES)].reshape(-1, 3)
    for index in range(COUNT):
        with Image.open(maps(corpus, index)) as image:
            labels = np.array(image)
        saved = Image.fromarray(labels).convert("P")
        saved.putpalette(colours.astype(np.uint8).tobytes())
        saved.save(maps(corpus, index))
    assert check_folder(corpus).findings == ()
    for index in (3, 5):
        with Image.open(maps(corpus, index)) as image:
            image.convert("RGB").quantize(len(CLASSES), dither=Image.Dither.NONE).save(
                maps(corpus, index)
            )
    (finding,) = check_folder(corpus).problems
    assert finding.kind == "mixed-palettes"
    assert {maps(corpus, 3), maps(corpus, 5)} <= set(finding.files)
    assert "rabit data colours" in finding.text


@pytest.mark.parametrize("turned", (True, False))
def test_a_square_photograph_turned_unlike_its_map(corpus: Path, turned: bool) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    change(images(corpus, 4), lambda pixels: pixels if turned else np.rot90(pixels))
    photograph = jpeg(images(corpus, 4), exif)
    expected = [(photograph.relative_to(corpus).as_posix(), "rotated-photograph")]
    assert found(check_folder(corpus)) == (expected if turned else [])


@pytest.mark.parametrize(
    ("lines", "warned"),
    (
        ("id name\n{}", True),
        ("{}", False),
    ),
)
def test_numbers_that_are_no_ids_are_a_warning(corpus: Path, lines: str, warned: bool) -> None:
    numbered = "".join(f"{index} {name}\n" for index, name in enumerate(CLASSES))
    (corpus / "classes.txt").write_text(lines.format(numbered))
    report = check_folder(corpus)
    kinds = {finding.kind for finding in report.warnings}
    assert ("numbered-classes" in kinds) == warned and report.problems == ()


@pytest.mark.parametrize("separator", ("; ", ". ", " - "))
def test_numbers_with_other_separators_are_a_warning(corpus: Path, separator: str) -> None:
    lines = [f"{index}{separator}{name}" for index, name in enumerate(CLASSES)]
    if separator == " - ":
        lines[0] = CLASSES[0]
    (corpus / "classes.txt").write_text("\n".join(lines))
    assert ("classes.txt", "numbered-classes") in found(check_folder(corpus))


def test_maps_of_lossy_formats_are_told_of_colours(corpus: Path) -> None:
    for index, suffix in ((1, ".jpg"), (2, ".png")):
        with Image.open(maps(corpus, index)) as labels:
            pixels = labels.convert("L")
        maps(corpus, index).unlink()
        pixels.save(maps(corpus, index).with_suffix(suffix), format="JPEG")
    texts = [finding.text for finding in check_folder(corpus).findings]
    assert len(texts) == 2 and all("rabit data colours --nearest" in text for text in texts)


def test_one_photograph_of_another_size_is_a_warning(corpus: Path) -> None:
    for side in (images, maps):
        change(side(corpus, 7), lambda pixels: pixels[:, :68])
    report = check_folder(corpus)
    assert found(report) == [("images/00007.png", "odd-size")]
    assert report.problems == ()


def test_a_class_that_no_map_has_is_a_warning(corpus: Path) -> None:
    with (corpus / "classes.txt").open("a") as classes:
        classes.write("unicorn\n")
    report = check_folder(corpus)
    assert found(report) == [(".", "unused-class")]
    assert "unicorn" in report.findings[0].text
    assert report.problems == () and report.classes[-1].pictures == 0


@pytest.mark.parametrize("text", ["sky\nsky\n", "", None])
def test_classes_that_cannot_be_used(corpus: Path, text: str | None) -> None:
    (corpus / "classes.txt").unlink()
    if text is not None:
        (corpus / "classes.txt").write_text(text)
    report = check_folder(corpus)
    assert found(report) == [("classes.txt", "bad-classes")]


def test_rows_of_pairs_that_name_missing_files(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "scenes"
    shutil.copytree(scenes, out)
    (out / "truth" / "00003.png").unlink()
    (out / "truth" / "00008.png").unlink()
    report = check_folder(out)
    assert found(report) == [("pairs.csv", "bad-pairs")] * 2
    assert [f.text.split("truth ")[1].split(" ")[0] for f in report.findings] == [
        "truth/00003.png",
        "truth/00008.png",
    ]


def test_files_that_only_pairs_name_are_read_too(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "scenes"
    shutil.copytree(scenes, out)
    (out / "truth" / "00003.png").write_bytes(b"")
    change(out / "truth" / "00004.png", lambda pixels: pixels[:, :70])
    expected = [("truth/00003.png", "empty-file"), ("truth/00004.png", "size-mismatch")]
    assert found(check_folder(out)) == expected


def test_a_folder_of_pairs_alone_is_read_but_not_trained_on(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "scenes"
    shutil.copytree(scenes, out)
    (out / "images").rename(out / "photographs")
    table = (out / "pairs.csv").read_text().replace("images/", "photographs/")
    (out / "pairs.csv").write_text(table)
    report = check_folder(out)
    assert found(report) == [(".", "too-few")] and report.pairs == COUNT
    names = [record.name for record in report.records]
    assert len(set(names)) == len(names) > COUNT
    (out / "truth" / "00001.png").write_bytes(b"")
    assert found(check_folder(out))[1:] == [("truth/00001.png", "empty-file")]


def test_nested_folder_is_named(corpus: Path) -> None:
    report = check_folder(corpus.parent)
    assert found(report) == [(".", "nested")]
    assert str(corpus) in report.findings[0].text


def test_photographs_in_a_folder_of_images(corpus: Path) -> None:
    (corpus / "images").rename(corpus / "moved")
    (corpus / "images").mkdir()
    (corpus / "moved").rename(corpus / "images" / "all")
    kinds = {kind for _, kind in found(check_folder(corpus))}
    assert {"stray", "too-few", "no-photograph"} == kinds


def test_missing_folder_of_maps(corpus: Path) -> None:
    shutil.rmtree(corpus / "labels")
    assert found(check_folder(corpus)) == [("labels", "missing-folder")]


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert found(check_folder(tmp_path)) == [(".", "unknown-layout")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipes_are_not_waited_for(corpus: Path, poses: Path, tmp_path: Path) -> None:
    os.mkfifo(corpus / "images" / "pipe.png")
    os.mkfifo(corpus / "labels" / "pipe.jpg")
    os.mkfifo(poses / "pose" / "pipe.json")
    figures = tmp_path / "figures"
    shutil.copytree(poses / "images", figures / "img")
    shutil.copytree(poses / "pose", figures / "pose", ignore=lambda *_: ["pipe.json"])
    os.mkfifo(figures / "img" / "pipe.png")
    script = (
        "import sys; from rabit.data.check import check_folder\n"
        "for root in sys.argv[1:]:\n"
        "    for f in check_folder(root).findings: print(f.kind, f.files[0])"
    )
    # A program of its own: one that waits for a pipe can only be ended from without.
    roots = [str(root) for root in (corpus, poses, figures)]
    command = [sys.executable, "-c", script, *roots]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert sorted(ended.stdout.splitlines()) == [
        f"stray {corpus}/images/pipe.png",
        f"stray {corpus}/labels/pipe.jpg",
        f"unreadable {figures}/img/pipe.png",
    ]


def test_references_are_spelled_as_training_reads_them(corpus: Path) -> None:
    for side in (images, maps):
        side(corpus, 3).rename(side(corpus, 3).with_name("3.b.png"))
    names = sorted(path.stem for path in (corpus / "images").iterdir())
    rows = [f"{name},{names[i - 1]}" for i, name in enumerate(names)]
    (corpus / "references.csv").write_text("\n".join(rows))
    assert check_folder(corpus).findings == ()
    (corpus / "references.csv").write_text("\n".join([*rows[2:], "nobody,a", "00005", "b,00001"]))
    texts = [finding.text for finding in check_folder(corpus).findings]
    assert len(texts) == 3
    assert "rabit data pairs FOLDER --overwrite" in " ".join(texts)
    for text, part in zip(texts, ("'nobody', 'a'", "has no reference", "'b'"), strict=True):
        assert part in text
    (corpus / "references.csv").write_text("\n".join([*rows[1:-1], "nobody,00001"]))
    texts = [finding.text for finding in check_folder(corpus).findings]
    assert any("no row for 00000.png, 3.b.png;" in text for text in texts) and len(texts) == 2
    assert all("rabit data pairs FOLDER --overwrite" in text for text in texts)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_a_file_without_permission(corpus: Path) -> None:
    maps(corpus, 4).chmod(0)
    assert found(check_folder(corpus)) == [("labels/00004.png", "unreadable")]


def test_every_planted_fault_of_poses_is_found(poses: Path) -> None:
    assert check_folder(poses).findings == ()

    def text(index: int, part: str) -> Path:
        return poses / "pose" / f"{index:05d}_{part}.txt"

    text(1, "subset").unlink()
    text(3, "candidate").unlink()
    lines = text(5, "candidate").read_text().splitlines()
    text(5, "candidate").write_text("\n".join(["1 2 three 4", *lines[1:]]))
    text(7, "candidate").write_text("")
    (poses / "pose" / "00008_keypoints.json").write_text("{")
    write_joints_text(poses / "pose" / "00009", person(left=40), overwrite=True)
    write_joints_text(poses / "pose" / "00011", person(left=100), overwrite=True)
    write_joints_text(poses / "pose" / "00013", person(left=900), overwrite=True)
    write_joints_text(poses / "pose" / "00015", Joints.none(), overwrite=True)
    images(poses, 16).unlink()
    images(poses, 17).write_bytes(b"")
    report = check_folder(poses)
    assert report.kind == "pose"
    assert found(report) == [
        ("images/00003.png", "no-joints"),
        ("images/00017.png", "empty-file"),
        ("pose/00001_candidate.txt", "no-joints"),
        ("pose/00005_candidate.txt", "bad-joints"),
        ("pose/00007_candidate.txt", "empty-file"),
        ("pose/00008_keypoints.json", "bad-joints"),
        ("pose/00009_candidate.txt", "joints-outside"),
        ("pose/00011_candidate.txt", "joints-elsewhere"),
        ("pose/00013_candidate.txt", "joints-elsewhere"),
        ("pose/00015_candidate.txt", "no-joint-seen"),
        ("pose/00016_keypoints.json", "no-photograph"),
    ]


def test_faults_of_line_drawings_are_found(scenes: Path, tmp_path: Path) -> None:
    shutil.copytree(scenes / "images", tmp_path / "images")
    (tmp_path / "edges").mkdir()
    for path in sorted((scenes / "labels").iterdir()):
        sky = np.array(Image.open(path)) == 0
        drawn = np.where(sky != np.roll(sky, 1, 0), 0, 255).astype(np.uint8)
        drawn[60, 10:50] = 0
        Image.fromarray(drawn).save(tmp_path / "edges" / path.name)
    report = check_folder(tmp_path)
    assert report.kind == "edge" and report.findings == ()
    change(tmp_path / "edges" / "00000.png", lambda lines: (lines == 0).astype(np.uint8))
    shutil.copy(scenes / "images" / "00001.png", tmp_path / "edges" / "00001.png")
    change(tmp_path / "edges" / "00002.png", lambda lines: lines[:50])
    (tmp_path / "edges" / "00004.png").write_text("no picture")
    (tmp_path / "edges" / "00006.png").unlink()
    assert found(check_folder(tmp_path)) == [
        ("edges/00000.png", "no-line-seen"),
        ("edges/00001.png", "no-drawing"),
        ("edges/00004.png", "not-an-image"),
        ("images/00002.png", "size-mismatch"),
        ("images/00006.png", "no-map"),
    ]


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"one\ntwo.png"])
def test_names_that_no_list_can_have_are_found(scenes: Path, tmp_path: Path, name: bytes) -> None:
    shutil.copytree(scenes, tmp_path, dirs_exist_ok=True)
    try:
        for folder in ("images", "labels"):
            shutil.copy(scenes / folder / "00000.png", tmp_path / folder / os.fsdecode(name))
    except OSError:
        pytest.skip("this file system has no such names")
    kinds = [(kind, path) for path, kind in found(check_folder(tmp_path))]
    assert ("bad-name", "images") in kinds and ("bad-name", "labels") in kinds
    with pytest.raises(ValueError, match="images: the name 'caf|images: the name 'one"):
        open_source(tmp_path)


def test_photographs_alone_are_checked_for_their_own_edges(scenes: Path, tmp_path: Path) -> None:
    shutil.copytree(scenes / "images", tmp_path / "images")
    assert check_folder(tmp_path, condition="canny").findings == ()
    images(tmp_path, 5).write_bytes(b"")
    assert found(check_folder(tmp_path, condition="canny")) == [("images/00005.png", "empty-file")]


@given(data=st.binary(max_size=200), name=st.sampled_from(["labels/00000.png", "images/00001.png"]))
@settings(max_examples=20, deadline=None)
def test_any_content_is_a_finding_and_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, scenes: Path, data: bytes, name: str
) -> None:
    out = tmp_path_factory.mktemp("any")
    for folder in ("images", "labels"):
        (out / folder).mkdir()
        for index in range(3):
            shutil.copy(scenes / folder / f"{index:05d}.png", out / folder)
    shutil.copy(scenes / "classes.txt", out)
    (out / name).write_bytes(data)
    (out / "references.csv").write_bytes(data)
    report = check_folder(out)
    assert any(finding.files[0] == out / name for finding in report.problems)


def test_checking_leaves_filters_of_warnings_as_they_were(scenes: Path) -> None:
    before = list(warnings.filters)
    check_folder(scenes, threads=8)
    assert list(warnings.filters) == before


def test_an_interruption_ends_the_check(scenes: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == 3 * COUNT
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_folder(scenes, progress=interrupt, threads=1)


def test_report_is_json(corpus: Path) -> None:
    images(corpus, 3).write_bytes(b"")
    data = json.loads(json.dumps(check_folder(corpus).to_dict()))
    assert data["usable"] is False
    assert data["problems"][0]["kind"] == "empty-file"
    assert data["problems"][0]["files"] == [str(images(corpus, 3))]
    assert len(data["classes"]) == len(CLASSES)


def test_wrong_arguments(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        check_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="layout 'scroll'"):
        check_folder(scenes, layout="scroll")
    with pytest.raises(ValueError, match="condition 'depth'"):
        check_folder(scenes, condition="depth")
    with pytest.raises(ValueError, match="0 threads"):
        check_folder(scenes, threads=0)


@pytest.mark.parametrize("name", ["facades", "faces", "fashion"])
def test_real_corpora_have_no_problems(name: str) -> None:
    report = check_folder(samples(name))
    assert report.problems == ()


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    (
        ("val.txt", "nosuch.png\n", "bad-split"),
        ("val.txt", "\n", "bad-split"),
        ("train.txt", "00003.png\n", "too-few"),
        ("val.txt", "00003.png\n", None),
    ),
)
def test_lists_of_what_trains_are_checked(
    corpus: Path, name: str, text: str, kind: str | None
) -> None:
    (corpus / name).write_text(text)
    report = check_folder(corpus)
    assert found(report) == ([] if kind is None else [(".", kind)])


def test_two_spellings_of_unicode_are_no_problem(corpus: Path) -> None:
    (corpus / "images" / "00003.png").rename(corpus / "images" / "a\u0308.png")
    (corpus / "labels" / "00003.png").rename(corpus / "labels" / "\u00e4.png")
    assert found(check_folder(corpus)) == []
