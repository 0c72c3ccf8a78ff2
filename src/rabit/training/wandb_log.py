"""Weights & Biases beside a run's own log: only where it is asked for, and offline too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rabit.model.storage import write_atomically
from rabit.writing import naming

ID = "wandb-id.txt"


def require_wandb() -> None:
    """Says that the package is missing before anything is written.

    Raises:
        ValueError: wandb is not installed.
    """
    if find_spec("wandb") is None:
        raise ValueError(
            "logging to Weights & Biases needs its package: pip install wandb, or leave it out"
        )


class WandbLog:
    """Logs a run to Weights & Biases, to the same run there each time it goes on.

    The environment variable WANDB_MODE=offline keeps everything in the run's folder until
    `wandb sync`. Steps are a value of their own, so that a run that goes on from an older
    checkpoint may log them again.

    Args:
        folder: the run's folder; wandb/ and wandb-id.txt, which names the run there, lie in it.
        project: name of the project.
        config: of the run.

    Raises:
        ValueError: wandb is not installed, or could not start.
    """

    def __init__(self, folder: Path, project: str, config: Mapping[str, Any]) -> None:
        require_wandb()
        wandb: Any = import_module("wandb")  # optional, and slow to import
        self.module = wandb
        identity = _read_identity(folder / ID)
        try:
            self.run: Any = wandb.init(
                project=project,
                id=identity,
                resume="allow",
                name=folder.resolve().name,
                dir=str(folder),
                config=dict(config),
                settings=wandb.Settings(console="off"),  # the progress display is drawn over
            )
        except (wandb.Error, OSError) as error:
            raise ValueError(
                f"Weights & Biases could not start ({error}); log in with: wandb login, set "
                "WANDB_MODE=offline to send it later, or leave it out"
            ) from error
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")
        if identity is None:
            write_atomically(folder / ID, self._write_identity)

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Logs named figures of a step."""
        self.run.log({"step": step, **values})

    def warning(self, step: int, text: str) -> None:
        """Sends an alert, which is shown there and may be mailed."""
        self.run.alert(title=f"step {step}", text=text, level=self.module.AlertLevel.WARN)

    def picture(self, step: int, path: Path) -> None:
        """Logs a picture's file."""
        self.run.log({"step": step, "samples": self.module.Image(str(path))})

    def close(self, failed: bool) -> None:
        """Ends the run there."""
        self.run.finish(exit_code=int(failed))

    def _write_identity(self, path: Path) -> None:
        path.write_text(f"{self.run.id}\n", encoding="utf-8")


def _read_identity(path: Path) -> str | None:
    """Reads the run's identity there; None for a new run.

    Raises:
        ValueError: the file holds something else.
    """
    if not path.exists():
        return None
    with naming(path):
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise ValueError(
            f"{path}: {text[:40]!r} is no run's id; put the id back that Weights & Biases shows "
            "for the run, or remove the file to begin a new run there"
        )
    return text
