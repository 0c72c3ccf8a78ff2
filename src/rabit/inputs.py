"""What users hand in (paths, PIL images, arrays, tensors) as the batches that networks read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from rabit.config import ConditionConfig
from rabit.data.condition_files import (
    ConditionFile,
    edges,
    face_edges,
    lines_of,
    read_condition,
)
from rabit.data.decoding import check_pixels
from rabit.data.edges import LINE_CHANNELS, PLAIN_EDGES
from rabit.data.faces import FACE_CLASSES, FACE_EDGE_CHANNELS
from rabit.data.images import (
    check_ids,
    image_from_pillow,
    labels_from_pillow,
    read_image,
    read_labels,
    to_tensor,
)
from rabit.functional.condition import Condition
from rabit.sizing import Layout

ImageInput: TypeAlias = str | Path | Image.Image | np.ndarray | Tensor
ConditionInput: TypeAlias = ImageInput | Condition

# Floats that came out of a network or a resize may lie this far beyond their range.
_SLACK = 1e-3


def image_batch(given: ImageInput | Sequence[ImageInput], name: str) -> Float[Tensor, "B 3 H W"]:
    """Reads one photograph or a batch of photographs.

    Args:
        given: a path, a PIL image, a uint8 array (H, W, 3) or (B, H, W, 3), a tensor (3, H, W)
            or (B, 3, H, W) that is uint8 or a float in [-1, 1], or a list of any of these.
        name: the argument's name, for errors.

    Returns:
        (B, 3, H, W) float32 in [-1, 1], sharing no memory with what was given.

    Warns:
        UserWarning: all floats are in [0, 1], as those of a picture in another range are.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the shape, type or range is none of the above; file or argument is named.
    """
    if isinstance(given, (list, tuple)):
        return _join([image_batch(item, f"{name}[{i}]") for i, item in enumerate(given)], name)
    if isinstance(given, (str, Path)):
        return to_tensor(read_image(given))[None]
    if isinstance(given, Image.Image):
        return to_tensor(image_from_pillow(given, name))[None]
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8 or given.ndim not in (3, 4) or given.shape[-1] != 3:
            raise ValueError(
                f"{name} is {_describe(given)}, expected an array of uint8 (H, W, 3) or "
                "(B, H, W, 3); give floats as a tensor (3, H, W) in [-1, 1]"
            )
        check_pixels((given.shape[-3], given.shape[-2]), name, "photograph")
        given = torch.from_numpy(np.moveaxis(given, -1, -3).copy())
    if not isinstance(given, Tensor):
        raise ValueError(
            f"{name} is {_describe(given)}, expected a path, a PIL image, an array, a tensor or a "
            "list of these"
        )
    return _image_tensor(given, name)


def _image_tensor(given: Tensor, name: str) -> Tensor:
    """Checks a tensor of images and brings it to (B, 3, H, W) in [-1, 1]."""
    if given.ndim not in (3, 4) or given.shape[-3] != 3:
        raise ValueError(f"{name} is {_describe(given)}, expected (3, H, W) or (B, 3, H, W)")
    check_pixels((given.shape[-2], given.shape[-1]), name, "photograph")
    images = given.detach() if given.ndim == 4 else given.detach()[None]
    _require_items(images, name)
    if images.dtype == torch.uint8:
        return images.float() / 127.5 - 1
    if not images.is_floating_point():
        raise ValueError(f"{name} is {_describe(given)}, expected uint8 or floats in [-1, 1]")
    _check_range(images, -1, name, "floats in [-1, 1], or uint8")
    if float(images.min()) >= 0 and float(images.max()) > 0:
        warnings.warn(
            f"{name} has floats from {float(images.min()):.2g} to {float(images.max()):.2g}; they "
            "are read as a part of [-1, 1], where 0 is grey. If they are meant in [0, 1], give "
            "2 * x - 1 instead",
            stacklevel=3,
        )
    return images.to(torch.float32, copy=True).clamp_(-1, 1)


def condition_batch(
    given: ConditionInput | Sequence[ConditionInput],
    config: ConditionConfig,
    name: str,
    canvas: tuple[int, int] | None = None,
) -> Condition:
    """Reads conditions as `layout_batch` does, as channels and regions at their own size."""
    return layout_batch(given, config, name, canvas).condition()


def layout_batch(
    given: ConditionInput | Sequence[ConditionInput],
    config: ConditionConfig,
    name: str,
    canvas: tuple[int, int] | None = None,
) -> Layout:
    """Reads one condition or a batch of conditions of the kind that a model was trained on.

    Args:
        given: for semantic maps a path to a map of ids, a PIL image of mode L, P, I or 1, or an
            integer or boolean array or tensor (H, W) or (B, H, W); for edges and poses a path (see
            `rabit.data.condition_files.read_condition`), or a float array or tensor of channels in
            [0, 1], (C, H, W) or (B, C, H, W); for edges also what such a file holds, a PIL image
            or an array of uint8, (H, W) or (H, W, 3), or booleans, true on lines; a `Condition`; or
            a list of any of these.
        config: the model's kind of condition and its classes.
        name: the argument's name, for errors.
        canvas: height and width of the picture that the joints of a file are places in.

    Returns:
        The conditions.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind, an id is beyond the classes, or channels do not fit;
            file or argument is named.
    """
    if isinstance(given, (list, tuple)):
        items = [layout_batch(item, config, f"{name}[{i}]", canvas) for i, item in enumerate(given)]
        regions = _join([item.regions for item in items], name)
        if all(item.channels is None for item in items):
            return Layout(regions, None, config.channels)
        if all(item.pictures for item in items):
            pictures = tuple(picture for item in items for picture in item.pictures)
            return Layout.of_pictures(pictures, items[0].size, config.channels)
        channels = torch.cat([item.condition().channels for item in items])
        return Layout(regions, channels, config.channels, classwise=config.kind == "semantic")
    if isinstance(given, Condition):
        return _checked_condition(given, config, name)
    if config.kind != "semantic" and isinstance(given, (str, Path)):
        read = read_condition(Path(given), config, canvas)
        return Layout.of_pictures((read.picture,), read.size, config.channels)
    drawn = _drawn(given, config, name)
    if drawn is not None:
        return Layout.of_pictures((drawn.picture,), drawn.size, config.channels)
    if config.kind != "semantic":
        return _channels(given, config, name)
    return Layout(_label_tensor(given, config, name), None, config.channels)


def _drawn(given: Any, config: ConditionConfig, name: str) -> ConditionFile | None:
    """Reads edges from a picture in memory as from its file; None where it is no such picture."""
    if config.classes not in (*PLAIN_EDGES, FACE_EDGE_CHANNELS):
        return None
    if isinstance(given, Tensor) and not given.is_floating_point() and given.ndim == 2:
        given = given.detach().cpu().numpy()
    pillow = isinstance(given, Image.Image)
    if not pillow and not (isinstance(given, np.ndarray) and given.dtype.kind in "uib"):
        return None
    if config.classes == FACE_EDGE_CHANNELS:
        faces = ConditionConfig("semantic", FACE_CLASSES)
        single = pillow or given.ndim == 2
        return face_edges(_label_tensor(given, faces, name)[0].numpy()) if single else None
    drawn = config.classes == LINE_CHANNELS
    if pillow:
        return edges(image_from_pillow(given, name), name, drawn)
    if given.dtype not in (np.bool_, np.uint8) or given.ndim not in (2, 3):
        return None
    check_pixels(given.shape[:2], name, "condition")
    if given.ndim == 3:
        coloured = given.shape[2] == 3 and given.dtype == np.uint8
        return edges(given, name, drawn) if coloured else None
    if given.dtype == np.bool_:
        return lines_of(given, name)
    return edges(np.repeat(given[..., None], 3, axis=2), name, drawn)


def _checked_condition(given: Condition, config: ConditionConfig, name: str) -> Layout:
    """Checks a condition that the caller has built."""
    channels, regions = given.channels.detach(), given.regions.detach()
    if channels.ndim != 4 or channels.shape[1] != config.channels:
        raise ValueError(
            f"{name} has channels {tuple(channels.shape)}, the model's {config.kind} condition "
            f"has (B, {config.channels}, H, W)"
        )
    if regions.shape != (len(channels), *channels.shape[2:]) or regions.is_floating_point():
        raise ValueError(
            f"{name} has regions {tuple(regions.shape)} of {regions.dtype} beside channels "
            f"{tuple(channels.shape)}, expected integers (B, H, W) of the same size"
        )
    check_pixels(given.size, name, "condition")
    _require_items(channels, name)
    _check_range(channels, 0, name, "channels in [0, 1]")
    if config.kind == "semantic" and not bool(
        (channels == 1).any(dim=1).all() and ((channels == 0) | (channels == 1)).all()
    ):
        raise ValueError(
            f"{name} has channels that are not 0 or 1, or a pixel without any class, but the model "
            "translates semantic maps; build it with Condition.from_labels"
        )
    classwise = config.kind == "semantic"
    return Layout(regions.long(), channels.float(), config.channels, classwise=classwise)


def _channels(given: Any, config: ConditionConfig, name: str) -> Layout:
    """Checks edge or pose channels; they have one region, the image."""
    expected = f"({config.channels}, H, W) or (B, {config.channels}, H, W)"
    channels = given
    if isinstance(given, np.ndarray) and given.dtype.kind == "f":
        channels = torch.from_numpy(given.astype(np.float32))
    if not isinstance(channels, Tensor) or not channels.is_floating_point():
        raise ValueError(
            f"{name} is {_describe(given)}, but the model translates {config.kind} conditions: "
            f"expected floats {expected} in [0, 1]"
        )
    channels = (channels if channels.ndim == 4 else channels[None]).detach()
    if channels.ndim != 4 or channels.shape[1] != config.channels:
        raise ValueError(f"{name} is {_describe(given)}, expected {expected}")
    check_pixels((channels.shape[2], channels.shape[3]), name, "condition")
    _require_items(channels, name)
    _check_range(channels, 0, name, "channels in [0, 1]")
    regions = torch.zeros_like(channels[:, 0], dtype=torch.long)
    return Layout(regions, channels.float().clamp(0, 1), config.channels)


def _label_tensor(given: Any, config: ConditionConfig, name: str) -> Tensor:
    """Brings a semantic map to (B, H, W) int64."""
    if isinstance(given, (str, Path)):
        return torch.from_numpy(read_labels(given, config.channels))[None]
    if isinstance(given, Image.Image):
        return torch.from_numpy(labels_from_pillow(given, config.channels, name))[None]
    ids = given
    if isinstance(given, Tensor) and not given.is_floating_point() and not given.is_complex():
        ids = given.detach().cpu().numpy()
    if not isinstance(ids, np.ndarray) or ids.dtype.kind not in "uib":
        raise ValueError(
            f"{name} is {_describe(given)}, but the model translates semantic maps: expected "
            f"integer class ids (H, W) or (B, H, W), 0 to {config.channels - 1}"
        )
    if ids.ndim not in (2, 3):
        raise ValueError(f"{name} is {_describe(given)}, expected a map (H, W) or maps (B, H, W)")
    if ids.ndim == 3 and ids.shape[2] in (3, 4):
        raise ValueError(
            f"{name} is {_describe(given)}, which looks like a picture (H, W, {ids.shape[2]}); "
            "expected class ids (H, W) or (B, H, W), colours are no ids (give maps as narrow as "
            "this in a list)"
        )
    if ids.ndim == 3 and ids.shape[2] == 1 < ids.shape[1]:
        raise ValueError(
            f"{name} is {_describe(given)}, which looks like one map with an axis for its colour; "
            "give it without: labels[..., 0]"
        )
    if ids.ndim == 3 and len(ids) == config.channels > 1 and (ids != 0).sum(0).max() == 1:
        raise ValueError(
            f"{name} is {_describe(given)}, which looks like one map a class; give the ids, "
            "labels.argmax(0), or build it with rabit.Condition"
        )
    check_pixels((ids.shape[-2], ids.shape[-1]), name, "label map")
    _require_items(ids, name)
    check_ids(ids, config.channels, name)
    labels = torch.from_numpy(ids.astype(np.int64))
    labels = labels.to(given.device) if isinstance(given, Tensor) else labels
    return labels if labels.ndim == 3 else labels[None]


def _check_range(values: Tensor, low: float, name: str, expected: str) -> None:
    """Refuses floats outside [low, 1] and those that are no number."""
    if not bool(values.isfinite().all()):
        raise ValueError(f"{name} has values that are NaN or infinite, expected {expected}")
    least, most = float(values.min()), float(values.max())
    if least < low - _SLACK or most > 1 + _SLACK:
        raise ValueError(f"{name} has values from {least:.3g} to {most:.3g}, expected {expected}")


def _require_items(batch: Any, name: str) -> None:
    if not len(batch):
        raise ValueError(f"{name} is empty, expected at least one item")


def _describe(given: Any) -> str:
    if isinstance(given, Tensor):
        return f"a tensor {tuple(given.shape)} of {given.dtype}"
    if isinstance(given, np.ndarray):
        return f"an array {given.shape} of {given.dtype}"
    return f"a {type(given).__name__}"


def _join(batches: list[Tensor], name: str) -> Tensor:
    """Concatenates batches, naming the sizes if they differ."""
    _require_items(batches, name)
    sizes = sorted({(batch.shape[-2], batch.shape[-1]) for batch in batches})
    if len(sizes) > 1:
        listed = ", ".join(f"{height}x{width}" for height, width in sizes)
        raise ValueError(f"{name} mixes sizes {listed} (height x width), expected one size a batch")
    return torch.cat(batches)
