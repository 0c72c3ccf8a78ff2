"""The edits of a whole corpus, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from rabit.config import FITS, Fit
from rabit.data.corpus import cover
from rabit.data.edits.compose import KINDS, EditKind, ObjectEdit, make_edit
from rabit.data.edits.objects import ObjectRules, find_objects
from rabit.data.faces import FacePicture
from rabit.data.listing import first_few
from rabit.data.semantic import SemanticPicture
from rabit.data.source import Source
from rabit.data.transforms import View
from rabit.fields import check_choice


@dataclass(frozen=True)
class EditRules:
    """Which edits to make of a corpus.

    Args:
        seed: of all that is drawn, 0 or more.
        kinds: of the edits, in turn.
        classes: names of the classes whose objects are edited; none for a choice by what each map
            shows, see `find_objects`.
        objects: what an object must be like.
        size: height and width that pictures are brought to before they are edited; None keeps each
            picture's own.
        fit: whether they are stretched to this size, or keep their shape and the middle is cut out.
        pictures: names of the corpus' pictures that are edited; none for all.

    Raises:
        ValueError: the seed is negative, or kinds are unknown, repeated or none.
    """

    seed: int = 0
    kinds: tuple[EditKind, ...] = KINDS
    classes: tuple[str, ...] = ()
    objects: ObjectRules = ObjectRules()
    size: tuple[int, int] | None = None
    fit: Fit = "stretch"
    pictures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("fit", self.fit, FITS)
        if self.fit == "crop" and self.size is None:
            raise ValueError("fit is crop, but there is no size to crop to; give one (--size)")
        if self.seed < 0:
            raise ValueError(f"seed {self.seed} of edits, expected 0 or more; give another seed")
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise ValueError(
                f"kinds of edits {', '.join(self.kinds) or 'none'}; expected some of "
                f"{', '.join(KINDS)}, each once"
            )


@dataclass(frozen=True)
class CorpusEdit:
    """An edit of a picture of a corpus: the name of the picture, and the edit."""

    source: str
    edit: ObjectEdit


def check_semantic(source: Source, classes: Sequence[str] = ()) -> tuple[int, ...]:
    """Checks that objects of a source can be edited, and returns the ids of some classes.

    Args:
        source: the corpus.
        classes: names of classes.

    Raises:
        ValueError: it has no pictures with semantic maps, or one of the classes is not its own.
    """
    if source.kind != "semantic":
        raise ValueError(
            f"{source.root}: its conditions are of the kind {source.kind}; objects are edited in "
            "semantic maps, one class id a pixel"
        )
    if len(source) == 0:
        raise ValueError(f"{source.root}: no pictures; objects are edited in pictures with maps")
    unknown = [name for name in classes if name not in source.channels]
    if unknown:
        raise ValueError(
            f"{source.root} has no class {', '.join(unknown)}; its classes are "
            f"{first_few(list(source.channels), 12)}"
        )
    return tuple(source.channels.index(name) for name in classes)


def corpus_edits(source: Source, rules: EditRules) -> Iterator[CorpusEdit]:
    """Makes edits of a corpus until there are no more.

    Pictures come in an order drawn from the seed, and over again when all have been looked at; what
    is drawn in a picture depends on the seed, the round and the picture alone. So the first edits
    are the same however many are taken. Kinds take turns; a picture without room for the kind whose
    turn it is waits for the next round, and a kind that no picture has room for is left out from
    then on. No object is edited twice in the same way.

    Args:
        source: the corpus.
        rules: which edits to make.

    Yields:
        The edits.

    Raises:
        ValueError: the corpus is not semantic, has no such classes or pictures, or a file cannot be
            used.
    """
    chosen = check_semantic(source, rules.classes) or None
    unknown = sorted(set(rules.pictures) - set(source.names))
    if unknown:
        raise ValueError(f"{source.root} has no picture {first_few(unknown)}")
    order = np.random.default_rng(rules.seed).permutation(len(source)).tolist()
    if rules.pictures:
        names = set(rules.pictures)
        order = [index for index in order if source.names[index] in names]
    kinds = list(rules.kinds)
    done: set[tuple[int, EditKind, tuple[int, int, int, int]]] = set()
    turn = failed = 0
    for step in count():
        if not kinds:
            return
        index, kind = order[step % len(order)], kinds[turn % len(kinds)]
        picture = _read(source, index, rules.size, rules.fit)
        objects = find_objects(picture.labels, source.channels, rules.objects, chosen)
        left = [item for item in objects if (index, kind, item.box) not in done]
        rng = np.random.default_rng([rules.seed, step // len(order), index])
        edit = make_edit(picture, kind, left, rng)
        if edit is not None:
            done.add((index, kind, edit.item.box))
            turn, failed = turn + 1, 0
            yield CorpusEdit(source.names[index], edit)
        elif (failed := failed + 1) == len(order):
            kinds.remove(kind)
            failed = 0


def _read(source: Source, index: int, size: tuple[int, int] | None, fit: Fit) -> SemanticPicture:
    """Reads a picture with a map of one id a pixel, at its own size or another."""
    picture = source.load(index)
    if not isinstance(picture, SemanticPicture | FacePicture):
        raise ValueError(
            f"{source.files(index)[0]}: its condition is no map of one class id a pixel, which "
            "editing of objects needs"
        )
    view = View.whole(picture.size if size is None else size)
    if fit == "crop":
        view = cover(view, picture, (0.5, 0.5), str(source.files(index)[0]))
    # Where classes overlap, as glasses do a face, the regions tell what is in front.
    return SemanticPicture(picture.image(view), picture.condition(view).regions.numpy())
