"""Configuration: frozen dataclasses that validate themselves."""

from __future__ import annotations

from rabit.config.model import (
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
    DiscriminatorConfig,
    ExemplarMix,
    ExperimentConfig,
    LossConfig,
    TrainConfig,
)

__all__ = [
    "AlignmentConfig",
    "BACKBONES",
    "ConditionConfig",
    "DESCRIPTORS",
    "DiscriminatorConfig",
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
    "PatchMatchConfig",
    "TrainConfig",
    "TransportConfig",
]
