"""Where measured pictures come from: a model, a baseline, or a folder of another program's."""

from __future__ import annotations

import csv
import hashlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from rabit.data.batch import Batch, PictureCondition, Sample, collate
from rabit.data.images import as_saved, png_bytes, read_image, to_image, to_tensor
from rabit.data.pictures import condition_pixels
from rabit.evaluation.testset import TestSet, every, file_name
from rabit.inference import Translator
from rabit.writing import write_files

PAIRS = "pairs.csv"
_COLUMNS = ("name", "part", "condition", "exemplar", "exemplar_condition")
BASELINE = "baseline"
"""The kind of methods that need no network."""


@dataclass(frozen=True)
class Made:
    """Pictures made from some samples.

    Args:
        images: (B, 3, H, W) in [-1, 1], of the 256 values that files hold.
        warped: the exemplars warped to the conditions; None without alignment.
        seconds: that making them took; None if unknown.
    """

    images: Float[Tensor, "B 3 H W"]
    warped: Float[Tensor, "B 3 H W"] | None = None
    seconds: float | None = None


class Results(Protocol):
    """What makes pictures, or has them."""

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        """Returns the pictures of samples that follow each other in a part of the test set.

        Args:
            part: of the test set.
            first: number of the first sample in it.
            samples: the samples.
        """


@dataclass(frozen=True)
class ModelResults:
    """A model's translations."""

    model: Translator

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        """Translates; see `Results`."""
        batch = collate(samples, len(self.model.classes))
        started = time.perf_counter()
        made = self.model.translate(batch.condition, batch.exemplar, batch.exemplar_condition)
        image = made.image.cpu()
        seconds = time.perf_counter() - started
        aligned = made.correspondence is not None
        return Made(as_saved(image), as_saved(made.warped.cpu()) if aligned else None, seconds)


@dataclass(frozen=True)
class BaselineResults:
    """Pictures that need no network.

    Args:
        compute: makes them of a batch.
        classes: number of the conditions' channels.
    """

    compute: Callable[[Batch], Float[Tensor, "B 3 H W"]]
    classes: int

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        """Computes; see `Results`."""
        return Made(as_saved(self.compute(collate(samples, self.classes))))


@dataclass(frozen=True)
class FolderResults:
    """Pictures that another program made of exported pairs.

    Args:
        name: of the method.
        folder: holds NAME.png (or .jpg) for every row of the exported pairs.csv.
    """

    name: str
    folder: Path

    def check(self, test: TestSet) -> None:
        """Refuses, before any work, a folder whose pictures are not all there, whole and in size.

        Raises:
            FileNotFoundError: there is no such folder, or a picture is missing.
            ValueError: a picture cannot be read or has another size.
        """
        if not self.folder.is_dir():
            raise FileNotFoundError(f"--results {self.name}={self.folder}: no such folder")
        names = picture_names(test)
        missing = [name for name in names if self._path(name) is None]
        if missing:
            raise FileNotFoundError(
                f"{self.folder}: {len(missing)} of {len(names)} pictures are missing, the first is "
                f"{missing[0]}.png; --export-pairs writes what each is to be made from"
            )
        first = next(iter(test.parts().values()))[0]
        for path in map(self._path, names):
            assert path is not None
            _read(path, first.truth.shape[-2:])

    def digest(self, test: TestSet) -> str:
        """Returns a hash of the pictures' files, that of a folder which `check` has passed."""
        digest = hashlib.sha256()
        for name in picture_names(test):
            path = self._path(name)
            assert path is not None
            digest.update(name.encode() + path.read_bytes())
        return digest.hexdigest()

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        """Reads; see `Results`.

        Raises:
            ValueError: a picture is missing, cannot be read or has another size.
        """
        images = []
        for number, sample in enumerate(samples):
            path = self._path(file_name(part, first + number))
            if path is None:
                raise ValueError(f"{self.folder}: no picture {file_name(part, first + number)}.png")
            images.append(to_tensor(_read(path, sample.truth.shape[-2:])))
        return Made(torch.stack(images))

    def _path(self, name: str) -> Path | None:
        found = (self.folder / f"{name}{ending}" for ending in (".png", ".jpg", ".jpeg"))
        return next((path for path in found if path.is_file()), None)


def _read(path: Path, size: Sequence[int]) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a picture upright, and refuses one of another height and width."""
    pixels = read_image(path)
    found = pixels.shape[:2]
    if found != tuple(size):
        raise ValueError(
            f"{path} is {found[0]}x{found[1]} (height x width), expected {size[0]}x{size[1]}, the "
            "size of its exported condition"
        )
    return pixels


def picture_names(test: TestSet) -> list[str]:
    """Returns what the pictures of all samples of a test set are called."""
    return [file_name(part, i) for part, s in test.parts().items() for i in range(len(s))]


def export_pairs(
    test: TestSet,
    folder: Path,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Writes what another program needs to make its own results of a test set.

    The folder gets exemplars/NAME.png, and conditions/NAME.png and exemplar_conditions/NAME.png:
    maps of class ids, or for edges and poses a picture of them beside NAME.npy with all channels
    (C, H, W) in 0 to 255; classes.txt names the ids or channels. pairs.csv lists the names.

    Args:
        test: the test set.
        folder: where to.
        overwrite: whether files that are there may be replaced.
        progress: called with the number of pairs written and their total.

    Returns:
        The number of pairs.

    Raises:
        FileExistsError: there are files and they may not be replaced, or are no earlier export's.
    """
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise FileExistsError(f"{folder} is not empty; give another folder, or --overwrite")
        if not _is_export(folder):
            raise FileExistsError(
                f"{folder} holds other files than exported pairs, which --overwrite does not "
                "replace; give another folder"
            )
    # Without rows until all pictures are there, so that an export that was stopped is known.
    write_files({folder / PAIRS: _csv([_COLUMNS])}, overwrite=True)
    total = sum(len(samples) for samples in test.parts().values())
    rows = [_COLUMNS]
    for part, samples in test.parts().items():
        for index, sample in enumerate(every(samples)):
            name = file_name(part, index)
            files = {folder / f"exemplars/{name}.png": png_bytes(to_image(sample.exemplar))}
            for kind in ("condition", "exemplar_condition"):
                made = _condition_files(getattr(sample, kind), test)
                files |= {folder / f"{kind}s/{name}{end}": data for end, data in made.items()}
            write_files(files, overwrite=True)
            rows.append((name, part, f"conditions/{name}.png", f"exemplars/{name}.png",
                         f"exemplar_conditions/{name}.png"))  # fmt: skip
            if progress is not None:
                progress(len(rows) - 1, total)
    classes = "\n".join(test.classes) + "\n"
    write_files(
        {folder / PAIRS: _csv(rows), folder / "classes.txt": classes.encode()}, overwrite=True
    )
    return total


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _is_export(folder: Path) -> bool:
    """Tells whether a folder holds exported pairs, perhaps not all."""
    try:
        with (folder / PAIRS).open("rb") as lines:
            return lines.readline() == _csv([_COLUMNS])
    except OSError:
        return False


def _condition_files(condition: PictureCondition, test: TestSet) -> dict[str, bytes]:
    """Returns a condition as files, by their endings."""
    if condition.channels is None:
        out = io.BytesIO()
        # 16 bits where there are more than 256 classes.
        ids = condition.regions.numpy()
        small = len(test.classes) <= 256
        Image.fromarray(ids.astype(np.uint8 if small else np.uint16)).save(out, "PNG")
        return {".png": out.getvalue()}
    channels = io.BytesIO()
    np.save(channels, (condition.channels * 255).round().to(torch.uint8).numpy())
    picture = condition_pixels(condition.channels, test.kind)
    return {".png": png_bytes(picture), ".npy": channels.getvalue()}
