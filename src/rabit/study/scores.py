"""The scores of a study: for each question how often each method was chosen, and what that says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from rabit.fields import check_at_least_zero
from rabit.study.agreement import Agreement, krippendorff_alpha
from rabit.study.bootstrap import Ballots, Estimates, Interval, estimate
from rabit.study.files import Key, LoadedStudy, Trial
from rabit.study.questions import Question
from rabit.study.rules import RaterReport, Rules, judge_raters
from rabit.study.strengths import comparable_groups
from rabit.study.votes import Vote, Voter


@dataclass(frozen=True)
class Settings:
    """How intervals are made.

    Args:
        resamples: of the bootstrap; 0 for no intervals.
        confidence: that they cover.
        seed: of the draws.
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least_zero(resamples=self.resamples, seed=self.seed)
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}, expected between 0 and 1")


@dataclass(frozen=True)
class MethodScore:
    """A method's score for one question.

    Args:
        method: its name.
        selections: how often it was chosen, over all raters.
        selections_per_rater: their mean: the paper's score (section 4.4).
        shown: how often it was there to choose.
        share: selections by shown.
        strength: log-strength, mean 0 over the methods that were shown.
    """

    method: str
    selections: int
    selections_per_rater: float
    shown: int
    share: Interval
    strength: Interval


@dataclass(frozen=True)
class QuestionScore:
    """The scores for one question.

    Args:
        question: what was asked.
        votes, raters, items: that count; of a rater's answers about the same pictures, the first.
        methods: in the order of the key.
        chance: the share that a method gets when all are chosen alike.
        wins: row i, column j: how often i was chosen where j was there too.
        agreement: of the raters.
        places: share of the choices at each place.
        notes: what to keep in mind.
    """

    question: Question
    votes: int
    raters: int
    items: int
    methods: tuple[MethodScore, ...]
    chance: float
    wins: tuple[tuple[int, ...], ...]
    agreement: Agreement
    places: tuple[float, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Scores:
    """The scores of a study.

    Args:
        design: k-way or pairwise.
        rules: that raters were held to.
        settings: of the intervals.
        raters: all that answered anything, with reasons for those that do not count.
        questions: one a question that has answers.
        unanswered: the others' ids.
    """

    design: str
    rules: Rules
    settings: Settings
    raters: tuple[RaterReport, ...]
    questions: tuple[QuestionScore, ...]
    unanswered: tuple[str, ...] = ()


def score_study(
    loaded: LoadedStudy, key: Key, voters: Sequence[Voter], rules: Rules, settings: Settings
) -> Scores:
    """Scores a study; gold and repeated trials tell about raters only.

    Args:
        loaded: the study.
        key: its.
        voters: the raters with their choices.
        rules: what raters must keep to.
        settings: of the intervals.

    Raises:
        ValueError: nobody has answered, or no rater counts.
    """
    if not voters:
        raise ValueError("nobody has answered anything yet; try again later")
    reports = judge_raters(voters, key, rules)
    counted = [v for v, report in zip(voters, reports, strict=True) if not report.reasons]
    if not counted:
        raise ValueError(
            f"no rater counts: all {len(reports)} break a rule, the first one since "
            f"{'; '.join(reports[0].reasons)}; look at the rules"
        )
    tables = _Tables(loaded, key)
    scored = [_score_question(q, counted, tables, settings) for q in loaded.study.questions]
    questions = tuple(score for score in scored if score is not None)
    if not questions:
        raise ValueError("no answer counts yet, but for gold and repeated trials; try again later")
    unanswered = tuple(
        question.id
        for question, score in zip(loaded.study.questions, scored, strict=True)
        if score is None
    )
    return Scores(key.design, rules, settings, tuple(reports), questions, unanswered)


class _Tables:
    """Looks up what a study's ids stand for.

    Args:
        loaded: the study.
        key: its.
    """

    def __init__(self, loaded: LoadedStudy, key: Key) -> None:
        self.names = key.methods
        index = {name: i for i, name in enumerate(key.methods)}
        self.method = {p.id: index[p.method] for p in key.pictures if p.role == "result"}
        self.kind = {trial.id: trial.kind for trial in key.trials}
        self.trials = {t.id: t for sheet in loaded.study.sheets for t in sheet.trials}

    def counts(self, trial: str, question: str) -> Trial | None:
        """The trial, if it is one of a question's that count for preferences."""
        found = self.trials[trial]
        return found if self.kind[trial] == "main" and found.question == question else None

    def shown(self, trial: Trial) -> frozenset[int]:
        """The methods that a trial compares."""
        return frozenset(self.method[choice] for choice in trial.choices)


@dataclass(frozen=True)
class _Judgement:
    """A rater's choice that counts.

    Args:
        rater: the number among those that count.
        trial: what was asked.
        vote: the answer.
    """

    rater: int
    trial: Trial
    vote: Vote


def _score_question(
    question: Question, voters: Sequence[Voter], tables: _Tables, settings: Settings
) -> QuestionScore | None:
    """Scores one question; None if no answer to it counts."""
    judgements, again = _judgements(question, voters, tables)
    if not judgements:
        return None
    ballots = _ballots(judgements, tables)
    found = estimate(ballots, settings.resamples, settings.confidence, settings.seed)
    appearances = ballots.shown.sum(axis=1)
    wins = np.eye(len(tables.names), dtype=np.int64)[ballots.chosen].T @ ballots.shown
    np.fill_diagonal(wins, 0)
    places = np.bincount([j.vote.place for j in judgements], minlength=int(appearances[0]))
    return QuestionScore(
        question=question,
        votes=len(judgements),
        raters=int(ballots.rater.max()) + 1,
        items=int(ballots.item.max()) + 1,
        methods=_method_scores(tables.names, ballots, found),
        chance=float(np.mean(1 / appearances)),
        wins=tuple(tuple(row) for row in wins.tolist()),
        agreement=_agreement(ballots),
        places=tuple((places / len(judgements)).tolist()),
        notes=_notes(tables.names, ballots, wins, found, again),
    )


def _judgements(
    question: Question, voters: Sequence[Voter], tables: _Tables
) -> tuple[list[_Judgement], int]:
    """The answers to a question that count, and the number of those whose rater had judged the same
    methods for the same item before: like repeated trials, they say nothing new.
    """
    first: dict[tuple[int, str, frozenset[int]], _Judgement] = {}
    answers = 0
    for rater, voter in enumerate(voters):
        for vote in voter.votes:
            trial = tables.counts(vote.trial, question.id)
            if trial is not None:
                answers += 1
                unit = (rater, trial.item, tables.shown(trial))
                first.setdefault(unit, _Judgement(rater, trial, vote))
    return list(first.values()), answers - len(first)


def _ballots(judgements: Sequence[_Judgement], tables: _Tables) -> Ballots:
    shown = np.zeros((len(judgements), len(tables.names)), bool)
    for row, judgement in enumerate(judgements):
        shown[row, list(tables.shown(judgement.trial))] = True
    chosen = np.array([tables.method[j.vote.choice] for j in judgements], np.int64)
    raters = np.unique([j.rater for j in judgements], return_inverse=True)[1]
    items = np.unique([j.trial.item for j in judgements], return_inverse=True)[1]
    return Ballots(raters.astype(np.int64), items.astype(np.int64), shown, chosen)


def _method_scores(
    names: Sequence[str], ballots: Ballots, found: Estimates
) -> tuple[MethodScore, ...]:
    raters = int(ballots.rater.max()) + 1
    scores = []
    for i, name in enumerate(names):
        selections = int((ballots.chosen == i).sum())
        scores.append(
            MethodScore(
                method=name,
                selections=selections,
                selections_per_rater=selections / raters,
                shown=int(ballots.shown[:, i].sum()),
                share=found.shares[i],
                strength=found.strengths[i],
            )
        )
    return tuple(scores)


def _agreement(ballots: Ballots) -> Agreement:
    """Krippendorff's alpha over items, or where sets of methods differ over items and sets.

    A judgement is the chosen method. Where sets differ, raters who draw lots would then agree more
    than names of all methods let expect: a judgement is the place of the chosen method in its set
    instead, counted from another method for each unit in turn, which leaves chance at 0.
    """
    units: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for item, shown, chosen in zip(ballots.item, ballots.shown, ballots.chosen, strict=True):
        units[int(item), tuple(np.flatnonzero(shown).tolist())].append(int(chosen))
    if len({members for _, members in units}) == 1:
        return krippendorff_alpha(units.values())
    return krippendorff_alpha(
        [(members.index(chosen) + turn) % len(members) for chosen in judgements]
        for turn, ((_, members), judgements) in enumerate(sorted(units.items()))
    )


def _notes(
    names: Sequence[str],
    ballots: Ballots,
    wins: Int64[np.ndarray, "M M"],
    found: Estimates,
    again: int,
) -> tuple[str, ...]:
    """What to keep in mind about the figures."""
    notes = []
    appearances = ballots.shown.sum(axis=0).tolist()
    selections = np.bincount(ballots.chosen, minlength=len(names)).tolist()
    for name, shown, won in zip(names, appearances, selections, strict=True):
        if shown == 0:
            notes.append(f"{name} was never shown: it has no share and no strength")
        elif won in (0, shown):
            notes.append(f"{name} was {'never' if won == 0 else 'always'} chosen: read its share")
    groups = [group for group in comparable_groups(wins) if appearances[group[0]]]
    if len(groups) > 1:
        listed = "; ".join(", ".join(names[i] for i in group) for group in groups)
        notes.append(
            f"strengths compare methods only inside of each of these {len(groups)} groups: "
            f"{listed}. Between groups all choices went one way, or there were none: there the "
            "strengths and their intervals are the prior's"
        )
    if not found.converged:
        notes.append("a fit of the strengths did not converge: read the shares")
    if int(ballots.rater.max()) == 0:
        notes.append("there is one rater: intervals say nothing about other raters")
    if again:
        notes.append(
            f"{again} of the answers do not count: their raters had judged the same pictures before"
        )
    return tuple(notes)
