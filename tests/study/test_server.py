from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rabit.study.files import LoadedStudy, load_key
from study_samples import METHODS, Client, database_of, free_port, serving, small_study

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")
pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install fastapi uvicorn")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedStudy:
    return small_study(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def client(loaded: LoadedStudy) -> Iterator[Client]:
    with serving(loaded.folder) as running:
        yield running.client


def rows(loaded: LoadedStudy, table: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(database_of(loaded.folder))
    try:
        return connection.execute(f"SELECT * FROM {table}").fetchall()
    finally:
        connection.close()


def state(loaded: LoadedStudy) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    return rows(loaded, "raters"), rows(loaded, "answers")


def session(client: Client) -> Any:
    reply = client.get("/api/session")
    assert reply.status == 200
    return reply.json()


def test_a_rater_answers_a_sheet(client: Client, loaded: LoadedStudy) -> None:
    rater = client.start()
    told = session(rater)
    assert told["consented"] and not told["finished"] and told["answers"] == {}
    assert rater.post("/api/finish", {}).status == 409
    chosen = {}
    for number, trial in enumerate(told["trials"]):
        chosen[trial["id"]] = trial["choices"][number % 3]["id"]
        reply = rater.answer(trial["id"], chosen[trial["id"]], f"submission-{number}")
        assert (reply.status, reply.json()) == (200, {"kept": True})
    assert session(rater)["answers"] == chosen
    assert rater.post("/api/finish", {}).json() == {"finished": True}
    assert rater.post("/api/finish", {}).status == 200
    assert session(rater)["finished"]
    trial = told["trials"][0]
    assert rater.answer(trial["id"], trial["choices"][1]["id"], "submission-99").status == 409
    assert session(rater)["answers"] == chosen


def test_what_a_rater_gets_is_the_sheet(client: Client, loaded: LoadedStudy) -> None:
    told = session(client.start())
    sheets = [
        [(t.id, t.question, list(t.choices)) for t in sheet.trials] for sheet in loaded.study.sheets
    ]
    own = [(t["id"], t["question"], [c["id"] for c in t["choices"]]) for t in told["trials"]]
    assert own in sheets
    items = {item.id: item for item in loaded.study.items}
    trials = {t.id: t for sheet in loaded.study.sheets for t in sheet.trials}
    for trial in told["trials"]:
        item = items[trials[trial["id"]].item]
        assert trial["condition"]["id"] == item.condition
        assert trial["exemplar"]["id"] == item.exemplar


def test_nobody_is_told_methods_items_or_kinds(client: Client, loaded: LoadedStudy) -> None:
    rater = client.start()
    replies = [rater.get(path) for path in ("/", "/study.js", "/study.css", "/api/study")]
    replies.append(rater.get("/api/session"))
    names = [*METHODS, "item-", "gold", "repeat", "truth"]
    for reply in replies:
        assert reply.status == 200
        text = reply.body.decode()
        assert not any(f'"{name}' in text or f">{name}" in text for name in names)
    assert not any(name in replies[-1].body.decode() for name in names)
    picture = rater.get(f"/pictures/{loaded.study.pictures[0].id}.png")
    assert not {"last-modified", "etag"} & set(picture.headers)


def test_pictures_are_served_as_they_are(client: Client, loaded: LoadedStudy) -> None:
    for picture in loaded.study.pictures:
        reply = client.get(f"/pictures/{picture.id}.png")
        assert reply.headers["content-type"] == "image/png"
        file = loaded.folder / "pictures" / f"{picture.id}.png"
        assert reply.body == file.read_bytes()


@pytest.mark.parametrize("path", ["/", "/api/study", "/none", "/api/session", "/pictures/x.png"])
def test_every_reply_is_guarded(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] in ("no-store", "no-cache")


def test_the_page_asks_nothing_of_other_hosts(client: Client) -> None:
    for path in ("/", "/study.js", "/study.css"):
        assert b"//" not in client.get(path).body.replace(b"// ", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/key.json", "/study.json", "/manifest.json", "/answers.sqlite", "/../key.json",
        "/pictures/../key.json", "/pictures/..%2fkey.json", "/pictures/%2e%2e/key.json",
        "/pictures/..%5ckey.json", "/pictures/%2fetc%2fpasswd", "/pictures/", "/pictures",
        "/pictures/none.png", "/pictures/%00.png", "/docs", "/openapi.json", "/static/../key.json",
    ],
)  # fmt: skip
def test_only_the_studys_pictures_can_be_fetched(client: Client, path: str) -> None:
    reply = client.get(path)
    assert 400 <= reply.status < 500 and b"alpha" not in reply.body


def test_a_known_picture_has_no_other_name(client: Client, loaded: LoadedStudy) -> None:
    name = loaded.study.pictures[0].id
    for path in (f"/pictures/{name}", f"/pictures/{name}.PNG", f"/pictures/./{name}.pngx"):
        assert client.get(path).status == 404


@pytest.mark.parametrize(
    "header",
    ["Bearer " + "x" * 43, "Bearer", "Bearer ", "Basic abc", "Bearer x' OR '1'='1", "x" * 3000],
)
def test_a_wrong_token_opens_nothing(client: Client, loaded: LoadedStudy, header: str) -> None:
    before = state(loaded)
    sent = {"Authorization": header, "Content-Type": "application/json"}
    assert client.send("GET", "/api/session", None, sent).status == 401
    for path in ("/api/answers", "/api/finish"):
        assert client.send("POST", path, b"{}", sent).status in (401, 422)
    assert client.send("POST", "/api/start", b'{"consent": true}', sent).status == 401
    assert client.get("/api/session").status == 401
    assert state(loaded) == before


def valid(client: Client) -> tuple[Client, dict[str, Any]]:
    rater = client.start()
    trial = session(rater)["trials"][0]
    return rater, {
        "trial": trial["id"],
        "choice": trial["choices"][0]["id"],
        "submission": "submission-1",
        "milliseconds": 1000,
    }


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"trial": "none"}, 404),
        ({"trial": "\ud800"}, 404),
        ({"trial": 3}, 422),
        ({"trial": None}, 422),
        ({"trial": ["x"]}, 422),
        ({"choice": "none"}, 422),
        ({"choice": {"$ne": 1}}, 422),
        ({"submission": "short"}, 422),
        ({"submission": "x" * 65}, 422),
        ({"submission": "white space"}, 422),
        ({"submission": "\ud800\ud800\ud800\ud800"}, 422),
        ({"milliseconds": -1}, 422),
        ({"milliseconds": 10**9 + 1}, 422),
        ({"milliseconds": 10**40}, 422),
        ({"milliseconds": 1.5}, 422),
        ({"milliseconds": True}, 422),
        ({"milliseconds": "1"}, 422),
        ({"extra": 1}, 422),
        ({"\ud800": 1}, 422),
        ({"rater": 1}, 422),
    ],
)
def test_wrong_answers_are_refused(
    client: Client, loaded: LoadedStudy, change: dict[str, Any], status: int
) -> None:
    rater, body = valid(client)
    before = state(loaded)
    reply = rater.post("/api/answers", {**body, **change})
    assert reply.status == status and "error" in reply.json()
    assert state(loaded) == before
    assert rater.post("/api/answers", body).status == 200


def test_another_raters_trial_is_unknown(client: Client, loaded: LoadedStudy) -> None:
    rater, body = valid(client)
    own = {trial["id"] for trial in session(rater)["trials"]}
    foreign = next(
        trial for sheet in loaded.study.sheets for trial in sheet.trials if trial.id not in own
    )
    reply = rater.answer(foreign.id, foreign.choices[0], "submission-1")
    assert reply.status == 404
    other = session(rater)["trials"][1]["choices"][0]["id"]
    choices = {choice["id"] for choice in session(rater)["trials"][0]["choices"]}
    if other not in choices:
        assert rater.answer(body["trial"], other, "submission-2").status == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 4000, 400),
        (b"[]", 422),
        (b"3", 422),
        (b"null", 422),
        (b"{}", 422),
        (b'{"trial": NaN}', 422),
        (b" " * 4097, 413),
        (b" " * 5_000_000, 413),
    ],
)
@pytest.mark.parametrize("path", ["/api/answers", "/api/start"])
def test_wrong_bodies_are_refused(
    client: Client, loaded: LoadedStudy, path: str, body: bytes, status: int
) -> None:
    rater = client.start()
    before = state(loaded)
    try:
        reply = rater.send("POST", path, body, {"Content-Type": "application/json"})
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413, "the server may hang up on a body that is too long"
    else:
        assert reply.status == status
    assert state(loaded) == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_forms_of_other_sites_are_refused(client: Client, loaded: LoadedStudy, kind: str) -> None:
    """A page of another site can send such types without asking the browser."""
    before = state(loaded)
    reply = client.send("POST", "/api/start", b'{"consent": true}', {"Content-Type": kind})
    assert reply.status == 415 and state(loaded) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    for path in ("/", "/api/answers", "/api/start"):
        assert client.send(method, path).status in (404, 405)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "["]
)
def test_other_host_names_are_refused(client: Client, host: str) -> None:
    assert client.send("GET", "/api/study", None, {"Host": host}).status == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:99", "127.0.0.1", "[::1]:8000"])
def test_this_machines_names_are_known(client: Client, host: str) -> None:
    assert client.send("GET", "/api/study", None, {"Host": host}).status == 200


@pytest.mark.parametrize(
    "body", [{}, {"consent": False}, {"consent": 1}, {"consent": True, "x": 1}]
)
def test_without_consent_there_is_no_rater(
    client: Client, loaded: LoadedStudy, body: dict[str, Any]
) -> None:
    before = state(loaded)
    reply = client.post("/api/start", body)
    assert reply.status == 422 and state(loaded) == before


def test_a_submission_sent_twice_counts_once(client: Client, loaded: LoadedStudy) -> None:
    rater, body = valid(client)
    before = len(rows(loaded, "answers"))
    assert [rater.post("/api/answers", body).status for _ in range(3)] == [200] * 3
    assert len(rows(loaded, "answers")) == before + 1
    other = session(rater)["trials"][0]["choices"][1]["id"]
    assert rater.post("/api/answers", {**body, "choice": other}).status == 409
    assert rater.answer(body["trial"], other, "submission-2").status == 200
    assert session(rater)["answers"] == {body["trial"]: other}


def test_only_invited_raters_may_start_where_they_alone_are_asked(tmp_path: Path) -> None:
    loaded = small_study(tmp_path)
    from rabit.study.database import Database

    database = Database(database_of(loaded.folder), loaded.digest, len(loaded.study.sheets))
    token = database.add_rater(consented=False).token
    database.close()
    with serving(loaded.folder, invited=True) as running:
        assert running.client.get("/api/study").json()["open"] is False
        assert running.client.post("/api/start", {"consent": True}).status == 403
        rater = Client(running.client.port, token)
        assert session(rater) == {"consented": False}
        trial = loaded.study.sheets[0].trials[0]
        reply = rater.answer(trial.id, trial.choices[0], "submission-1")
        assert reply.status == 403 and rows(loaded, "answers") == []
        assert rater.post("/api/start", {"consent": True}).json() == {"token": token}
        assert len(session(rater)["trials"]) == len(loaded.study.sheets[0].trials)
        assert rater.answer(trial.id, trial.choices[0], "submission-1").status == 200


def test_the_study_takes_so_many_raters(tmp_path: Path) -> None:
    with serving(small_study(tmp_path).folder, most_raters=2) as running:
        replies = [running.client.post("/api/start", {"consent": True}) for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 409]
        assert "as many raters" in replies[2].json()["error"]


def test_answers_survive_a_kill(tmp_path: Path) -> None:
    loaded = small_study(tmp_path)
    port = free_port()
    with serving(loaded.folder, port=port) as running:
        rater = running.client.start()
        trials = session(rater)["trials"]
        for number, trial in enumerate(trials[:5]):
            rater.answer(trial["id"], trial["choices"][0]["id"], f"submission-{number}")
        running.process.kill()
        running.process.join()
        assert running.process.exitcode == -signal.SIGKILL
    with serving(loaded.folder, port=port):
        told = session(rater)
    assert told["answers"] == {trial["id"]: trial["choices"][0]["id"] for trial in trials[:5]}


def test_a_full_disk_is_told_and_nothing_half_kept(tmp_path: Path) -> None:
    """The database may not grow any more: the page is told to try again."""
    loaded = small_study(tmp_path)
    with serving(loaded.folder) as running:
        rater, body = valid(running.client)
        blocker = sqlite3.connect(database_of(loaded.folder), isolation_level=None)
        blocker.execute("ALTER TABLE answers RENAME TO hidden")
        reply = rater.post("/api/answers", body)
        assert (reply.status, reply.json()) == (503, {"error": "the answer could not be kept"})
        blocker.execute("ALTER TABLE hidden RENAME TO answers")
        blocker.close()
        assert rater.post("/api/answers", body).status == 200
    assert len(rows(loaded, "answers")) == 1


def test_the_key_is_not_needed(tmp_path: Path) -> None:
    loaded = small_study(tmp_path)
    names = set(load_key(loaded).methods)
    (loaded.folder / "key.json").unlink()
    (loaded.folder / "manifest.json").unlink()
    with serving(loaded.folder) as running:
        told = json.dumps(session(running.client.start()))
    assert not any(name in told for name in names)
