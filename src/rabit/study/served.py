"""What raters may see and do in a study that is being served."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rabit.study.database import Database, Rater, Submission
from rabit.study.files import LoadedStudy, Trial
from rabit.study.reading import build

LONGEST_MS = 10**9
WRONG_LINK = "this link is not valid; use the link you were sent"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_SUBMISSION = re.compile(r"[A-Za-z0-9_-]{8,64}")


class DeniedError(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        reason: for the rater.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Served:
    """A study that is being served.

    Args:
        loaded: the study.
        database: of its answers.
        open_to_all: whether somebody without a token gets one.
        most_raters: in all.
    """

    def __init__(
        self, loaded: LoadedStudy, database: Database, open_to_all: bool, most_raters: int
    ) -> None:
        self.loaded = loaded
        self.study = loaded.study
        self.database = database
        self.open_to_all = open_to_all
        self.most_raters = most_raters
        self.items = {item.id: item for item in self.study.items}
        self.pictures = {picture.id: picture for picture in self.study.pictures}

    def about(self) -> dict[str, Any]:
        """What somebody sees before consenting."""
        return {
            "title": self.study.title,
            "introduction": self.study.introduction,
            "consent": self.study.consent,
            "trials": len(self.study.sheets[0].trials),
            "open": self.open_to_all,
        }

    def trials(self, rater: Rater) -> Sequence[Trial]:
        """The trials of a rater, in order."""
        return self.study.sheets[rater.sheet].trials

    def session(self, rater: Rater) -> dict[str, Any]:
        """What the page shows to a rater: before consent, no trials."""
        if rater.consented is None:
            return {"consented": False}
        self.database.visit(rater)
        return {
            "consented": True,
            "finished": rater.finished is not None,
            "questions": {q.id: {"text": q.text, "hint": q.hint} for q in self.study.questions},
            "trials": [self._shown(trial) for trial in self.trials(rater)],
            "answers": self.database.choices(rater),
        }

    def _shown(self, trial: Trial) -> dict[str, Any]:
        item = self.items[trial.item]
        return {
            "id": trial.id,
            "question": trial.question,
            "condition": asdict(self.pictures[item.condition]),
            "exemplar": asdict(self.pictures[item.exemplar]),
            "choices": [asdict(self.pictures[choice]) for choice in trial.choices],
        }

    def start(self, token: str | None, body: dict[str, Any]) -> dict[str, Any]:
        """Takes a rater's consent, and gives a token to somebody without one."""
        if set(body) != {"consent"} or body["consent"] is not True:
            raise DeniedError(422, "expected {consent: true}")
        if token is not None:
            self.database.consent(self.rater(token))
            return {"token": token}
        if not self.open_to_all:
            raise DeniedError(403, "this study is for invited raters; use the link you were sent")
        return {"token": self.database.add_rater(consented=True, most=self.most_raters).token}

    def rater(self, token: str | None) -> Rater:
        """The rater of a token.

        Raises:
            DeniedError: there is none.
        """
        spelt = token is not None and _TOKEN.fullmatch(token)
        rater = self.database.find_rater(token) if token and spelt else None
        if rater is None:
            raise DeniedError(401, WRONG_LINK)
        return rater

    def answer(self, token: str | None, body: dict[str, Any]) -> dict[str, Any]:
        """Keeps an answer of a rater's."""
        rater = self.rater(token)
        if rater.consented is None:
            raise DeniedError(403, "consent comes first")
        try:
            given = build(Submission, body, "answer")
        except ValueError as error:
            raise DeniedError(422, str(error)) from error
        trial = next((t for t in self.trials(rater) if t.id == given.trial), None)
        if trial is None:
            raise DeniedError(404, "no such trial for this rater")
        if given.choice not in trial.choices:
            raise DeniedError(422, "no such choice in this trial")
        if not _SUBMISSION.fullmatch(given.submission):
            raise DeniedError(422, "submission: expected 8 to 64 letters, digits, - or _")
        if not 0 <= given.milliseconds <= LONGEST_MS:
            raise DeniedError(422, f"milliseconds: expected 0 to {LONGEST_MS}")
        self.database.record(rater, given)
        return {"kept": True}

    def finish(self, token: str | None, body: dict[str, Any]) -> dict[str, Any]:
        """Ends a rater's part."""
        rater = self.rater(token)
        if body:
            raise DeniedError(422, "expected {}")
        self.database.finish(rater, len(self.trials(rater)))
        return {"finished": True}
