"""CelebA-HQ with the masks of CelebAMask-HQ: as semantic maps, and as edges of the parts.

Photographs are numbered: CelebA-HQ-img/{i}.jpg. Masks of single parts lie in
CelebAMask-HQ-mask-anno/{i // 2000}/{i:05d}_{part}.png; a part that a face does not have has no
file. Photographs and masks have sizes of their own, and each is brought to the size of the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from rabit.config import Kind
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS, FaceEdgePicture, FacePicture
from rabit.data.images import IMAGE_SUFFIXES, LABEL_SUFFIXES, read_image, read_labels
from rabit.data.layouts.celeba_files import (
    ANNOTATIONS,
    PHOTOGRAPHS,
    list_numbered,
    part_path,
    part_paths,
    read_mask,
    read_parts,
    read_split,
    require_parts,
    require_shape,
)
from rabit.data.listing import find_references, first_few
from rabit.data.source import ReferenceList, Source

MERGED = "all_parts_except_glasses"
"""Folder of merged maps, in ANNOTATIONS; ids are those of FACE_CLASSES."""

MASKGAN_MAPS = "CelebAMask-HQ-mask"
"""Folder of merged maps with the ids of MASKGAN_CLASSES."""

MASKGAN_CLASSES = (
    "background", "skin", "nose", "glasses", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear",
    "r_ear", "mouth", "u_lip", "l_lip", "hair", "hat", "earring", "necklace", "neck", "cloth",
)  # fmt: skip
"""Parts by id as MaskGAN numbers them."""

_FROM_MASKGAN = np.array([FACE_CLASSES.index(name) for name in MASKGAN_CLASSES], dtype=np.int64)


class NumberedFaces(Source):
    """Numbered photographs of faces, with the splits and lists that all layouts of them have.

    train.txt and val.txt in the folder say what trains and what tests (`read_split`); lists of
    references are the public ones, in the folder or beside it, or else references.csv.

    Args:
        root: the corpus' folder.
        kind: of the conditions.
        channels: of the conditions.
        photographs: folder of the photographs.
        suffixes: of the photographs, in lower case.
    """

    lists: ClassVar[tuple[str, ...]] = ("celebahq_ref",)

    def __init__(
        self,
        root: Path,
        kind: Kind,
        channels: Sequence[str],
        photographs: Path,
        suffixes: frozenset[str] = IMAGE_SUFFIXES,
    ) -> None:
        if not root.is_dir():
            raise FileNotFoundError(f"{root}: no such folder; give the folder of a corpus")
        numbers = list_numbered(photographs, suffixes)
        self._photographs = photographs
        self._numbers = tuple(numbers.values())
        split = read_split(root, self._numbers)
        super().__init__(root, kind, channels, tuple(numbers), split=split)

    def references(self, train: bool) -> ReferenceList | None:
        """Returns references.csv, or else the public list."""
        return super().references(train) or find_references(self.root, self.lists, train)

    def _photograph(self, index: int) -> Path:
        return self._photographs / self.names[index]


class CelebAMaskSource(NumberedFaces):
    """CelebA-HQ with semantic maps of the face.

    The map is all_parts_except_glasses/{i:05d}.png where that is, with the glasses' own mask over
    it; otherwise it is assembled from the part masks (`paint_parts`).

    Args:
        root: the folder of CelebA-HQ-img/ and CelebAMask-HQ-mask-anno/.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: the folder's content is not as described; the file is named.
    """

    layout: ClassVar[str] = "celebahq"

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        super().__init__(root, "semantic", FACE_CLASSES, root / PHOTOGRAPHS)
        self._annotations = root / ANNOTATIONS
        merged = self._annotations / MERGED
        there = {path.name for path in merged.iterdir()} if merged.is_dir() else set()
        self._merged = tuple(f"{number:05d}.png" in there for number in self._numbers)
        pairs = zip(self.names, self._numbers, self._merged, strict=True)
        require_parts(
            self._annotations, [(name, number) for name, number, known in pairs if not known]
        )

    def load(self, index: int) -> FacePicture:
        """Reads a picture, see `Source.load`."""
        photograph, *masks = self.files(index)
        pixels = read_image(photograph)
        if not self._merged[index]:
            paths = part_paths(self._annotations, self._numbers[index])
            return FacePicture.of_parts(pixels, read_parts(paths))
        labels = read_labels(masks[0], len(FACE_CLASSES))
        if len(masks) == 1:
            return FacePicture(pixels, labels)
        glasses = read_mask(masks[1])
        require_shape(glasses, masks[1], labels, masks[0])
        return FacePicture(pixels, labels, glasses)

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the photograph, then the map and the glasses' mask, or the parts' masks."""
        number = self._numbers[index]
        if not self._merged[index]:
            parts = part_paths(self._annotations, number).values()
            return (self._photograph(index), *parts)
        glasses = part_path(self._annotations, number, "glasses")
        merged = self._annotations / MERGED / f"{number:05d}.png"
        masks = (merged, glasses) if glasses.exists() else (merged,)
        return (self._photograph(index), *masks)


class CelebAEdgeSource(NumberedFaces):
    """CelebA-HQ with edges: those of the parts of the face, and Canny's around it.

    Args:
        root: the folder of CelebA-HQ-img/ and CelebAMask-HQ-mask-anno/.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: the folder's content is not as described; the file is named.
    """

    layout: ClassVar[str] = "celebahq-edge"
    lists: ClassVar[tuple[str, ...]] = ("celebahqedge_ref", "celebahq_ref")

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        super().__init__(root, "edge", FACE_EDGE_CHANNELS, root / PHOTOGRAPHS)
        self._annotations = root / ANNOTATIONS
        require_parts(self._annotations, zip(self.names, self._numbers, strict=True))

    def load(self, index: int) -> FaceEdgePicture:
        """Reads a picture, see `Source.load`."""
        paths = self._parts(index)
        return FaceEdgePicture(read_image(self._photograph(index)), read_parts(paths))

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the photograph and the parts' masks."""
        return (self._photograph(index), *self._parts(index).values())

    def _parts(self, index: int) -> dict[str, Path]:
        return part_paths(self._annotations, self._numbers[index])


class MergedFaceSource(NumberedFaces):
    """CelebA-HQ with one merged map a face, its ids in MaskGAN's order.

    Maps are {i}.png, in CelebAMask-HQ-mask/ or, where there is no CelebA-HQ-img/, beside the
    photographs {i}.jpg. Glasses are a part like any other here; what is behind them is not known.

    Args:
        root: the folder.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: the folder's content is not as described; the file is named.
    """

    layout: ClassVar[str] = "celebamask"

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        apart = (root / PHOTOGRAPHS).is_dir()
        photographs = root / PHOTOGRAPHS if apart else root
        suffixes = IMAGE_SUFFIXES if apart else IMAGE_SUFFIXES - LABEL_SUFFIXES
        super().__init__(root, "semantic", FACE_CLASSES, photographs, suffixes)
        self._maps = root / MASKGAN_MAPS if apart else root
        if not self._maps.is_dir():
            raise FileNotFoundError(f"{self._maps}: no such folder; expected the merged maps in it")
        there = {path.name for path in self._maps.iterdir()}
        bare = [name for name in self.names if f"{Path(name).stem}.png" not in there]
        if bare:
            raise ValueError(
                f"{self._maps}: no map of {first_few(bare)}; add 123.png for 123.jpg, or remove "
                "the photograph"
            )

    def load(self, index: int) -> FacePicture:
        """Reads a picture, see `Source.load`."""
        photograph, labels = self.files(index)
        ids = _FROM_MASKGAN[read_labels(labels, len(MASKGAN_CLASSES))]
        return FacePicture(read_image(photograph), ids)

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the photograph and its map."""
        photograph = self._photograph(index)
        return (photograph, self._maps / f"{photograph.stem}.png")
