from __future__ import annotations

import dataclasses
import math
import re

import pytest

from evaluations import DISTANCE, PSNR, Page, make_part, make_row
from rabit.evaluation.baselines import MEAN_COLOURS
from rabit.evaluation.intervals import Figure
from rabit.evaluation.report.charts import (
    MARGIN,
    SHOWN,
    Axis,
    axis_of,
    dots_figure,
    spread_figure,
)

NAN = math.nan


@pytest.mark.parametrize("scale", [1e-4, 0.03, 1.0, 700.0])
@pytest.mark.parametrize("low", [-0.4, 0.0, 1.7])
@pytest.mark.parametrize("length", [0.1, 0.9, 3.0, 8.9])
def test_ticks_are_round_on_the_axis_and_told_apart(
    scale: float, low: float, length: float
) -> None:
    axis = Axis(low * scale, (low + length) * scale)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 6 and len(set(ticks.values())) == len(ticks)
    for value, label in ticks.items():
        assert axis.low - 1e-9 <= value <= axis.high + 1e-9
        assert float(label.replace("−", "-")) == pytest.approx(value, abs=1e-9)


def test_an_axis_holds_all_values_even_if_they_are_equal() -> None:
    assert axis_of([1.0, 3.0]) == Axis(0.9, 3.1)
    for value in (0.0, 5.0, -2.0):
        axis = axis_of([value, value])
        assert axis.low < value < axis.high and axis.place(value) == "50.00%"
    axis = Axis(10.0, 20.0)
    assert (axis.place(10), axis.place(20)) == (f"{MARGIN:.2f}%", f"{100 - MARGIN:.2f}%")


def three_rows() -> list[tuple[str, Figure]]:
    return [
        ("ours", Figure(20.0, 15.0, 25.0, 4)),
        ("theirs", Figure(10.0, NAN, NAN, 4)),
        (MEAN_COLOURS, Figure(30.0, 29.0, 31.0, 4)),
    ]


def test_dots_and_intervals_stand_where_the_figures_are() -> None:
    rows = [
        dataclasses.replace(make_row(name, {"psnr": [1.0] * 4}), figures={"psnr": figure})
        for name, figure in three_rows()
    ]
    text = dots_figure(dataclasses.replace(make_part(rows), quantities=(PSNR, DISTANCE)))
    page = Page(text)
    axis = axis_of([10.0, 31.0])
    dots = [given["cx"] for tag, given in page.tags if tag == "circle"]
    assert dots == [axis.place(20), axis.place(10), axis.place(30)]
    bars = [(g["x1"], g["x2"]) for tag, g in page.tags if tag == "line" and g["class"] == "bar"]
    assert bars == [(axis.place(15), axis.place(25)), (axis.place(29), axis.place(31))]
    assert re.findall(r'<g class="(\w+)">', text) == ["first", "other", "baseline"]
    (told,) = [given["aria-label"] for tag, given in page.tags if tag == "svg"]
    assert told == (
        f"PSNR in dB; ours: 20.00 (15.00 to 25.00); theirs: 10.00; {MEAN_COLOURS}: 30.00 "
        "(29.00 to 31.00)"
    )


def test_figures_that_no_method_has_get_no_panel() -> None:
    row = make_row("ours", {"psnr": [1.0, 2.0]})
    part = dataclasses.replace(make_part([row]), quantities=(PSNR, DISTANCE))
    assert dots_figure(part).count("<svg") == 1
    broken = dataclasses.replace(row, figures={"psnr": Figure(NAN, NAN, NAN, 0)})
    assert dots_figure(dataclasses.replace(part, rows=(broken,))) == ""


def test_samples_are_drawn_with_their_quartiles() -> None:
    values = [0.0, 1.0, 2.0, 3.0, 4.0, NAN]
    text = spread_figure(make_part([make_row("ours", {"perceptual": values})]), DISTANCE)
    page = Page(text)
    axis = axis_of([0.0, 4.0])
    points = [given["cx"] for tag, given in page.tags if tag == "circle"]
    assert points == [axis.place(value) for value in values[:5]]
    (box,) = [given for tag, given in page.tags if tag == "rect"]
    assert box["x"] == axis.place(1)
    width = float(axis.place(3)[:-1]) - float(axis.place(1)[:-1])
    assert float(str(box["width"])[:-1]) == pytest.approx(width, abs=0.011)
    assert "ours: median 2.000, quartiles 1.000 and 3.000" in text
    assert spread_figure(make_part([make_row("ours", {"psnr": [1.0]})]), DISTANCE) == ""


def test_of_many_samples_some_are_drawn_with_both_ends() -> None:
    values = [float(v) for v in range(3 * SHOWN)]
    text = spread_figure(make_part([make_row("ours", {"perceptual": values})]), DISTANCE)
    points = [given["cx"] for tag, given in Page(text).tags if tag == "circle"]
    axis = axis_of([values[0], values[-1]])
    assert len(points) == SHOWN
    assert (points[0], points[-1]) == (axis.place(values[0]), axis.place(values[-1]))


def test_names_of_methods_are_text() -> None:
    part = make_part([make_row("<b>$x_", {"perceptual": [1.0, 2.0]})])
    for text in (dots_figure(part), spread_figure(part, DISTANCE)):
        assert "<b>$x_" not in text and "&lt;b&gt;$x_" in text
