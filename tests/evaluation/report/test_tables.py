from __future__ import annotations

import dataclasses
import math

import pytest

from evaluations import COPIED_SHARE, DISTANCE, FD, PSNR, SEMANTIC, Page, make_part, make_row
from rabit.evaluation.baselines import COPIED, MEAN_COLOURS
from rabit.evaluation.intervals import Figure
from rabit.evaluation.published import PublishedTable
from rabit.evaluation.report.tables import (
    differences_table,
    figures_table,
    interval,
    number,
    published_table,
)
from rabit.evaluation.tables import best_methods

NAN = math.nan


def test_numbers_have_their_digits_a_minus_sign_and_no_negative_zero() -> None:
    assert number(0.12345, 3) == "0.123" and number(-1.5, 1) == "−1.5"
    assert number(-0.0004, 3) == "0.000" and number(NAN, 2) == "not finite"
    assert interval(Figure(0.0, -0.25, 0.5, 9), 2) == "−0.25 to 0.50"
    assert interval(Figure(0.0, NAN, 0.5, 9), 2) == ""


def test_a_table_has_the_figures_with_their_intervals() -> None:
    row = make_row("ours", {"psnr": [10.0, 12.0, 14.0], "perceptual": [0.5, 0.5, 0.5]})
    page = Page(figures_table(make_part([row]), "fidelity"))
    assert page.rows[0] == ["Method", "PSNR ↑", "distance ↓"]
    figure = row.figures["psnr"]
    assert figure.low < 12 < figure.high
    ends = f"{figure.low:.2f} to {figure.high:.2f}"
    assert page.row("ours") == ["ours", f"12.00 {ends}", "0.500 0.500 to 0.500"]
    assert "PSNR in dB; in the paper's column PSNR" in page.text
    assert "distance perceptual distance (a net)" in page.text
    titles = [given.get("title") for tag, given in page.tags if tag == "th"]
    assert titles == [None, PSNR.label, DISTANCE.label, None]


def test_a_group_without_figures_has_no_table() -> None:
    part = make_part([make_row("ours", {"semantic_52": [0.5, 0.6]})])
    assert figures_table(part, "fidelity") == "" and figures_table(part, "consistency") != ""


def test_the_best_is_the_lowest_or_the_highest() -> None:
    first = make_row("a", {"psnr": [10.0], "perceptual": [0.5], "copied": [0.1]}, {"fd": 3.0})
    second = make_row("b", {"psnr": [11.0], "perceptual": [0.6], "copied": [0.2]}, {"fd": 2.0})
    part = make_part([first, second])
    assert best_methods(part, PSNR) == {"b"} and best_methods(part, DISTANCE) == {"a"}
    assert best_methods(part, FD) == {"b"} and best_methods(part, COPIED_SHARE) == frozenset()
    page = Page(figures_table(part, "fidelity"))
    marked = {row[0]: kinds for row, kinds in zip(page.rows, page.classes, strict=True)}
    assert marked["a"] == ["", "", "best"] and marked["b"] == ["", "best", ""]
    assert page.row("a")[2].startswith("0.500 best")


def test_methods_whose_shown_figures_are_equal_are_best_together() -> None:
    rows = [
        make_row(name, {"psnr": [v]}) for name, v in zip("abc", (9.001, 9.004, 9.0), strict=True)
    ]
    assert best_methods(make_part(rows), PSNR) == {"a", "b", "c"}
    rows[2] = make_row("c", {"psnr": [8.99]})
    assert best_methods(make_part(rows), PSNR) == {"a", "b"}


def test_baselines_are_apart_and_never_best() -> None:
    rows = [
        make_row(name, {"perceptual": [value]})
        for name, value in (("ours", 0.4), (COPIED, 0.1), ("theirs", 0.5), (MEAN_COLOURS, 0.4))
    ]
    part = make_part(rows)
    assert best_methods(part, DISTANCE) == {"ours"}
    text = figures_table(part, "fidelity")
    methods, baselines = text.split('<tbody class="apart">')
    assert "ours" in methods and "theirs" in methods and "baseline<" not in methods
    assert COPIED in baselines and MEAN_COLOURS in baselines
    assert baselines.count("<small>baseline</small>") == 2
    assert 'class="best"' not in baselines
    # Of the methods alone, there is only one.
    assert best_methods(make_part([rows[0], rows[1]]), DISTANCE) == frozenset()


def test_one_method_is_not_called_the_best() -> None:
    part = make_part([make_row("ours", {"psnr": [10.0, 11.0]})])
    text = figures_table(part, "fidelity")
    assert "best" not in text and "†" not in text


def test_a_method_that_differs_from_the_first_is_marked_and_one_that_may_not_is_not() -> None:
    first = make_row("ours", {"psnr": [10.0, 20.0, 30.0, 40.0]})
    lower = make_row("lower", {"psnr": [9.0, 19.5, 29.0, 39.0]}, first=first)
    alike = make_row("alike", {"psnr": [11.0, 19.0, 31.0, 39.0]}, first=first)
    part = make_part([first, lower, alike])
    page = Page(figures_table(part, "fidelity"))
    assert "†" in page.row("lower")[1] and "†" not in page.row("alike")[1]
    assert "†" not in page.row("ours")[1] and "† differs from ours" in page.text
    difference = lower.against["psnr"]
    told = f"ours less this: 0.88, {difference.low:.2f} to {difference.high:.2f}"
    assert [given["title"] for tag, given in page.tags if tag == "sup"] == [told]
    shown = Page(differences_table(part))
    ends = f"{difference.low:.2f} to {difference.high:.2f}"
    assert shown.row("lower") == ["lower", f"0.88 † {ends}"]
    assert [row[0] for row in shown.rows] == ["Less", "lower", "alike"]
    assert differences_table(make_part([first])) == ""


def test_figures_of_some_samples_and_missing_ones_are_told() -> None:
    first = make_row("ours", {"psnr": [10.0, NAN, 12.0], "perceptual": [0.1, 0.1, 0.1]})
    other = make_row("theirs", {"perceptual": [0.2, 0.2, 0.2]})
    page = Page(figures_table(make_part([first, other]), "fidelity"))
    assert page.row("ours")[1].endswith("of 2") and "of 3" not in page.row("ours")[2]
    assert page.row("theirs")[1] == "–"
    assert "the other samples have no such figure" in page.text


def test_a_figure_that_the_first_method_lacks_is_marked_and_explained() -> None:
    first = make_row("ours", {"psnr": [10.0, 20.0]}, {"fd": 1.0})
    other = make_row("theirs", {"psnr": [9.0, 19.0], "perceptual": [0.2, 0.3]}, {"fd": 2.0}, first)
    part = make_part([first, other])
    page = Page(figures_table(part, "fidelity"))
    assert "‡" in page.row("theirs")[2] and "‡" not in page.row("theirs")[1]
    assert "‡ not compared: ours has no such figure there." in page.text
    assert "ours has no such figure here" in [given.get("title") for tag, given in page.tags]
    assert "‡" not in figures_table(part, "quality")


def test_names_of_methods_are_text() -> None:
    name = '<b onclick="x">&'
    rows = [make_row(name, {"psnr": [9.0, 9.0]})]
    rows.append(make_row("other", {"psnr": [8.0, 8.0]}, first=rows[0]))
    part = make_part(rows)
    for text in (figures_table(part, "fidelity"), differences_table(part)):
        assert "<b onclick" not in text and name in Page(text).text


@pytest.mark.parametrize("baseline", [False, True])
def test_published_rows_stand_below_ours_and_say_what_they_are(baseline: bool) -> None:
    rows = [make_row("ours", {"semantic_52": [0.9, 0.9]}, {"fd": 1.5})]
    if baseline:
        rows.append(make_row(COPIED, {"semantic_52": [0.7, 0.7]}, {"fd": 0.5}))
    published = PublishedTable(
        9,
        "translation",
        "some data",
        ("SWD", "FID", "VGG_52"),
        {"RABIT": (9.9, 24.35, 0.571), "SPADE": (None, 120.2, 0.4)},
    )
    page = Page(published_table(published, make_part(rows)))
    assert page.rows[0] == ["Measured here", "–", "FD ↓", "semantic 52 ↑"]
    assert page.rows[1] == ["ours", "–", "1.50", "0.900 0.900 to 0.900"]
    assert [row[0] for row in page.rows[2:3]] == ([f"{COPIED} baseline"] if baseline else
        ["Published, some data not comparable"])  # fmt: skip
    assert page.rows[-3:] == [
        ["Published, some data not comparable", "SWD", "FID", "VGG_52"],
        ["RABIT", "9.900", "24.35", "0.571"],
        ["SPADE", "–", "120.2", "0.400"],
    ]
    assert "best" not in page.text and "Table 9 of the paper" in page.text


def test_the_legend_does_not_say_a_heading_twice() -> None:
    part = make_part([make_row("ours", {"semantic_52": [0.9]}, {"fd": 1.5})])
    assert "FD (a network); in the paper's column FID" in Page(figures_table(part, "quality")).text
    renamed = dataclasses.replace(SEMANTIC, paper=None)
    part = dataclasses.replace(part, quantities=(renamed,))
    text = Page(figures_table(part, "consistency")).text
    assert "semantic 52 semantic consistency, deep" in text and "column" not in text
