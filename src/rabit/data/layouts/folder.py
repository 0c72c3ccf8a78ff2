"""A plain folder: images/ with labels/ and classes.txt, or edges/, or pose/, or nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, get_args

from rabit.config import Kind
from rabit.data.edges import (
    EDGE_CHANNELS,
    LINE_CHANNELS,
    CannyPicture,
    LinePicture,
    read_lines,
)
from rabit.data.images import IMAGE_SUFFIXES, read_classes, read_image
from rabit.data.layouts.split import read_split
from rabit.data.listing import (
    Pair,
    Photograph,
    list_images,
    list_joints,
    match,
    match_maps,
    read_pairs,
)
from rabit.data.pose import POSE_CHANNELS, read_pose
from rabit.data.semantic import read_semantic, require_one_size
from rabit.data.source import Picture, Source, TestPair

FolderCondition = Literal["labels", "edges", "pose", "canny"]

KINDS_OF_CONDITIONS: dict[FolderCondition, Kind] = {
    "labels": "semantic",
    "edges": "edge",
    "pose": "pose",
    "canny": "edge",
}
"""The kind of each condition."""

CHANNELS: Mapping[str, tuple[str, ...]] = {
    "edges": LINE_CHANNELS,
    "pose": POSE_CHANNELS,
    "canny": EDGE_CHANNELS,
}
"""The channels of each condition but labels, whose classes the folder names."""

LISTED = "the name of a file in images/ a row"
"""What train.txt and val.txt have."""

# A word of its own at either end: "left eye", "l_brow", "Eye (right)"; or how the name begins.
_SIDED = re.compile(
    r"^(left|right)|(?<![a-z])(left|right)(?![a-z])|(?<![a-z])[lr][ _.-]|[ _.-][lr]$", re.I
)


class FolderSource(Source):
    """A folder of photographs, images/, with a condition for each of them.

    The condition is one of

    - labels: semantic maps in labels/ and the names of their classes in classes.txt;
    - edges: line drawings in edges/;
    - pose: joints in pose/, as `stem_candidate.txt` and `stem_subset.txt`, or as OpenPose's JSON,
      `stem_keypoints.json` or `stem.json`;
    - canny: the edges of the photographs themselves, for which no files are needed.

    A photograph and its condition have the same stem; maps and drawings have the photograph's
    size, and joints lie in its pixels. train.txt and val.txt, a name as in images/ a row, say what
    trains and what tests; where there is one of them only, the other side is everything else. Lists
    of references are read from references.csv (`key,ref1,ref2,…`, names as in images/). Of labels,
    pairs with a ground truth are read from pairs.csv (`read_pairs`).

    Args:
        root: the folder.
        flips: whether training views may be mirrored. None: not for poses, nor for maps whose
            classes name left and right, which a mirrored map has wrong.
        condition: which; None takes the first of labels, edges and pose that is there.

    Raises:
        FileNotFoundError: a folder or classes.txt is missing.
        ValueError: the folder's content is not as described, or there is no such condition; the
            file is named.
    """

    layout: ClassVar[str] = "folder"

    def __init__(
        self,
        root: str | Path,
        flips: bool | None = None,
        condition: FolderCondition | None = None,
    ) -> None:
        root = Path(root)
        if not root.is_dir():
            raise FileNotFoundError(f"{root}: no such folder; give the folder of a corpus")
        if condition is not None and condition not in KINDS_OF_CONDITIONS:
            raise ValueError(
                f"{root}: condition {condition!r}; a plain folder has one of "
                f"{', '.join(get_args(FolderCondition))}"
            )
        self.condition = choose_condition(root) if condition is None else condition
        labels = self.condition == "labels"
        channels = _channels(root, self.condition)
        self._photographs = () if labels and _only_pairs(root) else _list(root, self.condition)
        names = [photograph.image.name for photograph in self._photographs]
        if flips is None:
            flips = not (labels and names_sides(channels)) and self.condition != "pose"
        split = read_split(root, names, LISTED) if names else None
        kind = KINDS_OF_CONDITIONS[self.condition]
        super().__init__(root, kind, channels, names, flips, split)

    def load(self, index: int) -> Picture:
        """Reads a picture, see `Source.load`."""
        return self._read(self._photographs[index])

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the photograph and the files of its condition."""
        photograph = self._photographs[index]
        if self.condition == "canny":
            return (photograph.image,)
        candidate = photograph.condition
        if candidate.name.endswith("_candidate.txt"):
            stem = candidate.name.removesuffix("_candidate.txt")
            return (photograph.image, candidate, candidate.with_name(f"{stem}_subset.txt"))
        return (photograph.image, candidate)

    @cached_property
    def _pairs(self) -> tuple[Pair, ...]:
        given = self.condition == "labels" and (self.root / "pairs.csv").exists()
        return read_pairs(self.root) if given else ()

    @property
    def pair_names(self) -> tuple[str, ...]:
        """Stems of the true photographs in the rows of pairs.csv."""
        return tuple(pair.truth.image.stem for pair in self._pairs)

    def load_pair(self, index: int) -> TestPair:
        """Reads a row of pairs.csv, see `Source.load_pair`."""
        pair = self._pairs[index]
        truth, exemplar = self._read(pair.truth), self._read(pair.exemplar)
        return TestPair(pair.truth.image.stem, truth, exemplar)

    def _read(self, photograph: Photograph) -> Picture:
        image, condition = photograph.image, photograph.condition
        if self.condition == "labels":
            return read_semantic(image, condition, len(self.channels))
        if self.condition == "pose":
            return read_pose(image, condition)
        pixels = read_image(image)
        if self.condition == "canny":
            return CannyPicture(pixels)
        edges = read_lines(condition)
        require_one_size(pixels, image, edges, condition)
        return LinePicture(pixels, edges)


def choose_condition(root: Path) -> FolderCondition:
    """Says which condition a plain folder has: the first of labels, edges and pose.

    Raises:
        ValueError: it has none of them.
    """
    conditions: tuple[FolderCondition, ...] = ("labels", "edges", "pose")
    for condition in conditions:
        if (root / condition).is_dir():
            return condition
    if (root / "classes.txt").exists() or (root / "pairs.csv").exists():
        return "labels"
    raise ValueError(
        f"{root}: no labels/, edges/ or pose/; add beside images/ one of labels/ (label maps, with "
        "classes.txt), edges/ (line drawings) and pose/ (joints), or choose the condition canny, "
        "which needs photographs only"
    )


def names_sides(classes: Sequence[str]) -> bool:
    """Whether classes name left and right, such as "left eye", "l_brow" or "arm (right)"."""
    return any(_SIDED.search(name) for name in classes)


def _channels(root: Path, condition: FolderCondition) -> tuple[str, ...]:
    if condition == "labels":
        return read_classes(root / "classes.txt")
    return CHANNELS[condition]


def _only_pairs(root: Path) -> bool:
    return (root / "pairs.csv").exists() and not (root / "images").exists()


def _list(root: Path, condition: FolderCondition) -> tuple[Photograph, ...]:
    """The photographs with the files of their conditions, in the order of their stems."""
    images, conditions = root / "images", root / condition
    if condition == "labels":
        return match_maps(images, conditions)
    if condition == "edges":
        return match_maps(images, conditions, map_suffixes=IMAGE_SUFFIXES, noun="line drawing")
    photographs = list_images(images)
    if condition == "canny":
        return tuple(
            Photograph(photographs[stem], photographs[stem]) for stem in sorted(photographs)
        )
    joints = list_joints(conditions)
    wanted = "its joints as STEM_candidate.txt and STEM_subset.txt, or as STEM_keypoints.json,"
    return match(photographs, images, joints, conditions, "joints", wanted)
