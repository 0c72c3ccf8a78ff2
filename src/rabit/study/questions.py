"""The questions that raters answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question that is answered by choosing one of several pictures.

    Args:
        id: a short name of letters, digits and hyphens, for files and tables.
        text: what is asked.
        hint: what to look at; may be empty.
    """

    id: str
    text: str
    hint: str = ""

    def __post_init__(self) -> None:
        if not self.id or not all(c.isascii() and (c.isalnum() or c in "-_") for c in self.id):
            raise ValueError(f"id is {self.id!r}, expected letters, digits, hyphens")
        if not self.text.strip():
            raise ValueError(f"text of the question {self.id} is empty; say what is asked")


# Both questions of section 4.4: the best quality, and the best style relevance to the exemplar.
PAPER_QUESTIONS = (
    Question(
        "quality",
        "Which picture has the best quality?",
        "Prefer the picture that looks most natural: sharp, clean, without blotches or odd shapes.",
    ),
    Question(
        "style",
        "Which picture matches the style of the style picture best?",
        "Compare colours, textures and light with the style picture; its layout does not matter.",
    ),
)


def parse_questions(text: str) -> tuple[Question, ...]:
    """Reads a list of questions as an option gives it.

    Args:
        text: names of the paper's questions, or `id=What is asked?`, separated by commas; a comma
            followed by a space belongs to the text.

    Raises:
        ValueError: a name is unknown, or one is there twice.
    """
    parts = [part.strip() for part in text.replace(", ", "\0").split(",")]
    return find_questions([part.replace("\0", ", ") for part in parts])


def find_questions(given: Sequence[str]) -> tuple[Question, ...]:
    """Returns questions, each by the name of one of the paper's or as `id=What is asked?`."""
    known = {question.id: question for question in PAPER_QUESTIONS}
    questions = []
    for part in given:
        name, equals, asked = part.partition("=")
        if not equals and name not in known:
            raise ValueError(
                f"the question {name!r} is unknown; expected {', '.join(known)}, or a question of "
                "your own as id=What is asked?"
            )
        questions.append(Question(name.strip(), asked.strip()) if equals else known[name])
    return tuple(questions)
