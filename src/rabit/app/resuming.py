"""Going on with a run: from which checkpoint, and which options may have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rabit.app.corpora import OpenData
from rabit.app.errors import note
from rabit.app.train_options import TrainOptions, configure
from rabit.config import ExperimentConfig
from rabit.data.condition_files import reads_alike
from rabit.fields import from_dict
from rabit.presets import preset
from rabit.training.checkpoint import TrainState, list_checkpoints, verify_checkpoint


def resumed_config(
    state: TrainState, options: TrainOptions, opened: OpenData, record: dict[str, Any]
) -> ExperimentConfig:
    """Returns the configuration of a run that goes on, with the options that may change.

    It starts from what the run was last told, which the checkpoint may be older than.

    Raises:
        ValueError: an option or the data does not fit the run; it is named.
    """
    old = _last_told(state, record)
    name = preset(options.preset, opened.channels, opened.kind).model.name
    if name != old.model.name:
        raise ValueError(
            f"{options.out} is a run of {old.model.name}, not of {name}; name its preset to "
            "resume it"
        )
    condition = old.model.condition
    if opened.kind != condition.kind or not reads_alike(opened.channels, condition.classes):
        raise ValueError(
            f"{options.data} has {opened.kind} conditions of {', '.join(opened.channels)}, the run "
            f"in {options.out} {condition.kind} conditions of "
            f"{', '.join(condition.classes)}; resume with the data it was started with"
        )
    new = configure(old, options)
    fixed = [
        name
        for name, before, after in (
            ("model", old.model, new.model),
            ("discriminator", old.discriminator, new.discriminator),
            *(
                (f"train.{n}", getattr(old.train, n), getattr(new.train, n))
                for n in ("seed", "beta1", "beta2", "eps_generator", "ema")
            ),
        )
        if before != after
    ]
    if fixed:
        raise ValueError(
            f"{', '.join(fixed)} cannot change when a run is resumed; leave the option out, or "
            "start another run"
        )
    if state.step > new.train.steps:
        raise ValueError(
            f"--steps {new.train.steps}: the run in {options.out} has taken {state.step} already; "
            "give a larger number, or start another run"
        )
    return new


def _last_told(state: TrainState, record: dict[str, Any]) -> ExperimentConfig:
    """Returns the recorded configuration, or the checkpoint's where that is none of this run."""
    try:
        told = from_dict(ExperimentConfig, record.get("config"))
    except (ValueError, TypeError):
        return state.config
    same = (told.model, told.discriminator) == (state.config.model, state.config.discriminator)
    return told if same else state.config


def newest_checkpoint(folder: Path) -> Path:
    """Returns the newest undamaged checkpoint, saying so if it is not the newest.

    Raises:
        ValueError: there is none.
    """
    checkpoints = list_checkpoints(folder)
    for path in reversed(checkpoints):
        try:
            verify_checkpoint(path)
        except ValueError as error:
            note(f"{error}; trying the one before")
        else:
            return path
    raise ValueError(
        f"{folder}: none of its {len(checkpoints)} checkpoints can be read; start another run"
    )


def recorded(given: Any, record: dict[str, Any], name: str) -> Any:
    """Returns an option of a run that cannot change once it has started.

    Args:
        given: the option now; None if it was left out.
        record: of the run; empty for a new one.
        name: of the option.

    Raises:
        ValueError: the run was started with another value.
    """
    known = record.get(name)
    if name in record and given not in (None, known):
        started = "without it" if known is None else f"with {known}"
        raise ValueError(f"--{name} {given}: the run was started {started}; leave it out")
    return known if name in record else given
