"""COCO-Stuff: things and stuff of 182 classes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from rabit.data.images import check_ids
from rabit.data.listing import Photograph, join_split, match_maps
from rabit.data.semantic import SemanticPicture, read_semantic
from rabit.data.source import Source

UNKNOWN = "unknown"

_NAMES = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
street sign, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear,
zebra, giraffe, hat, backpack, umbrella, shoe, eye glasses, handbag, tie, suitcase, frisbee, skis,
snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket,
bottle, plate, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli,
carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, mirror, dining table, window,
desk, toilet, door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink,
refrigerator, blender, book, clock, vase, scissors, teddy bear, hair drier, toothbrush, hair brush,
banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet,
ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt,
door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog,
food-other, fruit, furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat,
metal, mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other,
plastic, platform, playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea,
shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table,
tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other, wall-panel,
wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other, wood
"""

COCO_STUFF_CLASSES = tuple(" ".join(name.split()) for name in _NAMES.split(","))
"""The names by the ids in maps, which are one less than in the official list (there 0 is
"unlabeled"). Eleven of them, such as hat and desk, were dropped from the corpus: no map has them,
and they keep their channels so that ids stay as they are."""

# What unknown pixels hold in maps; they get the id after the last class.
_UNKNOWN_ID = 255

_PARTS = (
    # SPADE's folders, then the official ones.
    (("train_img", "train_label"), ("val_img", "val_label")),
    (
        ("images/train2017", "stuffthingmaps/train2017"),
        ("images/val2017", "stuffthingmaps/val2017"),
    ),
)


class CocoStuffSource(Source):
    """COCO-Stuff with 182 classes and "unknown", id 182, for the pixels that hold 255.

    Either of these folders, each with both parts or one of the two:

    - `train_img/….jpg` with `train_label/….png`, `val_img` with `val_label`, as SPADE has them;
    - `images/train2017/….jpg` with `stuffthingmaps/train2017/….png`, and `val2017`, as published.

    Instances (`train_inst`) are not used: two people side by side are one region, as in the paper,
    whose conditions are classes. Nor are SPADE's additional portraits (`train_img_portrait`).

    Args:
        root: the folder.

    Raises:
        FileNotFoundError: the folder, or one in it, is missing.
        ValueError: the folder's content is not as described; the file is named.
    """

    layout: ClassVar[str] = "coco-stuff"

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        self._photographs, split = join_split(*_list(root))
        names = [photograph.image.name for photograph in self._photographs]
        super().__init__(root, "semantic", (*COCO_STUFF_CLASSES, UNKNOWN), names, split=split)

    def load(self, index: int) -> SemanticPicture:
        """Reads a picture, see `Source.load`."""
        photograph = self._photographs[index]
        read = read_semantic(photograph.image, photograph.condition, _UNKNOWN_ID + 1)
        unknown = read.labels == _UNKNOWN_ID
        count = len(COCO_STUFF_CLASSES)
        check_ids(np.where(unknown, 0, read.labels), count, str(photograph.condition))
        return SemanticPicture(read.pixels, np.where(unknown, count, read.labels))

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the photograph and its map."""
        photograph = self._photographs[index]
        return (photograph.image, photograph.condition)


def _list(root: Path) -> tuple[tuple[Photograph, ...], tuple[Photograph, ...]]:
    """The photographs to train on and those to test with, of the layout that is there."""
    for parts in _PARTS:
        training, testing = (
            match_maps(
                root / images, root / maps, frozenset({".jpg", ".jpeg"}), frozenset({".png"})
            )
            if (root / images).is_dir()
            else ()
            for images, maps in parts
        )
        if training or testing:
            return training, testing
    raise FileNotFoundError(
        f"{root}: no folder train_img, val_img, images/train2017 or images/val2017; expected "
        "photographs in one of these, and their maps in train_label, val_label or "
        "stuffthingmaps/train2017 or val2017"
    )
