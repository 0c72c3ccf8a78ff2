"""Which models are served, and by which names recipes call them."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_models_may_be_given_names(tmp_path: Path) -> None:
    load("scenes-small").save(tmp_path / "a=b")
    path = str(tmp_path / "a=b")
    models = load_models([path, f"mine={path}", "other=scenes-small"], "cpu")
    assert list(models) == ["scenes-small-own", "mine", "other"]
    with pytest.raises(ValueError, match=f"two models are called mine; .* as NAME={path}"):
        load_models([f"mine={path}", f"mine={path}"], "cpu")
    with pytest.raises(ValueError, match="the project has a model called scenes-small"):
        load_models([f"scenes-small={path}"], "cpu")
