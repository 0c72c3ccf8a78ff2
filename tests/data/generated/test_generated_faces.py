from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from rabit.data.faces import FACE_CLASSES
from rabit.data.generated.faces import (
    Face,
    FaceLayout,
    generate_face,
    render_face,
    sample_face_layout,
    sample_face_style,
)
from rabit.data.generated.painting import FINER

SIZE = (96, 96)


def centre(face: Face, name: str) -> tuple[float, float]:
    rows, columns = np.nonzero(face.parts == FACE_CLASSES.index(name))
    return float(columns.mean()), float(rows.mean())


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    return [generate_face(7, index, SIZE) for index in range(40)]


def test_a_face_depends_on_seed_index_and_size_alone() -> None:
    first, again = generate_face(3, 5, SIZE), generate_face(3, 5, SIZE)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.parts, again.parts)
    assert np.array_equal(first.glasses, again.glasses)
    for other in (generate_face(4, 5, SIZE), generate_face(3, 6, SIZE)):
        assert not np.array_equal(first.image, other.image)
        assert not np.array_equal(first.parts, other.parts)


@given(height=st.integers(64, 150), width=st.integers(64, 150), index=st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_any_size_gives_a_face(height: int, width: int, index: int) -> None:
    face = generate_face(0, index, (height, width))
    assert face.image.shape == (height, width, 3) and face.image.dtype == np.uint8
    assert face.parts.shape == face.glasses.shape == (height, width)
    assert face.parts.max() < len(FACE_CLASSES)
    # Background, skin, nose and neck; in a small picture the neck may end at its lower border.
    assert {0, 1, 9, 13} <= set(np.unique(face.parts).tolist())


def test_every_part_is_seen_and_optional_ones_are_sometimes_absent(faces: list[Face]) -> None:
    share = {
        name: np.mean([(face.parts == number).any() for face in faces])
        for number, name in enumerate(FACE_CLASSES)
    }
    share["glasses"] = np.mean([face.glasses.any() for face in faces])
    assert all(part > 0 for part in share.values()), share
    for name in ("hat", "glasses", "earring", "necklace", "mouth"):
        assert share[name] < 0.8, (name, share[name])
    for name in ("skin", "nose", "u_lip", "l_lip", "neck", "cloth", "hair"):
        assert share[name] > 0.95, (name, share[name])


def test_glasses_are_no_part_of_the_map(faces: list[Face]) -> None:
    for face in faces:
        assert not (face.parts == FACE_CLASSES.index("glasses")).any()


def test_what_is_in_the_face_lies_on_the_filled_head(faces: list[Face]) -> None:
    inner = ("l_eye", "r_eye", "nose", "u_lip", "mouth", "l_lip")
    on_head = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15)
    for face in faces:
        head = ndimage.binary_fill_holes(np.isin(face.parts, on_head))
        skin = ndimage.binary_dilation(face.parts == 1, iterations=SIZE[0] // 6)
        for name in inner:
            part = face.parts == FACE_CLASSES.index(name)
            assert head[part].all(), name
            assert skin[part].all(), name


def test_features_are_where_faces_have_them_left_and_right_the_persons_own(
    faces: list[Face],
) -> None:
    for face in faces:
        numbers = np.unique(face.parts)
        if {5, 6} <= set(numbers.tolist()):
            assert centre(face, "l_eye")[0] > centre(face, "r_eye")[0]
            eyes = (centre(face, "l_eye")[1] + centre(face, "r_eye")[1]) / 2
            assert eyes < centre(face, "nose")[1] < centre(face, "l_lip")[1]
        assert centre(face, "u_lip")[1] < centre(face, "l_lip")[1] < centre(face, "cloth")[1]
        assert centre(face, "neck")[1] > centre(face, "nose")[1]


def test_a_style_gives_the_look_and_a_layout_the_places() -> None:
    def layout(seed: int) -> FaceLayout:
        return sample_face_layout(np.random.default_rng(seed), SIZE)

    one, other = layout(0), layout(1)
    style, second = (sample_face_style(np.random.default_rng(seed)) for seed in (2, 3))
    same_layout = np.abs(
        render_face(one, style).astype(int) - render_face(one, second).astype(int)
    ).mean()
    assert same_layout > 15  # another look, of everything
    skin = FACE_CLASSES.index("skin")
    colours = [
        render_face(face, look)[face.parts[1::FINER, 1::FINER] == skin].mean(axis=0)
        for face, look in ((one, style), (other, style), (one, second))
    ]
    across_layouts = np.abs(colours[0] - colours[1]).max()
    across_styles = np.abs(colours[0] - colours[2]).max()
    assert across_layouts < across_styles / 2


def test_looks_differ_between_faces(faces: list[Face]) -> None:
    skins = np.stack([face.image[face.parts == 1].mean(axis=0) for face in faces])
    walls = np.stack([face.image[face.parts == 0].mean(axis=0) for face in faces])
    assert skins.std(axis=0).min() > 20
    assert walls.std(axis=0).min() > 20


@pytest.mark.parametrize("size", [(63, 64), (64, 10), (0, 0)])
def test_too_small_a_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="size"):
        generate_face(0, 0, size)


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="seed -1"):
        generate_face(-1, 0, SIZE)
    with pytest.raises(ValueError, match="face -2"):
        generate_face(0, -2, SIZE)
