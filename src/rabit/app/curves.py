"""The curves of runs in one picture: a panel for each loss and each figure of validations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from rabit.training.runs import Points, Run
from rabit.training.validation import BEST

# Okabe and Ito's colours, which people who confuse red and green tell apart; then other dashes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)))
COLUMNS = 4
PANEL = (4.2, 2.9)
DPI = 110
# Losses first, in the order of their equation, then what is logged beside them.
LOSSES = ("cyc", "cst", "perc", "cxt", "pse", "adv", "fm", "warp", "discriminator")
TITLES = {
    "psnr": "PSNR in dB",
    "ssim": "SSIM",
    "l1": "L1",
    "perceptual": "perceptual distance",
    "warped_psnr": "PSNR of warped exemplar",
    "copied_structure": "exemplar's structure",
    "spread": "spread, 1 as the truth's",
    "saturated": "share of saturated values",
    "cycle_masked": "share that cyc leaves out",
    "residual": "residual of correspondence",
}
UP, DOWN = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"
BETTER = {name: UP if higher else DOWN for name, higher in BEST.items()}
BETTER |= {"warped_psnr": UP, "copied_structure": DOWN, "saturated": DOWN}
# Words of the warnings that are about a figure of validations.
WORDS = {"copied_structure": "copy", "spread": "colour"}
SHARES = ("copied_structure", "saturated")
# A loss of pairs is 0 where a batch has none; that is no value of it.
PAIRED = ("pse", "warp")
LOGARITHMIC = 30.0
WINDOWS = 15


def curves_chart(runs: Mapping[str, Run]) -> bytes:
    """Draws the losses, as they were logged and smoothed, and the validations of some runs.

    Args:
        runs: by the names in the legend; at least one.

    Returns:
        A PNG.

    Raises:
        ValueError: none of the runs has logged anything.
    """
    losses = _names((run.history.losses for run in runs.values()), LOSSES)
    figures = _names((run.history.figures for run in runs.values()), tuple(BEST))
    if not losses and not figures:
        raise ValueError(
            f"{', '.join(runs)}: nothing was logged yet; try again after train.log_every steps"
        )
    styles = {
        name: (COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)])
        for i, name in enumerate(runs)
    }
    columns = min(COLUMNS, max(len(losses), len(figures)))
    above = math.ceil(len(losses) / columns)
    rows = above + math.ceil(len(figures) / columns)
    size = (max(PANEL[0] * columns, 8.0), PANEL[1] * rows + 0.9)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    panels = figure.subplots(rows, columns, squeeze=False)
    first, last = panels[:above].flatten(), panels[above:].flatten()
    for panel, name in zip(first, losses, strict=False):
        _losses(panel, name, runs, styles)
    for panel, name in zip(last, figures, strict=False):
        _validations(panel, name, runs, styles)
    end = max(1, *(run.history.step for run in runs.values()))
    for panel in (*first[: len(losses)], *last[: len(figures)]):
        panel.set_xlim(-0.02 * end, 1.02 * end)
    for panel in (*first[len(losses) :], *last[len(figures) :]):
        panel.set_axis_off()
    for panel in panels[-1, : len(figures) or len(losses)]:
        panel.set_xlabel("step", fontsize=9)
    _legend(figure, runs, styles)
    out = BytesIO()
    figure.savefig(out, format="png", dpi=DPI)
    return out.getvalue()


def smoothed(values: Sequence[float]) -> Float64[np.ndarray, " N"]:
    """Returns the mean over a window around each value, a 15th of all; half of it at the ends."""
    half = len(values) // WINDOWS // 2
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    position = np.arange(len(values))
    first = np.maximum(position - half, 0)
    last = np.minimum(position + half + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


_Styles = Mapping[str, tuple[str, object]]


def _losses(panel: Axes, name: str, runs: Mapping[str, Run], styles: _Styles) -> None:
    """Draws a loss, faint as it was logged, and smoothed."""
    lines = []
    for run_name, run in runs.items():
        points = run.history.losses.get(name, ())
        steps, values = _split([p for p in points if name not in PAIRED or p[1] != 0])
        if not steps:
            continue
        colour, dashes = styles[run_name]
        line = smoothed(values)
        panel.plot(steps, values, color=colour, alpha=0.22, linewidth=0.7)
        alone = "o" if len(steps) == 1 else None
        panel.plot(steps, line, color=colour, linestyle=dashes, linewidth=1.6, marker=alone)
        lines.append((np.asarray(values), line))
    _limits(panel, lines)
    _warnings(panel, name, runs, styles)
    _axes(panel, TITLES.get(name, name))


def _validations(panel: Axes, name: str, runs: Mapping[str, Run], styles: _Styles) -> None:
    """Draws a figure of the validations, with a star at the best of those that choose by it."""
    for run_name, run in runs.items():
        steps, values = _split(run.history.figures.get(name, ()))
        colour, dashes = styles[run_name]
        panel.plot(
            steps, values, color=colour, linestyle=dashes, linewidth=1.4, marker="o", markersize=4
        )
        if run.best is not None and run.best.name == name:
            panel.plot(
                run.best.step, run.best.value, "*", color=colour, markersize=14,
                markeredgecolor="black", markeredgewidth=0.6, zorder=5,
            )  # fmt: skip
    if name in SHARES:
        panel.set_ylim(0, max(0.1, 1.15 * panel.get_ylim()[1]))
    else:
        panel.margins(y=0.12)
    _warnings(panel, name, runs, styles)
    _axes(panel, f"validation: {TITLES.get(name, name)} {BETTER.get(name, '')}")


def _warnings(panel: Axes, name: str, runs: Mapping[str, Run], styles: _Styles) -> None:
    """Marks the steps at which a warning named a loss or, by its word, a figure."""
    word = WORDS.get(name, name)
    for run_name, run in runs.items():
        warned = [step for step, text in run.history.warnings if word in text.split()]
        if warned:
            panel.plot(
                warned, [0.04] * len(warned), "^", color=styles[run_name][0], markersize=8,
                markeredgecolor="black", transform=panel.get_xaxis_transform(), zorder=6,
            )  # fmt: skip


def _limits(
    panel: Axes, lines: Sequence[tuple[Float64[np.ndarray, " N"], Float64[np.ndarray, " N"]]]
) -> None:
    """Shows all of the smoothed lines and most of the values; on a long range, its logarithm."""
    if not lines:
        return
    smooth = np.concatenate([line for _, line in lines])
    ends = [np.quantile(values, (0.02, 0.98)) for values, _ in lines]
    low = min(float(smooth.min()), *(float(end[0]) for end in ends))
    high = max(float(smooth.max()), *(float(end[1]) for end in ends))
    if smooth.min() > 0 and smooth.max() > LOGARITHMIC * smooth.min():
        panel.set_yscale("log")
        panel.yaxis.set_minor_formatter(NullFormatter())
        low = max(low, float(smooth.min()) / 2)
        panel.set_ylim(low / 1.3, high * 1.3)
        return
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    panel.set_ylim(low - room, high + room)


def _axes(panel: Axes, title: str) -> None:
    panel.set_title(title, fontsize=10, loc="left")
    panel.grid(which="major", color="#e3e3e3", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=8)
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda step, _: _short(step)))
    if panel.get_yscale() == "linear":
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _legend(figure: Figure, runs: Mapping[str, Run], styles: _Styles) -> None:
    """Names the runs above the panels, and says below what the marks mean."""
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=2.5, label=name)  # type: ignore[arg-type]
        for name, (colour, dashes) in styles.items()
    ]
    grey = "#888888"
    marks = [Line2D([], [], color=grey, alpha=0.4, linewidth=1, label="as logged")]
    marks += [Line2D([], [], color=grey, linewidth=2, label="smoothed")]
    if any(run.history.figures for run in runs.values()):
        marks += [Line2D([], [], color=grey, marker="o", markersize=4, label="validation")]
        marks += [_mark("*", 12, "best by this figure")]
        marks += [Line2D([], [], linestyle="", label=f"{UP} higher, {DOWN} lower is better")]
    if any(run.history.warnings for run in runs.values()):
        marks += [_mark("^", 7, "warning")]
    widest = max(len(name) for name in runs)
    columns = max(1, min(len(handles), int(figure.get_figwidth() * 11 / (widest + 7))))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=columns, frameon=False, fontsize=11
    )
    figure.legend(
        handles=marks, loc="outside lower left", ncols=len(marks), frameon=False, fontsize=8
    )


def _mark(marker: str, size: float, label: str) -> Line2D:
    return Line2D(
        [], [], color="#888888", linestyle="", marker=marker, markersize=size,
        markeredgecolor="black", markeredgewidth=0.6, label=label,
    )  # fmt: skip


def _names(histories: Iterable[Mapping[str, Points]], first: Sequence[str]) -> list[str]:
    """All names, those of `first` in its order and then the others."""
    there = dict.fromkeys(name for history in histories for name in history)
    return [name for name in first if name in there] + [n for n in there if n not in first]


def _split(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _short(step: float) -> str:
    """Spells a step: 500, 1.5k, 200k."""
    return f"{step:g}" if abs(step) < 1000 else f"{step / 1000:g}k"
