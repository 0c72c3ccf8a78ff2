from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rabit.data.edges import CannyPicture, LinePicture
from rabit.data.images import read_image
from rabit.data.joints import Joints
from rabit.data.pose import PosePicture
from rabit.data.semantic import SemanticPicture
from rabit.data.shards.members import (
    META,
    STORED,
    NamedPicture,
    decode_picture,
    encode_picture,
)
from shard_pictures import assert_same

FACES: dict[str, Any] = STORED
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
IDS = RNG.integers(0, 19, (6, 9))
MASK = RNG.integers(0, 2, (6, 9)).astype(bool)
PLACES = RNG.uniform(0, 6, (18, 2))
PLACES[3] = np.nan
JOINTS = Joints(PLACES, np.arange(18) != 3)
PICTURES: dict[str, Any] = {
    "8-bit ids": SemanticPicture(PIXELS, IDS),
    "16-bit ids": SemanticPicture(PIXELS, IDS * 1000),
    "ids beyond 24 bits": SemanticPicture(PIXELS, IDS << 30),
    "an unknown id": SemanticPicture(PIXELS, IDS - 1),
    "face": FACES["face"](PIXELS, RNG.integers(0, 19, (12, 18)), None),
    "face with glasses": FACES["face"](PIXELS, IDS, MASK),
    "parts of a face": FACES["face-edges"](PIXELS, RNG.integers(0, 2**19, (12, 18))),
    "no part": FACES["face-edges"](PIXELS, np.zeros((12, 18), np.int64)),
    "lines": LinePicture(PIXELS, MASK),
    "canny": CannyPicture(PIXELS),
    "pose": PosePicture(PIXELS, JOINTS),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES.keys())
def test_every_picture_comes_back_exactly(picture: Any) -> None:
    members = encode_picture(NamedPicture("a/b.c.jpg", picture), None)
    back = decode_picture(members, "shard")
    assert back.name == "a/b.c.jpg"
    assert_same(picture, back.picture)


def test_every_stored_type_is_tried() -> None:
    assert {type(picture) for picture in PICTURES.values()} | {Joints} == set(STORED.values())


def test_maps_are_pictures_that_other_programs_read() -> None:
    members = encode_picture(NamedPicture("a", PICTURES["8-bit ids"]), None)
    assert set(members) == {META, "png", "labels.png"}
    with Image.open(io.BytesIO(members["labels.png"])) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), IDS)


def test_parts_of_a_face_take_no_more_than_a_byte_per_eight_parts() -> None:
    parts = np.zeros((256, 256), np.int64)
    parts[64:192, 64:192] = 1 << 17
    members = encode_picture(NamedPicture("a", FACES["face-edges"](PIXELS, parts)), None)
    assert len(members["parts.png"]) < 2000


@pytest.mark.parametrize("suffix, kept", [("jpg", True), ("png", False), ("xyz", False)])
def test_a_photograph_keeps_its_bytes_where_they_give_its_pixels(
    tmp_path: Path, suffix: str, kept: bool
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path, format="JPEG")
    pixels = read_image(path)
    members = encode_picture(NamedPicture("a", CannyPicture(pixels)), path)
    assert (members.get("jpg") == path.read_bytes()) is kept
    assert_same(CannyPicture(pixels), decode_picture(members, "shard").picture)


def test_a_photograph_that_a_source_has_changed_is_stored_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    members = encode_picture(NamedPicture("a", CannyPicture(PIXELS[::-1].copy())), path)
    assert_same(CannyPicture(PIXELS[::-1]), decode_picture(members, "shard").picture)


def test_a_turned_photograph_comes_back_upright(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(path, exif=exif)
    pixels = read_image(path)
    assert pixels.shape == (9, 6, 3)
    members = encode_picture(NamedPicture("a", CannyPicture(pixels)), path)
    assert members["jpg"] == path.read_bytes()
    assert_same(CannyPicture(pixels), decode_picture(members, "shard").picture)


def test_what_cannot_be_stored_is_refused() -> None:
    with pytest.raises(TypeError, match=r"pixels: a list cannot be stored"):
        encode_picture(NamedPicture("a", CannyPicture([1])), None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"picture: a object cannot be stored"):
        encode_picture(NamedPicture("a", object()), None)  # type: ignore[arg-type]


# Members that no program of ours wrote


def _meta(change: dict[str, Any]) -> dict[str, bytes]:
    members = encode_picture(NamedPicture("a", PICTURES["face with glasses"]), None)
    meta = json.loads(members[META])
    meta["picture"]["fields"]["labels"].update(change)
    return {**members, META: json.dumps(meta).encode()}


@pytest.mark.parametrize(
    "change",
    [
        {"member": "other.png"},
        {"member": 3},
        {"coding": "array"},
        {"coding": "none"},
        {"dtype": "object"},
        {"dtype": "no"},
        {"dtype": "float32"},
        {"dtype": "S100000"},
        {"shape": [10**40]},
        {"shape": [3, 3]},
        {"shape": "no"},
    ],
)
def test_a_wrong_description_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^some\.tar: key 7: its members are no picture"):
        decode_picture(_meta(change), "some.tar: key 7")


@pytest.mark.parametrize(
    "picture",
    [
        {"type": "pathlib.Path", "fields": {}},
        {"type": "semantic", "fields": {}},
        {"type": "semantic", "fields": {"pixels": None, "labels": None}},
        {"type": "semantic", "fields": {"pixels": 1, "labels": 2, "more": 3}},
        {"type": ["semantic"], "fields": {}},
        {"type": "joints", "fields": {"places": None, "seen": None}},
        "text",
        None,
        [],
        {},
    ],
)
def test_a_picture_of_no_known_type_is_refused(picture: Any) -> None:
    with pytest.raises(ValueError, match="no picture"):
        decode_picture({META: json.dumps({"name": "a", "picture": picture}).encode()}, "here")


@pytest.mark.parametrize(
    "meta",
    [
        b"[" * 200_000,
        b'{"name": "a", "picture": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"name": "a", "picture": '
        + b'{"type":"semantic","fields":{"a":' * 450
        + b"1"
        + b"}}" * 450,
    ],
    ids=["no end", "lists", "pictures"],
)
def test_deep_descriptions_are_refused(meta: bytes) -> None:
    with pytest.raises(ValueError, match=r"^some\.tar: key 7: its members are no picture"):
        decode_picture({META: meta}, "some.tar: key 7")


def _npy(header: str, values: bytes = b"") -> bytes:
    return (
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + f"{header}\n".encode() + values
    )


@pytest.mark.parametrize(
    "data, found",
    [
        (_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}"), ""),
        (
            _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
            "holds 0 bytes of values, but its header says 8000000000000",
        ),
        (
            _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (36,)}", bytes(8 * 36 - 1)),
            "holds 287 bytes of values, but its header says 288",
        ),
        (_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-6, -6)}", bytes(288)), ""),
        (_npy("{'descr': 'O', 'fortran_order': False, 'shape': (36,)}", bytes(288)), ""),
        (_npy("{'a': ("), ""),
        (_npy("[" * 9000), ""),
        (_npy("-" * 9000 + "1"), ""),
        (b"PK\x03\x04", ""),
        (b"", ""),
    ],
)
def test_wrong_numpy_files_are_refused(data: bytes, found: str) -> None:
    members = encode_picture(NamedPicture("a", PICTURES["pose"]), None)
    assert "joints.places.npy" in members
    with pytest.raises(
        ValueError, match=rf"^some\.tar: key 7: its members are no picture.*{found}"
    ):
        decode_picture({**members, "joints.places.npy": data}, "some.tar: key 7")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from([META, "png", "labels.png"]),
    data=st.binary(max_size=60),
    cut=st.integers(0, 80),
)
def test_any_bytes_give_an_error_or_a_picture(name: str, data: bytes, cut: int) -> None:
    members = encode_picture(NamedPicture("a", PICTURES["8-bit ids"]), None)
    changed = {**members, name: members[name][:cut] + data}
    try:
        decode_picture(changed, "here")
    except ValueError as error:
        assert str(error).startswith("here: ")
