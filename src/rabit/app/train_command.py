"""`rabit train`: from a preset and options to a run's folder."""

from __future__ import annotations

import json
import platform
import shutil
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from rabit import __version__
from rabit.app.corpora import TrainingData, corpus_classes, training_data
from rabit.app.display import TrainingDisplay
from rabit.app.errors import note
from rabit.app.options import override, parse_size, pick_device
from rabit.config import ExperimentConfig
from rabit.fields import to_dict
from rabit.layers.perceptual import load_backbone
from rabit.model.storage import write_atomically
from rabit.presets import preset, with_backbone
from rabit.training.checkpoint import TrainState, list_checkpoints, load_checkpoint, new_state
from rabit.training.loop import Finished, train, with_steps

RECORD = "config.json"
HELD_OUT = "held-out.txt"
# What a run writes, and so what --overwrite removes.
CONTENTS = (RECORD, HELD_OUT, "checkpoints", "samples", "tensorboard", "log.jsonl", "model")
DEFAULT_HOLDOUT = 0.2


@dataclass(frozen=True)
class TrainOptions:
    """The options of `rabit train`; None leaves a field as the preset or the checkpoint has it.

    Args:
        preset: name of the preset.
        data: scenes, or a folder.
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
    check_folder(options.out, options.resume, options.overwrite)
    classes = corpus_classes(options.data)
    record = read_record(options.out) if options.resume else {}
    holdout = _recorded(options.holdout, record.get("holdout"), "--holdout", DEFAULT_HOLDOUT)
    if options.resume:
        state = _resumed(options, classes, device)
        config = state.config
    else:
        config = configure(preset(options.preset, classes), options)
        state = new_state(config, device)
    weights = options.backbone_weights or _path(record.get("backbone_weights"))
    backbone = None
    if config.losses.perc or config.losses.cxt or config.losses.pse:
        backbone = load_backbone(config.losses.backbone, weights)
    if backbone is not None:
        backbone.check(config.losses.layers())
    data = training_data(options.data, config.model.image_size, config.train.seed, holdout)

    if options.overwrite:
        remove_run(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    write_record(options, config, data, weights, holdout)
    with TrainingDisplay(config.train.log_every) as display:
        return train(state, backbone, data.corpus, data.preview, options.out, display)


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
    return override(config, options.assignments)


def check_folder(out: Path, resume: bool, overwrite: bool) -> None:
    """Refuses a run's folder that would be written over by accident.

    Raises:
        FileExistsError: it holds something, and neither resume nor overwrite is on; or it holds
            something else than a run.
        ValueError: both are on, or there is nothing to resume.
    """
    if resume and overwrite:
        raise ValueError("--resume and --overwrite: give one of the two")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; give a run's folder with --out")
    filled = out.is_dir() and any(out.iterdir())
    if resume and not list_checkpoints(out / "checkpoints"):
        raise ValueError(f"{out}: no checkpoint to resume from; start the run without --resume")
    if not filled or resume:
        return
    if not overwrite:
        raise FileExistsError(
            f"{out} is not empty: --resume goes on with the run in it, --overwrite replaces it, "
            "--out names another folder"
        )
    if "rabit" not in read_record(out):
        raise FileExistsError(
            f"{out} holds something else than a run, which --overwrite does not replace; choose "
            "another folder with --out"
        )


def remove_run(out: Path) -> None:
    """Removes what a run wrote into its folder; other files stay."""
    for name in CONTENTS:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _resumed(options: TrainOptions, classes: tuple[str, ...], device: torch.device) -> TrainState:
    """Loads the newest readable checkpoint and applies the options that may change."""
    state = _newest_state(options.out / "checkpoints", device)
    old = state.config
    name = preset(options.preset, classes).model.name
    if name != old.model.name:
        raise ValueError(
            f"{options.out} is a run of {old.model.name}, not of {name}; name its preset to "
            "resume it"
        )
    if classes != old.model.condition.classes:
        raise ValueError(
            f"{options.data} has the classes {', '.join(classes)}, the run in {options.out} "
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
    if state.step >= new.train.steps:
        note(f"the run has taken all of its {state.step} steps; --steps N takes more")
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


def write_record(
    options: TrainOptions,
    config: ExperimentConfig,
    data: TrainingData,
    weights: Path | None,
    holdout: float,
) -> None:
    """Writes config.json, and the names of the held-out images, into the run's folder."""
    record = {
        "rabit": __version__,
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "command": list(options.command),
        "preset": options.preset,
        "data": options.data,
        "seed": config.train.seed,
        "holdout": holdout,
        "backbone_weights": None if weights is None else str(weights.resolve()),
        "config": to_dict(config),
    }
    write_text(options.out / RECORD, json.dumps(record, indent=2) + "\n")
    if data.held_out:
        write_text(options.out / HELD_OUT, "\n".join(data.held_out) + "\n")


def read_record(out: Path) -> dict[str, Any]:
    """Reads a run's config.json; empty if it is missing or no record of a run."""
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_text(path: Path, text: str) -> None:
    """Writes a text file: it appears complete, or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def _recorded(given: float | None, recorded: Any, flag: str, default: float) -> float:
    """Returns an option of a run that cannot change once it has started."""
    if not isinstance(recorded, (int, float)):
        return default if given is None else given
    if given is not None and given != recorded:
        raise ValueError(f"{flag} {given}: the run was started with {recorded}; leave it out")
    return float(recorded)


def _path(recorded: Any) -> Path | None:
    return Path(recorded) if isinstance(recorded, str) else None
