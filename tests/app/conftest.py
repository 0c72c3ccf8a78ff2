from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from rabit.app.cli import app
from rabit.data.scenes import sample_layout, sample_style, write_scenes
from rabit.data.scenes.style import render

Run = Callable[..., Result]

TINY = {
    "model.features.widths": "[4,4,4,4,4,4]",
    "model.features.hidden": "4",
    "model.alignment.channels": "8",
    "model.alignment.head_width": "8",
    "model.generator.widths": "[8,8,8,8,8]",
    "model.generator.stem": "8",
    "model.generator.hidden": "4",
    "model.generator.injection_width": "4",
    "discriminator.widths": "[4,4,4,4]",
}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def run() -> Run:
    return invoke


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    """Options that make a preset small enough for a step in milliseconds."""
    settings = [part for item in TINY.items() for part in ("--set", "=".join(item))]
    return [*settings, "--size", "64", "--batch", "2", "--backbone", "none"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny: list[str]) -> Path:
    """A run of 3 steps; read only."""
    out = tmp_path_factory.mktemp("trained") / "run"
    result = invoke("train", "small", "--data", "scenes", "--steps", 3, "--out", out, *tiny)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="session")
def model(trained: Path) -> Path:
    return trained / "model"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of scenes with pairs.csv; read only."""
    out = tmp_path_factory.mktemp("corpus") / "scenes"
    write_scenes(out, 6, 3, (64, 64))
    return out


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A map, a photograph with its map, and an edited map, of 64x64 pixels."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        labels = sample_layout(rng, (64, 64))
        Image.fromarray(labels).save(tmp_path / f"{name}-map.png")
        Image.fromarray(render(labels, sample_style(rng))).save(tmp_path / f"{name}.png")
    edited = np.array(Image.open(tmp_path / "b-map.png"))
    edited[4:20, 4:20] = 2
    Image.fromarray(edited).save(tmp_path / "b-edited.png")
    return tmp_path
