from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from evaluations import Page, noise
from rabit.evaluation.report.document import captioned, document, encode, picture, style


def test_a_picture_is_embedded_as_it_is_with_its_text_and_size() -> None:
    pixels = noise(1)[:7]
    (image,) = (
        given
        for tag, given in Page(picture(encode(pixels), (7, 12), 'a "b" <c>')).tags
        if tag == "img"
    )
    assert (image["alt"], image["width"], image["height"]) == ('a "b" <c>', "12", "7")
    data = base64.b64decode(str(image["src"]).removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(data)) as found:
        assert np.array_equal(np.asarray(found), pixels)


def test_captions_and_titles_are_text() -> None:
    assert Page(captioned("", "<b>", "&lt;")).text == "<b>&lt;"
    page = Page(document("<i>", "", "p { color: red; }", "<p>body</p>"))
    assert "<i>" in page.text and "body" in page.text
    assert "i" not in [tag for tag, _ in page.tags]


def test_a_reports_own_style_stands_behind_the_shared_one() -> None:
    for package in ("rabit.evaluation.report", "rabit.app"):
        css = style(package, "report.css")
        assert css.startswith(":root {") and css.count("{") == css.count("}")
        assert "url(" not in css and "@import" not in css
    assert ".panels" in style("rabit.evaluation.report", "report.css")
    assert ".scene" in style("rabit.app", "report.css")
