"""The study as a form for Amazon Mechanical Turk: a page with variables, and a row a task."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from html import escape
from importlib import resources

from rabit.study.files import Study, Trial

_CHOICE = """<label class="choice" data-there="{id}"><span>{number}</span>
<img src="{base}/{id}.png" alt="Choice {number}">
<input type="radio" name="answer_{trial}" value="{id}" required></label>"""
_TRIAL = """<section class="trial" data-there="${{trial_{n}}}">
<h2>${{question_{n}}}</h2>
<p>${{hint_{n}}}</p>
<div class="given">
<figure><img src="{base}/${{condition_{n}}}.png" alt="The layout">
<figcaption>Layout</figcaption></figure>
<figure><img src="{base}/${{exemplar_{n}}}.png" alt="The style picture">
<figcaption>Style picture</figcaption></figure>
</div>
<fieldset class="choices"><legend>Choose one</legend>
{choices}
</fieldset>
</section>"""


def crowd_page(study: Study, base: str, per_hit: int) -> str:
    """Returns the form of a task of several trials.

    Args:
        study: to be asked.
        base: the address under which the study's pictures are.
        per_hit: trials on one form.

    Raises:
        ValueError: the address is none that a form can hold.
    """
    if not re.fullmatch(r"https?://[^\s$\"'<>]+", base):
        raise ValueError(f"picture_url is {base!r}, expected an address as https://host/folder")
    base = escape(base.rstrip("/"), quote=True)
    trials = "\n".join(
        _TRIAL.format(
            n=n,
            base=base,
            choices="\n".join(
                _CHOICE.format(id=f"${{choice_{n}_{c}}}", number=c, base=base, trial=n)
                for c in range(1, _most_choices(study) + 1)
            ),
        )
        for n in range(1, _longest(study, per_hit) + 1)
    )
    template = (resources.files("rabit.study") / "page" / "mturk.html").read_text("utf-8")
    texts = {"TITLE": study.title, "INTRODUCTION": study.introduction, "CONSENT": study.consent}
    for name, text in texts.items():
        template = template.replace(f"<!--{name}-->", _plain(text))
    return template.replace("<!--TRIALS-->", trials)


def crowd_table(study: Study, per_hit: int) -> str:
    """Returns a CSV table with a row a task, whose columns are the form's variables.

    Each rater's sheet gives rows of up to `per_hit` trials, in its own order.
    """
    longest, most = _longest(study, per_hit), _most_choices(study)
    out = io.StringIO()
    rows = csv.DictWriter(out, _columns(longest, most), restval="", lineterminator="\r\n")
    rows.writeheader()
    texts = {question.id: question for question in study.questions}
    items = {item.id: item for item in study.items}
    for sheet in study.sheets:
        for part in _parts(sheet.trials, per_hit):
            row: dict[str, str] = {}
            for n, trial in enumerate(part, 1):
                item, question = items[trial.item], texts[trial.question]
                row |= {
                    f"trial_{n}": trial.id,
                    f"question_{n}": _plain(question.text),
                    f"hint_{n}": _plain(question.hint),
                    f"condition_{n}": item.condition,
                    f"exemplar_{n}": item.exemplar,
                }
                row |= {f"choice_{n}_{c}": choice for c, choice in enumerate(trial.choices, 1)}
            rows.writerow(row)
    return out.getvalue()


def _columns(longest: int, most: int) -> list[str]:
    kinds = ("trial", "question", "hint", "condition", "exemplar")
    return [
        name
        for n in range(1, longest + 1)
        for name in (
            *(f"{kind}_{n}" for kind in kinds),
            *(f"choice_{n}_{c}" for c in range(1, most + 1)),
        )
    ]


def _parts(trials: Sequence[Trial], per_hit: int) -> list[Sequence[Trial]]:
    """Shares out trials over as few tasks as can be, of lengths that differ by one at most."""
    count = -(-len(trials) // per_hit)
    ends = [len(trials) * i // count for i in range(count + 1)]
    return [trials[a:b] for a, b in zip(ends, ends[1:], strict=False)]


def _longest(study: Study, per_hit: int) -> int:
    return max(len(part) for sheet in study.sheets for part in _parts(sheet.trials, per_hit))


def _most_choices(study: Study) -> int:
    return max(len(trial.choices) for sheet in study.sheets for trial in sheet.trials)


def _plain(text: str) -> str:
    """Escapes a text for the form, also against being read as a variable."""
    return " ".join(escape(text, quote=True).replace("$", "&#36;").split())
