"""The options of `rabit train`, and the configuration that they make of a preset's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rabit.app.corpora import SCENES
from rabit.app.options import override, parse_fit, parse_size
from rabit.config import ExperimentConfig
from rabit.data.decoding import check_pixels
from rabit.presets import with_backbone
from rabit.training.loop import with_steps


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
        start_from: name or path of a trained model, or folder of a run, whose weights a new run
            starts with.
        resume: whether to go on from the newest checkpoint.
        overwrite: whether to replace the run in the folder.
        device: cpu or cuda.
        threads: threads of the CPU.
        workers: processes that prepare samples.
        size: height and width, as `parse_size` reads it.
        fit: what becomes of pictures of another shape.
        lr_generator: learning rate.
        lr_discriminator: learning rate.
        holdout: share of a folder that is not trained on.
        held_out: file with the names of the folder's pictures that are not trained on.
        precision: of the convolutions: float32, bfloat16 or float16.
        accumulate: parts that a batch is computed in.
        recompute: whether heavy blocks are computed again in the backward pass.
        compile: whether networks are compiled.
        wandb: project at Weights & Biases to log to as well.
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
    start_from: str | None = None
    resume: bool = False
    overwrite: bool = False
    device: str = "cpu"
    threads: int | None = None
    workers: int | None = None
    size: str | None = None
    fit: str | None = None
    lr_generator: float | None = None
    lr_discriminator: float | None = None
    holdout: float | None = None
    held_out: Path | None = None
    precision: str | None = None
    accumulate: int | None = None
    recompute: bool | None = None
    compile: bool | None = None
    wandb: str | None = None
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
    if options.fit is not None:
        model = replace(model, fit=parse_fit(options.fit))
    engine = ("precision", "accumulate", "recompute", "compile")
    asked = {name: getattr(options, name) for name in engine if getattr(options, name) is not None}
    config = replace(
        config, model=model, train=replace(train, **given), engine=replace(config.engine, **asked)
    )
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
