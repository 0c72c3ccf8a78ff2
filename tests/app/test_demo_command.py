from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

Run = Callable[..., Result]


class Page(HTMLParser):
    """Collects what a page refers to, and whether its elements close."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.references: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "img":
            self.images.append(given)
        if tag not in ("img", "meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def report(run: Run, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "report"
    result = run("demo", "--out", out, "--model", model)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"report: {out / 'index.html'}"
    return out


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    parsed = Page()
    parsed.feed((report / "index.html").read_text(encoding="utf-8"))
    assert parsed.open == []
    return parsed


def test_all_pictures_are_embedded_and_lie_beside_the_page(report: Path, page: Page) -> None:
    embedded = []
    for image in page.images:
        kind, data = str(image["src"]).split(",", 1)
        assert kind == "data:image/png;base64"
        embedded.append(base64.b64decode(data))
        with Image.open(io.BytesIO(embedded[-1])) as picture:
            assert picture.size == (64, 64)
    beside = [path.read_bytes() for path in (report / "images").iterdir()]
    assert sorted(embedded) == sorted(beside)
    # Four maps with three exemplars of six pictures, and four edits of five.
    assert len(embedded) == 4 * (1 + 3 * 6) + 4 * 5


def test_the_page_asks_for_nothing_else(report: Path, page: Page) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    assert all(reference.startswith("data:") for reference in page.references)
    assert not re.search(r"https?://|@import|url\(|<script", text)


def test_every_picture_has_a_text_and_a_size(page: Page) -> None:
    for image in page.images:
        assert image["alt"] and image["width"] == image["height"] == "64"


def test_the_report_is_not_lost(run: Run, model: Path, report: Path) -> None:
    before = (report / "index.html").read_bytes()
    result = run("demo", "--out", report, "--model", model)
    assert result.exit_code == 1 and "--overwrite" in result.stderr
    assert (report / "index.html").read_bytes() == before
    result = run("demo", "--out", report, "--model", model, "--overwrite", "--seed", 1)
    assert result.exit_code == 0, result.output
    assert (report / "index.html").read_bytes() != before


def test_other_folders_and_models_are_refused(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("my homepage")
    result = run("demo", "--out", tmp_path, "--model", model, "--overwrite")
    assert result.exit_code == 1 and "something else than a report" in result.stderr
    result = run("demo", "--out", tmp_path / "new", "--model", tmp_path)
    assert result.exit_code == 1 and "config.json: no such file" in result.stderr
    result = run("demo", "--out", tmp_path / "new", "--model", model, "--seed", -1)
    assert result.exit_code == 1 and "--seed -1" in result.stderr
    assert not (tmp_path / "new").exists()
