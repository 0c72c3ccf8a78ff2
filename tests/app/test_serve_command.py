from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import Result

from editor_samples import EditorClient, await_editor, small_recipe
from rabit.app.serve_command import _token as client_token
from study_samples import free_port

Run = Callable[..., Result]


@contextmanager
def served(port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `rabit serve` and waits until it answers."""
    pytest.importorskip("fastapi", reason="the page needs FastAPI")
    pytest.importorskip("uvicorn", reason="the page needs uvicorn")
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-m", "rabit", "serve", "--port", str(port), *options],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        await_editor(EditorClient(port), process.poll)
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[bytes]) -> str:
    """Presses Ctrl-C and returns what was printed."""
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=60)[0].decode()
    assert process.returncode in (0, 130), text
    assert "Traceback" not in text
    return text


def test_it_serves_and_opens_the_embedded_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, port = tmp_path / "opened", free_port()
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s" "$1" > "{opened}"\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    with served(port, "--open") as process:
        client = EditorClient(port)
        assert client.post("/api/translate", small_recipe()).status == 200
        told = client.get("/api/models").json()
        assert [model["name"] for model in told["models"]] == ["scenes-small"]
        assert client.send("GET", "/", None, {"Host": "editor.example"}).status == 400
        for _ in range(100):
            if opened.exists() and opened.read_text():
                break
            time.sleep(0.05)
        text = ended(process)
    assert opened.read_text() == f"http://127.0.0.1:{port}/"
    assert f"editor: http://127.0.0.1:{port}/\n" in text
    assert f"interface: http://127.0.0.1:{port}/docs\n" in text
    assert "#t=" not in text and "note:" not in text


def test_several_models_are_served() -> None:
    port = free_port()
    models = ("--model", "scenes-small", "--model", "scenes-small-unaligned")
    with served(port, *models, "--threads", "1") as process:
        client = EditorClient(port)
        told = client.get("/api/models").json()["models"]
        assert [(model["name"], model["alignment"]) for model in told] == [
            ("scenes-small", True), ("scenes-small-unaligned", False)
        ]  # fmt: skip
        recipe = {**small_recipe(), "model": "scenes-small-unaligned"}
        asked = {**recipe, "outputs": ["image", "matches"]}
        assert set(client.post("/api/translate", asked).json()) == {"image", "seconds"}
        assert "models: scenes-small, scenes-small-unaligned" in ended(process)


def test_other_machines_need_the_token_that_is_printed() -> None:
    port = free_port()
    with served(port, "--public") as process:
        stranger = EditorClient(port)
        assert stranger.get("/api/models").status == 401
        assert stranger.get("/").status == 200
        text = ended(process)
        token = re.search(rf"editor: http://127.0.0.1:{port}/#t=([A-Za-z0-9_-]{{43}})\n", text)
    assert token is not None
    assert "note: this editor can be reached from other machines" in text
    assert client_token(True, None) != client_token(True, None)
    assert client_token(False, None) is None


def test_the_token_may_be_given_by_a_file_and_any_name_may_lead_here(tmp_path: Path) -> None:
    file, port, token = tmp_path / "token", free_port(), "my-own_token-0123456789"
    file.write_text(f"{token}\n")
    with served(port, "--host", "0.0.0.0", "--public", "--token-file", str(file)) as process:
        named = {"Host": "editor.example"}
        client = EditorClient(port, token)
        assert client.send("GET", "/api/models", None, named).status == 200
        assert EditorClient(port).get("/api/models").status == 401
        text = ended(process)
    assert f":{port}/#t={token}\n" in text and "editor: http://0.0.0.0" not in text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--host", "0.0.0.0"), "add --public for that"),
        (("--port", "70000"), "--port 70000: expected 0 to 65535"),
        (("--queue", "0"), "--queue 0: expected 1 or more"),
        (("--timeout", "0"), "--timeout 0: expected seconds above 0"),
        (("--timeout", "nan"), "--timeout nan: expected seconds above 0"),
        (("--threads", "0"), "--threads 0: expected 1 or more"),
        (("--model", "none"), "no model 'none'"),
        (("--model", "scenes-small", "--model", "scenes-small"), "two models are called"),
        (("--device", "tpu"), "--device tpu: expected cpu or cuda"),
        (("--precision", "half"), "--precision is 'half', expected one of"),
        (("--token-file", "none"), "none"),
        (("--port", "0", "--host", "192.0.2.1", "--public"), "cannot listen at --host 192.0.2.1"),
    ],
)
def test_wrong_options_are_one_line(run: Run, options: tuple[str, ...], told: str) -> None:
    pytest.importorskip("fastapi", reason="the page needs FastAPI")
    pytest.importorskip("uvicorn", reason="the page needs uvicorn")
    result = run("serve", *options)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and told in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("token", ["", "short", "a token of 20 letters", "x" * 300, "ü" * 20])
def test_weak_tokens_are_refused(run: Run, tmp_path: Path, token: str) -> None:
    pytest.importorskip("fastapi", reason="the page needs FastAPI")
    pytest.importorskip("uvicorn", reason="the page needs uvicorn")
    file = tmp_path / "token"
    file.write_text(token, encoding="utf-8")
    result = run("serve", "--token-file", file)
    assert result.exit_code == 1 and "expected a token of 16 to 256" in result.stderr
    assert not token or token not in result.stderr.replace(str(file), "")


def test_without_fastapi_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "rabit.editor.listening", raising=False)
    result = run("serve")
    assert result.exit_code == 1
    assert "pip install fastapi uvicorn" in result.stderr
