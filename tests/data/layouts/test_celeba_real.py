"""Real files: their conditions are computed again here with Pillow, as they are described."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree
from skimage import feature

from face_files import (
    ANNOTATIONS,
    ON_DISK,
    part_file,
)
from rabit.data.faces import FACE_CLASSES, paint_parts
from rabit.data.layouts.celeba import (
    CelebAEdgeSource,
    CelebAMaskSource,
    MergedFaceSource,
)
from rabit.data.transforms import View
from samples import samples

LOADED = 256
EDGE_ORDER = """
skin l_brow r_brow l_eye r_eye l_ear r_ear nose u_lip mouth l_lip eye_g hair
"""


def pillow(path: Path, mode: str, size: int = LOADED) -> np.ndarray:
    resample = Image.Resampling.BILINEAR if mode == "RGB" else Image.Resampling.NEAREST
    return np.array(Image.open(path).convert(mode).resize((size, size), resample))


def test_real_masks() -> None:
    root = samples("samples/celebahq")
    source = CelebAMaskSource(root)
    assert len(source) == 8
    assert source.split is not None
    held = [source.names[i] for i in source.split.test]
    assert held == ["25807.jpg", "26969.jpg", "29883.jpg", "29922.jpg"]
    found = source.references(train=False)
    assert found is not None and found.path.name == "celebahq_ref_test.txt" and found.partial
    for i, name in enumerate(source.names):
        picture = source.load(i)
        condition = picture.condition(View.whole((LOADED, LOADED)))
        path = root / ANNOTATIONS / "all_parts_except_glasses" / f"{int(name[:-4]):05d}.png"
        np.testing.assert_array_equal(condition.regions, pillow(path, "L"))
        assert condition.channels is None
        np.testing.assert_array_equal(
            picture.image(View.whole((LOADED, LOADED))),
            pillow(root / "CelebA-HQ-img" / name, "RGB"),
        )
        for side, eye in (("l_eye", 5), ("r_eye", 6)):
            mask = pillow(part_file(root, int(name[:-4]), side), "L") == 255
            np.testing.assert_array_equal(condition.regions == eye, mask)


def test_real_masks_at_the_size_that_training_loads() -> None:
    root = samples("samples/celebahq")
    source = CelebAMaskSource(root)
    path = root / ANNOTATIONS / "all_parts_except_glasses" / f"{int(source.names[0][:-4]):05d}.png"
    ids = source.load(0).condition(View.whole((286, 286))).regions.numpy()
    differs = ids != pillow(path, "L", 286)
    # There a pixel's centre lies on the border of two pixels of the map, and Pillow rounds down.
    differs[71], differs[:, 71] = False, False
    assert not differs.any()


def test_real_part_masks_as_maps() -> None:
    root = samples("samples/celebahqedge")
    source = CelebAMaskSource(root)
    for i, name in enumerate(source.names):
        condition = source.load(i).condition(View.whole((LOADED, LOADED)))
        ids = np.zeros((LOADED, LOADED), dtype=np.int64)
        for k, part in enumerate(ON_DISK, start=1):
            path = part_file(root, int(name[:-4]), part)
            if path.exists() and part != "eye_g":
                ids[pillow(path, "L") == 255] = k
        np.testing.assert_array_equal(condition.regions, ids)


def test_real_edges() -> None:
    root = samples("samples/celebahqedge")
    source = CelebAEdgeSource(root)
    assert len(source) == 8
    order = EDGE_ORDER.split()
    missing = 0
    for i, name in list(enumerate(source.names))[:3]:
        condition = source.load(i).condition(View.whole((LOADED, LOADED)))
        assert condition.channels is not None
        ours = condition.channels.numpy()
        keep, drawn = (np.full((LOADED, LOADED), value) for value in (True, False))
        for channel, part in enumerate(order, start=1):
            path = part_file(root, int(name[:-4]), part)
            if not path.exists():
                missing += 1
                assert (ours[channel] == 1).all()
                continue
            mask = np.pad(pillow(path, "L"), 1, mode="edge").astype(int)
            inner = mask[1:-1, 1:-1]
            around = (mask[:-2, 1:-1], mask[2:, 1:-1], mask[1:-1, :-2], mask[1:-1, 2:])
            edges = np.any([inner != other for other in around], axis=0)
            drawn |= edges
            keep[inner == 255] = part == "hair"
            every = np.argwhere(np.ones_like(edges))
            distance = cKDTree(np.argwhere(edges)).query(every, p=1)[0].reshape(edges.shape)
            stored = np.clip(distance / 3, 0, 255).astype(np.uint8)
            np.testing.assert_array_equal(ours[channel], stored.astype(np.float32) / 255)
        grey = np.array(
            Image.open(root / "CelebA-HQ-img" / name)
            .resize((LOADED, LOADED), Image.Resampling.BILINEAR)
            .convert("L")
        )
        np.testing.assert_array_equal(ours[0], drawn | (feature.canny(grey) & keep))
        np.testing.assert_array_equal(ours[-1], drawn)
        assert (ours[0] > ours[-1]).any()
    assert missing > 0


def test_real_maskgan_maps() -> None:
    source = MergedFaceSource(samples("samples/celebamask_maskgan"))
    assert source.names == ("0.jpg", "1.jpg", "2.jpg", "3.jpg")
    rows, columns = np.mgrid[0:128, 0:128]
    for i in range(4):
        ids = source.load(i).condition(View.whole((128, 128))).regions.numpy()
        there = [name for name in FACE_CLASSES if (ids == FACE_CLASSES.index(name)).any()]
        assert {"skin", "hair", "nose", "u_lip", "l_lip", "neck"} <= set(there)
        height = {n: float(rows[ids == FACE_CLASSES.index(n)].mean()) for n in there}
        across = {n: float(columns[ids == FACE_CLASSES.index(n)].mean()) for n in there}
        assert height["nose"] < height["u_lip"] < height["l_lip"] < height["neck"]
        for side in ("eye", "brow"):
            if f"l_{side}" in there and f"r_{side}" in there:
                # The person's left is on the right.
                assert across[f"r_{side}"] < across["nose"] < across[f"l_{side}"]
                assert height[f"l_{side}"] < height["nose"]


def test_regions_of_real_edges_are_the_painted_parts() -> None:
    source = CelebAEdgeSource(samples("samples/celebahqedge"))
    picture = source.load(0)
    view = View.draw((64, 64), np.random.default_rng(2), flip=False)
    regions = picture.condition(view).regions.numpy()
    np.testing.assert_array_equal(regions, view.labels(paint_parts(picture.parts)))
    assert len(np.unique(regions)) > 8
