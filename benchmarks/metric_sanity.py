"""Shows whether each metric moves the right way as results get worse in known ways.

    python benchmarks/metric_sanity.py --backbone-weights vgg19_student16x.safetensors \
        --squeezenet squeezenet10_imagenet.safetensors --out benchmarks/results

The true translations of held-out scenes are taken for results and spoilt in six ways of growing
severity. Writes metric-sanity.json and metric-sanity.png.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Chart
from matplotlib.ticker import FuncFormatter
from spoilt_scenes import EXEMPLARS, LEVELS, SCENES, SIDE, Bed, make_bed, spoilt
from torch import Tensor

from rabit.evaluation.environment import environment
from rabit.evaluation.showcase import HELD_OUT_SEED
from rabit.layers.perceptual import load_backbone
from rabit.layers.squeezenet import SqueezeNet, load_squeezenet
from rabit.layers.vgg import Vgg
from rabit.metrics.consistency import SemanticConsistency, StyleConsistency
from rabit.metrics.copied import Copied
from rabit.metrics.diversity import Diversity
from rabit.metrics.frechet import vgg_extractor
from rabit.metrics.frechet_features import frechet_of_features
from rabit.metrics.kernel import kernel_distance
from rabit.metrics.perceptual import PerceptualDistance
from rabit.metrics.pixels import L1, MsSsim, Psnr, Ssim
from rabit.metrics.sliced import SlicedWasserstein
from rabit.writing import write_files

BATCH = 4
# A change below this share of the largest one that the metric shows is no reaction.
HARDLY = 0.05
COLOURS = {
    "worse": "#2166ac",
    "worse, with a step back": "#e08214",
    "hardly": "0.45",
    "better": "#c8342b",
}
PIXELS = frozenset({"blur", "noise", "jpeg", "tint"})


@dataclass(frozen=True)
class Row:
    """A metric of the table.

    Args:
        name: short, for the picture.
        label: in full.
        higher: whether higher is better.
        expected: the series that it should react to.
        first: level that verdicts begin with; 1 where the figure of equal images is a convention.
    """

    name: str
    label: str
    higher: bool
    expected: frozenset[str]
    first: int = 0


class Meters:
    """All metrics, one pass of each network an image.

    Args:
        bed: what results are measured against.
        backbone: the feature network.
        squeezenet: of the distances of distributions.
    """

    def __init__(self, bed: Bed, backbone: Vgg, squeezenet: SqueezeNet) -> None:
        self.bed, self.backbone, self.squeezenet = bed, backbone, squeezenet
        deepest = "relu5_2" if "relu5_2" in backbone.names else "relu5_1"
        self.pixels: dict[str, L1 | Psnr | Ssim | MsSsim] = {
            "L1": L1(),
            "PSNR": Psnr(),
            "SSIM": Ssim(),
            "MS-SSIM": MsSsim(),
        }
        self.perceptual = PerceptualDistance(backbone)
        self.semantic = {
            "semantic, by region": SemanticConsistency(backbone, deepest, "region"),
            "semantic, plain": SemanticConsistency(backbone, deepest, "plain"),
        }
        self.style = {
            f"style {statistic}s, {'by region' if reading == 'region' else reading}": (
                StyleConsistency(backbone, "relu1_2", statistic, reading)
            )
            for statistic in ("mean", "deviation")
            for reading in ("region", "plain")
        }
        self.copied, self.diversity = Copied(), Diversity(backbone)
        self.pooled = vgg_extractor(backbone)
        layers = set(self.perceptual.layers + self.pooled.layers)
        layers.update(*(metric.layers for metric in self.semantic.values()))
        layers.update(*(metric.layers for metric in self.style.values()))
        self.layers = tuple(sorted(layers))
        self.truth, self.exemplars = self.features(bed.truth), self.features(bed.exemplars)
        self.photographs = self.squeezed(bed.truth)

    def rows(self) -> list[Row]:
        """Returns the metrics in the table's order, with what they should react to."""
        every = PIXELS | {"exemplar", "copy"}
        seen = PIXELS - {"tint"}
        expected = {
            "L1": every,
            "PSNR": every,
            # Windows' contrast and structure do not change with their mean.
            "SSIM": every - {"tint"},
            "MS-SSIM": every - {"tint"},
            "perceptual": every,
            # What is seen, not its look.
            "semantic, by region": seen | {"copy"},
            "semantic, plain": seen | {"copy"},
            # The look, not what is seen. The plain reading praises copies.
            "style means, by region": {"tint", "exemplar", "copy"},
            "style means, plain": {"tint", "exemplar"},
            "style deviations, by region": {"blur", "noise", "exemplar", "copy"},
            "style deviations, plain": {"blur", "noise", "exemplar"},
            "copied share": {"copy"},
            # Sets, whose order does not matter; copies are photographs themselves.
            "FD, VGG": PIXELS,
            "FD, SqueezeNet": PIXELS,
            "KD, SqueezeNet": PIXELS,
            "SWD": seen,
            # Of results among each other; it does not know the truth.
            "diversity": frozenset[str](),
        }
        higher = ("PSNR", "SSIM", "MS-SSIM", "semantic", "style", "diversity")
        labels = self.labels()
        return [
            Row(name, labels[name], name.startswith(higher), frozenset(wanted), name == "PSNR")
            for name, wanted in expected.items()
        ]

    def labels(self) -> dict[str, str]:
        """Returns the metrics' names in full."""
        return {
            **{name: metric.label for name, metric in self.pixels.items()},
            **{name: metric.label for name, metric in self.semantic.items()},
            **{name: metric.label for name, metric in self.style.items()},
            "perceptual": self.perceptual.label,
            "copied share": self.copied.label,
            "FD, VGG": f"FD ({self.pooled.label})",
            "FD, SqueezeNet": f"FD ({self.squeezenet.label})",
            "KD, SqueezeNet": f"KD ({self.squeezenet.label})",
            "SWD": "SWD",
            "diversity": self.diversity.label,
        }

    @torch.no_grad()
    def measure(self, images: Tensor) -> dict[str, float]:
        """Returns every figure of results."""
        bed, ours = self.bed, self.features(images)
        maps = bed.regions, bed.exemplar_regions
        found = {
            name: torch.cat([m.measure(images[i:j], bed.truth[i:j]) for i, j in groups(BATCH)])
            for name, m in self.pixels.items()
        }
        found["perceptual"] = self.perceptual.compare(ours, self.truth)
        for name, semantic in self.semantic.items():
            found[name] = semantic.compare(ours, self.truth, bed.regions)
        for name, style in self.style.items():
            found[name] = style.compare(ours, self.exemplars, *maps)
        found["copied share"] = self.copied.measure(images, bed.exemplars, *maps)
        conditions = ({k: v[i:j] for k, v in ours.items()} for i, j in groups(EXEMPLARS))
        found["diversity"] = torch.cat([self.diversity.compare(one) for one in conditions])
        means = {name: float(figures.nanmean()) for name, figures in found.items()}
        pooled, squeezed = self.pooled.pooled(ours), self.squeezed(images)
        means["FD, VGG"] = frechet_of_features(pooled, self.pooled.pooled(self.truth))
        means["FD, SqueezeNet"] = frechet_of_features(squeezed, self.photographs)
        means["KD, SqueezeNet"] = kernel_distance(squeezed, self.photographs).mean
        sliced = SlicedWasserstein()
        sliced.update(bed.truth, real=True)
        sliced.update(images, real=False)
        means["SWD"] = sliced.compute()
        return means

    @torch.no_grad()
    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Returns the backbone's features, a few images at a time."""
        parts = [self.backbone(images[i:j], self.layers) for i, j in groups(BATCH)]
        return {layer: torch.cat([part[layer] for part in parts]) for layer in self.layers}

    @torch.no_grad()
    def squeezed(self, images: Tensor) -> Tensor:
        """Returns SqueezeNet's features."""
        return torch.cat([self.squeezenet(images[i:j]) for i, j in groups(BATCH)])


def groups(size: int) -> Iterable[tuple[int, int]]:
    """Returns where groups of images begin and end."""
    return ((i, i + size) for i in range(0, SCENES * EXEMPLARS, size))


def verdicts(row: Row, values: Mapping[str, list[float]]) -> dict[str, str]:
    """Judges how a metric moves in each series: monotone, with a step back, hardly or wrong."""
    sign = -1 if row.higher else 1
    worse = {k: [sign * v for v in values[k]][row.first :] for k in values}
    span = max(abs(w[-1] - w[0]) for w in worse.values())
    found = {}
    for series, w in worse.items():
        total = w[-1] - w[0]
        steps = [b - a for a, b in zip(w, w[1:], strict=False)]
        if abs(total) < HARDLY * span or span == 0:
            found[series] = "hardly"
        elif total < 0:
            found[series] = "better"
        elif min(steps) < -HARDLY * span / 2:
            found[series] = "worse, with a step back"
        else:
            found[series] = "worse"
    return found


def draw(
    rows: list[Row], values: Mapping[str, Mapping[str, list[float]]], judged: Mapping[str, dict]
) -> bytes:
    """Returns the picture: a row a metric, a column a series, as PNG."""
    chart = Chart(figsize=(13, 1.05 * len(rows) + 1.6), layout="constrained")
    axes = chart.subplots(len(rows), len(LEVELS), squeeze=False, sharey="row")
    for i, row in enumerate(rows):
        for j, (series, (title, levels)) in enumerate(LEVELS.items()):
            panel: Axes = axes[i][j]
            panel_of(panel, row, values[row.name][series], judged[row.name][series], series)
            names = ["0" if series != "jpeg" else "none", *(f"{v:g}" for v in levels)]
            panel.set_xticks(range(len(names)), names if i == len(rows) - 1 else [])
            if i == 0:
                panel.set_title(title, fontsize=10)
        axes[i][0].set_ylabel(
            f"{row.name.replace(', ', ',' + chr(10))}\n{'↑' if row.higher else '↓'} better",
            rotation=0,
            ha="right",
            va="center",
            fontsize=9,
            labelpad=18,
        )
    chart.suptitle(
        "True translations of held-out scenes, spoilt more and more. Blue: worse step by step; "
        "orange: worse with a step back;\ngrey: hardly moves; red: better. Shaded: no reaction "
        "is asked for. The panels of a row share their axis.",
        fontsize=11,
    )
    file = io.BytesIO()
    chart.savefig(file, format="png", dpi=80)
    return file.getvalue()


def panel_of(panel: Axes, row: Row, values: list[float], verdict: str, series: str) -> None:
    """Draws one metric over one series."""
    colour = COLOURS[verdict]
    panel.plot(range(row.first, len(values)), values[row.first :], color=colour, marker="o", ms=3)
    panel.set_xlim(-0.3, len(values) - 0.7)
    panel.margins(y=0.15)
    panel.tick_params(labelsize=8, length=2)
    panel.yaxis.set_major_formatter(FuncFormatter(short))
    panel.spines[["top", "right"]].set_visible(False)
    if series not in row.expected:
        panel.set_facecolor("0.93")


def short(value: float, _: int | None = None) -> str:
    """Returns a number for an axis, thousands as k and millions as M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def main() -> None:
    """Measures, judges, draws and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--backbone", choices=("vgg19", "vgg19-distilled"), default="vgg19-distilled"
    )
    parser.add_argument("--backbone-weights", type=Path, required=True)
    parser.add_argument("--squeezenet", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()

    torch.set_num_threads(1)
    started = time.perf_counter()
    backbone = load_backbone(options.backbone, options.backbone_weights)
    assert backbone is not None
    bed = make_bed()
    meters = Meters(bed, backbone, load_squeezenet(options.squeezenet))
    untouched = meters.measure(bed.truth)
    rows = meters.rows()
    values = {row.name: {series: [untouched[row.name]] for series in LEVELS} for row in rows}
    for series, (_, levels) in LEVELS.items():
        for level in levels:
            for name, value in meters.measure(spoilt(bed, series, level)).items():
                values[name][series].append(value)
        print(f"{series}: {time.perf_counter() - started:.0f} s", flush=True)
    judged = {row.name: verdicts(row, values[row.name]) for row in rows}
    report = {
        "images": len(bed.truth),
        "side": SIDE,
        "seed": HELD_OUT_SEED,
        "series": {
            k: {"title": v[0].replace("\n", " "), "levels": v[1]} for k, v in LEVELS.items()
        },
        "metrics": [
            {
                "name": row.name,
                "label": row.label,
                "better": "higher" if row.higher else "lower",
                "expected_to_react": [series for series in LEVELS if series in row.expected],
                "values": values[row.name],
                "verdicts": judged[row.name],
            }
            for row in rows
        ],
        "seconds": round(time.perf_counter() - started, 1),
        "environment": environment(torch.device("cpu"), 1),
    }
    for row in rows:
        print(f"{row.name:28}", {k: v for k, v in judged[row.name].items() if k in row.expected})
    files = {
        options.out / "metric-sanity.json": (json.dumps(report, indent=1) + "\n").encode(),
        options.out / "metric-sanity.png": draw(rows, values, judged),
    }
    write_files(files, overwrite=True)


if __name__ == "__main__":
    main()
