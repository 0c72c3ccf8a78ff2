"""Tables of an evaluation's figures, and of the paper's beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

from rabit.evaluation.baselines import BASELINES
from rabit.evaluation.intervals import Figure
from rabit.evaluation.published import PublishedTable
from rabit.evaluation.quantities import Group, Quantity
from rabit.evaluation.summary import Part, Row
from rabit.evaluation.tables import (
    NOTHING,
    best_methods,
    incomparable,
    paper_quantity,
    rounded,
)

DAGGER = "\N{DAGGER}"
DOUBLE_DAGGER = "\N{DOUBLE DAGGER}"


def number(value: float, digits: int) -> str:
    """Returns a number as text, with a minus sign and without a negative zero."""
    if not math.isfinite(value):
        return "not finite"
    text = rounded(value, digits)
    if text.startswith("-"):
        text = text[1:] if float(text) == 0 else f"\N{MINUS SIGN}{text[1:]}"
    return text


def interval(figure: Figure, digits: int) -> str:
    """Returns an interval as text; empty where none is known."""
    if not (math.isfinite(figure.low) and math.isfinite(figure.high)):
        return ""
    return f"{number(figure.low, digits)} to {number(figure.high, digits)}"


def differs(row: Row, quantity: Quantity) -> bool:
    """Tells whether the interval of the first method's difference to a row excludes 0."""
    against = row.against.get(quantity.name)
    return against is not None and (against.low > 0 or against.high < 0)


def figures_table(part: Part, group: Group) -> str:
    """Returns a group's table, a row a method, with its legend; empty if it has no figures.

    Args:
        part: of an evaluation.
        group: of its quantities.
    """
    quantities = [quantity for quantity in part.quantities if quantity.group == group]
    if not quantities:
        return ""
    marked = {quantity.name: best_methods(part, quantity) for quantity in quantities}

    def cell(row: Row, quantity: Quantity) -> str:
        figure = row.figures.get(quantity.name)
        if figure is None:
            return f'<td><span title="has no such figure">{NOTHING}</span></td>'
        mark = ' class="best"' if row.method in marked[quantity.name] else ""
        told = '<span class="unseen"> best</span>' if mark else ""
        value = number(figure.value, quantity.digits)
        return (
            f"<td{mark}>{value}{told}{_dagger(part, row, quantity)}"
            f"{_small(interval(figure, quantity.digits))}{_count(part, figure)}</td>"
        )

    body = _bodies(part.rows, lambda row: "".join(cell(row, q) for q in quantities))
    caption = f"{len(part.sample_names)} samples; the 95 % interval below each figure"
    notes = _notes(part, quantities, any(marked.values()))
    return (
        f"{_scrolled(caption, _heads('Method', quantities), body)}{legend(quantities)}"
        f'<p class="note">{notes}</p>'
    )


def differences_table(part: Part) -> str:
    """Returns the first method's paired differences to the others; empty if there are none."""
    rows = [row for row in part.rows if row.against]
    quantities = [q for q in part.quantities if any(q.name in row.against for row in rows)]
    if not quantities:
        return ""

    def cell(row: Row, quantity: Quantity) -> str:
        figure = row.against.get(quantity.name)
        if figure is None:
            return f"<td>{NOTHING}</td>"
        value = number(figure.value, quantity.digits)
        mark = f"<sup>{DAGGER}</sup>" if differs(row, quantity) else ""
        small = _small(interval(figure, quantity.digits))
        return f"<td>{value}{mark}{small}{_count(part, figure)}</td>"

    first = part.rows[0].method
    body = _bodies(rows, lambda row: "".join(cell(row, q) for q in quantities))
    caption = f"{first} less each method, paired by sample"
    table = _scrolled(caption, _heads("Less", quantities), body)
    return (
        f"<details><summary>Differences of {escape(first)} to the others</summary>{table}</details>"
    )


def legend(quantities: Iterable[Quantity]) -> str:
    """Returns what headings stand for, in full."""
    items = []
    for quantity in quantities:
        # "FD (of a network)" says its heading itself.
        rest = quantity.label.removeprefix(quantity.heading)
        space = " " if rest == quantity.label else ""
        paper = f"; in the paper's column {quantity.paper}" if quantity.paper else ""
        text = escape(f"{space}{rest}{paper}")
        items.append(f"<li><b>{escape(quantity.heading)}</b>{text}</li>")
    return f'<ul class="terms">{"".join(items)}</ul>'


def published_table(published: PublishedTable, part: Part) -> str:
    """Returns one of the paper's tables behind the figures that were measured here.

    Args:
        published: the paper's.
        part: what was measured, of the same kind.
    """
    own = [paper_quantity(part, column) for column in published.columns]
    ours = _bodies(part.rows, lambda row: "".join(_our_cell(row, q) for q in own))
    heads = "".join(
        f"<th>{NOTHING}</th>" if q is None else f'<th title="{escape(q.label)}">{_heading(q)}</th>'
        for q in own
    )
    theirs = "".join(
        f'<tr><th scope="row">{escape(method)}</th>{"".join(map(_their_cell, values))}</tr>'
        for method, values in published.rows.items()
    )
    names = "".join(f"<th>{escape(column)}</th>" for column in published.columns)
    body = (
        f'<tbody><tr class="heads"><th>Measured here</th>{heads}</tr></tbody>{ours}'
        f'<tbody class="apart published"><tr class="heads"><th>Published, {escape(published.data)}'
        f"{_small('not comparable')}</th>{names}</tr>{theirs}</tbody>"
    )
    caption = f"Table {published.number} of the paper, {published.part}, {published.data}"
    return _scrolled(caption, "", body)


def _our_cell(row: Row, quantity: Quantity | None) -> str:
    figure = None if quantity is None else row.figures.get(quantity.name)
    if quantity is None or figure is None:
        return f"<td>{NOTHING}</td>"
    small = _small(interval(figure, quantity.digits))
    return f"<td>{number(figure.value, quantity.digits)}{small}</td>"


def _their_cell(value: float | None) -> str:
    """Returns a published figure with the paper's digits: three behind the point below 1."""
    if value is None:
        return f"<td>{NOTHING}</td>"
    return f"<td>{value:.3f}</td>" if value < 1 else f"<td>{value:#.4g}</td>"


def _heading(quantity: Quantity) -> str:
    return escape(f"{quantity.heading} {quantity.arrow}".strip())


def _heads(first: str, quantities: Sequence[Quantity]) -> str:
    """Returns the head of a table whose columns are quantities."""
    cells = "".join(
        f'<th scope="col" title="{escape(q.label)}">{_heading(q)}</th>' for q in quantities
    )
    return f'<thead><tr><th scope="col">{first}</th>{cells}</tr></thead>'


def _bodies(rows: Sequence[Row], cells: Callable[[Row], str]) -> str:
    """Returns the rows of methods, and apart from them those of baselines.

    Args:
        rows: of all methods.
        cells: returns a row's, without its head.
    """
    found = []
    for baselines in (False, True):
        lines = "".join(
            f'<tr><th scope="row">{escape(row.method)}'
            f"{_small('baseline' if baselines else '')}</th>{cells(row)}</tr>"
            for row in rows
            if (row.method in BASELINES) == baselines
        )
        if lines:
            kind = ' class="apart"' if baselines else ""
            found.append(f"<tbody{kind}>{lines}</tbody>")
    return "".join(found)


def _scrolled(caption: str, head: str, body: str) -> str:
    """Returns a table in a box that scrolls where it is wider than the page."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table '
        f'class="figures"><caption><span>{escape(caption)}</span></caption>{head}{body}</table></div>'
    )


def _small(text: str) -> str:
    return f"<small>{text}</small>" if text else ""


def _count(part: Part, figure: Figure) -> str:
    """Says of how many samples a figure is where that is not all."""
    if figure.count == len(part.sample_names):
        return ""
    return f"<small>of {figure.count}</small>"


def _dagger(part: Part, row: Row, quantity: Quantity) -> str:
    """Marks a figure that differs from the first method's, or has none to be compared with."""
    if incomparable(part, row, quantity.name):
        told = f"{part.rows[0].method} has no such figure here"
        return f'<sup title="{escape(told)}">{DOUBLE_DAGGER}</sup>'
    if not differs(row, quantity):
        return ""
    figure = row.against[quantity.name]
    ends = interval(figure, quantity.digits)
    told = f"{part.rows[0].method} less this: {number(figure.value, quantity.digits)}, {ends}"
    return f'<sup title="{escape(told)}">{DAGGER}</sup>'


def _notes(part: Part, quantities: Sequence[Quantity], marked: bool) -> str:
    """Says what the marks of a table mean, of those that it has."""
    notes = ["Arrows point to better values."] if any(q.arrow for q in quantities) else []
    if marked:
        notes.append("Bold on blue: the best of the methods, baselines left aside.")
    first = escape(part.rows[0].method)
    if any(differs(row, q) for row in part.rows for q in quantities):
        notes.append(
            f"{DAGGER} differs from {first}: the interval of the difference, paired by sample, "
            "leaves out 0."
        )
    if any(incomparable(part, row, q.name) for row in part.rows for q in quantities):
        notes.append(f"{DOUBLE_DAGGER} not compared: {first} has no such figure there.")
    figures = [f for row in part.rows for q in quantities if (f := row.figures.get(q.name))]
    if any(_count(part, figure) for figure in figures):
        notes.append("Where it says of how many, the other samples have no such figure.")
    return " ".join(notes)
