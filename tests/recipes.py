"""Recipes for tests: small models of every kind of condition, and documents that fit them."""

from __future__ import annotations

import base64
import copy
import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from rabit.config import ConditionConfig, Kind, ModelConfig
from rabit.data.edges import EDGE_CHANNELS
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS
from rabit.data.pose import POSE_CHANNELS
from rabit.data.scenes import CLASSES
from rabit.inference import Translator
from rabit.model.network import build_network
from tiny import tiny_experiment

RNG = np.random.default_rng(8)
PHOTO = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
OTHER_PHOTO = RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8)
LABELS = RNG.integers(0, len(CLASSES), (16, 16), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
OWN_LABELS = LABELS.T.copy()
LINES = np.full((64, 64, 3), 255, np.uint8)
LINES[20:22, 5:60] = LINES[5:60, 40:42] = 0
JOINTS: list[Any] = [[20.0 + 1.5 * i, 4 + 3 * i] for i in range(18)]
JOINTS[16] = None


def model_of(name: str, kind: Kind, classes: tuple[str, ...], **changes: Any) -> ModelConfig:
    condition = ConditionConfig(kind, classes)
    return replace(tiny_experiment(64, **changes).model, name=name, condition=condition)


MODELS = {
    config.name: config
    for config in (
        model_of("scenes", "semantic", CLASSES),
        model_of("unaligned", "semantic", CLASSES, alignment__method="none"),
        model_of("random", "semantic", CLASSES, alignment__method="patchmatch"),
        model_of("edges", "edge", EDGE_CHANNELS),
        model_of("faces", "semantic", FACE_CLASSES),
        model_of("face-edges", "edge", FACE_EDGE_CHANNELS),
        model_of("poses", "pose", POSE_CHANNELS),
        model_of("strange", "edge", ("edge", "distance")),
    )
}


def translator_of(model: str) -> Translator:
    return Translator(build_network(MODELS[model], seed=1), MODELS[model])


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind, **options)
    return stream.getvalue()


def text(file: bytes) -> str:
    return base64.b64encode(file).decode("ascii")


def b64(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> str:
    """A picture as a file in base64."""
    return text(encoded(pixels, kind, **options))


CONDITIONS: dict[str, Any] = {
    "scenes": {"labels": b64(LABELS)},
    "unaligned": {"labels": b64(LABELS)},
    "random": {"labels": b64(LABELS)},
    "edges": {"lines": b64(LINES)},
    "faces": {"labels": b64(LABELS)},
    "face-edges": {"labels": b64(LABELS)},
    "poses": {"joints": JOINTS, "size": [64, 64]},
}


def translation(model: str = "scenes", **changes: Any) -> dict[str, Any]:
    """A document that translates with a model; changes are its own keys."""
    condition = copy.deepcopy(CONDITIONS[model])
    exemplar = {"image": b64(PHOTO), "condition": copy.deepcopy(condition)}
    document = {"task": "translate", "model": model, "condition": condition}
    return {**document, "exemplars": [exemplar], **changes}


def edit(model: str = "scenes", **changes: Any) -> dict[str, Any]:
    """A document that edits a photograph."""
    document = translation(model, task="edit")
    if model == "poses":
        document["condition"]["joints"][4] = [5, 40]
    elif model == "edges":
        drawn = LINES.copy()
        drawn[50:52, 5:30] = 0
        document["condition"] = {"lines": b64(drawn)}
    else:
        labels = LABELS.copy()
        labels[8:20, 8:20] = 2
        document["condition"] = {"labels": b64(labels)}
    return {**document, **changes}


def full() -> dict[str, Any]:
    """A document with every key: exemplars by region and by weight, of two sizes."""
    return {
        "task": "translate",
        "model": "scenes",
        "condition": {"labels": b64(LABELS)},
        "exemplars": [
            {"image": b64(PHOTO), "condition": None, "classes": None, "weight": 2},
            {
                "image": b64(OTHER_PHOTO, "JPEG"),
                "condition": {"labels": b64(np.resize(LABELS, (32, 48)))},
                "classes": [3, 1],
                "weight": 0.5,
            },
        ],
        "seed": 7,
        "precision": "bfloat16",
        "outputs": ["image", "matches"],
    }


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Returns a copy with one value, named as in errors, replaced."""
    changed = copy.deepcopy(document)
    steps = path.replace("]", "").replace("[", ".").split(".")
    inner: Any = changed
    for step in steps[:-1]:
        inner = inner[int(step) if step.isdigit() else step]
    inner[int(steps[-1]) if steps[-1].isdigit() else steps[-1]] = value
    return changed
