"""Every kind of input that users hand in, and what they are told when it does not fit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rabit.config import ConditionConfig
from rabit.data.decoding import MAX_PIXELS
from rabit.data.edges import EDGE_CHANNELS
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS
from rabit.data.images import read_image, to_image
from rabit.functional.condition import Condition
from rabit.inputs import condition_batch, image_batch, layout_batch

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
IDS = RNG.integers(0, 3, (4, 6), dtype=np.uint8)
SEMANTIC = ConditionConfig("semantic", ("sky", "tree", "grass"))
EDGE = ConditionConfig("edge", ("edge", "distance"))
TENSOR = torch.from_numpy(PIXELS).permute(2, 0, 1)


def saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def opened(path: Path) -> Image.Image:
    """A Pillow image that is not decoded yet; its file needs no closing."""
    return Image.open(io.BytesIO(path.read_bytes()))


# Photographs


def test_every_way_to_give_a_photograph_gives_the_same(tmp_path: Path) -> None:
    expected = TENSOR.float()[None] / 127.5 - 1
    path = saved(Image.fromarray(PIXELS), tmp_path / "a.png")
    ways: list[Any] = [path, str(path), opened(path), Image.fromarray(PIXELS), PIXELS]
    ways += [PIXELS[None], TENSOR, TENSOR[None], expected, expected[0], expected.double()]
    for way in [*ways, *([way] for way in ways), tuple(ways[:1])]:
        batch = image_batch(way, "exemplar")
        assert batch.dtype == torch.float32
        torch.testing.assert_close(batch, expected, rtol=0, atol=0)
    assert image_batch([PIXELS, path, np.stack([PIXELS] * 2)], "exemplar").shape == (4, 3, 4, 6)


def test_photographs_share_no_memory_and_no_graph_with_what_was_given() -> None:
    given = torch.zeros(1, 3, 2, 2, requires_grad=True)
    batch = image_batch(given, "exemplar")
    assert not batch.requires_grad
    batch.fill_(1)
    assert float(given.detach().abs().max()) == 0
    pixels = PIXELS[::-1]
    pixels.flags.writeable = False
    np.testing.assert_array_equal(to_image(image_batch(pixels, "exemplar")[0]), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_pillow_images_are_read_as_their_files_are(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(RNG.integers(0, 65_536, (4, 6)).astype(np.uint16))
    elif mode == "RGBA":
        image = Image.fromarray(RNG.integers(0, 256, (4, 6, 4), dtype=np.uint8))
    else:
        image = Image.fromarray(PIXELS).convert(mode)
    assert image.mode == mode
    path = saved(image, tmp_path / ("a.tif" if mode == "CMYK" else "a.png"))
    for given in (image, opened(path)):
        np.testing.assert_array_equal(to_image(image_batch(given, "x")[0]), read_image(path))


def test_a_pillow_image_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path, exif=exif)
    batch = image_batch(opened(path), "x")
    np.testing.assert_array_equal(to_image(batch[0]), np.rot90(PIXELS, -1))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (PIXELS.astype(np.float32), "float32"),
        (PIXELS.astype(np.int64), "int64"),
        (PIXELS[..., :2], r"\(4, 6, 2\)"),
        (PIXELS[..., 0], r"\(4, 6\)"),
        (PIXELS[None, None], "expected"),
        (np.zeros((0, 4, 3), np.uint8), "pixels"),
        (np.zeros((0, 4, 4, 3), np.uint8), "empty"),
        (TENSOR.long(), "int64"),
        (TENSOR.bool(), "bool"),
        (TENSOR.to(torch.complex64), "complex64"),
        (TENSOR.float(), "values from .*expected floats"),
        (TENSOR[:2], r"\(2, 4, 6\)"),
        (torch.full((3, 4, 4), float("nan")), "NaN"),
        (torch.full((3, 4, 4), -float("inf")), "infinite"),
        (torch.zeros(3, 0, 4), "pixels"),
        (torch.zeros(0, 3, 4, 4), "empty"),
        ([], "empty"),
        ([[]], "empty"),
        ([PIXELS, PIXELS[:2]], "2x6, 4x6"),
        (None, "NoneType"),
        (3, "int"),
        (Image.new("RGB", (0, 3)), "pixels"),
        (Image.new("F", (2, 3)), "mode F"),
        (np.broadcast_to(np.uint8(0), (30_000, 30_000, 3)), "30000×30000"),
        (torch.zeros(1, 1, 1).expand(3, 30_000, 30_000), "30000×30000"),
    ],
)
def test_wrong_photographs_are_named(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"exemplar.*{words}"):
        image_batch(given, "exemplar")


def test_the_item_of_a_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"exemplar\[1\]"):
        image_batch([PIXELS, PIXELS[..., 0]], "exemplar")
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        image_batch([PIXELS, tmp_path / "missing.png"], "exemplar")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    whole = saved(Image.fromarray(PIXELS), tmp_path / "a.png").read_bytes()
    for name, data in (("text.png", b"no image"), ("cut.png", whole[:60]), ("empty.png", b"")):
        (tmp_path / name).write_bytes(data)
        for read in (image_batch, lambda given, name: layout_batch(given, SEMANTIC, name)):
            with pytest.raises(ValueError, match=name):
                read(tmp_path / name, "exemplar")
    with pytest.raises(ValueError, match="exemplar.*cannot be read"):
        image_batch(opened(tmp_path / "cut.png"), "exemplar")


def test_a_huge_pillow_image_is_refused_before_decoding(tmp_path: Path) -> None:
    # One bit a pixel: a small file whose pixels would be gigabytes.
    path = saved(Image.new("1", (30_000, 2_200)), tmp_path / "huge.png")
    assert MAX_PIXELS < 30_000 * 2_200
    image = opened(path)
    for read in (image_batch, lambda given, name: layout_batch(given, SEMANTIC, name)):
        with pytest.raises(ValueError, match="condition: 30000×2200"):
            read(image, "condition")
        with pytest.raises(ValueError, match=r"huge\.png: 30000×2200"):
            read(path, "condition")


# Semantic maps


def test_every_way_to_give_a_map_gives_the_same(tmp_path: Path) -> None:
    palette = Image.fromarray(IDS).convert("P")
    path = saved(Image.fromarray(IDS), tmp_path / "a.png")
    condition = Condition.from_labels(torch.from_numpy(IDS)[None], 3)
    ways: list[Any] = [path, str(path), opened(path), palette, condition]
    ways += [
        Image.fromarray(np.repeat(IDS[..., None], 3, 2)),
        Image.fromarray(IDS.astype(np.int32)),
    ]
    kinds = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", ">u2", ">i8"]
    arrays = [IDS.astype(kind) for kind in kinds]
    ways += [*arrays, arrays[0][None], arrays[0][::-1][::-1]]
    kinds_of_tensors = [torch.uint8, torch.int16, torch.int32, torch.int64, torch.uint16]
    ways += [torch.from_numpy(IDS).to(kind) for kind in kinds_of_tensors]
    for way in [*ways, *([way] for way in ways)]:
        read = condition_batch(way, SEMANTIC, "condition")
        assert read.channels.dtype == torch.float32
        assert torch.equal(read.channels, condition.channels)
        assert torch.equal(read.regions, condition.regions)
    mixed = condition_batch([path, condition, IDS], SEMANTIC, "condition")
    assert torch.equal(mixed.channels, condition.channels.expand(3, -1, -1, -1))


def test_a_boolean_map_has_the_classes_0_and_1() -> None:
    for given in (IDS > 0, torch.from_numpy(IDS > 0), Image.fromarray(IDS > 0)):
        read = condition_batch(given, SEMANTIC, "condition")
        np.testing.assert_array_equal(read.regions[0].numpy(), (IDS > 0).astype(int))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (IDS + 1, "ids 3 in a label map of 3 classes"),
        (IDS.astype(np.int64) - 1, "ids -1 "),
        (IDS.astype(np.uint64) + 2**63, f"ids {2**63}"),
        (IDS.astype(np.uint16) + 60_000, "ids 60000, 60001"),
        (torch.from_numpy(IDS.astype(np.int64)) + 2**40, f"ids {2**40}"),
        (torch.full((2, 5), 2**63 + 1, dtype=torch.uint64), f"ids {2**63 + 1}"),
        (Image.fromarray(IDS + 250), "ids 250"),
        (IDS.astype(np.float32), "float32.*semantic"),
        (torch.from_numpy(IDS).float(), "float32.*semantic"),
        (torch.rand(2, 4, 6), "semantic maps"),
        (IDS.astype(object), "object"),
        (IDS.astype(str), "semantic maps"),
        (PIXELS, "picture"),
        (IDS[..., None], r"axis for its colour; give it without: labels\[..., 0\]"),
        (np.eye(3, dtype=np.uint8)[IDS].transpose(2, 0, 1), r"one map a class.*argmax\(0\)"),
        (Image.fromarray(PIXELS), "colours"),
        (Image.new("RGBA", (3, 3), (1, 1, 1, 9)), "transparency"),
        (IDS[0], r"\(6,\)"),
        (IDS[None, None], r"\(1, 1, 4, 6\)"),
        (np.zeros((0, 4), np.uint8), "pixels"),
        (np.zeros((0, 4, 6), np.uint8), "empty"),
        ([], "empty"),
        ([IDS, IDS[:2]], "2x6, 4x6"),
        (None, "NoneType"),
        ([[0, 1], [1, 0]], r"\[0\]\[0\] is a int"),
        (np.broadcast_to(np.uint8(0), (30_000, 30_000)), "30000×30000"),
        (Condition(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4).long()), r"\(1, 2, 4, 4\)"),
        (Condition(torch.rand(1, 3, 4, 4), torch.zeros(1, 4, 4).long()), "not 0 or 1"),
        (Condition(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4).long()), "without any class"),
        (Condition(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 5).long()), "regions"),
        (Condition(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4)), "regions"),
        (Condition(torch.zeros(0, 3, 4, 4), torch.zeros(0, 4, 4).long()), "empty"),
    ],
)
def test_wrong_maps_are_named(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"^condition.*{words}"):
        layout_batch(given, SEMANTIC, "condition")


def test_ids_beyond_the_classes_name_file_id_and_count(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.full((2, 2), 7, np.uint8)), tmp_path / "map.png")
    with pytest.raises(ValueError, match=r"map\.png: ids 7 in a label map of 3 classes"):
        layout_batch(path, SEMANTIC, "condition")


def test_a_map_saved_as_jpeg_is_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(IDS), tmp_path / "a.jpg")
    for given, name in ((path, r"a\.jpg"), (opened(path), "condition")):
        with pytest.raises(ValueError, match=f"{name}: a label map saved as JPEG"):
            layout_batch(given, SEMANTIC, "condition")


def test_maps_of_many_classes_are_not_spread_before_they_are_resized() -> None:
    many = ConditionConfig("semantic", tuple(map(str, range(1000))))
    layout = layout_batch(np.zeros((2000, 2000), np.uint16), many, "condition")
    assert layout.channels is None
    assert layout.resize((4, 4)).condition().channels.shape == (1, 1000, 4, 4)


# Edges and poses


def test_channels_are_taken_as_they_are() -> None:
    channels = torch.rand(2, 2, 4, 6)
    for given in (channels, channels.double(), channels.numpy(), list(channels)):
        read = condition_batch(given, EDGE, "condition")
        torch.testing.assert_close(read.channels, channels)
        assert torch.equal(read.regions, torch.zeros(2, 4, 6).long())
    assert len(layout_batch(channels[0], EDGE, "condition")) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (IDS, "edge conditions"),
        (Image.fromarray(IDS), "edge conditions"),
        (torch.zeros(2, 4, 6, dtype=torch.long), "edge conditions"),
        (torch.rand(3, 4, 6), r"expected \(2, H, W\)"),
        (torch.rand(4, 6), r"expected \(2, H, W\)"),
        (torch.full((2, 4, 6), float("nan")), "NaN"),
        (torch.full((2, 4, 6), 9.0), "from 9 to 9"),
        (torch.zeros(2, 0, 6), "pixels"),
        (torch.zeros(0, 2, 4, 6), "empty"),
    ],
)
def test_wrong_channels_are_named(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"condition.*{words}"):
        layout_batch(given, EDGE, "condition")


def test_a_drawing_in_memory_is_read_as_its_file_is(tmp_path: Path) -> None:
    config = ConditionConfig("edge", EDGE_CHANNELS)
    lines = np.zeros((40, 50), bool)
    lines[10, 5:30] = lines[20:35, 40] = True
    grey = np.where(lines, 0, 255).astype(np.uint8)
    read = condition_batch(saved(Image.fromarray(grey), tmp_path / "a.png"), config, "condition")
    assert torch.equal(read.channels[0, 0], torch.from_numpy(lines).float())
    drawn: list[Any] = [Image.fromarray(grey), grey, lines, np.repeat(grey[..., None], 3, 2)]
    for given in (*drawn, torch.from_numpy(lines)):
        found = layout_batch(given, config, "condition")
        assert torch.equal(found.condition().channels, read.channels)
        # Lines stay lines when they are made smaller.
        assert set(found.resize((20, 25)).condition().channels[0, 0].unique().tolist()) == {0, 1}
    assert len(layout_batch([grey, lines], config, "condition")) == 2
    most = condition_batch(~lines, config, "condition").channels[0, 0]
    assert torch.equal(most, torch.from_numpy(~lines).float())


def test_edges_are_found_in_a_photograph_in_memory(tmp_path: Path) -> None:
    config = ConditionConfig("edge", EDGE_CHANNELS)
    photograph = np.full((40, 50, 3), 90, np.uint8)
    photograph[10:30, 10:30] = 250
    path = saved(Image.fromarray(photograph), tmp_path / "a.png")
    read = condition_batch(path, config, "condition")
    assert 0 < float(read.channels[:, 0].mean()) < 0.3
    for given in (photograph, Image.fromarray(photograph)):
        assert torch.equal(condition_batch(given, config, "condition").channels, read.channels)


def test_edges_of_a_face_are_those_of_its_map(tmp_path: Path) -> None:
    config = ConditionConfig("edge", FACE_EDGE_CHANNELS)
    ids = np.zeros((32, 32), np.uint8)
    ids[8:24, 8:24], ids[12:14, 11:14] = 1, FACE_CLASSES.index("l_eye")
    read = condition_batch(saved(Image.fromarray(ids), tmp_path / "a.png"), config, "condition")
    for given in (ids, Image.fromarray(ids), torch.from_numpy(ids)):
        found = condition_batch(given, config, "condition")
        assert torch.equal(found.channels, read.channels)
        assert torch.equal(found.regions, read.regions)
    with pytest.raises(ValueError, match="condition: ids 99, .* in a label map of 19 classes"):
        condition_batch(ids + 99, config, "condition")


def test_floats_that_seem_to_be_in_another_range_are_told() -> None:
    with pytest.warns(UserWarning, match=r"exemplar has floats from 0 to 1.*give 2 \* x - 1"):
        image_batch(torch.linspace(0, 1, 48).view(3, 4, 4), "exemplar")
    image_batch(torch.zeros(3, 4, 4), "exemplar")
