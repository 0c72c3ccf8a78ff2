"""Where models come from: the package itself, the disk, and the Hugging Face hub."""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path

from huggingface_hub import snapshot_download

from rabit.model.storage import CONFIG, WEIGHTS

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def embedded_models() -> tuple[str, ...]:
    """Returns the names of the models that come with the package."""
    root = _embedded_root()
    if not root.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in root.iterdir() if (entry / WEIGHTS).is_file()))


def find_model(name_or_path: str | Path) -> Path:
    """Finds the files that a model's name stands for.

    Args:
        name_or_path: the name of an embedded model, a folder or file, or a hub id (owner/name);
            the first of these that there is. A folder called like an embedded model is meant
            where it is given as a Path, or as ./name.

    Returns:
        A folder or file that exists.

    Raises:
        ValueError: it is nothing of the kind, or the hub does not give it.
    """
    if isinstance(name_or_path, str) and name_or_path in embedded_models():
        return _embedded_root() / name_or_path
    name = str(name_or_path)
    if name and os.path.exists(name):
        return Path(name_or_path)
    if not _HUB_ID.fullmatch(name):
        raise ValueError(
            f"no model {name!r}: not an embedded one ({', '.join(embedded_models()) or 'none'}), "
            "not a file or folder that exists, and not a hub id (owner/name)"
        )
    return _download(name)


def _embedded_root() -> Path:
    return Path(str(resources.files("rabit"))) / "models"


def _download(name: str) -> Path:
    """Fetches a model's files from the Hugging Face hub, or finds them in its cache."""
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
