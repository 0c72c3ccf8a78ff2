"""Makes the pictures of docs/gallery.md: what a model makes of held-out pictures, and nothing else.

    python benchmarks/gallery.py facades --data DATA --held-out weights/facades/held-out.txt \\
        --rows 7 --columns 7 --seed 1 --scale 0.45 --out docs/images/gallery-facades.jpg

Each row is one held-out condition, each column another held-out exemplar, all drawn by the seed. No
photograph of the data is shown.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import rabit
from rabit.data.images import to_image
from rabit.data.layouts.find import open_source
from rabit.data.transforms import View
from rabit.writing import write_files

GAP = 4


def gallery(
    model: str, data: Path, held_out: Path, rows: int, columns: int, seed: int
) -> np.ndarray:
    """Returns results as one picture, a row a condition and a column an exemplar."""
    translator = rabit.load(model)
    source = open_source(data)
    names = held_out.read_text(encoding="utf-8").split()
    places = [source.names.index(name) for name in names]
    rng = np.random.default_rng(seed)
    conditions = rng.choice(places, rows, replace=False)
    height, width = translator.config.image_size
    view = View.whole((height, width))
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for row, own in enumerate(conditions.tolist()):
        others = rng.choice([place for place in places if place != own], columns, replace=False)
        layout = source.load(own).condition(view).regions.numpy()
        for column, other in enumerate(others.tolist()):
            picture = source.load(other)
            made = translator.translate(
                layout, picture.image(view), picture.condition(view).regions.numpy()
            )
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width] = to_image(made.image[0])
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="Of the picture's sides.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    sheet = gallery(given.model, given.data, given.held_out, given.rows, given.columns, given.seed)
    size = (round(sheet.shape[1] * given.scale), round(sheet.shape[0] * given.scale))
    smaller = Image.fromarray(sheet).resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    smaller.save(stream, "JPEG", quality=88, optimize=True)
    write_files({given.out: stream.getvalue()}, overwrite=True)


if __name__ == "__main__":
    main()
