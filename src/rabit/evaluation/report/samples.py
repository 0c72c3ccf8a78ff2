"""Samples in a page: side by side, and the best and worst of a method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from rabit.data.images import read_image
from rabit.data.transforms import resize_image
from rabit.evaluation.folder import CONDITIONS, EXEMPLARS, TRUTH, EvaluationFolder
from rabit.evaluation.quantities import Quantity
from rabit.evaluation.report.cases import Ranking, ranked
from rabit.evaluation.report.document import captioned, encode, picture
from rabit.evaluation.report.tables import number
from rabit.evaluation.summary import Part, Row

SAMPLES = 6
"""Samples of a part that are shown side by side; more where two conditions have more exemplars."""

CONDITIONS_SHOWN = 2
"""Conditions of which all exemplars are shown, at least."""


class Album:
    """Embeds the pictures of an evaluation.

    Args:
        folder: where they are.
        folders: the name of each method's folder.
        captions: text of samples, by name.
        side: pixels of a longer side beyond which a picture shrinks.
    """

    def __init__(
        self,
        folder: EvaluationFolder,
        folders: Mapping[str, str],
        captions: Mapping[str, str],
        side: int,
    ) -> None:
        self.folder, self.folders, self.captions, self.side = folder, folders, captions, side

    def kind(self, kind: str, name: str, alternative: str) -> str:
        """Embeds a condition, an exemplar or a truth."""
        return self._embed(self.folder.picture(kind, name), alternative)

    def result(self, method: str, name: str) -> str:
        """Embeds a method's result."""
        path = self.folder.picture(self.folders[method], name)
        return self._embed(path, f"{method}, {name}")

    def warped(self, method: str, name: str) -> str:
        """Embeds the exemplar that a method warped."""
        path = self.folder.warped(self.folders[method], name)
        return self._embed(path, f"exemplar warped by {method}, {name}")

    def has_warped(self, method: str, names: Sequence[str]) -> bool:
        """Tells whether a method warped an exemplar of one of the samples."""
        own = self.folders[method]
        return any(self.folder.warped(own, name).is_file() for name in names)

    def caption(self, name: str) -> str:
        """Returns the name of a sample with the text that goes with it, as elements."""
        text = self.captions.get(name, "")
        return f"{escape(name)}{f'<br>{escape(text)}' if text else ''}"

    def _embed(self, path: Path, alternative: str) -> str:
        try:
            pixels = read_image(path)
        except (OSError, ValueError):
            return (
                f'<span class="gone" role="img" aria-label="{escape(alternative)}">missing</span>'
            )
        longest = max(pixels.shape[:2])
        if longest > self.side:
            height, width = (max(1, round(n * self.side / longest)) for n in pixels.shape[:2])
            pixels = resize_image(pixels, (height, width))
        height, width = pixels.shape[:2]
        return picture(encode(pixels), (height, width), alternative)


def side_by_side(part: Part, exemplars: int, album: Album) -> str:
    """Lays out samples that are spread over a part: inputs, each method's result, and the truth.

    Args:
        part: of an evaluation.
        exemplars: of a condition, which follow each other; 1 in a manipulation.
        album: embeds pictures.

    Returns:
        A table, a row a sample, and one of the warped exemplars if there are any.
    """
    groups = chosen(len(part.sample_names), exemplars)
    shown = [part.sample_names[index] for group in groups for index in group]
    methods = [row.method for row in part.rows]
    truth = truth_title(part)

    def row(name: str, condition: str, results: Sequence[str]) -> str:
        cells = [
            album.kind(EXEMPLARS, name, f"exemplar of {name}"),
            *results,
            album.kind(TRUTH, name, f"{truth} of {name}"),
        ]
        pictures = "".join(f"<td><figure>{cell}</figure></td>" for cell in cells)
        return f'<tr><th scope="row">{album.caption(name)}</th>{condition}{pictures}</tr>'

    def body(group: Sequence[int]) -> str:
        names = [part.sample_names[index] for index in group]
        first = album.kind(CONDITIONS, names[0], f"condition of {names[0]}")
        cell = f'<td rowspan="{len(names)}"><figure class="map">{first}</figure></td>'
        rows = (
            row(name, "" if i else cell, [album.result(method, name) for method in methods])
            for i, name in enumerate(names)
        )
        return f"<tbody>{''.join(rows)}</tbody>"

    heads = ["sample", "condition", "exemplar", *methods, truth]
    table = _table("Results side by side", heads, "".join(body(group) for group in groups))
    warping = [method for method in methods if album.has_warped(method, shown)]
    if not warping:
        return table
    rows = "".join(row(name, "", [album.warped(m, name) for m in warping]) for name in shown)
    heads = ["sample", "exemplar", *(f"warped by {method}" for method in warping), truth]
    warped = _table("Warped exemplars", heads, f"<tbody>{rows}</tbody>")
    return f"{table}<h4>Warped exemplars</h4>{warped}"


def chosen(count: int, exemplars: int) -> list[range]:
    """Chooses conditions that are spread over a part.

    Args:
        count: of samples.
        exemplars: of a condition.

    Returns:
        The numbers of the samples of each, all exemplars of it.
    """
    conditions = -(-count // exemplars)
    wanted = min(max(CONDITIONS_SHOWN, -(-SAMPLES // exemplars)), conditions)
    places = ((2 * place + 1) * conditions // (2 * wanted) for place in range(wanted))
    return [range(p * exemplars, min((p + 1) * exemplars, count)) for p in places]


def truth_title(part: Part) -> str:
    """Returns what the pictures are that results are compared with."""
    if part.paired == len(part.sample_names):
        return "truth"
    return "photograph" if part.paired == 0 else "truth or photograph"


def best_and_worst(part: Part, album: Album) -> str:
    """Shows the best and the worst results of the first method, with their figures.

    Args:
        part: of an evaluation.
        album: embeds pictures.
    """
    ranking = ranked(part)
    if ranking is None:
        return '<p class="note">No sample has a figure that results can be put in order by.</p>'
    quantity = ranking.quantity
    better = "low" if quantity.better == "lower" else "high"
    order = f'<p class="note">Ordered by {escape(quantity.label)}: {better} values are good.</p>'
    found = [order]
    for title, numbers in (("Best", ranking.best), ("Worst", ranking.worst)):
        if numbers:
            cards = "".join(_case(part, index, ranking, album) for index in numbers)
            found.append(f'<h4>{title}</h4><div class="cases">{cards}</div>')
    return "".join(found)


def _case(part: Part, index: int, ranking: Ranking, album: Album) -> str:
    """Shows one result between its inputs and the truth."""
    name, first = part.sample_names[index], part.rows[0]
    truth = truth_title(part)
    figures = (
        captioned(album.kind(CONDITIONS, name, f"condition of {name}"), "Condition", "", "map"),
        captioned(album.kind(EXEMPLARS, name, f"exemplar of {name}"), "Exemplar", ""),
        captioned(album.result(first.method, name), "Result", "", "result"),
        captioned(album.kind(TRUTH, name, f"{truth} of {name}"), truth.capitalize(), ""),
    )
    return (
        f'<div class="card"><h4>{album.caption(name)}</h4><div class="case">{"".join(figures)}'
        f"</div>{_values(part, first, index, ranking.quantity)}</div>"
    )


def _values(part: Part, row: Row, index: int, chosen: Quantity) -> str:
    """Lists the figures of a sample, without those of a condition and of the plain reading."""
    items = []
    for quantity in part.quantities:
        values = row.samples.get(quantity.name)
        if values is None or quantity.group == "quality" or quantity.name.endswith("_plain"):
            continue
        value = float(values[index])
        if math.isfinite(value):
            kind = ' class="chosen"' if quantity is chosen else ""
            items.append(
                f"<div{kind}><dt>{escape(quantity.heading)}</dt>"
                f"<dd>{number(value, quantity.digits)}</dd></div>"
            )
    return f'<dl class="values">{"".join(items)}</dl>'


def _table(caption: str, heads: Sequence[str], body: str) -> str:
    cells = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}"><table '
        f'class="shots"><thead><tr>{cells}</tr></thead>{body}</table></div>'
    )
