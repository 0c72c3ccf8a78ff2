from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rabit.data.checking.findings import Finding
from rabit.data.checking.palettes import Palette, find_mixed_palettes, read_palette

RED, GREEN, BLUE, BLACK = 0xFF0000, 0x00FF00, 0x0000FF, 0


def find(**palettes: Palette) -> list[Finding]:
    """Finds in any order the same."""
    items = [(Path(f"{name}.png"), palette) for name, palette in palettes.items()]
    found = find_mixed_palettes(dict(items))
    for seed in range(4):
        random.Random(seed).shuffle(items)
        assert find_mixed_palettes(dict(items)) == found
    return found


@pytest.mark.parametrize("bits", (1, 2, 4, 8))
def test_a_palette_is_read_with_the_numbers_in_use(tmp_path: Path, bits: int) -> None:
    image = Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "map.png", bits=bits)
    with Image.open(tmp_path / "map.png") as opened:
        opened.load()
        palette = read_palette(opened)
    assert palette is not None
    assert palette.colours[:2] == (RED, GREEN) and palette.used == (0, 1)
    assert read_palette(Image.new("L", (2, 2))) is None


def test_one_number_of_several_colours() -> None:
    found = find(a=Palette((BLACK, RED), (0, 1)), b=Palette((BLACK, BLUE), (0, 1)))
    (finding,) = found
    assert finding.kind == "mixed-palettes" and finding.fails
    assert finding.files == (Path("a.png"), Path("b.png"))
    assert finding.text.startswith(
        "a.png: the number 1 has the colour #ff0000, but #0000ff in b.png; "
    )
    assert "rabit data colours" in finding.text


def test_one_colour_of_several_numbers() -> None:
    (finding,) = find(
        a=Palette((BLACK, RED), (1,)),
        b=Palette((RED, BLACK, BLUE), (0, 2)),
        c=Palette((GREEN,), (0,)),
        d=Palette((BLACK, BLACK, BLUE), (2,)),
    )
    assert finding.text.startswith("a.png: the colour #ff0000 has the number 1, but 0 in b.png; ")
    assert Path("d.png") not in finding.files


@pytest.mark.parametrize(
    "other",
    (
        Palette((BLACK, RED, BLUE), (0, 1)),
        Palette((BLACK, RED, RED), (0, 1)),
        Palette((BLACK, 0xF60504), (0, 1)),
        Palette((0, 0x010101, 0x020202), (0, 1, 2)),
        Palette((BLUE, RED), (1,)),
    ),
    ids=("unused", "unused twice", "nearly", "grey", "fewer"),
)
def test_what_agrees(other: Palette) -> None:
    assert find(a=Palette((BLACK, RED, GREEN), (0, 1, 2)), b=other) == []


def test_a_palette_may_repeat_a_colour() -> None:
    table = (RED, GREEN, BLACK, BLACK)
    assert find(a=Palette(table, (0, 2)), b=Palette(table, (1, 3))) == []
    assert find(a=Palette(table, (0, 2)), b=Palette((BLACK, GREEN), (0, 1))) != []
