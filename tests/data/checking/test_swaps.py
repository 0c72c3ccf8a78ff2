from __future__ import annotations

import numpy as np

from rabit.data.check import check_folder
from rabit.data.checking.swaps import Outlined, draw_outlines, draw_strengths, find_swaps
from rabit.data.scenes import Scenes
from samples import samples


def outlined(photographs: list[np.ndarray], labels: list[np.ndarray]) -> list[Outlined]:
    return [
        Outlined(draw_strengths(pixels), draw_outlines(ids), pixels.shape[:2], ids.shape[:2])
        for pixels, ids in zip(photographs, labels, strict=True)
    ]


def test_swaps_are_found_among_many() -> None:
    scenes = [Scenes(60, (64, 64), seed=5).exemplars(i, 1)[0] for i in range(60)]
    photographs, labels = [s.image for s in scenes], [s.labels for s in scenes]
    assert find_swaps(outlined(photographs, labels)) == ()
    for first, second in ((3, 50), (10, 11), (20, 40)):
        labels[first], labels[second] = labels[second], labels[first]
    assert find_swaps(outlined(photographs, labels)) == ((3, 50), (10, 11), (20, 40))


def test_maps_that_follow_nothing_are_no_swaps() -> None:
    rng = np.random.default_rng(0)
    photographs = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(200)]
    labels = [np.kron(rng.integers(0, 9, (8, 8)), np.ones((8, 8), int)) for _ in range(200)]
    assert find_swaps(outlined(photographs, labels)) == ()
    blank = [np.zeros((64, 64, 3), np.uint8)] * 20
    assert find_swaps(outlined(blank, [np.zeros((64, 64), int)] * 20)) == ()


def test_swaps_in_real_photographs_are_found() -> None:
    records = check_folder(samples("faces")).records
    rng = np.random.default_rng(0)
    pictures = [
        Outlined(r.photo.drawing, r.facts.drawing, (1, 1), (1, 1))
        for r in records
        if r.photo.drawing is not None and r.facts.drawing is not None
    ]
    order = rng.permutation(len(pictures))[:20].reshape(-1, 2)
    swapped = list(pictures)
    for first, second in order:
        one, other = pictures[first], pictures[second]
        swapped[first] = Outlined(one.strengths, other.outlines, (1, 1), (1, 1))
        swapped[second] = Outlined(other.strengths, one.outlines, (1, 1), (1, 1))
    true = {tuple(sorted(pair)) for pair in order.tolist()}
    detected = set(find_swaps(swapped))
    assert detected <= true
    assert len(detected) >= 8
