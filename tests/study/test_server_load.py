"""Many raters at once: nothing that was acknowledged is lost, even if the server is killed."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from study_samples import Client, database_of, serving, small_study

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")
pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install fastapi uvicorn")

RATERS = 50


def rate(
    client: Client, together: threading.Barrier, enough: threading.Event
) -> list[tuple[str, str, str]]:
    """Answers a sheet, every answer twice, and returns what was acknowledged."""
    together.wait()
    kept = []
    try:
        rater = client.start()
        trials = rater.get("/api/session").json()["trials"]
        for number, trial in enumerate(trials):
            choice = trial["choices"][number % len(trial["choices"])]["id"]
            for _ in range(2):
                reply = rater.answer(trial["id"], choice, f"submission-{number}")
                assert reply.status == 200
            kept.append((rater.token, trial["id"], choice))
            if number == len(trials) // 2:
                enough.set()
    except (OSError, HTTPException):
        pass  # the server was killed; what comes after it was not acknowledged
    return kept


@pytest.mark.parametrize("killed", [False, True])
def test_nothing_of_50_raters_is_lost(tmp_path: Path, killed: bool) -> None:
    loaded = small_study(tmp_path, raters=RATERS)
    together, enough = threading.Barrier(RATERS), threading.Event()
    with serving(loaded.folder) as running, ThreadPoolExecutor(RATERS) as pool:
        waiting = [pool.submit(rate, running.client, together, enough) for _ in range(RATERS)]
        if killed:
            assert enough.wait(60)
            running.process.kill()
        kept = [answer for rater in waiting for answer in rater.result()]
        running.process.kill()
    trials = len(loaded.study.sheets[0].trials)
    if killed:
        assert RATERS < len(kept) < RATERS * trials
    else:
        assert len(kept) == RATERS * trials
    connection = sqlite3.connect(database_of(loaded.folder))
    found = Counter(
        connection.execute(
            "SELECT token, trial, choice FROM answers JOIN raters ON raters.id = answers.rater"
        ).fetchall()
    )
    sheets = [sheet for (sheet,) in connection.execute("SELECT sheet FROM raters").fetchall()]
    connection.close()
    assert set(kept) <= set(found) and set(found.values()) == {1}
    assert len(set(found) - set(kept)) <= (RATERS if killed else 0)
    assert sorted(sheets) == list(range(RATERS))
