from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COUNT = 11


def labels_of(number: int) -> np.ndarray:
    labels = np.zeros((20, 30), np.uint8)
    labels[3 + number % 5 :, 4 + number % 7 :] = 1 + number % 3
    return labels


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Eleven photographs as JPEG, PNG and wrongly named files, with maps, references and a pair."""
    root = tmp_path / "corpus"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    (root / "classes.txt").write_text("a\nb\nc\nd\n")
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        kind = ("JPEG", "PNG", "BMP")[number % 3]
        suffix = ("jpg", "png", "jpg")[number % 3]
        name = f"{number:02d}.b" if number == 5 else f"{number:02d}"
        Image.fromarray(pixels).save(root / "images" / f"{name}.{suffix}", format=kind)
        Image.fromarray(labels_of(number)).save(root / "labels" / f"{name}.png")
    names = sorted(path.name for path in (root / "images").iterdir())
    rows = [[names[(i + step) % COUNT] for step in (0, 1, 4, 7)] for i in range(COUNT)]
    (root / "references.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    (root / "pairs.csv").write_text(
        "condition,exemplar,exemplar_condition,truth\n"
        "labels/00.png,images/01.png,labels/01.png,images/00.jpg\n"
        "labels/03.png,images/04.png,labels/04.png,images/03.jpg\n"
        "labels/06.png,images/07.png,labels/07.png,images/06.jpg\n"
    )
    return root
