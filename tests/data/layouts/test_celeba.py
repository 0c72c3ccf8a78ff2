from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from face_files import (
    ANNOTATIONS,
    GLASSES,
    ON_DISK,
    SIDE,
    add_face,
    add_photograph,
    box,
    painted,
    part_file,
    save,
)
from rabit.config import ExemplarMix
from rabit.data.batch import PictureCondition, collate
from rabit.data.corpus import SourceCorpus
from rabit.data.faces import FACE_CLASSES
from rabit.data.layouts.celeba import (
    MASKGAN_CLASSES,
    CelebAEdgeSource,
    CelebAMaskSource,
    MergedFaceSource,
    NumberedFaces,
)
from rabit.data.transforms import View

# The order in which MaskGAN's maps number the parts, by their names on disk.
MASKGAN_ORDER = """
skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat ear_r neck_l neck
cloth
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A corpus in a folder of its own, so that lists can lie beside it."""
    folder = tmp_path / "CelebAMask-HQ"
    for number in (7, 1999, 2000, 12_345):
        add_face(folder, number)
    return folder


BOTH = pytest.mark.parametrize("source", [CelebAMaskSource, CelebAEdgeSource])


class TestMaps:
    def test_assembled_from_parts(self, root: Path) -> None:
        condition = CelebAMaskSource(root).load(0).condition(View.whole((SIDE, SIDE)))
        assert condition.channels is None
        np.testing.assert_array_equal(condition.regions, painted())

    def test_assembled_with_glasses(self, root: Path) -> None:
        add_face(root, 7, {"eye_g": GLASSES})
        condition = CelebAMaskSource(root).load(3).condition(View.whole((SIDE, SIDE)))
        self._check_glasses(condition, painted())

    def test_merged_map_with_and_without_glasses(self, root: Path) -> None:
        ids = np.where(box(0, 0, 5, 5), 18, painted())
        for number in (7, 2000):
            path = root / ANNOTATIONS / "all_parts_except_glasses" / f"{number:05d}.png"
            save(path, ids.astype(np.uint8))
        save(part_file(root, 7, "eye_g"), GLASSES.astype(np.uint8) * 255, "RGB")
        source = CelebAMaskSource(root)
        view = View.whole((SIDE, SIDE))
        self._check_glasses(source.load(3).condition(view), ids)
        plain = source.load(2).condition(view)
        assert plain.channels is None
        np.testing.assert_array_equal(plain.regions, ids)
        assert [path.name for path in source.files(2)] == ["2000.jpg", "02000.png"]
        assert [path.name for path in source.files(3)] == [
            "7.jpg", "00007.png", "00007_eye_g.png",
        ]  # fmt: skip
        # A photograph without a merged map is assembled from its parts.
        np.testing.assert_array_equal(source.load(0).condition(view).regions, painted())

    @staticmethod
    def _check_glasses(condition: PictureCondition, behind: np.ndarray) -> None:
        channels, regions = condition.channels, condition.regions
        assert channels is not None
        for i, channel in enumerate(channels.numpy()):
            np.testing.assert_array_equal(channel, GLASSES if i == 16 else behind == i)
        np.testing.assert_array_equal(regions, np.where(GLASSES, 16, behind))

    def test_merged_maps_without_parts(self, root: Path) -> None:
        add_photograph(root, "11.jpg")
        path = root / ANNOTATIONS / "all_parts_except_glasses" / "00011.png"
        save(path, painted().astype(np.uint8))
        assert "11.jpg" in CelebAMaskSource(root).names
        with pytest.raises(ValueError, match=r"no masks of 11\.jpg"):
            CelebAEdgeSource(root)

    def test_merged_map_with_an_unknown_id(self, root: Path) -> None:
        path = root / ANNOTATIONS / "all_parts_except_glasses" / "00007.png"
        save(path, np.full((SIDE, SIDE), 19, dtype=np.uint8))
        with pytest.raises(ValueError, match=r"00007\.png: ids 19 in a label map of 19 classes"):
            CelebAMaskSource(root).load(3)

    def test_glasses_of_another_size_than_the_map(self, root: Path) -> None:
        path = root / ANNOTATIONS / "all_parts_except_glasses" / "00007.png"
        save(path, painted().astype(np.uint8))
        save(part_file(root, 7, "eye_g"), np.zeros((4, 4), dtype=np.uint8))
        with pytest.raises(ValueError, match=r"00007_eye_g\.png is 4×4 pixels, 00007\.png beside"):
            CelebAMaskSource(root).load(3)


class TestMaskGanMaps:
    def write(self, root: Path, folder: str = "", maps: str = "") -> np.ndarray:
        ids = np.arange(19, dtype=np.uint8).repeat(2)[None, :].repeat(4, axis=0)
        for number in (0, 10, 2):
            add_photograph(root, f"{number}.jpg", folder)
            save(root / maps / f"{number}.png", ids)
        return ids

    @pytest.mark.parametrize("folders", [("", ""), ("CelebA-HQ-img", "CelebAMask-HQ-mask")])
    def test_ids_become_those_of_the_classes(
        self, tmp_path: Path, folders: tuple[str, str]
    ) -> None:
        ids = self.write(tmp_path, *folders)
        source = MergedFaceSource(tmp_path)
        assert (source.kind, source.channels, source.layout) == (
            "semantic", FACE_CLASSES, "celebamask",
        )  # fmt: skip
        assert source.names == ("0.jpg", "10.jpg", "2.jpg")
        assert source.files(1) == (
            tmp_path / folders[0] / "10.jpg", tmp_path / folders[1] / "10.png",
        )  # fmt: skip
        condition = source.load(1).condition(View.whole((4, 38)))
        assert condition.channels is None
        expected = [0, *(1 + ON_DISK.index(part) for part in MASKGAN_ORDER.split())]
        np.testing.assert_array_equal(condition.regions[0, ::2], expected)
        assert sorted(MASKGAN_CLASSES) == sorted(FACE_CLASSES)
        assert ids.shape == (4, 38)

    def test_missing_map(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        (tmp_path / "10.png").unlink()
        with pytest.raises(ValueError, match=r"no map of 10\.jpg; add 123\.png"):
            MergedFaceSource(tmp_path)

    def test_missing_folder_of_maps(self, tmp_path: Path) -> None:
        self.write(tmp_path, "CelebA-HQ-img")
        with pytest.raises(FileNotFoundError, match="CelebAMask-HQ-mask: no such folder"):
            MergedFaceSource(tmp_path)


@BOTH
def test_samples_of_a_generated_corpus(root: Path, source: type[NumberedFaces]) -> None:
    add_face(root, 7, {"eye_g": GLASSES})
    (root / "val.txt").write_text("7\n1999\n")
    (root / "celebahq_ref.txt").write_text("12345.jpg,2000.jpg\n2000.jpg,12345.jpg,7.jpg\n")
    faces = source(root)  # type: ignore[call-arg]
    assert faces.split is not None
    for train, indices in ((True, faces.split.train), (False, faces.split.test)):
        corpus = SourceCorpus(
            faces, (16, 16), seed=1, train=train, mix=ExemplarMix(), indices=indices
        )
        batch = collate([corpus[i] for i in range(len(corpus))], len(faces.channels))
        assert batch.condition.channels.shape == (2, len(faces.channels), 16, 16)
        assert batch.truth.shape == (2, 3, 16, 16)
        assert batch.condition.channels.min() >= 0 and batch.condition.channels.max() <= 1
