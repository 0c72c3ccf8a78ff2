"""What a training leaves behind while it runs: log, grids, checkpoints, models and its status."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from rabit.data.batch import Batch
from rabit.fields import to_dict
from rabit.layers.vgg import Vgg
from rabit.model.storage import save_model
from rabit.training.checkpoint import save_checkpoint
from rabit.training.engine import Engine
from rabit.training.log import RunLog
from rabit.training.runs import STATUS
from rabit.training.samples import sample_grid
from rabit.training.validation import BEST, validate
from rabit.training.watch import Watch
from rabit.writing import WriteError, naming, write_files

LONGEST_MESSAGE = 300


class Record:
    """Writes a run's folder; of several processes only the main one does.

    Args:
        engine: of the training.
        backbone: feature network of the validation's perceptual distance; may be None.
        preview: what sample grids show, on the training's device.
        validation: held-out batches; none validate nothing.
        folder: the run's folder.
        wandb: project at Weights & Biases to log to as well; None for none.
    """

    def __init__(
        self,
        engine: Engine,
        backbone: Vgg | None,
        preview: Batch,
        validation: tuple[Batch, ...],
        folder: Path,
        wandb: str | None = None,
    ) -> None:
        self.engine, self.state = engine, engine.state
        self.backbone, self.preview, self.validation = backbone, preview, validation
        self.folder, self.wandb = folder, wandb
        self.started = time.monotonic() - self.state.seconds
        self.watch = Watch(self.state.config.train.steps)
        if self.state.watch:
            self.watch.load_state_dict(self.state.watch)
        self.log: RunLog | None = None
        self.stack = ExitStack()

    def __enter__(self) -> Record:
        if self.engine.processes.main:
            config = to_dict(self.state.config)
            log = RunLog(self.folder, self.state.step, self.wandb, config)
            self.log = self.stack.enter_context(log)
            self._status("running")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if value is None:
            self.stack.close()
            return
        # The error to be told is what ended the run, not that more could not be written after it.
        if self.engine.processes.main:
            stopped = isinstance(value, KeyboardInterrupt)
            # A compiler's message may have thousands of lines.
            reason = " ".join(str(value).split())[:LONGEST_MESSAGE]
            with suppress(OSError):
                self._status("interrupted" if stopped else "failed", reason or None)
        with suppress(OSError):
            self.stack.__exit__(kind, value, trace)

    def step(self, values: Mapping[str, float], stopped: bool) -> tuple[str, ...]:
        """Notes a step that was taken, and writes what is due.

        Every process has to call this. Whoever stops a training may soon end it, so no picture or
        validation that is not due then comes before its checkpoint.

        Args:
            values: its losses by name.
            stopped: whether the training is stopped after it.

        Returns:
            What was noticed.
        """
        step, config = self.state.step, self.state.config.train
        warnings = self.watch.step(step, values)
        last = step == config.steps
        saving = last or step % config.checkpoint_every == 0
        if self.log is not None:
            if last or stopped or step % config.log_every == 0:
                self.log.figures(step, dict(values))
            if last or step % config.sample_every == 0:
                kind = self.state.config.model.condition.kind
                self.log.picture(step, sample_grid(self.state.averaged, self.preview, kind))
            if saving and self.validation:
                warnings += self._validate()
            for warning in warnings:
                self.log.warning(step, warning)
        if saving or stopped:
            self._save()
        return tuple(warnings)

    def close(self, interrupted: bool) -> None:
        """Writes the model that the training ends with."""
        if self.log is not None:
            self._model("model")
            self._status("interrupted" if interrupted else "finished")

    def _validate(self) -> list[str]:
        """Measures the moving average on held-out samples, and keeps it if it is the best so far.

        Returns:
            What was noticed.
        """
        assert self.log is not None
        state = self.state
        figures = validate(state.averaged, self.validation, self.backbone)
        wanted = state.config.train.best_by
        # Without a feature network there is no perceptual distance, without pairs no PSNR.
        name = wanted if wanted in figures else "l1"
        self.log.figures(state.step, {f"validation/{key}": value for key, value in figures.items()})
        value, before = figures[name], state.best.get(name)
        if before is None or (value > before if BEST[name] else value < before):
            self._model("best")
            state.best = {"step": state.step, name: value}
        return self.watch.validated(state.step, figures)

    def _save(self) -> None:
        """Writes a checkpoint, for which every process gives its random state."""
        state = self.state
        state.seconds = time.monotonic() - self.started
        state.engine = self.engine.state_dict()
        state.watch = self.watch.state_dict()
        if self.engine.processes.main:
            folder = self.folder / "checkpoints"
            save_checkpoint(folder, state, state.config.train.keep_checkpoints)
            self._status("running")

    def _model(self, name: str) -> None:
        """Writes the moving average as a model of its own."""
        save_model(self.folder / name, self.state.averaged, self.state.config.model, overwrite=True)

    def _status(self, status: str, message: str | None = None) -> None:
        """Writes how far the run is, for those who look at its folder.

        On a full disk the file is written over where it lies, which takes no space.

        Raises:
            WriteError: it could not be written.
        """
        state = self.state
        told: dict[str, Any] = {
            "status": status,
            "step": state.step,
            "steps": state.config.train.steps,
            "seconds": round(time.monotonic() - self.started, 1),
            "best": state.best or None,
            "message": message,
        }
        path, text = self.folder / STATUS, json.dumps(told, indent=2) + "\n"
        try:
            write_files({path: text.encode()}, overwrite=True)
        except WriteError:
            _write_over(path, text.encode())


def _write_over(path: Path, data: bytes) -> None:
    """Writes a small file's new content into the place that it has on the disk already.

    Raises:
        WriteError: there is no such file, or it could not be written.
    """
    with naming(path), path.open("r+b", buffering=0) as file:
        file.write(data)
        file.truncate()
