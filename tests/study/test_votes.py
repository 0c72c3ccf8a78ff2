from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rabit.study.crowd import crowd_table
from rabit.study.database import Database, Submission
from rabit.study.files import LoadedStudy
from rabit.study.votes import votes_from_crowd, votes_from_database
from study_samples import database_of, small_study


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedStudy:
    return small_study(tmp_path_factory.mktemp("votes"))


def test_the_last_choice_counts_with_the_time_of_the_first(
    loaded: LoadedStudy, tmp_path: Path
) -> None:
    times = iter([0.0, 5.0, 20.0, 21.0, 22.0])
    file = tmp_path / "a.sqlite"
    database = Database(file, loaded.digest, 3, lambda: next(times))
    rater = database.add_rater(consented=True)
    database.add_rater(consented=True)
    one, other = loaded.study.sheets[rater.sheet].trials[:2]
    for trial, place, name, wait in (
        (one, 0, "s1", 4000),
        (other, 1, "s2", 99_000),
        (one, 2, "s3", 9),
    ):
        times = iter([{"s1": 4.5, "s2": 10.5, "s3": 11.5}[name]])
        database.now = lambda times=times: next(times)  # type: ignore[misc]
        database.record(rater, Submission(trial.id, trial.choices[place], name, wait))
    database.close()
    (voter,) = votes_from_database(file, loaded)
    assert (voter.name, voter.finished) == ("rater-1", False)
    assert [(v.trial, v.choice, v.place, v.seconds) for v in voter.votes] == [
        (one.id, one.choices[2], 2, 4.0),
        (other.id, other.choices[1], 1, 6.0),
    ]


def test_a_missing_database_is_named(loaded: LoadedStudy) -> None:
    with pytest.raises(FileNotFoundError, match="serve the study, or name the database"):
        votes_from_database(database_of(loaded.folder), loaded)


Spell = Callable[[int, str, tuple[str, ...]], dict[str, str]]


def plain(n: int, choice: str, choices: tuple[str, ...]) -> dict[str, str]:
    return {f"Answer.answer_{n}": choice}


def flat(n: int, choice: str, choices: tuple[str, ...]) -> dict[str, str]:
    return {f"Answer.answer_{n}.{c}": str(c == choice).lower() for c in choices}


def results(path: Path, loaded: LoadedStudy, spell: Spell | None, per_hit: int = 6) -> Path:
    """A results file in which worker W1 does all tasks, and always chooses the second picture."""
    trials = {t.id: t for sheet in loaded.study.sheets for t in sheet.trials}
    rows = []
    for number, task in enumerate(csv.DictReader(crowd_table(loaded.study, per_hit).splitlines())):
        row = {
            "WorkerId": "W1",
            "WorkTimeInSeconds": "60",
            "AssignmentStatus": "Rejected" if number == 0 else "Submitted",
        }
        row |= {f"Input.{name}": value for name, value in task.items()}
        told = {}
        for n in range(1, per_hit + 1):
            choices = trials[task[f"trial_{n}"]].choices
            if spell is not None:
                row |= spell(n, choices[1], choices)
            told[f"answer_{n}"] = {choice: choice == choices[1] for choice in choices}
        if spell is None:
            row["Answer.taskAnswers"] = json.dumps([told])
        rows.append(row)
    with path.open("w", newline="", encoding="utf-8") as stream:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("spell", [plain, flat, None], ids=["plain", "flat", "json"])
def test_results_are_read_however_they_spell_answers(
    loaded: LoadedStudy, tmp_path: Path, spell: Spell | None
) -> None:
    """Sheets of 12 trials: 6 tasks of 6, of which the first is rejected."""
    (voter,) = votes_from_crowd([results(tmp_path / "r.csv", loaded, spell)], loaded)
    assert voter.name == "W1" and len(voter.votes) == 30
    assert all(vote.place == 1 and vote.seconds == 10 for vote in voter.votes)
    trials = [trial for sheet in loaded.study.sheets for trial in sheet.trials]
    assert [vote.trial for vote in voter.votes] == [trial.id for trial in trials[6:]]


def test_of_a_sheet_that_is_answered_twice_the_first_answers_count(
    loaded: LoadedStudy, tmp_path: Path
) -> None:
    first = results(tmp_path / "first.csv", loaded, plain)
    (alone,) = votes_from_crowd([first], loaded)
    second = tmp_path / "second.csv"
    second.write_text(first.read_text().replace("60", "6000"))
    (voter,) = votes_from_crowd([first, second], loaded)
    assert voter.votes == alone.votes


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("WorkerId", "Worker", "column WorkerId is missing"),
        ("60", "an hour", "line 2|column WorkTimeInSeconds: 'an hour' is no number"),
        ("Input.trial_1", "Input.trial_0", "column Input.trial_1 is missing"),
    ],
)
def test_other_tables_are_refused(
    loaded: LoadedStudy, tmp_path: Path, old: str, new: str, told: str
) -> None:
    file = results(tmp_path / "r.csv", loaded, plain)
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ValueError, match=told):
        votes_from_crowd([file], loaded)


def test_results_of_another_study_are_refused(loaded: LoadedStudy, tmp_path: Path) -> None:
    file = results(tmp_path / "r.csv", loaded, plain)
    trial = loaded.study.sheets[1].trials[0]
    text = file.read_text()
    file.write_text(text.replace(trial.id, "0" * 16))
    with pytest.raises(ValueError, match="trial '0000000000000000' is not of this study"):
        votes_from_crowd([file], loaded)
    file.write_text(text.replace(f",{trial.choices[1]}", ",elsewhere"))
    with pytest.raises(ValueError, match="'elsewhere' was no choice in trial"):
        votes_from_crowd([file], loaded)
