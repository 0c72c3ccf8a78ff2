"""Raters whose preferences are known."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rabit.study.database import Database, Rater, Submission
from rabit.study.files import DATABASE, Key, LoadedStudy, Trial, load_key

STRENGTHS = {"alpha": 1.2, "beta": 0.0, "gamma": -1.2}


class Time:
    """A clock that answers move on."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Person:
    """How somebody answers.

    Args:
        kind: careful, or a spammer who is random, first (always the first picture) or quick.
        seconds: a trial.
    """

    kind: str = "careful"
    seconds: float = 4.0


class Crowd:
    """Answers a study's trials by the strengths of the methods.

    Args:
        loaded: the study.
        strengths: of the methods; gold is always recognised.
        seed: of the choices.
    """

    def __init__(
        self, loaded: LoadedStudy, strengths: Mapping[str, float] = STRENGTHS, seed: int = 0
    ) -> None:
        self.loaded = loaded
        self.key: Key = load_key(loaded)
        self.strengths = strengths
        self.rng = np.random.default_rng(seed)
        self.method = {picture.id: picture.method for picture in self.key.pictures}
        self.right = {trial.id: trial.right for trial in self.key.trials}

    def choose(self, trial: Trial, person: Person) -> str:
        """Returns the picture that a person chooses."""
        if person.kind == "first":
            return trial.choices[0]
        if person.kind == "random":
            return str(self.rng.choice(list(trial.choices)))
        if self.right[trial.id]:
            return self.right[trial.id]
        pull = [self.strengths[self.method[choice]] for choice in trial.choices]
        return trial.choices[int(np.argmax(pull + self.rng.gumbel(size=len(pull))))]

    def answer(self, people: list[Person], share: float = 1.0) -> None:
        """Lets people answer, each a sheet or a share of it, into the study's database."""
        time = Time()
        database = Database(
            self.loaded.folder / DATABASE, self.loaded.digest, len(self.loaded.study.sheets), time
        )
        database.connection.execute("PRAGMA synchronous=OFF")  # nobody pulls the plug here
        names = itertools.count()
        try:
            for person in people:
                rater: Rater = database.add_rater(consented=True)
                trials = self.loaded.study.sheets[rater.sheet].trials
                for trial in trials[: round(share * len(trials))]:
                    time.now += person.seconds
                    given = self.choose(trial, person)
                    wait = round(1000 * person.seconds)
                    name = f"submission-{next(names)}"
                    database.record(rater, Submission(trial.id, given, name, wait))
                if share == 1:
                    database.finish(rater, len(trials))
        finally:
            database.close()
