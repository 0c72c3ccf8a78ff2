from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from rabit.app.cli import app
from rabit.data.colours import FAR, number_colours, read_coloured_map, read_colours
from rabit.data.images import read_classes, read_labels
from rabit.data.layouts.folder import FolderSource

LINES = "sky: #4682b4\nground: 128 64 128, 0 0 0\n"
PIXELS = ((0x46, 0x82, 0xB4), (128, 64, 128), (0, 0, 0))
IDS = (0, 1, 1)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two photographs with coloured maps, of stripes in the colours of PIXELS."""
    root = tmp_path / "corpus"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    stripes = np.repeat(np.array(PIXELS, np.uint8)[:, None], 8, axis=1).repeat(4, axis=0)
    for stem in ("a", "b"):
        Image.new("RGB", (8, 12), "red").save(root / "images" / f"{stem}.jpg")
        Image.fromarray(stripes).save(root / "labels" / f"{stem}.png")
    (root / "colours.txt").write_text(LINES)
    return root


def test_colours_become_ids_in_the_order_of_the_lines(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (corpus / "val.txt").write_text("b.jpg\n")
    number_colours(corpus, corpus / "colours.txt", out)
    assert (out / "val.txt").read_text() == "b.jpg\n"
    assert read_classes(out / "classes.txt") == ("sky", "ground")
    for stem in ("a", "b"):
        ids = read_labels(out / "labels" / f"{stem}.png", 2)
        assert ids[::4, 0].tolist() == list(IDS) and (ids == ids[:, :1]).all()
        name = f"images/{stem}.jpg"
        assert (out / name).read_bytes() == (corpus / name).read_bytes()
    assert len(FolderSource(out)) == 2


def test_other_colours_are_named_or_take_the_nearest(corpus: Path) -> None:
    colours, path = read_colours(corpus / "colours.txt"), corpus / "labels" / "a.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0] = (130, 60, 127)
    pixels[11, :2] = (9, 3, 0)
    Image.fromarray(pixels).save(path)
    with pytest.raises(ValueError, match=r"a.png: 3.12% .* most often #090300, #823c7f; list them"):
        read_coloured_map(path, colours)
    ids = read_coloured_map(path, colours, nearest=True).ids
    assert (ids[0, 0], ids[0, 1], ids[11, 0]) == (1, 0, 1)


def test_the_nearest_colour_is_that_of_the_least_square(corpus: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(corpus / "labels" / "a.png")
    colours = read_colours(corpus / "colours.txt")
    squares = ((pixels[:, :, None].astype(int) - np.array(PIXELS)) ** 2).sum(axis=-1)
    found = read_coloured_map(corpus / "labels" / "a.png", colours, nearest=True)
    assert np.array_equal(found.ids, np.array(IDS)[squares.argmin(axis=-1)])


def test_what_was_not_exact_is_counted(corpus: Path, tmp_path: Path) -> None:
    path = corpus / "labels" / "b.png"
    pixels = np.array(Image.open(path))
    pixels[0, :4] = (0x46, 0x82, 0xB5)
    pixels[4, 0] = (128, 64, 128 + FAR)
    pixels[4, 1] = (128, 64, 128 + FAR + 1)
    Image.fromarray(pixels).save(path)
    found = number_colours(corpus, corpus / "colours.txt", tmp_path / "out", nearest=True)
    exact, other = found.maps
    assert (exact.other, exact.far, exact.levels) == (0, 0, 0)
    assert (other.pixels, other.other, other.far, other.levels) == (96, 6, 1, FAR + 1)
    assert (other.farthest, other.nearest) == (0x8040B1, "ground")
    assert found.other == 6 / 192 and found.farthest is other
    assert found.doubtful == (other,)


def test_a_few_far_pixels_are_no_doubt(corpus: Path, tmp_path: Path) -> None:
    for stem in ("a", "b"):
        large = Image.open(corpus / "labels" / f"{stem}.png").resize(
            (80, 120), Image.Resampling.NEAREST
        )
        large.putpixel((3, 3), (255, 255, 255))
        large.save(corpus / "labels" / f"{stem}.png")
    found = number_colours(corpus, corpus / "colours.txt", tmp_path / "out", nearest=True)
    assert [each.far for each in found.maps] == [1, 1] and found.doubtful == ()


@pytest.mark.parametrize("mode", ("RGBA", "P"))
@pytest.mark.parametrize("nearest", (False, True))
def test_transparent_places_are_not_taken_for_white(
    corpus: Path, tmp_path: Path, mode: str, nearest: bool
) -> None:
    (corpus / "colours.txt").write_text(LINES + "paper: #ffffff\n")
    colours = read_colours(corpus / "colours.txt")
    labels = Image.open(corpus / "labels" / "a.png")
    if mode == "P":
        labels.quantize(8, dither=Image.Dither.NONE).save(tmp_path / "a.png", transparency=0)
    else:
        labels.putalpha(255)
        labels.save(tmp_path / "a.png")
        read_coloured_map(tmp_path / "a.png", colours, nearest)
        labels.paste((0, 0, 0, 0), (0, 0, 8, 4))
        labels.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a.png: 33.33% of the pixels are transparent, .*fill"):
        read_coloured_map(tmp_path / "a.png", colours, nearest)


def test_labelmaps_of_cvat_are_read(corpus: Path) -> None:
    (corpus / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nthe sky:70,130,180:a,b:c\n"
    )
    colours = read_colours(corpus / "labelmap.txt")
    assert colours.classes == ("background", "the sky")
    assert colours.packed.tolist() == [0, 0x4682B4] and colours.ids.tolist() == [0, 1]


@pytest.mark.parametrize("mode", ("I;16", "F"))
def test_numbers_are_no_colours(corpus: Path, tmp_path: Path, mode: str) -> None:
    numbers = np.full((12, 8), 300, np.uint16 if mode == "I;16" else np.float32)
    Image.fromarray(numbers).save(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match=f"mode {mode}, with numbers instead of colours"):
        read_coloured_map(tmp_path / "a.tiff", read_colours(corpus / "colours.txt"))


@pytest.mark.parametrize(
    ("text", "message"),
    (
        ("sky #4682b4\n", "line 1 is 'sky #4682b4', expected NAME: COLOUR"),
        ("sky:\n", "expected NAME: COLOUR"),
        ("sky: blue\n", "line 1: 'blue' is no colour; expected #rrggbb"),
        ("sky: 1 2 256\n", "'1 2 256' is no colour"),
        ("a: #000000\nb: 0 0 0\n", "line 2: 0 0 0 is the colour of 'a' already"),
        ("a: #000000, #000000\n", "line 1: #000000 is the colour of 'a' already"),
        ("a: #000000\na: #000001\n", "line 2: 'a' has a line already"),
        ("\n", "0 classes, expected 1 to"),
        ("sky:1,2,256::\n", "line 1: '1 2 256' is no colour"),
        ("1 a: #000000\n0 b: #000001\n", "line 1 has the id 1, expected 0"),
        ("0 a: #000000\n1 b: #000001\n", "numbers in front of '0 a' and all other names"),
        ("a\tb: #000000\n", "expected the name of a class"),
    ),
)
def test_wrong_lines(corpus: Path, tmp_path: Path, text: str, message: str) -> None:
    (corpus / "colours.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        number_colours(corpus, corpus / "colours.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_writes_all_or_nothing(corpus: Path, tmp_path: Path) -> None:
    def run(*more: str) -> tuple[int, str]:
        given = ("data", "colours", corpus, corpus / "colours.txt", "--out", tmp_path / "out")
        result = CliRunner().invoke(app, [*map(str, given), *more])
        return result.exit_code, " ".join(result.output.split())

    Image.new("RGB", (8, 12), "white").save(corpus / "labels" / "b.png")
    code, said = run()
    assert code == 1 and "b.png: 100.00% of the pixels have colours of no class" in said
    assert not (tmp_path / "out").exists()
    code, said = run("--nearest")
    assert code == 0 and said.startswith(f"3 colours became 2 classes: {tmp_path / 'out'}")
    farthest = corpus / "labels" / "b.png"
    assert "50.00% of the pixels had other colours" in said
    assert f"the farthest was #ffffff in {farthest}, 185 levels from sky" in said
    assert "note: in one map more than 1% of the pixels are more than 48 levels" in said
    assert f"most in {farthest} (100.00%)" in said
    assert run("--nearest")[0] == 1
    assert run("--nearest", "--overwrite")[0] == 0
