from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest
import torch

from rabit.evaluation.baselines import MEAN_COLOURS
from rabit.evaluation.intervals import Figure
from rabit.evaluation.published import PUBLISHED
from rabit.evaluation.quantities import Quantity
from rabit.evaluation.summary import Evaluation, Part, Row
from rabit.evaluation.tables import (
    best_methods,
    csv_text,
    equal,
    evaluation_dict,
    incomparable,
    markdown,
    paper_quantity,
    published_for,
    spell,
)

FD = Quantity("fd", "FD", "FD (net)", "quality", "lower", 2, "FID")
PSNR = Quantity("psnr", "PSNR", "PSNR in dB", "fidelity", "higher", 2)
COPIED = Quantity("copied", "copied", "copied share", "consistency", "neither", 3)


def figure(value: float, reach: float = 0.5, count: int = 4) -> Figure:
    return Figure(value, value - reach, value + reach, count)


@pytest.fixture
def part() -> Part:
    samples = {"psnr": torch.tensor([20.0, math.nan])}
    first = Row("ours|*", {"fd": figure(1), "psnr": figure(20), "copied": figure(0)}, {}, samples)
    second = Row("theirs", {"fd": figure(3)}, {"psnr": figure(0.1)}, {})
    third = Row(MEAN_COLOURS, {"fd": figure(0.5), "psnr": figure(19)}, {"psnr": figure(1)}, {})
    return Part("translation", (FD, PSNR, COPIED), (first, second, third), ("a", "b"), 1)


def test_figures_are_spelt_with_their_interval() -> None:
    assert spell(figure(1.234), 2) == "1.23 [0.73, 1.73]"
    assert spell(Figure(1.5, math.nan, math.nan, 1), 3) == "1.500"
    assert spell(None, 2) == "–"
    assert spell(figure(123.456), 3) == "123.46 [122.96, 123.96]"
    assert spell(figure(12345.6), 3) == "12346 [12345, 12346]"


def test_the_best_is_found_by_direction_and_never_a_baseline(part: Part) -> None:
    assert best_methods(part, FD) == {"ours|*"}
    assert best_methods(part, replace(FD, better="higher")) == {"theirs"}
    # One value is not the best of several, and the share copied has no direction.
    assert best_methods(part, PSNR) == best_methods(part, COPIED) == frozenset()


def test_figures_that_look_the_same_are_both_best(part: Part) -> None:
    near = replace(part.rows[1], figures={"fd": figure(1.001)})
    tied = replace(part, rows=(part.rows[0], near))
    assert best_methods(tied, FD) == {"ours|*", "theirs"}
    assert best_methods(tied, replace(FD, digits=3)) == {"ours|*"}


def test_a_difference_without_an_interval_excludes_nothing(part: Part) -> None:
    unknown = Figure(0.4, math.nan, math.nan, 1)
    found = [
        equal(replace(part.rows[1], against={"psnr": difference}), "psnr")
        for difference in (figure(0.1), figure(1), figure(-1), unknown)
    ]
    assert found == [True, False, False, True] and not equal(part.rows[1], "fd")


def test_a_figure_that_the_first_method_lacks_is_told_from_one_that_differs(part: Part) -> None:
    first, second, third = part.rows
    lacking = replace(first, figures={"fd": figure(1)}, samples={})
    other = replace(part, rows=(lacking, second, replace(third, against={})))
    assert incomparable(other, other.rows[2], "psnr")
    # Distances between sets, figures that are not there, and those of the first method itself.
    for row, name in ((second, "fd"), (second, "psnr"), (lacking, "fd")):
        assert not incomparable(other, row, name)
    page = markdown(Evaluation((other,), {}), {}, ())
    assert "| 19.00 [18.50, 19.50] ? |" in page and "0.50 [0.00, 1.00] |" in page
    assert "? where the first method has no such figure" in page
    # Both have it, but of no sample in common.
    apart = replace(third, against={}, samples={"psnr": torch.tensor([math.nan, 19.0])})
    assert incomparable(replace(part, rows=(first, apart)), apart, "psnr")
    assert "] ?" not in markdown(Evaluation((part,), {}), {}, ())


def test_names_do_not_break_the_table_of_facts(part: Part) -> None:
    page = markdown(Evaluation((part,), {}), {"pictures of a|b": "folder"}, ())
    assert "| pictures of a\\|b | folder |" in page


def test_the_page_tells_the_figures_and_the_published_ones(part: Part) -> None:
    facts = {"seed": "7"}
    missing = ["FID needs a file"]
    evaluation = Evaluation((part,), {"theirs": 0.25})
    page = markdown(evaluation, facts, published_for("ADE20K"), missing)
    assert "| ours\\|\\* | **1.00 [0.50, 1.50]** |" in page
    assert f"| {MEAN_COLOURS} | 0.50 [0.00, 1.00] |" in page
    # 0.1 ± 0.5 holds 0, 1 ± 0.5 does not; a figure that is not there has no mark.
    assert "19.00 [18.50, 19.50] |" in page and "19.00 [18.50, 19.50] =" not in page
    assert "| theirs | – |" in page
    assert "FD / *FID*" in page and "| *RABIT, published* | *24.35* | *9.893* | *0.571* |" in page
    assert "- FID needs a file" in page and "| seed | 7 |" in page and "| theirs | 0.250 |" in page
    # Tables of manipulation have nothing of ours beside them.
    assert "Table 3" not in page


def test_what_stands_for_a_published_column_is_found(part: Part) -> None:
    assert paper_quantity(part, "FID") is FD and paper_quantity(part, "SWD") is None


def test_the_published_tables_are_the_paper_s() -> None:
    assert [table.number for table in PUBLISHED] == [1, 1, 1, 1, 2, 3, 4, 5]
    for table in PUBLISHED:
        assert all(len(row) == len(table.columns) for row in table.rows.values())
        assert "RABIT" in table.rows
    # On CelebA-HQ's maps another method has the best FID of Table 1.
    bests = []
    for table in (table for table in PUBLISHED if table.columns[0] == "FID"):
        values = {name: row[0] for name, row in table.rows.items() if row[0] is not None}
        bests.append(min(values, key=lambda name: values[name]))
    assert bests == ["RABIT", "SEAN", "RABIT", "RABIT", "RABIT", "RABIT"]
    assert {table.number for table in published_for("ADE20K")} == {1, 2, 3, 5}
    assert {table.number for table in published_for("CelebA-HQ (semantic)")} == {1, 4}
    assert published_for("my pictures") == published_for("ADE20K")


def test_csv_and_json_hold_every_figure(part: Part) -> None:
    evaluation = Evaluation((part,), {"ours|*": 0.5})
    rows = list(csv.DictReader(io.StringIO(csv_text(evaluation))))
    assert [(row["method"], row["quantity"]) for row in rows] == [
        ("ours|*", "fd"), ("ours|*", "psnr"), ("ours|*", "copied"), ("theirs", "fd"),
        (MEAN_COLOURS, "fd"), (MEAN_COLOURS, "psnr"),
    ]  # fmt: skip
    assert float(rows[-1]["difference"]) == 1 and rows[0]["difference"] == ""
    data = json.loads(json.dumps(evaluation_dict(evaluation), allow_nan=False))
    ours = data["parts"][0]["methods"][0]
    assert ours["figures"]["psnr"] == {"value": 20.0, "low": 19.5, "high": 20.5, "count": 4}
    assert ours["per_sample"]["psnr"] == [20.0, None]
    assert data["parts"][0]["quantities"][0]["paper"] == "FID"
    assert len(data["published"]) == 8 and "seconds" not in json.dumps(data)
