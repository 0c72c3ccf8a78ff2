from __future__ import annotations

import random

import pytest

from rabit.study.agreement import Agreement, krippendorff_alpha

# Each column is a unit; a dot is a missing judgement.
EXAMPLES = {
    # Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), cases A, B and C.
    "binary": (0.095, ("0100000010", "1110010000")),
    "two observers": (0.692, ("aabbdcccedda", "babbbccceddd")),
    "missing": (0.743, ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")),
    # Wikipedia, Krippendorff's alpha, a computational example.
    "three coders": (0.691, (".....34121133.3", "1.213343.......", "..21344.21133.4")),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_published_examples(name: str) -> None:
    alpha, coders = EXAMPLES[name]
    units = [[value for value in column if value != "."] for column in zip(*coders, strict=True)]
    assert krippendorff_alpha(units).alpha == pytest.approx(alpha, abs=5e-4)


def test_full_agreement_is_1_and_chance_about_0() -> None:
    assert krippendorff_alpha([["a", "a"], ["b", "b", "b"]]) == Agreement(1.0, 2, 5)
    draw = random.Random(0)
    alpha = krippendorff_alpha([draw.choices("abc", k=5) for _ in range(2000)]).alpha
    assert alpha == pytest.approx(0, abs=0.02)


def test_without_pairs_or_differences_there_is_no_alpha() -> None:
    assert krippendorff_alpha([]) == krippendorff_alpha([["a"], ["b"]]) == Agreement(None, 0, 0)
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) == Agreement(None, 2, 4)
