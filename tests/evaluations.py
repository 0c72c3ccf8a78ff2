"""Small evaluations for tests: figures that are given, and pictures that fit them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import torch

from rabit.data.images import save_png
from rabit.data.pictures import Pixels
from rabit.evaluation.folder import CONDITIONS, EXEMPLARS, TRUTH, EvaluationFolder, folder_name
from rabit.evaluation.intervals import Figure, Resamples
from rabit.evaluation.quantities import Quantity
from rabit.evaluation.summary import Part, Row
from rabit.evaluation.testset import file_name

FD = Quantity("fd", "FD", "FD (a network)", "quality", "lower", 2, "FID")
SEMANTIC = Quantity(
    "semantic_52", "semantic 52", "semantic consistency, deep", "consistency", "higher", 3, "VGG_52"
)
PLAIN = Quantity(
    "semantic_52_plain", "semantic 52, plain", "the same, plain", "consistency", "higher", 3
)
COPIED_SHARE = Quantity("copied", "copied", "copied share", "consistency", "neither", 3)
PSNR = Quantity("psnr", "PSNR", "PSNR in dB", "fidelity", "higher", 2, "PSNR")
DISTANCE = Quantity("perceptual", "distance", "perceptual distance (a net)", "fidelity", "lower", 3)
WARPED = Quantity("warped_psnr", "PSNR, warped", "PSNR of warped exemplar", "fidelity", "higher", 2)
QUANTITIES = (FD, SEMANTIC, PLAIN, COPIED_SHARE, PSNR, DISTANCE, WARPED)


def make_row(
    method: str,
    samples: Mapping[str, Sequence[float]],
    sets: Mapping[str, float] | None = None,
    first: Row | None = None,
) -> Row:
    """Returns a row with the means of figures a sample, and of sets as they are given."""
    values = {name: torch.tensor(each, dtype=torch.float64) for name, each in samples.items()}
    draws = Resamples(range(len(next(iter(values.values())))), 50)
    figures = {name: draws.mean(each) for name, each in values.items() if each.isfinite().any()}
    count = len(next(iter(values.values())))
    figures |= {
        name: Figure(value, math.nan, math.nan, count) for name, value in (sets or {}).items()
    }
    against = {}
    if first is not None:
        shared = set(values) & set(first.samples)
        against = {name: draws.difference(first.samples[name], values[name]) for name in shared}
    return Row(method, figures, against, values)


def make_part(rows: Sequence[Row], name: str = "translation", paired: int | None = None) -> Part:
    """Returns a part with the quantities that its rows have."""
    count = len(next(iter(rows[0].samples.values())))
    found = tuple(q for q in QUANTITIES if any(q.name in row.figures for row in rows))
    names = tuple(file_name(name, index) for index in range(count))
    return Part(name, found, tuple(rows), names, count if paired is None else paired)


def noise(seed: int, side: int = 12) -> Pixels:
    """Returns a picture of random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def write_pictures(root: Path, parts: Sequence[Part], side: int = 12) -> EvaluationFolder:
    """Writes pictures of noise for all samples, inputs and methods of some parts."""
    folder = EvaluationFolder(root)
    seed = 0
    for part in parts:
        kinds = [CONDITIONS, EXEMPLARS, TRUTH, *folders(part).values()]
        for kind in kinds:
            for name in part.sample_names:
                save_png(folder.picture(kind, name), noise(seed, side), overwrite=True)
                seed += 1
    return folder


def folders(*parts: Part) -> dict[str, str]:
    """Returns the folder of each method."""
    return {row.method: folder_name(row.method) for part in parts for row in part.rows}


class Page(HTMLParser):
    """The elements of a page: references, texts of cells by row, and whether all close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.classes: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
            self.classes.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.classes[-1].append(given.get("class") or "")
        if tag not in ("img", "input", "meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()

    def row(self, first: str) -> list[str]:
        """Returns the cells of the only row that begins with a text."""
        (found,) = (row for row in self.rows if row[0] == first)
        return found
