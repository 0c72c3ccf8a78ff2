"""What a recipe gives: the command line's bytes, matches that say where from, and no more."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from rabit.app.cli import app
from rabit.data.scenes import Scenes
from rabit.editor.example import example_recipe
from rabit.editor.recipe import OUTPUTS, parse_recipe, recipe_document
from rabit.editor.run import Matches, RecipeResult, follow_recipe, run_recipe
from rabit.inference import Translator, load
from recipes import (
    LABELS,
    MODELS,
    OTHER_PHOTO,
    OWN_LABELS,
    PHOTO,
    b64,
    edit,
    encoded,
    full,
    put,
    translation,
    translator_of,
)

KINDS = ["scenes", "unaligned", "random", "edges", "faces", "face-edges", "poses"]


def result_of(
    document: dict[str, Any], outputs: Any = OUTPUTS, translator: Translator | None = None
) -> RecipeResult:
    model = translator or translator_of(document["model"])
    return run_recipe(model, parse_recipe(document, MODELS), outputs)


def command(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def condition_file(value: dict[str, Any], stem: Path) -> Path:
    """Writes a condition of a recipe as the file that the command line reads."""
    for key in ("labels", "lines"):
        if key in value:
            path = stem.with_suffix(".png")
            path.write_bytes(base64.b64decode(value[key]))
            return path
    triples = [[0, 0, 0] if place is None else [*place, 1] for place in value["joints"]]
    person = {"pose_keypoints_2d": [number for triple in triples for number in triple]}
    path = stem.with_suffix(".json")
    path.write_text(json.dumps({"people": [person]}))
    return path


# The command line's bytes


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("known", [True, False])
def test_a_translation_gives_the_command_line_s_bytes(
    model: str, known: bool, tmp_path: Path
) -> None:
    document = translation(model, seed=5)
    files = [condition_file(document["condition"], tmp_path / "condition")]
    (tmp_path / "photo.png").write_bytes(encoded(PHOTO))
    own: list[object] = []
    if known:
        own = ["--exemplar-condition", condition_file(document["condition"], tmp_path / "own")]
    else:
        document = put(document, "exemplars[0].condition", None)
    translator = translator_of(model)
    translator.save(tmp_path / "model")
    out = {name: tmp_path / f"{name}.png" for name in ("out", "warped", "confidence")}
    options = [part for name, path in out.items() for part in (f"--{name}", path)]
    given = (*files, tmp_path / "photo.png", *own, "--model", tmp_path / "model", "--seed", 5)
    command("translate", *given, *options, "--precision", "float32")
    result = result_of(document, translator=translator)
    assert result.image == out["out"].read_bytes()
    assert result.confidence == out["confidence"].read_bytes()
    assert result.warped == (None if model == "unaligned" else out["warped"].read_bytes())


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("keep", [True, False])
def test_an_edit_gives_the_command_line_s_bytes(model: str, keep: bool, tmp_path: Path) -> None:
    document = edit(model, keep_unedited=keep, seed=5)
    before, after = document["exemplars"][0]["condition"], document["condition"]
    files = [condition_file(before, tmp_path / "before"), condition_file(after, tmp_path / "after")]
    (tmp_path / "photo.png").write_bytes(encoded(PHOTO))
    translator = translator_of(model)
    translator.save(tmp_path / "model")
    options = ("--model", tmp_path / "model", "--seed", 5, "--out", tmp_path / "out.png")
    unedited = "--keep-unedited" if keep else "--regenerate-all"
    command("edit", tmp_path / "photo.png", *files, *options, unedited, "--precision", "float32")
    assert result_of(document, ["image"], translator).image == (tmp_path / "out.png").read_bytes()
    whole = result_of(document, OUTPUTS, translator)
    rest = result_of(document, ["warped", "confidence", "matches"], translator)
    assert rest == replace(whole, image=None)


@pytest.mark.parametrize("document", [full(), edit(), translation("poses"), translation("edges")])
def test_a_recipe_s_own_document_gives_the_same_bytes(document: dict[str, Any]) -> None:
    recipe = parse_recipe(document, MODELS)
    again = json.loads(json.dumps(recipe_document(recipe)))
    translator = translator_of(document["model"])
    assert result_of(again, translator=translator) == run_recipe(translator, recipe, OUTPUTS)


def test_the_seed_is_that_of_the_recipe() -> None:
    """Patchmatch draws at random."""
    translator = translator_of("random")
    for make in (translation, edit):
        one, other = (result_of(make("random", seed=i), OUTPUTS, translator) for i in (5, 6))
        assert one.image != other.image and one.matches != other.matches


# What is asked for


@pytest.mark.parametrize("make", [translation, edit])
def test_the_precision_is_that_of_the_recipe(make: Callable[..., dict[str, Any]]) -> None:
    translator = translator_of("scenes")
    half = translator.with_precision("bfloat16")
    assert (half.computed_in, half.network) == ("bfloat16", translator.network)
    own, rounded = (result_of(make(), OUTPUTS, each) for each in (translator, half))
    assert own.image != rounded.image
    for each in (translator, half):
        assert result_of({**make(), "precision": "float32"}, OUTPUTS, each) == own
        assert result_of({**make(), "precision": "bfloat16"}, OUTPUTS, each) == rounded
    matched = ["warped", "confidence", "matches"]
    assert result_of({**make(), "precision": "bfloat16"}, matched, translator) == replace(
        rounded, image=None
    )


def test_only_what_is_asked_for_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    translator = translator_of("scenes")
    whole = result_of(full(), OUTPUTS, translator)
    assert None not in (whole.image, whole.warped, whole.confidence, whole.matches)
    assert result_of(full(), ["image"], translator) == RecipeResult(image=whole.image)

    def refuse(*_: Any) -> None:
        raise AssertionError("the generator ran")

    monkeypatch.setattr(translator.network.generator, "forward", refuse)
    rest = ["warped", "confidence", "matches"]
    assert result_of(full(), rest, translator) == replace(whole, image=None)


def test_without_alignment_there_are_no_matches() -> None:
    result = result_of(translation("unaligned"))
    assert result.matches is None and result.warped is None
    assert result.image is not None and result.confidence is not None


def test_pictures_have_the_condition_s_size() -> None:
    labels = np.resize(LABELS, (50, 130))
    result = result_of(translation(condition={"labels": b64(labels)}))
    for file in (result.image, result.warped, result.confidence):
        assert file is not None
        assert Image.open(io.BytesIO(file)).size == (130, 50)


@pytest.mark.parametrize("model", ["scenes", "face-edges", "edges", "poses"])
def test_an_edit_of_maps_smaller_than_the_photograph_has_the_photograph_s_size(model: str) -> None:
    photograph = b64(np.repeat(np.repeat(PHOTO, 2, axis=0), 2, axis=1))
    document = edit(model)
    document["exemplars"][0]["image"] = photograph
    translator = translator_of(model)
    whole = result_of(document, OUTPUTS, translator)
    for file in (whole.image, whole.warped, whole.confidence):
        assert file is not None
        assert Image.open(io.BytesIO(file)).size == (128, 128)
    rest = ["warped", "confidence", "matches"]
    assert result_of(document, rest, translator) == replace(whole, image=None)


# Matches


def numbers(matches: Matches | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert matches is not None
    size = (matches.height, matches.width)
    x, y = (np.frombuffer(v, "<i2").reshape(size) for v in (matches.x, matches.y))
    return x, y, np.frombuffer(matches.exemplar, np.uint8).reshape(size)


def test_matches_are_those_of_the_pixels_under_each_place() -> None:
    """64x64 pixels are matched as 32x32 places of 2x2 pixels."""
    translator = translator_of("scenes")
    recipe = parse_recipe(full(), MODELS)
    x, y, exemplar = numbers(run_recipe(translator, recipe, ["matches"]).matches)
    result = follow_recipe(translator, recipe)
    assert result.matches is not None and result.sources is not None
    assert x.shape == (32, 32)
    expected = result.matches[0, 1::2, 1::2].numpy()
    assert (np.abs(x - expected[..., 0]) <= 0.5).all()
    assert (np.abs(y - expected[..., 1]) <= 0.5).all()
    np.testing.assert_array_equal(exemplar, result.sources[0, ::2, ::2].numpy())
    assert set(np.unique(exemplar)) == {0, 1}
    np.testing.assert_array_equal(exemplar == 1, np.isin(LABELS[::2, ::2], [1, 3]))
    assert x[exemplar == 0].max() < 64 and x[exemplar == 1].max() < 96
    assert min(x.min(), y.min()) >= 0 and y.max() < 64


@pytest.mark.parametrize(
    ("size", "places"), [((64, 64), (32, 32)), ((50, 90), (25, 45)), ((300, 200), (78, 52))]
)
def test_matches_cover_conditions_of_any_size(
    size: tuple[int, int], places: tuple[int, int]
) -> None:
    document = translation(condition={"labels": b64(np.resize(LABELS, size))})
    x, y, exemplar = numbers(result_of(document, ["matches"]).matches)
    assert x.shape == y.shape == exemplar.shape
    assert abs(x.shape[0] - places[0]) <= 1 and abs(x.shape[1] - places[1]) <= 1
    assert x.min() >= 0 and x.max() <= 63 and len(np.unique(x)) > 5
    assert not exemplar.any()


def test_a_scene_matches_itself_where_it_is() -> None:
    """The embedded model, a picture that is wider than high: x is x, and in its own pixels."""
    translator = load("scenes-small")
    sample = Scenes(1, (96, 160), seed=20_000_009)[0]
    labels = b64(sample.condition.regions.numpy().astype(np.uint8))
    photo = ((sample.truth.permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
    large = np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1)
    exemplar = {"image": b64(large), "condition": {"labels": labels}}
    document = translation(condition={"labels": labels}, exemplars=[exemplar])
    recipe = parse_recipe(document, {"scenes": translator.config})
    x, y, _ = numbers(run_recipe(translator, recipe, ["matches"]).matches)
    assert x.shape == (48, 80)
    rows, columns = np.mgrid[0:48, 0:80] * 4 + 1.5
    off = np.hypot(x - columns, y - rows)
    assert np.median(off) < 8  # of 192x320 pixels


def test_exemplars_give_their_regions_and_weights_their_look() -> None:
    translator = translator_of("scenes")
    one = {"image": b64(PHOTO), "condition": {"labels": b64(LABELS)}}
    other = {"image": b64(255 - OTHER_PHOTO[:, :64]), "condition": {"labels": b64(OWN_LABELS)}}

    def made(*exemplars: dict[str, Any]) -> RecipeResult:
        return result_of(translation(exemplars=list(exemplars)), OUTPUTS, translator)

    assert made(one) != made(other)
    assert made({**one, "weight": 3}).image == made(one).image
    assert made(one, {**other, "weight": 1e-300}).image == made(one).image
    assert made(one, {**other, "classes": list(range(18))}).image == made(other).image
    mixed = made(one, {**other, "classes": [int(LABELS[0, 0])]})
    results = (mixed, made(one), made(other))
    warped = [np.array(Image.open(io.BytesIO(result.warped or b""))) for result in results]
    claimed = np.isin(LABELS, LABELS[0, 0])
    np.testing.assert_array_equal(warped[0][claimed], warped[2][claimed])
    np.testing.assert_array_equal(warped[0][~claimed], warped[1][~claimed])


def test_the_embedded_model_s_example_is_made_well() -> None:
    translator = load("scenes-small")
    document = example_recipe(translator.config, 3)
    assert document is not None
    recipe = parse_recipe(document, {translator.config.name: translator.config})
    image = run_recipe(translator, recipe, ["image"]).image
    assert image is not None
    truth = Scenes(1, (128, 128), 20_000_003)[0].truth.permute(1, 2, 0).numpy() * 127.5 + 127.5
    found = np.array(Image.open(io.BytesIO(image)), dtype=float)
    assert 10 * np.log10(255**2 / np.square(found - truth).mean()) > 18
