"""What an ablation may cost: the experiment that its rows have in common, seeds and samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rabit.ablation.rows import changed
from rabit.config import ExperimentConfig, Kind
from rabit.evaluation.testset import Counts
from rabit.presets import preset


@dataclass(frozen=True)
class Budget:
    """What all rows of an ablation have in common.

    Args:
        name: of the budget.
        preset: the experiment's.
        steps: of every training; None for the preset's.
        seeds: trainings of every row.
        counts: of what is held out and measured.
        changes: values of the experiment's fields, by section.field.
    """

    name: str
    preset: str
    steps: int | None
    seeds: int
    counts: Counts
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "changes", MappingProxyType(dict(self.changes)))


SMOKE = Budget(
    "smoke",
    "small",
    steps=4,
    seeds=1,
    counts=Counts(conditions=3, edits=4),
    changes={
        "model.image_size": (64, 64),
        "model.features.widths": (4, 4, 4, 4, 4, 4),
        "model.features.hidden": 4,
        "model.alignment.channels": 8,
        "model.alignment.head_width": 8,
        "model.generator.widths": (8, 8, 8, 8, 8),
        "model.generator.stem": 8,
        "model.generator.hidden": 4,
        "model.generator.injection_width": 4,
        "discriminator.widths": (4, 4, 4, 4),
        "train.batch": 2,
        "train.log_every": 1,
        "train.checkpoint_every": 2,
        "train.validation": 2,
    },
)
"""A first look at the whole command, seconds a training; its figures mean nothing."""

SMALL = Budget(
    "small",
    "small",
    steps=400,
    seeds=3,
    counts=Counts(conditions=100, edits=48),
    changes={
        "model.image_size": (64, 64),
        "train.batch": 4,
        "train.sample_every": 200,
        "train.checkpoint_every": 100,
        "train.keep_checkpoints": 1,
    },
)
"""Minutes a training on one core of a CPU."""

PAPER = Budget("paper", "paper", steps=None, seeds=1, counts=Counts(conditions=2000, edits=150))
"""The paper's images, widths and schedule: days a training on a GPU."""

BUDGETS = {budget.name: budget for budget in (SMOKE, SMALL, PAPER)}


def find_budget(name: str) -> Budget:
    """Returns a budget by name.

    Raises:
        ValueError: there is none.
    """
    if name not in BUDGETS:
        raise ValueError(f"no budget {name!r}; there are {', '.join(BUDGETS)}")
    return BUDGETS[name]


def common_experiment(
    budget: Budget,
    classes: tuple[str, ...],
    kind: Kind,
    preset_name: str | None = None,
    steps: int | None = None,
) -> ExperimentConfig:
    """Returns the experiment that all rows change.

    Args:
        budget: its preset, steps and changes are used.
        classes: names of the condition's channels.
        kind: of the condition.
        preset_name: instead of the budget's preset.
        steps: instead of the budget's; the preset's warming and decaying steps keep their shares.

    Raises:
        ValueError: a value is out of range, or the preset is for other conditions.
    """
    experiment = preset(preset_name or budget.preset, classes, kind)
    steps = steps if steps is not None else budget.steps
    changes = dict(budget.changes)
    if steps is not None:
        if steps < 1:
            raise ValueError(f"--steps {steps}: expected 1 or more")
        train = experiment.train
        changes |= {
            "train.steps": steps,
            "train.decay_steps": round(train.decay_steps * steps / train.steps),
            "train.warmup_steps": round(train.warmup_steps * steps / train.steps),
        }
    return changed(experiment, changes, f"budget {budget.name}")
