"""Which raters count: rules, and for each rater the figures that they look at."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rabit.fields import check_at_least_zero
from rabit.study.files import Key
from rabit.study.votes import Voter

# A rule about repeats, or about places, needs so many trials: fewer say too little.
LEAST_REPEATS = 4
LEAST_PLACES = 10


@dataclass(frozen=True)
class Rules:
    """What a rater must keep to.

    Args:
        min_gold: share of gold trials answered right, 0 to 1.
        min_repeats: share of repeated trials answered as the first time, 0 to 1; 0 by default,
            since honest raters contradict themselves where methods are about equal.
        min_seconds: median time a trial.
        max_place: share of answers at the same place, 0 to 1.
        finished_only: whether raters who did not get to the end are left out.
    """

    min_gold: float = 0.75
    min_repeats: float = 0.0
    min_seconds: float = 1.0
    max_place: float = 0.9
    finished_only: bool = False

    def __post_init__(self) -> None:
        check_at_least_zero(min_seconds=self.min_seconds)
        for name in ("min_gold", "min_repeats", "max_place"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a share from 0 to 1")


@dataclass(frozen=True)
class RaterReport:
    """A rater's figures.

    Args:
        name: the rater's.
        finished: whether the rater got to the end.
        answers: trials answered.
        gold, gold_right: gold trials answered, and right.
        repeats, repeats_alike: repeated trials answered twice, and alike.
        median_seconds: a trial.
        place_share: the largest share of answers at one place, 0 to 1.
        reasons: why the rater does not count; empty for a rater who does.
    """

    name: str
    finished: bool
    answers: int
    gold: int
    gold_right: int
    repeats: int
    repeats_alike: int
    median_seconds: float
    place_share: float
    reasons: tuple[str, ...]


def judge_raters(voters: Sequence[Voter], key: Key, rules: Rules) -> list[RaterReport]:
    """Applies the rules to every rater.

    Args:
        voters: with one choice or more each.
        key: of the study.
        rules: what to keep to.
    """
    trials = {trial.id: trial for trial in key.trials}
    reports = []
    for voter in voters:
        chosen = {vote.trial: vote.choice for vote in voter.votes}
        gold = [vote for vote in voter.votes if trials[vote.trial].kind == "gold"]
        right = sum(vote.choice == trials[vote.trial].right for vote in gold)
        pairs = [
            (vote.choice, chosen[trials[vote.trial].of])
            for vote in voter.votes
            if trials[vote.trial].kind == "repeat" and trials[vote.trial].of in chosen
        ]
        places = Counter(vote.place for vote in voter.votes)
        report = RaterReport(
            name=voter.name,
            finished=voter.finished,
            answers=len(voter.votes),
            gold=len(gold),
            gold_right=right,
            repeats=len(pairs),
            repeats_alike=sum(one == other for one, other in pairs),
            median_seconds=statistics.median(vote.seconds for vote in voter.votes),
            place_share=max(places.values()) / len(voter.votes),
            reasons=(),
        )
        reports.append(_judged(report, rules))
    return reports


def _judged(report: RaterReport, rules: Rules) -> RaterReport:
    """Adds the reasons."""
    reasons = []
    if report.gold and report.gold_right < rules.min_gold * report.gold:
        reasons.append(
            f"{report.gold_right} of {report.gold} gold trials right, expected {rules.min_gold:g}"
        )
    if (
        report.repeats >= LEAST_REPEATS
        and report.repeats_alike < rules.min_repeats * report.repeats
    ):
        reasons.append(
            f"{report.repeats_alike} of {report.repeats} repeated trials alike, expected "
            f"{rules.min_repeats:g}"
        )
    if report.median_seconds < rules.min_seconds:
        reasons.append(
            f"median {report.median_seconds:.2f} s a trial, expected {rules.min_seconds:g}"
        )
    if report.answers >= LEAST_PLACES and report.place_share > rules.max_place:
        reasons.append(
            f"{report.place_share:.0%} of the answers at one place, expected at most "
            f"{rules.max_place:.0%}"
        )
    if rules.finished_only and not report.finished:
        reasons.append("not finished")
    return RaterReport(**{**vars(report), "reasons": tuple(reasons)})
