"""Folders of runs made without training, as a training writes them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rabit import __version__
from rabit.fields import to_dict
from tiny import tiny_experiment


def write_run(
    folder: Path,
    status: str = "finished",
    seed: int = 0,
    steps: int = 40,
    taken: int | None = None,
    warnings: tuple[tuple[int, str], ...] = (),
    factor: float = 1.0,
    **changes: Any,
) -> Path:
    """Writes config.json, log.jsonl and status.json of a run with a validation every 10 steps.

    Args:
        folder: made if missing.
        status: what status.json says.
        seed: of the run.
        steps: in all.
        taken: steps taken; all if None.
        warnings: steps and texts.
        factor: of the losses and figures.
        changes: of the configuration, as in `tiny_experiment`.
    """
    folder.mkdir(parents=True)
    settings = {"train__steps": steps, "train__seed": seed, "train__best_by": "psnr", **changes}
    config = to_dict(tiny_experiment(**settings))
    record = {
        "rabit": __version__, "command": ["rabit", "train", str(folder)], "preset": "small",
        "data": "scenes", "seed": seed, "config": config,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(record))
    taken = steps if taken is None else taken
    lines: list[dict[str, Any]] = []
    for step in range(1, taken + 1):
        level = factor * math.exp(-step / steps)
        lines.append({"step": step, "perc": level, "pse": level * (step % 3), "adv": -level})
        if step % 10 == 0:
            # The best PSNR is that of step 20.
            figures = {"psnr": 15 * factor - abs(step - 20) / 10, "l1": level}
            lines.append({"step": step, **{f"validation/{n}": v for n, v in figures.items()}})
        lines += [{"step": at, "warning": text} for at, text in warnings if at == step]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = {"status": status, "step": taken, "steps": steps, "seconds": 12.5, "message": None}
    (folder / "status.json").write_text(json.dumps(told))
    return folder
