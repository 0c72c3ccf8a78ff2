"""The editor's page on a phone, with wrong files, busy servers, tokens, and when it is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from editor_samples import RunningEditor, serving_editor
from editor_visits import PHONE, Visit
from rabit.data.scenes import CLASSES

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def phone(browser: Browser, editor: RunningEditor) -> Iterator[Visit]:
    opened = Visit(browser, editor.url, PHONE).open()
    yield opened
    opened.close()


@pytest.fixture
def shaky(browser: Browser, editor: RunningEditor) -> Iterator[Visit]:
    """A window whose requests may fail."""
    opened = Visit(browser, editor.url, expected="Failed to load resource").open()
    yield opened
    opened.close()


def _pinch(phone: Visit, canvas: str, apart: float) -> None:
    """Moves two fingers on a canvas from 40 pixels apart to so many."""
    fingers = phone.context.new_cdp_session(phone.page)
    x, y = phone.place(canvas, (64, 64), (128, 128))

    def touch(kind: str, *places: float) -> None:
        points = [{"x": at, "y": y, "id": i} for i, at in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x - 20)
    touch("touchStart", x - 20, x + 20)
    for step in range(1, 6):
        half = 20 + (apart / 2 - 20) * step / 5
        touch("touchMove", x - half, x + half)
    touch("touchEnd")


def test_a_phone_paints_zooms_and_points_by_touch(phone: Visit) -> None:
    page = phone.page
    before = phone.saved_map()
    wide: bool = page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert not wide
    assert page.is_visible("#condition") and page.is_visible("#result")
    page.tap("#tabs [data-tab=classes]")
    page.tap(f"#class-{CLASSES.index('person')}")
    assert page.is_visible("#condition") and phone.text("#chosen") == "person"
    phone.picture(lambda: page.touchscreen.tap(*phone.place("#condition", (30, 30), (128, 128))))
    painted = phone.saved_map()
    assert painted[30, 30] == CLASSES.index("person")
    assert np.array_equal(painted[:, 40:], before[:, 40:])

    page.touchscreen.tap(*phone.place("#result", (60.5, 80.5), (128, 128)))
    phone.wait(lambda: "60, 80 is from" in phone.text("#match"), "the match")
    assert page.is_visible("#peek") and page.get_attribute("#peek", "data-match")

    _pinch(phone, "#condition", 120)
    phone.wait(lambda: float(page.get_attribute("#condition", "data-zoom") or 0) > 2.5, "the zoom")
    assert page.get_attribute("#result", "data-zoom") == page.get_attribute(
        "#condition", "data-zoom"
    )
    assert np.array_equal(phone.saved_map(), painted)  # the first finger has painted nothing

    page.tap("#tabs [data-tab=inspector]")
    assert page.is_visible("#add") and not page.is_visible("#condition")


def test_keys_paint_without_a_pointer_and_the_space_bar_moves_the_view(visit: Visit) -> None:
    page = visit.page
    before = visit.saved_map()
    visit.take_class("lamp")
    page.focus("#condition")
    for _ in range(4):
        visit.key("Shift+ArrowUp")
    visit.picture(lambda: visit.key("Enter"))
    rows, columns = np.nonzero(visit.saved_map() != before)
    assert (rows.mean(), columns.mean()) == pytest.approx((24, 64), abs=1)
    painted = visit.saved_map()

    visit.key("p")
    middle = visit.place("#condition", (64, 64), (128, 128))
    page.mouse.move(*middle)
    page.keyboard.down(" ")
    page.mouse.down()
    page.mouse.move(middle[0] + 100, middle[1], steps=3)
    page.mouse.up()
    page.keyboard.up(" ")
    page.mouse.move(middle[0] + 101, middle[1])
    assert "at 64, 64" in visit.text("#condition-told")
    visit.key("0")
    assert np.array_equal(visit.saved_map(), painted)


def test_the_focus_stays_in_the_panel_and_seeds_in_their_range(visit: Visit) -> None:
    visit.page.focus("#details [aria-label='Remove its map']")
    visit.picture(lambda: visit.key("Enter"))
    assert visit.page.locator("#exemplar-map:focus").count() == 1
    visit.page.fill("#seed", "1e300")
    visit.picture(lambda: visit.key("Enter"))
    assert visit.page.input_value("#seed") == str(2**53 - 1)
    assert visit.saved_recipe()["seed"] == 2**53 - 1


def test_wrong_files_are_told_beside_their_place_and_nothing_is_lost(
    visit: Visit, scene: tuple[Path, Path], tmp_path: Path
) -> None:
    page = visit.page
    before = visit.saved_map()
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"no picture")
    visit.expected = "422"
    visit.choose_files(lambda: visit.menu("open-map"), wrong)
    visit.wait(lambda: page.is_visible("#error-condition"), "an error")
    assert len(visit.text("#error-condition")) > 20
    assert np.array_equal(visit.saved_map(), before)

    visit.picture(lambda: visit.choose_files(lambda: page.click("#add"), wrong, scene[0]))
    visit.wait(lambda: "wrong.png" in visit.text("#error-exemplars"), "an error")
    assert page.locator("#strip button").count() == 2

    small = tmp_path / "small.png"
    scene[1].rename(small)
    Image.open(small).crop((0, 0, 64, 128)).save(wrong)
    visit.choose_files(lambda: page.click("#exemplar-map"), wrong)
    visit.wait(lambda: page.locator("#details .error:visible").count() == 1, "an error")
    assert "64×128" in visit.text("#details .error")
    visit.picture(lambda: visit.choose_files(lambda: page.click("#exemplar-map"), small))
    assert page.locator("#details .error:visible").count() == 0


def test_a_busy_server_is_asked_again_when_it_says(shaky: Visit) -> None:
    asked: list[float] = []

    def refuse_twice(route: Any) -> None:
        asked.append(1)
        if len(asked) > 2:
            return route.continue_()
        return route.fulfill(
            status=429, headers={"Retry-After": "1"}, json={"error": "busy", "field": None}
        )

    shaky.page.route("**/api/translate", refuse_twice)
    shaky.take_class("road")
    shaky.key("f")

    def fill() -> None:
        shaky.click((2, 2))
        shaky.wait(lambda: "busy" in shaky.told()["said"], "the wait")

    shaky.picture(fill)
    assert len(asked) == 3 and "Ready" in shaky.told()["said"]


def test_work_goes_on_after_the_connection_was_lost(shaky: Visit) -> None:
    page = shaky.page
    page.route("**/api/translate", lambda route: route.abort())
    shaky.take_class("road")
    shaky.key("f")
    shaky.click((2, 2))
    shaky.wait(lambda: "does not answer" in shaky.told()["said"], "the wait")
    shaky.picture(lambda: page.unroute("**/api/translate"))
    assert shaky.saved_map()[2, 2] == CLASSES.index("road")


def test_the_token_is_taken_from_the_link_and_hidden(browser: Browser) -> None:
    with serving_editor(token="a-secret-of-the-test") as running:
        visit = Visit(browser, running.url, expected="401")
        visit.page.goto(running.url)
        visit.wait(lambda: "token" in visit.text("#failure"), "the refusal")
        visit.close()
        visit = Visit(browser, running.url + "#t=a-secret-of-the-test").open()
        assert visit.page.url == running.url
        visit.picture(visit.page.reload, before=0)
        assert not [url for url in visit.asked if "secret" in url.partition("#")[0]]
        visit.close()


def test_leaving_with_unsaved_work_is_asked_about(visit: Visit) -> None:
    told: list[str] = []

    def dismiss(dialog: Any) -> None:
        told.append(dialog.type)
        dialog.accept()

    visit.page.on("dialog", dismiss)
    visit.picture(visit.page.reload, before=0)
    assert told == []
    visit.take_class("road")
    visit.key("f")
    visit.picture(lambda: visit.click((2, 2)))
    visit.menu("another")
    visit.page.click("#leaving button[value='']")
    visit.page.mouse.move(*visit.place("#condition", (2, 2), (128, 128)))
    assert "road at 2, 2" in visit.text("#condition-told")
    with visit.page.expect_event("close"):
        visit.page.close(run_before_unload=True)
    assert told == ["beforeunload"]
