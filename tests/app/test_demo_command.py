from __future__ import annotations

import base64
import errno
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from rabit.app import demo_command
from rabit.model.network import build_network
from rabit.model.storage import save_model
from tiny import tiny_experiment

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
        if tag not in ("img", "input", "meta", "link", "br"):
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


def test_every_picture_can_be_enlarged_and_edits_say_where_they_are_measured(
    report: Path, page: Page
) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    assert text.count('<label><input type="checkbox" title="enlarge"><img ') == len(page.images)
    assert "input:checked + img" in text
    assert len(re.findall(r"[0-9] dB inside the edit</figcaption>", text)) == 4


def test_the_report_is_not_lost(run: Run, model: Path, report: Path) -> None:
    before = (report / "index.html").read_bytes()
    (report / "images" / "holiday.png").write_text("mine")
    result = run("demo", "--out", report, "--model", model)
    assert result.exit_code == 1 and "--overwrite" in result.stderr
    assert (report / "index.html").read_bytes() == before
    result = run("demo", "--out", report, "--model", model, "--overwrite", "--seed", 1)
    assert result.exit_code == 0, result.output
    assert (report / "index.html").read_bytes() != before
    assert (report / "images" / "holiday.png").read_text() == "mine"


def test_other_folders_and_models_are_refused(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("my homepage")
    result = run("demo", "--out", tmp_path, "--model", model, "--overwrite")
    assert result.exit_code == 1 and "something else than a report" in result.stderr
    result = run("demo", "--out", tmp_path / "new", "--model", tmp_path)
    assert result.exit_code == 1 and "config.json: no such file" in result.stderr
    result = run("demo", "--out", tmp_path / "new", "--model", model, "--seed", -1)
    assert result.exit_code == 1 and "--seed -1" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.fixture
def showcase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the demo translate a single scene."""
    monkeypatch.setattr(demo_command, "SCENES", 1)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("showcase")
def test_a_failure_leaves_the_old_report_and_nothing_half_written(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report"
    given = ("demo", "--model", model, "--overwrite", "--out")
    assert run(*given, out).exit_code == 0
    before = contents(tmp_path)
    write = Path.write_bytes

    def fill(path: Path, data: bytes) -> int:
        if path.name == "index.html":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    for folder in (out, tmp_path / "new" / "report"):
        result = run(*given, folder)
        assert result.exit_code == 1
        assert f"{folder}: could not be written (No space left on device)" in result.stderr
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.usefixtures("showcase")
def test_an_incomplete_report_is_replaced_and_a_foreign_one_is_not(
    run: Run, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "scene-9-condition.png").write_text("old")
    (tmp_path / "images" / "cat.png").write_text("mine")
    given = ("demo", "--model", model, "--overwrite", "--out", tmp_path)
    result = run(*given)
    assert result.exit_code == 1 and "something else than a report" in result.stderr
    assert (tmp_path / "images" / "cat.png").read_text() == "mine"
    (tmp_path / "images" / "cat.png").unlink()
    assert run(*given).exit_code == 0
    assert not (tmp_path / "images" / "scene-9-condition.png").exists()


def test_a_place_that_cannot_be_written_is_found_before_the_work(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("demo", "--model", "nothing", "--out", tmp_path / "file" / "report")
    assert result.exit_code == 1 and f"{tmp_path / 'file'} is a file" in result.stderr


@pytest.mark.usefixtures("showcase")
def test_without_alignment_there_is_no_correspondence_to_show(
    run: Run, tiny: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    given = ("train", "small-unaligned", "--data", "scenes", "--steps", 1, "--out", out)
    assert run(*given, *tiny).exit_code == 0
    result = run("demo", "--model", out / "model", "--out", tmp_path / "report")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<b>Warped exemplar</b>" not in text and "<b>Confidence</b>" not in text
    assert "<dt>Correspondence</dt>" not in text
    assert not list((tmp_path / "report" / "images").glob("*warped*"))


@pytest.mark.usefixtures("showcase")
@pytest.mark.parametrize(("stride", "places"), [(2, "32×32"), (4, "16×16")])
def test_the_card_says_how_many_places_are_matched(
    run: Run, tmp_path: Path, stride: int, places: str
) -> None:
    config = tiny_experiment(64, alignment__stride=stride).model
    save_model(tmp_path / "model", build_network(config, seed=1), config)
    result = run("demo", "--model", tmp_path / "model", "--out", tmp_path / "report")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert f"<dt>Correspondence</dt><dd>{places} places on each side</dd>" in text
