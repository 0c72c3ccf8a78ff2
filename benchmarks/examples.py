"""Makes the pictures that come with the models of photographs: of maps that are drawn here.

    python benchmarks/examples.py facades --data DATA

Each picture is what the model makes of a drawn map and of one held-out photograph, whose name is
below. Map and picture lie in weights/MODEL/examples, for a first translation and for the editor's
first page, neither of which then needs a photograph.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import rabit
from rabit.data.images import png_bytes, to_image
from rabit.data.layouts.find import open_source
from rabit.data.transforms import View
from rabit.model.sources import EXAMPLES
from rabit.writing import write_files

Point = tuple[float, float]
QUALITY = 92
# The photographs whose look the pictures have, the first for the first map.
LOOKS = {
    "facades": ("0221.jpg", "0349.jpg", "0260.jpg", "0321.jpg"),
    "fashion": ("0446.jpg", "0057.jpg", "0523.jpg", "0670.jpg"),
}


class Drawing:
    """A label map that shapes are drawn into, later ones over earlier ones.

    Args:
        size: height and width.
        classes: names, by id; the map begins as the first.
        fine: how many times finer the shapes are drawn.
    """

    def __init__(self, size: tuple[int, int], classes: tuple[str, ...], fine: int = 2) -> None:
        self.size, self.classes, self.fine = size, classes, fine
        self.image = Image.new("L", (size[1] * fine, size[0] * fine), 0)
        self.pen = ImageDraw.Draw(self.image)

    def box(self, name: str, left: float, top: float, right: float, bottom: float) -> None:
        """Draws a rectangle."""
        self.shape(name, (left, top), (right, top), (right, bottom), (left, bottom))

    def shape(self, name: str, *points: Point) -> None:
        """Draws a polygon."""
        scaled = [(x * self.fine, y * self.fine) for x, y in points]
        self.pen.polygon(scaled, fill=self.classes.index(name))

    def oval(self, name: str, x: float, y: float, across: float, down: float) -> None:
        """Draws an ellipse by its centre and half axes."""
        corners = [(x - across, y - down), (x + across, y + down)]
        scaled = [(u * self.fine, v * self.fine) for u, v in corners]
        self.pen.ellipse(scaled, fill=self.classes.index(name))

    def labels(self) -> np.ndarray:
        """Returns the map as (H, W) uint8."""
        return np.asarray(self.image.resize(self.size[::-1], Image.Resampling.NEAREST))


def house_front(drawing: Drawing, seed: int) -> None:
    """Draws a house front: floors of windows over shops and a door."""
    rng = np.random.default_rng(seed)
    height, width = drawing.size
    left, right = rng.integers(6, 26), width - rng.integers(6, 26)
    top, bottom = rng.integers(16, 48), height - rng.integers(8, 20)
    drawing.box("facade", left, top, right, bottom)
    drawing.box("cornice", left - 3, top, right + 3, top + 8)
    floors, columns = int(rng.integers(3, 6)), int(rng.integers(4, 8))
    floor, bay = (bottom - top - 10) / floors, (right - left) / columns
    wide, high = bay * rng.uniform(0.38, 0.55), floor * rng.uniform(0.48, 0.62)
    blinds = rng.random() < 0.5
    for number in range(floors):
        upper = top + 10 + number * floor
        if number and rng.random() < 0.5:
            drawing.box("molding", left, upper - 2, right, upper + 2)
        for column in range(columns):
            x, y = left + (column + 0.5) * bay, upper + (floor - high) / 2
            if number == floors - 1:
                door = column == columns // 2
                half = 0.6 * wide if door else 0.38 * bay
                name, foot = ("door", bottom) if door else ("shop", bottom - 4)
                drawing.box(name, x - half, upper + 0.22 * floor, x + half, foot)
                continue
            drawing.box("window", x - wide / 2, y, x + wide / 2, y + high)
            drawing.box("sill", x - 0.62 * wide, y + high + 1, x + 0.62 * wide, y + high + 4)
            if blinds:
                for inner, outer in ((-0.52, -0.95), (0.52, 0.95)):
                    edges = sorted((x + inner * wide, x + outer * wide))
                    drawing.box("blind", edges[0], y, edges[1], y + high)
            elif number == 1:
                drawing.box("deco", x - 0.55 * wide, y - 6, x + 0.55 * wide, y - 2)
            if number == 1 and abs(column - (columns - 1) / 2) < 1:
                drawing.box("balcony", x - bay / 2, y + 0.7 * high, x + bay / 2, y + high + 5)


def person(drawing: Drawing, seed: int) -> None:
    """Draws a standing person: in trousers, in a dress, or in a jacket and a skirt, by turns."""
    rng = np.random.default_rng(seed)
    height, width = drawing.size
    x, crown = width / 2 + rng.uniform(-12, 12), 18 + rng.uniform(0, 10)
    shoulder, hip = 34 + rng.uniform(-3, 3), 28
    kind = seed % 3
    drawing.oval("hair", x, crown + 22, 19, 24)
    if rng.random() < 0.6:
        drawing.box("hair", x - 19, crown + 20, x + 19, crown + 62)
    neck = crown + 50
    waist, foot = neck + 92, height - 26
    spread = rng.uniform(3, 10)
    leg = ("trousers", "skin", "legwear")[kind]
    for side in (-1, 1):
        upper, lower = x + 14 * side, x + (14 + spread) * side
        drawing.shape(leg, (upper - 13, waist - 4), (upper + 13, waist - 4),
                      (lower + 8, foot - 6), (lower - 8, foot - 6))  # fmt: skip
        drawing.shape("shoes", (lower - 9, foot - 10), (lower + 9, foot - 10),
                      (lower + 10, foot + 8), (lower - 10, foot + 8))  # fmt: skip
    body = ("top", "dress", "outerwear")[kind]
    for side in (-1, 1):
        inner, outer = x + (shoulder - 4) * side, x + (shoulder + rng.uniform(8, 16)) * side
        elbow, hand = neck + 62, waist + 26
        drawing.shape(body, (inner - 8, neck + 4), (inner + 8, neck + 8),
                      (outer + 7, elbow), (outer - 8, elbow))  # fmt: skip
        drawing.shape("skin" if kind == 1 else body, (outer - 8, elbow - 2),
                      (outer + 7, elbow - 2), (outer + 2, hand), (outer - 9, hand))  # fmt: skip
        drawing.oval("skin", outer - 3, hand + 5, 7, 9)
    drawing.shape(body, (x - shoulder, neck + 6), (x - 10, neck - 6), (x + 10, neck - 6),
                  (x + shoulder, neck + 6), (x + hip - 2, waist), (x - hip + 2, waist))  # fmt: skip
    if kind == 1:
        drawing.shape("dress", (x - hip + 2, waist - 4), (x + hip - 2, waist - 4),
                      (x + 44, waist + 78), (x - 44, waist + 78))  # fmt: skip
    if kind == 2:
        drawing.box("top", x - 10, neck - 4, x + 10, waist - 2)
        drawing.shape("skirt", (x - hip, waist - 4), (x + hip, waist - 4),
                      (x + 36, waist + 60), (x - 36, waist + 60))  # fmt: skip
        bag = x + shoulder + 4
        drawing.shape("bag", (bag + 2, waist + 20), (bag + 26, waist + 20),
                      (bag + 30, waist + 56), (bag, waist + 56))  # fmt: skip
    drawing.shape("skin", (x - 7, neck - 14), (x + 7, neck - 14), (x + 10, neck + 6),
                  (x - 10, neck + 6))  # fmt: skip
    drawing.oval("skin", x, crown + 27, 14, 19)
    drawing.shape("hair", (x - 16, crown + 14), (x, crown - 2), (x + 16, crown + 14),
                  (x + 10, crown + 10), (x - 10, crown + 10))  # fmt: skip


SUBJECTS: dict[str, Callable[[Drawing, int], None]] = {"facades": house_front, "fashion": person}


def examples(model: str, data: Path) -> dict[str, bytes]:
    """Returns the files of a model's examples by their names."""
    translator = rabit.load(model)
    source = open_source(data)
    view = View.whole(translator.config.image_size)
    files = {}
    for number, look in enumerate(LOOKS[model]):
        drawing = Drawing(translator.config.image_size, translator.classes)
        SUBJECTS[model](drawing, number)
        exemplar = source.load(source.names.index(look))
        if translator.config.fit == "crop":
            view = View.whole(translator.config.image_size).covered(exemplar.size)
        made = translator.translate(
            drawing.labels(), exemplar.image(view), exemplar.condition(view).regions.numpy()
        )
        picture = io.BytesIO()
        Image.fromarray(to_image(made.image[0])).save(picture, "JPEG", quality=QUALITY)
        files[f"{number}-map.png"] = png_bytes(drawing.labels())
        files[f"{number}.jpg"] = picture.getvalue()
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", choices=SUBJECTS)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    out = Path(__file__).parents[1] / "weights" / options.model / EXAMPLES
    out.mkdir(exist_ok=True)
    files = examples(options.model, options.data)
    write_files({out / name: data for name, data in files.items()}, overwrite=True)
    print(f"examples: {out}")


if __name__ == "__main__":
    main()
