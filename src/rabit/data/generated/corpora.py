"""What the public layouts hold where: the files of each picture of a generated corpus."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from PIL import Image

from rabit.data.faces import FACE_CLASSES
from rabit.data.generated.faces import Face, generate_face
from rabit.data.generated.figure_shapes import Cut
from rabit.data.generated.figures import generate_figure
from rabit.data.generated.poses import VIEWS
from rabit.data.layouts.ade20k import ADE20K_CLASSES
from rabit.data.layouts.celeba import MERGED
from rabit.data.layouts.celeba_files import ANNOTATIONS, PHOTOGRAPHS, part_path
from rabit.data.pose import write_joints_text
from rabit.data.scenes.canvas import CLASSES
from rabit.data.scenes.layout import sample_layout
from rabit.data.scenes.style import render, sample_style
from rabit.data.transforms import resize_labels

QUALITY = 95
"""Of the JPEG photographs."""

# A roof and a facade stay apart: ADE20K has two names for what both belong to.
_IN_ADE20K = {
    "sky": "sky", "cloud": "sky", "hill": "hill", "facade": "building", "roof": "house",
    "window": "windowpane", "door": "door", "foliage": "tree", "trunk": "tree", "grass": "grass",
    "pavement": "sidewalk", "road": "road", "car": "car", "glass": "car", "wheel": "car",
    "person": "person", "lamp": "streetlight",
}  # fmt: skip
_ADE20K_IDS = np.array(
    [ADE20K_CLASSES.index(_IN_ADE20K[name]) + 1 if name in _IN_ADE20K else 0 for name in CLASSES],
    dtype=np.uint8,
)

# A mask of the skin covers what lies in the face, as the real ones do.
_ON_SKIN = ("skin", "l_brow", "r_brow", "l_eye", "r_eye", "nose", "u_lip", "mouth", "l_lip")

_VIEW_NUMBERS = {"front": 1, "side": 2, "back": 3, "additional": 7}


class Corpus(ABC):
    """A generated corpus in one layout. The last fifth of its looks is held out.

    Args:
        count: of pictures.
        seed: of all of them.
        size: of the photographs, height and width in pixels.
    """

    smallest: ClassVar[int] = 3
    """The fewest pictures: each needs another one to refer to."""

    views: ClassVar[int] = 1
    """How many pictures in a row have one look."""

    def __init__(self, count: int, seed: int, size: tuple[int, int]) -> None:
        self.count = count
        self.seed = seed
        self.size = size
        looks = -(-count // self.views)
        self.first_test = (looks - max(1, round(looks / 5))) * self.views

    @abstractmethod
    def name(self, index: int) -> str:
        """Returns what the lists call a picture."""

    @abstractmethod
    def write(self, folder: Path, index: int) -> UInt8[np.ndarray, "H W"]:
        """Writes the files of a picture, and returns a map of what is where in it."""

    @abstractmethod
    def lists(
        self, references: Sequence[Sequence[int]], test_references: Sequence[Sequence[int]]
    ) -> dict[str, str]:
        """Returns the lists of the layout: their text by file name.

        Args:
            references: for each training picture others, best first.
            test_references: for each held-out picture training pictures, best first.
        """

    def _lines(self, indices: Sequence[int]) -> str:
        """Names of pictures, one a line."""
        return "".join(f"{self.name(index)}\n" for index in indices)

    def _rows(self, start: int, references: Sequence[Sequence[int]]) -> str:
        """Rows `key,ref1,ref2,…` of pictures from `start` on."""
        rows = ((start + i, *others) for i, others in enumerate(references))
        return "".join(",".join(map(self.name, row)) + "\n" for row in rows)


class StreetCorpus(Corpus):
    """Street scenes in the layout of ADE20K."""

    def name(self, index: int) -> str:
        """Returns the file's name, numbered from 1 in each part."""
        if index < self.first_test:
            return f"ADE_train_{index + 1:08d}.jpg"
        return f"ADE_val_{index - self.first_test + 1:08d}.jpg"

    def write(self, folder: Path, index: int) -> UInt8[np.ndarray, "H W"]:
        """Writes the photograph and its map side by side."""
        rng = np.random.default_rng([self.seed, index, 6])
        labels, style = sample_layout(rng, self.size), sample_style(rng)
        part = "training" if index < self.first_test else "validation"
        path = folder / "images" / part / self.name(index)
        save_photograph(path, render(labels, style))
        ids = _ADE20K_IDS[labels]
        _save_map(path.with_suffix(".png"), ids)
        return ids

    def lists(
        self, references: Sequence[Sequence[int]], test_references: Sequence[Sequence[int]]
    ) -> dict[str, str]:
        """Returns the two lists of references."""
        return {
            "ade20k_ref.txt": self._rows(0, references),
            "ade20k_ref_test.txt": self._rows(self.first_test, test_references),
        }


class FaceCorpus(Corpus):
    """Portraits in the layout of CelebA-HQ with masks of the parts, half the photograph's size.

    Args:
        count: of pictures.
        seed: of all of them.
        size: of the photographs, height and width in pixels.
        merged: whether to write merged maps beside the parts' masks.
    """

    def __init__(self, count: int, seed: int, size: tuple[int, int], merged: bool = True) -> None:
        super().__init__(count, seed, size)
        self.merged = merged

    def name(self, index: int) -> str:
        """Returns the file's name, a number from 0."""
        return f"{index}.jpg"

    def write(self, folder: Path, index: int) -> UInt8[np.ndarray, "H W"]:
        """Writes the photograph, the masks of the parts that it has, and perhaps the merged map."""
        face = generate_face(self.seed, index, self.size)
        save_photograph(folder / PHOTOGRAPHS / self.name(index), face.image)
        annotations = folder / ANNOTATIONS
        half = (self.size[0] // 2, self.size[1] // 2)
        parts = resize_labels(face.parts.astype(np.int64), half).astype(np.uint8)
        for part, mask in part_masks(face, parts, half).items():
            grey = np.where(mask, 255, 0).astype(np.uint8)
            _save_map(part_path(annotations, index, part), np.repeat(grey[..., None], 3, axis=2))
        if self.merged:
            _save_map(annotations / MERGED / f"{index:05d}.png", parts)
        return parts

    def lists(
        self, references: Sequence[Sequence[int]], test_references: Sequence[Sequence[int]]
    ) -> dict[str, str]:
        """Returns the lists of references, and the numbers that train and that are held out."""
        train, test = range(self.first_test), range(self.first_test, self.count)
        return {
            "train.txt": "".join(f"{number}\n" for number in train),
            "val.txt": "".join(f"{number}\n" for number in test),
            "celebahq_ref.txt": self._rows(0, references),
            "celebahq_ref_test.txt": self._rows(self.first_test, test_references),
        }


class FigureCorpus(Corpus):
    """Standing persons, each in up to four views, in the layout of DeepFashion."""

    smallest: ClassVar[int] = 9
    views: ClassVar[int] = len(VIEWS)

    def __init__(self, count: int, seed: int, size: tuple[int, int]) -> None:
        super().__init__(count, seed, size)
        self._folders: dict[int, str] = {}

    def name(self, index: int) -> str:
        """Returns the photograph's path; it is known once the picture is written."""
        person, view = divmod(index, self.views)
        return f"img/{self._folders[person]}/01_{_VIEW_NUMBERS[VIEWS[view]]}_{VIEWS[view]}.jpg"

    def write(self, folder: Path, index: int) -> UInt8[np.ndarray, "H W"]:
        """Writes the photograph and the two files of its joints."""
        figure = generate_figure(self.seed, index, self.size)
        person = index // self.views
        self._folders[person] = f"{_category(figure.style.cut)}/id_{person + 1:08d}"
        name = Path(self.name(index))
        save_photograph(folder / name, figure.image)
        write_joints_text(folder / "pose" / name.relative_to("img").with_suffix(""), figure.joints)
        return figure.parts

    def lists(
        self, references: Sequence[Sequence[int]], test_references: Sequence[Sequence[int]]
    ) -> dict[str, str]:
        """Returns the lists; those of the public samples have backslashes, as they have there."""
        train, test = range(self.first_test), range(self.first_test, self.count)
        pairs = [self._partners(index) for index in range(self.count)]
        return {
            "train.txt": self._lines(train),
            "val.txt": self._lines(test).replace("/", "\\"),
            "deepfashion_ref.txt": self._rows(0, references),
            "deepfashion_ref_test.txt": self._rows(self.first_test, test_references).replace(
                "/", "\\"
            ),
            "deepfashion_self_pair.txt": "".join(
                ",".join(map(self.name, pair)) + "\n" for pair in pairs if len(pair) > 1
            ).replace("/", "\\"),
        }

    def _partners(self, index: int) -> tuple[int, ...]:
        """A picture, then the others of the same person."""
        start = index - index % self.views
        others = range(start, min(start + self.views, self.count))
        return (index, *(other for other in others if other != index))


def part_masks(
    face: Face, parts: UInt8[np.ndarray, "h w"], size: tuple[int, int]
) -> dict[str, Bool[np.ndarray, "h w"]]:
    """Returns the masks of the parts that a face has.

    Args:
        face: the face.
        parts: its parts at the masks' size.
        size: of the masks, height and width.

    Returns:
        (h, w) masks by the names of FACE_CLASSES. Glasses overlap what is behind them, and skin
        covers brows, eyes, nose and mouth.
    """
    masks = {name: parts == number for number, name in enumerate(FACE_CLASSES) if number}
    on_skin = [FACE_CLASSES.index(name) for name in _ON_SKIN]
    masks["skin"] = np.isin(parts, on_skin)
    masks["glasses"] = resize_labels(face.glasses.astype(np.int64), size) > 0
    return {name: mask for name, mask in masks.items() if mask.any()}


def save_photograph(path: Path, pixels: UInt8[np.ndarray, "H W 3"]) -> None:
    """Writes a JPEG file into a folder that is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=QUALITY)


def _save_map(path: Path, pixels: Integer[np.ndarray, "H W *channels"]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _category(cut: Cut) -> str:
    """The folder of a person's clothes, named as DeepFashion names them."""
    if cut.man:
        kind = "Shorts" if cut.bottom == "shorts" else "Pants"
        return f"MEN/{'Tees_Tanks' if cut.sleeves != 'long' else kind}"
    kinds = {"dress": "Dresses", "skirt": "Skirts", "shorts": "Shorts"}
    tops = "Blouses_Shirts" if cut.sleeves == "long" else "Tees_Tanks"
    return f"WOMEN/{kinds.get(cut.bottom, tops)}"
