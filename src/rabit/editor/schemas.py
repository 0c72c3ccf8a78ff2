"""JSON schemas of what the editor's interface takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rabit.config import ModelConfig
from rabit.data.joints import JOINTS, LIMBS
from rabit.editor.checks import Limits
from rabit.editor.conditions import condition_key
from rabit.editor.recipe import MAX_SEED, MAX_WEIGHT, OUTPUTS
from rabit.precision import COMPUTED

Schema = dict[str, Any]

MOST_JOB_REQUESTS = 32
"""The most requests of one job."""
JOB_ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{32}$"}


def reference(name: str) -> Schema:
    """Returns a reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def strict(properties: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """Returns the schema of an object that has no other properties.

    Args:
        properties: by name.
        optional: names of those that may be missing.
    """
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def schemas(models: Mapping[str, ModelConfig], limits: Limits) -> dict[str, Schema]:
    """Returns all schemas by name.

    Args:
        models: the models that are served, by name: what no model reads is left out.
        limits: of recipes.
    """
    kinds = {condition_key(config.condition) for config in models.values()}
    conditions = {
        name: s for name, s in _condition_schemas(limits).items() if kinds & set(s["properties"])
    }
    return {
        **conditions,
        "Condition": {"oneOf": [reference(name) for name in conditions]},
        **_recipe_schemas(models, limits),
        **_answer_schemas(),
        **_model_schemas(),
        **_job_schemas(),
        "LabelsRequest": strict(
            {
                "labels": _file("label-map", "A PNG file of class ids, 8 or 16 bit grey, or of a "
                                "palette whose indices are the ids, in base64."),
                "model": {"type": "string", "enum": list(models)},
            }
        ),
        "Labels": strict(
            {
                "width": _whole(1),
                "height": _whole(1),
                "bits": {"type": "integer", "enum": [8, 16]},
                "ids": _bytes("width × height unsigned numbers of so many bits, row by row, of "
                              "16 bits the low byte first."),
            }
        ),
        "Error": strict(
            {
                "error": {"type": "string", "description": "What was found, what was expected."},
                "field": {
                    "type": ["string", "null"],
                    "description": "What it is about, such as exemplars[0].image.",
                },
            }
        ),
    }  # fmt: skip


def _condition_schemas(limits: Limits) -> dict[str, Schema]:
    place = {
        "type": ["array", "null"],
        "items": {"type": "number"},
        "minItems": 2,
        "maxItems": 2,
        "description": "x and y in pixels, a pixel's centre at whole numbers; null if not seen.",
    }
    side = _whole(1, limits.side)
    return {
        "SemanticCondition": {
            **strict({"labels": _file("label-map", "A PNG file of class ids in base64: 8 or 16 bit "
                                      "grey, or of a palette whose indices are the ids.")}),
            "description": "For models of the kind semantic, and for edges of faces.",
        },
        "EdgeCondition": {
            **strict({"lines": _file("photograph", "A PNG, JPEG or WebP file in base64: a line "
                                     "drawing, or a photograph whose edges are found.")}),
            "description": "For models of the kind edge.",
        },
        "PoseCondition": {
            **strict(
                {
                    "joints": {
                        "type": "array",
                        "items": place,
                        "minItems": len(JOINTS),
                        "maxItems": len(JOINTS),
                        "description": "In OpenPose's order: " + ", ".join(JOINTS) + ".",
                    },
                    "size": {
                        "type": "array",
                        "items": side,
                        "minItems": 2,
                        "maxItems": 2,
                        "description": "Height and width of the picture in pixels.",
                    },
                }
            ),
            "description": "For models of the kind pose.",
        },
    }  # fmt: skip


def _recipe_schemas(models: Mapping[str, ModelConfig], limits: Limits) -> dict[str, Schema]:
    classes = max(config.condition.channels for config in models.values())
    image = _file("photograph", "A PNG, JPEG or WebP file in base64.")
    exemplar = {
        "image": image,
        "condition": {
            "oneOf": [reference("Condition"), {"type": "null"}],
            "description": "The exemplar's own condition, of its shape; without one the maps are "
            "not matched.",
        },
        "classes": {
            "type": ["array", "null"],
            "items": _whole(0, classes - 1),
            "minItems": 1,
            "uniqueItems": True,
            "description": "Ids of the classes of the condition that it paints; null: all that no "
            "other exemplar names. Semantic models only.",
        },
        "weight": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": MAX_WEIGHT,
            "default": 1.0,
            "description": "Its share among the exemplars that paint the same class.",
        },
    }
    photograph = {
        "image": image,
        "condition": reference("Condition"),
        "classes": {"type": "null"},
        "weight": exemplar["weight"],
    }
    common = {
        "model": {"type": "string", "enum": list(models)},
        "condition": reference("Condition"),
        "seed": {**_whole(0, MAX_SEED), "default": 0},
        "precision": {
            "type": ["string", "null"],
            "enum": [*COMPUTED, None],
            "description": "What the networks compute in; null for the server's choice.",
        },
        "outputs": {
            "type": "array",
            "items": {"type": "string", "enum": list(OUTPUTS)},
            "minItems": 1,
            "uniqueItems": True,
            "default": ["image"],
        },
    }
    optional = ("seed", "precision", "outputs", "keep_unedited")
    return {
        "Exemplar": strict(exemplar, ("condition", "classes", "weight")),
        "Photograph": strict(photograph, ("classes", "weight")),
        "Translation": strict(
            {
                "task": {"type": "string", "enum": ["translate"]},
                "exemplars": {
                    "type": "array",
                    "items": reference("Exemplar"),
                    "minItems": 1,
                    "maxItems": limits.exemplars,
                },
                **common,
            },
            optional,
        ),
        "Edit": strict(
            {
                "task": {"type": "string", "enum": ["edit"]},
                "exemplars": {
                    "type": "array",
                    "items": reference("Photograph"),
                    "minItems": 1,
                    "maxItems": 1,
                    "description": "The photograph with its condition before the edit.",
                },
                "keep_unedited": {
                    "type": "boolean",
                    "default": True,
                    "description": "Keep the photograph's own pixels away from the edit.",
                },
                **common,
            },
            optional,
        ),
        "Recipe": {"oneOf": [reference("Translation"), reference("Edit")]},
    }


def _answer_schemas() -> dict[str, Schema]:
    places = "One number for each place, row by row; -1 where there is none."
    pictures = {
        "image": _bytes("The photograph as a PNG file."),
        "warped": _bytes("The exemplars warped to the condition, as a PNG file."),
        "confidence": _bytes("How reliable the correspondence is, in colours, as a PNG file."),
    }
    return {
        "Matches": strict(
            {
                "width": _whole(1),
                "height": _whole(1),
                "x": _bytes(f"16 bit signed, low byte first: the exemplar's column. {places}"),
                "y": _bytes(f"16 bit signed, low byte first: the exemplar's row. {places}"),
                "exemplar": _bytes("8 bit unsigned: which exemplar. One number for each place."),
            }
        ),
        "Answer": strict(
            {
                **pictures,
                "matches": reference("Matches"),
                "seconds": {"type": "number", "minimum": 0},
            },
            (*pictures, "matches"),
        ),
    }


def _model_schemas() -> dict[str, Schema]:
    text, number = {"type": "string"}, _whole(0)
    colour = {"type": "array", "items": _whole(0, 255), "minItems": 3, "maxItems": 3}
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    return {
        "Model": strict(
            {
                "name": text,
                "kind": {"type": "string", "enum": ["semantic", "edge", "pose"]},
                "classes": {"type": "array", "items": text},
                "colours": {"type": "array", "items": colour, "description": "One for each class."},
                "size": {**pair, "description": "Height and width that it was trained at."},
                "alignment": {
                    "type": "boolean",
                    "description": "Without it there are no warped exemplar and no matches.",
                },
                "embedded": {"type": "boolean", "description": "Whether it comes with RABIT."},
                "precision": {
                    "type": "string",
                    "enum": list(COMPUTED),
                    "description": "What it computes in where a recipe does not say.",
                },
            }
        ),
        "Models": strict(
            {
                "models": {"type": "array", "items": reference("Model")},
                "limits": strict(
                    {name: number for name in ("bytes", "pixels", "side", "exemplars", "jobs")}
                ),
                "joints": strict(
                    {
                        "names": {"type": "array", "items": text},
                        "limbs": {"type": "array", "items": pair, "maxItems": len(LIMBS)},
                    }
                ),
            }
        ),
    }


def _job_schemas() -> dict[str, Schema]:
    return {
        "JobRequest": strict(
            {
                "requests": {
                    "type": "array",
                    "items": reference("Recipe"),
                    "minItems": 1,
                    "maxItems": MOST_JOB_REQUESTS,
                }
            }
        ),
        "NewJob": strict({"id": JOB_ID}),
        "Job": strict(
            {
                "id": JOB_ID,
                "state": {"type": "string", "enum": ["waiting", "running", "done", "failed"]},
                "done": {**_whole(0), "description": "Requests that are done, failed ones too."},
                "total": _whole(1),
                "errors": {
                    "type": "array",
                    "items": strict({"index": _whole(0), "error": {"type": "string"}}),
                },
            }
        ),
    }


def _whole(least: int, most: int | None = None) -> Schema:
    return {"type": "integer", "minimum": least, **({} if most is None else {"maximum": most})}


def _bytes(text: str) -> Schema:
    return {"type": "string", "contentEncoding": "base64", "description": text}


def _file(kind: str, text: str) -> Schema:
    return {"type": "string", "format": kind, "contentEncoding": "base64", "description": text}
