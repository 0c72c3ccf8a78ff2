"""The editor's page when something comes between: tools, other work, waits, narrow windows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from editor_samples import RunningEditor
from editor_visits import Visit, pixels
from rabit.data.scenes import CLASSES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LAMP = CLASSES.index("lamp")
_CUT_OFF = """() => [...document.querySelectorAll("button, select, input")].filter((part) => {
  const bar = part.closest("header, .bar, #tabs")?.getBoundingClientRect();
  const box = part.getBoundingClientRect();
  return bar && box.width && (box.right > bar.right + 1 || box.left < bar.left - 1);
}).map((part) => part.id || part.textContent)"""


@pytest.fixture
def shaky(browser: Browser, editor: RunningEditor) -> Iterator[Visit]:
    """A window whose requests may fail."""
    opened = Visit(browser, editor.url, expected="Failed to load resource").open()
    yield opened
    opened.close()


def _begin_stroke(visit: Visit) -> None:
    """Draws from (30, 30) to (60, 30) and keeps the button down."""
    visit.take_class("lamp")
    visit.page.mouse.move(*visit.place("#condition", (30.5, 30.5), (128, 128)))
    visit.page.mouse.down()
    visit.page.mouse.move(*visit.place("#condition", (60.5, 30.5), (128, 128)), steps=5)


def _end_stroke(visit: Visit) -> None:
    visit.page.mouse.move(*visit.place("#condition", (90.5, 60.5), (128, 128)), steps=5)
    visit.page.mouse.up()


def test_another_tool_ends_the_stroke_that_is_being_drawn(visit: Visit) -> None:
    before = visit.saved_map()
    for key in "pev":

        def change(key: str = key) -> None:
            visit.key("b")
            _begin_stroke(visit)
            visit.key(key)
            _end_stroke(visit)

        visit.picture(change)
        painted = visit.saved_map()
        assert (painted[30, 30:60] == LAMP).all() and (painted[55:65, 85:95] != LAMP).any()
        visit.picture(lambda: visit.key("Control+z"))
        assert np.array_equal(visit.saved_map(), before)


def test_work_that_is_opened_during_a_stroke_is_not_painted_on(
    visit: Visit, editor: RunningEditor
) -> None:
    waiting: list[Any] = []
    visit.page.route("**/api/example**", lambda route: waiting.append(route))
    visit.menu("another")
    visit.wait(lambda: bool(waiting), "the request")
    _begin_stroke(visit)
    visit.picture(waiting[0].continue_)
    _end_stroke(visit)
    opened = pixels(base64.b64decode(editor.client.example(seed=1)["condition"]["labels"]))
    assert np.array_equal(visit.saved_map(), opened) and visit.page.is_disabled("#undo")
    visit.picture(lambda: visit.drag([(30, 30), (60, 30)]))
    assert not np.array_equal(visit.saved_map(), opened)
    visit.picture(lambda: visit.key("Control+z"))
    assert np.array_equal(visit.saved_map(), opened)


def test_enter_makes_the_blank_map_and_undo_brings_the_brush_back(visit: Visit) -> None:
    visit.menu("new-map")
    visit.page.fill("#blank-height", "256")
    visit.page.fill("#blank-width", "512")
    visit.picture(lambda: visit.key("Enter"))
    assert visit.saved_map().shape == (256, 512) and visit.text("#size-told") == "56 px"
    visit.picture(lambda: visit.key("Control+z"))
    assert visit.saved_map().shape == (128, 128) and visit.text("#size-told") == "14 px"
    visit.menu("new-map")
    visit.page.fill("#blank-width", "7")
    visit.page.click("#blank [data-closes]")
    assert not visit.page.is_visible("#blank") and visit.saved_map().shape == (128, 128)


def test_a_photograph_is_edited_from_the_start(visit: Visit, scene: tuple[Path, Path]) -> None:
    visit.menu("open-photograph")
    visit.page.set_input_files("#edit-photograph", scene[0])
    visit.page.set_input_files("#edit-map", scene[1])
    visit.picture(lambda: visit.page.click("#photograph button[value=edit]"))
    assert visit.page.get_attribute("body", "data-task") == "edit"
    assert np.array_equal(visit.saved_map(), np.array(Image.open(scene[1])))


def test_a_wait_that_ends_in_a_refusal_is_over(shaky: Visit, tmp_path: Path) -> None:
    asked: list[int] = []

    def refuse(route: Any) -> None:
        asked.append(1)
        if len(asked) > 1:
            return route.continue_()
        return route.fulfill(
            status=429, headers={"Retry-After": "1"}, json={"error": "busy", "field": None}
        )

    shaky.page.route("**/api/labels", refuse)
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"no picture")
    shaky.choose_files(lambda: shaky.menu("open-map"), wrong)
    shaky.wait(lambda: "busy" in shaky.told()["said"], "the wait")
    shaky.wait(lambda: shaky.page.is_visible("#error-condition"), "the refusal")
    told = shaky.told()
    assert (told["state"], told["said"]) == ("ready", "Nothing was changed.")


def test_a_recipe_of_an_older_picture_does_not_count_as_saved(shaky: Visit) -> None:
    asked: list[str] = []

    def accept(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    shaky.page.on("dialog", accept)
    shaky.page.route("**/api/translate", lambda route: route.abort())
    shaky.take_class("road")
    shaky.key("f")
    shaky.click((2, 2))
    shaky.wait(lambda: "does not answer" in shaky.told()["said"], "the wait")
    shaky.saved("recipe")
    shaky.wait(lambda: "save again" in shaky.text("#error-general"), "what is missing")
    shaky.menu("another")
    assert shaky.page.is_visible("#leaving")
    shaky.page.click("#leaving button[value='']")
    shaky.picture(lambda: shaky.page.unroute("**/api/translate"))
    shaky.saved_recipe()
    with shaky.page.expect_event("close"):
        shaky.page.close(run_before_unload=True)
    assert asked == []


def test_what_is_wrong_with_a_recipe_is_told_with_its_place(visit: Visit, tmp_path: Path) -> None:
    recipe = visit.saved_recipe()
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({**recipe, "task": None}))
    visit.expected = "422"
    visit.choose_files(lambda: visit.menu("open-recipe"), file)
    visit.wait(lambda: visit.page.is_visible("#error-general"), "the refusal")
    assert visit.text("#error-general").startswith("mine.json: task: ")


@pytest.mark.parametrize(
    "size", [(320, 640), (390, 844), (720, 450), (844, 390), (920, 600), (990, 700)]
)
def test_narrow_and_enlarged_windows_cut_nothing_off(
    browser: Browser, editor: RunningEditor, size: tuple[int, int]
) -> None:
    visit = Visit(browser, editor.url, size).open()
    for task in ("translate", "edit"):
        visit.page.click(f"#task [data-value={task}]")
        visit.wait(lambda: visit.told()["state"] == "ready", task)
        assert visit.page.evaluate(_CUT_OFF) == []
        for canvas in ("#condition", "#result"):
            box = visit.page.locator(canvas).bounding_box()
            assert box is not None and min(box["width"], box["height"]) > 130
    visit.close()


def test_classes_and_what_is_chosen_are_seen_in_the_systems_own_colours(visit: Visit) -> None:
    visit.page.emulate_media(forced_colors="active")
    style = "(part, name) => getComputedStyle(part)[name]"
    colours = {
        visit.page.eval_on_selector(f"#class-{i} .swatch", style, "backgroundColor")
        for i in range(len(CLASSES))
    }
    assert len(colours) == len(CLASSES)
    assert visit.page.eval_on_selector("[data-tool=brush]", style, "outlineStyle") == "solid"
    assert visit.page.eval_on_selector("[data-tool=fill]", style, "outlineStyle") == "none"
