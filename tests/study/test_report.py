from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.study.files import load_key
from rabit.study.report import score_files, scores_markdown, summary_line
from rabit.study.rules import Rules
from rabit.study.scores import Scores, Settings, score_study
from rabit.study.votes import votes_from_database
from study_raters import Crowd, Person
from study_samples import database_of, small_study, write_pictures

NAMES = ("a|b", "$x_1$ *<b>*", "größer")


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    root = tmp_path_factory.mktemp("report")
    write_pictures(root / "pictures", methods=NAMES)
    loaded = small_study(root, raters=6, gold=4)
    strengths = {"a|b": 2.0, "$x_1$ *<b>*": 0.0, "größer": -2.0}
    Crowd(loaded, strengths).answer([Person()] * 5 + [Person(seconds=0.1)])
    voters = votes_from_database(database_of(loaded.folder), loaded)
    return score_study(loaded, load_key(loaded), voters, Rules(), Settings(resamples=100))


def test_files_of_a_report(scores: Scores) -> None:
    files = score_files(scores, Path("out"))
    assert {path.name for path in files} == {
        "scores.json", "scores.csv", "raters.csv", "scores.md", "scores.png",
    }  # fmt: skip
    told = json.loads(files[Path("out/scores.json")])
    assert told["questions"][0]["methods"][0]["method"] == "$x_1$ *<b>*"
    rows = list(csv.DictReader(io.StringIO(files[Path("out/scores.csv")].decode())))
    assert [row["method"] for row in rows] == sorted(NAMES) * 2
    best = scores.questions[0].methods[1]
    assert float(rows[1]["share"]) == best.share.value
    assert int(rows[1]["selections"]) == best.selections
    raters = list(csv.DictReader(io.StringIO(files[Path("out/raters.csv")].decode())))
    assert [row["counts"] for row in raters] == ["True"] * 5 + ["False"]
    assert raters[5]["reasons"] == "median 0.10 s a trial, expected 1"


def test_the_page_escapes_names_and_names_reasons(scores: Scores) -> None:
    page = scores_markdown(scores)
    assert "| a\\|b | " in page and "$x\\_1$ \\*\\<b\\>\\*" in page
    assert "| rater-6 | median 0.10 s a trial, expected 1 |" in page
    assert "5 of 6 count" in page
    table = [line for line in page.splitlines() if line.startswith("| a\\|b")]
    best = scores.questions[0].methods[1]
    assert f"| {best.selections} | {best.selections_per_rater:.1f} | {best.shown} |" in table[0]


def test_the_best_comes_first(scores: Scores) -> None:
    line = summary_line(scores.questions[0])
    assert line.startswith("quality: a|b ") and line.index("$x_1$") < line.index("größer")


def test_agreement_that_cannot_be_computed_says_why(scores: Scores) -> None:
    question = scores.questions[0]
    for units, told in ((0, "nothing that two raters judged"), (3, "all judgements are the same")):
        agreement = dataclasses.replace(question.agreement, alpha=None, units=units)
        own = dataclasses.replace(question, agreement=agreement)
        page = scores_markdown(dataclasses.replace(scores, questions=(own,)))
        assert f"alpha: cannot be computed ({told}" in page


def drawn(scores: Scores) -> np.ndarray:
    content = score_files(scores, Path("out"))[Path("out/scores.png")]
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"), np.int64)


def test_the_chart_shows_every_method_and_its_interval(scores: Scores) -> None:
    """A method's colour is there, and more of it with an interval than without."""
    whole = drawn(scores)
    bare = drawn(
        dataclasses.replace(
            scores,
            questions=tuple(
                dataclasses.replace(
                    question,
                    methods=tuple(
                        dataclasses.replace(
                            method,
                            share=dataclasses.replace(method.share, low=None),
                            strength=dataclasses.replace(method.strength, low=None),
                        )
                        for method in question.methods
                    ),
                )
                for question in scores.questions
            ),
        )
    )
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)):
        with_interval, without = (int((p == colour).all(axis=2).sum()) for p in (whole, bare))
        assert with_interval > 1.2 * without > 0
