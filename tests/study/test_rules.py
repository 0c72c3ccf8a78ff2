from __future__ import annotations

import dataclasses

import pytest

from rabit.study.files import Key, KeyTrial
from rabit.study.rules import Rules, judge_raters
from rabit.study.votes import Vote, Voter

KEY = Key(
    version=1,
    study="",
    seed=0,
    design="pairwise",
    methods=("a", "b"),
    pictures=(),
    trials=(
        *(KeyTrial(f"m{i}", "main") for i in range(8)),
        *(KeyTrial(f"g{i}", "gold", right="good") for i in range(4)),
        *(KeyTrial(f"r{i}", "repeat", of=f"m{i}") for i in range(4)),
    ),
)


def voter(
    gold: int = 4,
    alike: int = 4,
    seconds: float = 3.0,
    first: int = 8,
    finished: bool = True,
    repeats: int = 4,
) -> Voter:
    """A rater with so many right and alike, and so many of 16 answers at the first place."""
    given = {f"m{i}": "x" for i in range(8)}
    given |= {f"g{i}": "good" if i < gold else "bad" for i in range(4)}
    given |= {f"r{i}": "x" if i < alike else "y" for i in range(repeats)}
    votes = tuple(
        Vote(trial, choice, int(number >= first), seconds)
        for number, (trial, choice) in enumerate(given.items())
    )
    return Voter("r", finished, votes)


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        (voter(), ()),
        (voter(gold=3), ()),
        (voter(gold=2), ("2 of 4 gold trials right, expected 0.75",)),
        (voter(alike=1), ()),
        (voter(alike=0), ("0 of 4 repeated trials alike, expected 0.25",)),
        (voter(alike=0, repeats=3), ()),
        (voter(seconds=0.5), ("median 0.50 s a trial, expected 1",)),
        (voter(first=16), ("100% of the answers at one place, expected at most 90%",)),
        (voter(first=0), ("100% of the answers at one place, expected at most 90%",)),
        (voter(first=14), ()),
        (voter(finished=False), ()),
    ],
)
def test_rules_exclude_with_a_reason(given: Voter, reasons: tuple[str, ...]) -> None:
    (report,) = judge_raters([given], KEY, Rules(min_repeats=0.25))
    assert report.reasons == reasons


def test_contradicting_oneself_is_told_but_allowed_by_default() -> None:
    (report,) = judge_raters([voter(alike=0)], KEY, Rules())
    assert report.repeats_alike == 0 and report.reasons == ()


def test_figures_of_a_rater() -> None:
    (report,) = judge_raters([voter(gold=3, alike=2, first=4)], KEY, Rules())
    assert (report.answers, report.gold, report.gold_right) == (16, 4, 3)
    assert (report.repeats, report.repeats_alike) == (4, 2)
    assert (report.median_seconds, report.place_share) == (3.0, 0.75)


def test_all_reasons_are_told() -> None:
    bad = voter(gold=0, alike=0, seconds=0.1, first=16, finished=False)
    (report,) = judge_raters([bad], KEY, Rules(min_repeats=0.5, finished_only=True))
    assert len(report.reasons) == 5 and report.reasons[-1] == "not finished"


def test_rules_may_be_turned_off() -> None:
    rules = Rules(min_gold=0, min_repeats=0, min_seconds=0, max_place=1)
    (report,) = judge_raters([voter(gold=0, alike=0, seconds=0, first=16)], KEY, rules)
    assert report.reasons == ()


def test_a_repeat_without_its_first_answer_is_no_pair() -> None:
    votes = tuple(vote for vote in voter().votes if vote.trial != "m0")
    (report,) = judge_raters([Voter("r", True, votes)], KEY, Rules())
    assert report.repeats == 3


@pytest.mark.parametrize("name", ["min_gold", "min_repeats", "max_place"])
def test_shares_are_from_0_to_1(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 1.5, expected a share"):
        dataclasses.replace(Rules(), **{name: 1.5})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="min_seconds is -1"):
        Rules(min_seconds=-1)
