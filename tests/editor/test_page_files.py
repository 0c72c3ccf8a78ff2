"""Files at the editor's page that are heavy, large or of another kind than their place asks for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from editor_samples import RunningEditor, serving_editor
from editor_visits import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_DROP = """([selector, name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  const how = { bubbles: true, cancelable: true, dataTransfer };
  for (const kind of ["dragover", "drop"]) {
    document.querySelector(selector).dispatchEvent(new DragEvent(kind, how));
  }
}"""

_HOLD = """() => {
  const make = createImageBitmap;
  const held = new Promise((go) => { window.release = go; });
  window.createImageBitmap = async (...given) => { await held; return make(...given); };
}"""


@pytest.fixture(scope="module")
def strict(browser: Browser) -> Iterator[RunningEditor]:
    """A server that takes pictures of 20000 pixels and requests of half a MiB."""
    with serving_editor(pixels=20000, bytes=2**19) as running:
        yield running


def _noise(folder: Path, name: str, width: int, height: int) -> Path:
    rng = np.random.default_rng(len(name))
    Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8)).save(folder / name)
    return folder / name


def drop(visit: Visit, selector: str, name: str, content: bytes) -> None:
    visit.page.evaluate(_DROP, [selector, name, base64.b64encode(content).decode("ascii")])


def test_as_many_exemplars_as_are_allowed_fit_in_a_request(
    browser: Browser, strict: RunningEditor, tmp_path: Path
) -> None:
    visit = Visit(browser, strict.url).open()
    files = [_noise(tmp_path, f"{'n' * count}.png", 140, 140) for count in range(1, 8)]
    assert sum(file.stat().st_size for file in files) * 4 / 3 > 2**19
    visit.picture(lambda: visit.choose_files(lambda: visit.page.click("#add"), *files))
    assert visit.page.locator("#strip button").count() == 8
    assert "140 × 140, packed as JPEG" in visit.text("#details")
    visit.close()


def test_a_photograph_that_is_made_smaller_keeps_the_shape_of_its_map(
    browser: Browser, strict: RunningEditor, tmp_path: Path
) -> None:
    visit = Visit(browser, strict.url).open()
    ids = np.zeros((67, 101), np.uint8)
    ids[40:] = 12
    Image.fromarray(ids).save(tmp_path / "map.png")
    visit.menu("open-photograph")
    visit.page.set_input_files("#edit-photograph", _noise(tmp_path, "large.png", 303, 201))
    visit.page.set_input_files("#edit-map", tmp_path / "map.png")
    visit.picture(lambda: visit.page.click("#photograph button[value=edit]"))
    assert np.array_equal(visit.saved_map(), ids)
    assert "303 × 201, used at 101 × 67" in visit.text("#details")
    visit.close()


def test_maps_that_are_too_large_are_named(
    browser: Browser, strict: RunningEditor, tmp_path: Path
) -> None:
    visit = Visit(browser, strict.url, expected="422").open()
    before = visit.saved_map()
    long = tmp_path / "long.png"
    long.write_bytes(bytes(2**20))
    visit.choose_files(lambda: visit.menu("open-map"), long)
    visit.wait(lambda: visit.page.is_visible("#error-condition"), "the refusal")
    assert "long.png has 1.0 MiB; at most 0.3 MiB" in visit.text("#error-condition")

    Image.fromarray(np.zeros((201, 303), np.uint8)).save(tmp_path / "wide.png")
    visit.menu("open-photograph")
    visit.page.set_input_files("#edit-photograph", _noise(tmp_path, "large.png", 303, 201))
    visit.page.set_input_files("#edit-map", tmp_path / "wide.png")
    visit.page.click("#photograph button[value=edit]")
    visit.wait(lambda: visit.page.is_visible("#error-edit"), "the refusal")
    assert visit.text("#error-edit").startswith("wide.png: 303×201 pixels")
    visit.key("Escape")
    assert np.array_equal(visit.saved_map(), before)
    visit.close()


def test_a_recipe_may_be_dropped_on_the_map(visit: Visit) -> None:
    before = visit.saved_map()
    recipe = visit.saved("recipe")
    visit.take_class("road")
    visit.key("f")
    visit.picture(lambda: visit.click((2, 2)))
    visit.saved("map")
    visit.picture(lambda: drop(visit, "#condition", "mine.json", recipe))
    assert np.array_equal(visit.saved_map(), before)


def test_exemplars_stay_with_the_work_that_they_were_given_to(
    visit: Visit, scene: tuple[Path, Path]
) -> None:
    visit.page.evaluate(_HOLD)
    drop(visit, "#inspector", "street.png", scene[0].read_bytes())
    visit.page.click("#task [data-value=edit]")
    visit.wait(lambda: visit.page.get_attribute("body", "data-task") == "edit", "the edit")
    visit.page.evaluate("() => window.release()")
    visit.wait(lambda: visit.told()["state"] == "ready", "its picture")
    assert len(visit.saved_recipe()["exemplars"]) == 1
    assert visit.page.locator("#exemplars-title").inner_text() == "Photograph"
    visit.picture(lambda: visit.page.click("#task [data-value=translate]"))
    assert visit.page.locator("#strip button").count() == 2
