"""Which models are served, and by which names recipes call them."""

from __future__ import annotations

from pathlib import Path

from rabit.editor.checks import Limits
from rabit.editor.service import Service, load_models
from rabit.inference import load


def test_a_folder_s_model_is_not_called_as_one_of_the_project_s_own(tmp_path: Path) -> None:
    """A recipe of it would be repeated with another model."""
    load("scenes-small").save(tmp_path / "mine")
    models = load_models([str(tmp_path / "mine"), "scenes-small"], "cpu")
    assert list(models) == ["scenes-small-own", "scenes-small"]


def test_models_compute_in_the_precision_that_is_asked_for() -> None:
    models = load_models(["scenes-small"], "cpu", "bfloat16")
    assert models["scenes-small"].precision == "bfloat16"
    (about,) = Service(models, Limits()).about()["models"]
    assert about["precision"] == "bfloat16"
