"""The work of an evaluation: resumed and shared, it gives the same bits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch

from networks import random_networks
from rabit.data.batch import Sample
from rabit.evaluation.folder import EvaluationFolder
from rabit.evaluation.measure import Measuring, feature_name
from rabit.evaluation.results import Made
from rabit.evaluation.run import Method, make_and_measure, pieces
from rabit.evaluation.testset import Counts, TestSet, scenes_test_set
from rabit.layers.perceptual import random_backbone
from rabit.metrics.frechet import vgg_extractor
from rabit.training.processes import Processes

SIZE = (64, 64)


class Counting:
    """Results that depend on their batch and are counted."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.batches: list[tuple[str, int, int]] = []
        self.fails_after = fails_after

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        if self.fails_after is not None and len(self.batches) >= self.fails_after:
            raise KeyboardInterrupt
        self.batches.append((part, first, len(samples)))
        truth = torch.stack([s.truth for s in samples])
        shades = truth * 0.5 + len(samples) / 255
        return Made(shades, shades.flip(3), 0.25 * len(samples))


class Share:
    """One of several processes, as `make_and_measure` sees them."""

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count, self.device = rank, count, torch.device("cpu")


def share(rank: int = 0, count: int = 1) -> Processes:
    return cast(Processes, Share(rank, count))


@pytest.fixture(scope="module")
def test_set() -> TestSet:
    return scenes_test_set(Counts(conditions=4, edits=2, exemplars=3), SIZE)


@pytest.fixture(scope="module")
def measuring() -> Measuring:
    return Measuring(random_networks(), 3, SIZE)


def method(results: Counting) -> Method:
    return Method("own", "own", results, {})


def contents(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_conditions_are_not_torn_apart(test_set: TestSet) -> None:
    found = [(piece.part, piece.first, piece.count) for piece in pieces(test_set)]
    assert found == [
        ("translation", 0, 9),
        ("translation", 9, 3),
        ("manipulation", 0, 2),
    ]


def test_an_evaluation_goes_on_and_is_the_same(
    test_set: TestSet, measuring: Measuring, tmp_path: Path
) -> None:
    whole, parts = EvaluationFolder(tmp_path / "whole"), EvaluationFolder(tmp_path / "parts")
    make_and_measure([method(Counting())], test_set, measuring, whole, share())
    first = Counting(fails_after=1)
    with pytest.raises(KeyboardInterrupt):
        make_and_measure([method(first)], test_set, measuring, parts, share())
    # A kill between the pictures of a batch and its figures, and figures of another version.
    parts.figures("own", "translation-00000").unlink()
    parts.write_figures("own", "translation-00009", {"psnr": torch.zeros(3)})
    second = Counting()
    told: list[tuple[int, int]] = []
    make_and_measure(
        [method(second)], test_set, measuring, parts, share(), lambda d, t: told.append((d, t))
    )
    # The pictures of the first batch were there.
    assert [first for _, first, _ in second.batches] == [9, 0]
    assert told[-1] == (14, 14)
    kept, again = contents(whole.root), contents(parts.root)
    # Seconds are not kept with pictures.
    assert {k for k in kept if kept[k] != again.get(k)} == {
        "figures/own/translation-00000.safetensors"
    }
    ours, theirs = (f.read_figures("own", "translation-00000") for f in (whole, parts))
    assert ours is not None and theirs is not None and set(ours) - set(theirs) == {"seconds"}
    for name, value in theirs.items():
        assert torch.equal(value.nan_to_num(-1), ours[name].nan_to_num(-1)), name
    third = Counting()
    make_and_measure([method(third)], test_set, measuring, parts, share())
    assert third.batches == []


def test_two_processes_share_the_work_and_give_the_same(
    test_set: TestSet, measuring: Measuring, tmp_path: Path
) -> None:
    one, two = EvaluationFolder(tmp_path / "one"), EvaluationFolder(tmp_path / "two")
    make_and_measure([method(Counting())], test_set, measuring, one, share())
    counted = [Counting(), Counting()]
    for rank in (0, 1):
        make_and_measure([method(counted[rank])], test_set, measuring, two, share(rank, 2))
    assert [len(each.batches) for each in counted] == [2, 1]
    assert contents(one.root) == contents(two.root)


def test_a_method_can_be_added(test_set: TestSet, measuring: Measuring, tmp_path: Path) -> None:
    folder, old, new = EvaluationFolder(tmp_path), Counting(), Counting()
    make_and_measure([method(old)], test_set, measuring, folder, share())
    before = len(old.batches)
    added = Method("new", "new", new, {})
    make_and_measure([method(old), added], test_set, measuring, folder, share())
    assert len(old.batches) == before and len(new.batches) == len(pieces(test_set))


def test_seconds_stay_when_a_network_is_added(
    test_set: TestSet, measuring: Measuring, tmp_path: Path
) -> None:
    folder = EvaluationFolder(tmp_path)
    make_and_measure([method(Counting())], test_set, measuring, folder, share())
    networks = random_networks()
    more = replace(networks, extractors=(vgg_extractor(random_backbone(5)), *networks.extractors))
    again = Counting()
    make_and_measure([method(again)], test_set, Measuring(more, 3, SIZE), folder, share())
    assert again.batches == []
    found = folder.read_figures("own", "translation-00009")
    assert found is not None and found["seconds"].tolist() == [0.25] * 3
    assert feature_name(more.extractors[0]) in found


def test_a_picture_that_is_not_finite_is_named(
    test_set: TestSet, measuring: Measuring, tmp_path: Path
) -> None:
    class Broken:
        def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
            images = torch.zeros(len(samples), 3, *SIZE)
            images[1, 0, 0, 0] = torch.nan
            return Made(images)

    broken = Method("broken", "broken", Broken(), {})
    with pytest.raises(ValueError, match="broken: its picture translation-00001 holds nan"):
        make_and_measure([broken], test_set, measuring, EvaluationFolder(tmp_path), share())
    assert not (tmp_path / "pictures" / "broken").exists()
