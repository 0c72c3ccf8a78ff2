from __future__ import annotations

import csv
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import Result

from rabit.app.study_serve_command import is_loopback
from rabit.evaluation.baselines import BASELINES
from rabit.evaluation.folder import folder_name
from rabit.study.files import load_key, load_study
from study_raters import Crowd, Person
from study_samples import (
    METHODS,
    Client,
    await_server,
    database_of,
    free_port,
    small_study,
    write_pictures,
)

Run = Callable[..., Result]
SMALL = ("--raters", 3, "--gold", 2, "--repeats", 2)


def test_a_study_is_made_from_the_pictures_of_an_evaluation(run: Run, tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "pictures"), tmp_path / "study"
    result = run("study", "make", out, "--pictures", pictures)
    assert result.exit_code == 0, result.output
    assert "methods: alpha, beta, gamma\nitems: 4, sheets for raters: 10" in result.stdout
    assert "baselines" not in result.stderr
    assert "trials a rater: 12 (8 that count, 2 gold, 2 repeated)" in result.stdout
    loaded = load_study(out)
    assert load_key(loaded).methods == METHODS
    roles = {picture.role for picture in load_key(loaded).pictures}
    assert roles == {"condition", "exemplar", "result", "right", "wrong"}
    again = run("study", "make", out, "--pictures", pictures)
    assert again.exit_code == 1 and "--overwrite" in again.stderr
    assert run("study", "make", out, "--pictures", pictures, "--overwrite").exit_code == 0


def test_a_study_says_that_baselines_are_among_its_methods(run: Run, tmp_path: Path) -> None:
    methods = ("alpha", *map(folder_name, BASELINES))
    pictures = write_pictures(tmp_path / "pictures", methods=methods)
    result = run("study", "make", tmp_path / "study", "--pictures", pictures, *SMALL)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "--leave-out class-mean-colours --leave-out exemplar-copied leaves them out" in said


def test_a_study_says_that_its_pictures_are_not_all(run: Run, tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures")
    for translations, told in ((3, False), (5, True)):
        samples = {"translation": translations, "manipulation": 1}
        record = {"samples": samples, "methods": {"alpha": {}}}
        (tmp_path / "evaluation.json").write_text(json.dumps(record))
        given = ("--pictures", pictures, *SMALL, "--overwrite")
        result = run("study", "make", tmp_path / "study", *given)
        assert result.exit_code == 0, result.output
        assert ("alpha has 4 of 6 pictures" in " ".join(result.stderr.split())) == told


def test_methods_may_be_left_out(run: Run, tmp_path: Path) -> None:
    pictures, out = write_pictures(tmp_path / "pictures"), tmp_path / "study"
    result = run("study", "make", out, "--pictures", pictures, "--leave-out", "beta", *SMALL)
    assert result.exit_code == 0, result.output
    assert load_key(load_study(out)).methods == ("alpha", "gamma")


def test_folders_and_names_may_be_given_one_by_one(run: Run, tmp_path: Path) -> None:
    root, out = write_pictures(tmp_path / "p=q"), tmp_path / "study"
    given = ("--method", f"Ours=1 ={root}", "--method", f"beta={root / 'beta'}")
    result = run("study", "make", out, *given)
    assert result.exit_code == 1 and "conditions is missing" in result.stderr
    folders = ("--conditions", root / "conditions", "--exemplars", root / "exemplars")
    named = ("--method", f"a={root / 'alpha'}", "--method", f"b={root / 'beta'}", *folders)
    result = run("study", "make", out, *named, *SMALL, "--design", "pairwise", "--items", 2)
    assert result.exit_code == 0, result.output
    key = load_key(load_study(out))
    assert (key.methods, key.design) == (("a", "b"), "pairwise")
    assert len({picture.item for picture in key.pictures}) == 2


def test_options_come_before_the_manifest(run: Run, tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    file = root / "study.json"
    told = {
        "methods": {"x": "alpha", "y": "gamma"},
        "conditions": "conditions",
        "exemplars": "exemplars",
        "raters": 2,
        "seed": 4,
        "gold": 0,
        "title": "Mine",
    }
    file.write_text(json.dumps(told))
    out = tmp_path / "study"
    asked = ("--seed", 5, "--questions", "sharp=Which, of these, is sharper?")
    result = run("study", "make", out, "--manifest", file, *asked)
    assert result.exit_code == 0, result.output
    loaded = load_study(out)
    assert (load_key(loaded).seed, load_key(loaded).methods) == (5, ("x", "y"))
    assert loaded.study.title == "Mine" and len(loaded.study.sheets) == 2
    assert [q.text for q in loaded.study.questions] == ["Which, of these, is sharper?"]


def test_a_table_names_the_methods_by_its_columns(run: Run, tmp_path: Path) -> None:
    root, out = write_pictures(tmp_path / "pictures"), tmp_path / "study"
    with (root / "items.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["item", "condition", "exemplar", "one", "other"])
        for i in range(2):
            folders = ("conditions", "exemplars", "alpha", "beta")
            table.writerow([f"i{i}", *(f"{folder}/item-{i}.png" for folder in folders)])
    result = run("study", "make", out, "--table", root / "items.csv", *SMALL)
    assert result.exit_code == 0, result.output
    assert load_key(load_study(out)).methods == ("one", "other")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"item;condition;exemplar;a;b\r\n", "separated by semicolons, expected commas; save it"),
        (b"item\tcondition\texemplar\ta\tb\n", "separated by tabs, expected commas"),
        ("item,condition,exemplar,a,Änne\n".encode("latin-1"), "not UTF-8 text (invalid contin"),
        (b"item,condition,exemplar,a\n", "found the columns item, condition, exemplar, a; expec"),
        (b"", "found the columns none; expected item, condition, exemplar, maybe truth, and two"),
        (b"a,b\n", "column item is missing; expected item, condition, exemplar, a, b"),
    ],
)
def test_tables_that_cannot_be_read_are_named(
    run: Run, tmp_path: Path, content: bytes, told: str
) -> None:
    table = tmp_path / "items.csv"
    table.write_bytes(content)
    result = run("study", "make", tmp_path / "study", "--table", table)
    assert result.exit_code == 1 and not (tmp_path / "study").exists()
    assert result.stderr.startswith(f"error: {table}: ") and told in result.stderr


@pytest.mark.parametrize(
    "content", [b"WorkerId;WorkTimeInSeconds;Input.trial_1\n", "WorkerId,\xfc\n".encode("latin-1")]
)
def test_results_that_cannot_be_read_are_named(run: Run, tmp_path: Path, content: bytes) -> None:
    folder, results = small_study(tmp_path).folder, tmp_path / "results.csv"
    results.write_bytes(content)
    result = run("study", "score", folder, "--results", results)
    assert result.exit_code == 1 and result.stderr.startswith(f"error: {results}: ")
    assert "expected commas" in result.stderr or "save it as UTF-8" in result.stderr


@pytest.mark.parametrize("ending", [".png", "study.json"])
def test_a_full_disk_is_told_with_the_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    pictures, out = write_pictures(tmp_path / "pictures"), tmp_path / "study"
    real = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name.endswith(ending):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    result = run("study", "make", out, "--pictures", pictures, *SMALL)
    assert result.exit_code == 1 and result.stderr.startswith(f"error: {out}/")
    assert f"{ending}: could not be written (No space left on device)" in result.stderr
    assert "make space on the disk" in result.stderr and not out.exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "give the methods"),
        (("--method", "alpha"), "--method alpha: expected NAME=FOLDER"),
        (("--pictures", "none"), "none: no such folder"),
        (("--pictures", "PICTURES", "--design", "best"), "design is 'best'"),
        (("--pictures", "PICTURES", "--questions", "best"), "the question 'best' is unknown"),
        (("--pictures", "PICTURES", "--picture-url", "here"), "picture_url is 'here'"),
        (("--pictures", "PICTURES", "--raters", 0), "raters is 0"),
        (("--pictures", "PICTURES", "--leave-out", "delta"), "no such method; there are alpha, b"),
        (
            ("--pictures", "PICTURES", "--leave-out", "alpha", "--leave-out", "beta"),
            "methods has 1 entries",
        ),
        (("--manifest", "none.json"), "none.json: No such file"),
    ],
)
def test_wrong_options_are_one_line(
    run: Run, tmp_path: Path, given: tuple[str, ...], told: str
) -> None:
    pictures = write_pictures(tmp_path / "pictures")
    words = [str(pictures) if word == "PICTURES" else word for word in given]
    result = run("study", "make", tmp_path / "study", *words)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and told in result.stderr
    assert not (tmp_path / "study").exists()


def test_links_for_invited_raters(run: Run, tmp_path: Path) -> None:
    folder = small_study(tmp_path).folder
    result = run("study", "raters", folder, 3, "--url", "https://example.org/s/")
    assert result.exit_code == 0, result.output
    links = [line.split(" ") for line in result.stdout.splitlines()]
    assert [name for name, _ in links] == ["rater-1", "rater-2", "rater-3"]
    assert all(link.startswith("https://example.org/s/#t=") for _, link in links)
    assert len({link for _, link in links}) == 3
    assert run("study", "raters", folder, 0).exit_code == 1
    assert run("study", "raters", folder, 1, "--url", "example.org").exit_code == 1


def test_scores_are_written_once(run: Run, tmp_path: Path) -> None:
    loaded = small_study(tmp_path)
    Crowd(loaded).answer([Person()] * 3 + [Person(seconds=0.1)])
    result = run("study", "score", loaded.folder, "--resamples", 50)
    assert result.exit_code == 0, result.output
    assert "quality: alpha" in result.stdout and "raters: 3 of 4 count" in result.stdout
    assert "note: rater-4 does not count: median 0.10 s a trial" in result.stderr
    names = {path.name for path in (loaded.folder / "scores").iterdir()}
    assert names == {"scores.json", "scores.csv", "raters.csv", "scores.md", "scores.png"}
    again = run("study", "score", loaded.folder)
    assert again.exit_code == 1 and "exists already" in again.stderr
    rules = ("--min-seconds", 0, "--resamples", 50, "--overwrite")
    result = run("study", "score", loaded.folder, *rules)
    assert "raters: 4 of 4 count" in result.stdout
    told = json.loads((loaded.folder / "scores" / "scores.json").read_text())
    assert told["rules"]["min_seconds"] == 0 and len(told["raters"]) == 4


def test_scores_need_answers_and_the_key(run: Run, tmp_path: Path) -> None:
    folder = small_study(tmp_path).folder
    result = run("study", "score", folder)
    assert result.exit_code == 1 and "serve the study, or name the database" in result.stderr
    assert run("study", "raters", folder, 1).exit_code == 0
    result = run("study", "score", folder)
    assert result.exit_code == 1 and "nobody has answered" in result.stderr
    (folder / "key.json").unlink()
    result = run("study", "score", folder)
    assert result.exit_code == 1 and "bring the key back" in result.stderr
    result = run("study", "score", folder, "--min-gold", 2)
    assert result.exit_code == 1 and "min_gold is 2.0, expected a share" in result.stderr


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("192.168.0.2", False), ("example.org", False),
        ("localhost.example.org", False), ("", False),
    ],
)  # fmt: skip
def test_addresses_of_this_machine(host: str, own: bool) -> None:
    assert is_loopback(host) == own


def test_other_machines_need_a_flag(run: Run, tmp_path: Path) -> None:
    folder = small_study(tmp_path).folder
    result = run("study", "serve", folder, "--host", "0.0.0.0")
    assert result.exit_code == 1 and "add --public for that" in result.stderr
    assert not database_of(folder).exists()
    result = run("study", "serve", folder, "--port", 70000)
    assert result.exit_code == 1 and "--port 70000" in result.stderr


def test_a_port_that_is_taken_is_told_before_anything_else(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the page needs FastAPI")
    pytest.importorskip("uvicorn", reason="the page needs uvicorn")
    folder = small_study(tmp_path).folder
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("study", "serve", folder, "--port", port)
    assert result.exit_code == 1 and result.stdout == ""
    assert f"cannot listen at --host 127.0.0.1 --port {port}: Address already" in result.stderr
    assert not database_of(folder).exists()


def test_without_fastapi_it_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_study(tmp_path).folder
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = run("study", "serve", folder)
    assert result.exit_code == 1
    assert "pip install fastapi uvicorn" in result.stderr


@contextmanager
def served(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "rabit", "study", "serve", folder, "--port", str(port), *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the page needs FastAPI")
    pytest.importorskip("uvicorn", reason="the page needs uvicorn")
    folder, port = small_study(tmp_path).folder, free_port()
    with served(folder, port) as process:
        rater = await_server(port, process.poll).start()
        trials = rater.get("/api/session").json()["trials"]
        for number, trial in enumerate(trials[:4]):
            choice = trial["choices"][1]["id"]
            assert rater.answer(trial["id"], choice, f"submission-{number}").status == 200
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    with served(folder, port) as process:
        await_server(port, process.poll)
        told = Client(port, rater.token).get("/api/session").json()
        assert told["answers"] == {t["id"]: t["choices"][1]["id"] for t in trials[:4]}


def test_ctrl_c_ends_the_server(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the page needs FastAPI")
    pytest.importorskip("uvicorn", reason="the page needs uvicorn")
    folder, port = small_study(tmp_path).folder, free_port()
    with served(folder, port, "--host", "127.0.0.1", "--public") as process:
        client = await_server(port, process.poll)
        named = client.send("GET", "/api/study", None, {"Host": "study.example.org"})
        assert named.status == 200, "behind another server any name may lead here"
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=60)[0].decode()
        assert process.returncode in (0, 130)
    assert f"study: http://127.0.0.1:{port}/" in text
    assert "note: this study can be reached from other machines" in text
    assert "Traceback" not in text
