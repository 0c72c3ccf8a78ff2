"""Pictures of an ablation: what each row makes of the same pairs, and a chart of its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rabit.ablation.columns import Column
from rabit.ablation.table import Table
from rabit.data.batch import Sample, collate
from rabit.data.images import to_image
from rabit.data.pictures import Pixels, condition_pixels, grid
from rabit.evaluation.results import Results
from rabit.evaluation.testset import TestSet

_SIDE = 128
_PANELS = 4
_DPI = 110
_OURS, _FOREIGN, _PAPER = "#1f5fbf", "#d1495b", "#999999"
# Beside the paper's columns, those that a chart shows.
_SHOWN = (
    "translation.psnr",
    "translation.perceptual",
    "translation.warped_psnr",
    "manipulation.warped_psnr",
    "seconds",
    "training_rate",
)


def side_by_side(
    test: TestSet, results: Sequence[tuple[str, Results]], pairs: int = 4, edits: int = 2
) -> tuple[Pixels, Pixels]:
    """Lays out what every method makes of a few samples, and what it warps the exemplars to.

    Args:
        test: the samples are spread over its pairs and edits.
        results: label and pictures of each method.
        pairs: number of pairs shown, at most.
        edits: number of edits shown, at most.

    Returns:
        Two sheets, a row a sample: condition, exemplar, each method's result, and the photograph
        that the condition belongs to; and the same of warped exemplars, without the methods that
        do not align.
    """
    rows, warped_rows = [], []
    aligned = [False] * len(results)
    for part, count in (("translation", pairs), ("manipulation", edits)):
        samples = test.parts()[part]
        count = min(count, len(samples))
        for index in (number * len(samples) // count for number in range(count)):
            sample = samples[index]
            inputs = [_condition(sample, test), _shown(sample.exemplar)]
            made = [each.make(part, index, [sample]) for _, each in results]
            truth = _shown(sample.truth)
            rows.append([*inputs, *(_shown(m.images[0]) for m in made), truth])
            own = [None if m.warped is None else _shown(m.warped[0]) for m in made]
            aligned = [a or w is not None for a, w in zip(aligned, own, strict=True)]
            warped_rows.append([*inputs, *(w for w in own if w is not None), truth])
    labels = [label for label, _ in results]
    kept = [label for label, a in zip(labels, aligned, strict=True) if a]
    truth_title = "truth" if test.translation[0].paired else "photograph"
    return (
        grid(rows, ["condition", "exemplar", *labels, truth_title]),
        grid(warped_rows, ["condition", "exemplar", *kept, truth_title]),
    )


def chart(table: Table) -> bytes:
    """Draws a panel for each of the paper's columns and a few others, a dot a row.

    Bars are standard deviations over seeds. The paper's figures have an axis of their own at the
    top, grey.

    Args:
        table: the table.

    Returns:
        A PNG.
    """
    columns = [c for c in table.columns if c.paper is not None or c.figure in _SHOWN]
    lines = math.ceil(len(columns) / _PANELS)
    height = 1.0 + 0.3 * len(table.rows)
    figure = Figure(figsize=(4 * _PANELS, 0.6 + lines * (height + 0.5)), layout="constrained")
    panels = figure.subplots(lines, _PANELS, squeeze=False, sharey=True).flatten()
    for panel, column in zip(panels, columns, strict=False):
        _panel(panel, table, column)
    for panel in panels[len(columns) :]:
        panel.set_visible(False)
    figure.suptitle(
        "mean ± standard deviation over seeds; grey: published, on an axis of its own", fontsize=11
    )
    out = BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    return out.getvalue()


def _panel(panel: Axes, table: Table, column: Column) -> None:
    """Draws one column, the first row at the top."""
    places = {row.name: len(table.rows) - 1 - i for i, row in enumerate(table.rows)}
    for row in table.rows:
        own = row.cells.get(column.figure)
        if own is not None:
            error = own.deviation if math.isfinite(own.deviation) else 0.0
            colour = _FOREIGN if row.foreign else _OURS
            panel.errorbar(own.mean, places[row.name], xerr=error, fmt="o", color=colour, capsize=3)
    published = table.published(column.figure)
    shown = {name: value for name, value in published.items() if name in places}
    if shown:
        above = panel.twiny()
        rows = [places[name] for name in shown]
        above.plot(list(shown.values()), rows, "D", color=_PAPER, markersize=4, alpha=0.8)
        above.xaxis.set_major_locator(MaxNLocator(6))
        above.tick_params(axis="x", labelsize=7, colors=_PAPER)
        above.margins(x=0.1)
        above.spines["right"].set_visible(False)
    panel.set_yticks(list(places.values()), [row.label for row in table.rows])
    panel.set_ylim(-0.6, len(table.rows) - 0.4)
    panel.margins(x=0.1)
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.tick_params(axis="both", labelsize=8)
    where = f"{column.part}: " if column.part else ""
    panel.set_title(f"{where}{column.heading} {column.arrow}".strip(), fontsize=9)
    panel.grid(axis="x", color="#dddddd", linewidth=0.8)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _condition(sample: Sample, test: TestSet) -> Pixels:
    batch = collate([sample], len(test.classes))
    return _enlarged(condition_pixels(batch.condition.channels[0], test.kind))


def _shown(image: torch.Tensor) -> Pixels:
    return _enlarged(to_image(image))


def _enlarged(pixels: Pixels) -> Pixels:
    """Repeats the pixels of small pictures, so that titles fit above them."""
    times = max(math.ceil(_SIDE / pixels.shape[1]), 1)
    return pixels.repeat(times, axis=0).repeat(times, axis=1)
