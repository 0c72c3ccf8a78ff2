"""Translations and edits of every size, kind and number, with a network of a few channels."""

from __future__ import annotations

import copy
import pickle
import random
import subprocess
import sys
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import rabit
from rabit.config import ModelConfig
from rabit.data.images import to_image, to_tensor
from rabit.data.joints import Joints
from rabit.data.pose import write_joints_json
from rabit.data.scenes import CLASSES, Scenes
from rabit.fields import from_dict, to_dict
from rabit.functional.condition import Condition
from rabit.functional.draws import generator
from rabit.inference import Exemplar, Translation, Translator, exemplar_pixels, load
from rabit.model.network import build_network
from rabit.precision import has_bfloat16
from recipes import translator_of as translator_for
from tiny import tiny_batch, tiny_experiment

RNG = np.random.default_rng(0)
SCENES = Scenes(2, (64, 64), seed=1)
LABELS = RNG.integers(0, len(CLASSES), (64, 64), dtype=np.uint8)
PHOTO = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)


def translator_of(**changes: Any) -> Translator:
    config = tiny_experiment(64, **changes).model
    return Translator(build_network(config, seed=1), config)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return translator_of()


def edge_config(**changes: Any) -> ModelConfig:
    data = to_dict(tiny_experiment(64, **changes).model)
    data["condition"] = {"kind": "edge", "classes": ["edge", "distance"]}
    return from_dict(ModelConfig, data)


def maps(size: tuple[int, int], count: int = 1) -> np.ndarray:
    """Maps of blobs: noise of a few pixels, enlarged."""
    coarse = RNG.integers(0, len(CLASSES), (count, size[0] // 8 + 1, size[1] // 8 + 1))
    return coarse.repeat(8, 1).repeat(8, 2)[:, : size[0], : size[1]]


def check(result: Translation, size: tuple[int, int], count: int = 1) -> None:
    assert result.image.shape == result.warped.shape == (count, 3, *size)
    assert result.confidence.shape == (count, 1, *size)
    for values, low in ((result.image, -1), (result.warped, -1), (result.confidence, 0)):
        assert values.dtype == torch.float32 and not values.requires_grad
        assert bool(values.isfinite().all())
        assert float(values.min()) >= low - 1e-6 and float(values.max()) <= 1 + 1e-6


# Sizes


@pytest.mark.parametrize(
    "size", [(64, 64), (65, 97), (20, 300), (30, 30), (1, 1), (5, 2000), (2000, 5), (700, 500)]
)
def test_any_size_comes_back_at_its_size(translator: Translator, size: tuple[int, int]) -> None:
    result = translator.translate(maps(size), PHOTO, LABELS)
    check(result, size)
    assert result.correspondence is not None
    height, width = result.correspondence.size
    assert 4 * height * width <= 6 * 64 * 64


@pytest.mark.parametrize("size", [(1, 1), (30, 97), (3, 1500), (300, 400)])
@pytest.mark.parametrize("known", [True, False])
def test_an_exemplar_may_have_any_size(
    translator: Translator, size: tuple[int, int], known: bool
) -> None:
    photo = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    result = translator.translate(LABELS, photo, maps(size) if known else None)
    check(result, (64, 64))
    assert result.correspondence is not None
    height, width = result.correspondence.exemplar_size
    assert 4 * height * width <= 2 * 64 * 64


def test_a_size_that_fits_is_translated_as_it_is(translator: Translator) -> None:
    batch = tiny_batch(2)
    result = translator.translate(batch.condition, batch.exemplar, batch.exemplar_condition)
    with torch.no_grad():
        direct = translator.network(batch.condition, batch.exemplar, batch.exemplar_condition)
    assert torch.equal(result.image, direct.image)
    assert torch.equal(result.warped, direct.alignment.warped_exemplar)
    confidence = direct.alignment.confidence.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(result.confidence, confidence)


@pytest.mark.parametrize("method", ["ranking", "dense", "transport", "patchmatch", "none"])
def test_a_correspondence_at_a_quarter_translates_and_edits(method: str) -> None:
    other = translator_of(alignment__stride=4, alignment__method=method)
    batch = tiny_batch(2)
    result = other.translate(batch.condition, batch.exemplar, batch.exemplar_condition)
    with torch.no_grad():
        direct = other.network(batch.condition, batch.exemplar, batch.exemplar_condition)
    confidence = direct.alignment.confidence
    assert confidence.shape == (2, 1, 16, 16)
    if method != "patchmatch":  # which draws at random
        assert torch.equal(result.image, direct.image)
        confidence = confidence.repeat_interleave(4, 2).repeat_interleave(4, 3)
        assert torch.equal(result.confidence, confidence)
    for size, known in (((30, 97), None), ((1, 1), None), ((64, 80), LABELS)):
        check(other.translate(maps(size), PHOTO, known), size)
    check(other.translate(LABELS, PHOTO[:5, :30]), (64, 64))
    check(other.edit(PHOTO, LABELS, LABELS[::-1].copy()), (64, 64))


def test_matches_at_a_quarter_are_the_centres_of_places() -> None:
    other = translator_of(alignment__stride=4)
    result = other.translate(LABELS, PHOTO, LABELS)
    assert result.matches is not None and result.correspondence is not None
    assert result.correspondence.size == result.correspondence.exemplar_size == (16, 16)
    places = result.correspondence.matches()
    expected = (4 * places + 1.5).repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert torch.equal(result.matches, expected)


def test_padding_keeps_what_it_surrounds(translator: Translator) -> None:
    """64x60 is padded to 64x64 by its last column: the same as a map that has it already."""
    whole = maps((64, 64))
    whole[..., 60:] = whole[..., 59:60]
    padded = translator.translate(whole[..., :60], PHOTO, LABELS)
    full = translator.translate(whole, PHOTO, LABELS)
    assert torch.equal(padded.image, full.image[..., :60])
    assert torch.equal(padded.confidence, full.confidence[..., :60])


@pytest.mark.parametrize("changes", [{"alignment__method": "dense"}, {"alignment__method": "none"}])
def test_other_methods_translate(changes: dict[str, Any]) -> None:
    other = translator_of(**changes)
    result = other.translate(maps((300, 200)), PHOTO, LABELS)
    check(result, (300, 200))
    if result.correspondence is None:
        assert bool((result.confidence == 1).all())
    else:  # all pairs are compared: no more of them than in training
        assert result.correspondence.size[0] * result.correspondence.size[1] <= 1.5 * 32 * 32


def test_small_exemplars_have_the_blocks_that_are_retrieved() -> None:
    check(translator_of(alignment__k=250).translate(maps((9, 9)), PHOTO[:5, :7]), (9, 9))


# Kinds and numbers of inputs


def test_paths_pillow_arrays_and_tensors_give_the_same(
    translator: Translator, tmp_path: Path
) -> None:
    Image.fromarray(LABELS).save(tmp_path / "map.png")
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    expected = translator.translate(LABELS, PHOTO, LABELS).image
    labels = torch.from_numpy(LABELS)
    ways: list[tuple[Any, Any]] = [
        (tmp_path / "map.png", str(tmp_path / "photo.png")),
        (Image.fromarray(LABELS), Image.fromarray(PHOTO)),
        (labels, to_tensor(PHOTO)),
        (Condition.from_labels(labels[None], len(CLASSES)), to_tensor(PHOTO)[None]),
        ([LABELS], [PHOTO]),
    ]
    for layout, photo in ways:
        assert torch.equal(translator.translate(layout, photo, layout).image, expected)


def test_a_batch_gives_what_its_items_give(translator: Translator) -> None:
    layouts = maps((48, 80), 2)
    photos = [SCENES[i].exemplar for i in range(2)]
    known = [SCENES[i].exemplar_condition.regions for i in range(2)]
    together = translator.translate(layouts, photos, known)
    check(together, (48, 80), 2)
    for i in range(2):
        alone = translator.translate(layouts[i], photos[i], known[i])
        torch.testing.assert_close(together.image[i : i + 1], alone.image, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(together.warped[i : i + 1], alone.warped, rtol=1e-3, atol=1e-3)


def test_one_exemplar_serves_a_batch(translator: Translator) -> None:
    layouts = maps((64, 64), 2)
    for known, both in ((None, None), (LABELS, [LABELS, LABELS])):
        one = translator.translate(layouts, PHOTO, known)
        two = translator.translate(layouts, [PHOTO, PHOTO], both)
        assert torch.equal(one.image, two.image)


def test_without_an_exemplar_map_the_layout_still_counts(translator: Translator) -> None:
    first, second = (translator.translate(m, PHOTO).image for m in maps((64, 64), 2))
    assert not torch.equal(first, second)


def test_edges_are_translated() -> None:
    config = edge_config(alignment__position="image")
    other = Translator(build_network(config, seed=1), config)
    channels = torch.rand(2, 2, 70, 90)
    result = other.translate(channels, [PHOTO, PHOTO], [torch.rand(2, 64, 64)] * 2)
    check(result, (70, 90), 2)
    check(other.edit(PHOTO, torch.zeros(2, 64, 64), torch.ones(2, 64, 64)), (64, 64))
    with pytest.raises(ValueError, match="exemplar_condition.*edge"):
        other.translate(channels[0], PHOTO, LABELS)
    with pytest.raises(ValueError, match="condition.*edge"):
        other.translate(LABELS, PHOTO)


def test_thin_lines_survive_a_smaller_size() -> None:
    config = edge_config(alignment__position="image")
    other = Translator(build_network(config, seed=1), config)
    lines = torch.zeros(2, 400, 400)
    blank = other.translate(lines, PHOTO).image
    lines[:, 2] = 1  # at 128 rows, the nearest of each are rows 1, 4, 7, ...
    assert not torch.equal(other.translate(lines, PHOTO).image, blank)


# Repetition, random states, modes


def test_translations_repeat_and_leave_the_random_states_alone(translator: Translator) -> None:
    torch.manual_seed(5)
    before = (torch.get_rng_state(), random.getstate(), repr(np.random.get_state()))
    first = translator.translate(LABELS, PHOTO, LABELS, seed=3)
    second = translator.translate(LABELS, PHOTO, LABELS, seed=3)
    assert torch.equal(first.image, second.image) and torch.equal(first.warped, second.warped)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), repr(np.random.get_state()))
    assert torch.is_grad_enabled()


def test_the_seed_reaches_what_draws(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[float] = []
    forward = translator.network.forward

    def drawing(*inputs: Any) -> Any:
        drawn.append(float(torch.rand((), generator=generator())))
        return forward(*inputs)

    monkeypatch.setattr(translator.network, "forward", drawing)
    seeds: list[Any] = [1, np.int64(1), 2]
    for seed in seeds:
        translator.translate(LABELS, PHOTO, seed=seed)
    assert drawn[0] == drawn[1] != drawn[2]


def test_threads_get_what_their_seed_gives_and_leave_torchs_numbers_alone() -> None:
    translator = translator_of(alignment__method="patchmatch", alignment__position="none")
    wanted = translator.translate(LABELS, PHOTO, seed=5)
    torch.manual_seed(126)
    before = torch.get_rng_state()
    with ThreadPoolExecutor(3) as threads:
        for found in threads.map(
            lambda _: translator.translate(LABELS, PHOTO, seed=5).matches, range(9)
        ):
            assert found is not None and wanted.matches is not None
            assert torch.equal(found, wanted.matches)
    assert torch.equal(before, torch.get_rng_state())


def test_another_process_gets_the_translator(translator: Translator) -> None:
    wanted = translator.translate(LABELS, PHOTO, LABELS).image
    for other in (pickle.loads(pickle.dumps(translator)), copy.deepcopy(translator)):
        assert other.config == translator.config and other.folder == translator.folder
        assert torch.equal(other.translate(LABELS, PHOTO, LABELS).image, wanted)


def test_weights_stay_of_single_precision(translator: Translator, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"torch.float64 is no device; .* with_precision"):
        translator.to(torch.float64)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dtype is 'float16', expected a floating-point type"):
        translator.save(tmp_path, dtype="float16")  # type: ignore[arg-type]
    translator.save(tmp_path)
    torch.set_default_dtype(torch.float64)
    try:
        loaded = load(tmp_path)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {weight.dtype for weight in loaded.network.parameters()} == {torch.float32}
    wanted = translator.translate(LABELS, PHOTO, LABELS).image
    assert torch.equal(loaded.translate(LABELS, PHOTO, LABELS).image, wanted)


def test_wrapped_and_converted_networks_are_refused(translator: Translator) -> None:
    """Their weights would be saved under names that no model has."""
    network, config = translator.network, translator.config
    wrapped: Any = torch.nn.DataParallel(network)
    with pytest.raises(ValueError, match=r"is a DataParallel, expected .*: give the network.modu"):
        Translator(wrapped, config)
    compiled: Any = torch.nn.Module()
    compiled._orig_mod = network  # torch.compile's name
    with pytest.raises(ValueError, match=r"is a Module, expected .*: give the network._orig_mod"):
        Translator(compiled, config)
    other: Any = torch.nn.Identity()
    with pytest.raises(ValueError, match="is a Identity, expected .*: give one from build_network"):
        Translator(other, config)
    with pytest.raises(ValueError, match="weights of torch.float64, expected float32"):
        Translator(copy.deepcopy(network).double(), config)


def test_models_are_exact_under_any_default_type(translator: Translator, tmp_path: Path) -> None:
    translator.save(tmp_path)
    torch.set_default_dtype(torch.bfloat16)
    try:
        loaded = load(tmp_path)
        again = loaded.translate(LABELS, PHOTO, LABELS).image
    finally:
        torch.set_default_dtype(torch.float32)
    for name, weight in translator.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], weight), name
    assert torch.equal(again, translator.translate(LABELS, PHOTO, LABELS).image)


@pytest.mark.parametrize("size", ((96, 130), (250, 300)))
def test_maps_and_their_conditions_give_the_same(
    translator: Translator, size: tuple[int, int]
) -> None:
    """Also where sizes change: a map's pixels have a class or have it not."""
    labels = torch.from_numpy(maps(size)).long()
    photo = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    condition = Condition.from_labels(labels, len(CLASSES))
    expected = translator.translate(labels, photo, labels).image
    assert torch.equal(translator.translate(condition, photo, condition).image, expected)
    mixed = translator.translate([condition, labels[0]], photo, [labels[0]]).image
    assert torch.allclose(mixed[:1], mixed[1:], atol=1e-3)
    assert torch.allclose(mixed[:1], expected, atol=1e-3)


def test_signatures_can_be_read_where_they_run() -> None:
    for public in (Translator.translate, Translator.combine, Translator.edit, Exemplar):
        assert typing.get_type_hints(public)


@pytest.mark.parametrize("seed", [-1, 2**63, 0.5, True, "1"])
def test_a_wrong_seed_is_named(translator: Translator, seed: Any) -> None:
    with pytest.raises(ValueError, match="seed is"):
        translator.translate(LABELS, PHOTO, seed=seed)


def test_modes_of_the_caller_do_not_matter(translator: Translator) -> None:
    expected = translator.translate(LABELS, PHOTO, LABELS).image
    with torch.inference_mode():
        assert torch.equal(translator.translate(LABELS, PHOTO, LABELS).image, expected)
        translator.edit(PHOTO, LABELS, LABELS)
    photo = to_tensor(PHOTO).requires_grad_()
    assert not translator.translate(LABELS, photo, LABELS).image.requires_grad
    assert not translator.edit(photo, LABELS, LABELS).image.requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(translator.translate(LABELS, PHOTO, LABELS).image, expected)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(translator.translate(LABELS, PHOTO, LABELS).image, expected)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("changes", [{}, {"alignment__method": "none"}], ids=["aligned", "not"])
def test_bfloat16_gives_nearly_the_same_in_float32(changes: dict[str, Any]) -> None:
    exact = translator_of(**changes)
    rounded = Translator(exact.network, exact.config, precision="bfloat16")
    other = np.roll(LABELS, 8, 0)
    exemplar = Exemplar(PHOTO, LABELS)
    for made in (
        lambda t: t.translate(LABELS, PHOTO, LABELS),
        lambda t: t.edit(PHOTO, LABELS, other, keep_unedited=False),
        lambda t: t.combine(other, [exemplar, exemplar]),
    ):
        expected, found = made(exact), made(rounded)
        check(found, (64, 64))
        difference = (found.image - expected.image).abs()
        assert 0 < difference.mean() < 0.1  # matches of an untrained network are all alike
    with torch.autocast("cpu", torch.bfloat16, enabled=False):
        assert torch.equal(made(rounded).image, found.image)


def test_precisions_are_kept_and_checked(translator: Translator, tmp_path: Path) -> None:
    translator.save(tmp_path)
    assert load(tmp_path).precision == "float32"
    rounded = load(tmp_path, "bfloat16")
    found = rounded.translate(LABELS, PHOTO, LABELS).image
    automatic = load(tmp_path, "auto").translate(LABELS, PHOTO, LABELS).image
    exact = translator.translate(LABELS, PHOTO, LABELS).image
    expected = found if has_bfloat16(torch.device("cpu")) else exact
    assert torch.equal(automatic, expected)
    wrong: Any = "float16"
    for make in (
        lambda: load(tmp_path, wrong),
        lambda: Translator(translator.network, translator.config, precision=wrong),
    ):
        with pytest.raises(ValueError, match="precision is 'float16', expected one of float32"):
            make()


def test_outputs_share_no_memory_with_inputs() -> None:
    plain = translator_of(alignment__method="none")
    photo = to_tensor(PHOTO)
    plain.translate(LABELS, photo).warped.fill_(0)
    plain.edit(photo, LABELS, LABELS).image.fill_(0)
    np.testing.assert_array_equal(to_image(photo), PHOTO)


def test_the_network_is_put_into_evaluation_mode_and_moved() -> None:
    config = tiny_experiment(64).model
    network = build_network(config).train()
    translator = Translator(network, config)
    assert not network.training
    assert translator.to("cpu") is translator
    assert translator.to(torch.device("cpu")).device == torch.device("cpu")
    assert translator.classes == CLASSES


# Edits


def edited(labels: np.ndarray) -> np.ndarray:
    changed = labels.copy()
    changed[8:20, 8:20] = (changed[8:20, 8:20] + 1) % len(CLASSES)
    return changed


def test_an_edit_keeps_what_is_far_and_generates_what_is_changed(translator: Translator) -> None:
    after = edited(LABELS)
    result = translator.edit(PHOTO, LABELS, after)
    whole = translator.edit(PHOTO, LABELS, after, keep_unedited=False)
    image, made = to_image(result.image[0]), to_image(whole.image[0])
    far = np.ones((64, 64), bool)
    far[2:26, 2:26] = False  # r is 2 pixels: beyond 3 r of the edit nothing changes
    np.testing.assert_array_equal(image[far], PHOTO[far])
    assert torch.equal(result.image[0, :, far], to_tensor(PHOTO)[:, far])
    np.testing.assert_array_equal(image[6:22, 6:22], made[6:22, 6:22])
    assert torch.equal(
        whole.image, translator.translate(after, PHOTO, exemplar_condition=LABELS).image
    )
    assert not np.array_equal(made[far], PHOTO[far])


def test_lines_and_poses_that_move_are_edits_where_they_move(tmp_path: Path) -> None:
    """Distances to them change far away, too."""
    lines = np.zeros((64, 64), bool)
    lines[40, 5:60] = True
    longer = lines.copy()
    longer[10:14, 10] = True
    result = translator_for("edges").edit(PHOTO, lines, longer)
    far = np.ones((64, 64), bool)
    far[4:20, 4:17] = False
    assert torch.equal(result.image[0, :, far], to_tensor(PHOTO)[:, far])
    assert not torch.equal(result.image[0, :, 12, 10], to_tensor(PHOTO)[:, 12, 10])
    places = np.random.default_rng(0).uniform(20, 60, (18, 2))
    for name in ("before", "after"):
        write_joints_json(tmp_path / f"{name}.json", Joints(places, np.ones(18, bool)))
        places = places.copy()
        places[4] += 1
    files = (tmp_path / "before.json", tmp_path / "after.json")
    result = translator_for("poses").edit(PHOTO, *files)
    kept = (result.image[0] == to_tensor(PHOTO)).all(dim=0)
    assert 0.4 < float(kept.float().mean()) < 1


def test_an_empty_edit_gives_the_photograph_back(translator: Translator) -> None:
    result = translator.edit(PHOTO, LABELS, LABELS)
    assert torch.equal(result.image[0], to_tensor(PHOTO))
    np.testing.assert_array_equal(to_image(result.image[0]), PHOTO)
    np.testing.assert_array_equal(np.array(result.pil()), PHOTO)


def test_edits_of_a_batch_and_of_any_size(translator: Translator) -> None:
    before = maps((90, 51), 2)
    photos = RNG.integers(0, 256, (2, 90, 51, 3), dtype=np.uint8)
    after = before.copy()
    after[1, :5] = (after[1, :5] + 1) % len(CLASSES)
    result = translator.edit(photos, before, after)
    check(result, (90, 51), 2)
    np.testing.assert_array_equal(to_image(result.image[0]), photos[0])
    changed = (to_image(result.image[1]) != photos[1]).any(-1)
    assert bool(changed[:5].mean() > 0.5) and not bool(changed[8:].any())


def test_both_maps_of_an_edit_may_be_smaller_than_the_photograph(translator: Translator) -> None:
    before = maps((64, 64))[0]
    after = before.copy()
    after[:5] = (after[:5] + 1) % len(CLASSES)
    photo = RNG.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    changed = (to_image(translator.edit(photo, before, after).image[0]) != photo).any(-1)
    assert bool(changed[:10].mean() > 0.5) and not bool(changed[24:].any())


# Mistakes


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((LABELS, PHOTO, LABELS[:50]), "exemplar is 64x64 and exemplar_condition is 50x64"),
        ((LABELS, [PHOTO] * 2, [LABELS] * 3), "exemplar has 2 items but exemplar_condition 3"),
        (([LABELS] * 3, [PHOTO] * 2), "condition has 3 items but exemplar 2"),
        ((LABELS, [PHOTO] * 2), "condition has 1 items but exemplar 2"),
        ((LABELS, PHOTO, torch.rand(5, 64, 64)), "exemplar_condition.*semantic"),
        ((LABELS, PHOTO, PHOTO), "exemplar_condition.*picture"),
        ((LABELS + 100, PHOTO), "condition: ids 100"),
        (([], PHOTO), "condition is empty"),
        ((LABELS, []), "exemplar is empty"),
    ],
)
def test_wrong_inputs_of_a_translation_are_named(
    translator: Translator, inputs: tuple[Any, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        translator.translate(*inputs)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((PHOTO, LABELS[:50], LABELS), "image is 64x64 and condition is 50x64"),
        ((PHOTO, LABELS, LABELS[:, :50]), "image is 64x64 and edited_condition is 64x50"),
        ((PHOTO, LABELS, LABELS[::2, ::2]), "edited_condition is 32x32 and condition 64x64"),
        ((PHOTO, LABELS, [LABELS] * 2), "image has 1 items but edited_condition 2"),
        ((PHOTO, LABELS, LABELS + 100), "edited_condition: ids 100"),
        ((PHOTO, PHOTO, LABELS), "condition.*picture"),
    ],
)
def test_wrong_inputs_of_an_edit_are_named(
    translator: Translator, inputs: tuple[Any, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        translator.edit(*inputs)


# Files


def test_a_result_is_written_once(translator: Translator, tmp_path: Path) -> None:
    result = translator.translate(maps((64, 64), 2), PHOTO)
    path = tmp_path / "new" / "a.png"
    result.save(path, index=1)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.array(image), to_image(result.image[1]))
    with pytest.raises(FileExistsError, match=r"a\.png"):
        result.save(path, index=0)
    result.save(path, index=0, overwrite=True)
    np.testing.assert_array_equal(np.array(result.pil(0)), to_image(result.image[0]))
    for several in (result.pil, lambda: result.save(path, overwrite=True)):
        with pytest.raises(ValueError, match="2 images; say which one with index=0 to 1"):
            several()
    one = translator.translate(maps((64, 64), 1), PHOTO)
    np.testing.assert_array_equal(np.array(one.pil()), to_image(one.image[0]))
    assert repr(one) == "Translation(one image of 64×64 pixels, height × width)"


def test_a_translator_says_what_it_is(translator: Translator) -> None:
    said = repr(translator)
    assert said.startswith("Translator(semantic conditions of ") and said.endswith("on cpu)")
    assert "trained at 64×64, float32" in said


def test_weights_are_laid_out_for_speed_and_compute_the_same(translator: Translator) -> None:
    weights = [p for p in translator.network.parameters() if p.ndim == 4 and min(p.shape) > 1]
    assert weights
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)
    found = translator.translate(LABELS, PHOTO, LABELS).image
    plain = Translator(copy.deepcopy(translator.network), translator.config)
    network: Any = plain.network
    network.to(memory_format=torch.contiguous_format)
    assert all(p.is_contiguous() for p in network.parameters())
    expected = plain.translate(LABELS, PHOTO, LABELS).image
    assert torch.allclose(found, expected, rtol=0, atol=1e-4)


def test_save_and_load_give_the_same_translator(translator: Translator, tmp_path: Path) -> None:
    translator.save(tmp_path / "model")
    expected = translator.translate(LABELS, PHOTO, LABELS).image
    state = torch.get_rng_state()
    for path in (tmp_path / "model", str(tmp_path / "model"), tmp_path / "model/model.safetensors"):
        loaded = load(path)
        assert loaded.config == translator.config and not loaded.network.training
        assert torch.equal(loaded.translate(LABELS, PHOTO, LABELS).image, expected)
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(FileExistsError, match="overwrite"):
        translator.save(tmp_path / "model")
    translator.save(tmp_path / "model", overwrite=True)


def test_the_example_of_the_translator_is_right() -> None:
    code = (Translator.__doc__ or "").split("Example:")[1]
    lines = [line.strip()[4:] for line in code.splitlines() if line.strip().startswith(">>>")]
    names: dict[str, Any] = {}
    if "scenes-small" not in rabit.embedded_models():
        lines[1] = "translator = make()"
        names = {"make": translator_of, "numpy": np}
    for line in lines[:-1]:
        exec(line, names)
    assert eval(lines[-1], names) == torch.Size([1, 3, 128, 128])


def test_importing_draws_no_random_numbers_and_sets_no_switch() -> None:
    code = (
        "import random, torch, numpy; s = torch.get_rng_state(); r = random.getstate();"
        "n = repr(numpy.random.get_state()); t = torch.get_num_threads(); import rabit;"
        "assert torch.equal(s, torch.get_rng_state()) and r == random.getstate();"
        "assert n == repr(numpy.random.get_state()) and t == torch.get_num_threads();"
        "assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32"
    )
    source = str(Path(rabit.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": source})


def test_weights_may_be_stored_rounded(translator: Translator, tmp_path: Path) -> None:
    translator.save(tmp_path / "whole")
    translator.save(tmp_path / "half", dtype=torch.float16)
    with pytest.raises(ValueError, match=r"dtype is torch.int8, expected a floating-point"):
        translator.save(tmp_path / "bytes", dtype=torch.int8)
    sizes = [(tmp_path / n / "model.safetensors").stat().st_size for n in ("whole", "half")]
    assert sizes[1] < 0.7 * sizes[0]
    stored = load(tmp_path / "half").network.state_dict()
    for name, tensor in translator.network.state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(stored[name], expected), name


def test_matches_are_pixels_of_the_exemplar_as_given(translator: Translator) -> None:
    labels, photo = maps((50, 70))[0], PHOTO
    result = translator.translate(labels, photo.repeat(3, 0).repeat(2, 1))
    assert result.matches is not None and result.matches.shape == (1, 50, 70, 2)
    assert float(result.matches[..., 0].max()) <= 127 and float(result.matches[..., 1].max()) <= 191
    assert float(result.matches[..., 1].max()) > 70


def test_match_coordinates_have_centres_at_whole_numbers() -> None:
    """Features that equal their counterparts match themselves; a feature is 4 exemplar pixels."""
    features = torch.randn(1, 16, 4, 6)
    places = exemplar_pixels(rabit.alignment.correspond(features, features), (16, 24))
    assert places[0, 0, 0].tolist() == [1.5, 1.5]
    assert places[0, 3, 5].tolist() == [21.5, 13.5]


def test_a_model_without_alignment_has_no_matches() -> None:
    result = translator_of(alignment__method="none").translate(LABELS, PHOTO, LABELS)
    assert result.matches is None and result.correspondence is None


def test_a_map_of_half_the_photographs_sides_is_brought_to_its_size() -> None:
    translator = load("scenes-small")
    sample = SCENES[0]
    labels = sample.exemplar_condition.regions[::2, ::2].numpy()
    large = labels.repeat(2, 0).repeat(2, 1)
    condition = sample.condition.regions.numpy()
    half = translator.translate(condition, sample.exemplar, labels)
    whole = translator.translate(condition, sample.exemplar, large)
    assert torch.equal(half.image, whole.image)
    edited = translator.edit(sample.truth, condition[::2, ::2], condition[::2, ::2])
    assert torch.equal(edited.image[0], sample.truth)
    with pytest.raises(ValueError, match="exemplar_condition is .* of one size, or of one shape"):
        translator.translate(condition, sample.exemplar, labels[:, :-4])
