from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rabit.study.database import Database, Rater, RefusedError, Submission


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    opened = Database(tmp_path / "answers.sqlite", "digest", 3, clock)
    yield opened
    opened.close()


def submit(database: Database, rater: Rater, trial: str, choice: str, name: str) -> None:
    database.record(rater, Submission(trial, choice, name, 700))


def test_every_write_is_flushed(database: Database) -> None:
    assert database.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_tokens_cannot_be_guessed(database: Database) -> None:
    raters = [database.add_rater(consented=True) for _ in range(50)]
    assert len({rater.token for rater in raters}) == 50
    assert min(len(rater.token) for rater in raters) >= 43
    assert all(database.find_rater(rater.token) == rater for rater in raters)
    assert database.find_rater("x") is None and database.raters() == raters


def test_sheets_are_given_out_evenly(database: Database) -> None:
    given = Counter(database.add_rater(consented=True).sheet for _ in range(9))
    assert given == {0: 3, 1: 3, 2: 3}


def test_sheets_that_nobody_finished_come_first(database: Database) -> None:
    raters = [database.add_rater(consented=True) for _ in range(3)]
    for number in (0, 2):
        database.finish(raters[number], 0)
    assert [database.add_rater(consented=True).sheet for _ in range(2)] == [1, 1]


def test_the_study_takes_so_many_raters(database: Database) -> None:
    database.add_rater(consented=False, most=1)
    with pytest.raises(RefusedError, match="as many raters as it takes"):
        database.add_rater(consented=False, most=1)
    assert len(database.raters()) == 1


def test_times_are_counted_from_the_last_sign_of_the_rater(
    database: Database, clock: Clock
) -> None:
    rater = database.add_rater(consented=True)
    clock.time = 1003.5
    submit(database, rater, "t1", "a", "s1")
    clock.time = 1010.0
    database.visit(rater)
    clock.time = 1010.2
    submit(database, rater, "t2", "b", "s2")
    clock.time = 1009.0
    submit(database, rater, "t3", "b", "s3")
    answers = database.answers()
    assert [answer.server_ms for answer in answers] == [3500, 200, 0]
    assert [answer.client_ms for answer in answers] == [700] * 3
    assert answers[0].received == 1003.5


def test_consent_is_noted_once(database: Database, clock: Clock) -> None:
    rater = database.add_rater(consented=False)
    assert rater.consented is None
    for time in (1001.0, 1002.0):
        clock.time = time
        database.consent(rater)
    found = database.find_rater(rater.token)
    assert found is not None and found.consented == 1001.0


def test_the_last_answer_counts_and_all_are_kept(database: Database) -> None:
    rater, other = (database.add_rater(consented=True) for _ in range(2))
    submit(database, rater, "t1", "a", "s1")
    submit(database, other, "t1", "c", "s1")
    submit(database, rater, "t1", "b", "s2")
    assert database.choices(rater) == {"t1": "b"} and database.choices(other) == {"t1": "c"}
    assert [answer.choice for answer in database.answers()] == ["a", "c", "b"]


def test_a_submission_counts_once(database: Database) -> None:
    rater = database.add_rater(consented=True)
    submit(database, rater, "t1", "a", "s1")
    submit(database, rater, "t1", "b", "s2")
    submit(database, rater, "t1", "a", "s1")
    assert database.choices(rater) == {"t1": "b"} and len(database.answers()) == 2
    with pytest.raises(RefusedError, match="another answer's"):
        submit(database, rater, "t2", "a", "s1")


def test_the_end_comes_after_all_trials_and_is_final(database: Database, clock: Clock) -> None:
    rater = database.add_rater(consented=True)
    submit(database, rater, "t1", "a", "s1")
    with pytest.raises(RefusedError, match="1 trials are not answered yet"):
        database.finish(rater, 2)
    submit(database, rater, "t2", "a", "s2")
    for time in (1005.0, 1006.0):
        clock.time = time
        database.finish(rater, 2)
    found = database.find_rater(rater.token)
    assert found is not None and found.finished == 1005.0
    with pytest.raises(RefusedError, match="has finished"):
        submit(database, rater, "t2", "b", "s3")
    submit(database, rater, "t2", "a", "s2")
    assert database.choices(rater) == {"t1": "a", "t2": "a"}


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    rater = database.add_rater(consented=True)
    with pytest.raises(sqlite3.Error):
        database.record(rater, Submission("t1", None, "s1", 1))  # type: ignore[arg-type]
    assert database.answers() == []
    submit(database, rater, "t1", "a", "s1")


def test_another_studys_answers_are_refused(database: Database) -> None:
    Database(database.path, "digest", 3).close()
    with pytest.raises(ValueError, match="holds answers to another study"):
        Database(database.path, "other", 3)


def test_other_databases_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "mine.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    before = file.read_bytes()
    for read in (False, True):
        with pytest.raises(ValueError, match=r"mine\.sqlite: holds no answers to a study"):
            Database(file, "digest", 1, read=read)
    assert file.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == [file.name]
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(ValueError, match=r"empty\.sqlite: holds no answers to a study"):
        Database(tmp_path / "empty.sqlite", "digest", 1, read=True)
    assert not (tmp_path / "empty.sqlite").read_bytes()


@pytest.mark.parametrize("writable", [True, False])
def test_answers_are_read_where_nothing_can_be_written(
    database: Database, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    submit(database, database.add_rater(consented=True), "t1", "a", "s1")
    file = database.path
    # While another process has it open, the newest answers are in its log.
    with closing(Database(file, "digest", 3, read=True)) as reading:
        assert [answer.choice for answer in reading.answers()] == ["a"]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reading.add_rater(consented=False)
    database.close()
    monkeypatch.setattr(os, "access", lambda *_: writable)
    with closing(Database(file, "digest", 3, read=True)) as reading:
        assert [answer.choice for answer in reading.answers()] == ["a"]
        made = [each.name for each in file.parent.iterdir() if each != file]
        assert bool(made) == writable
    with pytest.raises(ValueError, match="holds answers to another study"):
        Database(file, "other", 3, read=True)


def test_what_is_no_database_is_refused_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []

    class Connection(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            opened.append(self)

    monkeypatch.setattr(sqlite3, "connect", Connection)
    (tmp_path / "a.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(ValueError, match=r"a\.sqlite: cannot be used as the database"):
        Database(tmp_path / "a.sqlite", "digest", 1)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
    with pytest.raises(ValueError, match="none: cannot be used|a.sqlite: cannot be used"):
        Database(tmp_path / "none" / "a.sqlite", "digest", 1)
