"""Where models come from: the package itself, its checkout, the disk, and the Hugging Face hub."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from rabit.model.storage import CONFIG, WEIGHTS
from rabit.writing import file_digest

RELEASED = "released.json"
"""File of the package that says which models lie beside it, in weights/ of its checkout."""

EXAMPLES = "examples"
"""Folder of pictures in a model's folder."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def embedded_models() -> tuple[str, ...]:
    """Returns the names of the models that come with the package."""
    root = _embedded_root()
    if not root.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in root.iterdir() if (entry / WEIGHTS).is_file()))


def released_models() -> Mapping[str, str]:
    """Returns the models that are too large for the package: SHA-256 of their weights by name.

    They lie in weights/ of a checkout, and are found there by name.
    """
    return _read_released()


@cache
def _read_released() -> Mapping[str, str]:
    text = (resources.files("rabit") / "models" / RELEASED).read_text(encoding="utf-8")
    known: dict[str, str] = json.loads(text)
    return known


def model_examples(folder: Path) -> list[tuple[Path, Path]]:
    """Finds the pictures that come with a model: what it made of maps that were drawn for it.

    Args:
        folder: of the model.

    Returns:
        NAME-map.png and NAME.jpg of its examples, both of one size; none for most models.
    """
    maps = sorted((folder / EXAMPLES).glob("*-map.png"))
    pairs = [(path, path.with_name(f"{path.stem.removesuffix('-map')}.jpg")) for path in maps]
    return [pair for pair in pairs if pair[1].is_file()]


def is_named(name: str) -> bool:
    """Tells whether a name stands for one of the project's own models, and so for no other file."""
    return name in embedded_models() or name in released_models()


def named_model(given: str) -> tuple[str, str]:
    """Splits NAME=MODEL; the name is empty for a model alone, whose path may hold a =."""
    name, equals, model = given.partition("=")
    if not equals or not name or not model or Path(given).exists():
        return "", given
    return name, model


def find_model(name_or_path: str | Path) -> Path:
    """Finds the files that a model's name stands for.

    Args:
        name_or_path: the name of an embedded or released model, a folder or file, or a hub id
            (owner/name); the first of these that there is. A folder called like one of the models
            is meant where it is given as a Path, or as ./name.

    Returns:
        A folder or file that exists.

    Raises:
        ValueError: it is nothing of the kind, the hub does not give it, or a released model's
            weights are missing or damaged.
    """
    if isinstance(name_or_path, str) and name_or_path in embedded_models():
        return _embedded_root() / name_or_path
    if isinstance(name_or_path, str) and name_or_path in released_models():
        return _find_released(name_or_path)
    name = str(name_or_path)
    if name and os.path.exists(name):
        return Path(name_or_path)
    if not _HUB_ID.fullmatch(name):
        raise ValueError(
            f"no model {name!r}: not an embedded one ({', '.join(embedded_models()) or 'none'}), "
            f"not a released one ({', '.join(released_models()) or 'none'}), not a file or folder "
            "that exists, and not a hub id (owner/name)"
        )
    return _download(name)


def _embedded_root() -> Path:
    return Path(str(resources.files("rabit"))) / "models"


def _find_released(name: str) -> Path:
    """Finds a released model in the checkout, and checks that its weights are the right ones."""
    folder = _checkout() / "weights" / name
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ValueError(
            f"{name}: its weights are not in the package, and not in {folder}; get weights/{name} "
            "of the project's repository, and give the folder"
        )
    found, wanted = file_digest(weights), released_models()[name]
    if found != wanted:
        raise ValueError(
            f"{weights}: its SHA-256 is {found}, expected {wanted}; the file is damaged or of "
            "another version: get it again"
        )
    return folder


def _checkout() -> Path:
    """The folder that the package's own checkout lies in, where it runs from one."""
    return Path(str(resources.files("rabit"))).resolve().parents[1]


def _download(name: str) -> Path:
    """Fetches a model's files from the Hugging Face hub, or finds them in its cache."""
    # Imported here, since most models are files here and this takes long.
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS]))
    except Exception as error:  # The hub's and its transport's errors have no common base.
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{name}: no such file or folder here, and it could not be fetched from the Hugging "
            f"Face hub ({type(error).__name__}: {reason}); check the name and the connection, or "
            "give a folder"
        ) from None
    missing = [file for file in (CONFIG, WEIGHTS) if not (folder / file).is_file()]
    if missing:
        raise ValueError(
            f"{name}: this repository of the Hugging Face hub lacks {' and '.join(missing)}, so "
            "it holds no model of this program; check the name"
        )
    return folder
