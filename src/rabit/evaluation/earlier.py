"""Methods that earlier calls have put into an evaluation's folder: they keep their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rabit.data.batch import Sample
from rabit.evaluation.folder import TOLD, EvaluationFolder
from rabit.evaluation.results import BASELINE, Made, picture_names
from rabit.evaluation.run import Method
from rabit.evaluation.testset import TestSet, file_name


@dataclass(frozen=True)
class KeptResults:
    """Pictures that lie in the evaluation's folder, and that only an earlier call could make.

    Args:
        name: of the method.
    """

    name: str

    def make(self, part: str, first: int, samples: Sequence[Sample]) -> Made:
        """Refuses, since it is called only where a picture is missing or damaged.

        Raises:
            ValueError: always; it says what to do.
        """
        last = file_name(part, first + len(samples) - 1)
        raise ValueError(
            f"{self.name}: one of its pictures {file_name(part, first)} to {last} is missing or "
            "damaged; delete it and name the method again, which makes them anew, or leave it out "
            "of the tables with --only-named"
        )


@dataclass(frozen=True)
class Earlier:
    """What a folder holds of methods that are not named now.

    Args:
        methods: those whose pictures are all there, in the order in which they came.
        seen: of them, how many measured photographs they were trained on, by name; without those
            that were trained on none.
        missing: how many pictures the others lack, by name.
    """

    methods: tuple[Method, ...]
    seen: Mapping[str, int]
    missing: Mapping[str, int]


def earlier_methods(
    record: Mapping[str, Any], named: Sequence[Method], test: TestSet, folder: EvaluationFolder
) -> Earlier:
    """Finds the methods of earlier calls; baselines, which an option switches, are left aside.

    Args:
        record: of the folder, as `EvaluationFolder.settle` returns it.
        named: the methods that are named now.
        test: what all of them are measured on.
        folder: of the evaluation.
    """
    own, names = {method.folder for method in named}, picture_names(test)
    methods, seen, missing = [], dict[str, int](), dict[str, int]()
    for each, key in record["methods"].items():
        if each in own or key.get("kind") == BASELINE:
            continue
        told = record.get(TOLD, {}).get(each, {})
        called = str(told.get("name", each))
        lacking = sum(not folder.picture(each, name).is_file() for name in names)
        if lacking:
            missing[called] = lacking
            continue
        methods.append(Method(called, each, KeptResults(called), dict(key)))
        if told.get("seen"):
            seen[called] = int(told["seen"])
    return Earlier(tuple(methods), seen, missing)


def told_of(methods: Sequence[Method], seen: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Returns what `earlier_methods` of a later call is to know, by the methods' folders.

    Args:
        methods: that are named now.
        seen: how many measured photographs they were trained on, by name.
    """
    return {m.folder: {"name": m.name, "seen": seen.get(m.name, 0)} for m in methods}


def in_order(named: Sequence[Method], earlier: Sequence[Method]) -> list[Method]:
    """Returns the rows of the tables: what is named, then earlier methods, baselines last."""
    last = [method for method in named if method.key["kind"] == BASELINE]
    return [*(method for method in named if method not in last), *earlier, *last]
