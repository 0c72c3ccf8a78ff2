from __future__ import annotations

import pytest

from rabit.study.questions import PAPER_QUESTIONS, Question, parse_questions


def test_the_papers_questions_are_asked_by_their_names() -> None:
    assert parse_questions("quality,style") == PAPER_QUESTIONS
    assert parse_questions("style") == PAPER_QUESTIONS[1:]


def test_a_question_of_ones_own_may_hold_a_comma() -> None:
    own = Question("sharp", "Which, if any, is sharp?")
    assert parse_questions("sharp=Which, if any, is sharp?,quality") == (own, PAPER_QUESTIONS[0])


@pytest.mark.parametrize("text", ["qualitty", "", "quality,,style"])
def test_an_unknown_question_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected quality, style, or a question of your own"):
        parse_questions(text)


@pytest.mark.parametrize("text", ["a b=What?", "=What?", "a="])
def test_a_question_needs_a_plain_id_and_a_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"id is|is empty"):
        parse_questions(text)
