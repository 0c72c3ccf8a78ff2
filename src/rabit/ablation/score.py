"""Scores of runs and of other programs' results, kept in files until what they are of changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rabit.ablation.measure import Measured, measure
from rabit.ablation.plan import Run
from rabit.data.condition_files import reads_alike
from rabit.evaluation.environment import environment
from rabit.evaluation.measure import Networks, digests
from rabit.evaluation.results import ModelResults
from rabit.evaluation.testset import TestSet
from rabit.inference import load
from rabit.model.storage import WEIGHTS
from rabit.writing import write_files

# To be raised whenever a figure is computed otherwise, so that old scores are computed anew.
VERSION = 3


@dataclass(frozen=True)
class Scores:
    """Scores of one method's pictures.

    Args:
        measured: the figures.
        key: what they are of: the model, the test set, the networks of the figures.
        environment: what they were computed with.
    """

    measured: Measured
    key: dict[str, Any]
    environment: dict[str, Any]


def score_run(
    run: Run,
    test: TestSet,
    networks: Networks,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Returns the scores of a finished run: those in the file beside it, if they are of the same.

    Args:
        run: whose model is measured.
        test: on what.
        networks: what figures read.
        device: where the networks are, and the model translates.
        progress: called with the number of pictures measured and their total.

    Raises:
        ValueError: the model was trained on other classes, or is damaged.
    """
    path = scores_path(run)
    key = {
        "version": VERSION,
        "model": hashlib.sha256((run.model / WEIGHTS).read_bytes()).hexdigest(),
        "test": test.digest(),
        "networks": digests(networks),
    }
    kept = read_scores(path)
    if kept is not None and kept.key == key:
        return kept
    model = load(run.model).to(device)
    if not reads_alike(model.classes, test.classes):
        raise ValueError(f"{run.model} was trained on other classes than the test set has")
    measured = measure(ModelResults(model), test, networks, device, progress)
    rate = training_rate(run)
    if rate is not None:
        measured.figures["training_rate"] = rate
        measured.labels["training_rate"] = "images/s while training"
    scores = Scores(measured, key, environment(device, torch.get_num_threads()))
    data = {"key": key, "environment": scores.environment, **vars(measured)}
    write_files({path: (json.dumps(data, indent=2) + "\n").encode()}, overwrite=True)
    return scores


def scores_path(run: Run) -> Path:
    """Returns the file with a run's scores."""
    return run.folder.with_name(f"{run.folder.name}.scores.json")


def read_scores(path: Path) -> Scores | None:
    """Reads scores; None where there are none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        measured = Measured(dict(data["figures"]), dict(data["labels"]))
        return Scores(measured, dict(data["key"]), dict(data["environment"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def training_rate(run: Run) -> float | None:
    """Returns the images a second that a training took in; None where its status does not say."""
    try:
        status = json.loads((run.folder / "status.json").read_text(encoding="utf-8"))
        seconds = float(status["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return run.config.train.steps * run.config.train.batch / seconds if seconds > 0 else None
