from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest

from evaluations import Page, folders, make_part, make_row, noise, write_pictures
from rabit.data.images import save_png
from rabit.evaluation.baselines import COPIED, MEAN_COLOURS
from rabit.evaluation.published import PUBLISHED
from rabit.evaluation.report import page as page_module
from rabit.evaluation.report.page import FAILURES_SHOWN, GENERATOR, ReportInputs, make_page
from rabit.evaluation.summary import Evaluation, Part

NAN = math.nan
OTHERS = ("theirs", COPIED, MEAN_COLOURS)


def part_of(name: str, count: int = 6, others: tuple[str, ...] = OTHERS) -> Part:
    figures = {
        "semantic_52": [0.9 - 0.01 * n for n in range(count)],
        "copied": [0.1] * count,
        "psnr": [20.0 + n for n in range(count)],
        "perceptual": [0.1 + 0.01 * n for n in range(count)],
    }
    rows = [make_row("ours", figures, {"fd": 1.25})]
    for number, method in enumerate(others, 1):
        more = {key: [v + 0.01 * number for v in values] for key, values in figures.items()}
        rows.append(make_row(method, more, {"fd": 1.25 + number}, rows[0]))
    return make_part(rows, name)


def inputs_of(root: Path, *parts: Part) -> ReportInputs:
    return ReportInputs(
        evaluation=Evaluation(parts, {"ours": 0.1234}),
        folder=write_pictures(root, parts),
        folders=folders(*parts),
        facts={"data": "held-out <scenes>", "commit": "abc" * 30},
        extractors=(("random & VGG", "6901bb93"),),
        missing=("FID needs <weights>",),
        published=PUBLISHED,
        exemplars=3,
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    root = tmp_path_factory.mktemp("evaluation")
    return inputs_of(root, part_of("translation"), part_of("manipulation"))


@pytest.fixture(scope="module")
def text(inputs: ReportInputs) -> str:
    return make_page(inputs)


def headings(text: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", text)


def test_every_section_is_there_and_linked(text: str) -> None:
    page = Page(text)
    assert headings(text) == [
        "Image translation",
        "Image manipulation",
        "The paper's tables",
        "How to read this",
    ]
    linked = {reference[1:] for reference in page.references if reference.startswith("#")}
    assert linked == {given["id"] for _, given in page.tags if "id" in given}
    for heading in (
        "Quality and diversity",
        "Consistency with the condition and the exemplar",
        "Against the true result",
        "Charts",
        "Side by side",
        "Best and worst of ours",
        "What looks wrong",
    ):
        assert text.count(f"<h3>{heading}</h3>") == 2
    assert GENERATOR in text


def test_the_head_says_what_was_evaluated(text: str) -> None:
    page = Page(text)
    assert (
        "ours beside theirs, with the baselines exemplar copied and class mean colours: 6 samples "
        "of translation and 6 samples of manipulation."
    ) in page.text
    assert "held-out <scenes>" in page.text and "FID needs <weights>" in page.text
    assert "seconds a picture, ours0.123" in page.text
    assert ["random & VGG", "6901bb93"] in page.rows


def test_nothing_is_said_of_what_is_not_missing(inputs: ReportInputs) -> None:
    assert "Left out" in make_page(inputs)
    assert "Left out" not in make_page(dataclasses.replace(inputs, missing=()))


def test_the_tables_hold_the_figures_of_the_evaluation(inputs: ReportInputs, text: str) -> None:
    sections = re.split("<h2 id=", text)[1:3]
    for part, section in zip(inputs.evaluation.parts, sections, strict=True):
        cells: dict[tuple[str, str], str] = {}
        heads: list[str] = []
        for line in Page(f"<h2 id={section}").rows:
            method = line[0].removesuffix(" baseline")
            if line[0] in ("Method", "Less", "sample"):
                heads = line[1:] if line[0] == "Method" else []
            elif method in inputs.folders and heads:
                cells |= {(method, h): c for h, c in zip(heads, line[1:], strict=True)}
        for row in part.rows:
            for quantity in part.quantities:
                figure, digits = row.figures[quantity.name], quantity.digits
                cell = cells[row.method, f"{quantity.heading} {quantity.arrow}".strip()]
                assert cell.split()[0] == f"{figure.value:.{digits}f}"
                ends = f"{figure.low:.{digits}f} to {figure.high:.{digits}f}"
                assert cell.endswith(ends) or math.isnan(figure.low)


def test_the_page_asks_for_nothing_else(text: str) -> None:
    page = Page(text)
    assert all(r.startswith(("data:image/png;base64,", "#")) for r in page.references)
    assert not re.search(r"https?://|@import|url\(|<script|<link|srcset", text)


def test_every_picture_and_chart_has_a_text(text: str) -> None:
    page = Page(text)
    images = [given for tag, given in page.tags if tag == "img"]
    assert len(images) == 2 + 6 * 6 + 6 * 7 + 2 * 6 * 4
    assert all(given["alt"] and given["width"] and given["height"] for given in images)
    charts = [given for tag, given in page.tags if tag == "svg"]
    assert len(charts) == 2 * 6 and all(given["aria-label"] for given in charts)
    boxes = [given for _, given in page.tags if given.get("class") == "scroll"]
    assert boxes and all(g["tabindex"] == "0" and g["aria-label"] for g in boxes)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>'
    part = part_of("translation", others=(f"{evil}2",))
    rows = (dataclasses.replace(part.rows[0], method=evil), part.rows[1])
    part = dataclasses.replace(part, rows=rows)
    inputs = dataclasses.replace(
        inputs_of(tmp_path, part),
        facts={evil: evil},
        extractors=((evil, evil),),
        missing=(evil,),
        captions={name: evil for name in part.sample_names},
    )
    inputs.folder.picture(inputs.folders[evil], part.sample_names[0]).unlink()
    text = make_page(inputs)
    assert "<script" not in text
    tags = {tag for tag, _ in Page(text).tags}
    assert "script" not in tags and evil in Page(text).text


def test_one_method_and_one_part_are_enough(tmp_path: Path) -> None:
    inputs = inputs_of(tmp_path, part_of("translation", others=()))
    text = make_page(inputs)
    assert headings(text) == ["Image translation", "The paper's tables", "How to read this"]
    assert "manipulation," not in text and 'class="best"' not in text and "<details" not in text
    assert "<b>ours</b>: 6 samples of translation." in text
    text = make_page(dataclasses.replace(inputs, published=()))
    assert headings(text) == ["Image translation", "How to read this"]


def test_the_papers_tables_are_those_of_the_parts_that_were_measured(text: str) -> None:
    for published in PUBLISHED:
        assert text.count(
            f"<span>Table {published.number} of the paper, {published.part}, {published.data}<"
        ) == 1  # fmt: skip
    assert text.count("not comparable</small>") == len(PUBLISHED)


def test_without_a_truth_no_figure_against_it_is_shown(tmp_path: Path) -> None:
    rows = [make_row(name, {"semantic_52": [0.9, 0.8, 0.7]}, {"fd": 1.0}) for name in "ab"]
    part = make_part(rows, paired=0)
    text = make_page(inputs_of(tmp_path, part))
    assert "No true result is known" in text and "is known of none of the 3 samples" in text
    assert "Ordered by semantic consistency, deep: high values are good." in text
    assert '<th scope="col">photograph</th>' in text


def test_where_some_truths_are_known_the_tables_say_of_how_many(tmp_path: Path) -> None:
    figures = {"semantic_52": [0.9, 0.8, 0.7], "perceptual": [0.1, NAN, NAN]}
    part = make_part([make_row("ours", figures)], paired=1)
    text = make_page(inputs_of(tmp_path, part))
    assert "is known of 1 of the 3 samples" in text and "<small>of 1</small>" in text


def test_what_looks_wrong_is_listed_up_to_a_number(tmp_path: Path) -> None:
    part = part_of("translation", count=FAILURES_SHOWN + 3)
    inputs = inputs_of(tmp_path, part)
    assert '<p class="none">none</p>' in make_page(inputs)
    for name in part.sample_names[:2]:
        save_png(inputs.folder.picture("ours", name), noise(1) // 200 + 9, overwrite=True)
    page = Page(make_page(inputs))
    assert "in all: 2, about 2 of 33 samples" in page.text
    wrong = [row for row in page.rows if row[0].startswith("pictures/")]
    assert [row[0] for row in wrong] == [
        f"pictures/ours/{name}.png" for name in part.sample_names[:2]
    ]
    assert all("of one colour" in row[1] for row in wrong)
    for name in part.sample_names:
        inputs.folder.picture("ours", name).unlink()
    page = Page(make_page(inputs))
    assert "in all: 33, about 33 of 33 samples; the first 30 are shown" in page.text
    assert len([row for row in page.rows if row[0].startswith("pictures/")]) == FAILURES_SHOWN


def test_pictures_shrink_where_the_page_would_be_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = part_of("translation", others=())
    inputs = inputs_of(tmp_path, part)
    monkeypatch.setattr(page_module, "SIDES", (12, 8, 4))
    sizes = []
    whole = len(make_page(inputs))
    for most in (whole, whole - 1, 1):
        monkeypatch.setattr(page_module, "MOST_BYTES", most)
        images = [given for tag, given in Page(make_page(inputs)).tags if tag == "img"]
        sizes.append({given["width"] for given in images})
    assert sizes == [{"12"}, {"8"}, {"4"}]


def test_an_evaluation_of_nothing_is_refused(inputs: ReportInputs) -> None:
    with pytest.raises(ValueError, match="no part"):
        make_page(dataclasses.replace(inputs, evaluation=Evaluation((), {})))
