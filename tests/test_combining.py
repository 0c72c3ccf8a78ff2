"""Several exemplars for one condition: by region, by weight, and as a translation with one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rabit.combining import Blend, Exemplar, class_shares
from rabit.config import ConditionConfig, ModelConfig
from rabit.data.scenes import CLASSES, Scenes
from rabit.fields import from_dict, to_dict
from rabit.functional.condition import Condition
from rabit.inference import Translation, Translator, load
from rabit.model.network import build_network
from tiny import tiny_experiment

RNG = np.random.default_rng(2)
LABELS = RNG.integers(0, len(CLASSES), (16, 16), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
PHOTOS = [RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(3)]
MAPS = [RNG.integers(0, len(CLASSES), (64, 64), dtype=np.uint8) for _ in range(3)]
ONE, OTHER, THIRD = (Exemplar(photo, labels) for photo, labels in zip(PHOTOS, MAPS, strict=True))
SEMANTIC = ConditionConfig("semantic", ("sky", "hill", "road"))


def translator_of(**changes: Any) -> Translator:
    config = tiny_experiment(64, **changes).model
    return Translator(build_network(config, seed=1), config)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return translator_of()


def edge_translator() -> Translator:
    data = to_dict(tiny_experiment(64).model)
    data["condition"] = {"kind": "edge", "classes": ["edge", "distance"]}
    config = from_dict(ModelConfig, data)
    return Translator(build_network(config, seed=1), config)


def exemplar(
    number: int = 0, classes: Sequence[int] | None = None, weight: float = 1.0
) -> Exemplar:
    return Exemplar(PHOTOS[number], MAPS[number], classes, weight)


def alone(translator: Translator, number: int, condition: Any = LABELS) -> Translation:
    return translator.translate(condition, PHOTOS[number], MAPS[number])


def assert_same(one: Translation, other: Translation) -> None:
    for name in ("image", "warped", "confidence"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    if other.matches is None:
        assert one.matches is None
    else:
        assert one.matches is not None and torch.equal(one.matches, other.matches)


# One exemplar is a translation


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"alignment__stride": 4},
        {"alignment__method": "dense"},
        {"alignment__method": "patchmatch"},
        {"alignment__method": "none", "generator__injection": "concat"},
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (50, 90), (300, 200)])
def test_one_exemplar_is_a_translation_bit_for_bit(
    changes: dict[str, Any], size: tuple[int, int]
) -> None:
    translator = translator_of(**changes)
    labels = np.resize(LABELS, size)
    expected = translator.translate(labels, PHOTOS[0], MAPS[0], seed=4)
    assert_same(translator.combine(labels, [exemplar(classes=[3], weight=0.3)], 4), expected)
    expected = translator.translate(labels, PHOTOS[0][:40], seed=4)
    assert_same(translator.combine(labels, [Exemplar(PHOTOS[0][:40])], 4), expected)


def test_one_exemplar_of_an_edge_model_is_a_translation() -> None:
    translator = edge_translator()
    lines, own = torch.rand(2, 64, 64), torch.rand(2, 64, 64)
    result = translator.combine(lines, [Exemplar(PHOTOS[0], own, weight=5)])
    assert_same(result, translator.translate(lines, PHOTOS[0], own))


# An exemplar for each region


@pytest.mark.parametrize("method", ["ranking", "transport", "none"])
def test_a_region_is_warped_from_the_exemplar_that_claims_it(method: str) -> None:
    translator = translator_of(alignment__method=method)
    claimed = [1, 4, 9]
    result = translator.combine(LABELS, [ONE, exemplar(1, claimed), exemplar(2, [2])])
    expected = [alone(translator, i) for i in range(3)]
    source = np.where(np.isin(LABELS, claimed), 1, np.where(LABELS == 2, 2, 0))
    for name in ("warped", "confidence"):
        parts = [getattr(part, name)[0] for part in expected]
        assert_taken(getattr(result, name)[0], parts, source)
    if result.matches is None:
        assert method == "none" and result.sources is None
        return
    assert result.sources is not None
    np.testing.assert_array_equal(result.sources[0].numpy(), source)
    parts = [part.matches[0].permute(2, 0, 1) for part in expected if part.matches is not None]
    assert_taken(result.matches[0].permute(2, 0, 1), parts, source)
    assert result.correspondence is None


def assert_taken(values: Tensor, parts: list[Tensor], source: np.ndarray) -> None:
    for i, part in enumerate(parts):
        mask = torch.from_numpy(source == i)
        assert bool(mask.any())
        assert torch.equal(values[:, mask], part[:, mask]), i


def test_classes_that_nobody_claims_go_to_those_that_claim_nothing(
    translator: Translator,
) -> None:
    everything = list(range(len(CLASSES)))
    free = translator.combine(LABELS, [exemplar(0, [3]), ONE, exemplar(0, [5])])
    assert_same(free, alone(translator, 0))
    shared = translator.combine(LABELS, [exemplar(0, [3]), exemplar(1, [5])])
    spelt = [
        exemplar(0, [i for i in everything if i != 5]),
        exemplar(1, [i for i in everything if i != 3]),
    ]
    assert_same(shared, translator.combine(LABELS, spelt))
    assert not torch.equal(shared.image, alone(translator, 0).image)


def test_the_features_of_every_scale_are_weighed_place_by_place(translator: Translator) -> None:
    """Against loops over all places, with shares between 0 and 1."""
    condition = Condition.from_labels(torch.from_numpy(LABELS)[None], len(CLASSES))
    with torch.no_grad():
        alignments = [
            translator.network.alignment(
                condition,
                torch.from_numpy(photo).permute(2, 0, 1)[None] / 127.5 - 1,
                Condition.from_labels(torch.from_numpy(labels)[None], len(CLASSES)),
            )
            for photo, labels in zip(PHOTOS, MAPS, strict=True)
        ]
    shares = torch.rand(3, len(CLASSES))
    shares = shares / shares.sum(dim=0)
    merged = Blend.of(shares, condition.regions).merge(alignments)
    pairs = [
        (merged.warped_features.scale(i), [a.warped_features.scale(i) for a in alignments])
        for i in range(1, 6)
    ]
    pairs.append((merged.confidence, [a.confidence for a in alignments]))
    for found, parts in pairs:
        height, width = found.shape[-2:]
        expected = torch.zeros_like(found)
        for row in range(height):
            for column in range(width):
                at = LABELS[row * 64 // height, column * 64 // width]
                for share, part in zip(shares[:, at], parts, strict=True):
                    expected[..., row, column] += share * part[..., row, column]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert merged.correspondence is None


def test_exemplars_without_a_use_are_not_matched(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.where(LABELS == 7, 0, LABELS)
    calls: list[int] = []
    forward = translator.network.alignment.forward

    def counting(*inputs: Any) -> Any:
        calls.append(1)
        return forward(*inputs)

    monkeypatch.setattr(translator.network.alignment, "forward", counting)
    unused = [exemplar(1, [7]), ONE, exemplar(2, weight=0)]
    result = translator.combine(labels, unused)
    assert len(calls) == 1
    assert_same(result, alone(translator, 0, labels))
    assert result.sources is not None and bool((result.sources == 1).all())


# A style between exemplars


def test_shares_at_the_ends_give_the_exemplars_alone(translator: Translator) -> None:
    for first, expected in ((1.0, 0), (0.0, 1)):
        pair = [exemplar(0, weight=first), exemplar(1, weight=1 - first)]
        assert_same(translator.combine(LABELS, pair), alone(translator, expected))
    near = translator.combine(LABELS, [exemplar(0, weight=1), exemplar(1, weight=1e-7)])
    torch.testing.assert_close(near.image, alone(translator, 0).image, rtol=0, atol=1e-4)


def test_equal_weights_warp_the_mean_and_their_scale_does_not_matter(
    translator: Translator,
) -> None:
    result = translator.combine(LABELS, [ONE, OTHER])
    mean = (alone(translator, 0).warped + alone(translator, 1).warped) / 2
    torch.testing.assert_close(result.warped, mean, rtol=0, atol=1e-6)
    scaled = translator.combine(LABELS, [exemplar(0, weight=1e6), exemplar(1, weight=1e6)])
    assert_same(scaled, result)
    assert_same(translator.combine(LABELS, [ONE, ONE]), alone(translator, 0))


def test_the_order_of_exemplars_does_not_matter() -> None:
    """Patchmatch draws at random: every exemplar with the same seed."""
    translator = translator_of(alignment__method="patchmatch")
    first = translator.combine(LABELS, [exemplar(0, [1, 2, 3]), OTHER], seed=6)
    second = translator.combine(LABELS, [OTHER, exemplar(0, [1, 2, 3])], seed=6)
    assert torch.equal(first.image, second.image)
    assert first.sources is not None and second.sources is not None
    assert torch.equal(first.sources, 1 - second.sources)


def test_the_larger_share_gives_the_matches(translator: Translator) -> None:
    result = translator.combine(LABELS, [exemplar(0, weight=1), exemplar(1, weight=2)])
    expected = alone(translator, 1)
    assert result.sources is not None and bool((result.sources == 1).all())
    assert result.matches is not None and expected.matches is not None
    assert torch.equal(result.matches, expected.matches)


def test_matches_are_in_pixels_of_their_own_exemplar(translator: Translator) -> None:
    """Exemplars of two sizes, each claiming half of the classes."""
    wide, own = np.tile(PHOTOS[1], (1, 3, 1)), np.tile(MAPS[1], (1, 3))
    half = list(range(9))
    result = translator.combine(LABELS, [ONE, Exemplar(wide, own, half)])
    expected = [alone(translator, 0), translator.translate(LABELS, wide, own)]
    assert result.matches is not None
    parts = [part.matches[0].permute(2, 0, 1) for part in expected if part.matches is not None]
    assert float(parts[1][0].max()) > 64
    assert_taken(result.matches[0].permute(2, 0, 1), parts, np.isin(LABELS, half).astype(int))


# The embedded model: looks as intended


def test_styles_of_scenes_lie_between_and_regions_look_like_their_exemplar() -> None:
    translator = load("scenes-small")
    scenes = Scenes(2, (128, 128), seed=20_000_005)
    labels = scenes[0].condition.regions.numpy()
    shown = scenes.exemplars(0, 2)

    def made(weights: Sequence[float], classes: Sequence[int] | None = None) -> np.ndarray:
        pair = [
            Exemplar(e.image, e.labels, c, weight)
            for e, weight, c in zip(shown, weights, (None, classes), strict=True)
        ]
        return np.asarray(translator.combine(labels, pair).pil(), dtype=float)

    steps = [made((1 - t, t)) for t in (0, 0.25, 0.5, 0.75, 1)]
    far = [
        float(np.abs(step.mean(axis=(0, 1)) - steps[0].mean(axis=(0, 1))).sum()) for step in steps
    ]
    assert far[0] == 0
    assert far == sorted(far) and len(set(far)) == 5
    assert far[-1] > 10

    sky = CLASSES.index("sky")
    mixed, inside = made((1, 1), [sky]), labels == sky
    one, other = (e.truth.astype(float) for e in shown)
    assert 0.1 < inside.mean() < 0.9
    assert wrong(mixed, other, inside) < wrong(mixed, one, inside) / 3
    assert wrong(mixed, one, ~inside) < wrong(mixed, other, ~inside)


def wrong(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.square(found - truth)[where].mean())


# Matching without generating


def test_matching_is_that_of_the_combination_without_the_generator(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = [ONE, exemplar(1, [1, 2])]
    expected = translator.combine(LABELS, pair)

    def refuse(*_: Any) -> Tensor:
        raise AssertionError("the generator ran")

    monkeypatch.setattr(translator.network.generator, "forward", refuse)
    found = translator.match(LABELS, pair)
    for name in ("warped", "confidence", "matches", "sources"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


# Shares


@pytest.mark.parametrize(
    ("claims", "weights", "expected"),
    [
        ([None], [3], [[1, 1, 1]]),
        ([None, None], [1, 3], [[0.25, 0.25, 0.25], [0.75, 0.75, 0.75]]),
        ([None, [1]], [1, 9], [[1, 0, 1], [0, 1, 0]]),
        ([[0], [0, 1]], [1, 1], [[0.5, 0, 0.5], [0.5, 1, 0.5]]),
        ([[0], [1], None], [1, 1, 5], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ([[0, 1, 2], None], [1, 1], [[1, 1, 1], [0, 0, 0]]),
        ([None, None], [0, 2], [[0, 0, 0], [1, 1, 1]]),
    ],
)
def test_shares_by_hand(claims: list[Any], weights: list[float], expected: list[Any]) -> None:
    given = [exemplar(0, c, w) for c, w in zip(claims, weights, strict=True)]
    assert class_shares(given, SEMANTIC).tolist() == expected


def test_a_condition_without_classes_has_one_share() -> None:
    config = ConditionConfig("edge", ("edges", "distance"))
    assert class_shares([exemplar(0), exemplar(1, weight=3)], config).tolist() == [[0.25], [0.75]]


TEXT: Any = "1"
NUMBER: Any = 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "exemplars is empty, expected a list of at least one"),
        ([exemplar(weight=-1)], r"exemplars\[0\].weight is -1, expected a number from 0"),
        ([ONE, exemplar(weight=float("nan"))], r"exemplars\[1\].weight is nan"),
        ([exemplar(weight=float("inf"))], r"exemplars\[0\].weight is inf"),
        ([exemplar(weight=2e6)], r"exemplars\[0\].weight is 2000000.0"),
        ([ONE, exemplar(1, [0, 3])], r"exemplars\[1\].classes has 3, expected ids from 0 to 2"),
        ([exemplar(0, [-1])], r"exemplars\[0\].classes has -1"),
        ([exemplar(0, [True])], r"exemplars\[0\].classes has True"),
        ([exemplar(weight=TEXT)], r"exemplars\[0\].weight is '1', expected a number"),
        ([exemplar(0, NUMBER)], r"exemplars\[0\].classes is 3, expected a list of ids"),
        (iter([ONE]), "exemplars is a list_iterator, expected a list"),
        ([exemplar(0, [])], r"exemplars\[0\].classes is empty"),
        ([ONE, exemplar(1, [1], 0)], r"exemplars\[1\]: weights of 0 for hill, expected one above"),
        (
            [exemplar(0, weight=0), exemplar(1, weight=0)],
            r"exemplars\[0\], exemplars\[1\]: weights of 0 for sky",
        ),
    ],
)
def test_wrong_shares_are_named(given: list[Exemplar], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_shares(given, SEMANTIC)


def test_classes_of_a_condition_without_any_are_refused() -> None:
    lines = torch.rand(2, 64, 64)
    with pytest.raises(ValueError, match=r"exemplars\[0\].classes is \[0\], but edge conditions"):
        edge_translator().combine(lines, [Exemplar(PHOTOS[0], lines, [0])])


def test_wrong_inputs_are_named(translator: Translator) -> None:
    two = [LABELS, LABELS]
    nameless: Any = ["photo.png"]
    with pytest.raises(ValueError, match=r"exemplars\[0\] is a str, expected rabit.Exemplar"):
        translator.combine(LABELS, nameless)
    alone: Any = ONE
    with pytest.raises(ValueError, match="exemplars is a Exemplar, expected a list"):
        translator.combine(LABELS, alone)
    with pytest.raises(ValueError, match="condition has 2 items, expected one"):
        translator.combine(two, [ONE])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"exemplars\[1\] has 2 items, expected one"):
        translator.combine(LABELS, [ONE, Exemplar(np.stack(PHOTOS[:2]))])
    with pytest.raises(ValueError, match=r"exemplars\[1\].image is a dict"):
        translator.combine(LABELS, [ONE, Exemplar({})])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"exemplars\[0\].condition: ids 99"):
        translator.combine(LABELS, [Exemplar(PHOTOS[0], np.full((64, 64), 99))])
    with pytest.raises(ValueError, match=r"exemplars\[0\].condition is 64x32"):
        translator.combine(LABELS, [Exemplar(PHOTOS[0], MAPS[0][:, :32])])
    with pytest.raises(ValueError, match="seed is -1"):
        translator.match(LABELS, [ONE], seed=-1)


def test_regions_that_are_no_classes_are_refused(translator: Translator) -> None:
    condition = Condition.from_labels(torch.from_numpy(LABELS)[None], len(CLASSES))
    odd = Condition(condition.channels, condition.regions + 5)
    with pytest.raises(ValueError, match="condition has regions up to 22, expected ids"):
        translator.combine(odd, [ONE, OTHER])


def test_nothing_of_a_combination_needs_gradients_or_shares_memory() -> None:
    plain = translator_of(alignment__method="none")
    result = plain.combine(LABELS, [ONE, OTHER])
    assert not result.image.requires_grad and not result.warped.requires_grad
    photo = torch.rand(3, 64, 64) * 2 - 1
    before = photo.clone()
    plain.combine(LABELS, [Exemplar(photo)]).warped.fill_(0)
    assert torch.equal(photo, before)
