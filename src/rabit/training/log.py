"""What a run writes down: JSONL, TensorBoard and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from rabit.data.pictures import Pixels
from rabit.model.storage import write_atomically
from rabit.writing import naming


class RunLog:
    """Writes a run's figures to log.jsonl and TensorBoard, and its grids to samples/.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        self.lines = (folder / "log.jsonl").open("a", encoding="utf-8")
        self.board = SummaryWriter(str(folder / "tensorboard"))

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with naming(self.folder / "log.jsonl"):
                self.lines.close()
        finally:
            with naming(self.folder / "tensorboard"):
                self.board.close()

    def figures(self, step: int, values: dict[str, float]) -> None:
        """Writes one line of named figures of a step."""
        with naming(self.folder / "log.jsonl"):
            self.lines.write(json.dumps({"step": step, **values}) + "\n")
            self.lines.flush()
        with naming(self.folder / "tensorboard"):
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def picture(self, step: int, pixels: Pixels) -> None:
        """Writes a sample grid."""
        path = self.folder / "samples" / f"step-{step:07d}.png"
        write_atomically(path, lambda temporary: Image.fromarray(pixels).save(temporary, "PNG"))
        with naming(self.folder / "tensorboard"):
            self.board.add_image("samples", pixels, step, dataformats="HWC")
