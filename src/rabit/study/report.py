"""The scores of a study as files: JSON, CSV, a page of Markdown and a chart."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rabit.study.bootstrap import Interval
from rabit.study.chart import scores_chart
from rabit.study.rules import LEAST_PLACES, LEAST_REPEATS, RaterReport
from rabit.study.scores import MethodScore, QuestionScore, Scores

_NOTHING = "–"


def score_files(scores: Scores, out: Path) -> dict[Path, bytes]:
    """Returns the files of a report, by their paths in a folder."""
    return {
        out / "scores.json": (
            json.dumps(asdict(scores), indent=1, ensure_ascii=False) + "\n"
        ).encode(),
        out / "scores.csv": _table_csv(_method_rows(scores)).encode(),
        out / "raters.csv": _table_csv(_rater_rows(scores.raters)).encode(),
        out / "scores.md": scores_markdown(scores).encode(),
        out / "scores.png": scores_chart(scores),
    }


def scores_markdown(scores: Scores) -> str:
    """Returns the scores as a page of Markdown."""
    lines = ["# Scores of the user study", ""]
    if scores.unanswered:
        lines += [f"Not answered yet: {', '.join(map(_cell, scores.unanswered))}.", ""]
    for question in scores.questions:
        lines += [*_question_part(question, scores), ""]
    lines += [*_raters_part(scores), "", *_how_part(scores), ""]
    return "\n".join(lines)


def _question_part(question: QuestionScore, scores: Scores) -> list[str]:
    percent = f"{100 * scores.settings.confidence:g} %"
    agreement = question.agreement
    if agreement.alpha is None:
        told = "nothing that two raters judged alike or differently"
        told = told if agreement.units == 0 else "all judgements are the same"
        alpha = f"cannot be computed ({told})"
    else:
        alpha = f"{agreement.alpha:.3f} over {agreement.units} units, {agreement.values} judgements"
    heads = ("method", "selections", "per rater", "shown", f"share in % ({percent})",
             f"log-strength ({percent})")  # fmt: skip
    ordered = sorted(question.methods, key=lambda m: -(m.share.value or 0.0))
    rows = [
        (
            _cell(method.method),
            str(method.selections),
            f"{method.selections_per_rater:.1f}",
            str(method.shown),
            _spell(method.share, 100.0, 1),
            _spell(method.strength, 1.0, 2),
        )
        for method in ordered
    ]
    places = ", ".join(f"{100 * share:.0f} %" for share in question.places)
    return [
        f"## {_cell(question.question.id)}: {_cell(question.question.text)}",
        "",
        f"{question.votes} choices of {question.raters} raters about {question.items} items. By "
        f"chance a method has a share of {100 * question.chance:.1f} %.",
        "",
        *_markdown_table(heads, rows),
        "",
        f"Krippendorff's alpha: {alpha}. Choices by place, from the first: {places}.",
        *(f"\nNote: {_cell(note)}." for note in question.notes),
    ]


def _raters_part(scores: Scores) -> list[str]:
    excluded = [report for report in scores.raters if report.reasons]
    rules = scores.rules
    lines = [
        "## Raters",
        "",
        f"{len(scores.raters) - len(excluded)} of {len(scores.raters)} count. The rules: gold "
        f"trials right, at least {rules.min_gold:g} of them; repeated trials answered alike, at "
        f"least {rules.min_repeats:g} (where there are {LEAST_REPEATS} or more); median time a "
        f"trial, at least {rules.min_seconds:g} s; answers at one place, at most "
        f"{rules.max_place:g} (of {LEAST_PLACES} or more)"
        f"{'; finished' if rules.finished_only else ''}.",
    ]
    if excluded:
        rows = [(_cell(report.name), _cell("; ".join(report.reasons))) for report in excluded]
        lines += ["", *_markdown_table(("does not count", "reason"), rows)]
    return lines


def _how_part(scores: Scores) -> list[str]:
    settings = scores.settings
    return [
        "## How the figures are made",
        "",
        f"- Design: {scores.design}. Gold and repeated trials count for the raters' rules only.",
        "- Per rater: selections divided by the raters, the paper's score. Share: selections "
        "divided by the times shown.",
        "- Of a rater's answers about the same methods' pictures of an item the first counts.",
        f"- Intervals: percentiles of {settings.resamples} bootstrap draws (seed {settings.seed}) "
        "in which raters and items are drawn independently, each with replacement; moved away "
        "from the estimate as Student's t asks for the number of raters or of items, whichever "
        "is smaller.",
        "- Log-strength: Bradley and Terry's model for pairs, Luce's choice model for more; mean "
        "0, with a normal prior of standard deviation 10.",
        "- Krippendorff's alpha for names without order, 0 for raters who draw lots; a unit is an "
        "item with the methods shown.",
    ]


def _method_rows(scores: Scores) -> list[dict[str, Any]]:
    return [
        {
            "question": question.question.id,
            "method": method.method,
            "selections": method.selections,
            "selections_per_rater": method.selections_per_rater,
            "shown": method.shown,
            **_columns("share", method.share),
            **_columns("strength", method.strength),
        }
        for question in scores.questions
        for method in question.methods
    ]


def _columns(name: str, interval: Interval) -> dict[str, float | None]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _rater_rows(raters: Sequence[RaterReport]) -> list[dict[str, Any]]:
    return [
        {**asdict(report), "counts": not report.reasons, "reasons": "; ".join(report.reasons)}
        for report in raters
    ]


def _table_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    table = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def _markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:" if len(heads) > 2 else "---"] * (len(heads) - 1)]
    return [f"| {' | '.join(line)} |" for line in (heads, rule, *rows)]


def _cell(text: str) -> str:
    """Escapes a name for a table: what would be markup or a new cell stays a character."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", " ".join(text.split()))


def _spell(interval: Interval, scale: float, digits: int) -> str:
    if interval.value is None:
        return _NOTHING
    text = f"{scale * interval.value:.{digits}f}"
    if interval.low is None or interval.high is None:
        return text
    return f"{text} ({scale * interval.low:.{digits}f} to {scale * interval.high:.{digits}f})"


def summary_line(question: QuestionScore) -> str:
    """Returns a question's result in one line for the terminal."""

    def part(method: MethodScore) -> str:
        return f"{method.method} {_spell(method.share, 100.0, 1)} %"

    ordered = sorted(question.methods, key=lambda m: -(m.share.value or 0.0))
    return f"{question.question.id}: {', '.join(part(method) for method in ordered)}"
