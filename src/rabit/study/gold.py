"""Gold trials: one choice is obviously right, so that they tell whether a rater looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageOps

from rabit.study.album import Album, Laid, read_results
from rabit.study.items import Item
from rabit.study.manifest import Manifest
from rabit.study.pictures import load_picture, mirrored, spoiled


@dataclass(frozen=True)
class Gold:
    """A gold trial: the item's id, the question's index, and the pictures."""

    item: str
    question: int
    right: str
    wrong: tuple[str, ...]


def make_gold(
    manifest: Manifest, items: Sequence[Item], laid: Sequence[Laid], count: int, album: Album
) -> list[Gold]:
    """Makes the gold trials: those that are drawn, and the user's own.

    Of a drawn one the right choice is the true translation or, where that is not known, the
    mirrored exemplar; the wrong ones are spoiled results. All get the size of the results.

    Args:
        manifest: of the study.
        items: of the study.
        laid: where their pictures are.
        count: trials to draw; the questions take turns.
        album: to put the pictures into.

    Raises:
        ValueError: a pair of the user's is about no item or question of the study.
    """
    rng = np.random.default_rng((manifest.seed, 4))
    methods = len(manifest.methods)
    wrong = 1 if manifest.design == "pairwise" else methods - 1
    gold = []
    order = rng.permutation(len(items)).tolist()
    for number in range(count):
        index = order[number % len(items)]
        item = items[index]
        results = read_results(item, manifest)
        size = results[0].size
        best = load_picture(item.truth) if item.truth else mirrored(load_picture(item.exemplar))
        gold.append(
            Gold(
                laid[index].shown.id,
                number % len(manifest.questions),
                album.add(ImageOps.fit(best, size), item.name, "right"),
                tuple(
                    album.add(spoiled(results[i], rng), item.name, "wrong")
                    for i in rng.permutation(methods)[:wrong].tolist()
                ),
            )
        )
    return [*gold, *_own_gold(manifest, items, laid, album)]


def _own_gold(
    manifest: Manifest, items: Sequence[Item], laid: Sequence[Laid], album: Album
) -> list[Gold]:
    """The gold trials that the user gives."""
    places = {item.name: index for index, item in enumerate(items)}
    asked = {question.id: index for index, question in enumerate(manifest.questions)}
    gold = []
    for number, pair in enumerate(manifest.gold_pairs):
        where = f"gold_pairs[{number}]"
        if pair.item not in places:
            raise ValueError(f"{where}: item {pair.item!r} is not one of the study's")
        if pair.question not in asked:
            raise ValueError(
                f"{where}: question {pair.question!r} is not asked; expected {', '.join(asked)}"
            )
        index = places[pair.item]
        size = read_results(items[index], manifest)[0].size
        pictures = [
            album.add(ImageOps.fit(load_picture(Path(path)), size), pair.item, role)
            for role, paths in (("right", (pair.right,)), ("wrong", pair.wrong))
            for path in paths
        ]
        gold.append(
            Gold(laid[index].shown.id, asked[pair.question], pictures[0], tuple(pictures[1:]))
        )
    return gold
