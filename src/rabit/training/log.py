"""What a run writes down: JSONL, TensorBoard, pictures, and Weights & Biases where wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from rabit.data.pictures import Pixels
from rabit.model.storage import write_atomically
from rabit.training.wandb_log import WandbLog
from rabit.writing import naming

LINES = "log.jsonl"


class RunLog:
    """Writes a run's figures to log.jsonl and TensorBoard, and its grids to samples/.

    What was logged of steps after the one that the run goes on from is dropped first, so that no
    step is there twice.

    Args:
        folder: the run's folder; made if missing.
        step: steps taken before, 0 for a new run; what is logged of later ones is of a run that
            was stopped. None drops nothing.
        wandb: project at Weights & Biases to log to as well; None for none.
        config: the run's configuration, for Weights & Biases.

    Raises:
        ValueError: wandb is wanted, but not installed or not able to start.
        WriteError: a file could not be written; it is named.
    """

    def __init__(
        self,
        folder: Path,
        step: int | None = None,
        wandb: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        if step is not None:
            drop_after(folder / LINES, step)
        with ExitStack() as stack:
            self.wandb = None if wandb is None else WandbLog(folder, wandb, config or {})
            if self.wandb is not None:
                stack.callback(self.wandb.close, True)
            with naming(folder / LINES):
                self.lines = stack.enter_context((folder / LINES).open("a", encoding="utf-8"))
            with naming(folder / "tensorboard"):
                purge = None if step is None else step + 1
                self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)
            stack.pop_all()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            if self.wandb is not None:
                stack.callback(self.wandb.close, value is not None)
            stack.enter_context(naming(self.folder / "tensorboard"))
            stack.callback(self.board.close)
            stack.enter_context(naming(self.folder / LINES))
            self.lines.close()

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one line of named figures of a step; a name may be a path, as validation/psnr."""
        self._line({"step": step, **values})
        with naming(self.folder / "tensorboard"):
            for name, value in values.items():
                self.board.add_scalar(name, value, step)
        if self.wandb is not None:
            self.wandb.figures(step, values)

    def warning(self, step: int, text: str) -> None:
        """Writes a warning."""
        self._line({"step": step, "warning": text})
        with naming(self.folder / "tensorboard"):
            self.board.add_text("warnings", text, step)
        if self.wandb is not None:
            self.wandb.warning(step, text)

    def picture(self, step: int, pixels: Pixels) -> None:
        """Writes a sample grid."""
        path = self.folder / "samples" / f"step-{step:07d}.png"
        write_atomically(path, lambda temporary: Image.fromarray(pixels).save(temporary, "PNG"))
        with naming(self.folder / "tensorboard"):
            self.board.add_image("samples", pixels, step, dataformats="HWC")
        if self.wandb is not None:
            self.wandb.picture(step, path)

    def _line(self, content: Mapping[str, object]) -> None:
        with naming(self.folder / LINES):
            self.lines.write(json.dumps(content) + "\n")
            self.lines.flush()


def drop_after(path: Path, step: int) -> None:
    """Drops the lines of a log that are of later steps, or that a killed process left half-written.

    The file changes at once or not at all, and not where nothing is to be dropped.

    Args:
        path: log.jsonl; it may be missing.
        step: the last step that stays.

    Raises:
        WriteError: it could not be written.
    """
    if not path.is_file():
        return
    with naming(path):
        text = path.read_text(encoding="utf-8", errors="replace")
    kept = "".join(
        line + "\n" for line in text.split("\n") if line and _is_until(read_line(line), step)
    )
    if kept != text:
        write_atomically(path, lambda temporary: _write(temporary, kept))


def read_line(line: str) -> dict[str, Any] | None:
    """Reads a line of a log; None where it is damaged."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = content.get("step") if isinstance(content, dict) else None
    return content if isinstance(step, int) and not isinstance(step, bool) else None


def _is_until(content: Mapping[str, Any] | None, step: int) -> bool:
    return content is not None and content["step"] <= step


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
