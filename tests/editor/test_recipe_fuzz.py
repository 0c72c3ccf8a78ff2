"""Whatever a document holds: it is a recipe, or a RecipeError names the field."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rabit.editor.checks import Limits, RecipeError, read_document
from rabit.editor.recipe import Recipe, parse_recipe, recipe_document, recipe_model
from recipes import CONDITIONS, MODELS, edit, full, translation

DOCUMENTS = [full(), edit(), edit("poses"), *(translation(model) for model in CONDITIONS)]
FUZZ = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["translate", "edit", *MODELS, "image", "matches", "data:,", "AAAA"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every value inside a document, by the keys that lead to it."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def harm(data: st.DataObject, document: dict[str, Any]) -> Any:
    """Changes one value of a document, anywhere in it."""
    path = data.draw(st.sampled_from(places(document)), label="place")
    if not path:
        return data.draw(VALUES)
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    way = data.draw(st.sampled_from(["replace", "remove", "add", "file"]), label="way")
    old = holder[path[-1]]
    if way == "remove":
        del holder[path[-1]]
    elif way == "add" and isinstance(holder, dict):
        holder[data.draw(st.text(max_size=9))] = data.draw(VALUES)
    elif way == "add":
        holder.extend([old] * data.draw(st.integers(1, 20)))
    elif way == "file" and isinstance(old, str) and len(old) > 100:
        file = bytearray(base64.b64decode(old))
        for _ in range(data.draw(st.integers(1, 5))):
            file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
        del file[data.draw(st.integers(8, len(file))) :]
        holder[path[-1]] = base64.b64encode(file).decode()
    else:
        holder[path[-1]] = data.draw(VALUES)
    return document


@FUZZ
@given(st.data())
def test_a_changed_document_is_a_recipe_or_names_its_field(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        if isinstance(document, dict) and document:
            document = harm(data, document)
    try:
        recipe = parse_recipe(document, MODELS)
    except RecipeError as error:
        assert error.field and error.message and len(str(error)) < 2000
        str(error).encode()
        return
    assert isinstance(recipe, Recipe)
    assert recipe_document(parse_recipe(recipe_document(recipe), MODELS)) == recipe_document(recipe)


@FUZZ
@given(VALUES)
def test_any_json_is_a_recipe_or_names_its_field(document: Any) -> None:
    for read in (recipe_model, lambda value: parse_recipe(value, MODELS)):
        with pytest.raises(RecipeError):
            read(document)


@FUZZ
@given(st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        read_document(data, Limits())
    except RecipeError as error:
        assert error.field == "recipe"
