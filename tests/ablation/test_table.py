from __future__ import annotations

import csv
import io
import json
import math

import pytest

from rabit.ablation.columns import COLUMNS, PUBLISHED
from rabit.ablation.markdown import markdown, spell
from rabit.ablation.measure import Measured
from rabit.ablation.order import Cell, cell, compare_orders
from rabit.ablation.rows import TABLES
from rabit.ablation.table import Table, fill_table, table_dict, table_lines

FD, PSNR = "translation.fd", "translation.psnr"


def measured(fd: float, psnr: float) -> Measured:
    return Measured({FD: fd, PSNR: psnr}, {FD: "FD (a network)", PSNR: "PSNR in dB"})


@pytest.fixture
def table() -> Table:
    """Two seeds of three rows of table8, one of a fourth, and another program's results."""
    seeds = {
        "without-cyc": [measured(28.0, 10.0), measured(30.0, 11.0)],  # mean 29, deviation √2
        "without-cst": [measured(31.0, 10.0), measured(33.0, 11.0)],
        "without-cxt": [measured(20.0, 12.0), measured(22.0, 12.0)],
        "rabit": [measured(24.0, 14.0)],
    }
    others = {"other": measured(40.0, 9.0)}
    return fill_table("table8", TABLES["table8"], seeds, others, {"steps": 7}, True)


def test_a_cell_is_a_mean_and_the_deviation_of_a_sample() -> None:
    found = cell([1.0, 2.0, 6.0])
    assert (found.mean, found.count) == (3.0, 3)
    assert found.deviation == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert math.isnan(cell([5.0]).deviation)
    assert spell(found, 1) == "3.0 ± 2.6"
    assert spell(cell([5.0]), 2) == "5.00"
    assert spell(None, 2) == "–"


def test_orders_are_compared_by_kendall() -> None:
    ours = {name: Cell(mean, 0.1, 2) for name, mean in {"a": 1, "b": 2, "c": 4, "d": 3}.items()}
    # Of six pairs only c and d is in another order.
    theirs = {"a": 10.0, "b": 20.0, "c": 30.0, "d": 40.0}
    order = compare_orders(ours, theirs)
    assert order is not None
    assert order.tau == pytest.approx(4 / 6)
    assert order.contrary == (("c", "d"),) and len(order.agreeing) == 5 and order.unclear == 0
    backwards = compare_orders(ours, {name: -value for name, value in theirs.items()})
    assert backwards is not None and backwards.tau == pytest.approx(-4 / 6)


def test_pairs_within_the_seeds_deviations_are_unclear() -> None:
    theirs = {"a": 1.0, "b": 2.0}
    # √(3² + 4²) = 5.
    apart = compare_orders({"a": Cell(0.0, 3.0, 2), "b": Cell(5.1, 4.0, 2)}, theirs)
    assert apart is not None and apart.agreeing == (("a", "b"),)
    near = compare_orders({"a": Cell(0.0, 3.0, 2), "b": Cell(4.9, 4.0, 2)}, theirs)
    assert near is not None and near.unclear == 1 and near.tau == 1
    single = compare_orders({"a": cell([0.0]), "b": cell([50.0])}, theirs)
    assert single is not None and single.unclear == 1
    assert compare_orders({"a": cell([0.0])}, theirs) is None
    equal = compare_orders({"a": Cell(1.0, 0.0, 2), "b": Cell(1.0, 0.0, 2)}, theirs)
    assert equal is not None and (equal.tau, equal.unclear) == (0, 1)


def test_a_table_is_filled_by_hand(table: Table) -> None:
    rows = {row.name: row for row in table.rows}
    assert list(rows)[-2:] == ["rabit", "other"]
    assert rows["without-cyc"].cells[FD].mean == 29.0
    assert rows["without-cyc"].cells[FD].deviation == pytest.approx(math.sqrt(2))
    assert rows["without-perc"].cells == {} and rows["without-perc"].seeds == 0
    assert rows["other"].foreign and rows["rabit"].seeds == 1
    assert [column.figure for column in table.columns] == [FD, PSNR]
    order = table.order(FD)
    # Published: cyc 28.17, cst 29.27, cxt 35.05, full 24.35. Ours: 29, 32, 21, 24.
    assert order is not None and order.rows == 4
    assert order.tau == pytest.approx((3 - 3) / 6)
    assert order.contrary == (("without-cyc", "without-cxt"), ("without-cst", "without-cxt"))
    assert order.agreeing == (("without-cyc", "without-cst"),)
    assert table.order(PSNR) is None


def test_published_figures_are_the_papers() -> None:
    for name, rows in PUBLISHED.items():
        assert set(rows) == {row.name for row in TABLES[name]}
    assert PUBLISHED["table6"]["confi-ras"]["manipulation.PSNR"] == 21.97
    assert PUBLISHED["table6"]["rabit"]["translation.SWD"] == 9.893
    assert PUBLISHED["table8"]["without-cxt"]["translation.VGG_V"] == 0.853
    # Both tables have the whole method.
    assert PUBLISHED["table8"]["rabit"].items() <= PUBLISHED["table6"]["rabit"].items()
    known = {f"{c.part}.{c.paper}" for c in COLUMNS if c.paper is not None}
    assert known == {figure for row in PUBLISHED["table6"].values() for figure in row}


def test_the_page_says_what_is_whose(table: Table) -> None:
    page = markdown(table)
    assert "| w/o cyc | 29.000 ± 1.414 | *28.17* |" in page
    assert "| full | 24.000 | *24.35* |" in page
    assert "| other (another program) | 40.000 |  |" in page
    # Lower is better for FD, higher for PSNR.
    assert "| w/o cxt | **21.000 ± 1.414** | *35.05* |" in page
    assert "| full | **14.00** |" in page
    assert "| w/o perc | – | *45.16* |" in page
    assert "Not trained yet: w/o perc, w/o pse." in page
    assert "translation, FD: FD (a network), lower is better" in page
    assert (
        "| translation: FD | +0.00 | 1 of 3 | 3 | w/o cyc and w/o cxt; w/o cst and w/o cxt |"
        in page
    )
    assert "- steps: 7" in page
    # No stand-in bears a name of the paper's.
    ours = [line.split(" | ")[0::1] for line in page.splitlines() if line.startswith("|  |")]
    heads = [head.strip("| ") for line in ours for head in line]
    assert not [
        h for h in heads if any(n in h for n in ("FID", "LPIPS", "VGG")) and "published" not in h
    ]


def test_json_and_csv_hold_the_same_figures(table: Table) -> None:
    data = json.loads(json.dumps(table_dict(table), allow_nan=False))
    rows = {row["name"]: row for row in data["rows"]}
    assert rows["without-cyc"]["figures"][FD]["mean"] == 29.0
    assert rows["without-cyc"]["published"] == {FD: 28.17}
    assert rows["rabit"]["figures"][FD]["deviation"] is None
    assert data["columns"][0]["order"]["kendall_tau"] == 0
    text = io.StringIO()
    csv.writer(text).writerows(table_lines(table))
    lines = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert len(lines) == 2 * 5
    first = next(line for line in lines if line["row"] == "without-cyc")
    assert (first["figure"], float(first["mean"]), first["published"]) == (FD, 29.0, "28.17")
    assert next(line for line in lines if line["row"] == "rabit")["deviation"] == ""


def test_each_of_the_paper_s_columns_is_stood_for_once() -> None:
    """LPIPS by itself where it was measured, by the distance between results where it was not."""
    genuine, other = "translation.diversity_lpips_alex", "translation.diversity_perceptual"
    jpeg = "translation.fd_inception_jpeg"
    names = {FD: "FID", genuine: "LPIPS", other: "a distance", jpeg: "FID of JPEG files"}
    figures = {FD: 30.0, genuine: 0.5, other: 0.7, jpeg: 31.0}

    def filled(left_out: str) -> Table:
        kept = {name: value for name, value in figures.items() if name != left_out}
        found = Measured(kept, {name: names[name] for name in kept})
        return fill_table("table6", TABLES["table6"], {"spade": [found]}, {}, {}, True)

    table = filled("")
    assert table.published(genuine)["spade"] == 0.344 and table.published(other) == {}
    assert [column.figure for column in table.columns] == [FD, genuine, other, jpeg]
    assert [column.paper for column in table.columns] == ["FID", "LPIPS", None, None]
    assert table.columns[0].heading == "FID" and table.published(jpeg) == {}
    assert "FID of JPEG files" in markdown(table)
    assert filled(genuine).published(other)["spade"] == 0.344


def test_means_that_look_alike_are_all_the_best() -> None:
    seeds = {
        name: [measured(28.0, value)]
        for name, value in (("without-cyc", 10.001), ("without-cst", 10.004), ("rabit", 9.0))
    }
    lines = markdown(fill_table("table8", TABLES["table8"], seeds, {}, {}, True))
    assert lines.count("**10.00**") == 2
