"""`rabit train`: from a preset and options to a run's folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rabit.app.corpora import (
    SCENES,
    DataOptions,
    OpenData,
    TrainingData,
    open_data,
    training_data,
)
from rabit.app.display import TrainingDisplay
from rabit.app.errors import note
from rabit.app.options import override, parse_size, pick_device
from rabit.app.run_folder import (
    check_folder,
    read_held_out,
    read_record,
    replacing_run,
    require_same_data,
    settle_run,
    write_record,
)
from rabit.config import ExperimentConfig
from rabit.data.decoding import check_pixels
from rabit.layers.perceptual import load_backbone
from rabit.layers.vgg import Vgg
from rabit.model.storage import WEIGHTS
from rabit.presets import preset, preset_kind, with_backbone
from rabit.training.checkpoint import TrainState, list_checkpoints, load_checkpoint, new_state
from rabit.training.loop import Finished, Progress, train, with_steps
from rabit.writing import naming


@dataclass(frozen=True)
class TrainOptions:
    """The options of `rabit train`; None leaves a field as the preset or the checkpoint has it.

    Args:
        preset: name of the preset.
        data: scenes, or a folder.
        layout: of the folder; found out if left out.
        condition: what is translated from, where the folder leaves a choice.
        out: the run's folder.
        steps: steps in all; the schedule is scaled.
        batch: samples a step.
        seed: of weights, samples and their order.
        backbone: perceptual backbone of the losses.
        backbone_weights: its file.
        resume: whether to go on from the newest checkpoint.
        overwrite: whether to replace the run in the folder.
        device: cpu or cuda.
        threads: threads of the CPU.
        workers: processes that prepare samples.
        size: height and width, as `parse_size` reads it.
        lr_generator: learning rate.
        lr_discriminator: learning rate.
        holdout: share of a folder that is not trained on.
        assignments: further fields, as `override` reads them.
        command: what the user typed, for the record.
    """

    preset: str
    data: str
    out: Path
    layout: str | None = None
    condition: str | None = None
    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    backbone: str | None = None
    backbone_weights: Path | None = None
    resume: bool = False
    overwrite: bool = False
    device: str = "cpu"
    threads: int | None = None
    workers: int | None = None
    size: str | None = None
    lr_generator: float | None = None
    lr_discriminator: float | None = None
    holdout: float | None = None
    assignments: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def default_run(preset: str, data: str) -> Path:
    """Returns the run's folder that is used if none is named: runs/PRESET-DATA.

    A folder that is called scenes does not share its run with the generated scenes.
    """
    name = Path(data).resolve().name
    if data != SCENES and name == SCENES:
        name = f"{SCENES}-folder"
    return Path("runs") / f"{preset}-{name}"


def run_training(options: TrainOptions) -> Finished:
    """Trains as the options say, in a new folder or on from a checkpoint.

    Raises:
        FileExistsError: the folder is not empty, and neither resume nor overwrite is on.
        FileNotFoundError: the data's folder or one of its files is missing.
        ValueError: an option or a file is wrong; it is named.
        FloatingPointError: a loss is not finite.
    """
    device = pick_device(options.device)
    if options.threads is not None:
        if options.threads < 1:
            raise ValueError(f"--threads {options.threads}: expected 1 or more")
        torch.set_num_threads(options.threads)
    out = options.out
    if options.resume or options.overwrite:
        settle_run(out)
    check_folder(out, options.resume, options.overwrite)
    record = read_record(out) if options.resume else {}
    if options.resume:
        require_same_data(out, record, options.data)
    opened = open_data(_data_options(options, record), preset_kind(options.preset))
    holdout = _recorded(options.holdout, record, "holdout")
    state, held_out = None, None
    if options.resume:
        held_out = () if options.data == SCENES else read_held_out(out)
        state = _resumed(options, opened, device)
        if state.step == state.config.train.steps and (out / "model" / WEIGHTS).is_file():
            note(f"the run has taken all of its {state.step} steps; --steps N takes more")
            return Finished(step=state.step, interrupted=False, model=out / "model")
    if state is None:
        config = configure(preset(options.preset, opened.channels, opened.kind), options)
    else:
        config = state.config
    weights = options.backbone_weights or _path(record.get("backbone_weights"))
    backbone = _backbone(config, weights)
    data = training_data(opened, config, holdout, held_out)
    state = new_state(config, device) if state is None else state

    with naming(out):
        out.mkdir(parents=True, exist_ok=True)
    with replacing_run(out) if options.overwrite else nullcontext(_nothing) as settle:
        write_record(
            out, options.preset, opened.options, options.command, config, data.held_out,
            data.holdout, weights,
        )  # fmt: skip
        if backbone is not None:
            note(f"the perceptual losses read {backbone.label}")
        with TrainingDisplay(config.train.log_every) as display:

            def report(told: Progress) -> None:
                settle()
                display(told)

            return _train(state, backbone, data, out, report)


def _train(
    state: TrainState,
    backbone: Vgg | None,
    data: TrainingData,
    out: Path,
    report: Callable[[Progress], None],
) -> Finished:
    """Trains, and says what is left if a second Ctrl-C ends that at once."""
    try:
        return train(state, backbone, data.corpus, data.preview, out, report)
    except KeyboardInterrupt:
        saved = list_checkpoints(out / "checkpoints")
        last = f"after {saved[-1].name}; --resume goes on from there" if saved else "of this run"
        note(f"stopped at once, so nothing was saved {last}")
        raise


def _nothing() -> None:
    """Stands for what there is to do after a step where no run is replaced."""


def _backbone(config: ExperimentConfig, weights: Path | None) -> Vgg | None:
    """Loads the perceptual network, if a loss needs one, and checks that it has their layers."""
    losses = config.losses
    backbone = None
    if losses.perc or losses.cxt or losses.pse:
        backbone = load_backbone(losses.backbone, weights)
    if backbone is not None:
        backbone.check(losses.layers())
    return backbone


def configure(config: ExperimentConfig, options: TrainOptions) -> ExperimentConfig:
    """Returns a configuration with the options that were given.

    Raises:
        ValueError: an option's value is out of range or its field unknown; it is named.
    """
    train, model = config.train, config.model
    if options.steps is not None:
        if options.steps < 1:
            raise ValueError(f"--steps {options.steps}: expected 1 or more")
        train = with_steps(train, options.steps)
    names = ("batch", "seed", "workers", "lr_generator", "lr_discriminator")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.size is not None:
        model = replace(model, image_size=parse_size(options.size))
    config = replace(config, model=model, train=replace(train, **given))
    if options.backbone is not None:
        config = replace(config, losses=with_backbone(config.losses, options.backbone))
    changed = override(config, options.assignments)
    if changed.model.condition != config.model.condition:
        raise ValueError(
            "--set model.condition…: the classes and the kind of the maps are those of the data; "
            "leave it out, and name other classes in the folder's classes.txt"
        )
    check_pixels(changed.model.image_size, "model.image_size", "picture")
    return changed


def _resumed(options: TrainOptions, opened: OpenData, device: torch.device) -> TrainState:
    """Loads the newest readable checkpoint and applies the options that may change."""
    state = _newest_state(options.out / "checkpoints", device)
    old = state.config
    name = preset(options.preset, opened.channels, opened.kind).model.name
    if name != old.model.name:
        raise ValueError(
            f"{options.out} is a run of {old.model.name}, not of {name}; name its preset to "
            "resume it"
        )
    if (opened.kind, opened.channels) != (old.model.condition.kind, old.model.condition.classes):
        raise ValueError(
            f"{options.data} has {opened.kind} conditions of {', '.join(opened.channels)}, the run "
            f"in {options.out} {old.model.condition.kind} conditions of "
            f"{', '.join(old.model.condition.classes)}; resume with the data it was started with"
        )
    new = configure(old, options)
    fixed = [
        name
        for name, before, after in (
            ("model", old.model, new.model),
            ("discriminator", old.discriminator, new.discriminator),
            *(
                (f"train.{n}", getattr(old.train, n), getattr(new.train, n))
                for n in ("seed", "beta1", "beta2", "ema")
            ),
        )
        if before != after
    ]
    if fixed:
        raise ValueError(
            f"{', '.join(fixed)} cannot change when a run is resumed; leave the option out, or "
            "start another run"
        )
    state.config = new
    if state.step > new.train.steps:
        raise ValueError(
            f"--steps {new.train.steps}: the run in {options.out} has taken {state.step} already; "
            "give a larger number, or start another run"
        )
    return state


def _newest_state(folder: Path, device: torch.device) -> TrainState:
    """Loads the newest checkpoint that can be read, saying so if it is not the newest."""
    checkpoints = list_checkpoints(folder)
    for path in reversed(checkpoints):
        try:
            return load_checkpoint(path, device)
        except ValueError as error:
            note(f"{error}; trying the one before")
    raise ValueError(
        f"{folder}: none of its {len(checkpoints)} checkpoints can be read; start another run"
    )


def _recorded(given: Any, record: dict[str, Any], name: str) -> Any:
    """Returns an option of a run that cannot change once it has started."""
    recorded = record.get(name)
    if name in record and given not in (None, recorded):
        started = "without it" if recorded is None else f"with {recorded}"
        raise ValueError(f"--{name} {given}: the run was started {started}; leave it out")
    return recorded if name in record else given


def _data_options(options: TrainOptions, record: dict[str, Any]) -> DataOptions:
    """Returns what to read, as the run was started with it."""
    layout, condition = (
        _recorded(getattr(options, name), record, name) for name in ("layout", "condition")
    )
    return DataOptions(options.data, layout, condition)


def _path(recorded: Any) -> Path | None:
    return Path(recorded) if isinstance(recorded, str) else None
