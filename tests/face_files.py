"""A small corpus in the layout of CelebA-HQ, written for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

ANNOTATIONS = "CelebAMask-HQ-mask-anno"

_ON_DISK = """
skin hair l_brow r_brow l_eye r_eye l_ear r_ear nose u_lip mouth l_lip neck cloth hat eye_g ear_r
neck_l
"""
# Parts by their ids 1 to 18, as masks' file names call them.
ON_DISK = tuple(_ON_DISK.split())

SIDE = 20


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


FACE = {
    "skin": box(4, 3, 18, 17),
    "hair": box(0, 0, 6, 20),
    "l_eye": box(8, 12, 10, 15),
    "r_eye": box(8, 5, 10, 8),
    "nose": box(10, 9, 13, 11),
    "cloth": box(17, 0, 20, 20),
}
GLASSES = box(7, 4, 11, 16)


def add_photograph(root: Path, name: str, folder: str = "CelebA-HQ-img") -> None:
    path = root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int(path.stem) if path.stem.isdecimal() else 0
    pixels = np.random.default_rng(seed).integers(0, 256, (2 * SIDE, 2 * SIDE, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path)


def part_file(root: Path, number: int, part: str) -> Path:
    return root / ANNOTATIONS / str(number // 2000) / f"{number:05d}_{part}.png"


def add_face(
    root: Path, number: int, more: Mapping[str, np.ndarray] | None = None, mode: str = "RGB"
) -> None:
    """Writes a photograph and its masks, those of FACE and more."""
    add_photograph(root, f"{number}.jpg")
    for part, mask in {**FACE, **(more or {})}.items():
        save(part_file(root, number, part), mask.astype(np.uint8) * 255, mode)


def painted() -> np.ndarray:
    """Returns the ids of FACE, later parts over earlier ones."""
    ids = np.zeros((SIDE, SIDE), dtype=np.int64)
    for i, part in enumerate(ON_DISK, start=1):
        if part in FACE:
            ids[FACE[part]] = i
    return ids
