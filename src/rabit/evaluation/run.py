"""The work of an evaluation: pictures made and measured, batch by batch, in one or many processes.

Everything goes into the folder at once, and what is there is not done again: an evaluation that was
stopped goes on where it was. Batches are the same however often it was stopped and however many
processes share the work, and with them the pictures and figures, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rabit.data.batch import Batch, Sample, collate
from rabit.data.images import as_saved, png_bytes, read_image, to_image, to_tensor
from rabit.data.pictures import condition_pixels
from rabit.evaluation.folder import (
    CONDITIONS,
    EXEMPLARS,
    TRUTH,
    EvaluationFolder,
    complete,
)
from rabit.evaluation.measure import Measuring
from rabit.evaluation.results import Made, Results
from rabit.evaluation.testset import TestSet, file_name
from rabit.training.processes import Processes
from rabit.writing import write_files

BATCH = 8
"""Pictures that are made together: so many, or a few more so that conditions are not torn apart."""


@dataclass(frozen=True)
class Method:
    """What is evaluated.

    Args:
        name: what it is called.
        folder: what its folders are called.
        results: its pictures.
        key: says what they come from, JSON-ready; changes when the model or the files do.
    """

    name: str
    folder: str
    results: Results
    key: dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A batch of a part of a test set.

    Args:
        part: of the test set.
        first: number of its first sample.
        count: of its samples.
    """

    part: str
    first: int
    count: int

    @property
    def name(self) -> str:
        """What the files of its figures are called."""
        return file_name(self.part, self.first)

    @property
    def names(self) -> list[str]:
        """What the pictures of its samples are called."""
        return [file_name(self.part, self.first + index) for index in range(self.count)]


def pieces(test: TestSet) -> list[Piece]:
    """Cuts a test set into batches, whole conditions each."""
    step = test.exemplars * -(-BATCH // test.exemplars)
    return [
        Piece(part, first, min(step, len(samples) - first))
        for part, samples in test.parts().items()
        for first in range(0, len(samples), step)
    ]


def make_and_measure(
    methods: Sequence[Method],
    test: TestSet,
    measuring: Measuring,
    folder: EvaluationFolder,
    processes: Processes,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Makes and measures what the folder does not hold yet.

    Args:
        methods: whose pictures are measured.
        test: what they are made from.
        measuring: the figures.
        folder: where they go, settled.
        processes: those that share the work; each calls this.
        progress: called with the number of this process's samples done and their total.

    Raises:
        ValueError: a method's picture does not fit, or is not finite; it is named.
    """
    own = [p for number, p in enumerate(pieces(test)) if number % processes.count == processes.rank]
    total, done = sum(piece.count for piece in own), 0
    for piece in own:
        missing = [m for m in methods if not _done(m, piece, measuring, folder)]
        if missing or not _done(None, piece, measuring, folder):
            _work(missing, piece, test, measuring, folder, processes.device)
        done += piece.count
        if progress is not None:
            progress(done, total)


def figures_of(
    method: Method | None, test: TestSet, part: str, folder: EvaluationFolder
) -> Iterator[dict[str, Tensor]]:
    """Reads the figures of all batches of a part, in order.

    Args:
        method: whose; None for the features of the truth.
        test: the test set.
        part: of it.
        folder: where they are.

    Raises:
        ValueError: those of a batch are missing.
    """
    name = TRUTH if method is None else method.folder
    for piece in pieces(test):
        if piece.part != part:
            continue
        found = folder.read_figures(name, piece.name)
        if found is None:
            raise ValueError(
                f"{folder.figures(name, piece.name)}: missing or damaged; the same command makes "
                "it again"
            )
        yield found


def read_pictures(paths: Sequence[Path]) -> Float[Tensor, "B 3 H W"] | None:
    """Reads pictures in [-1, 1]; None unless all are there, whole and of one size."""
    try:
        images = [to_tensor(read_image(path)) for path in paths]
        return torch.stack(images)
    except (OSError, ValueError, RuntimeError):
        return None


def _done(
    method: Method | None, piece: Piece, measuring: Measuring, folder: EvaluationFolder
) -> bool:
    """Tells whether pictures and figures of a batch are there; without a method, of its inputs."""
    name = TRUTH if method is None else method.folder
    kinds = (CONDITIONS, EXEMPLARS, TRUTH) if method is None else (name,)
    files = (folder.picture(kind, each) for kind in kinds for each in piece.names)
    wanted = measuring.names(piece.part) if method is not None else measuring.truth_names
    return complete(folder.read_figures(name, piece.name), piece.count, wanted) and all(
        path.is_file() for path in files
    )


def _work(
    methods: Sequence[Method],
    piece: Piece,
    test: TestSet,
    measuring: Measuring,
    folder: EvaluationFolder,
    device: torch.device,
) -> None:
    """Makes and measures a batch of some methods, and shows what it is made from."""
    samples = [test.parts()[piece.part][piece.first + index] for index in range(piece.count)]
    batch = collate(samples, len(test.classes)).to(device)
    inputs = measuring.inputs(batch)
    folder.write_figures(TRUTH, piece.name, inputs.truth_figures)
    _write_inputs(piece, batch, test, folder)
    for method in methods:
        earlier = folder.read_figures(method.folder, piece.name)
        made = _made(method, piece, samples, folder)
        found = measuring.measure(piece.part, batch, inputs, made)
        if made.seconds is not None:
            each = made.seconds / piece.count
            found["seconds"] = torch.full((piece.count,), each, dtype=torch.float64)
        elif earlier is not None and complete(earlier, piece.count, frozenset({"seconds"})):
            found["seconds"] = earlier["seconds"]
        folder.write_figures(method.folder, piece.name, found)


def _write_inputs(piece: Piece, batch: Batch, test: TestSet, folder: EvaluationFolder) -> None:
    """Writes conditions, exemplars and truths as pictures."""
    files = {}
    for index, name in enumerate(piece.names):
        condition = condition_pixels(batch.condition.channels[index], test.kind)
        files[folder.picture(CONDITIONS, name)] = png_bytes(condition)
        files[folder.picture(EXEMPLARS, name)] = png_bytes(to_image(batch.exemplar[index]))
        files[folder.picture(TRUTH, name)] = png_bytes(to_image(batch.truth[index]))
    write_files(files, overwrite=True)


def _made(
    method: Method, piece: Piece, samples: Sequence[Sample], folder: EvaluationFolder
) -> Made:
    """Reads a method's pictures of a batch, or makes them and writes them."""
    paths = [folder.picture(method.folder, name) for name in piece.names]
    warped_paths = [folder.warped(method.folder, name) for name in piece.names]
    if all(path.is_file() for path in paths):
        images = read_pictures(paths)
        if images is not None:
            return Made(images, read_pictures(warped_paths))
    made = method.results.make(piece.part, piece.first, samples)
    for name, image in zip(piece.names, made.images, strict=True):
        if not bool(torch.isfinite(image).all()):
            raise ValueError(
                f"{method.name}: its picture {name} holds nan or infinity, so it cannot be "
                "measured; its weights or inputs are broken"
            )
    # What is measured is what the files hold.
    images = as_saved(made.images)
    warped = None if made.warped is None else as_saved(made.warped)
    if warped is not None:
        _write(warped_paths, warped)
    # After the warped exemplars: a batch whose pictures are there has all that it needs.
    _write(paths, images)
    return Made(images, warped, made.seconds)


def _write(paths: Sequence[Path], images: Float[Tensor, "B 3 H W"]) -> None:
    files = {p: png_bytes(to_image(image)) for p, image in zip(paths, images, strict=True)}
    write_files(files, overwrite=True)
