"""A training that takes no time: what `rabit train` writes, without any of its work."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

STEPS = 4


def main(folder: Path, record: Path, mode: str, *more: str) -> int:
    resumed = "--resume" in more
    done = max((int(p.name[5:]) for p in folder.glob("checkpoints/step-*")), default=0)
    if resumed != bool(done):
        sys.stdout.write("error: a checkpoint and no --resume, or the other way round\n")
        return 1
    if folder.is_dir() and any(folder.iterdir()) and not resumed and "--overwrite" not in more:
        sys.stdout.write("error: not empty\n")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(record, folder / "config.json")
    if mode == "fail" and not resumed:
        save(folder, 2)
        sys.stdout.write("first line\nerror: no luck\n")
        return 3
    if mode in ("wait", "deaf") and not resumed:
        return wait(folder, mode)
    if mode == "pair":
        meet(folder)
    if mode.startswith("write:"):
        os.write(int(mode.removeprefix("write:")), os.environ["OMP_NUM_THREADS"].encode())
    save(folder, STEPS)
    if mode != "modelless":
        (folder / "model").mkdir(exist_ok=True)
        (folder / "model/model.safetensors").touch()
    return 0


def save(folder: Path, step: int) -> None:
    (folder / f"checkpoints/step-{step:07d}").mkdir(parents=True, exist_ok=True)


def wait(folder: Path, mode: str) -> int:
    """Waits for SIGINT, saves and stops; in mode deaf disregards it."""
    stopped = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    (folder / "ready").write_text(str(os.getpgrp()))
    while not stopped or mode == "deaf":
        time.sleep(0.01)
        if stopped:
            (folder / "heard").touch()
    save(folder, 2)
    return 130


def meet(folder: Path) -> None:
    """Waits until another training runs at the same time."""
    (folder / "here").touch()
    others = [p for p in folder.parents[1].glob("*/*") if p.is_dir() and p != folder]
    while not others or not any((p / "here").exists() for p in others):
        time.sleep(0.01)
        others = [p for p in folder.parents[1].glob("*/*") if p.is_dir() and p != folder]


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
