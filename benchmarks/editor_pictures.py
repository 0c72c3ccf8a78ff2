"""Takes the pictures of the editor that README and docs show, with generated scenes only.

    python benchmarks/editor_pictures.py --out docs/images

Writes editor.png (a desk's window) and editor-phone.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from editor_browser import await_picture, browser_page, place, served_editor, stroke, take_class
from playwright.sync_api import Page

DESK = (1440, 900)
PHONE = (390, 844)


def paint(page: Page) -> None:
    """Adds trees and a cloud to the example."""
    phone = page.is_visible("#tabs")
    for name, size, points in (
        ("trunk", "5", [(9, 84), (9, 100)]),
        ("foliage", "16", [(9, 66), (8, 78), (11, 78)]),
        ("cloud", "9", [(20, 16), (34, 14), (44, 17)]),
    ):
        if phone:
            page.tap("#tabs [data-tab=classes]")
            page.tap(f"#palette [data-name={name}]")
        else:
            take_class(page, name)
        page.fill("#size", size)
        await_picture(page, lambda points=points: stroke(page, points))


def picture(address: str, path: Path, size: tuple[int, int]) -> None:
    """Takes one picture, with a place of the result pointed at."""
    with browser_page(address, size, scale=2 if size[0] < 500 else 1) as page:
        paint(page)
        if size[0] < 500:
            page.touchscreen.tap(*place(page, "#result", (104, 112)))
        else:
            page.mouse.move(*place(page, "#result", (104, 112)))
        page.evaluate("() => document.activeElement.blur()")
        page.wait_for_timeout(300)
        page.screenshot(path=path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    with served_editor() as address:
        picture(address, folder / "editor.png", DESK)
        picture(address, folder / "editor-phone.png", PHONE)


if __name__ == "__main__":
    main()
