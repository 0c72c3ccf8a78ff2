"""Names of models: the package's own, the disk's, and the hub's, which is never reached here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from PIL import Image

import rabit
from rabit.inference import load
from rabit.model import sources
from rabit.model.network import build_network
from rabit.model.sources import (
    embedded_models,
    find_model,
    is_named,
    model_examples,
    released_models,
)
from rabit.model.storage import CONFIG, WEIGHTS, load_model, save_model
from rabit.writing import file_digest
from tiny import tiny_experiment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = tiny_experiment(64).model
    save_model(tmp_path / "owner" / "model", build_network(config), config)
    return tmp_path / "owner" / "model"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)


def test_every_embedded_model_loads() -> None:
    for name in embedded_models():
        assert load_model(find_model(name)).config.condition.classes


def test_an_embedded_model_is_found_by_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_embedded_root", lambda: folder.parent)
    (folder.parent / "notes").mkdir()
    assert rabit.embedded_models() == ("model",)
    assert load("model").config == tiny_experiment(64).model
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("model") == folder
    assert find_model(Path("model")) == Path("model")
    assert find_model("./model") == Path("model")


def test_every_released_model_is_in_the_checkout_and_described() -> None:
    root = Path(rabit.__file__).parents[2] / "weights"
    assert sorted(released_models()) == sorted(path.name for path in root.iterdir())
    for name, digest in released_models().items():
        assert find_model(name) == root / name and is_named(name)
        stored = load_model(find_model(name))
        assert stored.config.name == name
        assert (root / name / WEIGHTS).stat().st_size < 40e6
        card = (root / name / "card.md").read_text()
        words = ("Data", "research", "steps", "Losses", "Command", "Figures", "Limits", digest)
        assert not [word for word in words if word not in card]


def test_every_released_model_has_examples_of_its_size_and_classes() -> None:
    for name in released_models():
        config = load_model(find_model(name)).config
        pairs = model_examples(find_model(name))
        assert len(pairs) >= 3
        for labels, picture in pairs:
            with Image.open(labels) as ids, Image.open(picture) as made:
                assert ids.size == made.size == config.image_size[::-1]
                assert ids.mode == "L"
                assert np.asarray(ids).max() < len(config.condition.classes)
    assert model_examples(find_model("scenes-small")) == model_examples(Path("nobody")) == []


@pytest.fixture
def released(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose weights/ holds the released model "photo"."""
    place = tmp_path / "checkout" / "weights" / "photo"
    shutil.copytree(folder, place)
    known = {"photo": file_digest(place / WEIGHTS)}
    monkeypatch.setattr(sources, "_read_released", lambda: known)
    monkeypatch.setattr(sources, "_checkout", lambda: tmp_path / "checkout")
    return place


def test_a_released_model_is_found_by_name_and_checked(released: Path) -> None:
    assert load("photo").config == tiny_experiment(64).model
    weights = released / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="photo.*its SHA-256 is .*, expected .*; the file is dam"):
        load("photo")
    weights.unlink()
    with pytest.raises(ValueError, match="photo: its weights are not in the package"):
        load("photo")
    assert not is_named("other") and is_named("scenes-small")


def test_a_folder_that_exists_is_not_looked_for_in_the_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parents[1])
    assert find_model("owner/model") == Path("owner/model")


@pytest.mark.parametrize(
    "name", ["", "nothing", "/no/such/folder", "a/b/c", "a b/c", "\0", "x" * 999]
)
def test_what_is_no_model_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="no model .*hub id"):
        load(name)


def test_a_hub_id_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fetch(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert load("some-one/scenes.v2").config == tiny_experiment(64).model
    assert asked == [("some-one/scenes.v2", [CONFIG, WEIGHTS])]


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
def test_a_hub_repository_without_a_model_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    (folder / missing).unlink()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(folder))
    with pytest.raises(ValueError, match=f"some/one: .*lacks {missing}"):
        load("some/one")


@pytest.mark.parametrize("kind", [ConnectionError, FileNotFoundError, RuntimeError, ValueError])
def test_a_hub_that_fails_gives_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise kind("host\nunknown")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    words = f"some/one: .*{kind.__name__}: host unknown.*connection"
    with pytest.raises(ValueError, match=words) as caught:
        load("some/one")
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_offline_mode_of_the_hub_gives_one_clear_error(tmp_path: Path) -> None:
    paths = {"PYTHONPATH": str(Path(rabit.__file__).parents[1]), "HF_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", "import rabit; rabit.load('some/one')"],
        capture_output=True,
        text=True,
        env=os.environ | paths | {"HF_HUB_OFFLINE": "1"},
    )
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 1
    assert last.startswith("ValueError: some/one: no such file or folder here")
    assert result.stderr.count("Traceback") == 1
