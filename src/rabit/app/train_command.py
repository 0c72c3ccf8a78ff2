"""`rabit train`: from a preset and options to a run's folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from rabit.app.corpora import (
    SCENES,
    DataOptions,
    OpenData,
    held_out_pictures,
    open_data,
    training_data,
)
from rabit.app.display import TrainingDisplay
from rabit.app.errors import note
from rabit.app.memory import keep_freed_memory
from rabit.app.options import pick_device
from rabit.app.resuming import newest_checkpoint, recorded, resumed_config
from rabit.app.run_folder import (
    Sources,
    changed_data,
    check_folder,
    read_held_out,
    read_record,
    replacing_run,
    require_same_data,
    settle_run,
    write_record,
)
from rabit.app.train_options import TrainOptions, configure
from rabit.config import ExperimentConfig
from rabit.data.fingerprint import fingerprint, scenes_fingerprint
from rabit.data.source import Source
from rabit.layers.perceptual import WITHOUT_FILE, load_backbone
from rabit.layers.vgg import Vgg
from rabit.model.sources import find_model
from rabit.model.storage import WEIGHTS, load_model
from rabit.presets import preset, preset_kind
from rabit.training.checkpoint import (
    TrainState,
    clear_unfinished,
    list_checkpoints,
    load_checkpoint,
    new_state,
)
from rabit.training.engine import Engine, check_split
from rabit.training.loop import Finished, Progress, TrainingSet, train
from rabit.training.processes import Processes
from rabit.training.runs import ASIDE, read_run
from rabit.training.starting import start_from
from rabit.training.wandb_log import require_wandb
from rabit.writing import WriteError, make_folders, naming, remove_empty, sole_writer

SECONDS_OF_ORPHANS = 10.0


def run_training(options: TrainOptions) -> Finished:
    """Trains as the options say, in a new folder or on from a checkpoint.

    Where several processes were launched, all of them call this; the main one alone writes.

    Raises:
        FileExistsError: the folder is not empty, and neither resume nor overwrite is on.
        FileNotFoundError: the data's folder or one of its files is missing.
        ValueError: an option or a file is wrong; it is named.
        FloatingPointError: a loss is not finite.
    """
    device = pick_device(options.device)
    if options.threads is not None and options.threads < 1:
        raise ValueError(f"--threads {options.threads}: expected 1 or more")
    processes = Processes(device)
    if options.threads is not None:
        # Not sooner: accelerate sets the number too where OMP_NUM_THREADS does not.
        torch.set_num_threads(options.threads)
    if processes.device.type == "cpu":
        keep_freed_memory()
    try:
        with ExitStack() as stack:
            return _train_together(options, processes, stack)
    finally:
        processes.end()


def _train_together(options: TrainOptions, processes: Processes, stack: ExitStack) -> Finished:
    """Trains in one of the processes, or in the only one."""
    out = options.out
    record = processes.agree(lambda: _settled(options, stack))
    layout, condition = (
        recorded(getattr(options, name), record, name) for name in ("layout", "condition")
    )
    asked = DataOptions(options.data, layout, condition)
    opened = open_data(asked, preset_kind(options.preset))
    holdout = recorded(options.holdout, record, "holdout")
    state, held_out = None, _held_out(options, opened)
    if options.resume:
        held_out = () if options.data == SCENES else read_held_out(out)
        checkpoint = processes.agree(lambda: newest_checkpoint(out / "checkpoints"))
        state = load_checkpoint(checkpoint, processes.device)
        state.config = resumed_config(state, options, opened, record)
        if state.step == state.config.train.steps and _finished(out):
            note(f"the run has taken all of its {state.step} steps; --steps N takes more")
            return Finished(step=state.step, interrupted=False, model=out / "model")
    if state is None:
        config = configure(preset(options.preset, opened.channels, opened.kind), options)
    else:
        config = state.config
    check_split(config.train.batch, processes.count, config.engine.accumulate)
    weights = options.backbone_weights
    if weights is None and config.losses.backbone not in WITHOUT_FILE:
        known = record.get("backbone_weights")
        weights = Path(known) if isinstance(known, str) else None
    backbone = _backbone(config, weights)
    data = training_data(opened, config, holdout, held_out)
    if state is None:
        state = new_state(config, processes.device)
        if options.start_from is not None:
            _start_from(options.start_from, state)
    engine = Engine(state, processes)

    with ExitStack() as shown:
        reports: list[Callable[[Progress], None]] = []

        def start() -> None:
            source = opened.source
            known = scenes_fingerprint(config.train.seed) if source is None else fingerprint(source)
            if changed := changed_data(record, known):
                note(f"the data is not what the run was last trained on: {changed}")
            begun = options.start_from or record.get("start_from")
            sources = Sources(opened, data.held_out, data.holdout, weights, known, begun)
            reports.append(_start(stack, shown, options, config, sources, backbone, processes))

        processes.agree(start)
        report = reports[0] if reports else _ignore
        seen = TrainingSet(data.corpus, data.preview, data.validation)
        try:
            return train(engine, backbone, seen, out, report, options.wandb)
        except KeyboardInterrupt:
            saved = list_checkpoints(out / "checkpoints")
            last = (
                f"after {saved[-1].name}; --resume goes on from there" if saved else "of this run"
            )
            note(f"stopped at once, so nothing was saved {last}")
            raise


def _start_from(model: str, state: TrainState) -> None:
    """Begins with the weights of a trained model, or of the last checkpoint of a run.

    Raises:
        ValueError: there is no such model or checkpoint, or it is of another kind.
    """
    flag, checkpoints = f"--start-from {model}", Path(model) / "checkpoints"
    if checkpoints.is_dir():
        path = newest_checkpoint(checkpoints)
        run = load_checkpoint(path)
        anew = start_from(state, run.network, flag, run.averaged, run.discriminator)
        fit = run.config.model.fit
        note(f"starting with the weights of {path}, the discriminator's too")
    else:
        path = find_model(model)
        stored = load_model(path)
        anew, fit = start_from(state, stored.network, flag), stored.config.fit
        note(f"starting with the weights of {path}")
    if anew:
        more = f" and {len(anew) - 3} more" if len(anew) > 3 else ""
        note(f"of other shapes there, so started anew: {', '.join(anew[:3])}{more}")
    if fit != state.config.model.fit:
        note(
            f"trained with --fit {fit} there, and goes on with --fit {state.config.model.fit} here"
        )


def _held_out(options: TrainOptions, opened: OpenData) -> tuple[str, ...] | None:
    """Reads which pictures a new run does not train on; None where no file says.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it does not fit the folder, or another option says something else.
    """
    path = options.held_out
    if path is None:
        return None
    flag = f"--held-out {path}"
    if options.holdout is not None:
        raise ValueError(f"{flag} and --holdout say the same thing twice; give one of them")
    names = held_out_pictures(path, opened)
    if options.resume and set(names) != set(read_held_out(options.out)):
        raise ValueError(f"{flag}: the run was started with other pictures; leave it out")
    assert opened.source is not None
    if torn := _torn(opened.source, set(names)):
        note(f"{path} holds {torn} pictures out whose partners are trained on")
    return names


def _torn(source: Source, held: set[str]) -> int:
    """Counts the held-out pictures that have a partner, such as the same person, on the other
    side.
    """
    return sum(
        name in held and any(source.names[other] not in held for other in others)
        for name, others in zip(source.names, source.partners, strict=False)
    )


def _finished(out: Path) -> bool:
    """Tells whether a run got as far as to write its model, after its last checkpoint."""
    return read_run(out).state == "finished" and (out / "model" / WEIGHTS).is_file()


def _settled(options: TrainOptions, stack: ExitStack) -> dict[str, Any]:
    """Brings the run's folder into a state to start from, and returns what is recorded there.

    Until the stack is closed no other training may write into it.
    """
    out = options.out
    if options.wandb is not None:
        require_wandb()
    if options.resume and options.start_from is not None:
        raise ValueError(
            f"--start-from {options.start_from}: a run that goes on has its own weights; leave "
            "out one of --start-from and --resume"
        )
    if out.is_dir():
        _write_alone(out, stack)
    if options.resume or options.overwrite:
        settle_run(out)
    check_folder(out, options.resume, options.overwrite)
    if not out.is_dir():
        with naming(out):
            created = make_folders(out)
        _write_alone(out, stack)
        # Another training may have begun there in the meantime.
        check_folder(out, options.resume, options.overwrite)
        stack.callback(remove_empty, created)
    if not options.resume:
        return {}
    record = read_record(out)
    require_same_data(out, record, options.data)
    return record


def _write_alone(out: Path, stack: ExitStack) -> None:
    """Keeps other trainings out of a run's folder until the stack is closed.

    Workers of one that was killed hold on to it for some seconds, until they notice.
    """
    until = time.monotonic() + SECONDS_OF_ORPHANS
    while True:
        try:
            stack.enter_context(sole_writer(out))
            return
        except WriteError:
            if time.monotonic() > until:
                raise
        time.sleep(0.2)


def _start(
    stack: ExitStack,
    shown: ExitStack,
    options: TrainOptions,
    config: ExperimentConfig,
    sources: Sources,
    backbone: Vgg | None,
    processes: Processes,
) -> Callable[[Progress], None]:
    """Makes the run's folder, and what shows the training, until the stack is closed."""
    out = options.out
    settle = shown.enter_context(replacing_run(out)) if options.overwrite else _nothing
    if (out / ASIDE).is_dir():
        note(
            f"the run that was in {out} is deleted with the new one's first checkpoint, also one "
            "that Ctrl-C writes"
        )
    for place in (out, out / "samples", out / "model", out / "best", out / "checkpoints"):
        clear_unfinished(place)
    write_record(out, options.preset, options.command, config, sources, processes.count)
    share = f", {config.train.batch // processes.count} each" if processes.count > 1 else ""
    note(
        f"training on {processes.device.type} in {processes.count} process"
        f"{'es' if processes.count > 1 else ''}, {config.train.batch} samples a step{share}"
    )
    if backbone is not None:
        note(f"the perceptual losses read {backbone.label}")
    display = shown.enter_context(TrainingDisplay(config.train.log_every))

    def report(told: Progress) -> None:
        settle()
        display(told)

    return report


def _nothing() -> None:
    """Stands for what there is to do after a step where no run is replaced."""


def _ignore(told: Progress) -> None:
    """Shows nothing, in a process that is not the main one."""


def _backbone(config: ExperimentConfig, weights: Path | None) -> Vgg | None:
    """Loads the perceptual network, if a loss needs one, and checks that it has their layers."""
    losses = config.losses
    backbone = None
    if losses.perc or losses.cxt or losses.pse or losses.backbone in WITHOUT_FILE:
        backbone = load_backbone(losses.backbone, weights)
    if backbone is not None:
        backbone.check(losses.layers())
    return backbone
