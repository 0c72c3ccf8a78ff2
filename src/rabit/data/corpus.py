"""Training and test samples of any layout, with exemplars chosen as in the paper."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np
from torch.utils.data import Dataset

from rabit.config import FITS, ExemplarMix, Fit, Kind
from rabit.data.batch import Sample
from rabit.data.images import to_tensor
from rabit.data.listing import first_few
from rabit.data.references import Layout, rank_references, read_references
from rabit.data.source import Picture, Source, Split
from rabit.data.transforms import ColourJitter, View
from rabit.fields import check_choice

FEWEST_PICTURES = 3
"""The fewest that training works with: one is held out, two are each other's exemplar."""

MOST_COMPARED = 2000
"""How many pictures can be a reference where there is no list and conditions are compared."""

# The size at which they are.
_COMPARED = (128, 128)


def split_indices(count: int, holdout: float = 0.2, seed: int = 0) -> Split:
    """Splits items at random, the same way for the same numbers.

    Args:
        count: number of items, at least 2.
        holdout: share held out, in (0, 1); at least one item goes to each side.
        seed: of the choice, 0 or more.

    Returns:
        The two sides.

    Raises:
        ValueError: an argument is outside its range.
    """
    if count < 2:
        raise ValueError(f"count is {count}, expected at least 2 items to split")
    if not 0 < holdout < 1:
        raise ValueError(f"holdout is {holdout}, expected a share between 0 and 1")
    _require_seed(seed)
    held = min(max(round(count * holdout), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count).tolist()
    return Split(train=tuple(sorted(order[held:])), test=tuple(sorted(order[:held])))


class SourceCorpus(Dataset[Sample]):
    """Pictures of a source as a data set of samples, each with an exemplar.

    Exemplars come from the source's list of references where it has one, and otherwise from the
    likeness of the conditions, computed once here (`rank_references`). Where the source knows which
    pictures show the same look in another pose, a training exemplar is one of these in
    place of a reference, and the
    picture itself where there is none; the truth then has the exemplar's look.

    While training the truth and the exemplar are each seen in a crop and flip of their own, drawn
    from (seed, epoch, index), so that samples do not depend on the number of workers; their colours
    may be changed too, alike in both, so that a pair stays one. References
    outside `indices` are not used, so that nothing held out is trained on. For tests pictures are
    seen whole and the exemplar is the first reference; a source with pairs yields these instead,
    whose truth has the exemplar's look.

    Args:
        source: the pictures.
        size: height and width of the samples, in pixels.
        seed: of views and exemplars while training, 0 or more.
        train: whether to yield training samples, and otherwise test samples.
        mix: where exemplars come from while training.
        indices: which items to yield, in this order: pictures, or pairs; None for all.
        jitter: how much colours change while training, in [0, 1]; see `ColourJitter.draw`.
        window: the share of a picture's sides that a training sample shows, in (0, 1]. Below 1
            samples have this share of `size`, and show a window of the pictures, drawn anew for
            each and at one place in both, as large as it is in pictures of `size`.
        fit: what becomes of pictures of another shape: they are stretched, or keep their shape and
            are cropped: while training at a place drawn anew for each sample, the same in truth and
            exemplar, and for tests in the middle.

    Raises:
        ValueError: the references or an argument are not as described; a file is named.
    """

    def __init__(
        self,
        source: Source,
        size: tuple[int, int],
        seed: int = 0,
        train: bool = True,
        mix: ExemplarMix | None = None,
        indices: Sequence[int] | None = None,
        jitter: float = 0.0,
        window: float = 1.0,
        fit: Fit = "stretch",
    ) -> None:
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size is {size}, expected height and width in pixels, above 0")
        _require_seed(seed)
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter is {jitter}, expected a strength from 0 to 1")
        if not 0 < window <= 1:
            raise ValueError(f"window is {window}, expected a share above 0, up to 1")
        check_choice("fit", fit, FITS)
        self._jitter, self._window, self._fit = jitter, window, fit
        self._source = source
        self._size = (operator.index(size[0]), operator.index(size[1]))
        self._seed = seed
        self._train = train
        self._mix = ExemplarMix() if mix is None else mix
        self._references: tuple[tuple[int, ...], ...] = ()
        self._epoch = 0
        self._paired = not train and source.pair_count > 0
        if self._paired:
            self._chosen = _choose(indices, source.pair_count, "pairs")
            return
        self._chosen = _choose(indices, len(source), "images")
        self._partners: tuple[tuple[int, ...], ...] = ()
        if train and source.partners:
            allowed = set(self._chosen)
            kept = (source.partners[i] for i in self._chosen)
            self._partners = tuple(tuple(o for o in row if o in allowed) for row in kept)
        elif not train or self._mix.needs_references:
            self._references = self._list_references()

    @property
    def kind(self) -> Kind:
        """What the conditions are: semantic, edge or pose."""
        return self._source.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the conditions' channels; of semantic maps the classes, by id."""
        return self._source.channels

    def set_epoch(self, epoch: int) -> None:
        """Chooses the views and exemplars of an epoch, 0 or more.

        A worker process holds a copy: set the epoch before workers start, or within each of them.
        """
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}, expected 0 or more")
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        """Reads one sample.

        Raises:
            IndexError: the index is outside [0, len).
            ValueError: one of its files cannot be used; it is named.
        """
        index = operator.index(index)
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} in a data set of {len(self)} samples")
        whole, place = View.whole(self._size), middle(self._fit)
        if self._paired:
            pair = self._source.load_pair(self._chosen[index])
            return make_sample(pair.truth, whole, pair.exemplar, whole, True, pair.name, place)
        own, jitter = self._chosen[index], None
        if self._train:
            rng = np.random.default_rng((self._seed, self._epoch, index))
            other = self._draw_exemplar(index, rng)
            paired = other == own or bool(self._partners)
            view, exemplar_view = self._draw_views(rng)
            jitter = ColourJitter.draw(self._jitter, rng) if self._jitter else None
            place = None if place is None else (rng.random(), rng.random())
        else:
            other, view, exemplar_view = self._references[index][0], whole, whole
            paired = other == own
        truth = self._source.load(own)
        exemplar = truth if other == own else self._source.load(other)
        name, lender = (
            str(PurePosixPath(self._source.names[i]).with_suffix("")) for i in (own, other)
        )
        return make_sample(
            truth, view, exemplar, exemplar_view, paired, name, place, jitter, lender
        )

    def _draw_exemplar(self, index: int, rng: np.random.Generator) -> int:
        """Draws the picture that a training sample's exemplar is a view of."""
        own, source = self._chosen[index], rng.random()
        if self._partners:
            partners, others = self._partners[index], 1 - self._mix.itself
            if not partners or source >= others:
                return own
            return partners[int(source / others * len(partners))]
        if source < self._mix.hard:
            return self._references[index][-1]
        if source < self._mix.hard + self._mix.easy:
            return self._references[index][0]
        return own

    def _draw_views(self, rng: np.random.Generator) -> tuple[View, View]:
        """Draws the views of a training sample's truth and exemplar, in one window."""
        share = self._window
        place = (0.0, 0.0) if share == 1 else (rng.random(), rng.random())
        size = (round(self._size[0] * share), round(self._size[1] * share))
        flips = self._source.flips
        return (
            View.draw(size, rng, flips, share, place),
            View.draw(size, rng, flips, share, place),
        )

    def _list_references(self) -> tuple[tuple[int, ...], ...]:
        """The references of every chosen picture, never none."""
        source = self._source.references(self._train)
        if source is None:
            ranked = self._rank(self._chosen)
            return tuple(ranked[i] for i in self._chosen)
        names = self._source.names
        listed = read_references(source.path, names, source.partial)
        missing = [names[i] for i in self._chosen if i not in listed]
        if missing and not source.partial:
            raise ValueError(
                f"{source.path}: no row for {first_few(missing)}; add rows, or remove the file to "
                "have references computed from the conditions"
            )
        if not self._train and not missing:
            return tuple(listed[i] for i in self._chosen)
        allowed = set(self._chosen) if self._train else set(range(len(names)))
        kept = {i: tuple(r for r in listed.get(i, ()) if r in allowed) for i in self._chosen}
        kept |= self._rank([i for i in self._chosen if not kept[i]])
        return tuple(kept[i] for i in self._chosen)

    def _rank(self, wanted: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """References of some of the chosen pictures among all of them, from their conditions.

        Of more than MOST_COMPARED chosen pictures as many, evenly spaced, are candidates.
        """
        if not wanted:
            return {}
        chosen = self._chosen
        if len(chosen) < 2:
            raise ValueError(
                f"{self._source.root}: one image only, but an exemplar has to be another one; use "
                "2 or more images"
            )
        candidates = chosen[:: math.ceil(len(chosen) / MOST_COMPARED)]
        pictures = sorted({*wanted, *candidates})
        view = View.whole(_COMPARED)
        layouts = [Layout.of_condition(self._source.load(i).condition(view)) for i in pictures]
        place = {picture: row for row, picture in enumerate(pictures)}
        ranked = rank_references(
            layouts,
            queries=[place[i] for i in wanted],
            candidates=sorted(place[i] for i in candidates),
        )
        rows = zip(wanted, ranked.tolist(), strict=True)
        return {i: tuple(pictures[row] for row in best) for i, best in rows}


def middle(fit: Fit) -> tuple[float, float] | None:
    """Returns which part of pictures of another shape is seen in tests, see `make_sample`."""
    return (0.5, 0.5) if fit == "crop" else None


def cover(view: View, picture: Picture, place: tuple[float, float], name: str) -> View:
    """Returns the view of a picture that keeps its shape, see `View.covered`.

    Raises:
        ValueError: the picture is too thin for that; it is named.
    """
    try:
        return view.covered(picture.size, place)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def make_sample(
    truth: Picture,
    view: View,
    exemplar: Picture,
    exemplar_view: View,
    paired: bool,
    name: str,
    place: tuple[float, float] | None = None,
    jitter: ColourJitter | None = None,
    lender: str | None = None,
) -> Sample:
    """Makes a sample of two pictures, each in a view of its own, and both in changed colours.

    Args:
        truth: the condition and the truth.
        view: of both.
        exemplar: the exemplar and its own condition.
        exemplar_view: of both.
        paired: whether the truth has the exemplar's look.
        name: of the sample.
        place: which part is seen of a picture that keeps its shape, as in `View.covered`; None to
            have both stretched.
        jitter: what their colours become; None to leave them.
        lender: the exemplar's name in errors; None where it is the sample's.

    Raises:
        ValueError: a picture that keeps its shape is too thin for that; it is named.
    """
    if place is not None:
        view = cover(view, truth, place, name)
        exemplar_view = cover(exemplar_view, exemplar, place, lender or name)
    images = [exemplar.image(exemplar_view), truth.image(view)]
    if jitter is not None:
        images = [jitter.image(image) for image in images]
    return Sample(
        condition=truth.condition(view),
        exemplar=to_tensor(images[0]),
        exemplar_condition=exemplar.condition(exemplar_view),
        truth=to_tensor(images[1]),
        paired=paired,
        name=name,
    )


def _choose(indices: Sequence[int] | None, count: int, kind: str) -> tuple[int, ...]:
    if indices is None:
        return tuple(range(count))
    chosen = tuple(operator.index(i) for i in indices)
    outside = [i for i in chosen if not 0 <= i < count]
    if not chosen or outside or len(set(chosen)) != len(chosen):
        problem = f"hold {outside[:3]}" if outside else "are none or repeat"
        raise ValueError(f"indices {problem}, expected distinct numbers of the {count} {kind}")
    return chosen


def _require_seed(seed: int) -> None:
    if seed < 0:
        raise ValueError(f"seed is {seed}, expected 0 or more")
