"""An example for a model that was trained on a generated corpus, or comes with pictures of its own:
what an editor starts with.
"""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from rabit.config import ConditionConfig, ModelConfig
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS
from rabit.data.generated import generate_face, generate_figure
from rabit.data.generated.poses import VIEWS
from rabit.data.images import png_bytes, to_image
from rabit.data.pose import POSE_CHANNELS
from rabit.data.scenes import CLASSES, Scenes
from rabit.editor.conditions import pose_document
from rabit.evaluation.showcase import HELD_OUT_SEED
from rabit.model.sources import model_examples

_LEAST_SIDE = 64

_Parts = tuple[dict[str, object], np.ndarray, dict[str, object]]


def example_recipe(config: ModelConfig, seed: int) -> dict[str, object] | None:
    """Returns a recipe of generated pictures: the layout of one, the look of another.

    Args:
        config: the model's.
        seed: which example, 0 or more; none of them is trained on.

    Returns:
        The document of a translation for the model of the configuration's name; None for a model
        that was not trained on what is generated.

    Raises:
        ValueError: the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}, expected 0 or more")
    height, width = (max(side, _LEAST_SIDE) for side in config.image_size)
    parts = _parts(config.condition, HELD_OUT_SEED + seed, (height, width))
    if parts is None:
        return None
    condition, image, own = parts
    return _recipe(config.name, condition, _base64(image), own)


def shipped_recipe(model: str, folder: Path, seed: int) -> dict[str, object] | None:
    """Returns a recipe of pictures that come with a model: the layout of one, the look of another.

    Args:
        model: its name.
        folder: of the model.
        seed: which of the pairs of different pictures, 0 or more, over again after the last.

    Returns:
        The document of a translation; None for a model with less than two pictures.
    """
    pairs = model_examples(folder)
    if len(pairs) < 2:
        return None
    turn, own = divmod(seed, len(pairs))
    other = (own + 1 + turn % (len(pairs) - 1)) % len(pairs)
    maps = [{"labels": _text(pairs[i][0].read_bytes())} for i in (own, other)]
    return _recipe(model, maps[0], _text(pairs[other][1].read_bytes()), maps[1])


def _recipe(model: str, condition: object, image: str, own: object) -> dict[str, object]:
    return {
        "task": "translate",
        "model": model,
        "condition": condition,
        "exemplars": [{"image": image, "condition": own, "classes": None, "weight": 1.0}],
        "seed": 0,
        "outputs": ["image"],
    }


def _parts(config: ConditionConfig, seed: int, size: tuple[int, int]) -> _Parts | None:
    """Returns the condition of one picture, and another picture with its own condition."""
    if config.classes == CLASSES:
        sample = Scenes(1, size, seed)[0]
        maps = [_labels(c.regions.numpy()) for c in (sample.condition, sample.exemplar_condition)]
        return maps[0], to_image(sample.exemplar), maps[1]
    if config.classes in (FACE_CLASSES, FACE_EDGE_CHANNELS):
        one, other = (generate_face(seed, i, size) for i in range(2))
        return _labels(one.parts), other.image, _labels(other.parts)
    if config.classes == POSE_CHANNELS:
        # Of two persons the first view of each, from the front.
        first, second = (generate_figure(seed, i * len(VIEWS), size) for i in range(2))
        return (
            pose_document(first.joints, size),
            second.image,
            pose_document(second.joints, size),
        )
    return None


def _labels(ids: Integer[np.ndarray, "H W"]) -> dict[str, object]:
    return {"labels": _base64(ids.astype(np.uint8))}


def _base64(pixels: np.ndarray) -> str:
    return _text(png_bytes(pixels))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
