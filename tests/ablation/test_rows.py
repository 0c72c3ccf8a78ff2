from __future__ import annotations

from typing import Any

import pytest

from rabit.ablation.budgets import BUDGETS, common_experiment, find_budget
from rabit.ablation.plan import differences
from rabit.ablation.rows import CORRESPONDENCES, EXTRAS, RABIT, TABLES, Row, table_rows
from rabit.config import ExperimentConfig
from rabit.data.scenes import CLASSES
from rabit.fields import to_dict
from rabit.layers.perceptual import random_backbone
from rabit.model.network import build_discriminator, build_network
from rabit.training.step import generator_losses
from tiny import tiny_batch, tiny_experiment

ALIGNMENT, INJECTION = "model.alignment", "model.generator.injection"
ROWS = {row.name: row for rows in (*TABLES.values(), EXTRAS) for row in rows}
# What each row differs from RABIT in, on the preset small.
EXPECTED: dict[str, dict[str, Any]] = {
    "spade": {
        f"{ALIGNMENT}.method": "none",
        f"{ALIGNMENT}.position": "none",
        INJECTION: "concat",
        "losses.cyc": 0.0,
        "losses.cst": 0.0,
        "losses.warp": 0.0,
    },
    "spade-cos": {
        f"{ALIGNMENT}.method": "dense",
        f"{ALIGNMENT}.stride": 4,
        f"{ALIGNMENT}.position": "none",
        INJECTION: "concat",
    },
    "confi-cos": {
        f"{ALIGNMENT}.method": "dense",
        f"{ALIGNMENT}.stride": 4,
        f"{ALIGNMENT}.position": "none",
    },
    "confi-ras": {f"{ALIGNMENT}.position": "none"},
    "confi-ras-pe": {f"{ALIGNMENT}.position": "image"},
    "rabit": {},
    **{f"without-{n}": {f"losses.{n}": 0.0} for n in ("cyc", "cst", "perc", "cxt", "pse")},
    **{f"without-{n}": {f"losses.{n}": 0.0} for n in ("adv", "fm")},
    "dense-quarter": {f"{ALIGNMENT}.method": "dense", f"{ALIGNMENT}.stride": 4},
    "dense": {f"{ALIGNMENT}.method": "dense"},
    "patchmatch": {f"{ALIGNMENT}.method": "patchmatch"},
    "transport": {f"{ALIGNMENT}.method": "transport"},
    "border": {f"{ALIGNMENT}.border": 1},
    "overlap": {f"{ALIGNMENT}.overlap": True},
    "shortlist": {f"{ALIGNMENT}.overlap": True, f"{ALIGNMENT}.shortlist": 16},
    "positions": {f"{ALIGNMENT}.confidence": "position"},
}


def small() -> ExperimentConfig:
    return common_experiment(find_budget("small"), CLASSES, "semantic")


def test_every_row_is_expected_and_tables_share_rows_by_name() -> None:
    assert set(EXPECTED) == set(ROWS)
    assert [row.name for row in TABLES["table6"]][-1] == "rabit"
    for rows in TABLES.values():
        assert rows[-1].changes == RABIT.changes and rows[-1].name == "rabit"
        assert len({row.name for row in rows}) == len(rows)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_differs_from_rabit_in_what_it_is_about(name: str) -> None:
    ours, full = to_dict(ROWS[name].apply(small())), to_dict(RABIT.apply(small()))
    assert {path: value for path, value, _ in differences(ours, full)} == EXPECTED[name]


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", ROWS)
def test_every_row_fits_every_budget(name: str, budget: str) -> None:
    ROWS[name].apply(common_experiment(find_budget(budget), CLASSES, "semantic"))


@pytest.mark.parametrize("name", ROWS)
def test_what_a_row_leaves_out_is_not_computed(name: str) -> None:
    batch, backbone = tiny_batch(), random_backbone()
    config = ROWS[name].apply(tiny_experiment())
    network = build_network(config.model, 0)
    discriminator = build_discriminator(config.model, config.discriminator, 0)
    found = generator_losses(network, discriminator, backbone, batch, config.losses, True)
    every = {"cyc", "cst", "perc", "cxt", "pse", "adv", "fm", "warp"}
    off = {path.removeprefix("losses.") for path in EXPECTED[name] if path.startswith("losses.")}
    assert set(found.values) == every - off
    correspondence = found.output.alignment.correspondence
    if name == "spade":
        assert correspondence is None
    else:
        assert correspondence is not None
        stride = EXPECTED[name].get(f"{ALIGNMENT}.stride", 2)
        assert correspondence.exemplar_size == (64 // stride, 64 // stride)


def test_rows_hold_on_any_experiment() -> None:
    # A field that a row is about is what the row says, whatever the experiment has.
    changed = tiny_experiment(alignment__method="dense", alignment__position="none")
    assert RABIT.apply(changed).model.alignment.method == "ranking"
    assert RABIT.apply(changed).model.alignment.position == "semantic"
    warped = tiny_experiment(losses__warp=5.0)
    assert ROWS["spade"].apply(warped).losses.warp == 0


def test_rows_are_chosen() -> None:
    assert [row.label for row in table_rows("table8")][-1] == "full"
    with_extras = [row.name for row in table_rows("table8", extras=True)]
    assert with_extras[-3:] == ["without-adv", "without-fm", "rabit"]
    assert [row.name for row in table_rows("table6", only=("rabit", "spade"))] == ["spade", "rabit"]
    assert table_rows("correspondences") == CORRESPONDENCES


def test_unknown_tables_rows_and_fields_are_named() -> None:
    with pytest.raises(ValueError, match="no table 'table7'; there are table6, table8"):
        table_rows("table7")
    with pytest.raises(ValueError, match="table6 has no row dense; there are spade,"):
        table_rows("table6", only=("dense",))
    with pytest.raises(ValueError, match="--extras is for table8"):
        table_rows("table6", extras=True)
    with pytest.raises(ValueError, match="row odd: no field depth; there are method"):
        Row("odd", "odd", {"model.alignment.depth": 3}).apply(tiny_experiment())


def test_a_budget_sets_the_schedule_in_proportion() -> None:
    train = common_experiment(find_budget("small"), CLASSES, "semantic", steps=210).train
    assert (train.steps, train.decay_steps, train.warmup_steps) == (210, 70, 20)
    whole = common_experiment(find_budget("paper"), CLASSES, "semantic")
    assert (whole.train.steps, whole.model.image_size) == (400_000, (256, 256))
    other = common_experiment(find_budget("small"), CLASSES, "semantic", "ade20k-small")
    assert other.losses.pse == 1.0 and other.model.image_size == (64, 64)


def test_budgets_and_steps_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="no budget 'huge'; there are smoke, small, paper"):
        find_budget("huge")
    with pytest.raises(ValueError, match="--steps 0: expected 1 or more"):
        common_experiment(find_budget("small"), CLASSES, "semantic", steps=0)
