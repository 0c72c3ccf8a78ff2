"""The picture of a correspondence: both sides in a colour code of places, and lines between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw, ImageFont

from rabit.data.match_colours import (
    CONFIDENT,
    centres,
    coordinate_colours,
    match_colours,
    spread_places,
)

MAX_LINES = 200
"""More lines than this hide what they are drawn on."""

_BOX = (720, 620)  # Most height and width of a panel.
_LEAST_SIDE = 16  # Of a panel: a strip of one pixel has to be visible as well.
_MARGIN = 16
_GAP = 32
_CAPTION = 28
_FONT_SIZE = 17
_SMOOTH = 3  # Lines are drawn at this multiple of the picture's size: Pillow's have stairs.
_SHADE = 0.6  # How much of a photograph's light and dark stays visible under the colour code.
_CODED = (
    "condition, in the colours of the places that it matches; dark: doubtful",
    "exemplar, a colour for every place",
)
_MATCHED = "exemplar, the places that they match"


@dataclass(frozen=True)
class _Panel:
    """Where one of the sides is drawn.

    Args:
        left: of the column of pixels where it begins, in its row.
        top: of the row of pixels where it begins, in its row.
        size: height and width in pixels of the picture.
        given: height and width of what is drawn, in its own pixels.
    """

    left: int
    top: int
    size: tuple[int, int]
    given: tuple[int, int]

    @property
    def bottom(self) -> int:
        """The row of pixels below it."""
        return self.top + self.size[0]

    def points(self, places: np.ndarray) -> Float[np.ndarray, "N 2"]:
        """Returns where places (N, 2) of the side (pixel centres are integers) are in the row."""
        scale = np.array([self.size[1] / self.given[1], self.size[0] / self.given[0]])
        return (places + 0.5) * scale + [self.left, self.top]

    def sources(self) -> tuple[Int[np.ndarray, "h 1"], Int[np.ndarray, "1 w"]]:
        """Returns the rows and columns of the side under the panel's pixel centres."""
        rows, columns = (centres(new, old) for new, old in zip(self.size, self.given, strict=True))
        return rows[:, None], columns[None]


Sides: TypeAlias = tuple[_Panel, _Panel]
Pictures: TypeAlias = tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]


def draw_matches(
    condition: UInt8[np.ndarray, "H W 3"],
    exemplar: UInt8[np.ndarray, "Hz Wz 3"],
    matches: Float[np.ndarray, "H W 2"],
    confidence: Float[np.ndarray, "H W"],
    lines: int = 32,
) -> UInt8[np.ndarray, "h w 3"]:
    """Draws a correspondence: the condition on the left, the exemplar on the right, in two rows.

    Above, every place of the condition has the colour of the exemplar's place that it matches,
    dark where the confidence is low; below, lines join places of the two. Above, the condition's
    outlines and the exemplar's shades show what is where.

    Args:
        condition: (H, W, 3) the condition in colours, one a class.
        exemplar: (Hz, Wz, 3) the exemplar.
        matches: (H, W, 2) the matched places (x, y) in the exemplar's pixels; pixel centres are
            integers, the origin is top-left.
        confidence: (H, W) in [0, 1].
        lines: the most lines, 0 to MAX_LINES; fewer if fewer places are confident.

    Returns:
        (h, w, 3) a picture 1304 pixels wide; small sides are enlarged, large ones made smaller.

    Raises:
        ValueError: the sizes do not fit, a match is outside the exemplar, or the number of lines
            is out of its range.
    """
    check_lines(lines, "lines")
    _check(condition, exemplar, matches, confidence)
    sides = _panels(condition.shape[:2], exemplar.shape[:2])
    pictures = (condition[sides[0].sources()], _resized(exemplar, sides[1].size))
    places = spread_places(confidence, lines)
    titles = (_found(len(places), lines), _MATCHED if len(places) else "exemplar")
    matched = matches[places[:, 1], places[:, 0]]
    coded = _row(sides, _coded(sides, pictures, matches, confidence))
    plain = _row(sides, pictures)
    ends = (sides[0].points(places), sides[1].points(matched))
    plain = _with_lines(plain, *ends, coordinate_colours(matched, sides[1].given))
    _write(coded, sides, _CODED)
    _write(plain, sides, titles)
    return np.concatenate([np.asarray(coded), np.asarray(plain)])


def check_lines(lines: int, name: str) -> None:
    """Checks the number of lines of a match picture.

    Args:
        lines: how many are asked for.
        name: what to call the number in errors.

    Raises:
        ValueError: it is below 0 or above MAX_LINES.
    """
    if not 0 <= lines <= MAX_LINES:
        raise ValueError(f"{name} is {lines}, expected 0 (none) to {MAX_LINES}")


def _check(
    condition: np.ndarray, exemplar: np.ndarray, matches: np.ndarray, confidence: np.ndarray
) -> None:
    for name, picture in (("condition", condition), ("exemplar", exemplar)):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"{name} is {picture.dtype} {picture.shape}, expected uint8 (H, W, 3)")
    size = condition.shape[:2]
    if matches.shape != (*size, 2) or confidence.shape != size:
        raise ValueError(
            f"matches are {matches.shape} and confidence {confidence.shape} for a condition of "
            f"{size}, expected {(*size, 2)} and {size}; give the condition that was translated"
        )
    height, width = exemplar.shape[:2]
    low, high = matches.min(axis=(0, 1)), matches.max(axis=(0, 1))
    if not (low >= -0.5).all() or not (high <= [width - 0.5, height - 0.5]).all():
        raise ValueError(
            f"matches run from (x, y) = ({low[0]:.1f}, {low[1]:.1f}) to ({high[0]:.1f}, "
            f"{high[1]:.1f}), outside an exemplar of {width}×{height} pixels (width×height); give "
            "the exemplar that was translated, at the size that it had"
        )


def _panels(condition: tuple[int, int], exemplar: tuple[int, int]) -> Sides:
    """Places both sides in a row, each as large as its box and its shape allow."""
    sizes = []
    for given in (condition, exemplar):
        scale = min(_BOX[0] / given[0], _BOX[1] / given[1])
        height, width = (max(round(side * scale), _LEAST_SIDE) for side in given)
        sizes.append((height, width))
    top = _MARGIN + _CAPTION
    lefts = (_MARGIN, _MARGIN + _BOX[1] + _GAP)
    tallest = max(height for height, _ in sizes)
    one, other = (
        _Panel(left + (_BOX[1] - size[1]) // 2, top + (tallest - size[0]) // 2, size, given)
        for left, size, given in zip(lefts, sizes, (condition, exemplar), strict=True)
    )
    return one, other


def _coded(
    sides: Sides, pictures: Pictures, matches: np.ndarray, confidence: np.ndarray
) -> Pictures:
    """Returns both panels in the colour code, with what the plain pictures show shining through."""
    (left, right), (layout, photograph) = sides, pictures
    rows, columns = right.sources()
    own = np.stack(np.broadcast_arrays(columns, rows), axis=-1)
    matched = match_colours(matches[left.sources()], confidence[left.sources()], right.given)
    return (
        _outlined(matched, layout),
        _shaded(coordinate_colours(own, right.given), photograph),
    )


def _outlined(
    colours: UInt8[np.ndarray, "h w 3"], layout: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Darkens colours along the borders of a layout's regions."""
    border = np.zeros(layout.shape[:2], bool)
    border[1:] |= (layout[1:] != layout[:-1]).any(axis=-1)
    border[:, 1:] |= (layout[:, 1:] != layout[:, :-1]).any(axis=-1)
    return np.where(border[..., None], colours // 3, colours)


def _shaded(
    colours: UInt8[np.ndarray, "h w 3"], photograph: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Makes colours darker and lighter where a photograph is, by its distance from its mean."""
    grey = photograph.mean(axis=-1, keepdims=True) / 255
    return np.round(np.clip(colours * (1 + _SHADE * (grey - grey.mean())), 0, 255)).astype(np.uint8)


def _found(found: int, wanted: int) -> str:
    """Returns the caption of the condition that lines start from."""
    if not wanted:
        return "condition"
    if not found:
        return f"condition; no place has a confidence above {CONFIDENT}"
    return f"condition, {found} of the places with a confidence above {CONFIDENT}"


def _resized(photograph: np.ndarray, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    return np.asarray(
        Image.fromarray(photograph).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    )


def _row(sides: Sides, pictures: Pictures) -> Image.Image:
    """Places both pictures, of the panels' sizes, on white."""
    height = max(panel.bottom for panel in sides) + _MARGIN
    row = Image.new("RGB", (2 * (_MARGIN + _BOX[1]) + _GAP, height), "white")
    for panel, pixels in zip(sides, pictures, strict=True):
        row.paste(Image.fromarray(pixels), (panel.left, panel.top))
    return row


def _write(row: Image.Image, sides: Sides, captions: tuple[str, str]) -> None:
    """Writes a caption above each panel of a row, readable on lines as well."""
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(_FONT_SIZE)
    for panel, caption in zip(sides, captions, strict=True):
        at = (panel.left + panel.size[1] / 2, panel.top - 8)
        draw.text(
            at, caption, fill="black", font=font, anchor="ms", stroke_width=3, stroke_fill="white"
        )


def _with_lines(
    row: Image.Image,
    starts: Float[np.ndarray, "N 2"],
    ends: Float[np.ndarray, "N 2"],
    colours: UInt8[np.ndarray, "N 3"],
) -> Image.Image:
    """Draws lines with marked ends, given in the row's pixels, on top of a row."""
    overlay = Image.new("RGBA", (row.width * _SMOOTH, row.height * _SMOOTH))
    draw = ImageDraw.Draw(overlay)
    lines = (np.stack([starts, ends], axis=1) * _SMOOTH).tolist()
    fills = [tuple(colour) for colour in colours.tolist()]
    for (start, end), fill in zip(lines, fills, strict=True):
        draw.line((*start, *end), fill=(0, 0, 0, 150), width=4 * _SMOOTH)
        draw.line((*start, *end), fill=fill, width=2 * _SMOOTH)
    for line, fill in zip(lines, fills, strict=True):
        for x, y in line:
            for radius, inside in ((6, "black"), (5, "white"), (3.5, fill)):
                reach = radius * _SMOOTH
                draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=inside)
    overlay = overlay.resize(row.size, Image.Resampling.BOX)
    return Image.alpha_composite(row.convert("RGBA"), overlay).convert("RGB")
