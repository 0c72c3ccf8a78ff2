"""What users hand in (paths, PIL images, arrays, tensors) as the batches that networks read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from rabit.config import ConditionConfig
from rabit.data.images import read_image, read_labels, to_tensor
from rabit.functional.condition import Condition

ImageInput: TypeAlias = "str | Path | Image.Image | np.ndarray | Tensor"
ConditionInput: TypeAlias = "str | Path | Image.Image | np.ndarray | Tensor | Condition"


def image_batch(given: ImageInput | Sequence[ImageInput], name: str) -> Float[Tensor, "B 3 H W"]:
    """Reads one photograph or a batch of photographs.

    Args:
        given: a path, a PIL image, a uint8 array (H, W, 3) or (B, H, W, 3), a tensor (3, H, W)
            or (B, 3, H, W) that is uint8 or a float in [-1, 1], or a list of any of these.
        name: the argument's name, for errors.

    Returns:
        (B, 3, H, W) float32 in [-1, 1].

    Raises:
        ValueError: the shape, type or range is none of the above; the argument is named.
    """
    if isinstance(given, (list, tuple)):
        return _stack([image_batch(item, f"{name}[{i}]") for i, item in enumerate(given)], name)
    if isinstance(given, (str, Path)):
        return to_tensor(read_image(given))[None]
    if isinstance(given, Image.Image):
        pixels = np.array(ImageOps.exif_transpose(given).convert("RGB"))
        return to_tensor(pixels)[None]
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8 or given.ndim not in (3, 4) or given.shape[-1] != 3:
            raise ValueError(
                f"{name} is an array {given.shape} of {given.dtype}, expected uint8 (H, W, 3) or "
                "(B, H, W, 3); give floats as a tensor (3, H, W) in [-1, 1]"
            )
        return image_batch(torch.from_numpy(np.moveaxis(given, -1, -3).copy()), name)
    if not isinstance(given, Tensor):
        raise ValueError(f"{name} is a {type(given).__name__}, expected an image; see its types")
    return _image_tensor(given, name)


def _image_tensor(given: Tensor, name: str) -> Tensor:
    """Checks a tensor of images and brings it to (B, 3, H, W) in [-1, 1]."""
    if given.ndim not in (3, 4) or given.shape[-3] != 3:
        raise ValueError(
            f"{name} is a tensor {tuple(given.shape)}, expected (3, H, W) or (B, 3, H, W)"
        )
    images = given if given.ndim == 4 else given[None]
    if images.dtype == torch.uint8:
        return images.float() / 127.5 - 1
    if not images.is_floating_point():
        raise ValueError(f"{name} is {images.dtype}, expected uint8 or a float in [-1, 1]")
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.001 and high <= 1.001):
        raise ValueError(
            f"{name} has values from {low:.3g} to {high:.3g}, expected [-1, 1] (or uint8)"
        )
    return images.float()


def condition_batch(
    given: ConditionInput | Sequence[ConditionInput], config: ConditionConfig, name: str
) -> Condition:
    """Reads one condition or a batch of conditions of the kind that a model was trained on.

    Args:
        given: for semantic maps a path to a map of ids, a PIL image of mode L, P, I or 1, or an
            integer array or tensor (H, W) or (B, H, W); for edges and poses a float tensor of
            channels (C, H, W) or (B, C, H, W); a `Condition`; or a list of any of these.
        config: the model's kind of condition and its classes.
        name: the argument's name, for errors.

    Returns:
        The condition as channels and regions.

    Raises:
        ValueError: it is of another kind, an id is beyond the classes, or channels do not fit.
    """
    if isinstance(given, (list, tuple)):
        items = [condition_batch(v, config, f"{name}[{i}]") for i, v in enumerate(given)]
        return Condition(
            _stack([item.channels for item in items], name),
            torch.cat([item.regions for item in items]),
        )
    if isinstance(given, Condition):
        if given.channels.shape[1] != config.channels:
            raise ValueError(
                f"{name} has {given.channels.shape[1]} channels, the model's {config.kind} "
                f"condition has {config.channels}"
            )
        return given
    if config.kind != "semantic":
        return _channels(given, config, name)
    labels = _label_tensor(given, config, name)
    try:
        return Condition.from_labels(labels, config.channels)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _channels(given: Any, config: ConditionConfig, name: str) -> Condition:
    """Checks edge or pose channels; they have one region, the image."""
    if not isinstance(given, Tensor) or not given.is_floating_point():
        raise ValueError(
            f"{name} is {_describe(given)}, but the model translates {config.kind} conditions: "
            f"expected a float tensor of {config.channels} channels"
        )
    channels = given if given.ndim == 4 else given[None]
    if channels.ndim != 4 or channels.shape[1] != config.channels:
        raise ValueError(
            f"{name} is a tensor {tuple(given.shape)}, expected ({config.channels}, H, W) or "
            f"(B, {config.channels}, H, W)"
        )
    regions = torch.zeros_like(channels[:, 0], dtype=torch.long)
    return Condition(channels.float(), regions)


def _label_tensor(given: Any, config: ConditionConfig, name: str) -> Tensor:
    """Brings a semantic map to (B, H, W) int64."""
    if isinstance(given, (str, Path)):
        return torch.from_numpy(read_labels(given, config.channels))[None]
    if isinstance(given, Image.Image):
        if given.mode not in ("L", "P", "I", "I;16", "1"):
            raise ValueError(
                f"{name} is a PIL image of mode {given.mode}, expected a map of class ids (mode "
                "L, P, I or 1); colours are not ids"
            )
        given = np.array(given)
    if isinstance(given, np.ndarray):
        given = torch.from_numpy(
            given.astype(np.int64 if given.dtype.kind in "ui" else given.dtype)
        )
    if not isinstance(given, Tensor) or given.is_floating_point() or given.is_complex():
        raise ValueError(
            f"{name} is {_describe(given)}, but the model translates semantic maps: expected "
            f"integer class ids (H, W) or (B, H, W), 0 to {config.channels - 1}"
        )
    if given.ndim not in (2, 3):
        raise ValueError(
            f"{name} is a tensor {tuple(given.shape)}, expected a map (H, W) or maps (B, H, W)"
        )
    return (given if given.ndim == 3 else given[None]).long()


def _describe(given: Any) -> str:
    if isinstance(given, Tensor):
        return f"a {given.dtype} tensor {tuple(given.shape)}"
    return f"a {type(given).__name__}"


def _stack(batches: list[Tensor], name: str) -> Tensor:
    """Concatenates batches, naming the sizes if they differ."""
    if not batches:
        raise ValueError(f"{name} is empty, expected at least one item")
    sizes = {tuple(batch.shape[1:]) for batch in batches}
    if len(sizes) > 1:
        raise ValueError(f"{name} mixes sizes {sorted(sizes)}, expected one size a batch")
    return torch.cat(batches)
