"""The editor served by a process of its own, and a browser at its page, for the scripts beside."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, sync_playwright

# Pixels of the page around a picture that fits its pane.
_MARGIN = 8

Point = tuple[float, float]


@contextmanager
def served_editor(*options: str) -> Iterator[str]:
    """Runs `rabit serve` and gives the page's address."""
    command = [sys.executable, "-m", "rabit", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.match(r"editor: (\S+)", line):
                    yield found[1]
                    return
            raise RuntimeError("rabit serve has ended without an address")
        finally:
            process.terminate()


@contextmanager
def browser_page(address: str, size: tuple[int, int], scale: float = 1) -> Iterator[Page]:
    """Opens the page in Chromium and waits for the example's picture."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            has_touch=size[0] < 500,
            device_scale_factor=scale,
        )
        page = context.new_page()
        await_picture(page, lambda: page.goto(address))
        yield page
        browser.close()


def await_picture(page: Page, act: Callable[[], Any]) -> None:
    """Does something and waits for the whole picture that follows from it."""
    read = (
        "() => [document.body.dataset.state, document.querySelector('#result')?.dataset.pictures]"
    )
    before = int(page.evaluate(read)[1] or 0)
    act()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        state, count = page.evaluate(read)
        if state == "ready" and int(count or 0) > before:
            return
        time.sleep(0.01)
    raise RuntimeError(f"no picture after a minute: {page.inner_text('#state')}")


def place(page: Page, canvas: str, point: Point, size: tuple[int, int] = (128, 128)) -> Point:
    """Where a point of a fitting picture of a size (width, height) is on the page."""
    box = page.locator(canvas).bounding_box()
    assert box is not None
    scale = min((box["width"] - 2 * _MARGIN) / size[0], (box["height"] - 2 * _MARGIN) / size[1])
    return (
        box["x"] + box["width"] / 2 + (point[0] - size[0] / 2) * scale,
        box["y"] + box["height"] / 2 + (point[1] - size[1] / 2) * scale,
    )


def stroke(page: Page, points: Sequence[Point], seconds: float = 0.0) -> None:
    """Draws with the mouse through points of the condition."""
    page.mouse.move(*place(page, "#condition", points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, "#condition", point), steps=4)
        time.sleep(seconds / len(points))
    page.mouse.up()


def take_class(page: Page, name: str) -> None:
    """Finds a class by its name."""
    page.keyboard.press("/")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
