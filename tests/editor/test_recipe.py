"""Recipes: what a document must hold, and how wrong ones are named."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from rabit.editor.checks import describe
from rabit.editor.recipe import (
    Limits,
    RecipeError,
    parse_recipe,
    read_document,
    recipe_document,
    recipe_model,
)
from recipes import (
    CONDITIONS,
    LABELS,
    MODELS,
    OTHER_PHOTO,
    PHOTO,
    b64,
    edit,
    full,
    put,
    translation,
)


def refused(document: object, limits: Limits | None = None) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(document, MODELS, limits)
    assert str(caught.value) == f"{caught.value.field}: {caught.value.message}"
    return caught.value


# Good ones


def test_every_key_is_read() -> None:
    recipe = parse_recipe(full(), MODELS)
    assert (recipe.task, recipe.model, recipe.seed) == ("translate", "scenes", 7)
    assert (recipe.precision, recipe.outputs) == ("bfloat16", ("image", "matches"))
    assert recipe.condition.size == (64, 64)
    np.testing.assert_array_equal(recipe.condition.content, LABELS)
    first, second = recipe.exemplars
    np.testing.assert_array_equal(first.image.pixels, PHOTO)
    assert (first.condition, first.classes, first.weight) == (None, None, 2.0)
    assert second.image.size == OTHER_PHOTO.shape[:2]
    assert second.condition is not None and second.condition.size == (32, 48)
    assert (second.classes, second.weight) == ((3, 1), 0.5)


def test_what_is_left_out_has_a_default() -> None:
    recipe = parse_recipe(translation(), MODELS)
    assert (recipe.seed, recipe.precision, recipe.outputs) == (0, None, ("image",))
    assert (recipe.exemplars[0].classes, recipe.exemplars[0].weight) == (None, 1.0)
    assert parse_recipe(edit(), MODELS).keep_unedited is True
    assert parse_recipe(edit(keep_unedited=False), MODELS).keep_unedited is False


@pytest.mark.parametrize(
    "document",
    [full(), edit(), edit(keep_unedited=False), *(translation(model) for model in CONDITIONS)],
    ids=["full", "edit", "whole edit", *CONDITIONS],
)
def test_a_recipe_is_spelt_as_the_document_that_it_was_read_from(document: dict[str, Any]) -> None:
    recipe = parse_recipe(document, MODELS)
    spelt = recipe_document(recipe)
    assert {key: spelt[key] for key in document if key != "exemplars"} == {
        key: value for key, value in document.items() if key != "exemplars"
    }
    exemplars: Any = spelt["exemplars"]
    for exemplar, given in zip(exemplars, document["exemplars"], strict=True):
        assert {key: exemplar[key] for key in given} == given
    assert recipe_document(parse_recipe(json.loads(json.dumps(spelt)), MODELS)) == spelt


# Wrong ones


@pytest.mark.parametrize("document", [None, [], "x", 3, True])
def test_what_is_no_object_is_refused(document: object) -> None:
    error = refused(document)
    assert error.field == "recipe"
    assert "expected an object with task, model" in error.message


@pytest.mark.parametrize("key", ["task", "model", "condition", "exemplars"])
def test_missing_keys_are_named(key: str) -> None:
    document = translation()
    del document[key]
    error = refused(document)
    assert (error.field, error.message) == (key, "missing; add it")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("keep", "recipe"),
        ("exemplars[0].wieght", "exemplars[0]"),
        ("condition.lines", "condition"),
        ("exemplars[0].condition.size", "exemplars[0].condition"),
    ],
)
def test_unknown_keys_are_named(path: str, field: str) -> None:
    error = refused(put(translation(), path, 1))
    assert error.field == field
    assert f"unknown key {path.split('.')[-1]!r}" in error.message


DEEP: Any = []
for _ in range(100_000):
    DEEP = [DEEP]

WRONG: list[tuple[str, Any, str]] = [
    ("task", "paint", "found 'paint', expected one of translate, edit"),
    ("task", ["translate"], "found a list of 1, expected one of translate, edit"),
    ("model", "nobody", "found 'nobody', expected one of scenes, unaligned"),
    ("model", {}, "found an object, expected the name of a model"),
    ("model", "", "found '', expected the name of a model"),
    ("model", "\ud800" * 99, "…, expected one of"),
    ("precision", "auto", "found 'auto', expected one of float32, bfloat16"),
    ("precision", 16, "found 16, expected one of float32, bfloat16"),
    ("condition", [], "found a list of 0, expected an object with labels"),
    ("condition.labels", None, "found null, expected a file in base64"),
    ("exemplars", {}, "found an object, expected a list of 1 to 8 exemplars"),
    ("exemplars", [], "found a list of 0, expected a list of 1 to 8"),
    ("exemplars", [{}] * 9, "found a list of 9, expected a list of 1 to 8"),
    ("exemplars[0]", "photo", "found 'photo', expected an object with image"),
    ("exemplars[0].image", 5, "found 5, expected a file in base64"),
    ("exemplars[0].condition", DEEP, "found a list of 1, expected an object"),
    ("exemplars[0].classes", 3, "found 3, expected a list of class ids, or null"),
    ("exemplars[0].classes", [], "found a list of 0, expected 1 to 18 distinct ids, or null"),
    ("exemplars[0].classes", [1, 1], "found an id twice, expected distinct ids"),
    ("exemplars[0].classes", list(range(19)), "found a list of 19, expected 1 to 18 distinct"),
    ("exemplars[0].classes[0]", 18, "found 18, expected a whole number from 0 to 17"),
    ("exemplars[0].classes[0]", True, "found true, expected a whole number"),
    ("exemplars[0].classes[0]", 1.0, "found 1.0, expected a whole number"),
    ("exemplars[0].weight", 0, "found 0, expected a number above 0, up to 1e+06"),
    ("exemplars[0].weight", -1.5, "found -1.5, expected a number above 0"),
    ("exemplars[0].weight", 1e7, "found 1e+07, expected a number above 0, up to 1e+06"),
    ("exemplars[0].weight", 10**400, "…, expected a number above 0"),
    ("exemplars[0].weight", 10**5000, "found a number of too many digits, expected a number"),
    ("exemplars[0].weight", float("nan"), "found nan, expected a number above 0"),
    ("exemplars[0].weight", float("inf"), "found inf, expected a number above 0"),
    ("exemplars[0].weight", True, "found true, expected a number above 0"),
    ("exemplars[0].weight", None, "found null, expected a number above 0"),
    ("exemplars[0].weight", DEEP, "found a list of 1, expected a number above 0"),
    ("exemplars[0].weight", "1", "found '1', expected a number above 0"),
    ("seed", -1, "found -1, expected a whole number from 0 to 9223372036854775807"),
    ("seed", 2**63, "found 9223372036854775808, expected a whole number"),
    ("seed", 0.0, "found 0.0, expected a whole number"),
    ("seed", False, "found false, expected a whole number"),
    ("seed", None, "found null, expected a whole number"),
    ("outputs", "image", "found 'image', expected a list of image, warped"),
    ("outputs", [], "found a list of 0, expected 1 to 4 names"),
    ("outputs", ["image"] * 5, "found a list of 5, expected 1 to 4 names"),
    ("outputs", ["image", "image"], "found a name twice, expected distinct names"),
    ("outputs[0]", "picture", "found 'picture', expected one of image, warped"),
    ("keep_unedited", True, "found in a translation, expected in an edit; remove it"),
    ("keep_unedited", 1, "found 1, expected true or false"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), WRONG, ids=[f"{i}" for i in range(len(WRONG))]
)
def test_wrong_values_are_named(path: str, value: Any, message: str) -> None:
    document = translation(outputs=["image"])
    document["exemplars"][0]["classes"] = [0]
    error = refused(put(document, path, value))
    assert error.field == path
    assert message in error.message
    assert len(error.message) < 600
    error.message.encode()  # can be sent


def test_models_whose_channels_no_recipe_holds_are_refused() -> None:
    error = refused(translation() | {"model": "strange"})
    assert error.field == "model"
    assert "reads channels that no recipe holds (edge, distance)" in error.message


@pytest.mark.parametrize("model", ["edges", "face-edges", "poses"])
def test_classes_of_conditions_without_any_are_refused(model: str) -> None:
    error = refused(put(translation(model), "exemplars[0].classes", [0]))
    assert error.field == "exemplars[0].classes"
    assert f"but {MODELS[model].condition.kind} conditions have no classes" in error.message


def test_an_exemplar_s_condition_has_its_shape() -> None:
    wide = put(translation(), "exemplars[0].image", b64(OTHER_PHOTO))
    error = refused(wide)
    assert error.field == "exemplars[0].condition"
    assert "found 64×64 pixels (width×height), but the exemplar is 96×64" in error.message
    half = {"labels": b64(LABELS[:32, :48])}
    assert parse_recipe(put(wide, "exemplars[0].condition", half), MODELS)


def test_both_conditions_of_an_edit_have_one_size() -> None:
    half = {"labels": b64(LABELS[:32, :32])}
    error = refused(put(edit(), "condition", half))
    assert error.field == "condition"
    assert "found 32×32 pixels (width×height), expected 64×64" in error.message
    assert parse_recipe(put(put(edit(), "condition", half), "exemplars[0].condition", half), MODELS)


def test_an_edit_is_of_one_photograph_with_its_condition() -> None:
    exemplar = edit()["exemplars"][0]
    error = refused(edit(exemplars=[exemplar, exemplar]))
    assert (error.field, error.message[:7]) == ("exemplars", "found 2")
    error = refused(put(edit(), "exemplars[0].condition", None))
    assert error.field == "exemplars[0].condition"
    error = refused(put(edit(), "exemplars[0].classes", [2]))
    assert error.field == "exemplars[0].classes"
    error = refused(edit(condition={"labels": b64(LABELS[:, :60])}))
    assert error.field == "condition"
    assert "found 60×64 pixels (width×height), but the photograph is 64×64" in error.message


def test_limits_are_those_that_are_given() -> None:
    document = full()
    assert parse_recipe(document, MODELS, Limits(pixels=96 * 64, side=96, exemplars=2))
    assert refused(document, Limits(exemplars=1)).field == "exemplars"
    error = refused(document, Limits(pixels=96 * 64 - 1))
    assert error.field == "exemplars[1].image"
    assert "96×64 pixels (width×height), expected at most 6143" in error.message
    assert refused(document, Limits(side=95)).field == "exemplars[1].image"
    assert refused(document, Limits(side=63)).field == "condition.labels"
    for name in ("bytes", "pixels", "side", "exemplars"):
        with pytest.raises(ValueError, match=f"{name} is 0"):
            Limits(**{name: 0})


# The JSON around it


def test_json_is_read_and_its_model_named() -> None:
    document = read_document(json.dumps(full()).encode(), Limits())
    assert document == full()
    assert recipe_model(document) == "scenes"
    assert read_document(b"\xef\xbb\xbf[1]", Limits()) == [1]


def test_whole_numbers_may_have_a_point_as_in_requests() -> None:
    given = b'{"seed": 7.0, "weight": 2.5e1, "large": 1e300, "half": 0.5}'
    found = read_document(given, Limits())
    assert found == {"seed": 7, "weight": 25, "large": 1e300, "half": 0.5}
    assert isinstance(found, dict) and isinstance(found["seed"], int)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"seed": NaN}',
        b'{"seed": -Infinity}',
        b'{"seed": 1} x',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"9" * 100_000,
    ],
    ids=[f"{i}" for i in range(9)],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(RecipeError, match="^recipe: no JSON"):
        read_document(data, Limits())


def test_json_that_is_too_long_is_refused_before_it_is_read() -> None:
    assert read_document(b"[1, 2]", Limits(bytes=6)) == [1, 2]
    with pytest.raises(RecipeError, match="recipe: more than 5 bytes"):
        read_document(b"[1, 2]", Limits(bytes=5))


def test_values_are_described_in_short() -> None:
    assert describe(b"x") == "a bytes"
    assert describe("é") == "'é'"
    assert len(describe("x" * 10_000)) < 70
    assert describe({"a": 1}) == "an object"
