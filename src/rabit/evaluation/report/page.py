"""The page of an evaluation: tables, charts and pictures in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from rabit import __version__
from rabit.evaluation.baselines import BASELINES
from rabit.evaluation.folder import EvaluationFolder
from rabit.evaluation.published import PublishedTable
from rabit.evaluation.quantities import GROUPS, Group
from rabit.evaluation.report.cases import failures, judged_by
from rabit.evaluation.report.charts import dots_figure, spread_figure
from rabit.evaluation.report.document import document, style
from rabit.evaluation.report.reading import (
    ABOUT,
    CHARTS,
    HOW_TO_READ,
    NOT_COMPARABLE,
    RULES,
    SPREAD,
)
from rabit.evaluation.report.samples import Album, best_and_worst, side_by_side
from rabit.evaluation.report.tables import (
    differences_table,
    figures_table,
    number,
    published_table,
)
from rabit.evaluation.summary import Evaluation, Part
from rabit.evaluation.tables import TITLES

GENERATOR = '<meta name="generator" content="rabit evaluate">'

SIDES = (256, 192, 128, 96)
"""Pixels of the longer side of pictures in a page: the first that keeps it below MOST_BYTES."""

MOST_BYTES = 24_000_000
FAILURES_SHOWN = 30

LONG = 60
"""Letters of a fact beyond which it takes a whole line."""


@dataclass(frozen=True)
class ReportInputs:
    """What a report shows.

    Args:
        evaluation: the figures.
        folder: where the pictures are.
        folders: the name of each method's folder.
        facts: what the figures depend on, in order.
        extractors: the networks' labels, each with the SHA-256 of its weights.
        missing: what is left out for want of weights, a message each.
        published: the paper's tables to show; those of other parts are left out.
        exemplars: of a condition of the translations, which follow each other.
        captions: text to show with samples, by their names.
    """

    evaluation: Evaluation
    folder: EvaluationFolder
    folders: Mapping[str, str]
    facts: Mapping[str, str]
    extractors: Sequence[tuple[str, str]]
    missing: Sequence[str]
    published: Sequence[PublishedTable]
    exemplars: int
    captions: Mapping[str, str] = field(default_factory=dict)


def make_page(inputs: ReportInputs) -> str:
    """Lays out an evaluation as one HTML file that needs nothing else.

    Args:
        inputs: what it shows.

    Raises:
        ValueError: there is no part or method.
    """
    parts = inputs.evaluation.parts
    if not parts or not all(part.rows for part in parts):
        raise ValueError("the evaluation has no part, or one without a method; expected results")
    css = style("rabit.evaluation.report", "report.css")
    title = f"Evaluation of {parts[0].rows[0].method}"
    figures = {part.name: _figures(part) for part in parts}
    wrong = {part.name: _failures(part, inputs) for part in parts}
    page = ""
    for side in SIDES:
        album = Album(inputs.folder, inputs.folders, inputs.captions, side)
        sections = "\n".join(
            _section(part, inputs, album, figures[part.name], wrong[part.name]) for part in parts
        )
        body = f"{_header(inputs)}\n<main>\n{_basis(inputs)}\n{sections}\n{_published(inputs)}\n"
        body += f'<h2 id="reading">How to read this</h2>\n{HOW_TO_READ}\n</main>\n{_footer()}'
        page = document(title, GENERATOR, css, body)
        if len(page) <= MOST_BYTES:
            break
    return page


def _header(inputs: ReportInputs) -> str:
    """Says what was evaluated, with links to the sections."""
    parts = inputs.evaluation.parts
    names = [row.method for row in parts[0].rows]
    first, others = names[0], [name for name in names[1:] if name not in BASELINES]
    baselines = [name for name in names[1:] if name in BASELINES]
    told = f"<b>{escape(first)}</b>"
    if others:
        told += f" beside {_listed(others)}"
    if baselines:
        told += f", with the baselines {_listed(baselines)}"
    sizes = " and ".join(f"{len(part.sample_names)} samples of {part.name}" for part in parts)
    links = [(part.name, TITLES[part.name]) for part in parts]
    if _tables(inputs):
        links.append(("published", "The paper's tables"))
    links.append(("reading", "How to read this"))
    anchors = "".join(f'<a href="#{name}">{text}</a>' for name, text in links)
    return (
        f'<header><h1>Evaluation of {escape(first)}</h1><p class="lead">{told}: {sizes}.</p>'
        f'<nav aria-label="Contents">{anchors}</nav></header>'
    )


def _listed(names: Sequence[str]) -> str:
    """Returns names as a list in a sentence, escaped."""
    bold = [f"<b>{escape(name)}</b>" for name in names]
    return " and ".join([", ".join(bold[:-1]), bold[-1]] if len(bold) > 1 else bold)


def _basis(inputs: ReportInputs) -> str:
    """Lists what the figures depend on, the networks, and what is left out."""
    facts = dict(inputs.facts)
    for method, seconds in inputs.evaluation.seconds.items():
        facts[f"seconds a picture, {method}"] = f"{seconds:.3f}"
    lines = "".join(_fact(name, value) for name, value in facts.items())
    networks = "".join(
        f"<tr><td>{escape(label)}</td><td><code>{escape(digest)}</code></td></tr>"
        for label, digest in inputs.extractors
    )
    found = [f'<div class="card"><dl class="facts">{lines}</dl></div>']
    if networks:
        found.append(
            '<h3>Networks that figures read</h3><div class="card"><table class="list"><thead><tr>'
            '<th scope="col">network</th><th scope="col">SHA-256 of its weights</th></tr></thead>'
            f"<tbody>{networks}</tbody></table></div>"
        )
    if inputs.missing:
        items = "".join(f"<li>{escape(text)}</li>" for text in inputs.missing)
        found.append(f'<h3>Left out</h3><div class="card missing"><ul>{items}</ul></div>')
    return "".join(found)


def _fact(name: str, value: str) -> str:
    kind = ' class="long"' if len(value) > LONG else ""
    return f"<div{kind}><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _figures(part: Part) -> str:
    """Shows all figures of a part as tables and charts."""
    found = [
        f'<h3>{title}</h3><div class="card">{table}</div>' if table else _nothing(group)
        for group, title in GROUPS.items()
        for table in [figures_table(part, group)]
    ]
    differences = differences_table(part)
    if differences:
        found.append(f'<div class="card">{differences}</div>')
    found.append(f'<h3>Charts</h3><p class="note">{CHARTS}</p>{dots_figure(part)}')
    quantity = judged_by(part)
    if quantity is not None:
        found.append(
            f'<div class="card"><h4>Over samples</h4><div class="wide">'
            f'{spread_figure(part, quantity)}</div><p class="note">{SPREAD}</p></div>'
        )
    return "".join(found)


def _nothing(group: Group) -> str:
    """Says why a group has no table."""
    if group != "fidelity":
        return ""
    return (
        f'<h3>{GROUPS[group]}</h3><p class="note">No true result is known, so there are no figures '
        "of this kind.</p>"
    )


def _section(part: Part, inputs: ReportInputs, album: Album, figures: str, wrong: str) -> str:
    """Shows a part."""
    count = len(part.sample_names)
    known = {count: "all", 0: "none"}.get(part.paired, str(part.paired))
    exemplars = inputs.exemplars if part.name == "translation" else 1
    return (
        f'<h2 id="{part.name}">{TITLES[part.name]}</h2><p>{ABOUT[part.name]} A true result, one '
        f"with the exemplar's look, is known of {known} of the {count} samples.</p>{figures}"
        f'<h3>Side by side</h3><div class="card">{side_by_side(part, exemplars, album)}</div>'
        f"<h3>Best and worst of {escape(part.rows[0].method)}</h3>{best_and_worst(part, album)}"
        f"<h3>What looks wrong</h3>{wrong}"
    )


def _failures(part: Part, inputs: ReportInputs) -> str:
    """Lists what the rules of `failures` find."""
    found = failures(part, inputs.folder, inputs.folders)
    method = part.rows[0].method
    rules = f'<p class="note">{RULES.format(method=escape(method))}</p>'
    if not found:
        return f'{rules}<div class="card"><p class="none">none</p></div>'
    samples = len({failure.sample for failure in found})
    own = inputs.folders[method]
    lines = "".join(
        f"<tr><td><code>pictures/{escape(own)}/{escape(failure.sample)}.png</code></td>"
        f'<td>{escape(failure.reason)}</td><td class="number">{number(failure.value, 3)}</td></tr>'
        for failure in found[:FAILURES_SHOWN]
    )
    shown = min(len(found), FAILURES_SHOWN)
    caption = (
        f"in all: {len(found)}, about {samples} of {len(part.sample_names)} samples"
        f"{'' if shown == len(found) else f'; the first {shown} are shown'}"
    )
    return (
        f'{rules}<div class="card"><div class="scroll" role="region" tabindex="0" '
        f'aria-label="What looks wrong"><table class="list"><caption>{caption}</caption><thead><tr>'
        '<th scope="col">picture</th><th scope="col">reason</th><th scope="col">figure</th></tr>'
        f"</thead><tbody>{lines}</tbody></table></div></div>"
    )


def _tables(inputs: ReportInputs) -> list[str]:
    """Returns the paper's tables of the parts that were evaluated."""
    parts = {part.name: part for part in inputs.evaluation.parts}
    return [published_table(t, parts[t.part]) for t in inputs.published if t.part in parts]


def _published(inputs: ReportInputs) -> str:
    """Shows the paper's tables, what was measured here first."""
    tables = _tables(inputs)
    if not tables:
        return ""
    cards = "".join(f'<div class="card">{table}</div>' for table in tables)
    return f'<h2 id="published">The paper\'s tables</h2><p>{NOT_COMPARABLE}</p>{cards}'


def _footer() -> str:
    return (
        f"<footer>Written by rabit {escape(__version__)}. All pictures lie beside this page in "
        "<code>pictures/</code>, warped exemplars in <code>warped/</code>.</footer>"
    )
