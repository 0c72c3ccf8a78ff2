"""What the HTML reports of this package have in common: frame, style and embedded pictures."""

from __future__ import annotations

import base64
import io
from html import escape
from importlib import resources

from PIL import Image

from rabit.data.pictures import Pixels


def style(package: str, name: str) -> str:
    """Returns the style that all reports share, with a report's own behind it.

    Args:
        package: that holds the report's own style sheet.
        name: of that sheet.
    """
    sheets = (("rabit.evaluation.report", "base.css"), (package, name))
    return "".join((resources.files(p) / n).read_text(encoding="utf-8") for p, n in sheets)


def document(title: str, generator: str, css: str, body: str) -> str:
    """Returns a whole page.

    Args:
        title: of the window, as text.
        generator: its element, by which a report is told from another page.
        css: the style.
        body: the elements of the page.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{generator}
<title>{escape(title)}</title>
<style>
{css}</style>
</head>
<body>
{body}
</body>
</html>
"""


def encode(pixels: Pixels) -> bytes:
    """Encodes a picture (H, W, 3) as a small PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def picture(png: bytes, size: tuple[int, int], alternative: str) -> str:
    """Returns an embedded picture that a click enlarges.

    Args:
        png: the file.
        size: height and width.
        alternative: what it shows, in words.
    """
    data = base64.b64encode(png).decode("ascii")
    return (
        '<label><input type="checkbox" title="enlarge">'
        f'<img src="data:image/png;base64,{data}" alt="{escape(alternative)}" '
        f'width="{size[1]}" height="{size[0]}"></label>'
    )


def captioned(shown: str, title: str, text: str, kind: str = "") -> str:
    """Returns a picture with its caption.

    Args:
        shown: the picture's elements, as `picture` gives them.
        title: of the caption, as text.
        text: behind the title, as text.
        kind: class of the element, for the style.
    """
    caption = f"<figcaption><b>{escape(title)}</b>{escape(text)}</figcaption>"
    return f'<figure class="{kind}">{shown}{caption}</figure>'
