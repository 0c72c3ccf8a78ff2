"""The corpora that commands can name: generated scenes, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rabit.app.errors import note
from rabit.data.batch import Batch, collate
from rabit.data.corpus import SourceCorpus, split_indices
from rabit.data.images import read_classes
from rabit.data.layouts.folder import FolderSource
from rabit.data.listing import first_few
from rabit.data.scenes import CLASSES, Scenes
from rabit.data.source import Source, Split

SCENES = "scenes"
SCENE_COUNT = 1_000_000
# Scenes of other seeds than training's are held out: seeds of trainings stay below this one.
PREVIEW_SEED = 10_000
PREVIEW_COUNT = 4
SMALLEST_FOLDER = 3


@dataclass(frozen=True)
class TrainingData:
    """What a training reads.

    Args:
        corpus: training samples.
        preview: samples that are not trained on, for the sample grids.
        held_out: names of the images that are kept out of the training.
    """

    corpus: Scenes | SourceCorpus
    preview: Batch
    held_out: tuple[str, ...]


def corpus_classes(data: str) -> tuple[str, ...]:
    """Returns the classes of scenes, or of a folder by its classes.txt.

    Raises:
        FileNotFoundError: there is no such folder, or no classes.txt in it.
        ValueError: classes.txt is no list of classes.
    """
    if data == SCENES:
        if Path(SCENES).is_dir():
            note("--data scenes means the generated scenes; the folder here is --data ./scenes")
        return CLASSES
    if not Path(data).is_dir():
        raise FileNotFoundError(
            f"--data {data}: no such folder; give scenes, or a folder with images/, labels/ and "
            "classes.txt"
        )
    return read_classes(Path(data) / "classes.txt")


def training_data(
    data: str,
    size: tuple[int, int],
    seed: int,
    holdout: float,
    held_out: tuple[str, ...] | None = None,
) -> TrainingData:
    """Opens what to train on, and what to look at meanwhile.

    Args:
        data: scenes, or a folder.
        size: height and width in pixels.
        seed: of the scenes, or of the folder's split and views.
        holdout: share of a folder's images that is not trained on.
        held_out: names of those images, for a folder that was split before.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: the corpus is not as described; the file is named.
    """
    if data == SCENES:
        if seed >= PREVIEW_SEED:
            raise ValueError(
                f"seed {seed} for training on scenes, expected one below {PREVIEW_SEED}; seeds "
                "from there on are for held-out scenes"
            )
        shown = Scenes(PREVIEW_COUNT, size, PREVIEW_SEED + seed)
        preview = collate([shown[i] for i in range(len(shown))], len(shown.classes))
        return TrainingData(Scenes(SCENE_COUNT, size, seed), preview, ())
    root = Path(data)
    source = FolderSource(root)
    names = list(source.names)
    if len(names) < SMALLEST_FOLDER:
        raise ValueError(
            f"{root / 'images'}: {len(names)} image{'s' if len(names) > 1 else ''}, but training "
            f"needs {SMALLEST_FOLDER} or more: one is held out, and two are each other's exemplar"
        )
    if held_out is None:
        split = split_indices(len(names), holdout, seed)
    else:
        split = _recorded_split(root, names, held_out)
    if len(split.train) < 2:
        raise ValueError(
            f"{root / 'images'}: of {len(names)} images {len(split.test)} are held out, but two "
            "or more are needed to train on; lower --holdout, or use more images"
        )
    corpus = SourceCorpus(source, size, seed=seed, indices=split.train)
    held = tuple(names[i] for i in split.test)
    preview = _folder_preview(source, size, split, {Path(name).stem for name in held})
    return TrainingData(corpus, preview, held)


def _recorded_split(root: Path, names: list[str], held_out: tuple[str, ...]) -> Split:
    """Splits a folder as it was split before; images that are new are trained on."""
    gone = [name for name in held_out if name not in names]
    if gone:
        raise ValueError(
            f"{root / 'images'}: {first_few(gone)}, held out when the run was started, is no "
            "longer there; put it back, or start another run"
        )
    held = set(held_out)
    train = tuple(i for i, name in enumerate(names) if name not in held)
    return Split(train=train, test=tuple(i for i, name in enumerate(names) if name in held))


def _folder_preview(source: Source, size: tuple[int, int], split: Split, held: set[str]) -> Batch:
    """Returns the first held-out samples, as they are tested.

    Of rows of pairs.csv those with a held-out truth come first. Where too few images are held out
    for one to be another's exemplar, images that are trained on fill up.
    """
    if source.pair_count:
        stems = [source.load_pair(row).name for row in range(source.pair_count)]
        chosen = sorted(range(len(stems)), key=lambda row: stems[row] not in held)
    else:
        chosen = [*split.test, *split.train] if len(split.test) < 2 else list(split.test)
    shown = SourceCorpus(source, size, train=False, indices=chosen[:PREVIEW_COUNT])
    return collate([shown[i] for i in range(len(shown))], len(shown.classes))
