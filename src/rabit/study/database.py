"""Raters and their answers in an SQLite file that survives a killed process."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS raters (
  id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, sheet INTEGER NOT NULL, made REAL NOT NULL,
  consented REAL, seen REAL, finished REAL
);
CREATE TABLE IF NOT EXISTS answers (
  id INTEGER PRIMARY KEY, rater INTEGER NOT NULL REFERENCES raters (id), trial TEXT NOT NULL,
  choice TEXT NOT NULL, submission TEXT NOT NULL, received REAL NOT NULL,
  client_ms INTEGER NOT NULL, server_ms INTEGER NOT NULL, UNIQUE (rater, submission)
);
"""
# How long a process waits for another one that is writing, in seconds.
_PATIENCE = 20.0


class RefusedError(Exception):
    """The state of the study does not allow it; the text says why."""


@dataclass(frozen=True)
class Rater:
    """A rater.

    Args:
        id: a number from 1.
        token: who has it may answer as this rater.
        sheet: the index of the rater's trials.
        made, consented, finished: when, in seconds since 1970; None for not yet.
    """

    id: int
    token: str
    sheet: int
    made: float
    consented: float | None
    finished: float | None


@dataclass(frozen=True)
class Answer:
    """A rater's choice in a trial.

    Args:
        rater: the rater's number.
        trial: its id.
        choice: the id of the chosen picture.
        received: when, in seconds since 1970.
        client_ms: from when its pictures were seen to the choice, as the page says.
        server_ms: from the rater's last request for the trials or last answer to this one.
    """

    rater: int
    trial: str
    choice: str
    received: float
    client_ms: int
    server_ms: int


@dataclass(frozen=True)
class Submission:
    """An answer as it comes in.

    Args:
        trial: its id.
        choice: the id of the chosen picture.
        submission: drawn by the page for each answer; the same one again changes nothing.
        milliseconds: as `client_ms`.
    """

    trial: str
    choice: str
    submission: str
    milliseconds: int


class Database:
    """The raters and answers of one study.

    Every change is on the disk when a method returns: SQLite's write-ahead log with
    synchronous=FULL. One object may be used from several threads, and a file by several processes.

    Args:
        path: the file; made if it is missing.
        digest: of the study.
        sheets: how many there are.
        now: the clock, in seconds since 1970.
        read: whether it is only read, and nothing is written to the disk.

    Raises:
        ValueError: the file is no database, or not this study's.
    """

    def __init__(
        self,
        path: Path,
        digest: str,
        sheets: int,
        now: Callable[[], float] = time.time,
        read: bool = False,
    ) -> None:
        self.path = path
        self.sheets = sheets
        self.now = now
        self.lock = threading.Lock()
        try:
            with ExitStack() as opened:
                self.connection = opened.enter_context(
                    closing(
                        sqlite3.connect(
                            _read_only(path) if read else path,
                            timeout=_PATIENCE,
                            isolation_level=None,
                            check_same_thread=False,
                            uri=read,
                        )
                    )
                )
                tables = self.connection.execute("SELECT name FROM sqlite_master").fetchall()
                if ("study",) not in tables and (tables or read):
                    raise ValueError(f"{path}: holds no answers to a study; name another database")
                row = self._study() if read else self._prepare(digest)
                opened.pop_all()  # all went well: it stays open
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path}: cannot be used as the database ({error})") from error
        if row is not None and row[0] != digest:
            self.close()
            raise ValueError(f"{path}: holds answers to another study; name another database")

    def _prepare(self, digest: str) -> tuple[str] | None:
        """Makes the tables that are missing; returns the row of the study that was there."""
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute("PRAGMA foreign_keys=ON")
        with self._writing() as connection:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            row = self._study()
            if row is None:
                connection.execute("INSERT INTO study VALUES (?)", (digest,))
        return row

    def _study(self) -> tuple[str] | None:
        row: tuple[str] | None = self.connection.execute("SELECT digest FROM study").fetchone()
        return row

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def add_rater(self, consented: bool, most: int | None = None) -> Rater:
        """Makes a rater with a new token and the sheet that is needed most.

        Sheets are given out in order; when each has been, those that fewest raters have finished
        come first.

        Args:
            consented: whether the rater has consented already.
            most: raters in all; None for any number.

        Raises:
            RefusedError: there are as many already.
        """
        token = secrets.token_urlsafe()
        with self._writing() as connection:
            count = connection.execute("SELECT count(*) FROM raters").fetchone()[0]
            if most is not None and count >= most:
                raise RefusedError("this study has as many raters as it takes")
            given, finished = ([0] * self.sheets for _ in range(2))
            for sheet, end in connection.execute("SELECT sheet, finished FROM raters"):
                given[sheet] += 1
                finished[sheet] += end is not None
            key = given if min(given) == 0 else finished
            sheet = min(range(self.sheets), key=lambda i: (key[i], given[i], i))
            now = self.now()
            start = now if consented else None
            cursor = connection.execute(
                "INSERT INTO raters (token, sheet, made, consented, seen) VALUES (?, ?, ?, ?, ?)",
                (token, sheet, now, start, start),
            )
            assert cursor.lastrowid is not None
        return Rater(cursor.lastrowid, token, sheet, now, start, None)

    def consent(self, rater: Rater) -> None:
        """Notes that a rater has consented; the first time counts."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE raters SET consented = ? WHERE id = ? AND consented IS NULL",
                (self.now(), rater.id),
            )

    def visit(self, rater: Rater) -> None:
        """Notes that a rater has got the trials: times are counted from then."""
        with self._writing() as connection:
            connection.execute("UPDATE raters SET seen = ? WHERE id = ?", (self.now(), rater.id))

    def find_rater(self, token: str) -> Rater | None:
        """Returns the rater of a token, or None."""
        with self.lock:
            row = self.connection.execute(
                "SELECT id, token, sheet, made, consented, finished FROM raters WHERE token = ?",
                (token,),
            ).fetchone()
        return None if row is None else Rater(*row)

    def raters(self) -> list[Rater]:
        """Returns all raters, by number."""
        with self.lock:
            rows = self.connection.execute(
                "SELECT id, token, sheet, made, consented, finished FROM raters ORDER BY id"
            ).fetchall()
        return [Rater(*row) for row in rows]

    def record(self, rater: Rater, given: Submission) -> None:
        """Keeps an answer, besides any earlier one to the same trial.

        Raises:
            RefusedError: the rater has finished, or the submission was another answer's.
        """
        with self._writing() as connection:
            seen, finished = connection.execute(
                "SELECT seen, finished FROM raters WHERE id = ?", (rater.id,)
            ).fetchone()
            earlier = connection.execute(
                "SELECT trial, choice FROM answers WHERE rater = ? AND submission = ?",
                (rater.id, given.submission),
            ).fetchone()
            if earlier is not None:
                if earlier != (given.trial, given.choice):
                    raise RefusedError("this submission was another answer's")
                return
            if finished is not None:
                raise RefusedError("this rater has finished; answers cannot be changed any more")
            now = self.now()
            waited = max(0, round(1000 * (now - (now if seen is None else seen))))
            connection.execute(
                "INSERT INTO answers (rater, trial, choice, submission, received, client_ms,"
                " server_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    rater.id, given.trial, given.choice, given.submission, now,
                    given.milliseconds, waited,
                ),
            )  # fmt: skip
            connection.execute("UPDATE raters SET seen = ? WHERE id = ?", (now, rater.id))

    def finish(self, rater: Rater, trials: int) -> None:
        """Ends a rater's part; the first time counts.

        Args:
            rater: who.
            trials: how many must be answered.

        Raises:
            RefusedError: some are not.
        """
        with self._writing() as connection:
            answered = connection.execute(
                "SELECT count(DISTINCT trial) FROM answers WHERE rater = ?", (rater.id,)
            ).fetchone()[0]
            if answered < trials:
                raise RefusedError(f"{trials - answered} trials are not answered yet")
            connection.execute(
                "UPDATE raters SET finished = ? WHERE id = ? AND finished IS NULL",
                (self.now(), rater.id),
            )

    def choices(self, rater: Rater) -> dict[str, str]:
        """Returns a rater's last choice in each trial that has one."""
        with self.lock:
            rows = self.connection.execute(
                "SELECT trial, choice FROM answers WHERE rater = ? ORDER BY id", (rater.id,)
            ).fetchall()
        return dict(rows)

    def answers(self) -> list[Answer]:
        """Returns all answers, the changed ones too, in the order in which they came."""
        with self.lock:
            rows = self.connection.execute(
                "SELECT rater, trial, choice, received, client_ms, server_ms FROM answers"
                " ORDER BY id"
            ).fetchall()
        return [Answer(*row) for row in rows]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept, or nothing."""
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")


def _read_only(path: Path) -> str:
    """Returns the address of a file that is not written to, also where no file can be made."""
    log = path.with_name(f"{path.name}-wal")
    still = not os.access(path.parent, os.W_OK) and not log.exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if still else ''}"
