"""An evaluation as Markdown, CSV and JSON, beside the figures that the paper publishes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rabit.evaluation.baselines import BASELINES
from rabit.evaluation.intervals import FEW, Figure
from rabit.evaluation.published import PUBLISHED, PublishedTable
from rabit.evaluation.quantities import GROUPS, Quantity
from rabit.evaluation.summary import Evaluation, Part, Row

TITLES = {"translation": "Image translation", "manipulation": "Image manipulation"}
NOTHING = "–"
READING = (
    "Values with their 95 % intervals: of means over pictures, and of figures of segmenters' maps, "
    "from a bootstrap over conditions (edits: over photographs), and over exemplars where several "
    f"conditions share them, widened for fewer than {FEW} of either; of Fréchet distances from "
    "their deviation, wider than 95 % and about this number of pictures; of kernel distances from "
    "a jackknife, about how they vary between draws of conditions. Bold is the best value of "
    "several methods, baselines left aside. = stands where the paired difference from the first "
    "method's does not exclude 0, ? where the first method has no such figure to compare with; "
    "distances between sets (FID, FD, KID, KD, SWD) have no pairs, and no mark. Any other figure "
    "without a mark differs from the first method's."
)
NOT_COMPARABLE = (
    "Rows in italics are published figures (the paper's, and through it other papers'), on its "
    "data and networks; their values do not compare with ours."
)


def spell(figure: Figure | None, digits: int) -> str:
    """Returns a figure with its interval as text."""
    if figure is None:
        return NOTHING
    value, digits = rounded(figure.value, digits), shown_digits(figure.value, digits)
    if not (math.isfinite(figure.low) and math.isfinite(figure.high)):
        return value
    return f"{value} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def shown_digits(value: float, digits: int) -> int:
    """Returns how many digits behind the point are shown: less of large numbers.

    Args:
        value: a figure.
        digits: of figures of the usual size.
    """
    if not math.isfinite(value) or abs(value) < 100:
        return digits
    return max(0, min(digits, 4 - int(math.log10(abs(value)))))


def rounded(value: float, digits: int) -> str:
    """Returns a figure as it is shown; see `shown_digits`."""
    return f"{value:.{shown_digits(value, digits)}f}"


def best_methods(part: Part, quantity: Quantity) -> frozenset[str]:
    """Returns the methods whose figure, as it is shown, none surpasses; baselines do not count.

    Args:
        part: of an evaluation.
        quantity: one of its figures.

    Returns:
        Several in a tie; none if the figure has no better side, or fewer than two methods have it.
    """
    values = {
        row.method: row.figures[quantity.name].value
        for row in part.rows
        if quantity.name in row.figures and row.method not in BASELINES
    }
    if quantity.better == "neither" or len(values) < 2:
        return frozenset()
    top = max(values.values()) if quantity.better == "higher" else min(values.values())
    shown = rounded(top, quantity.digits)
    return frozenset(
        name for name, value in values.items() if rounded(value, quantity.digits) == shown
    )


def equal(row: Row, name: str) -> bool:
    """Tells whether a figure's difference from the first method's does not exclude 0."""
    difference = row.against.get(name)
    # An interval that is not known excludes nothing.
    return difference is not None and not (difference.low > 0 or difference.high < 0)


def incomparable(part: Part, row: Row, name: str) -> bool:
    """Tells whether a figure is not compared since the first method has none on these samples.

    Distances between sets are compared with none, and are no such figures.

    Args:
        part: of an evaluation.
        row: of one of its methods.
        name: of a quantity.
    """
    first = part.rows[0]
    if row is first or name not in row.figures or name in row.against:
        return False
    return name not in first.figures or name in row.samples


def markdown(
    evaluation: Evaluation,
    facts: Mapping[str, str],
    published: Sequence[PublishedTable],
    missing: Sequence[str] = (),
) -> str:
    """Returns a page with all tables.

    Args:
        evaluation: the figures.
        facts: what they depend on.
        published: the paper's tables that are shown.
        missing: what could not be measured, and why.
    """
    lines = ["# Evaluation", "", READING, ""]
    if missing:
        lines += ["Left out:", "", *(f"- {text}" for text in missing), ""]
    for part in evaluation.parts:
        lines += [f"## {TITLES[part.name]}", ""]
        for group, title in GROUPS.items():
            quantities = [q for q in part.quantities if q.group == group]
            if quantities:
                lines += [f"### {title}", "", *_table(part, quantities), ""]
    lines += _published(evaluation, published)
    if evaluation.seconds:
        lines += ["## Seconds a picture", "", *_rows(["method", "seconds"], [
            [_plain(name), f"{value:.3f}"] for name, value in evaluation.seconds.items()
        ]), ""]  # fmt: skip
    lines += ["## What the figures are", ""]
    for part in evaluation.parts:
        lines += [f"- {TITLES[part.name]}, {q.heading}: {q.label}" for q in part.quantities]
    lines += ["", "## What they depend on", ""]
    lines += _rows(["", ""], [[_plain(name), _plain(value)] for name, value in facts.items()])
    return "\n".join(lines) + "\n"


def _table(part: Part, quantities: Sequence[Quantity]) -> list[str]:
    heads = ["", *(f"{q.heading} {q.arrow}".strip() for q in quantities)]
    lines = []
    for row in part.rows:
        cells = [_plain(row.method)]
        for quantity in quantities:
            figure = row.figures.get(quantity.name)
            text = spell(figure, quantity.digits) + _mark(part, row, quantity.name)
            marked = row.method in best_methods(part, quantity)
            cells.append(f"**{text}**" if marked else text)
        lines.append(cells)
    return _rows(heads, lines)


def _mark(part: Part, row: Row, name: str) -> str:
    """Returns what stands behind a figure; see `READING`."""
    if equal(row, name):
        return " ="
    return " ?" if incomparable(part, row, name) else ""


def _published(evaluation: Evaluation, published: Sequence[PublishedTable]) -> list[str]:
    lines: list[str] = []
    for table in published:
        parts = [part for part in evaluation.parts if part.name == table.part]
        if not parts:
            continue
        if not lines:
            lines += ["## In the shape of the paper's tables", "", NOT_COMPARABLE, ""]
        columns = [paper_quantity(parts[0], column) for column in table.columns]
        heads = [f"Table {table.number}, {table.data}"]
        for column, quantity in zip(table.columns, columns, strict=True):
            same = quantity is None or quantity.heading == column
            heads.append(column if same or quantity is None else f"{quantity.heading} / *{column}*")
        rows = [
            [
                _plain(row.method),
                *(
                    NOTHING if q is None else spell(row.figures.get(q.name), q.digits)
                    for q in columns
                ),
            ]
            for row in parts[0].rows
        ]
        for method, figures in table.rows.items():
            cells = (NOTHING if value is None else f"*{value:g}*" for value in figures)
            rows.append([f"*{method}, published*", *cells])
        lines += [*_rows(heads, rows), ""]
    return lines


def paper_quantity(part: Part, column: str) -> Quantity | None:
    """Returns what stands for one of the paper's columns; None if nothing does."""
    return next((q for q in part.quantities if q.paper == column), None)


def published_for(data: str) -> tuple[PublishedTable, ...]:
    """Returns the paper's tables of a data set, or of ADE20K where it has none."""
    own = tuple(table for table in PUBLISHED if table.data == data)
    return own or tuple(table for table in PUBLISHED if table.data == "ADE20K")


def _rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _plain(text: str) -> str:
    """Returns text that Markdown does not read as something else."""
    for mark in "\\|*_`<[":
        text = text.replace(mark, f"\\{mark}")
    return text


def csv_text(evaluation: Evaluation) -> str:
    """Returns one line a method and quantity, a heading first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "method", "quantity", "name", "better", "value", "low", "high",
                     "count", "difference", "difference_low", "difference_high"])  # fmt: skip
    for part in evaluation.parts:
        for row in part.rows:
            for quantity in part.quantities:
                figure = row.figures.get(quantity.name)
                if figure is None:
                    continue
                difference = row.against.get(quantity.name)
                told = [part.name, row.method, quantity.name, quantity.label, quantity.better]
                numbers = [figure.value, figure.low, figure.high, figure.count]
                if difference is not None:
                    numbers += [difference.value, difference.low, difference.high]
                cells = [repr(n) if math.isfinite(n) else "" for n in numbers]
                writer.writerow([*told, *cells, *[""] * (7 - len(cells))])
    return out.getvalue()


def evaluation_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Returns an evaluation as JSON-ready data, with the figures of every sample.

    Seconds are left out, since they differ from run to run.
    """
    return {
        "parts": [
            {
                "part": part.name,
                "samples": len(part.sample_names),
                "with_truth": part.paired,
                "quantities": [vars(quantity) for quantity in part.quantities],
                "methods": [
                    {
                        "method": row.method,
                        "figures": {name: _figure(own) for name, own in row.figures.items()},
                        "first_minus_this": {n: _figure(own) for n, own in row.against.items()},
                        "per_sample": {
                            name: [_finite(value) for value in values.tolist()]
                            for name, values in row.samples.items()
                        },
                    }
                    for row in part.rows
                ],
            }
            for part in evaluation.parts
        ],
        "published": [
            {**vars(table), "rows": dict(table.rows), "columns": list(table.columns)}
            for table in PUBLISHED
        ],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    ends = {"low": _finite(figure.low), "high": _finite(figure.high)}
    return {"value": _finite(figure.value), **ends, "count": figure.count}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
