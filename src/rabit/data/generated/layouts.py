"""Generated corpora written to a folder in the public layouts, with splits and references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8

from rabit.data.generated.corpora import Corpus, FaceCorpus, FigureCorpus, StreetCorpus
from rabit.data.generated.painting import check_size
from rabit.data.manifest import write_listed
from rabit.data.neighbours import nearest
from rabit.data.transforms import resize_labels

_CORPORA: Mapping[str, Callable[[int, int, tuple[int, int]], Corpus]] = MappingProxyType(
    {
        "ade20k": StreetCorpus,
        "celebahq": FaceCorpus,
        "celebahq-edge": partial(FaceCorpus, merged=False),
        "deepfashion": FigureCorpus,
    }
)

LAYOUTS: tuple[str, ...] = tuple(_CORPORA)
"""The layouts that generated corpora can be written in."""

REFERENCES = 10
"""The most references of a picture."""

# How many cells, each way, references are compared by.
_GRID = 8


def write_layout(
    out: Path,
    layout: str,
    count: int,
    seed: int,
    size: tuple[int, int] | int = (128, 128),
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes a generated corpus to a folder, in one of the public layouts.

    - `ade20k`: street scenes, `images/training/ADE_train_00000001.jpg` with the map `.png` beside
      it, and `images/validation`; of ADE20K's ids those that mean what the scenes show, 0 for what
      has none; `ade20k_ref.txt`, `ade20k_ref_test.txt`.
    - `celebahq`: portraits, `CelebA-HQ-img/0.jpg`, masks of their parts and merged maps of half
      the size in `CelebAMask-HQ-mask-anno`; `train.txt`, `val.txt`, `celebahq_ref.txt`,
      `celebahq_ref_test.txt`. `celebahq-edge` is the same without the merged maps.
    - `deepfashion`: standing persons, four views of each, `img/…/id_00000001/01_1_front.jpg` with
      their joints in `pose/`; `train.txt`, `val.txt`, `deepfashion_ref.txt`,
      `deepfashion_ref_test.txt`, `deepfashion_self_pair.txt`, some with backslashes.

    Picture i depends on the seed, i and the size alone. The last fifth is held out, of figures the
    last fifth of the persons. References are training pictures of another look whose parts lie
    most alike, best first. `generated.txt` lists all files. Nothing is left behind if writing
    fails, and what the folder held before stays as it was.

    Args:
        out: the folder; it must be empty or missing unless `overwrite`.
        layout: a name in `LAYOUTS`.
        count: number of pictures, at least 3; of figures 9, so that two persons train.
        seed: of all of them, at least 0.
        size: of the photographs: height and width in pixels, or one number for both, each at
            least 64, together at most MAX_PIXELS.
        overwrite: whether to replace a generated corpus in the folder; other files stay.
        progress: called with the number of pictures written and their total.

    Raises:
        ValueError: an unknown layout, a bad count, seed or size; the folder is not empty and
            `overwrite` is off or it holds no generated corpus; or a file stands in the way that is
            not an earlier call's.
        OSError: the folder cannot be written; it is named.
    """
    if layout not in _CORPORA:
        raise ValueError(f"layout {layout!r}, expected one of {', '.join(LAYOUTS)}")
    size = (size, size) if isinstance(size, int) else size
    check_size(size, "picture")
    if seed < 0:
        raise ValueError(f"seed {seed}, expected 0 or more; give another seed")
    corpus = _CORPORA[layout](count, seed, size)
    if count < corpus.smallest:
        raise ValueError(
            f"count {count} of pictures in the layout {layout}, expected {corpus.smallest} or "
            "more: some are held out, and each refers to others of another look"
        )
    write = partial(_write, corpus=corpus, progress=progress)
    write_listed(out, "generated pictures", write, overwrite)


def _write(folder: Path, corpus: Corpus, progress: Callable[[int, int], None] | None) -> None:
    """Writes a corpus to a new folder."""
    maps = []
    for index in range(corpus.count):
        maps.append(_cells(corpus.write(folder, index)))
        if progress is not None:
            progress(index + 1, corpus.count)
    references = _rank(np.stack(maps), corpus)
    lists = corpus.lists(references[: corpus.first_test], references[corpus.first_test :])
    for name, text in lists.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _cells(parts: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "G G"]:
    """Returns a map small enough to be kept for each picture."""
    return resize_labels(parts.astype(np.int64), (2 * _GRID, 2 * _GRID)).astype(np.uint8)


def _rank(maps: UInt8[np.ndarray, "N G G"], corpus: Corpus) -> list[tuple[int, ...]]:
    """Lists for each picture the training pictures of other looks that are most like it.

    Two pictures are alike by the cosine of the shares of each id in the cells of their maps.
    """
    ids = np.unique(maps)
    shares = np.empty((len(maps), _GRID, _GRID, len(ids)), dtype=np.float32)
    for channel, number in enumerate(ids):
        blocks = (maps == number).reshape(-1, _GRID, 2, _GRID, 2)
        shares[..., channel] = blocks.mean(axis=(2, 4))
    ranked = nearest(
        shares.reshape(len(maps), -1),
        REFERENCES + corpus.views - 1,
        candidates=range(corpus.first_test),
    )
    looks = np.arange(len(maps)) // corpus.views
    return [
        tuple(int(other) for other in row if looks[other] != look)[:REFERENCES]
        for look, row in zip(looks, ranked, strict=True)
    ]
