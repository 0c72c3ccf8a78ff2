from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage import feature

from rabit.data.batch import collate
from rabit.data.corpus import make_sample
from rabit.data.edges import canny
from rabit.data.faces import (
    EDGE_PARTS,
    FACE_CLASSES,
    FACE_EDGE_CHANNELS,
    GLASSES,
    FaceEdgePicture,
    FacePicture,
    face_edge_channels,
    paint_parts,
    part_edges,
    part_mask,
    parts_of_map,
)
from rabit.data.transforms import View

ID = {name: i for i, name in enumerate(FACE_CLASSES)}
ALL_PARTS = 2 ** len(FACE_CLASSES) - 2
SIZE = (11, 13)
PARTS = arrays(np.int64, SIZE, elements=st.integers(0, ALL_PARTS // 2).map(lambda bits: 2 * bits))
SIDED = [("l_brow", "r_brow"), ("l_eye", "r_eye"), ("l_ear", "r_ear")]


# As the public channels have them.
EDGE_ORDER = """
skin l_brow r_brow l_eye r_eye l_ear r_ear nose u_lip mouth l_lip glasses hair
"""


def parts_of(**masks: np.ndarray) -> np.ndarray:
    return sum(mask.astype(np.int64) << ID[name] for name, mask in masks.items())  # type: ignore[return-value]


def box(top: int, left: int, bottom: int, right: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def noise(size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def exchange(parts: np.ndarray) -> np.ndarray:
    """Parts with left and right exchanged, mask by mask."""
    other = {**{a: b for a, b in SIDED}, **{b: a for a, b in SIDED}}
    return parts_of(**{other.get(name, name): part_mask(parts, name) for name in FACE_CLASSES[1:]})


def plain_channels(pixels: np.ndarray, masks: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The 15 channels written down pixel by pixel from their description, in 8 bits as stored."""
    height, width = pixels.shape[:2]
    order = EDGE_ORDER.split()
    keep = np.ones((height, width), dtype=bool)
    drawn = np.zeros((height, width), dtype=bool)
    distances = []
    for name in order:
        stored = np.full((height, width), 255, dtype=np.uint8)
        mask = masks.get(name)
        if mask is not None:
            places = []
            for y, x in np.ndindex(height, width):
                around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                inside = [(v, u) for v, u in around if 0 <= v < height and 0 <= u < width]
                if any(mask[at] != mask[y, x] for at in inside):
                    places.append((y, x))
                    drawn[y, x] = True
                if mask[y, x]:
                    keep[y, x] = name == "hair"
            for y, x in np.ndindex(height, width):
                for v, u in places:
                    stored[y, x] = min(stored[y, x], (abs(v - y) + abs(u - x)) // 3)
        distances.append(stored)
    photo = feature.canny(np.array(Image.fromarray(pixels).convert("L"))) & keep
    white = [(edges * 255).astype(np.uint8) for edges in (drawn | photo, drawn)]
    stored_channels = [white[0], *distances, white[1]]
    return [channel.astype(np.float32) / np.float32(255) for channel in stored_channels]


def test_names() -> None:
    assert len(FACE_CLASSES) == 19 and len(FACE_EDGE_CHANNELS) == 15
    assert set(EDGE_PARTS) < set(FACE_CLASSES)
    assert [ID[name] for name in ("skin", "hair", "l_brow", "glasses")] == [1, 2, 3, GLASSES]


def test_later_parts_are_painted_over_earlier_ones() -> None:
    parts = parts_of(
        necklace=box(0, 0, 1, 3), skin=box(0, 0, 1, 5), hair=box(0, 4, 1, 6), neck=box(0, 2, 1, 4)
    )
    assert paint_parts(parts)[0, :7].tolist() == [18, 18, 18, 13, 2, 2, 0]


@settings(max_examples=40, deadline=None)
@given(PARTS)
def test_painting_shows_the_highest_id(parts: np.ndarray) -> None:
    expected = [[int(p).bit_length() - 1 if p else 0 for p in row] for row in parts]
    assert paint_parts(parts).tolist() == expected


class TestFacePicture:
    skin_and_eye = parts_of(skin=box(1, 1, 10, 12), l_eye=box(3, 8, 5, 10))
    glasses = box(3, 7, 6, 11)

    def test_without_glasses_there_are_ids_only(self) -> None:
        condition = FacePicture.of_parts(noise(), self.skin_and_eye).condition(View.whole(SIZE))
        assert condition.channels is None
        np.testing.assert_array_equal(condition.regions, paint_parts(self.skin_and_eye))

    def test_glasses_are_a_channel_over_what_is_behind(self) -> None:
        parts = self.skin_and_eye | parts_of(glasses=self.glasses)
        condition = FacePicture.of_parts(noise(), parts).condition(View.whole(SIZE))
        behind = paint_parts(self.skin_and_eye)
        assert condition.channels is not None
        for i, channel in enumerate(condition.channels.numpy()):
            np.testing.assert_array_equal(channel, self.glasses if i == 16 else behind == i)
        np.testing.assert_array_equal(condition.regions, np.where(self.glasses, 16, behind))
        assert condition.channels[ID["l_eye"], 4, 9] == condition.channels[16, 4, 9] == 1

    def test_what_is_over_glasses_stays_when_they_are_taken_apart(self) -> None:
        parts = parts_of(glasses=box(0, 0, 2, 4), earring=box(0, 3, 2, 5))
        condition = FacePicture.of_parts(noise(), parts).condition(View.whole(SIZE))
        assert condition.channels is not None
        assert condition.channels[:, 0, 3].nonzero().flatten().tolist() == [16, 17]

    def test_glasses_outside_the_crop(self) -> None:
        parts = self.skin_and_eye | parts_of(glasses=self.glasses)
        view = View(scaled=SIZE, corner=(6, 0), size=(4, 4), flip=False)
        assert FacePicture.of_parts(noise(), parts).condition(view).channels is None

    def test_glasses_in_the_map_are_a_part(self) -> None:
        labels = np.where(self.glasses, GLASSES, 1).astype(np.int64)
        condition = FacePicture(noise(), labels).condition(View.whole(SIZE))
        assert condition.channels is None
        np.testing.assert_array_equal(condition.regions, labels)

    def test_the_left_eye_becomes_the_right_one(self) -> None:
        view = View(scaled=SIZE, corner=(0, 0), size=SIZE, flip=True)
        ids = FacePicture.of_parts(noise(), self.skin_and_eye).condition(view).regions.numpy()
        np.testing.assert_array_equal(ids == ID["r_eye"], box(3, 3, 5, 5))
        assert not (ids == ID["l_eye"]).any()

    @settings(max_examples=40, deadline=None)
    @given(PARTS)
    def test_a_mirrored_picture_mirrored_is_the_picture(self, parts: np.ndarray) -> None:
        view = View.whole(SIZE)
        mirror = View(view.scaled, view.corner, view.size, flip=True)
        picture = FacePicture.of_parts(noise(), parts)
        turned = FacePicture.of_parts(noise()[:, ::-1], exchange(parts)[:, ::-1])
        a, b = picture.condition(view), turned.condition(mirror)
        np.testing.assert_array_equal(picture.image(view), turned.image(mirror))
        # Painting puts right over left, so parts that overlap their counterpart may differ.
        clear = np.ones(SIZE, dtype=bool)
        for left, right in SIDED:
            clear &= ~(part_mask(parts, left) & part_mask(parts, right))
        np.testing.assert_array_equal(a.regions.numpy()[clear], b.regions.numpy()[clear])
        assert (a.channels is None) == (b.channels is None)
        if a.channels is not None and b.channels is not None:
            np.testing.assert_array_equal(
                a.channels.numpy()[:, clear], b.channels.numpy()[:, clear]
            )

    def test_photograph_and_map_have_their_own_sizes(self) -> None:
        picture = FacePicture.of_parts(noise((64, 64)), self.skin_and_eye)
        view = View(scaled=(22, 26), corner=(2, 2), size=(16, 20), flip=False)
        assert picture.image(view).shape == (16, 20, 3)
        doubled = np.kron(paint_parts(self.skin_and_eye), np.ones((2, 2), dtype=np.int64))
        np.testing.assert_array_equal(picture.condition(view).regions, doubled[2:18, 2:22])

    def test_faces_with_and_without_glasses_in_one_batch(self) -> None:
        view = View.whole(SIZE)
        plain = FacePicture.of_parts(noise(), self.skin_and_eye)
        glasses = FacePicture.of_parts(noise(), self.skin_and_eye | parts_of(glasses=self.glasses))
        samples = [
            make_sample(plain, view, glasses, view, False, "a"),
            make_sample(glasses, view, plain, view, False, "b"),
        ]
        batch = collate(samples, len(FACE_CLASSES))
        assert batch.condition.channels.shape == (2, 19, *SIZE)
        extra = batch.condition.channels.sum(dim=1) - 1
        np.testing.assert_array_equal(extra, np.stack([0 * self.glasses, self.glasses]))


def test_part_edges_lie_on_both_sides() -> None:
    edges = part_edges(box(1, 1, 3, 4, (5, 6)))
    assert edges.astype(int).tolist() == [
        [0, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_a_part_that_fills_the_picture_has_no_edges() -> None:
    assert not part_edges(np.ones((4, 4), dtype=bool)).any()


@settings(max_examples=15, deadline=None)
@given(PARTS, st.integers(0, 2**32 - 1), st.integers(0, ALL_PARTS))
def test_channels_equal_the_plain_ones(parts: np.ndarray, seed: int, some: int) -> None:
    pixels, parts = noise(seed=seed), parts & some
    masks = {name: part_mask(parts, name) for name in FACE_CLASSES[1:] if parts.any()}
    channels = face_edge_channels(pixels, parts)
    assert channels.dtype == np.float32
    assert channels.min() >= 0 and channels.max() <= 1
    for name, ours, plain in zip(
        FACE_EDGE_CHANNELS, channels, plain_channels(pixels, masks), strict=True
    ):
        np.testing.assert_array_equal(ours, plain, err_msg=name)


def test_missing_parts_are_one_everywhere() -> None:
    channels = face_edge_channels(noise(), parts_of(nose=box(4, 4, 7, 7)))
    for name, channel in zip(FACE_EDGE_CHANNELS, channels, strict=True):
        if name.endswith("_distance"):
            assert (channel == 1).all() == (name != "nose_distance"), name
    np.testing.assert_array_equal(channels[-1], part_edges(box(4, 4, 7, 7)))


def test_canny_is_kept_outside_of_the_face_and_in_the_hair() -> None:
    size = (48, 48)
    pixels = np.zeros((*size, 3), dtype=np.uint8)
    pixels[:, 8:16] = pixels[:, 24:32] = 255
    skin, hair = box(12, 0, 48, 48, size), box(30, 0, 48, 48, size)
    neck = box(0, 20, 12, 48, size)
    found = canny(pixels)
    channels = face_edge_channels(pixels, parts_of(skin=skin, hair=hair, neck=neck))
    drawn = part_edges(skin) | part_edges(hair)
    np.testing.assert_array_equal(channels[0], drawn | (found & ~(skin & ~hair)))
    np.testing.assert_array_equal(channels[-1], drawn)
    assert channels[0][20].sum() == 0
    assert channels[0][40].sum() == found[40].sum() > 0
    assert channels[0][5].sum() == found[5].sum() > 0


class TestFaceEdgePicture:
    size = (40, 40)
    parts = parts_of(
        skin=box(5, 5, 35, 35, (40, 40)),
        l_eye=box(10, 24, 14, 30, (40, 40)),
        r_eye=box(11, 9, 15, 16, (40, 40)),
        hat=box(0, 0, 9, 40, (40, 40)),
        glasses=box(9, 22, 16, 33, (40, 40)),
    )

    def test_edges_are_found_at_the_scaled_size_before_the_crop(self) -> None:
        pixels = noise((80, 80), seed=1)
        view = View(scaled=(20, 20), corner=(3, 2), size=(16, 16), flip=False)
        condition = FaceEdgePicture(pixels, self.parts).condition(view)
        scaled = np.array(Image.fromarray(pixels).resize((20, 20), Image.Resampling.BILINEAR))
        expected = face_edge_channels(scaled, self.parts[1::2, 1::2])
        assert condition.channels is not None
        np.testing.assert_array_equal(condition.channels, expected[:, 3:19, 2:18])
        painted = paint_parts(self.parts)[1::2, 1::2]
        np.testing.assert_array_equal(condition.regions, painted[3:19, 2:18])
        assert {1, 6, 15, 16} <= set(condition.regions.unique().tolist())

    def test_flip_exchanges_left_and_right(self) -> None:
        pixels = noise(self.size)
        picture = FaceEdgePicture(pixels, self.parts)
        view = View(scaled=(44, 44), corner=(1, 4), size=(40, 40), flip=False)
        mirror = View(view.scaled, view.corner, view.size, flip=True)
        seen, turned = picture.condition(view), picture.condition(mirror)
        assert seen.channels is not None and turned.channels is not None
        seen_by = dict(zip(FACE_EDGE_CHANNELS, seen.channels.flip(-1), strict=True))
        turned_by = dict(zip(FACE_EDGE_CHANNELS, turned.channels, strict=True))
        for left, right in SIDED:
            l_name, r_name = f"{left}_distance", f"{right}_distance"
            assert torch.equal(turned_by.pop(l_name), seen_by[r_name])
            assert torch.equal(turned_by.pop(r_name), seen_by[l_name])
        assert all(torch.equal(channel, seen_by[name]) for name, channel in turned_by.items())
        assert not torch.equal(seen_by["l_eye_distance"], seen_by["r_eye_distance"])
        where_left = (seen.regions == ID["r_eye"]).flip(-1)
        assert where_left.any() and torch.equal(turned.regions == ID["l_eye"], where_left)

    @settings(max_examples=25, deadline=None)
    @given(PARTS, st.integers(0, 2**32 - 1))
    def test_any_parts_in_any_view_are_a_valid_condition(
        self, parts: np.ndarray, seed: int
    ) -> None:
        picture = FaceEdgePicture(noise(seed=seed), parts)
        view = View.draw((16, 18), np.random.default_rng(seed))
        condition = picture.condition(view)
        assert condition.channels is not None
        assert condition.channels.shape == (15, 16, 18) and condition.regions.shape == (16, 18)
        assert condition.channels.dtype == torch.float32 and condition.regions.dtype == torch.int64
        assert condition.channels.min() >= 0 and condition.channels.max() <= 1
        assert condition.regions.min() >= 0 and condition.regions.max() <= 18
        sample = make_sample(picture, view, picture, view, True, "a")
        assert collate([sample], 15).condition.channels.shape == (1, 15, 16, 18)


@pytest.mark.parametrize("name", ["skin", "l_lip", "necklace"])
def test_part_mask(name: str) -> None:
    parts = parts_of(**{name: box(1, 1, 3, 3)}) | parts_of(hair=box(0, 0, 2, 2))
    np.testing.assert_array_equal(part_mask(parts, name), box(1, 1, 3, 3))


def test_parts_of_a_map_have_skin_below_what_lies_on_it() -> None:
    labels = np.array([[FACE_CLASSES.index(name) for name in ("skin", "l_eye", "hair", "glasses")]])
    parts = parts_of_map(labels)
    assert part_mask(parts, "skin").tolist() == [[True, True, False, True]]
    assert part_mask(parts, "l_eye").tolist() == [[False, True, False, False]]
    np.testing.assert_array_equal(paint_parts(parts), labels)
