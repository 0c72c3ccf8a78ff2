"""A contact sheet: some pictures of a corpus, each photograph beside its condition."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from rabit.data.check import Record, Report
from rabit.data.images import read_image
from rabit.data.pictures import Pixels, condition_pixels, palette
from rabit.data.transforms import View

BOX = 144
"""The longest side of a photograph on the sheet, in pixels."""

_COLUMNS = 4
_GAP = 8
_HEAD = 26
_LINE = 16
_SWATCH = 160
_LEGEND = 60
# The text in a PNG file that tells a sheet from other pictures, and what it says.
_KEY, _MARK = "Software", "rabit data check"
_FAULT = (190, 20, 20)
_BLANK = (214, 214, 214)


def contact_sheet(report: Report, count: int = 24, seed: int = 0) -> Pixels:
    """Draws a contact sheet.

    Pictures that something was found about come first, with its kind in red, and take at most
    half of the places; the others are drawn at random. What cannot be read stays grey. Below are
    the colours of the classes.

    Args:
        report: of the corpus, with at least one picture.
        count: the most pictures to show, at least 1.
        seed: of the choice.

    Returns:
        The sheet.

    Raises:
        ValueError: there is no picture, or the count is below 1.
    """
    if not report.records or count < 1:
        raise ValueError(
            f"{report.root}: a contact sheet of {count} of {len(report.records)} pictures, "
            "expected 1 or more"
        )
    faults = _faults(report)
    chosen = choose_records(report, count, seed)
    rows = -(-len(chosen) // _COLUMNS)
    columns = min(len(chosen), _COLUMNS)
    cell = (BOX + _LINE + _GAP, 2 * BOX + 2 + 2 * _GAP)
    legend = _legend(report, columns * cell[1] - _GAP)
    size = (columns * cell[1] + _GAP, _HEAD + rows * cell[0] + legend.height + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    title = f"{report.root.resolve().name}: {len(chosen)} of {len(report.records)} pictures"
    _write(draw, (_GAP, 6), title, size[0] - 2 * _GAP, "black", 14)
    for number, record in enumerate(chosen):
        top = _HEAD + number // _COLUMNS * cell[0]
        left = _GAP + number % _COLUMNS * cell[1]
        photo, condition = (Image.fromarray(pixels) for pixels in _tiles(record, report))
        top_inside = top + (BOX - photo.height) // 2
        sheet.paste(photo, (left, top_inside))
        sheet.paste(condition, (left + photo.width + 2, top_inside))
        kinds = faults.get(record.name, ())
        text = f"{record.name}: {', '.join(kinds)}" if kinds else record.name
        colour = _FAULT if kinds else "black"
        _write(draw, (left, top + BOX + 1), text, cell[1] - _GAP, colour, 11)
    sheet.paste(legend, (_GAP, _HEAD + rows * cell[0]))
    return np.asarray(sheet)


def sheet_bytes(sheet: Pixels) -> bytes:
    """Encodes a contact sheet as PNG, with the mark that `is_sheet` looks for."""
    mark = PngImagePlugin.PngInfo()
    mark.add_text(_KEY, _MARK)
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, format="PNG", pnginfo=mark)
    return stream.getvalue()


def is_sheet(path: Path) -> bool:
    """Tells whether a file is a contact sheet of `sheet_bytes`, which may be drawn anew."""
    if not path.is_file():
        return False
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return bool(image.info.get(_KEY) == _MARK)
    except Exception:  # Pillow's decoders raise whatever a damaged file leads them to
        return False


def choose_records(report: Report, count: int, seed: int) -> tuple[Record, ...]:
    """Chooses the pictures to show: those with findings, then others at random by the seed.

    Args:
        report: of the corpus.
        count: the most pictures.
        seed: of the choice.

    Returns:
        The pictures, in the order of the report within either kind.
    """
    faults = _faults(report)
    faulty = [i for i, record in enumerate(report.records) if record.name in faults]
    sound = [i for i, record in enumerate(report.records) if record.name not in faults]
    most = count if not sound else max(count // 2, count - len(sound))
    rng = np.random.default_rng(seed)
    shown = sorted(rng.permutation(faulty)[:most].tolist()) if faulty else []
    others = rng.permutation(sound)[: count - len(shown)].tolist() if sound else []
    return tuple(report.records[int(i)] for i in [*shown, *sorted(others)])


def _faults(report: Report) -> dict[str, tuple[str, ...]]:
    """The kinds of what was found about each picture, by its name."""
    by_file: dict[object, list[str]] = {}
    for finding in report.findings:
        for file in finding.files:
            by_file.setdefault(file, []).append(finding.kind)
    faults: dict[str, tuple[str, ...]] = {}
    for record in report.records:
        kinds = [*by_file.get(record.image, []), *by_file.get(record.condition, [])]
        if kinds:
            faults[record.name] = tuple(dict.fromkeys(kinds))
    return faults


def _tiles(record: Record, report: Report) -> tuple[Pixels, Pixels]:
    """The photograph and the condition at the sheet's size, grey where they cannot be read."""
    size = _fitted(record.photo.size or (BOX, BOX))
    blank = np.full((*size, 3), _BLANK, np.uint8)
    try:
        picture = record.load()
        view = View.whole(size)
        image = picture.image(view)
    except (OSError, ValueError):
        return _photograph(record, size, blank), blank
    condition = picture.condition(view)
    if condition.channels is None:
        ids = condition.regions.numpy()
        return image, palette(max(len(report.channels), int(ids.max()) + 1))[ids]
    return image, condition_pixels(condition.channels, report.kind or "semantic")


def _photograph(record: Record, size: tuple[int, int], blank: Pixels) -> Pixels:
    """A photograph whose condition cannot be read."""
    if record.photo.size is None:
        return blank

    try:
        return read_image(record.image, size)
    except (OSError, ValueError):
        return blank


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a picture whose longer side is BOX."""
    longest = max(size)
    return max(1, round(size[0] * BOX / longest)), max(1, round(size[1] * BOX / longest))


def _legend(report: Report, width: int) -> Image.Image:
    """The colours and names of the classes that occur, most pixels first if there are many."""
    used = [i for i, use in enumerate(report.classes) if use.pictures]
    left_out = max(len(used) - _LEGEND, 0)
    used = sorted(sorted(used, key=lambda i: -report.classes[i].share)[:_LEGEND])
    columns = max(width // _SWATCH, 1)
    entries = len(used) + (left_out > 0)
    legend = Image.new("RGB", (width, -(-entries // columns) * _LINE), "white")
    draw = ImageDraw.Draw(legend)
    colours = palette(max(len(report.classes), 1))
    for place, index in enumerate(used):
        x, y = place % columns * _SWATCH, place // columns * _LINE
        draw.rectangle((x, y + 2, x + 11, y + 13), fill=tuple(colours[index].tolist()))
        _write(draw, (x + 16, y + 1), report.classes[index].name, _SWATCH - 20, "black", 11)
    if left_out:
        x, y = len(used) % columns * _SWATCH, len(used) // columns * _LINE
        _write(draw, (x, y + 1), f"and {left_out} rarer ones", _SWATCH - 4, "black", 11)
    return legend


@functools.cache
def sheet_font(size: int) -> ImageFont.FreeTypeFont:
    """A font that has accented, Greek and Cyrillic letters too, for names of files."""
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), size)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    width: int,
    colour: str | tuple[int, int, int],
    size: int,
) -> None:
    """Writes a line; what does not fit is cut off in the middle."""
    font = sheet_font(size)
    shown, kept = text, len(text)
    while kept > 1 and draw.textlength(shown, font) > width:
        kept -= 1
        shown = text[: (kept + 1) // 2] + "…" + text[len(text) - kept // 2 :]
    draw.text(at, shown, fill=colour, font=font)
