from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from face_files import (
    ANNOTATIONS,
    FACE,
    ON_DISK,
    SIDE,
    add_face,
    add_photograph,
    box,
    part_file,
    save,
)
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS, part_mask
from rabit.data.layouts.celeba import (
    CelebAEdgeSource,
    CelebAMaskSource,
    NumberedFaces,
)
from rabit.data.source import ReferenceList, Split
from rabit.data.transforms import View


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A corpus in a folder of its own, so that lists can lie beside it."""
    folder = tmp_path / "CelebAMask-HQ"
    for number in (7, 1999, 2000, 12_345):
        add_face(folder, number)
    return folder


BOTH = pytest.mark.parametrize("source", [CelebAMaskSource, CelebAEdgeSource])


class TestListing:
    @BOTH
    def test_names_kinds_and_files(self, root: Path, source: type[NumberedFaces]) -> None:
        faces = source(root)  # type: ignore[call-arg]
        assert faces.names == ("12345.jpg", "1999.jpg", "2000.jpg", "7.jpg")
        assert faces.flips and faces.split is None and not faces.partners
        photograph, *masks = faces.files(0)
        assert photograph == root / "CelebA-HQ-img" / "12345.jpg"
        assert masks == [part_file(root, 12_345, p) for p in ON_DISK if p in FACE]
        assert {p.parent.name for i in range(4) for p in faces.files(i)[1:]} == {"0", "1", "6"}
        for i in range(4):
            assert faces.load(i).image(View.whole((8, 8))).shape == (8, 8, 3)

    def test_channels(self, root: Path) -> None:
        masks, edges = CelebAMaskSource(root), CelebAEdgeSource(str(root))
        assert (masks.kind, masks.channels, masks.layout) == ("semantic", FACE_CLASSES, "celebahq")
        assert (edges.kind, edges.channels) == ("edge", FACE_EDGE_CHANNELS)
        assert edges.layout == "celebahq-edge"

    def test_validation_list_alone(self, root: Path) -> None:
        (root / "val.txt").write_text("2000\r\n7\n29999\n\n")
        assert CelebAMaskSource(root).split == Split(train=(0, 1), test=(2, 3))

    def test_training_list_alone(self, root: Path) -> None:
        (root / "train.txt").write_text("2000.jpg\n")
        assert CelebAEdgeSource(root).split == Split(train=(2,), test=(0, 1, 3))

    def test_both_lists(self, root: Path) -> None:
        (root / "train.txt").write_text("1999\n7\n")
        (root / "val.txt").write_text("12345\n")
        assert CelebAMaskSource(root).split == Split(train=(1, 3), test=(0,))

    @pytest.mark.parametrize(
        ("train", "val", "message"),
        [
            ("7\n", "7\n1999\n", r"val\.txt: 7 also in train\.txt"),
            (None, "7\nseven\n", r"val\.txt: line 2 is 'seven', expected a photograph's number"),
            (None, "8\n9\n", r"val\.txt: none of its photographs is there"),
            ("", None, r"train\.txt: none of its photographs is there"),
        ],
    )
    def test_unusable_lists(
        self, root: Path, train: str | None, val: str | None, message: str
    ) -> None:
        for name, text in (("train.txt", train), ("val.txt", val)):
            if text is not None:
                (root / name).write_text(text)
        with pytest.raises(ValueError, match=message):
            CelebAMaskSource(root)

    def test_references_beside_and_in_the_folder(self, root: Path) -> None:
        assert CelebAMaskSource(root).references(train=True) is None
        (root / "references.csv").write_text("7.jpg,1999.jpg\n")
        own = ReferenceList(root / "references.csv")
        assert CelebAMaskSource(root).references(train=True) == own
        (root / "references.csv").unlink()
        beside = root.parent / "celebahq_ref_test.txt"
        beside.write_text("7.jpg,1999.jpg,1.jpg\n")
        found = CelebAMaskSource(root).references(train=False)
        assert found is not None and found.partial and found.path.samefile(beside)
        assert CelebAMaskSource(root).references(train=True) is None
        inside = root / "celebahq_ref.txt"
        inside.write_text("7.jpg,1999.jpg\n")
        assert CelebAEdgeSource(root).references(train=True) == ReferenceList(inside, partial=True)
        edges = root / "celebahqedge_ref.txt"
        edges.write_text("7.jpg,1999.jpg\n")
        assert CelebAEdgeSource(root).references(train=True) == ReferenceList(edges, partial=True)
        assert CelebAMaskSource(root).references(train=True) == ReferenceList(inside, partial=True)

    @BOTH
    def test_missing_folders(self, root: Path, source: type, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
            source(tmp_path / "nowhere")
        (root / ANNOTATIONS).rename(root / "elsewhere")
        with pytest.raises(FileNotFoundError, match=rf"{ANNOTATIONS}: no such folder"):
            source(root)
        (root / "CelebA-HQ-img").rename(root / "images")
        with pytest.raises(FileNotFoundError, match=r"CelebA-HQ-img: no such folder"):
            source(root)
        (root / "CelebA-HQ-img").mkdir()
        with pytest.raises(ValueError, match=r"CelebA-HQ-img: no numbered photographs"):
            source(root)

    @BOTH
    def test_photographs_without_masks(self, root: Path, source: type) -> None:
        add_photograph(root, "4000.jpg")
        add_photograph(root, "8.jpg")
        # In the folder of other numbers, and of no part.
        save(root / ANNOTATIONS / "0" / "04000_skin.png", np.zeros((4, 4), np.uint8))
        save(root / ANNOTATIONS / "0" / "00008_chin.png", np.zeros((4, 4), np.uint8))
        with pytest.raises(ValueError, match=r"no masks of 4000\.jpg, 8\.jpg; add them"):
            source(root)

    @BOTH
    def test_names_that_are_no_numbers(self, root: Path, source: type) -> None:
        (root / "CelebA-HQ-img" / "notes.txt").write_text("")
        (root / "CelebA-HQ-img" / ".8.jpg").write_text("")
        assert len(source(root)) == 4
        add_photograph(root, "me.jpg")
        with pytest.raises(ValueError, match=r"me\.jpg: not a number"):
            source(root)

    def test_two_photographs_of_one_number(self, root: Path) -> None:
        add_photograph(root, "007.jpg")
        with pytest.raises(ValueError, match=r"007\.jpg and 7\.jpg have one number"):
            CelebAMaskSource(root)


class TestMasks:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
    def test_modes(self, root: Path, mode: str) -> None:
        add_face(root, 5, mode=mode)
        source = CelebAEdgeSource(root)
        parts = source.load(source.names.index("5.jpg")).parts
        for part, mask in FACE.items():
            np.testing.assert_array_equal(part_mask(parts, part), mask)
        assert not part_mask(parts, "mouth").any()

    def test_ones_empty_and_smooth_masks(self, root: Path) -> None:
        save(part_file(root, 7, "skin"), FACE["skin"].astype(np.uint8))
        save(part_file(root, 7, "hair"), np.zeros((SIDE, SIDE), dtype=np.uint8))
        smooth = np.where(FACE["nose"], 200, 90).astype(np.uint8)
        save(part_file(root, 7, "nose"), smooth)
        parts = CelebAEdgeSource(root).load(3).parts
        np.testing.assert_array_equal(part_mask(parts, "skin"), FACE["skin"])
        np.testing.assert_array_equal(part_mask(parts, "nose"), FACE["nose"])
        assert not part_mask(parts, "hair").any()

    def test_parts_on_disk_are_those_of_the_classes(self, root: Path) -> None:
        add_face(root, 9, {part: box(i, i, i + 1, i + 1) for i, part in enumerate(ON_DISK)})
        source = CelebAEdgeSource(root)
        parts = source.load(source.names.index("9.jpg")).parts
        for i, name in enumerate(FACE_CLASSES[1:]):
            np.testing.assert_array_equal(part_mask(parts, name), box(i, i, i + 1, i + 1))

    @BOTH
    def test_a_mask_of_another_size(self, root: Path, source: type) -> None:
        save(part_file(root, 7, "nose"), np.zeros((SIDE, SIDE + 1), dtype=np.uint8))
        with pytest.raises(
            ValueError, match=r"00007_nose\.png is 21×20 pixels, 00007_skin\.png beside it 20×20"
        ):
            source(root).load(3)

    @BOTH
    @pytest.mark.parametrize("damage", ["cut", "text", "empty", "colours"])
    def test_a_mask_that_cannot_be_read(self, root: Path, source: type, damage: str) -> None:
        path = part_file(root, 7, "nose")
        if damage == "colours":
            Image.open(root / "CelebA-HQ-img" / "7.jpg").save(path)
        else:
            path.write_bytes({"cut": path.read_bytes()[:60], "text": b"nose", "empty": b""}[damage])
        with pytest.raises(ValueError, match=r"00007_nose\.png: "):
            source(root).load(3)

    @BOTH
    def test_a_photograph_that_cannot_be_read(self, root: Path, source: type) -> None:
        (root / "CelebA-HQ-img" / "7.jpg").write_bytes(b"\xff\xd8")
        with pytest.raises(ValueError, match=r"7\.jpg: cannot be read as an image"):
            source(root).load(3)

    @BOTH
    def test_masks_that_are_gone(self, root: Path, source: type) -> None:
        faces = source(root)
        for part in FACE:
            part_file(root, 7, part).unlink()
        with pytest.raises(FileNotFoundError, match=r"00007_skin\.png: no such file, nor a mask"):
            faces.load(3)
