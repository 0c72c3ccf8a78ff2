"""The columns of the ablations' tables, and the figures that the paper has in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        figure: name of a figure that `rabit.ablation.measure` gives.
        heading: short, of the same in every table.
        better: which values are.
        digits: behind the point.
        paper: heading of the paper's column that this one stands for, the first of several that do;
            None where it has none.
    """

    figure: str
    heading: str
    better: Literal["lower", "higher", "neither"]
    digits: int
    paper: str | None = None

    @property
    def part(self) -> str:
        """The part of the test set; empty for what is of none."""
        return self.figure.rpartition(".")[0]

    @property
    def arrow(self) -> str:
        """An arrow to the better values."""
        return {"lower": "↓", "higher": "↑", "neither": ""}[self.better]


COLUMNS = (
    Column("translation.fd", "FD", "lower", 3, "FID"),
    Column("translation.swd", "SWD", "lower", 1, "SWD"),
    Column("translation.diversity_lpips_alex", "LPIPS", "higher", 3, "LPIPS"),
    Column("translation.diversity_perceptual", "diversity", "higher", 3, "LPIPS"),
    Column("translation.semantic_52", "semantic", "higher", 3, "VGG_52"),
    Column("translation.style_v", "style", "higher", 3, "VGG_V"),
    Column("translation.psnr", "PSNR", "higher", 2),
    Column("translation.ssim", "SSIM", "higher", 3),
    Column("translation.l1", "L1", "lower", 4),
    Column("translation.perceptual", "distance", "lower", 3),
    Column("translation.warped_psnr", "warped PSNR", "higher", 2),
    Column("translation.copied", "copied", "neither", 3),
    Column("manipulation.fd", "FD", "lower", 3, "FID"),
    Column("manipulation.swd", "SWD", "lower", 1, "SWD"),
    Column("manipulation.psnr", "PSNR", "higher", 2, "PSNR"),
    Column("manipulation.semantic_52", "semantic", "higher", 3, "VGG_52"),
    Column("manipulation.style_v", "style", "higher", 3, "VGG_V"),
    Column("manipulation.ssim", "SSIM", "higher", 3),
    Column("manipulation.l1", "L1", "lower", 4),
    Column("manipulation.perceptual", "distance", "lower", 3),
    Column("manipulation.warped_psnr", "warped PSNR", "higher", 2),
    Column("seconds", "seconds an image", "lower", 3),
    Column("training_rate", "training images/s", "higher", 2),
)

_TABLE_6 = (
    "translation.FID",
    "translation.SWD",
    "translation.LPIPS",
    "translation.VGG_52",
    "translation.VGG_V",
    "manipulation.FID",
    "manipulation.SWD",
    "manipulation.PSNR",
    "manipulation.VGG_52",
    "manipulation.VGG_V",
)
_TABLE_8 = ("translation.FID", "translation.VGG_52", "translation.VGG_V")


def columns_of(labels: Mapping[str, str]) -> tuple[Column, ...]:
    """Returns the columns of figures that were measured.

    Each of the paper's columns is stood for once: LPIPS by the distance between results only where
    LPIPS itself was not measured. Distances under further networks are columns of their own.

    Args:
        labels: what each figure is called in full.
    """
    own = [column for column in COLUMNS if column.figure in labels]
    for part in ("translation", "manipulation"):
        further = [name for name in labels if name.startswith(f"{part}.fd_")]
        own += [Column(name, labels[name], "lower", 3) for name in further]
    chosen: list[Column] = []
    taken: set[tuple[str, str]] = set()
    for column in own:
        if column.figure.endswith(".fd") and labels[column.figure].startswith("FID"):
            column = replace(column, heading="FID")
        if column.paper is not None and (column.part, column.paper) in taken:
            column = replace(column, paper=None)
        if column.paper is not None:
            taken.add((column.part, column.paper))
        chosen.append(column)
    return tuple(chosen)


def _published(
    figures: tuple[str, ...], rows: dict[str, tuple[float, ...]]
) -> dict[str, dict[str, float]]:
    return {name: dict(zip(figures, values, strict=True)) for name, values in rows.items()}


PUBLISHED: dict[str, dict[str, dict[str, float]]] = {
    "table6": _published(
        _TABLE_6,
        {
            "spade": (33.90, 19.70, 0.344, 0.772, 0.884, 120.2, 41.62, 13.11, 0.766, 0.876),
            "spade-cos": (27.72, 14.98, 0.556, 0.787, 0.941, 42.02, 23.23, 19.92, 0.772, 0.926),
            "confi-cos": (26.58, 12.33, 0.529, 0.801, 0.958, 40.56, 22.87, 20.73, 0.782, 0.959),
            "confi-ras": (25.51, 11.94, 0.548, 0.807, 0.966, 33.32, 18.89, 21.97, 0.785, 0.964),
            "confi-ras-pe": (24.93, 10.20, 0.578, 0.791, 0.974, 28.32, 16.48, 22.79, 0.797, 0.971),
            "rabit": (24.35, 9.893, 0.596, 0.812, 0.977, 26.61, 15.05, 23.08, 0.802, 0.975),
        },
    ),
    "table8": _published(
        _TABLE_8,
        {
            "without-cyc": (28.17, 0.794, 0.958),
            "without-cst": (29.27, 0.809, 0.962),
            "without-perc": (45.16, 0.738, 0.861),
            "without-cxt": (35.05, 0.798, 0.853),
            "without-pse": (25.43, 0.807, 0.972),
            "rabit": (24.35, 0.812, 0.977),
        },
    ),
}
"""The paper's Tables 6 and 8 (on ADE20K): table, row, part and heading."""
