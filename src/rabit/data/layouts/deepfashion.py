"""DeepFashion: photographs of people in img/, their joints in pose/."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

from rabit.data.images import IMAGE_SUFFIXES
from rabit.data.layouts.split import read_split
from rabit.data.listing import JOINT_ENDINGS, find_references
from rabit.data.pose import POSE_CHANNELS, PosePicture, read_pose
from rabit.data.pose_files import SUBSET
from rabit.data.references import read_references
from rabit.data.source import ReferenceList, Source

LISTED = "paths like img/WOMEN/…/01_1_front.jpg from the folder of img/"


class DeepFashionSource(Source):
    """DeepFashion's in-shop photographs with the poses of the public models.

    The joints of img/…/name.jpg are pose/…/name_candidate.txt and name_subset.txt, or OpenPose's
    pose/…/name_keypoints.json or name.json. Names are paths in the folder, such as
    img/WOMEN/Dresses/id_00000203/03_1_front.jpg; the lists may spell them with backslashes.
    train.txt and val.txt in the folder, a name a row, say what trains and what tests; where there
    is one of them only, the other side is everything else. deepfashion_self_pair.txt (or
    self_pair.txt), in the folder or beside it, lists views of the same garment: `key,view,…`.
    References come from deepfashion_ref.txt and deepfashion_ref_test.txt, in the folder or beside
    it, or else from references.csv. All lists may name photographs that are not there, as in a
    part of the corpus.

    Views are never mirrored by training, as for the public models.

    Args:
        root: the folder of img/ and pose/.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: there is no photograph, or a list is not as described; the file is named.
    """

    layout: ClassVar[str] = "deepfashion"

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        for folder in (root, root / "img", root / "pose"):
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"{folder}: no such folder; give the folder of img/ and pose/"
                )
        names = _list_photographs(root)
        pairs = find_references(root, ("deepfashion_self_pair", "self_pair"), train=True)
        partners = read_references(pairs.path, names, partial=True) if pairs else {}
        super().__init__(
            root,
            "pose",
            POSE_CHANNELS,
            names,
            flips=False,
            split=read_split(root, names, LISTED, partial=True),
            partners=_rows(partners, len(names)),
        )

    def load(self, index: int) -> PosePicture:
        """Reads a photograph and its joints, see `Source.load`."""
        pose = self._pose(index)
        if not pose.exists():
            raise FileNotFoundError(
                f"{pose}: no such file; add the joints of {self.names[index]}, as "
                f"{JOINT_ENDINGS[0]} and {SUBSET} or as OpenPose's JSON, or remove the photograph"
            )
        return read_pose(self.root / self.names[index], pose)

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the photograph and the files of its joints."""
        return (self.root / self.names[index], *_pose_files(self._pose(index)))

    def references(self, train: bool) -> ReferenceList | None:
        """Returns references.csv, or else the public list."""
        listed = super().references(train)
        return listed or find_references(self.root, ("deepfashion_ref",), train)

    def _pose(self, index: int) -> Path:
        """The file of a photograph's joints: the preferred of those there, else of all."""
        stem = PurePosixPath("pose", *PurePosixPath(self.names[index]).with_suffix("").parts[1:])
        paths = [self.root / f"{stem}{ending}" for ending in JOINT_ENDINGS]
        return next((path for path in paths if path.exists()), paths[0])


def _pose_files(pose: Path) -> tuple[Path, ...]:
    """A file of joints with what lies beside it."""
    if not pose.name.endswith(JOINT_ENDINGS[0]):
        return (pose,)
    return (pose, pose.with_name(pose.name.removesuffix(JOINT_ENDINGS[0]) + SUBSET))


def _list_photographs(root: Path) -> tuple[str, ...]:
    """Names of all photographs below img/, in order."""
    names = []
    for folder, inside, files in os.walk(root / "img"):
        inside[:] = [name for name in inside if not name.startswith(".")]
        place = PurePosixPath(Path(folder).relative_to(root).as_posix())
        names += [
            str(place / name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    if not names:
        raise ValueError(f"{root / 'img'}: no photographs; expected folders of .jpg files")
    return tuple(sorted(names))


def _rows(partners: dict[int, tuple[int, ...]], count: int) -> Sequence[Sequence[int]]:
    """A row of partners for each photograph, or no rows where none has any."""
    rows = [tuple(other for other in partners.get(i, ()) if other != i) for i in range(count)]
    return rows if any(rows) else ()
