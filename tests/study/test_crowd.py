from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path

import pytest

from rabit.study.crowd import crowd_page, crowd_table
from rabit.study.files import LoadedStudy
from rabit.study.questions import Question
from study_samples import small_study

BASE = "https://example.org/study/pictures/"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedStudy:
    return small_study(tmp_path_factory.mktemp("crowd"), picture_url=BASE, trials_per_hit=5)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_columns_are_the_variables_of_the_form(loaded: LoadedStudy) -> None:
    page = (loaded.folder / "mturk.html").read_text(encoding="utf-8")
    table = (loaded.folder / "mturk.csv").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(.+?)\}", page)) == set(rows_of(table)[0])


def test_every_trial_is_asked_once(loaded: LoadedStudy) -> None:
    """Sheets of 12 trials, in tasks of at most 5, make 3 tasks of 4."""
    rows = rows_of(crowd_table(loaded.study, 5))
    assert len(rows) == 3 * len(loaded.study.sheets)
    items = {item.id: item for item in loaded.study.items}
    texts = {question.id: question.text for question in loaded.study.questions}
    asked = []
    for row in rows:
        for n in range(1, 5):
            choices = tuple(row[f"choice_{n}_{c}"] for c in range(1, 4))
            asked.append((row[f"trial_{n}"], choices))
            assert row[f"condition_{n}"] in {item.condition for item in items.values()}
    trials = [trial for sheet in loaded.study.sheets for trial in sheet.trials]
    assert asked == [(trial.id, trial.choices) for trial in trials]
    assert rows[0]["question_1"] == texts[trials[0].question]
    assert rows[0]["exemplar_1"] == items[trials[0].item].exemplar


def test_places_of_methods_differ_from_row_to_row(loaded: LoadedStudy) -> None:
    rows = rows_of(crowd_table(loaded.study, 5))
    assert len({tuple(sorted(row[f"choice_1_{c}"] for c in (1, 2, 3))) for row in rows}) > 3


def test_a_shorter_task_leaves_fields_empty(loaded: LoadedStudy) -> None:
    rows = rows_of(crowd_table(loaded.study, 7))
    assert [row["trial_6"] == "" for row in rows[:2]] == [False, False]
    assert "trial_7" not in rows[0]
    rows = rows_of(crowd_table(loaded.study, 11))
    assert all(row["trial_6"] for row in rows)
    uneven = dataclasses.replace(
        loaded.study,
        sheets=(
            dataclasses.replace(loaded.study.sheets[0], trials=loaded.study.sheets[0].trials[:9]),
        ),
    )
    rows = rows_of(crowd_table(uneven, 5))
    assert (rows[0]["trial_5"], rows[0]["choice_5_1"]) == ("", "") and rows[1]["trial_5"]


def test_texts_are_escaped(loaded: LoadedStudy) -> None:
    study = dataclasses.replace(
        loaded.study,
        title="<b>${trial_1}</b>",
        questions=(
            Question("quality", 'a "<i>", ${b}?\nline'),
            Question("style", "Which?"),
        ),
    )
    page = crowd_page(study, BASE, 5)
    assert "&lt;b&gt;&#36;{trial_1}&lt;/b&gt;" in page and "<b>" not in page
    asked = {row["question_1"] for row in rows_of(crowd_table(study, 5))}
    assert asked == {"a &quot;&lt;i&gt;&quot;, &#36;{b}? line", "Which?"}


def test_pictures_are_at_the_address(loaded: LoadedStudy) -> None:
    page = crowd_page(loaded.study, BASE, 5)
    assert 'src="https://example.org/study/pictures/${condition_1}.png"' in page
    for base in ("", "ftp://x/y", "https://x/${y}", "https://x/\"onload='", "pictures"):
        with pytest.raises(ValueError, match="picture_url is"):
            crowd_page(loaded.study, base, 5)


def test_without_an_address_there_is_no_form(tmp_path: Path) -> None:
    folder = small_study(tmp_path).folder
    assert not (folder / "mturk.html").exists() and not (folder / "mturk.csv").exists()
