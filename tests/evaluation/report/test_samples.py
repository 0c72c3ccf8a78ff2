from __future__ import annotations

import base64
import dataclasses
import io
import math
from pathlib import Path

import pytest
from PIL import Image

from evaluations import Page, folders, make_part, make_row, noise, write_pictures
from rabit.data.images import read_image, save_png
from rabit.evaluation.folder import CONDITIONS, EXEMPLARS, TRUTH, EvaluationFolder
from rabit.evaluation.report.samples import Album, best_and_worst, chosen, side_by_side
from rabit.evaluation.summary import Part


def part_of(count: int, methods: tuple[str, ...] = ("ours", "theirs"), paired: int = 1) -> Part:
    distances = [0.1 * number for number in range(count)]
    rows = [make_row(method, {"perceptual": distances}) for method in methods]
    return make_part(rows, paired=paired * count)


def album_of(root: Path, part: Part, side: int = 256) -> Album:
    captions = {part.sample_names[0]: "<i>a caption</i>"}
    return Album(EvaluationFolder(root), folders(part), captions, side)


def shown(page: Page) -> dict[str, tuple[int, int, bytes]]:
    """Size and PNG of the embedded pictures by their text alternatives."""
    found = {}
    for tag, given in page.tags:
        if tag == "img":
            kind, data = str(given["src"]).split(",", 1)
            assert kind == "data:image/png;base64"
            size = int(str(given["width"])), int(str(given["height"]))
            found[str(given["alt"])] = (*size, base64.b64decode(data))
    return found


@pytest.mark.parametrize(
    ("count", "exemplars", "expected"),
    [
        (36, 3, [range(9, 12), range(27, 30)]),
        (6, 3, [range(3), range(3, 6)]),
        (3, 3, [range(3)]),
        (60, 1, [range(n, n + 1) for n in (5, 15, 25, 35, 45, 55)]),
        (4, 1, [range(n, n + 1) for n in range(4)]),
        (100, 10, [range(20, 30), range(70, 80)]),
        (40, 2, [range(6, 8), range(20, 22), range(32, 34)]),
    ],
)
def test_whole_conditions_are_chosen_spread_over_the_part(
    count: int, exemplars: int, expected: list[range]
) -> None:
    assert chosen(count, exemplars) == expected


def test_a_row_has_the_inputs_the_results_and_the_truth_of_one_sample(tmp_path: Path) -> None:
    part = part_of(6)
    folder = write_pictures(tmp_path, [part])
    page = Page(side_by_side(part, 3, album_of(tmp_path, part)))
    assert page.rows[0] == ["sample", "condition", "exemplar", "ours", "theirs", "truth"]
    names = [row[0].split()[0] for row in page.rows[1:]]
    assert names == list(part.sample_names)
    # The condition stands beside all its exemplars.
    assert [len(row) for row in page.rows[1:]] == [6, 5, 5, 6, 5, 5]
    spans = [given.get("rowspan") for tag, given in page.tags if tag == "td"]
    assert spans.count("3") == 2
    pictures = shown(page)
    name = part.sample_names[4]
    expected = {
        f"exemplar of {name}": folder.picture(EXEMPLARS, name),
        f"ours, {name}": folder.picture("ours", name),
        f"theirs, {name}": folder.picture("theirs", name),
        f"truth of {name}": folder.picture(TRUTH, name),
        f"condition of {part.sample_names[3]}": folder.picture(CONDITIONS, part.sample_names[3]),
    }
    for alternative, path in expected.items():
        width, height, data = pictures[alternative]
        assert (width, height) == (12, 12)
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.tobytes() == read_image(path).tobytes()
    assert len(pictures) == 2 + 6 * 4


def test_captions_are_text(tmp_path: Path) -> None:
    part = part_of(6)
    write_pictures(tmp_path, [part])
    for text in (
        side_by_side(part, 3, album_of(tmp_path, part)),
        best_and_worst(part, album_of(tmp_path, part)),
    ):
        assert "&lt;i&gt;a caption&lt;/i&gt;" in text and "<i>" not in text


def test_warped_exemplars_are_shown_of_methods_that_have_them(tmp_path: Path) -> None:
    part = part_of(6)
    folder = write_pictures(tmp_path, [part])
    assert "arped" not in side_by_side(part, 3, album_of(tmp_path, part))
    for name in part.sample_names[:5]:
        save_png(folder.warped("theirs", name), noise(3))
    page = Page(side_by_side(part, 3, album_of(tmp_path, part)))
    assert page.rows[7] == ["sample", "exemplar", "warped by theirs", "truth"]
    pictures = shown(page)
    assert len([name for name in pictures if name.startswith("exemplar warped by theirs")]) == 5
    assert "missing" in page.text and "warped by ours" not in page.text


def test_a_missing_picture_leaves_a_place(tmp_path: Path) -> None:
    part = part_of(6)
    folder = write_pictures(tmp_path, [part])
    folder.picture("ours", part.sample_names[1]).unlink()
    folder.picture(TRUTH, part.sample_names[2]).write_bytes(b"nothing")
    page = Page(side_by_side(part, 3, album_of(tmp_path, part)))
    gone = [given["aria-label"] for _, given in page.tags if given.get("class") == "gone"]
    assert gone == [f"ours, {part.sample_names[1]}", f"truth of {part.sample_names[2]}"]


def test_large_pictures_shrink_and_keep_their_shape(tmp_path: Path) -> None:
    part = part_of(6)
    folder = write_pictures(tmp_path, [part])
    name = part.sample_names[0]
    save_png(folder.picture("ours", name), noise(1, 40)[:20], overwrite=True)
    pictures = shown(Page(side_by_side(part, 3, album_of(tmp_path, part, side=16))))
    assert pictures[f"ours, {name}"][:2] == (16, 8)
    assert pictures[f"theirs, {name}"][:2] == (12, 12)


def test_results_are_not_compared_with_a_truth_that_is_none(tmp_path: Path) -> None:
    part = part_of(6, paired=0)
    write_pictures(tmp_path, [part])
    page = Page(side_by_side(part, 3, album_of(tmp_path, part)))
    assert page.rows[0][-1] == "photograph"
    some = dataclasses.replace(part, paired=2)
    page = Page(side_by_side(some, 3, album_of(tmp_path, part)))
    assert page.rows[0][-1] == "truth or photograph"


def test_best_and_worst_results_have_their_figures(tmp_path: Path) -> None:
    figures = {
        "semantic_52": [0.9, 0.8, math.nan],
        "semantic_52_plain": [0.5, 0.5, 0.5],
        "perceptual": [0.25, 0.125, 0.5],
    }
    part = make_part([make_row("ours", figures), make_row("theirs", figures)])
    write_pictures(tmp_path, [part])
    page = Page(best_and_worst(part, album_of(tmp_path, part)))
    order = [page.text.index(name) for name in ("00001", "00000", "00002")]
    assert order == sorted(order)
    assert page.text.index("Best") < order[0] < order[1] < page.text.index("Worst") < order[2]
    assert "Ordered by perceptual distance (a net): low values are good." in page.text
    case = page.text[order[0] : order[1]]
    assert "semantic 520.800" in case and "distance0.125" in case and "plain" not in case
    assert "semantic" not in page.text[order[2] :]
    pictures = shown(page)
    assert len(pictures) == 3 * 4 and f"ours, {part.sample_names[2]}" in pictures


def test_without_a_figure_there_is_no_best_result(tmp_path: Path) -> None:
    part = make_part([make_row("ours", {"copied": [0.5, 0.6]})])
    assert "No sample has a figure" in best_and_worst(part, album_of(tmp_path, part))
