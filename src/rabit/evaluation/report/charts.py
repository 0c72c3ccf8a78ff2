"""Charts of an evaluation as SVG: dots with intervals, and how figures of samples spread."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from rabit.evaluation.baselines import BASELINES
from rabit.evaluation.quantities import GROUPS, Quantity
from rabit.evaluation.report.tables import interval, number
from rabit.evaluation.summary import Part, Row

MARGIN = 4.0
"""Percent of a panel's width that stay free on either side."""

NARROWEST = 150.0
"""Pixels of the narrowest panel, on a phone, without its margins."""

LETTER = 6.5
"""Pixels of a digit below an axis."""

SHOWN = 300
"""Samples of a method that are drawn at most, spread over its order."""

_DOTS, _SPREAD, _FOOT = 24, 52, 20
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Axis:
    """A horizontal axis, linear.

    Args:
        low: left end.
        high: right end, above the left one.
    """

    low: float
    high: float

    def place(self, value: float) -> str:
        """Returns where a value is, as a share of the panel's width."""
        share = (value - self.low) / (self.high - self.low)
        return f"{MARGIN + (100 - 2 * MARGIN) * share:.2f}%"

    def ticks(self) -> dict[float, str]:
        """Returns round values on the axis with their labels, as many as have room; at least 2."""
        span = self.high - self.low
        power = math.floor(math.log10(span / 4))
        finer: dict[float, str] = {}
        for times in (1, 2, 5, 10, 20):
            step = times * 10.0**power
            # A step of 0.05 takes two digits, of 0.1 one, of 1 and 20 none.
            digits = max(-math.floor(math.log10(step) + 1e-9), 0)
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            found = {n * step: number(n * step, digits) for n in range(first, last + 1)}
            if len(found) < 2:
                break
            finer = found
            if LETTER * (max(3, *map(len, found.values())) + 1) <= NARROWEST * step / span:
                return found
        ends = list(finer.items())
        return dict([ends[0], ends[-1]])


def axis_of(values: Sequence[float]) -> Axis:
    """Returns an axis that has all values on it, with a little room beside them."""
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or max(abs(low) * 0.05, 1e-3)
    return Axis(low - room, high + room)


def dots_figure(part: Part) -> str:
    """Draws a panel for each figure of a part, with a dot and an interval for each method.

    Args:
        part: of an evaluation.

    Returns:
        A heading and panels for each group of figures.
    """
    found = []
    for group, title in GROUPS.items():
        panels = [_dots(part, q) for q in part.quantities if q.group == group]
        shown = "".join(panel for panel in panels if panel)
        if shown:
            found.append(
                f'<div class="card"><h4>{title}</h4><div class="panels">{shown}</div></div>'
            )
    return "".join(found)


def spread_figure(part: Part, quantity: Quantity) -> str:
    """Draws how a figure spreads over the samples of each method: samples and their quartiles.

    Args:
        part: of an evaluation.
        quantity: a figure of samples.

    Returns:
        A panel; empty if no method has the figure of a sample.
    """
    known = {
        row.method: np.sort(finite.numpy())
        for row in part.rows
        if (values := row.samples.get(quantity.name)) is not None
        and len(finite := values[values.isfinite()].double())
    }
    if not known:
        return ""
    axis = axis_of([end for values in known.values() for end in (values[0], values[-1])])

    def draw(row: Row, middle: float) -> str:
        return _box(axis, known[row.method], middle)

    def tell(row: Row) -> str:
        low, median, high = np.quantile(known[row.method], (0.25, 0.5, 0.75))
        return (
            f"{row.method}: median {number(median, quantity.digits)}, quartiles "
            f"{number(low, quantity.digits)} and {number(high, quantity.digits)}"
        )

    rows = [row for row in part.rows if row.method in known]
    return _panel(part, quantity, rows, axis, _SPREAD, draw, tell)


def _dots(part: Part, quantity: Quantity) -> str:
    """Draws a panel of one figure."""
    rows = [
        row
        for row in part.rows
        if quantity.name in row.figures and math.isfinite(row.figures[quantity.name].value)
    ]
    if not rows:
        return ""
    figures = [row.figures[quantity.name] for row in rows]
    ends = [end for f in figures for end in (f.value, f.low, f.high) if math.isfinite(end)]
    axis = axis_of(ends)

    def draw(row: Row, middle: float) -> str:
        figure = row.figures[quantity.name]
        bar = ""
        if interval(figure, quantity.digits):
            bar = _line("bar", axis.place(figure.low), middle, axis.place(figure.high), middle)
        return f'{bar}<circle class="dot" cx="{axis.place(figure.value)}" cy="{middle:g}" r="4"/>'

    def tell(row: Row) -> str:
        figure = row.figures[quantity.name]
        ends = interval(figure, quantity.digits)
        value = f"{row.method}: {number(figure.value, quantity.digits)}"
        return f"{value} ({ends})" if ends else value

    return _panel(part, quantity, rows, axis, _DOTS, draw, tell)


def _panel(
    part: Part,
    quantity: Quantity,
    rows: Sequence[Row],
    axis: Axis,
    height: int,
    draw: Callable[[Row, float], str],
    tell: Callable[[Row], str],
) -> str:
    """Lays out names, lines of methods and the axis.

    Args:
        part: that the rows are of.
        quantity: what is drawn.
        rows: a line each.
        axis: of values.
        height: of a line in pixels.
        draw: returns a method's marks on a line with a given middle.
        tell: returns the same in words.
    """
    kinds = [_kind(part, row) for row in rows]
    names = "".join(
        f'<li class="{kind}" style="height:{height}px;line-height:{height}px" '
        f'title="{escape(row.method)}">{escape(row.method)}</li>'
        for kind, row in zip(kinds, rows, strict=True)
    )
    bottom = height * len(rows)
    ticks = "".join(
        f"{_line('tick', axis.place(tick), 0, axis.place(tick), bottom)}"
        f'<text x="{axis.place(tick)}" y="{bottom + 14}">{label}</text>'
        for tick, label in axis.ticks().items()
    )
    marks = "".join(
        f'<g class="{kind}"><title>{escape(tell(row))}</title>{draw(row, height * (i + 0.5))}</g>'
        for i, (kind, row) in enumerate(zip(kinds, rows, strict=True))
    )
    heading = escape(f"{quantity.heading} {quantity.arrow}".strip())
    told = escape("; ".join([quantity.label, *(tell(row) for row in rows)]))
    return (
        f'<div class="panel"><b title="{escape(quantity.label)}">{heading}</b><div class="plot">'
        f'<ul aria-hidden="true">{names}</ul><svg role="img" aria-label="{told}" width="100%" '
        f'height="{bottom + _FOOT}">{ticks}{marks}</svg></div></div>'
    )


def _box(axis: Axis, values: np.ndarray, middle: float) -> str:
    """Draws samples, with a box from quartile to quartile and lines to the twentieths."""
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), SHOWN)).round().astype(int))
    points = "".join(
        f'<circle class="sample" cx="{axis.place(values[place])}" '
        f'cy="{middle + (i * _GOLDEN % 1 - 0.5) * 0.7 * _SPREAD:.1f}" r="2"/>'
        for i, place in enumerate(places)
    )
    low, first, median, third, high = (
        axis.place(v) for v in np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    )
    width = float(third[:-1]) - float(first[:-1])
    bars = _line("bar", low, middle, first, middle) + _line("bar", third, middle, high, middle)
    return (
        f"{points}{bars}"
        f'<rect class="box" x="{first}" y="{middle - 8:g}" width="{width:.2f}%" height="16"/>'
        f"{_line('median', median, middle - 8, median, middle + 8)}"
    )


def _line(kind: str, x1: str, y1: float, x2: str, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1:g}" x2="{x2}" y2="{y2:g}"/>'


def _kind(part: Part, row: Row) -> str:
    """Returns how a method is drawn: the first, another, or a baseline."""
    if row.method in BASELINES:
        return "baseline"
    return "first" if row is part.rows[0] else "other"
