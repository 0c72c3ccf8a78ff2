"""The corpora that commands can name: generated scenes, or a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from rabit.app.errors import note
from rabit.config import ExperimentConfig, Kind, ModelConfig
from rabit.data.batch import Batch, collate
from rabit.data.corpus import FEWEST_PICTURES, SourceCorpus, split_indices
from rabit.data.edges import EDGE_CHANNELS
from rabit.data.layouts.find import find_layout, open_source
from rabit.data.listing import first_few
from rabit.data.scenes import CLASSES, Scenes
from rabit.data.source import Source, Split
from rabit.data.text import read_text

SCENES = "scenes"
SCENE_COUNT = 1_000_000
# Scenes of other seeds than training's are held out: seeds of trainings stay below this one.
PREVIEW_SEED = 10_000
PREVIEW_COUNT = 4
VALIDATION_BATCH = 4
DEFAULT_HOLDOUT = 0.2


@dataclass(frozen=True)
class TrainingData:
    """What a training reads.

    Args:
        corpus: training samples.
        preview: samples that are not trained on, for the sample grids.
        validation: more of them, for the figures of validations; may be none.
        held_out: names of the images that are kept out of the training.
        holdout: their share; None where the layout says which they are, and for scenes.
    """

    corpus: Scenes | SourceCorpus
    preview: Batch
    validation: tuple[Batch, ...]
    held_out: tuple[str, ...]
    holdout: float | None


@dataclass(frozen=True)
class DataOptions:
    """What a command is told about its data.

    Args:
        data: scenes, or a folder.
        layout: of the folder; found out if None.
        condition: what is translated from, where the folder leaves a choice.
    """

    data: str
    layout: str | None = None
    condition: str | None = None


@dataclass(frozen=True)
class OpenData:
    """Data that can be read.

    Args:
        options: what it was opened by.
        kind: of the conditions.
        channels: names of their channels.
        source: the folder's pictures; None for generated scenes.
    """

    options: DataOptions
    kind: Kind
    channels: tuple[str, ...]
    source: Source | None


def open_data(
    options: DataOptions, kind: Kind | None = None, channels: tuple[str, ...] = ()
) -> OpenData:
    """Opens scenes or a folder.

    Args:
        options: which data.
        kind: of condition that is wanted, where the folder leaves a choice and no option says.
        channels: of that condition, if they are known.

    Raises:
        FileNotFoundError: there is no such folder, or a file is missing in it.
        ValueError: the folder is not as its layout describes, or an option does not fit it.
    """
    data = options.data
    if data == SCENES:
        if options.layout is not None or options.condition is not None:
            raise ValueError("--layout and --condition are for folders; scenes have semantic maps")
        if Path(SCENES).is_dir():
            note("--data scenes means the generated scenes; the folder here is --data ./scenes")
        return OpenData(options, "semantic", CLASSES, None)
    root = Path(data)
    if not root.is_dir():
        raise FileNotFoundError(
            f"--data {data}: no such folder; give scenes, or a folder with images/, labels/ and "
            "classes.txt, or in one of the public layouts"
        )
    layout, condition = options.layout, options.condition
    if layout is None and condition is None:
        layout, condition = _fitting(root, kind, channels)
    source = open_source(root, layout, condition)
    return OpenData(options, source.kind, source.channels, source)


def open_edits(folder: Path, opened: OpenData) -> Source | None:
    """Opens a folder of edits of the data's kind of condition.

    Raises:
        FileNotFoundError: there is no such folder, or a file is missing in it.
        ValueError: the folder is not as its layout describes.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--edits {folder}: no such folder; rabit data edits writes one")
    return open_data(DataOptions(str(folder)), opened.kind, opened.channels).source


def _fitting(root: Path, kind: Kind | None, channels: tuple[str, ...]) -> tuple[str, str | None]:
    """Returns the layout and condition of a folder that has the wanted kind, if it has it."""
    if kind == "pose" and (root / "pose").is_dir() and (root / "images").is_dir():
        return "folder", "pose"
    layout = find_layout(root)
    if kind == "edge" and layout == "celebahq":
        return "celebahq-edge", None
    if kind == "edge" and layout == "folder":
        drawn = (root / "edges").is_dir() and channels != EDGE_CHANNELS
        return layout, "edges" if drawn else "canny"
    return layout, None


def listed_pictures(path: Path, source: Source) -> tuple[str, ...]:
    """Reads a list of a folder's pictures, one a line.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it names no picture, or one that the folder does not have.
    """
    names = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
    if not names:
        raise ValueError(f"{path}: the file names no picture; expected one a line")
    unknown = sorted(set(names) - set(source.names))
    if unknown:
        raise ValueError(
            f"{path}: {len(unknown)} names are not in {source.root}, the first is {unknown[0]}; "
            "expected one of its pictures a line, as in a run's held-out.txt"
        )
    return names


def held_out_pictures(path: Path, opened: OpenData) -> tuple[str, ...]:
    """Reads which of a folder's pictures are not to be trained on.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the data cannot be split, is split already, or the list does not fit it.
    """
    flag, source = f"--held-out {path}", opened.source
    if source is None:
        raise ValueError(f"{flag} is for data that is a folder; scenes have their own")
    if source.split is not None and source.split.train and source.split.test:
        raise ValueError(f"{flag}: {source.root} says itself what is held out; leave it out")
    return listed_pictures(path, source)


def require_fit_of_scenes(model: ModelConfig) -> None:
    """Refuses to crop scenes.

    Raises:
        ValueError: the model has pictures cropped.
    """
    if model.fit != "stretch":
        raise ValueError(
            f"model.fit is {model.fit} (--fit), which is for data that is a folder; scenes are "
            "made at the model's size"
        )


def training_data(
    opened: OpenData,
    config: ExperimentConfig,
    holdout: float | None,
    held_out: tuple[str, ...] | None = None,
) -> TrainingData:
    """Opens what to train on, and what to look at meanwhile.

    Args:
        opened: scenes, or a folder.
        config: its size, seed and exemplar mix are used.
        holdout: share of a folder's images that is not trained on; None for what the layout says,
            or DEFAULT_HOLDOUT where it says nothing.
        held_out: names of those images, for a folder that was split before.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: the corpus is not as described; the file is named.
    """
    size, seed, source = config.model.image_size, config.train.seed, opened.source
    if source is None:
        if holdout is not None:
            raise ValueError(
                f"--holdout {holdout:g}: it is for data that is a folder; held-out scenes have "
                "seeds of their own"
            )
        if config.train.window < 1:
            raise ValueError(
                f"train.window is {config.train.window}, but --data scenes has no pictures to show "
                "windows of; leave it at 1, and choose a smaller --size"
            )
        require_fit_of_scenes(config.model)
        if seed >= PREVIEW_SEED:
            raise ValueError(
                f"seed {seed} for training on scenes, expected one below {PREVIEW_SEED}; seeds "
                "from there on are for held-out scenes"
            )
        (preview,) = _batches(Scenes(PREVIEW_COUNT, size, PREVIEW_SEED + seed), PREVIEW_COUNT)
        validated = Scenes(config.train.validation, size, PREVIEW_SEED + seed)
        validation = list(_batches(validated, VALIDATION_BATCH))
        return TrainingData(Scenes(SCENE_COUNT, size, seed), preview, tuple(validation), (), None)
    where, names = source.files(0)[0].parent, list(source.names)
    if len(names) < FEWEST_PICTURES:
        raise ValueError(
            f"{where}: {len(names)} image{'s' if len(names) > 1 else ''}, but training "
            f"needs {FEWEST_PICTURES} or more: one is held out, and two are each other's exemplar"
        )
    if source.split is not None and source.split.train and source.split.test and holdout is None:
        split = source.split
        _require_same_split(where, [names[i] for i in split.test], held_out)
    elif held_out is not None:
        split = _recorded_split(where, names, held_out)
    else:
        holdout = DEFAULT_HOLDOUT if holdout is None else holdout
        split = _drawn_split(source, holdout, seed)
    if len(split.train) < 2:
        raise ValueError(
            f"{where}: of {len(names)} images {len(split.test)} are held out, but two "
            "or more are needed to train on; hold out fewer (--holdout, --held-out), or use more "
            "images"
        )
    listed = source.partners or source.references(train=True)
    if config.train.mix.needs_references and not listed:
        note(
            f"no list of references in {source.root}: the {len(split.train)} conditions are "
            "compared with each other; rabit data pairs makes a list by how pictures look"
        )
    corpus = SourceCorpus(
        source,
        size,
        seed=seed,
        mix=config.train.mix,
        indices=split.train,
        jitter=config.train.jitter,
        window=config.train.window,
        fit=config.model.fit,
    )
    held = tuple(names[i] for i in split.test)
    stems = {str(PurePosixPath(name).with_suffix("")) for name in held}
    tested = partial(SourceCorpus, source, size, train=False, fit=config.model.fit)
    preview, *validation = _held_out_batches(source, tested, split, stems, config.train.validation)
    return TrainingData(corpus, preview, tuple(validation), held, holdout)


def _require_same_split(where: Path, test: list[str], held_out: tuple[str, ...] | None) -> None:
    """Refuses to resume a run whose layout holds out other pictures than when it was started."""
    changed = [] if held_out is None else sorted(set(test) ^ set(held_out))
    if changed:
        raise ValueError(
            f"{where}: {first_few(changed)} changed sides since the run was started; put the "
            "folder's split back, or start another run"
        )


def _drawn_split(source: Source, holdout: float, seed: int) -> Split:
    """Splits at random; pictures that are partners of each other stay on one side."""
    if not source.partners:
        return split_indices(len(source), holdout, seed)
    # Imported here, since few folders have partners and this takes long.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = [i for i, others in enumerate(source.partners) for _ in others]
    columns = [other for others in source.partners for other in others]
    edges = coo_matrix((np.ones(len(rows), bool), (rows, columns)), (len(source), len(source)))
    count, group = connected_components(edges, directed=False)
    if count < 2:
        raise ValueError(
            f"{source.root}: all pictures show one person or garment, but some of another have to "
            "be held out; add pictures of others"
        )
    held = set(split_indices(count, holdout, seed).test)
    sides = [int(each) in held for each in group]
    return Split(
        train=tuple(i for i, test in enumerate(sides) if not test),
        test=tuple(i for i, test in enumerate(sides) if test),
    )


def _recorded_split(where: Path, names: list[str], held_out: tuple[str, ...]) -> Split:
    """Splits a folder as it was split before; images that are new are trained on."""
    there = set(names)
    gone = [name for name in held_out if name not in there]
    if gone:
        raise ValueError(
            f"{where}: {first_few(gone)}, held out when the run was started, is no "
            "longer there; put it back, or start another run"
        )
    held = set(held_out)
    train = tuple(i for i, name in enumerate(names) if name not in held)
    return Split(train=train, test=tuple(i for i, name in enumerate(names) if name in held))


def _held_out_batches(
    source: Source,
    tested: Callable[..., SourceCorpus],
    split: Split,
    held: set[str],
    validation: int,
) -> tuple[Batch, ...]:
    """Returns held-out samples as they are tested: the preview, then batches for validation.

    Of rows of pairs.csv those with a held-out truth come first. Where too few images are held out
    for one to be another's exemplar, images that are trained on fill up the preview; they are not
    validated on.
    """
    if source.pair_count:
        stems = source.pair_names
        chosen = sorted(range(len(stems)), key=lambda row: stems[row] not in held)
        count = sum(stem in held for stem in stems)
    else:
        chosen = [*split.test, *split.train] if len(split.test) < 2 else list(split.test)
        count = len(split.test) if len(split.test) > 1 else 0
    previewed = tested(indices=chosen[:PREVIEW_COUNT])
    held_rows = chosen[: min(validation, count)]
    if not held_rows:
        return _batches(previewed, PREVIEW_COUNT)
    validated = tested(indices=held_rows)
    return (*_batches(previewed, PREVIEW_COUNT), *_batches(validated, VALIDATION_BATCH))


def _batches(corpus: Scenes | SourceCorpus, size: int) -> tuple[Batch, ...]:
    """Collates all of a corpus, a few samples at a time."""
    samples = [corpus[i] for i in range(len(corpus))]
    starts = range(0, len(samples), size)
    return tuple(collate(samples[i : i + size], len(corpus.classes)) for i in starts)
