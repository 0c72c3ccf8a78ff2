"""The rows of the paper's ablations, each a set of changes to one experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from rabit.config import ExperimentConfig
from rabit.fields import from_dict, set_field, to_dict

_METHOD = "model.alignment.method"
_POSITION = "model.alignment.position"
_STRIDE = "model.alignment.stride"
_INJECTION = "model.generator.injection"
# The stride of CoCosNet's correspondence, 64x64 for images of 256x256.
_QUARTER = 4


@dataclass(frozen=True)
class Row:
    """One row of an ablation.

    Args:
        name: of its runs' folder; tables that have a row of this name share its runs.
        label: what the table calls it.
        changes: values of fields, by section.field, that differ from the experiment or that the
            row is about.
        note: what the row is.
    """

    name: str
    label: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "changes", MappingProxyType(dict(self.changes)))

    def apply(self, experiment: ExperimentConfig) -> ExperimentConfig:
        """Returns the row's experiment.

        Args:
            experiment: what all rows have in common.

        Raises:
            ValueError: a field is unknown or its value does not fit the others.
        """
        return changed(experiment, self.changes, f"row {self.name}")


def changed(
    experiment: ExperimentConfig, changes: Mapping[str, Any], where: str
) -> ExperimentConfig:
    """Returns an experiment with other values of some fields.

    Args:
        experiment: where to start.
        changes: values by section.field.
        where: what to call the result in errors.

    Raises:
        ValueError: a field is unknown, or its value is out of range.
    """
    data = to_dict(experiment)
    for path, value in changes.items():
        try:
            set_field(data, path, value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    return from_dict(ExperimentConfig, data, where)


RABIT = Row(
    "rabit",
    "CONFI+RAS+SPE",
    {_METHOD: "ranking", _INJECTION: "confi", _POSITION: "semantic"},
    "RABIT: ranking and attention, semantic position encoding, confidence feature injection.",
)

TABLE_6 = (
    Row(
        "spade",
        "SPADE",
        {
            _METHOD: "none",
            _INJECTION: "concat",
            _POSITION: "none",
            "losses.cyc": 0.0,
            "losses.cst": 0.0,
            "losses.warp": 0.0,
        },
        "No alignment: the generator sees condition and exemplar side by side, as they are.",
    ),
    Row(
        "spade-cos",
        "SPADE+COS",
        {_METHOD: "dense", _INJECTION: "concat", _POSITION: "none", _STRIDE: _QUARTER},
        "CoCosNet's dense cosine correspondence, of a quarter of the image's sides.",
    ),
    Row(
        "confi-cos",
        "CONFI+COS",
        {_METHOD: "dense", _INJECTION: "confi", _POSITION: "none", _STRIDE: _QUARTER},
        "The same, injected by its confidence.",
    ),
    Row(
        "confi-ras",
        "CONFI+RAS",
        {_METHOD: "ranking", _INJECTION: "confi", _POSITION: "none"},
        "Ranking and attention, of half the image's sides.",
    ),
    Row(
        "confi-ras-pe",
        "CONFI+RAS+PE",
        {_METHOD: "ranking", _INJECTION: "confi", _POSITION: "image"},
        "The same with one coordinate system for the image.",
    ),
    RABIT,
)

TABLE_8 = (
    Row("without-cyc", "w/o cyc", {"losses.cyc": 0.0}, "No cycle consistency."),
    Row("without-cst", "w/o cst", {"losses.cst": 0.0}, "No feature consistency."),
    Row("without-perc", "w/o perc", {"losses.perc": 0.0}, "No perceptual loss."),
    Row("without-cxt", "w/o cxt", {"losses.cxt": 0.0}, "No contextual loss."),
    Row("without-pse", "w/o pse", {"losses.pse": 0.0}, "No loss on pseudo pairs."),
    replace(RABIT, label="full"),
)

EXTRAS = (
    Row("without-adv", "w/o adv", {"losses.adv": 0.0}, "No adversarial loss."),
    Row("without-fm", "w/o fm", {"losses.fm": 0.0}, "No matching of the discriminator's features."),
)
"""Rows that the paper's Table 8 lacks, for its other two losses."""
EXTRAS_TABLE = "table8"

CORRESPONDENCES = (
    Row("dense-quarter", "dense, a quarter", {_METHOD: "dense", _STRIDE: _QUARTER},
        "CoCosNet's correspondence of its own resolution, a quarter of the image's sides."),
    Row("dense", "dense", {_METHOD: "dense"}, "CoCosNet's correspondence."),
    Row("patchmatch", "patchmatch", {_METHOD: "patchmatch"}, "CoCosNet v2's correspondence."),
    Row("transport", "transport", {_METHOD: "transport"}, "UNITE's correspondence."),
    Row("border", "ranking, border 1", {**RABIT.changes, "model.alignment.border": 1},
        "The ranking; attention sees one position around each retrieved block as well."),
    Row("overlap", "ranking, overlap", {**RABIT.changes, "model.alignment.overlap": True},
        "The ranking; the exemplar's blocks begin at every position instead of lying on a grid."),
    Row("shortlist", "ranking, overlap, shortlist",
        {**RABIT.changes, "model.alignment.overlap": True, "model.alignment.shortlist": 16},
        "The same, of the 16 blocks whose means are most similar."),
    Row("positions", "ranking, positions' confidence",
        {**RABIT.changes, "model.alignment.confidence": "position"},
        "The ranking; each position is as confident as its own best cosine, not its block's."),
    replace(RABIT, label="ranking"),
)  # fmt: skip

TABLES: dict[str, tuple[Row, ...]] = {
    "table6": TABLE_6,
    "table8": TABLE_8,
    "correspondences": CORRESPONDENCES,
}


def table_rows(table: str, extras: bool = False, only: tuple[str, ...] = ()) -> tuple[Row, ...]:
    """Returns the rows of a table, in its order.

    Args:
        table: one of TABLES.
        extras: whether table8 gets EXTRAS too, before its last row.
        only: names of the rows to keep, or what they are called in the table; none for all.

    Raises:
        ValueError: there is no such table or row, or extras are for another table.
    """
    if table not in TABLES:
        raise ValueError(f"no table {table!r}; there are {', '.join(TABLES)}")
    if extras and table != EXTRAS_TABLE:
        raise ValueError(f"--extras is for {EXTRAS_TABLE}, which is about losses, not for {table}")
    rows = TABLES[table]
    if extras:
        rows = (*rows[:-1], *EXTRAS, rows[-1])
    names = {row.label.lower(): row.name for row in rows} | {row.name: row.name for row in rows}
    unknown = [name for name in only if name.lower() not in names]
    if unknown:
        raise ValueError(
            f"{table} has no row {', '.join(unknown)}; there are "
            f"{', '.join(row.name for row in rows)}"
        )
    kept = {names[name.lower()] for name in only}
    return tuple(row for row in rows if not only or row.name in kept)
