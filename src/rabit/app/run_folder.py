"""The folder of a training run: what is in it, what may be replaced, what is recorded."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from rabit import __version__
from rabit.app.corpora import SCENES, OpenData
from rabit.config import ExperimentConfig
from rabit.data.fingerprint import Fingerprint
from rabit.data.text import read_text
from rabit.evaluation.environment import commit
from rabit.fields import from_dict, to_dict
from rabit.model.storage import UNFINISHED, write_atomically
from rabit.training.checkpoint import list_checkpoints
from rabit.training.log import LINES
from rabit.training.runs import ASIDE, CONFIG, MOVING, STATUS
from rabit.training.wandb_log import ID
from rabit.writing import check_target, exchange, naming

HELD_OUT = "held-out.txt"
# What a run writes, and so what --overwrite replaces.
CONTENTS = (
    CONFIG, HELD_OUT, STATUS, LINES, ID, "checkpoints", "samples", "tensorboard", "wandb",
    "model", "best",
)  # fmt: skip


def check_folder(out: Path, resume: bool, overwrite: bool) -> None:
    """Refuses a run's folder that would be written over by accident.

    Raises:
        FileExistsError: it holds something, and neither resume nor overwrite is on; or it holds
            something else than a run.
        OSError: the folder cannot be written.
        ValueError: both are on, or there is nothing to resume.
    """
    if resume and overwrite:
        raise ValueError("--resume and --overwrite: give one of the two")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; give a run's folder with --out")
    check_target(out, folder=True)
    filled = out.is_dir() and not all(path.name.startswith(UNFINISHED) for path in out.iterdir())
    if resume and not list_checkpoints(out / "checkpoints"):
        how = "again with --overwrite" if filled else "without --resume"
        raise ValueError(f"{out}: no checkpoint to resume from; start the run {how}")
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


@contextmanager
def replacing_run(out: Path) -> Iterator[Callable[[], None]]:
    """Keeps the run in a folder aside until the new one there has a checkpoint.

    If the new run ends without one, the old run is put back.

    Yields:
        What removes the old run as soon as there is a checkpoint; to be called now and then.
    """
    aside, moving = out / ASIDE, out / MOVING
    with naming(out):
        exchange([(out / name, moving / name) for name in CONTENTS if (out / name).exists()])
        if moving.is_dir():
            moving.rename(aside)

    def settle_if_saved() -> None:
        if aside.is_dir() and list_checkpoints(out / "checkpoints"):
            settle_run(out)

    try:
        yield settle_if_saved
    finally:
        settle_run(out)


def settle_run(out: Path) -> None:
    """Ends a replacement: the old run goes if the new one has a checkpoint, or else comes back.

    A process may be killed anywhere in it: what it left is settled by the next call.
    """
    aside, moving = out / ASIDE, out / MOVING
    if aside.is_dir():
        if list_checkpoints(out / "checkpoints"):
            shutil.rmtree(aside)
            return
        remove_run(out)
        aside.rename(moving)
    if moving.is_dir():
        exchange([(path, out / path.name) for path in sorted(moving.iterdir())])
        moving.rmdir()


def require_same_data(out: Path, record: dict[str, Any], data: str) -> None:
    """Refuses to resume a run with other data than it was started with.

    Args:
        out: the run's folder.
        record: what `read_record` found there.
        data: scenes, or a folder.

    Raises:
        ValueError: it is other data.
    """
    recorded = record.get("data")
    if not isinstance(recorded, str) or recorded == data:
        return
    if SCENES in (recorded, data) or Path(recorded).resolve() != Path(data).resolve():
        raise ValueError(
            f"--data {data}: the run in {out} was started with {recorded}; resume it with --data "
            f"{recorded}, or start another run (if that folder was moved, correct data in "
            f"{out / CONFIG})"
        )


def changed_data(record: dict[str, Any], now: Fingerprint) -> str | None:
    """Says how the data differs from what a run was last trained on; None if that is not known."""
    try:
        before = from_dict(Fingerprint, record.get("fingerprint"))
    except (ValueError, TypeError):
        return None
    return now.difference(before)


def read_held_out(out: Path) -> tuple[str, ...]:
    """Reads the names of the images that a run on a folder does not train on.

    Raises:
        ValueError: the list is missing.
    """
    path = out / HELD_OUT
    if not path.is_file():
        raise ValueError(
            f"{path} is missing, which names the images that the run must not train on; put it "
            "back, or start another run"
        )
    return tuple(name for name in read_text(path).split("\n") if name)


@dataclass(frozen=True)
class Sources:
    """What a run is trained on, for its record.

    Args:
        opened: the data.
        held_out: names of the folder's images that are not trained on.
        holdout: their share; None where the layout says which they are.
        weights: file of the perceptual backbone.
        fingerprint: of the data.
        start_from: model or run whose weights it began with; None for none.
    """

    opened: OpenData
    held_out: tuple[str, ...]
    holdout: float | None
    weights: Path | None
    fingerprint: Fingerprint
    start_from: str | None


def write_record(
    out: Path,
    preset: str,
    command: tuple[str, ...],
    config: ExperimentConfig,
    sources: Sources,
    processes: int,
) -> None:
    """Writes config.json, and the names of the held-out images, into the run's folder.

    Args:
        out: the run's folder.
        preset: name of the preset.
        command: what the user typed.
        config: the experiment.
        sources: what it is trained on.
        processes: how many train together.
    """
    data, weights = sources.opened.options, sources.weights
    record = {
        "rabit": __version__,
        "commit": commit(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "command": list(command),
        "processes": processes,
        "preset": preset,
        "data": data.data if data.data == SCENES else str(Path(data.data).resolve()),
        "fingerprint": to_dict(sources.fingerprint),
        "layout": data.layout,
        "condition": data.condition,
        "seed": config.train.seed,
        "holdout": sources.holdout,
        "start_from": sources.start_from,
        "backbone_weights": None if weights is None else str(weights.resolve()),
        "config": to_dict(config),
    }
    write_text(out / CONFIG, json.dumps(record, indent=2) + "\n")
    if sources.held_out:
        write_text(out / HELD_OUT, "\n".join(sources.held_out) + "\n")


def read_record(out: Path) -> dict[str, Any]:
    """Reads a run's config.json; empty if it is missing or no record of a run."""
    try:
        record = json.loads((out / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_text(path: Path, text: str) -> None:
    """Writes a text file: it appears complete, or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)
