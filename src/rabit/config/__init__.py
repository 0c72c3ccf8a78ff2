"""Configuration: frozen dataclasses that validate themselves."""

from __future__ import annotations

from rabit.config.model import (
    CONFIDENCES,
    DESCRIPTORS,
    INJECTIONS,
    KINDS,
    METHODS,
    NORMS,
    POSITIONS,
    AlignmentConfig,
    ConditionConfig,
    FeatureConfig,
    GeneratorConfig,
    Kind,
    ModelConfig,
    PatchMatchConfig,
    TransportConfig,
)
from rabit.config.training import (
    BACKBONES,
    BEST_BY,
    PRECISIONS,
    DiscriminatorConfig,
    EngineConfig,
    ExemplarMix,
    ExperimentConfig,
    LossConfig,
    TrainConfig,
)

__all__ = [
    "AlignmentConfig",
    "BACKBONES",
    "BEST_BY",
    "ConditionConfig",
    "CONFIDENCES",
    "DESCRIPTORS",
    "DiscriminatorConfig",
    "EngineConfig",
    "ExemplarMix",
    "ExperimentConfig",
    "FeatureConfig",
    "GeneratorConfig",
    "INJECTIONS",
    "KINDS",
    "Kind",
    "LossConfig",
    "METHODS",
    "ModelConfig",
    "NORMS",
    "POSITIONS",
    "PRECISIONS",
    "PatchMatchConfig",
    "TrainConfig",
    "TransportConfig",
]
