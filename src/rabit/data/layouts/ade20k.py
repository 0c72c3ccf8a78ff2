"""ADE20K's 150 classes: photographs and maps for training and validation."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from rabit.data.listing import Photograph, find_references, join_split, match_maps
from rabit.data.semantic import SemanticPicture, read_semantic
from rabit.data.source import ReferenceList, Source

UNKNOWN = "unknown"

_NAMES = """
wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person,
earth, door, table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea,
mirror, rug, field, armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion,
base, box, column, signboard, chest of drawers, counter, sand, sink, skyscraper, fireplace,
refrigerator, grandstand, path, stairs, runway, case, pool table, pillow, screen door, stairway,
river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop, stove,
palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel, light,
truck, tower, chandelier, awning, streetlight, booth, television, airplane, dirt track, apparel,
pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain,
conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent,
bag, minibike, cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle,
lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan,
pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag
"""

ADE20K_CLASSES = tuple(" ".join(name.split()) for name in _NAMES.split(","))
"""The 150 classes of the scene parsing benchmark in its order: class k has the id k + 1 in maps."""

_IMAGES = frozenset({".jpg", ".jpeg"})
_MAPS = frozenset({".png"})


class ADE20KSource(Source):
    """ADE20K as the scene parsing benchmark has it, with 150 classes and "unknown".

    Any of these folders, each with `training` and `validation` or one of the two:

    - `images/training/ADE_train_00000001.jpg`, the map `ADE_train_00000001.png` beside it;
    - `training/…` without `images`, the map beside the photograph;
    - `images/training/….jpg` with `annotations/training/….png`, as downloaded
      (ADEChallengeData2016).

    Maps hold 0 for unknown and 1 to 150 for the classes. Networks have been trained with two
    numberings of them, and the weights of one do not fit the other, without any error: its
    channels are the other's, moved by one.

    References are read from ade20k_ref.txt and ade20k_ref_test.txt in the folder or beside it, and
    otherwise from references.csv.

    Args:
        root: the folder.
        unknown: "first" keeps the maps' ids, so that 0 is unknown and 1 the wall (as CoCosNet);
            "last" begins with the wall at 0 and ends with unknown at 150 (as SPADE).

    Raises:
        FileNotFoundError: the folder, or one in it, is missing.
        ValueError: the folder's content is not as described; the file is named.
    """

    layout: ClassVar[str] = "ade20k"

    def __init__(self, root: str | Path, unknown: Literal["first", "last"] = "first") -> None:
        root = Path(root)
        if unknown not in ("first", "last"):
            raise ValueError(f"unknown is {unknown!r}, expected 'first' or 'last'")
        self._last = unknown == "last"
        classes = (*ADE20K_CLASSES, UNKNOWN) if self._last else (UNKNOWN, *ADE20K_CLASSES)
        self._photographs, split = join_split(_list(root, "training"), _list(root, "validation"))
        if not self._photographs:
            raise FileNotFoundError(
                f"{root}: no folder training or validation, there or in images; expected "
                "images/training/ADE_train_00000001.jpg with a .png of the same name beside it or "
                "in annotations/training"
            )
        names = [photograph.image.name for photograph in self._photographs]
        super().__init__(root, "semantic", classes, names, split=split)

    def load(self, index: int) -> SemanticPicture:
        """Reads a picture, see `Source.load`."""
        photograph = self._photographs[index]
        read = read_semantic(photograph.image, photograph.condition, len(self.channels))
        if not self._last:
            return read
        return SemanticPicture(read.pixels, shift_unknown(read.labels))

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the photograph and its map."""
        photograph = self._photographs[index]
        return (photograph.image, photograph.condition)

    def references(self, train: bool) -> ReferenceList | None:
        """Returns references.csv, or else the public list."""
        return super().references(train) or find_references(self.root, ("ade20k_ref",), train)


def shift_unknown(ids: np.ndarray) -> np.ndarray:
    """Renumbers maps from "first" to "last": 0 (unknown) becomes 150, the classes 0 to 149."""
    return (ids - 1) % (len(ADE20K_CLASSES) + 1)


def _list(root: Path, part: str) -> tuple[Photograph, ...]:
    """The photographs of one part; none where its folder is missing."""
    images = next((f for f in (root / "images" / part, root / part) if f.is_dir()), None)
    if images is None:
        return ()
    if any(images.iterdir()) and not any(entry.is_file() for entry in images.iterdir()):
        raise ValueError(
            f"{images}: folders instead of photographs; the full ADE20K, sorted by scenes, has "
            "other labels: use its scene parsing benchmark of 150 classes (ADEChallengeData2016)"
        )
    annotations = root / "annotations" / part
    return match_maps(images, annotations if annotations.is_dir() else images, _IMAGES, _MAPS)
