"""An ablation's table as a page of Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rabit.ablation.columns import Column
from rabit.ablation.order import Cell
from rabit.ablation.table import Table, TableRow
from rabit.evaluation.tables import shown_digits

_TITLES = {
    "table6": "Components (the paper's Table 6)",
    "table8": "Losses (the paper's Table 8)",
    "correspondences": "Correspondences",
}
_NOTHING = "–"


def markdown(table: Table) -> str:
    """Returns a page: the paper's columns beside the published ones, further figures, the order of
    the rows, what each figure is, and what all of them depend on.
    """
    parts = {
        "translation": "Image translation",
        "manipulation": "Image manipulation"
        if table.edited
        else "Held-out pictures as exemplars of themselves",
    }
    lines = [f"# {_TITLES[table.name]}", "", *_remarks(table), ""]
    for part, title in parts.items():
        own = [column for column in table.columns if column.part == part]
        if not own:
            continue
        first = [column for column in own if column.paper is not None]
        lines += [f"## {title}", "", *_table(table, first, published=True), ""]
        lines += [*_table(table, [c for c in own if c not in first], published=False), ""]
    cost = [column for column in table.columns if not column.part]
    if cost:
        lines += ["## Cost", "", *_table(table, cost, published=False), ""]
    lines += [*_orders(table), *_legend(table), *_facts(table)]
    return "\n".join(lines)


def _remarks(table: Table) -> list[str]:
    """Says how the table is to be read."""
    remark = "Means ± standard deviations over seeds."
    if any(table.published(column.figure) for column in table.columns):
        remark += (
            " Columns in italics are published figures: of another data set, other networks and "
            "other feature extractors, so their values do not compare with ours, only their order."
        )
    missing = [row.label for row in table.rows if row.seeds == 0]
    counts = sorted({row.seeds for row in table.rows if row.seeds and not row.foreign})
    lines = [remark]
    if missing:
        lines += ["", f"Not trained yet: {', '.join(missing)}."]
    if len(counts) > 1:
        few = ", ".join(f"{row.label} {row.seeds}" for row in table.rows if not row.foreign)
        lines += ["", f"Seeds so far: {few}."]
    return lines


def _table(table: Table, columns: Sequence[Column], published: bool) -> list[str]:
    """Returns a table of some columns, the best value of each in bold."""
    if not columns:
        return []
    heads, rows = [""], [[_row_label(row)] for row in table.rows]
    for column in columns:
        heads.append(f"{column.heading} {column.arrow}".strip())
        best = _best(table, column)
        for line, row in zip(rows, table.rows, strict=True):
            text = spell(row.cells.get(column.figure), column.digits)
            line.append(f"**{text}**" if _mean(text) == best else text)
        theirs = table.published(column.figure) if published else {}
        if theirs:
            heads.append(f"*{column.paper} published*")
            for line, row in zip(rows, table.rows, strict=True):
                line.append(f"*{theirs[row.name]:g}*" if row.name in theirs else "")
    return _rows(heads, rows)


def _rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return [f"| {' | '.join(line)} |" for line in (heads, rule, *rows)]


def _row_label(row: TableRow) -> str:
    label = row.label.replace("|", "\\|")
    return f"{label} (another program)" if row.foreign else label


def _best(table: Table, column: Column) -> str | None:
    """The best mean as it is shown; None where there is only one, or no better and worse."""
    own = [row for row in table.rows if column.figure in row.cells]
    if len(own) < 2 or column.better == "neither":
        return None
    choose = min if column.better == "lower" else max
    best = choose((row.cells[column.figure] for row in own), key=lambda cell: cell.mean)
    return _mean(spell(best, column.digits))


def _mean(text: str) -> str:
    """The mean of a figure that is spelt."""
    return text.partition(" ")[0]


def spell(own: Cell | None, digits: int) -> str:
    """Returns mean and deviation as text."""
    if own is None:
        return _NOTHING
    digits = shown_digits(own.mean, digits)
    if not math.isfinite(own.deviation):
        return f"{own.mean:.{digits}f}"
    return f"{own.mean:.{digits}f} ± {own.deviation:.{digits}f}"


def _orders(table: Table) -> list[str]:
    """Tells whether the rows come in the paper's order, column by column."""
    named = {row.name: row.label for row in table.rows}
    rows = []
    for column in table.columns:
        order = table.order(column.figure)
        if order is None:
            continue
        against = "; ".join(f"{named[a]} and {named[b]}" for a, b in order.contrary)
        clear = len(order.agreeing) + len(order.contrary)
        rows.append(
            [f"{column.part}: {column.heading}", f"{order.tau:+.2f}",
             f"{len(order.agreeing)} of {clear}", str(order.unclear), against or _NOTHING]
        )  # fmt: skip
    if not rows:
        return []
    heads = ["column", "Kendall's tau", "clear pairs as published", "unclear pairs", "contrary"]
    return [
        "## Order of the rows beside the paper's",
        "",
        "Kendall's tau is 1 where our means order the rows as the paper's figures do and -1 for "
        "the reverse order. A pair of rows is clear if its means differ by more than the root of "
        "the sum of both squared deviations; with a single seed no pair is. Of rows that are alike "
        "three pairs in ten come out clear by chance with two seeds, one in six with three.",
        "",
        *_rows(heads, rows),
        "",
    ]


def _legend(table: Table) -> list[str]:
    """Names every figure in full, and says what each row is."""
    lines = ["## What is what", ""]
    for column in table.columns:
        better = "" if column.better == "neither" else f", {column.better} is better"
        if column.part:
            name = f"{column.part}, {column.heading}"
            lines.append(f"- {name}: {table.labels[column.figure]}{better}")
    lines.append("")
    lines += [f"- {row.label}: {row.note}" for row in table.rows]
    return [*lines, ""]


def _facts(table: Table) -> list[str]:
    lines = [f"- {name}: {value}" for name, value in table.facts.items()]
    return ["## What the figures depend on", "", *lines, ""]
