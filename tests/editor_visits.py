"""A person at the editor's page, in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESK = (1440, 900)
PHONE = (390, 844)
_MARGIN = 8  # around a picture that fits its pane
_TOLD = """() => ({
  state: document.body.dataset.state, said: document.querySelector("#state").textContent,
  ...document.querySelector("#result").dataset,
})"""

Point = tuple[float, float]


class Visit:
    """A browser window, which must report no error and ask no other server.

    Args:
        browser: that opens it.
        url: the page's address.
        size: width and height of the window; a narrow one is a phone's.
        dark: whether the person likes it dark.
        expected: errors in the console that are meant to be there.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        size: tuple[int, int] = DESK,
        dark: bool = False,
        expected: str | None = None,
    ) -> None:
        self.url, self.expected = url, expected
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            has_touch=size[0] < 500,
            device_scale_factor=2 if size[0] < 500 else 1,
            color_scheme="dark" if dark else "light",
        )
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda told: self.errors.append(told.text))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self) -> Visit:
        """Loads the page and waits for the example's picture."""
        self.picture(lambda: self.page.goto(self.url), before=0)
        return self

    def close(self) -> None:
        """Closes the window and checks what it has asked for and reported."""
        self.context.close()
        unmeant = [e for e in self.errors if not (self.expected and re.search(self.expected, e))]
        assert unmeant == []
        host = self.url.split("#")[0]
        others = [url for url in self.asked if not url.startswith((host, "data:", "blob:"))]
        assert others == []

    def told(self) -> dict[str, str]:
        """What the page says of itself."""
        told: dict[str, str] = self.page.evaluate(_TOLD)
        return told

    def wait(self, until: Callable[[], bool], what: str, seconds: float = 20) -> None:
        """Waits; the page's own rules forbid the browser to evaluate what playwright waits by."""
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, f"{what} does not come: {self.told()}"
            self.page.wait_for_timeout(20)  # events come while playwright waits, not in a sleep

    def picture(self, act: Callable[[], Any], before: int | None = None) -> None:
        """Does something and waits for the whole picture that follows from it."""
        count = int(self.told()["pictures"]) if before is None else before
        act()

        def there() -> bool:
            told = self.told()
            return told["state"] == "ready" and int(told["pictures"]) > count

        self.wait(there, "a picture")

    def place(self, canvas: str, point: Point, size: tuple[int, int]) -> Point:
        """Where a point of a fitting picture of a size (width, height) is on the page."""
        box = self.page.locator(canvas).bounding_box()
        assert box is not None
        scale = min((box["width"] - 2 * _MARGIN) / size[0], (box["height"] - 2 * _MARGIN) / size[1])
        return (
            box["x"] + box["width"] / 2 + (point[0] - size[0] / 2) * scale,
            box["y"] + box["height"] / 2 + (point[1] - size[1] / 2) * scale,
        )

    def drag(
        self,
        points: Sequence[Point],
        size: tuple[int, int] = (128, 128),
        canvas: str = "#condition",
    ) -> None:
        """Draws with the mouse from point to point, in pixels of the picture."""
        mouse = self.page.mouse
        mouse.move(*self.place(canvas, points[0], size))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.place(canvas, point, size), steps=6)
        mouse.up()

    def click(
        self, point: Point, size: tuple[int, int] = (128, 128), canvas: str = "#condition"
    ) -> None:
        self.page.mouse.click(*self.place(canvas, point, size))

    def key(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def take_class(self, name: str) -> None:
        """Finds a class by its name."""
        self.key("/")
        self.page.keyboard.type(name)
        self.key("Enter")

    def saved(self, what: str) -> bytes:
        """Saves the picture, map or recipe and returns the file."""
        self.page.click("[popovertarget=save-menu]")
        with self.page.expect_download() as coming:
            self.page.click(f"#save-{what}")
        return Path(coming.value.path()).read_bytes()

    def saved_map(self) -> np.ndarray:
        return pixels(self.saved("map"))

    def saved_picture(self) -> np.ndarray:
        return pixels(self.saved("picture")).astype(int)

    def saved_recipe(self) -> Any:
        return json.loads(self.saved("recipe"))

    def choose_files(self, act: Callable[[], Any], *files: Path) -> None:
        """Does what asks for files, and gives them."""
        with self.page.expect_file_chooser() as chooser:
            act()
        chooser.value.set_files(list(files))

    def menu(self, item: str) -> None:
        """Takes an item of the menu of what can be opened."""
        self.page.click("[popovertarget=open-menu]")
        self.page.click(f"#{item}")

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def canvas(self, selector: str) -> np.ndarray:
        """The pixels (H, W, 4) of a canvas."""
        data: str = self.page.eval_on_selector(selector, "(canvas) => canvas.toDataURL()")
        return pixels(base64.b64decode(data.partition(",")[2]))


def pixels(file: bytes) -> np.ndarray:
    """A picture's values, ids of maps as they are."""
    return np.array(Image.open(io.BytesIO(file)))
