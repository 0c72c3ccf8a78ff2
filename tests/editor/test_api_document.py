"""The client in docs/api.md is one that works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")
pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install fastapi uvicorn")

from editor_samples import serving_editor
from rabit.editor.checks import Limits
from rabit.editor.description import describe_api
from rabit.editor.service import Service, load_models

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_client_does_what_it_says(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 1
    with serving_editor() as running:
        program = code[0].replace("http://127.0.0.1:8000", running.url.rstrip("/"))
        # Nothing but the standard library is there.
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program],
            cwd=tmp_path,
            env={name: os.environ[name] for name in ("PATH",)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert re.match(r"\d of 3\n", done.stdout)
    names = ["edited.png", "result-0.png", "result-1.png", "result-2.png", "result.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    pictures = [np.array(Image.open(tmp_path / name)) for name in names]
    assert all(picture.shape == (128, 128, 3) for picture in pictures)
    assert (pictures[1] == pictures[4]).all() and (pictures[1] != pictures[2]).any()


def test_the_document_names_every_request_and_status() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    models = Service(load_models(["scenes-small"], "cpu"), Limits()).models
    paths = describe_api(models, Limits(), token=True)["paths"]
    requests = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    for path, methods in paths.items():
        shown = path.replace("{id}", "ID").replace("/api/jobs/ID/results/{index}", "…/results/N")
        assert f"{shown}`" in requests or f"{shown}?" in requests
        assert all(f"`{method.upper()} " in requests for method in methods)
    rows = re.findall(r"^\| ([0-9, ]+) \|", text, re.MULTILINE)
    told = {status for row in rows for status in row.split(", ")}
    answers = {s for methods in paths.values() for o in methods.values() for s in o["responses"]}
    assert {status for status in answers if status.startswith(("4", "5"))} == told
