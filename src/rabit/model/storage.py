"""Models on disk: a folder with weights (safetensors) and their configuration (JSON)."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from rabit.config import ModelConfig
from rabit.fields import from_dict, to_dict
from rabit.layers.convolution import weights_undrawn
from rabit.layers.weights import read_tensors
from rabit.model.network import TranslationNetwork, build_network
from rabit.writing import WriteError, naming, write_error

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
UNFINISHED = ".part-"


@dataclass(frozen=True)
class StoredModel:
    """A network read from disk.

    Args:
        network: in evaluation mode, float32, on the CPU.
        config: what it was built from.
    """

    network: TranslationNetwork
    config: ModelConfig


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file under a temporary name, then renames it; on failure nothing is left.

    Args:
        path: the final name; its folder must exist.
        write: called with the temporary path.

    Raises:
        OSError: it could not be written; it is named. Torch and safetensors report a full disk
            as errors of their own, which become this one.
    """
    with naming(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED, suffix=path.suffix)
        os.close(handle)
    temporary = Path(name)
    try:
        with writing_tensors(path):
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing_tensors(path: Path) -> Iterator[None]:
    """Turns errors while a file of tensors is written into ones that name it.

    Torch and safetensors report a full disk as errors of their own.

    Args:
        path: the final name; its folder must exist.
    """
    try:
        yield
    except OSError as error:
        raise write_error(error, path) from error
    except (RuntimeError, SafetensorError) as error:
        free = shutil.disk_usage(path.parent).free / 2**20
        raise WriteError(
            f"{path}: could not be written ({error}); the disk has {free:.0f} MiB left: make space "
            "there, or write to another one"
        ) from error


def save_model(
    folder: Path,
    network: TranslationNetwork,
    config: ModelConfig,
    dtype: torch.dtype | None = None,
    overwrite: bool = False,
) -> None:
    """Writes weights and configuration into a folder.

    Args:
        folder: created if missing.
        network: the network.
        config: its configuration.
        dtype: what floating-point weights are stored as; their own if left out.
        overwrite: whether a model that is already there may be replaced.

    Raises:
        FileExistsError: the folder holds a model and overwrite is off.
    """
    present = [name for name in (WEIGHTS, CONFIG) if (folder / name).exists()]
    if present and not overwrite:
        raise FileExistsError(
            f"{folder} already holds {' and '.join(present)}; choose another folder or overwrite"
        )
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().cpu().to(dtype or tensor.dtype).contiguous()
        if tensor.is_floating_point()
        else tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    text = json.dumps(to_dict(config), indent=2) + "\n"

    def write_both(path: Path) -> None:
        # The weights take their place only once the configuration is on the disk as well.
        path.write_text(text, encoding="utf-8")
        write_atomically(folder / WEIGHTS, lambda weights: save_file(tensors, weights))

    write_atomically(folder / CONFIG, write_both)


def load_model(path: Path) -> StoredModel:
    """Reads a model: a folder that `save_model` wrote, or its weights' file.

    Args:
        path: the folder, or a .safetensors file with config.json beside it.

    Raises:
        ValueError: a file is missing, damaged, or does not fit the configuration.
    """
    folder, weights = (path.parent, path) if path.is_file() else (path, path / WEIGHTS)
    if weights.suffix != ".safetensors":
        raise ValueError(
            f"{weights}: not a .safetensors file; a model is a folder with {CONFIG} and {WEIGHTS}"
        )
    if not weights.is_file() and (path / "model" / WEIGHTS).is_file():
        raise ValueError(f"{path}: a training's folder; its model is {path / 'model'}")
    config = read_config(folder / CONFIG)
    tensors = read_tensors(weights, "file of a model's weights")
    return StoredModel(network=network_of(config, tensors, str(weights)), config=config)


def network_of(config: ModelConfig, tensors: dict[str, Tensor], source: str) -> TranslationNetwork:
    """Builds a network of given weights: in evaluation mode, float32, on the CPU.

    Args:
        config: what it is built from.
        tensors: its weights, by name.
        source: what to call them in errors.

    Raises:
        ValueError: names the first tensors that do not fit.
    """
    with weights_undrawn():
        network = build_network(config).float()
    fit_weights(network, tensors, source)
    return network.eval()


def read_config(path: Path) -> ModelConfig:
    """Reads a model's configuration.

    Raises:
        ValueError: the file is missing, is not JSON, or has a field that is unknown or wrong.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a model is a folder with {CONFIG} and {WEIGHTS}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from error
    return from_dict(ModelConfig, data, str(path))


def fit_weights(network: TranslationNetwork, tensors: dict[str, Tensor], source: str) -> None:
    """Copies tensors into a network, refusing any that are missing, unknown or misshapen.

    Args:
        network: changed in place; stays float32.
        tensors: by the network's own names.
        source: what to call them in errors.

    Raises:
        ValueError: names the first tensors that do not fit.
    """
    expected = network.state_dict()
    missing = sorted(set(expected) - set(tensors))
    unknown = sorted(set(tensors) - set(expected))
    shapes = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected
        if name in tensors and tensors[name].shape != expected[name].shape
    ]
    for what, names in (("missing", missing), ("unknown", unknown), ("misshapen", shapes)):
        if names:
            raise ValueError(
                f"{source}: {len(names)} {what} tensors ({', '.join(names[:3])}, ...); the file "
                "belongs to another configuration"
            )
    network.load_state_dict(tensors)
