"""The recipe: one JSON document that a page sends, a person keeps, and the command line repeats."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from rabit.config import ConditionConfig, ModelConfig
from rabit.editor.checks import (
    RECIPE,
    Limits,
    RecipeError,
    bool_field,
    describe,
    int_field,
    list_field,
    number_field,
    object_field,
    read_document,
    required,
    text_field,
)
from rabit.editor.conditions import RecipeCondition, parse_condition
from rabit.editor.pictures import Photograph, read_photograph
from rabit.precision import COMPUTED, Computed

__all__ = [
    "OUTPUTS",
    "TASKS",
    "Limits",
    "Recipe",
    "RecipeCondition",
    "RecipeError",
    "RecipeExemplar",
    "parse_recipe",
    "read_document",
    "recipe_document",
    "recipe_model",
]

TASKS = ("translate", "edit")
OUTPUTS = ("image", "warped", "confidence", "matches")
MAX_SEED = 2**63 - 1
MAX_WEIGHT = 1e6

_KEYS = (
    "task",
    "model",
    "condition",
    "exemplars",
    "keep_unedited",
    "seed",
    "precision",
    "outputs",
)
_EXEMPLAR_KEYS = ("image", "condition", "classes", "weight")


@dataclass(frozen=True)
class RecipeExemplar:
    """A photograph that gives the look.

    Args:
        image: the photograph.
        condition: its own condition; None if that is not known.
        classes: ids of the condition's classes that it paints; None for all that no other claims.
        weight: its share among the exemplars that paint the same class, > 0.
    """

    image: Photograph
    condition: RecipeCondition | None = None
    classes: tuple[int, ...] | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """A translation or an edit with everything that it is made from.

    Args:
        task: translate, or edit.
        model: the name of the model.
        condition: what should be where; of an edit the condition after it.
        exemplars: what gives the look; of an edit the photograph itself with its condition.
        keep_unedited: whether an edit keeps the photograph's own pixels away from it.
        seed: of whatever a correspondence method draws at random.
        precision: what the networks compute in; None for what whoever follows it has chosen.
        outputs: what a request asks for, of OUTPUTS.
    """

    task: Literal["translate", "edit"]
    model: str
    condition: RecipeCondition
    exemplars: tuple[RecipeExemplar, ...]
    keep_unedited: bool = True
    seed: int = 0
    precision: Computed | None = None
    outputs: tuple[str, ...] = ("image",)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what comes out: the condition's, of an edit its photograph's."""
        return self.exemplars[0].image.size if self.task == "edit" else self.condition.size


def recipe_model(document: object) -> str:
    """Returns the name of the model that a document asks for.

    Args:
        document: as `read_document` gives it.

    Raises:
        RecipeError: it is no recipe, or names none.
    """
    fields = object_field(document, RECIPE, _KEYS)
    name = required(fields, "model", "model")
    if not isinstance(name, str) or not name:
        raise RecipeError("model", f"found {describe(name)}, expected the name of a model")
    return name


def parse_recipe(
    document: object, models: Mapping[str, ModelConfig], limits: Limits | None = None
) -> Recipe:
    """Reads a recipe whole: every field is checked and every picture decoded.

    Args:
        document: as `read_document` gives it.
        models: the models that there are, by name.
        limits: of its pictures; the defaults if left out.

    Returns:
        A recipe that can be followed with its model.

    Raises:
        RecipeError: a field is missing, unknown, of another type or out of its range, a picture
            cannot be used, or the parts do not fit each other.
    """
    limits = limits or Limits()
    fields = object_field(document, RECIPE, _KEYS)
    task = text_field(required(fields, "task", "task"), "task", TASKS)
    model = text_field(recipe_model(document), "model", models)
    config = models[model].condition
    recipe = Recipe(
        task=cast('Literal["translate", "edit"]', task),
        model=model,
        condition=parse_condition(
            required(fields, "condition", "condition"), "condition", config, limits
        ),
        exemplars=_exemplars(required(fields, "exemplars", "exemplars"), config, limits),
        keep_unedited=bool_field(fields.get("keep_unedited", True), "keep_unedited"),
        seed=int_field(fields.get("seed", 0), "seed", 0, MAX_SEED),
        precision=_precision(fields.get("precision")),
        outputs=_outputs(fields.get("outputs", ["image"])),
    )
    if task == "edit":
        _check_edit(recipe)
    elif "keep_unedited" in fields:
        raise RecipeError("keep_unedited", "found in a translation, expected in an edit; remove it")
    return recipe


def recipe_document(recipe: Recipe) -> dict[str, object]:
    """Returns a recipe as JSON-ready data that `parse_recipe` reads as the same recipe."""
    document: dict[str, object] = {
        "task": recipe.task,
        "model": recipe.model,
        "condition": recipe.condition.document(),
        "exemplars": [_exemplar_document(exemplar) for exemplar in recipe.exemplars],
        "seed": recipe.seed,
        "outputs": list(recipe.outputs),
    }
    if recipe.task == "edit":
        document["keep_unedited"] = recipe.keep_unedited
    if recipe.precision is not None:
        document["precision"] = recipe.precision
    return document


def _exemplar_document(exemplar: RecipeExemplar) -> dict[str, object]:
    own, classes = exemplar.condition, exemplar.classes
    return {
        "image": base64.b64encode(exemplar.image.file).decode("ascii"),
        "condition": None if own is None else own.document(),
        "classes": None if classes is None else list(classes),
        "weight": exemplar.weight,
    }


def _exemplars(
    value: object, config: ConditionConfig, limits: Limits
) -> tuple[RecipeExemplar, ...]:
    expected = f"a list of 1 to {limits.exemplars} exemplars"
    items = list_field(value, "exemplars", expected)
    if not 1 <= len(items) <= limits.exemplars:
        raise RecipeError("exemplars", f"found {describe(items)}, expected {expected}")
    return tuple(_exemplar(item, f"exemplars[{i}]", config, limits) for i, item in enumerate(items))


def _exemplar(value: object, field: str, config: ConditionConfig, limits: Limits) -> RecipeExemplar:
    fields = object_field(value, field, _EXEMPLAR_KEYS)
    image = read_photograph(required(fields, "image", f"{field}.image"), f"{field}.image", limits)
    condition = None
    if fields.get("condition") is not None:
        condition = parse_condition(fields["condition"], f"{field}.condition", config, limits)
        _check_shape(image.size, condition.size, f"{field}.condition", "the exemplar")
    classes = _classes(fields.get("classes"), f"{field}.classes", config)
    where, expected = f"{field}.weight", f"a number above 0, up to {MAX_WEIGHT:g}"
    weight = number_field(fields.get("weight", 1.0), where, expected)
    if not 0 < weight <= MAX_WEIGHT:
        raise RecipeError(where, f"found {weight:g}, expected {expected}")
    return RecipeExemplar(image, condition, classes, weight)


def _classes(value: object, field: str, config: ConditionConfig) -> tuple[int, ...] | None:
    """Reads which classes an exemplar paints."""
    if value is None:
        return None
    if config.kind != "semantic":
        raise RecipeError(
            field,
            f"found {describe(value)}, but {config.kind} conditions have no classes: expected null",
        )
    items = list_field(value, field, "a list of class ids, or null")
    if not items or len(items) > config.channels:
        raise RecipeError(
            field, f"found {describe(items)}, expected 1 to {config.channels} distinct ids, or null"
        )
    ids = tuple(
        int_field(item, f"{field}[{i}]", 0, config.channels - 1) for i, item in enumerate(items)
    )
    if len(set(ids)) != len(ids):
        raise RecipeError(field, "found an id twice, expected distinct ids")
    return ids


def _precision(value: object) -> Computed | None:
    if value is None:
        return None
    return cast("Computed", text_field(value, "precision", COMPUTED))


def _outputs(value: object) -> tuple[str, ...]:
    names = list_field(value, "outputs", f"a list of {', '.join(OUTPUTS)}")
    if not 1 <= len(names) <= len(OUTPUTS):
        raise RecipeError("outputs", f"found {describe(names)}, expected 1 to {len(OUTPUTS)} names")
    chosen = tuple(text_field(name, f"outputs[{i}]", OUTPUTS) for i, name in enumerate(names))
    if len(set(chosen)) != len(chosen):
        raise RecipeError("outputs", "found a name twice, expected distinct names")
    return chosen


def _check_edit(recipe: Recipe) -> None:
    """Checks that an edit has one photograph with its condition, and fits it."""
    if len(recipe.exemplars) != 1:
        raise RecipeError(
            "exemplars",
            f"found {len(recipe.exemplars)}, expected exactly 1 for an edit: the photograph itself",
        )
    photograph = recipe.exemplars[0]
    if photograph.condition is None:
        raise RecipeError(
            "exemplars[0].condition",
            "found none, expected the photograph's condition before the edit",
        )
    if photograph.classes is not None:
        raise RecipeError("exemplars[0].classes", "found in an edit, expected null")
    _check_shape(photograph.image.size, recipe.condition.size, "condition", "the photograph")
    own, new = photograph.condition.size, recipe.condition.size
    if own != new:
        raise RecipeError(
            "condition",
            f"found {new[1]}×{new[0]} pixels (width×height), expected {own[1]}×{own[0]} as "
            "exemplars[0].condition has, so that what differs is what was edited",
        )


def _check_shape(image: tuple[int, int], own: tuple[int, int], field: str, what: str) -> None:
    """Checks that a condition has its photograph's shape."""
    if own[0] * image[1] != own[1] * image[0]:
        raise RecipeError(
            field,
            f"found {own[1]}×{own[0]} pixels (width×height), but {what} is {image[1]}×{image[0]}; "
            "expected the same size, or the same shape",
        )
