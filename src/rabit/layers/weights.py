"""Reading of files of tensors that others wrote: nothing is unpickled but tensors."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


def read_tensors(path: Path, kind: str) -> Any:
    """Reads a safetensors file, or what torch.save wrote without classes of its own.

    Args:
        path: the file; what does not end in .safetensors is read by torch.
        kind: what the file should be, for errors.

    Returns:
        What was saved: usually a dict of tensors, on the CPU.

    Raises:
        ValueError: the file is missing, truncated or something else.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such {kind}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged bytes make the readers fail in every way there is.
        reason = str(error).strip().split("\n")[0]
        if isinstance(error, pickle.UnpicklingError):
            raise ValueError(
                f"{path}: not a readable {kind}: it is no file of torch.save, or holds classes of "
                "its own, which could run any code and are not loaded; save a state dict of "
                "tensors alone, or a safetensors file"
            ) from error
        raise ValueError(
            f"{path}: not a readable {kind} ({type(error).__name__}: {reason}); it may be "
            "truncated or of another format, write or fetch it again"
        ) from error


def fill(
    modules: Mapping[str, nn.Module], weights: Mapping[str, Tensor], path: str | Path, label: str
) -> None:
    """Copies named tensors into frozen modules, checking that each is there and fits.

    Args:
        modules: by the names that their `.weight` and `.bias` have in the file.
        weights: the file's tensors.
        path: of the file, for errors.
        label: of the network, for errors.

    Raises:
        ValueError: a tensor is missing or has another shape; it is named.
    """
    for key, module in modules.items():
        for part in ("weight", "bias"):
            target, name = getattr(module, part), f"{key}.{part}"
            if name not in weights:
                raise ValueError(
                    f"{path}: no tensor {name}, which {label} needs; found "
                    f"{', '.join(list(weights)[:3]) or 'none'}"
                )
            if weights[name].shape != target.shape:
                raise ValueError(
                    f"{path}: {name} is {tuple(weights[name].shape)}, expected "
                    f"{tuple(target.shape)} for {label}"
                )
            target.copy_(weights[name])


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Returns the SHA-256 of tensors with their names, types and shapes, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        kept = tensor.detach().cpu().contiguous()
        digest.update(repr((name, str(kept.dtype), tuple(kept.shape))).encode())
        digest.update(kept.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
