"""Presets: every experiment is a function that returns its configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rabit.config import ConditionConfig, ExperimentConfig, Kind, LossConfig
from rabit.presets.photographs import (
    base,
    facades,
    facades_small,
    faces,
    fashion,
    fashion_edges,
    fashion_pose,
)
from rabit.presets.small import small, small_unaligned
from rabit.presets.tasks import (
    ade20k,
    ade20k_small,
    celebahq,
    celebahq_edge,
    celebahq_edge_small,
    celebahq_small,
    deepfashion,
    deepfashion_small,
    paper,
)

PRESETS: dict[str, Callable[[ConditionConfig], ExperimentConfig]] = {
    "paper": paper,
    "ade20k": ade20k,
    "celebahq": celebahq,
    "celebahq-edge": celebahq_edge,
    "deepfashion": deepfashion,
    "small": small,
    "small-unaligned": small_unaligned,
    "base": base,
    "facades": facades,
    "fashion": fashion,
    "fashion-pose": fashion_pose,
    "fashion-edges": fashion_edges,
    "faces": faces,
    "facades-small": facades_small,
    "ade20k-small": ade20k_small,
    "celebahq-small": celebahq_small,
    "celebahq-edge-small": celebahq_edge_small,
    "deepfashion-small": deepfashion_small,
}

KINDS_OF_TASKS: dict[str, Kind] = {
    "ade20k": "semantic",
    "celebahq": "semantic",
    "celebahq-edge": "edge",
    "deepfashion": "pose",
    "facades": "semantic",
    "fashion": "semantic",
    "fashion-pose": "pose",
    "fashion-edges": "edge",
    "faces": "semantic",
}
"""What the presets of a task translate from; their small versions the same, the others anything."""


def preset_kind(name: str) -> Kind | None:
    """Returns the kind of condition that a preset is for; None for any.

    Args:
        name: one of PRESETS.

    Raises:
        ValueError: no preset has that name.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return KINDS_OF_TASKS.get(name.removesuffix("-small"))


def preset(name: str, classes: tuple[str, ...], kind: Kind | None = None) -> ExperimentConfig:
    """Returns a preset's configuration by name.

    Args:
        name: one of PRESETS.
        classes: names of the condition's channels; of semantic maps the classes, by id.
        kind: of the condition; the preset's own if None, semantic where it has none.

    Raises:
        ValueError: no preset has that name, or it is for another kind of condition.
    """
    own = preset_kind(name)
    if own is not None and kind not in (None, own):
        fitting = [n for n in PRESETS if KINDS_OF_TASKS.get(n.removesuffix("-small")) == kind]
        raise ValueError(
            f"preset {name} is for {own} conditions, but the data has {kind} conditions; name "
            f"other data, or one of the presets {', '.join(fitting)}, small, base and paper"
        )
    return PRESETS[name](ConditionConfig(kind=kind or own or "semantic", classes=classes))


def with_backbone(losses: LossConfig, backbone: str) -> LossConfig:
    """Returns the losses on another perceptual backbone.

    Args:
        losses: the losses.
        backbone: vgg19, vgg19-distilled (which ends at relu5_1, so that it stands in for relu5_2),
            random, or none, which turns the losses that need one off.

    Raises:
        ValueError: there is no such backbone.
    """
    kind: Any = backbone
    if backbone == "none":
        return replace(losses, backbone=kind, perc=0.0, cxt=0.0, pse=0.0)
    changes: dict[str, Any] = {"backbone": kind}
    if backbone == "vgg19-distilled":
        for name in ("perc_layers", "cxt_layers", "pse_layers"):
            pairs = getattr(losses, name)
            changes[name] = tuple(
                ("relu5_1" if layer == "relu5_2" else layer, weight) for layer, weight in pairs
            )
    return replace(losses, **changes)
