"""The scores of a study in one picture: shares above, strengths below, a column a question."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from rabit.study.bootstrap import Interval
from rabit.study.scores import QuestionScore, Scores

# Okabe and Ito's colours, which people who confuse red and green tell apart.
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
    "#555555", "#8c564b", "#000000", "#b8a500", "#6a51a3", "#1b7f79",
)  # fmt: skip
_LONGEST_NAME = 28
_DPI = 130


def scores_chart(scores: Scores) -> bytes:
    """Draws every method's share and strength with intervals.

    Methods are in the order of their mean share over the questions, the best first, and have the
    same colour everywhere.

    Returns:
        A PNG.
    """
    count = len(scores.questions[0].methods)
    order = sorted(range(count), key=lambda i: _mean_share(scores, i))
    columns = len(scores.questions)
    figure = Figure(
        figsize=(4.6 * columns + 1.2, 2 * (1.1 + 0.33 * count)),
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08),
    )
    panels = figure.subplots(2, columns, squeeze=False, sharey=True, sharex="row")
    percent = f"{100 * scores.settings.confidence:g} %"
    for column, question in enumerate(scores.questions):
        share, strength = panels[0, column], panels[1, column]
        _panel(share, question, order, [method.share for method in question.methods], 100.0)
        share.axvline(100 * question.chance, color="#888888", linestyle=(0, (4, 3)), linewidth=1)
        share.set_title(_title(question), fontsize=11, loc="left")
        share.set_xlabel(f"chosen, % of the times shown (dashed: by chance; bars: {percent})")
        share.set_xlim(left=0)
        _panel(strength, question, order, [method.strength for method in question.methods], 1.0)
        strength.axvline(0, color="#888888", linestyle=(0, (4, 3)), linewidth=1)
        strength.set_xlabel("log-strength (1 more: chosen 2.7 times as often)")
    out = BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    return out.getvalue()


def _mean_share(scores: Scores, method: int) -> float:
    values = [question.methods[method].share.value for question in scores.questions]
    return sum(value or 0.0 for value in values) / len(values)


def _panel(
    panel: Axes,
    question: QuestionScore,
    order: Sequence[int],
    intervals: Sequence[Interval],
    scale: float,
) -> None:
    """Draws one figure of all methods."""
    for row, method in enumerate(order):
        interval = intervals[method]
        if interval.value is None:
            continue
        colour = COLOURS[method % len(COLOURS)]
        if interval.low is not None and interval.high is not None:
            ends = (scale * interval.low, scale * interval.high)
            panel.plot(ends, (row, row), color=colour, linewidth=2.4, solid_capstyle="round")
        panel.plot(scale * interval.value, row, "o", color=colour, markersize=7, zorder=3)
    names = [_short(question.methods[method].method) for method in order]
    panel.set_yticks(range(len(order)), names, parse_math=False)
    panel.set_ylim(-0.7, len(order) - 0.3)
    panel.grid(axis="x", color="#e3e3e3", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=9)
    panel.xaxis.label.set_fontsize(9)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _title(question: QuestionScore) -> str:
    alpha = question.agreement.alpha
    told = "" if alpha is None else f", alpha {alpha:.2f}"
    return f"{question.question.id}: {question.raters} raters, {question.items} items{told}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
