"""The crowd form in a real browser, filled in as Mechanical Turk does."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rabit.study.crowd import crowd_page, crowd_table
from study_samples import small_study

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser is driven by playwright"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")

if TYPE_CHECKING:
    from playwright.sync_api import Route

BASE = "https://pictures.example.org/study"


def test_a_task_shows_its_trials_and_gives_what_is_chosen(tmp_path: Path) -> None:
    """A sheet of 9 trials in tasks of 4 and 5: the form's fifth trial is not there in the first."""
    loaded = small_study(tmp_path)
    trials = loaded.study.sheets[0].trials[:9]
    sheet = dataclasses.replace(loaded.study.sheets[0], trials=trials)
    study = dataclasses.replace(loaded.study, sheets=(sheet,))
    (row, _) = csv.DictReader(crowd_table(study, 5).splitlines())
    form = crowd_page(study, BASE, 5)
    for name, value in row.items():
        form = form.replace(f"${{{name}}}", value)

    def serve(route: Route) -> None:
        name = route.request.url.removeprefix(f"{BASE}/")
        file = loaded.folder / "pictures" / name
        if file.is_file():
            route.fulfill(path=file)
        elif route.request.url == f"{BASE}/form":
            route.fulfill(body=form, content_type="text/html")
        else:
            route.abort()

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.route("**/*", serve)
        page.goto(f"{BASE}/form")
        assert page.locator(".trial").count() == 4
        assert page.locator("input[type=radio]").count() == 12
        assert page.locator(".trial h2").first.inner_text() == row["question_1"]
        loaded_images = "(all) => all.every((i) => i.naturalWidth > 0 && i.alt)"
        assert page.eval_on_selector_all(".trial img", loaded_images)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for n, trial in enumerate(trials[:4]):
            page.locator(".trial").nth(n).locator(".choice img").nth(n % 3).click()
            chosen = page.locator(f"input[name=answer_{n + 1}]:checked").get_attribute("value")
            assert chosen == trial.choices[n % 3]
        browser.close()
