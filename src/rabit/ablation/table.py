"""An ablation's table: rows over seeds, beside the paper's published figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rabit.ablation.columns import PUBLISHED, Column, columns_of
from rabit.ablation.measure import Measured
from rabit.ablation.order import Cell, Order, cell, compare_orders
from rabit.ablation.rows import Row


@dataclass(frozen=True)
class TableRow:
    """One row.

    Args:
        name: of the row.
        label: what it is called.
        cells: by figure; without those that it has not.
        seeds: trainings that it is a mean of; 0 if none has finished.
        note: what it is.
        foreign: whether it is another program's results.
    """

    name: str
    label: str
    cells: Mapping[str, Cell]
    seeds: int
    note: str
    foreign: bool = False


@dataclass(frozen=True)
class Table:
    """A table that is filled.

    Args:
        name: of TABLES.
        rows: in the paper's order, other programs' results last.
        labels: what each figure is called in full.
        facts: what the figures depend on, by name.
        edited: whether the test set's second part are edits.
    """

    name: str
    rows: tuple[TableRow, ...]
    labels: Mapping[str, str]
    facts: Mapping[str, Any]
    edited: bool

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in which there is a figure."""
        there = {figure for row in self.rows for figure in row.cells}
        return columns_of({name: label for name, label in self.labels.items() if name in there})

    def published(self, figure: str) -> dict[str, float]:
        """Returns the paper's figures of a column, by row; empty where it has none."""
        stands = {
            f"{column.part}.{column.paper}"
            for column in self.columns
            if column.figure == figure and column.paper is not None
        }
        rows = PUBLISHED.get(self.name, {})
        return {name: row[key] for name, row in rows.items() for key in stands & set(row)}

    def order(self, figure: str) -> Order | None:
        """Compares the order of our rows in a column with the paper's."""
        ours = {
            row.name: row.cells[figure]
            for row in self.rows
            if figure in row.cells and not row.foreign
        }
        return compare_orders(ours, self.published(figure))


def fill_table(
    name: str,
    rows: Sequence[Row],
    measured: Mapping[str, Sequence[Measured]],
    others: Mapping[str, Measured],
    facts: Mapping[str, Any],
    edited: bool,
) -> Table:
    """Fills a table.

    Args:
        name: of TABLES.
        rows: its rows.
        measured: what was measured of each row's finished runs, one a seed, by the row's name.
        others: of other programs' results, by their name.
        facts: what the figures depend on.
        edited: whether the test set's second part are edits.
    """
    filled = []
    for row in rows:
        seeds = measured.get(row.name, ())
        filled.append(TableRow(row.name, row.label, _cells(seeds), len(seeds), row.note))
    for other, found in others.items():
        note = "Another program's results."
        filled.append(TableRow(other, other, _cells((found,)), 1, note, foreign=True))
    every = [found for seeds in measured.values() for found in seeds] + list(others.values())
    labels = {figure: text for found in every for figure, text in found.labels.items()}
    return Table(name, tuple(filled), labels, facts, edited)


def _cells(seeds: Sequence[Measured]) -> dict[str, Cell]:
    values: dict[str, list[float]] = {}
    for found in seeds:
        for figure, value in found.figures.items():
            values.setdefault(figure, []).append(value)
    return {figure: cell(own) for figure, own in values.items()}


def table_dict(table: Table) -> dict[str, Any]:
    """Returns a table as JSON-ready data."""

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "table": table.name,
        "facts": dict(table.facts),
        "columns": [
            {
                "figure": column.figure,
                "name": table.labels[column.figure],
                "better": column.better,
                "paper": column.paper,
                "order": _order_dict(table.order(column.figure)),
            }
            for column in table.columns
        ],
        "rows": [
            {
                "name": row.name,
                "label": row.label,
                "note": row.note,
                "foreign": row.foreign,
                "seeds": row.seeds,
                "figures": {
                    figure: {
                        "mean": number(own.mean),
                        "deviation": number(own.deviation),
                        "seeds": own.count,
                    }
                    for figure, own in row.cells.items()
                },
                "published": {
                    column.figure: published[row.name]
                    for column in table.columns
                    if row.name in (published := table.published(column.figure))
                },
            }
            for row in table.rows
        ],
    }


def _order_dict(order: Order | None) -> dict[str, Any] | None:
    if order is None:
        return None
    return {
        "kendall_tau": order.tau,
        "rows": order.rows,
        "clear_pairs_as_published": [list(pair) for pair in order.agreeing],
        "clear_pairs_contrary": [list(pair) for pair in order.contrary],
        "unclear_pairs": order.unclear,
    }


def table_lines(table: Table) -> list[list[str]]:
    """Returns a table as rows of text for CSV: one line a row and figure, a heading first."""
    lines = [["row", "label", "figure", "name", "mean", "deviation", "seeds", "published"]]
    for row in table.rows:
        for column in table.columns:
            own = row.cells.get(column.figure)
            if own is None:
                continue
            published = table.published(column.figure).get(row.name)
            lines.append(
                [
                    row.name,
                    row.label,
                    column.figure,
                    table.labels[column.figure],
                    repr(own.mean),
                    repr(own.deviation) if math.isfinite(own.deviation) else "",
                    str(own.count),
                    "" if published is None else str(published),
                ]
            )
    return lines
