"""What the editor's server does, apart from HTTP: models, recipes in, answers out."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection, Mapping
from typing import Any, cast

import numpy as np

from rabit.config import ModelConfig
from rabit.data.joints import JOINTS, LIMBS
from rabit.data.pictures import palette
from rabit.editor.checks import Limits, RecipeError, list_field, object_field, required, text_field
from rabit.editor.conditions import condition_key, map_classes
from rabit.editor.example import example_recipe, shipped_recipe
from rabit.editor.pictures import read_label_map
from rabit.editor.recipe import Recipe, parse_recipe
from rabit.editor.run import run_recipe
from rabit.editor.schemas import MOST_JOB_REQUESTS
from rabit.inference import Translator, load
from rabit.model.sources import is_named, named_model
from rabit.precision import Precision

MATCH_OUTPUTS = ("warped", "confidence", "matches")


class NoExampleError(Exception):
    """No pictures come with a model, and its classes are none that one can be generated of."""


class Service:
    """Answers the requests of the editor with models that are in memory.

    Args:
        translators: the models by the names that requests call them.
        limits: of what requests may hold.
    """

    def __init__(self, translators: Mapping[str, Translator], limits: Limits) -> None:
        self.translators = dict(translators)
        self.limits = limits
        self.models: dict[str, ModelConfig] = {
            name: translator.config for name, translator in translators.items()
        }

    def about(self) -> dict[str, Any]:
        """Returns the models, the limits, and the joints of poses."""
        return {
            "models": [_about_model(name, each) for name, each in self.translators.items()],
            "limits": {
                "bytes": self.limits.bytes,
                "pixels": self.limits.pixels,
                "side": self.limits.side,
                "exemplars": self.limits.exemplars,
                "jobs": MOST_JOB_REQUESTS,
            },
            "joints": {"names": list(JOINTS), "limbs": [list(limb) for limb in LIMBS]},
        }

    def example(self, model: str, seed: int) -> dict[str, Any]:
        """Returns a recipe to begin with: of the pictures that come with a model, or generated.

        Args:
            model: its name.
            seed: which one, from 0.

        Raises:
            RecipeError: there is no such model.
            NoExampleError: no pictures come with it, and nothing is generated for its classes.
        """
        config, folder = self._config(model), self.translators[model].folder
        shipped = None if folder is None else shipped_recipe(model, folder, seed)
        recipe = shipped or example_recipe(config, seed)
        if recipe is None:
            raise NoExampleError(
                f"no pictures come with {model}, and none are generated for its classes"
            )
        return {**recipe, "model": model}

    def parse(self, document: object, task: str | None = None) -> Recipe:
        """Checks a recipe and decodes its pictures.

        Args:
            document: the recipe as plain data.
            task: that it must be for; None for any.

        Raises:
            RecipeError: it is no recipe, one for another task, or beyond the limits.
        """
        recipe = parse_recipe(document, self.models, self.limits)
        if task is not None and recipe.task != task:
            raise RecipeError("task", f"{recipe.task!r} was sent where {task!r} is done")
        return recipe

    def labels(self, document: object) -> dict[str, Any]:
        """Returns the ids of a label map.

        Args:
            document: {"labels": a PNG file in base64, "model": the model whose map it is}.

        Raises:
            RecipeError: it is something else, or the file cannot be used.
        """
        fields = object_field(document, "labels", ("labels", "model"))
        config = self._config(required(fields, "model", "model"))
        key = condition_key(config.condition)
        if key != "labels":
            raise RecipeError("model", f"reads {key}, expected one that reads label maps")
        classes = len(map_classes(config.condition))
        given = required(fields, "labels", "labels")
        ids = read_label_map(given, "labels", classes, self.limits)
        height, width = ids.size
        bits = 8 if classes <= 256 else 16
        packed = ids.pixels.astype(np.uint8 if bits == 8 else np.dtype("<u2"))
        return {"width": width, "height": height, "bits": bits, "ids": _text(packed.tobytes())}

    def check_job(self, document: object) -> tuple[list[dict[str, Any]], int]:
        """Checks all recipes of a batch and returns them as they are, and their size as JSON.

        Args:
            document: {"requests": [recipe, ...]}.

        Raises:
            RecipeError: one cannot be followed; its fields begin with requests[0] and so on.
        """
        expected = f"a list of 1 to {MOST_JOB_REQUESTS} recipes"
        fields = object_field(document, "requests", ("requests",))
        requests = list_field(required(fields, "requests", "requests"), "requests", expected)
        if not 1 <= len(requests) <= MOST_JOB_REQUESTS:
            raise RecipeError("requests", f"found {len(requests)}, expected {expected}")
        checked = []
        for index, request in enumerate(requests):
            try:
                self.parse(request)
            except RecipeError as error:
                raise RecipeError(f"requests[{index}].{error.field}", error.message) from error
            checked.append(cast("dict[str, Any]", request))
        return checked, len(json.dumps(checked))

    def answer_document(self, document: object) -> bytes:
        """Checks and runs a recipe and returns the answer as JSON.

        Args:
            document: the recipe as plain data.

        Raises:
            RecipeError: it cannot be followed.
        """
        recipe = self.parse(document)
        return self.answer(recipe, recipe.outputs)

    def answer(self, recipe: Recipe, outputs: Collection[str]) -> bytes:
        """Runs a recipe and returns the answer as JSON.

        Args:
            recipe: what to do.
            outputs: which of `recipe.OUTPUTS` the answer holds.
        """
        started = time.perf_counter()
        result = run_recipe(self.translators[recipe.model], recipe, outputs)
        pictures = {"image": result.image, "warped": result.warped, "confidence": result.confidence}
        answer: dict[str, Any] = {
            name: _text(picture)
            for name, picture in pictures.items()
            if name in outputs and picture is not None
        }
        if "matches" in outputs and result.matches is not None:
            found = result.matches
            answer["matches"] = {
                "width": found.width,
                "height": found.height,
                "x": _text(found.x),
                "y": _text(found.y),
                "exemplar": _text(found.exemplar),
            }
        answer["seconds"] = round(time.perf_counter() - started, 4)
        return json.dumps(answer).encode()

    def _config(self, model: object) -> ModelConfig:
        return self.models[text_field(model, "model", self.models)]


def load_models(
    names: Collection[str], device: Any, precision: Precision = "float32"
) -> dict[str, Translator]:
    """Loads models, by the names that requests call them.

    A folder's model is called as its configuration says, and "-own" behind that where the project
    has a model of this name itself.

    Args:
        names: as for `rabit.load`, or NAME=MODEL to have it called otherwise.
        device: where they go.
        precision: what their networks compute in.

    Raises:
        ValueError: there is no such model, or two are called the same.
    """
    translators: dict[str, Translator] = {}
    for given in names:
        own, name = named_model(given)
        if own and is_named(own):
            raise ValueError(f"{given}: the project has a model called {own}; give another name")
        translator = load(name, precision).to(device)
        called = own or (name if is_named(name) else translator.config.name)
        if called != name and is_named(called):
            # Its recipes would be repeated with the project's own model of this name.
            called = f"{called}-own"
        if called in translators:
            raise ValueError(
                f"two models are called {called}; serve one of them as NAME={name}, or leave it out"
            )
        translators[called] = translator
    return translators


def recipe_bytes(recipe: Recipe) -> int:
    """Returns about how many bytes the decoded pictures of a recipe take."""
    colours = [exemplar.image.size for exemplar in recipe.exemplars]
    own = [e.condition.size for e in recipe.exemplars if e.condition is not None]
    conditions = [recipe.condition.size, *own]
    return 3 * sum(h * w for h, w in colours) + 8 * sum(h * w for h, w in conditions)


def _about_model(name: str, translator: Translator) -> dict[str, Any]:
    config = translator.config
    classes = map_classes(config.condition)
    return {
        "name": name,
        "kind": config.condition.kind,
        "classes": list(classes),
        "colours": palette(len(classes)).tolist(),
        "size": list(config.image_size),
        "alignment": config.alignment.method != "none",
        "embedded": is_named(name),
        "precision": translator.computed_in,
    }


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
