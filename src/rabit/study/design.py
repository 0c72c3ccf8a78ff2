"""Which rater compares what, in which order: balanced, and drawn by a seed.

All here is numbers: items, methods and raters by their indices.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """Methods' pictures of one item, side by side.

    Args:
        item: its index.
        methods: their indices, in the order in which they are shown.
    """

    item: int
    methods: tuple[int, ...]


@dataclass(frozen=True)
class Planned:
    """A trial of a rater's.

    Args:
        kind: main, gold or repeat.
        question: its index.
        comparison: what is compared; of a gold trial None.
        gold: the index of the gold trial, or -1.
        of: for a repeat, the position in the rater's trials of what it repeats, or -1.
    """

    kind: str
    question: int
    comparison: Comparison | None = None
    gold: int = -1
    of: int = -1


def plan_k_way(
    items: int, methods: int, raters: int, per_rater: int, rng: np.random.Generator
) -> list[list[Comparison]]:
    """Plans comparisons of all methods at once.

    Every item comes equally often, and every method stands equally often at every place: their
    numbers differ by one at most. No rater sees an item twice.

    Args:
        items: how many there are.
        methods: how many there are.
        raters: how many the plan is for.
        per_rater: comparisons each, up to `items`.
        rng: of the draws.

    Returns:
        The comparisons of each rater.

    Raises:
        ValueError: a rater would see an item twice.
    """
    _check_room(per_rater, items, "items")
    order = rng.permutation(items).tolist()
    comparisons = []
    for start in range(0, raters * per_rater, methods):
        symbols = rng.permutation(methods).tolist()
        for i, shift in enumerate(rng.permutation(methods).tolist()):
            shown = tuple(symbols[shift:] + symbols[:shift])
            comparisons.append(Comparison(order[(start + i) % items], shown))
    return _deal(comparisons, raters, per_rater)


def plan_pairwise(
    items: int,
    methods: int,
    raters: int,
    per_rater: int,
    rng: np.random.Generator,
    overlap: int = 1,
) -> list[list[Comparison]]:
    """Plans comparisons of two methods each.

    Every pair of methods comes equally often, and so does every method on the left and on the
    right, within a pair and in all: their numbers differ by one at most. Items come equally often
    but for two times `overlap`. No rater sees the same pair of an item twice.

    Args:
        items: how many there are.
        methods: how many there are.
        raters: how many the plan is for.
        per_rater: comparisons each, up to the number of pairs times `items`.
        rng: of the draws.
        overlap: raters that see the same comparison, up to `raters`; fewer where the comparisons
            do not go round evenly.

    Returns:
        The comparisons of each rater.

    Raises:
        ValueError: a rater would see a comparison twice.
    """
    pairs = [(int(a), int(b)) for a, b in rng.permutation(list(combinations(range(methods), 2)))]
    _check_room(per_rater, len(pairs) * items, "comparisons of a pair and an item")
    order = rng.permutation(items).tolist()
    # Both run round side by side; the shift after each common round makes all combinations come.
    common = math.lcm(len(pairs), items)
    shifts = math.gcd(len(pairs), items)
    rounds = -(-raters * per_rater // (overlap * len(pairs)))
    different = min(rounds, items) * len(pairs)
    drawn = [
        (order[(t + (t // common) % shifts) % items], pairs[t % len(pairs)])
        for t in (number % different for number in range(raters * per_rater))
    ]
    sides = _sides([pair for _, pair in drawn], methods, rng)
    comparisons = [Comparison(item, side) for (item, _), side in zip(drawn, sides, strict=True)]
    return _deal(comparisons, raters, per_rater)


def _sides(
    pairs: Sequence[tuple[int, int]], methods: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Puts one of each pair on the left: in turn, and where a pair's number is odd so that every
    method's own numbers of left and right are equal, or differ by one.
    """
    odd = [pair for pair, count in Counter(pairs).items() if count % 2]
    first = {pair: tuple(rng.permutation(pair).tolist()) for pair in dict.fromkeys(pairs)}
    first |= dict(zip(odd, balanced_orientation(odd, methods), strict=True))
    seen: Counter[tuple[int, int]] = Counter()
    sides = []
    for pair in pairs:
        left, right = first[pair]
        sides.append((left, right) if seen[pair] % 2 == 0 else (right, left))
        seen[pair] += 1
    return sides


def balanced_orientation(edges: Sequence[tuple[int, int]], nodes: int) -> list[tuple[int, int]]:
    """Gives every edge of a graph a direction so that as many leave each node as enter it.

    At nodes with an odd number of edges the numbers differ by one. The edges are walked along in
    closed trails, after an additional node was joined to the odd ones.

    Args:
        edges: pairs of nodes.
        nodes: their number.

    Returns:
        The edges in the same order, each as (from, to).
    """
    degree = Counter(node for edge in edges for node in edge)
    extra = [(node, nodes) for node in range(nodes) if degree[node] % 2]
    every = [*edges, *extra]
    at: dict[int, list[int]] = defaultdict(list)
    for index, edge in enumerate(every):
        for node in edge:
            at[node].append(index)
    directed: dict[int, tuple[int, int]] = {}
    for start in range(nodes + 1):
        node = start
        while at[node]:
            index = at[node].pop()
            if index in directed:
                continue
            one, other = every[index]
            following = other if one == node else one
            directed[index] = (node, following)
            node = following
    return [directed[index] for index in range(len(edges))]


def plan_sheet(
    rater: int,
    blocks: Sequence[Sequence[Comparison]],
    gold: Sequence[int],
    repeats: int,
    rng: np.random.Generator,
) -> list[Planned]:
    """Orders the trials of one rater.

    A question's trials stand together; which question comes first changes from rater to rater.
    Inside, the order is drawn; repeats come in the second half, of trials of the first half, with
    the pictures in another order; no gold trial comes first.

    Args:
        rater: the index.
        blocks: comparisons, a list for each question.
        gold: the question of each gold trial.
        repeats: trials to repeat, shared out over the questions.
        rng: of the draws.

    Returns:
        The trials.
    """
    questions = len(blocks)
    sheet: list[Planned] = []
    for turn in range(questions):
        question = (turn + rater) % questions
        own_gold = [index for index, asked in enumerate(gold) if asked == question]
        own_repeats = repeats // questions + (question < repeats % questions)
        start = len(sheet)
        for trial in _block(question, blocks[question], own_gold, own_repeats, rng):
            of = trial.of + start if trial.kind == "repeat" else -1
            sheet.append(Planned(trial.kind, question, trial.comparison, trial.gold, of))
    return sheet


def _block(
    question: int,
    comparisons: Sequence[Comparison],
    gold: Sequence[int],
    repeats: int,
    rng: np.random.Generator,
) -> list[Planned]:
    """The trials of one question; `of` is a position among them."""
    shuffled = [comparisons[i] for i in rng.permutation(len(comparisons)).tolist()]
    block = [Planned("main", question, comparison) for comparison in shuffled]
    half = (len(block) + 1) // 2
    chosen = rng.permutation(half)[:repeats].tolist()
    for position in chosen:
        again = Planned("repeat", question, reordered(shuffled[position], rng))
        place = int(rng.integers(max(half, 1), len(block) + 1))
        block.insert(place, Planned(again.kind, question, again.comparison, of=position))
    for index in gold:
        place = int(rng.integers(1, len(block) + 1))
        block.insert(place, Planned("gold", question, gold=index))
        block = [_moved(trial, place) for trial in block]
    return block


def _moved(trial: Planned, place: int) -> Planned:
    """Follows what a repeat repeats, after something was put in at a place."""
    if trial.of < place:
        return trial
    return Planned(trial.kind, trial.question, trial.comparison, trial.gold, trial.of + 1)


def reordered(comparison: Comparison, rng: np.random.Generator) -> Comparison:
    """Returns a comparison whose pictures all stand elsewhere, or for two, exchanged."""
    shift = int(rng.integers(1, len(comparison.methods)))
    return Comparison(comparison.item, comparison.methods[shift:] + comparison.methods[:shift])


def _deal(comparisons: Sequence[Comparison], raters: int, per_rater: int) -> list[list[Comparison]]:
    return [list(comparisons[r * per_rater : (r + 1) * per_rater]) for r in range(raters)]


def _check_room(per_rater: int, most: int, what: str) -> None:
    if per_rater > most:
        raise ValueError(
            f"trials_per_rater asks for {per_rater} trials a question, but there are {most} "
            f"{what}; ask for fewer, or give more items"
        )
