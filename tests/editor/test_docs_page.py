"""The page of the interface in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from editor_samples import RunningEditor, serving_editor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOKEN = "a-token-of-the-server-0123456789"


@pytest.fixture(scope="module")
def running(browser: Browser) -> Iterator[RunningEditor]:
    with serving_editor(token=TOKEN) as started:
        yield started


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_every_request_and_schema_is_shown(
    browser: Browser, running: RunningEditor, width: int, height: int
) -> None:
    document = running.client.get("/openapi.json").json()
    page = browser.new_page(viewport={"width": width, "height": height})
    told: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{running.url}docs")
    page.locator("#operations article").first.wait_for()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            shown = page.locator(f"#{operation['operationId']}").inner_text()
            assert shown.startswith(f"{method.upper()}{path}") and operation["summary"] in shown
            assert all(status in shown for status in operation["responses"])
    for name in document["components"]["schemas"]:
        assert page.locator(f"article#{name}").count() == 1
    links = page.locator("a[href^='#']").evaluate_all("all => all.map((a) => a.hash.slice(1))")
    assert links and all(page.locator(f"[id='{name}']").count() == 1 for name in set(links))
    assert page.locator("#token").is_visible() and not page.locator("#state").count()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not told and all(url.startswith(running.url) for url in asked)
    page.close()


def test_a_server_that_does_not_answer_is_told(browser: Browser, running: RunningEditor) -> None:
    page = browser.new_page()
    page.route("**/openapi.json", lambda route: route.abort())
    page.goto(f"{running.url}docs")
    page.get_by_text("The description cannot be read").wait_for()
    page.close()
