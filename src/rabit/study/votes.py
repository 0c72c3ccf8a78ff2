"""What raters chose, from the database or from Mechanical Turk's results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rabit.study.database import Database
from rabit.study.files import LoadedStudy, Trial
from rabit.study.reading import read_table

_REJECTED = "Rejected"


@dataclass(frozen=True)
class Vote:
    """A rater's final choice in a trial.

    Args:
        trial: its id.
        choice: the id of the chosen picture.
        place: where it stood, from 0.
        seconds: that the rater took for the first choice.
    """

    trial: str
    choice: str
    place: int
    seconds: float


@dataclass(frozen=True)
class Voter:
    """A rater and all final choices, in the order of the trials' first answers.

    Args:
        name: for the report.
        finished: whether the rater got to the end.
        votes: one a trial.
    """

    name: str
    finished: bool
    votes: tuple[Vote, ...]


def votes_from_database(path: Path, loaded: LoadedStudy) -> list[Voter]:
    """Reads the final choices of all raters who have answered anything.

    Of several answers to a trial the last counts, and the first one's time: the smaller of what
    page and server measured, since the page's clock is the rater's own and the server's also counts
    interruptions.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another study's.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; serve the study, or name the database")
    trials = _trials(loaded)
    database = Database(path, loaded.digest, len(loaded.study.sheets), read=True)
    try:
        raters, answers = database.raters(), database.answers()
    finally:
        database.close()
    voters = []
    for rater in raters:
        seconds: dict[str, float] = {}
        choices: dict[str, str] = {}
        for answer in answers:
            if answer.rater == rater.id:
                time = min(answer.client_ms, answer.server_ms) / 1000
                seconds.setdefault(answer.trial, time)
                choices[answer.trial] = answer.choice
        if choices:
            votes = tuple(
                _vote(trials[trial], choice, seconds[trial]) for trial, choice in choices.items()
            )
            voters.append(Voter(f"rater-{rater.id}", rater.finished is not None, votes))
    return voters


def votes_from_crowd(paths: Sequence[Path], loaded: LoadedStudy) -> list[Voter]:
    """Reads Mechanical Turk's results, as its CSV files give them; rejected tasks are left out.

    A task's time is shared out evenly over its trials. Workers count as having finished.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no such table in UTF-8 with commas, or of another study.
    """
    trials = _trials(loaded)
    votes: dict[str, dict[str, Vote]] = {}
    for path in paths:
        table = read_table(path)
        for column in ("WorkerId", "WorkTimeInSeconds", "Input.trial_1"):
            if column not in table.columns:
                raise ValueError(
                    f"{path}: column {column} is missing; expected the results that Mechanical "
                    "Turk gives as CSV"
                )
        for line, row in table.rows:
            if row.get("AssignmentStatus") != _REJECTED:
                own = votes.setdefault(row["WorkerId"], {})
                for trial, vote in _task(row, trials, f"{path}, line {line}").items():
                    own.setdefault(trial, vote)
    return [Voter(name, True, tuple(own.values())) for name, own in votes.items() if own]


def _task(row: Mapping[str, str], trials: Mapping[str, Trial], where: str) -> dict[str, Vote]:
    """The choices of one task."""
    asked = {
        column.removeprefix("Input.trial_"): trial
        for column, trial in row.items()
        if column and column.startswith("Input.trial_") and trial
    }
    given = _given(row, where)
    try:
        seconds = float(row["WorkTimeInSeconds"]) / max(len(asked), 1)
    except ValueError as error:
        raise ValueError(
            f"{where}, column WorkTimeInSeconds: {row['WorkTimeInSeconds']!r} is no number"
        ) from error
    votes = {}
    for number, trial in asked.items():
        if trial not in trials:
            raise ValueError(f"{where}: trial {trial!r} is not of this study")
        choice = given.get(f"answer_{number}")
        if choice is not None:
            if choice not in trials[trial].choices:
                raise ValueError(f"{where}: {choice!r} was no choice in trial {trial}")
            votes[trial] = _vote(trials[trial], choice, seconds)
    return votes


def _given(row: Mapping[str, str], where: str) -> dict[str, str]:
    """The answers of a row by the form's names, in any of the ways that the results spell them:
    Answer.NAME with the value, Answer.NAME.VALUE with true, or JSON in Answer.taskAnswers.
    """
    given: dict[str, str] = {}
    for column, text in row.items():
        name = (column or "").removeprefix("Answer.")
        if name == column or not text:
            continue
        if name == "taskAnswers":
            try:
                told = json.loads(text)
            except ValueError as error:
                raise ValueError(f"{where}, column {column}: is no JSON") from error
            for part in told if isinstance(told, list) else [told]:
                given |= _spelt(part if isinstance(part, dict) else {})
        elif "." in name:
            answer, _, value = name.partition(".")
            if text.strip().lower() == "true":
                given[answer] = value
        else:
            given[name] = text.strip()
    return given


def _spelt(part: Mapping[str, Any]) -> dict[str, str]:
    """Answers from JSON: {name: value}, or {name: {value: true, other: false}}."""
    found = {}
    for name, value in part.items():
        if isinstance(value, dict):
            for option, ticked in value.items():
                if ticked is True:
                    found[name] = option
        else:
            found[name] = str(value)
    return found


def _trials(loaded: LoadedStudy) -> dict[str, Trial]:
    return {trial.id: trial for sheet in loaded.study.sheets for trial in sheet.trials}


def _vote(trial: Trial, choice: str, seconds: float) -> Vote:
    return Vote(trial.id, choice, trial.choices.index(choice), seconds)
