from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from rabit.study.database import Database, Submission
from rabit.study.files import LoadedStudy, Trial, load_key
from rabit.study.report import scores_markdown
from rabit.study.rules import Rules
from rabit.study.scores import Scores, Settings, score_study
from rabit.study.votes import Vote, Voter, votes_from_database
from study_raters import STRENGTHS, Crowd, Person
from study_samples import database_of, small_study, write_pictures

QUICK = Settings(resamples=200)


def scored(loaded: LoadedStudy, rules: Rules | None = None) -> Scores:
    voters = votes_from_database(database_of(loaded.folder), loaded)
    return score_study(loaded, load_key(loaded), voters, rules or Rules(), QUICK)


@pytest.mark.parametrize("design", ["k-way", "pairwise"])
def test_known_preferences_are_recovered_and_spammers_left_out(tmp_path: Path, design: str) -> None:
    """14 careful raters and 6 who are not; 12 items, both questions."""
    loaded = small_study(tmp_path, items=12, design=design, raters=20, gold=8, repeats=4)
    spam = [Person("random")] * 2 + [Person("first")] * 2 + [Person(seconds=0.2)] * 2
    Crowd(loaded, seed=3).answer([Person()] * 14 + spam)
    scores = scored(loaded)
    counted = [not report.reasons for report in scores.raters]
    assert counted == [True] * 14 + [False] * 6
    reasons = [" ".join(report.reasons) for report in scores.raters[14:]]
    assert all("gold" in reason for reason in reasons[:4])
    assert all("at one place" in reason for reason in reasons[2:4])
    assert reasons[4:] == ["median 0.20 s a trial, expected 1"] * 2
    expected = np.array(list(STRENGTHS.values()))
    inside = [
        method.strength.low <= true <= method.strength.high
        for question in scores.questions
        for method, true in zip(question.methods, expected, strict=True)
        if method.strength.low is not None and method.strength.high is not None
    ]
    assert len(inside) == 6 and sum(inside) >= 5
    for question in scores.questions:
        assert [m.method for m in question.methods] == ["alpha", "beta", "gamma"]
        shares = [m.share.value or 0 for m in question.methods]
        assert shares == sorted(shares, reverse=True)
        assert (question.raters, question.items, question.votes) == (14, 12, 14 * 12)
    everyone = scored(loaded, Rules(0, 0, 0, 1))
    assert everyone.questions[0].raters == 20
    diluted = everyone.questions[0].methods[0].share.value or 0
    assert diluted < (scores.questions[0].methods[0].share.value or 0)


def test_gold_and_repeats_do_not_count_as_preferences(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, gold=4, repeats=4)
    Crowd(loaded).answer([Person()] * 3)
    for question in scored(loaded).questions:
        assert question.votes == sum(m.selections for m in question.methods) == 3 * 4
        assert all(m.shown == 12 for m in question.methods)
        assert sum(m.selections_per_rater for m in question.methods) == pytest.approx(4)


def certain(loaded: LoadedStudy, winner: str) -> None:
    Crowd(loaded, {name: 100.0 * (name == winner) for name in STRENGTHS}).answer([Person()] * 3)


def test_full_agreement_and_a_certain_winner(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, design="pairwise", trials_per_rater=24, raters=3)
    certain(loaded, "beta")
    question = scored(loaded).questions[0]
    beta = question.methods[1]
    assert (beta.share.value, beta.share.low, beta.share.high) == (1.0, 1.0, 1.0)
    assert question.wins[1][0] == beta.shown / 2 == 12 and question.wins[0][1] == 0
    assert any("beta was always chosen" in note for note in question.notes)
    assert question.agreement.units == 12 and question.agreement.values == 36
    assert question.agreement.alpha is not None and question.agreement.alpha > 0.3
    assert question.places[0] + question.places[1] == pytest.approx(1)
    assert question.chance == 0.5


def test_pairwise_raters_can_be_compared(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, design="pairwise", items=8, raters=6, trials_per_rater=8)
    Crowd(loaded).answer([Person()] * 6)
    agreement = scored(loaded).questions[0].agreement
    assert (agreement.units, agreement.values) == (12, 24) and agreement.alpha is not None


def test_raters_who_always_agree_have_an_alpha_of_1(tmp_path: Path) -> None:
    """Also where the first method of each pair is the better one."""
    loaded = small_study(tmp_path, design="pairwise", items=8, raters=6, trials_per_rater=8)
    Crowd(loaded, {"alpha": 200.0, "beta": 100.0, "gamma": 0.0}).answer([Person()] * 6)
    assert scored(loaded).questions[0].agreement.alpha == 1


@pytest.mark.parametrize("design", ["k-way", "pairwise"])
def test_raters_who_draw_lots_agree_as_chance_does(tmp_path: Path, design: str) -> None:
    """40 items: one standard deviation of alpha is about 0.03 for 12 raters."""
    fields = {"raters": 12, "overlap": 12, "gold": 0, "repeats": 0}
    loaded = small_study(tmp_path, items=40, design=design, **fields)
    Crowd(loaded).answer([Person("random")] * 12)
    for question in scored(loaded).questions:
        assert question.agreement.values == 12 * 40
        assert question.agreement.alpha == pytest.approx(0, abs=0.1)


def test_a_method_that_never_wins_is_told(tmp_path: Path) -> None:
    loaded = small_study(tmp_path)
    certain(loaded, "alpha")
    notes = scored(loaded).questions[0].notes
    assert any(note.startswith("gamma was never chosen") for note in notes)


def test_groups_whose_strengths_nothing_compares_are_told(tmp_path: Path) -> None:
    """Alpha and beta win against gamma and delta always, and against each other in turn."""
    strengths = {"alpha": 100.0, "beta": 100.0, "gamma": 0.0, "delta": 0.0}
    write_pictures(tmp_path / "pictures", items=6, methods=tuple(strengths))
    loaded = small_study(tmp_path, design="pairwise", trials_per_rater=24, gold=0, repeats=0)
    Crowd(loaded, strengths).answer([Person()] * 3)
    scores = scored(loaded)
    (note,) = [note for note in scores.questions[0].notes if note.startswith("strengths compare")]
    assert "these 2 groups: alpha, beta; delta, gamma." in note and "the prior's" in note
    assert "Note: strengths compare" in scores_markdown(scores)


def test_one_group_is_not_told(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, gold=0, repeats=0, items=12)
    Crowd(loaded, dict.fromkeys(STRENGTHS, 0.0)).answer([Person()] * 3)
    assert not any("groups" in note for note in scored(loaded).questions[0].notes)


def by_hand(
    loaded: LoadedStudy, sheets: Sequence[int], choose: Callable[[Trial], str], name: str = "W1"
) -> Voter:
    """A worker who does whole sheets, one after the other."""
    trials = [trial for sheet in sheets for trial in loaded.study.sheets[sheet].trials]
    votes = [Vote(t.id, choose(t), t.choices.index(choose(t)), 5.0) for t in trials]
    return Voter(name, True, tuple(votes))


def test_a_method_that_was_never_shown_has_dashes(tmp_path: Path) -> None:
    """A study that has begun: of the pairwise answers, none is about gamma yet."""
    loaded = small_study(
        tmp_path, design="pairwise", items=8, trials_per_rater=24, gold=0, repeats=0
    )
    key = load_key(loaded)
    gamma = {picture.id for picture in key.pictures if picture.method == "gamma"}
    trials = {trial.id: trial for sheet in loaded.study.sheets for trial in sheet.trials}
    voters = []
    for sheet in range(3):
        voter = by_hand(loaded, [sheet], lambda trial: trial.choices[0], f"W{sheet}")
        early = [vote for vote in voter.votes if not gamma & set(trials[vote.trial].choices)]
        voters.append(Voter(voter.name, True, tuple(early)))
    scores = score_study(loaded, key, voters, Rules(max_place=1), QUICK)
    question = scores.questions[0]
    assert question.methods[2].strength.value is question.methods[2].strength.low is None
    assert question.notes == ("gamma was never shown: it has no share and no strength",)
    assert "| gamma | 0 | 0.0 | 0 | – | – |" in scores_markdown(scores)


@pytest.mark.parametrize("design", ["k-way", "pairwise"])
def test_who_judges_the_same_pictures_twice_counts_once(tmp_path: Path, design: str) -> None:
    """Two workers with lots drawn for each item do two sheets each, of all there is to judge."""
    units = 60 if design == "pairwise" else 20
    fields = {"items": 20, "raters": 4, "trials_per_rater": 2 * units, "gold": 0, "repeats": 0}
    loaded = small_study(tmp_path, design=design, **fields)
    key = load_key(loaded)
    rng = np.random.default_rng(0)
    taste = {p.id: (float(rng.random()), float(rng.random())) for p in key.pictures}

    def worker(number: int, sheets: Sequence[int]) -> Voter:
        return by_hand(
            loaded, sheets, lambda t: max(t.choices, key=lambda c: taste[c][number]), f"W{number}"
        )

    twice = score_study(loaded, key, [worker(0, [0, 1]), worker(1, [2, 3])], Rules(), QUICK)
    once = score_study(loaded, key, [worker(0, [0]), worker(1, [2])], Rules(), QUICK)
    for two, one in zip(twice.questions, once.questions, strict=True):
        assert two.agreement == one.agreement and two.methods == one.methods
        assert two.agreement.units == units
        assert two.agreement.values == two.votes == 2 * units
        assert sum(m.selections_per_rater for m in two.methods) == units
        (note,) = set(two.notes) - set(one.notes)
        assert note.startswith(f"{2 * units} of the answers do not count")
    alone = score_study(loaded, key, [worker(0, [0, 1])], Rules(), QUICK).questions[0]
    assert (alone.agreement.alpha, alone.agreement.units) == (None, 0)


def test_the_first_of_two_answers_about_the_same_pictures_counts(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, raters=2, gold=0, repeats=0)
    key = load_key(loaded)
    method = {picture.id: picture.method for picture in key.pictures}
    wanted = {trial.id: "alpha" for trial in loaded.study.sheets[1].trials}

    def choose(trial: Trial) -> str:
        return next(c for c in trial.choices if method[c] == wanted.get(trial.id, "beta"))

    for sheets, winner in (([0, 1], "beta"), ([1, 0], "alpha")):
        voter = by_hand(loaded, sheets, choose)
        for question in score_study(loaded, key, [voter], Rules(), QUICK).questions:
            assert {m.method: m.selections for m in question.methods}[winner] == question.votes == 4


def test_who_stopped_counts_unless_asked_for(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, gold=0, repeats=0)
    crowd = Crowd(loaded)
    crowd.answer([Person()] * 2)
    crowd.answer([Person()], share=0.75)
    assert [q.raters for q in scored(loaded).questions] == [3, 3]
    assert [q.raters for q in scored(loaded, Rules(finished_only=True)).questions] == [2, 2]


def test_an_answer_that_was_changed_counts_once(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, gold=0, repeats=0)
    Crowd(loaded).answer([Person()], share=0.5)
    before = [m.selections for m in scored(loaded).questions[0].methods]
    database = Database(database_of(loaded.folder), loaded.digest, 3)
    rater = database.raters()[0]
    trial = loaded.study.sheets[rater.sheet].trials[0]
    last = database.choices(rater)[trial.id]
    other = next(choice for choice in trial.choices if choice != last)
    database.record(rater, Submission(trial.id, other, "changed-1", 1000))
    database.close()
    after = [m.selections for m in scored(loaded).questions[0].methods]
    assert sum(before) == sum(after) == 4 and before != after


def test_a_question_without_answers_is_left_out(tmp_path: Path) -> None:
    loaded = small_study(tmp_path, gold=0, repeats=0)
    Crowd(loaded).answer([Person()], share=0.5)
    scores = scored(loaded)
    assert [q.question.id for q in scores.questions] == ["quality"]
    assert scores.unanswered == ("style",)
    assert "Not answered yet: style." in scores_markdown(scores)


def test_without_raters_that_count_there_is_no_score(tmp_path: Path) -> None:
    loaded = small_study(tmp_path)
    with pytest.raises(ValueError, match="nobody has answered"):
        score_study(loaded, load_key(loaded), [], Rules(), QUICK)
    Crowd(loaded).answer([Person(seconds=0.1)])
    with pytest.raises(ValueError, match="no rater counts: all 1 break a rule.*median 0.10 s"):
        scored(loaded)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="confidence is 1"):
        Settings(confidence=1)
    with pytest.raises(ValueError, match="resamples is -1"):
        Settings(resamples=-1)
