"""Following a recipe: its pictures and matches, as a page and the command line give them."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from rabit.combining import Exemplar
from rabit.config import ConditionConfig
from rabit.data.images import png_bytes, to_image
from rabit.data.pictures import confidence_pixels
from rabit.editor.recipe import Recipe, RecipeExemplar
from rabit.inference import Translator
from rabit.sides import read_layout
from rabit.translation import Matching, Sizes, Translation


@dataclass(frozen=True)
class Matches:
    """Where places of a condition come from: a grid of places over all of it, row by row.

    Args:
        width: places in a row.
        height: rows.
        x: int16, little endian: the column in the source exemplar, in its pixels; -1 for none.
        y: the row, alike.
        exemplar: uint8: the number of the source exemplar.
    """

    width: int
    height: int
    x: bytes
    y: bytes
    exemplar: bytes


@dataclass(frozen=True)
class RecipeResult:
    """What a recipe gives; None for what was not asked for.

    Args:
        image: the result as a PNG file, of the recipe's size.
        warped: the exemplars warped to the condition, as a PNG file; None without alignment.
        confidence: how reliable the correspondence is, in colours, as a PNG file.
        matches: None without alignment.
    """

    image: bytes | None = None
    warped: bytes | None = None
    confidence: bytes | None = None
    matches: Matches | None = None


def follow_recipe(translator: Translator, recipe: Recipe) -> Translation:
    """Translates or edits as a recipe says.

    Args:
        translator: the recipe's model.
        recipe: as `parse_recipe` gives it.

    Returns:
        The translation of one condition.
    """
    config, translator = translator.config.condition, _computing(translator, recipe)
    condition = recipe.condition.given(config)
    exemplars = [_exemplar(exemplar, config) for exemplar in recipe.exemplars]
    if recipe.task == "translate":
        return translator.combine(condition, exemplars, recipe.seed)
    (photograph,) = exemplars
    assert photograph.condition is not None
    return translator.edit(
        photograph.image, photograph.condition, condition, recipe.keep_unedited, recipe.seed
    )


def run_recipe(translator: Translator, recipe: Recipe, outputs: Collection[str]) -> RecipeResult:
    """Follows a recipe, and makes only what is asked for.

    Args:
        translator: the recipe's model.
        recipe: as `parse_recipe` gives it.
        outputs: of `rabit.editor.recipe.OUTPUTS`; without image no photograph is generated.

    Returns:
        What was asked for, where the model has it. The image is, byte for byte, the file that
        `rabit translate` or `rabit edit` writes of the same conditions.
    """
    image = None
    if "image" in outputs:
        translation = follow_recipe(translator, recipe)
        image = png_bytes(to_image(translation.image[0]))
        matching: Matching = translation
    else:
        matching = _matching(translator, recipe)
    aligned = matching.matches is not None
    warped = confidence = None
    if "warped" in outputs and aligned:
        warped = png_bytes(to_image(matching.warped[0]))
    if "confidence" in outputs:
        confidence = png_bytes(confidence_pixels(matching.confidence[0], recipe.size))
    matches = grid_of_matches(translator, matching) if "matches" in outputs else None
    return RecipeResult(image, warped, confidence, matches)


def grid_of_matches(translator: Translator, matching: Matching) -> Matches | None:
    """Returns the matches of one condition, one for each place that was matched.

    Args:
        translator: what matched.
        matching: of one condition.

    Returns:
        The pixel under each match; None for a model without alignment.
    """
    if matching.matches is None:
        return None
    size = (matching.matches.shape[1], matching.matches.shape[2])
    inner = Sizes.of(size, translator.config).inner
    rows, columns = (
        _centres(math.ceil(side / translator.config.alignment.stride), given)
        for side, given in zip(inner, size, strict=True)
    )
    places = _picked(matching.matches[0], rows, columns)
    sources = np.zeros(places.shape[:2], np.uint8)
    if matching.sources is not None:
        sources = _picked(matching.sources[0], rows, columns).astype(np.uint8)
    # A place of an even number of pixels has its centre between two: the first is taken.
    x, y = np.moveaxis(np.ceil(places - 0.5), -1, 0).astype("<i2")
    return Matches(len(columns), len(rows), x.tobytes(), y.tobytes(), sources.tobytes())


def _computing(translator: Translator, recipe: Recipe) -> Translator:
    """Returns the translator in the recipe's precision, if it has one."""
    return translator if recipe.precision is None else translator.with_precision(recipe.precision)


def _matching(translator: Translator, recipe: Recipe) -> Matching:
    """Matches what a recipe would translate; an edit matches its photograph, at its size."""
    config, translator = translator.config.condition, _computing(translator, recipe)
    exemplars = [_exemplar(exemplar, config) for exemplar in recipe.exemplars]
    condition = read_layout(recipe.condition.given(config), config, "condition", recipe.size)
    return translator.match(condition.resize(recipe.size), exemplars, recipe.seed)


def _exemplar(exemplar: RecipeExemplar, config: ConditionConfig) -> Exemplar:
    """Returns an exemplar as a translator takes it."""
    condition = exemplar.condition
    return Exemplar(
        exemplar.image.pixels,
        None if condition is None else condition.given(config),
        exemplar.classes,
        exemplar.weight,
    )


def _centres(count: int, side: int) -> Int[np.ndarray, " count"]:
    """Returns the pixels of a side under the centres of places that divide it."""
    return (2 * np.arange(count) + 1) * side // (2 * count)


def _picked(values: Float[Tensor, "H W ..."], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return values.cpu().numpy()[rows[:, None], columns[None]]
