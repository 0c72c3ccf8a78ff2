"""Charts of the comparison: time, memory and accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from rabit.evaluation.correspondence.study import AccuracyRow
from rabit.evaluation.correspondence.suite import Timing

# One hue a family: greys are dense, warm colours the peers, blues and greens the ranking.
COLOURS = {
    "scaled_dot_product_attention": "#555555",
    "dense, stored": "#bbbbbb",
    "dense": "#111111",
    "transport": "#d1495b",
    "patchmatch": "#edae49",
    "ranking, k = 3, b = 4": "#1f5fbf",
    "ranking, mean descriptor": "#5aa9e6",
    "ranking, border 1": "#0b3c8c",
    "ranking, overlap": "#6a4c93",
    "ranking, overlap, shortlist": "#b5179e",
    "ranking, 3 levels": "#2a9d8f",
    "ranking, 4 levels": "#8ac926",
    "ranking, k = 2, b = 4": "#4d6fa3",
    "ranking, k = 1, b = 4": "#7f8fb3",
    "ranking, k = 1, b = 16": "#9d7fc0",
    "ranking, k = 1, b = 64": "#c9b3e0",
}
MARKERS = {32: "v", 64: "o", 128: "s", 256: "D", 512: "^"}
SPEED_LINES = 12
DPI = 110


def speed_chart(timings: Sequence[Timing]) -> bytes:
    """Draws time and memory against the size, both axes logarithmic.

    Args:
        timings: of all contestants; those of one k and block size other than the paper's are in
            the accuracy chart.

    Returns:
        A PNG.
    """
    names = list(COLOURS)[:SPEED_LINES]
    figure = Figure(figsize=(16, 6), layout="constrained")
    axes = figure.subplots(1, 3)
    panels: tuple[tuple[str, str, Callable[[Timing], float | None]], ...] = (
        ("forward", "seconds", lambda t: t.measurement.forward if t.measurement else None),
        (
            "forward + backward",
            "seconds",
            lambda t: t.measurement.both if t.measurement else None,
        ),
        (
            "forward + backward",
            "MB beyond the inputs, at most",
            lambda t: t.measurement.both_memory if t.measurement else None,
        ),
    )
    sides = sorted({timing.case.side for timing in timings})
    for axis, (title, unit, value) in zip(axes, panels, strict=True):
        for name in names:
            own = [t for t in timings if t.case.name == name]
            points = [(t.case.side, value(t)) for t in own]
            known = [(side, y) for side, y in points if y is not None and y > 0]
            if known:
                axis.plot(*zip(*known, strict=True), marker="o", color=COLOURS[name], label=name)
        _axes(axis, title, unit)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(sides, [f"{side}²" for side in sides])
        axis.set_xlabel("positions a side")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    return _png(figure)


def accuracy_chart(rows: Sequence[AccuracyRow], timings: Sequence[Timing]) -> bytes:
    """Draws accuracy against memory: a row of panels for each set of pictures.

    Args:
        rows: accuracies.
        timings: memory of the same contestants and sizes; others are left out.

    Returns:
        A PNG.
    """
    memory = {
        (t.case.name, t.case.side): t.measurement.both_memory
        for t in timings
        if t.measurement is not None and t.measurement.both_memory
    }
    sets = list(dict.fromkeys(row.pictures for row in rows))
    figure = Figure(figsize=(16, 1 + 5 * len(sets)), layout="constrained")
    grid = figure.subplots(len(sets), 3, squeeze=False)
    figures = (
        ("ssim", "SSIM of the warped exemplar, higher is better"),
        ("psnr", "PSNR in dB, higher is better"),
        ("end_point", "mean end-point error in pixels of 256, lower is better"),
    )
    for pictures, axes in zip(sets, grid, strict=True):
        for axis, (field, title) in zip(axes, figures, strict=True):
            for name, colour in COLOURS.items():
                points = [
                    (memory[name, row.side], getattr(row.accuracy, field).mean, row.side)
                    for row in rows
                    if (row.pictures, row.name) == (pictures, name)
                    and row.accuracy is not None
                    and (name, row.side) in memory
                ]
                if not points:
                    continue
                axis.plot([p[0] for p in points], [p[1] for p in points], color=colour, label=name)
                for x, y, side in points:
                    axis.plot(x, y, marker=MARKERS.get(side, "x"), color=colour, markersize=7)
            _axes(axis, f"{pictures}: {title}", "")
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.xaxis.set_major_formatter(ScalarFormatter())
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_xlabel("MB beyond the inputs, forward + backward")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    shown = sorted({row.side for row in rows})
    marks = {"v": "triangle", "o": "circle", "s": "square", "D": "diamond", "^": "upward triangle"}
    spelled = ", ".join(f"{marks.get(MARKERS.get(s, 'x'), 'cross')} {s}²" for s in shown)
    figure.suptitle(f"positions: {spelled}", fontsize=11)
    return _png(figure)


def _axes(axis: Axes, title: str, unit: str) -> None:
    axis.set_title(title, fontsize=11)
    axis.set_ylabel(unit)
    axis.grid(which="major", color="#dddddd", linewidth=0.8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _png(figure: Figure) -> bytes:
    out = BytesIO()
    figure.savefig(out, format="png", dpi=DPI)
    return out.getvalue()
