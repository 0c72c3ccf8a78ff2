"""The trainings of an ablation: their folders, their commands, and how far each has come."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rabit.ablation.rows import Row
from rabit.config import ExperimentConfig
from rabit.fields import from_dict, to_dict
from rabit.model.storage import UNFINISHED, WEIGHTS
from rabit.presets import preset
from rabit.training.runs import ASIDE, MOVING

State = Literal["new", "started", "resumable", "finished"]


@dataclass(frozen=True)
class Run:
    """One training of an ablation.

    Args:
        row: what it is a training of.
        seed: of weights, samples and their order.
        folder: of the run.
        config: the experiment that the training records.
        data: scenes, or a folder's full path, as the training records it.
        command: of the training, without what resumes or replaces it.
    """

    row: Row
    seed: int
    folder: Path
    config: ExperimentConfig
    data: str
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """Row and seed."""
        return f"{self.row.name}/seed-{self.seed}"

    @property
    def log(self) -> Path:
        """The file that gets what the training prints."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def model(self) -> Path:
        """The folder of the trained model."""
        return self.folder / "model"


def plan_runs(
    rows: Sequence[Row],
    seeds: Sequence[int],
    experiment: ExperimentConfig,
    preset_name: str,
    data: str,
    out: Path,
    options: Sequence[str] = (),
) -> list[Run]:
    """Returns the trainings of an ablation: every row with the first seed, then with the next.

    An ablation that ends early has so a whole table, of fewer seeds.

    Args:
        rows: of the table.
        seeds: of every row's trainings.
        experiment: what the rows have in common.
        preset_name: of the preset that the trainings start from.
        data: scenes, or a folder.
        out: the ablation's folder.
        options: further options of `rabit train`.

    Raises:
        ValueError: a row does not fit the experiment, or two are the same trainings.
    """
    experiments = {row.name: row.apply(experiment) for row in rows}
    _require_different(experiments)
    condition = experiment.model.condition
    start = preset(preset_name, condition.classes, condition.kind)
    data = data if data == "scenes" else str(Path(data).resolve())
    runs = []
    for seed in seeds:
        for row in rows:
            config = experiments[row.name]
            config = replace(config, train=replace(config.train, seed=seed))
            folder = out / "runs" / row.name / f"seed-{seed}"
            command = (sys.executable, "-m", "rabit", "train", preset_name, "--data", data,
                       "--out", str(folder.resolve()), "--seed", str(seed), *options,
                       *assignments(start, config))  # fmt: skip
            runs.append(Run(row, seed, folder, config, data, command))
    return runs


def _require_different(experiments: Mapping[str, ExperimentConfig]) -> None:
    """Refuses rows that would be the same trainings, such as those of losses that are off."""
    kept: dict[str, ExperimentConfig] = {}
    for name, experiment in experiments.items():
        for other, known in kept.items():
            if experiment == known:
                raise ValueError(
                    f"the rows {other} and {name} are the same trainings with these options: what "
                    "tells them apart is off (losses without a network, say); choose rows with "
                    "--only, or other options"
                )
        kept[name] = experiment


def assignments(start: ExperimentConfig, end: ExperimentConfig) -> list[str]:
    """Returns the options --set that turn one experiment into another, but for the seed."""
    changes = [
        (path, value)
        for path, value, _ in differences(to_dict(end), to_dict(start))
        if path != "train.seed"
    ]
    return [part for path, value in changes for part in ("--set", f"{path}={json.dumps(value)}")]


def differences(one: Any, other: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Returns where two nested mappings of the same fields differ: path, first value, second."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for name in {**one, **other}
            for found in differences(
                one.get(name), other.get(name), f"{path}.{name}" if path else name
            )
        ]
    return [] if one == other else [(path, one, other)]


def state_of(run: Run) -> State:
    """Tells how far a training has come.

    Raises:
        ValueError: its folder holds another training; what differs is named.
    """
    names = [path.name for path in run.folder.iterdir()] if run.folder.exists() else []
    if all(name.startswith(UNFINISHED) for name in names):
        return "new"
    if ASIDE in names or MOVING in names:
        return "started"
    _require_same(run)
    steps = checkpoint_steps(run.folder)
    if not steps:
        return "started"
    ended = steps[-1] == run.config.train.steps and (run.model / WEIGHTS).is_file()
    status = _read_json(run.folder / "status.json").get("status", "finished")
    return "finished" if ended and status == "finished" else "resumable"


def checkpoint_steps(folder: Path) -> list[int]:
    """Returns the steps that a run's checkpoints were written after, ascending."""
    found = (re.fullmatch(r"step-(\d+)", path.name) for path in folder.glob("checkpoints/*"))
    return sorted(int(match[1]) for match in found if match)


def steps_taken(run: Run) -> int:
    """Returns the steps that a run has told of, in its log or by a checkpoint."""
    try:
        with (run.folder / "log.jsonl").open("rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - 4096, 0))
            lines = file.read().splitlines()
    except OSError:
        lines = []
    told = re.match(rb'\{"step": (\d+)', lines[-1]) if lines else None
    return max([int(told[1]) if told else 0, *checkpoint_steps(run.folder)])


def continuing(run: Run, state: State) -> tuple[str, ...]:
    """Returns a training's command that goes on from its state."""
    more = {"resumable": ("--resume",), "started": ("--overwrite",)}
    return (*run.command, *more.get(state, ()))


def _require_same(run: Run) -> None:
    """Refuses a folder that holds another training."""
    record = _read_json(run.folder / "config.json")
    if "config" not in record:
        raise ValueError(
            f"{run.folder} is not empty and has no config.json of a training; move it away, or "
            "give another folder with --out"
        )
    recorded = from_dict(ExperimentConfig, record["config"], str(run.folder / "config.json"))
    found = differences(to_dict(recorded), to_dict(run.config))
    moved = ""
    if record.get("data") != run.data:
        found.append(("data", record.get("data"), run.data))
        moved = f" (if that folder was moved, correct data in {run.folder / 'config.json'})"
    if found:
        spelled = "; ".join(f"{path} is {json.dumps(old)}, wanted {json.dumps(new)}"
                            for path, old, new in found[:3])  # fmt: skip
        raise ValueError(
            f"{run.folder} holds another training: {spelled}; give the options it was started "
            f"with, or another folder with --out{moved}"
        )


def _read_json(path: Path) -> dict[str, Any]:
    """Reads a mapping; empty where there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
