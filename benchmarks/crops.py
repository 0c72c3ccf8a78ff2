"""How well models match a photograph with another crop of itself, as they do in training.

    python benchmarks/crops.py RABIT=runs/a/model dense=runs/b/model --data DATA \\
        --held-out FILE --settings own "k=8,border=1" "method=dense" --out crops.md

Truth and exemplar are crops and flips of one photograph, so that the true place of a position lies
anywhere between the exemplar's positions, hardly ever on its grid of blocks. A row is a model whose
features are matched as it was trained (own), or in another way.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from spoilt_scenes import blurred
from torch import Tensor

from rabit.alignment import network as alignment
from rabit.alignment.matching import correspond
from rabit.app.corpora import listed_pictures
from rabit.config import ExemplarMix
from rabit.data.batch import Sample, collate
from rabit.data.corpus import SourceCorpus
from rabit.data.layouts.find import open_source
from rabit.inference import Translator, load
from rabit.metrics.pixels import psnr
from rabit.writing import write_files

# Options whose values are words.
WORDS = ("method", "descriptor", "confidence")
HEADS = ("PSNR, warped", "fine detail, warped", "PSNR, result", "fine detail, result")


def setting(text: str) -> dict[str, Any] | None:
    """Reads "k=8,overlap=true,method=ranking"; None is the model's own."""
    if text == "own":
        return None
    pairs = [each.partition("=") for each in text.split(",")]
    return {name: value if name in WORDS else json.loads(value) for name, _, value in pairs}


def fine(image: Tensor) -> Tensor:
    """What a Gaussian of one pixel takes away."""
    return image - blurred(image, 1.0)


def agreement(one: Tensor, other: Tensor) -> Tensor:
    """Correlation of two images' fine detail."""
    a, b = fine(one).flatten(1), fine(other).flatten(1)
    return torch.nn.functional.cosine_similarity(a, b)


def measured(
    model: Translator, samples: Sequence[Sample], options: Mapping[str, Any] | None
) -> list[float]:
    """Returns the means of HEADS."""

    def matched(x: Tensor, z: Tensor, method: str, **own: Any) -> Any:
        if options is None:
            return correspond(x, z, method, **own)
        known = {"method": "ranking", "temperature": own["temperature"], **options}
        return correspond(x, z, **known)

    found = []
    torch.manual_seed(0)
    with patch.object(alignment, "correspond", matched):
        for sample in samples:
            batch = collate([sample], len(model.classes))
            made = model.translate(batch.condition, batch.exemplar, batch.exemplar_condition)
            found.append([
                float(each)
                for image in (made.warped, made.image)
                for each in (psnr(image, batch.truth), agreement(image, batch.truth))
            ])  # fmt: skip
    return torch.tensor(found).mean(dim=0).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="+", help="NAME=MODEL")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--settings", nargs="+", default=["own"])
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    source = open_source(options.data, None, None)
    models = {name: load(path) for name, _, path in (m.partition("=") for m in options.models)}
    held = set(listed_pictures(options.held_out, source))
    corpus = SourceCorpus(
        source,
        next(iter(models.values())).config.image_size,
        seed=5,
        mix=ExemplarMix(hard=0.0, easy=0.0, itself=1.0),
        indices=[i for i, name in enumerate(source.names) if name in held],
        jitter=0.3,
        fit=next(iter(models.values())).config.fit,
    )
    samples = [corpus[i] for i in range(min(options.count, len(corpus)))]
    lines = [f"| {len(samples)} pairs of crops | matched | {' | '.join(HEADS)} |"]
    lines.append("|---|---|" + "---|" * len(HEADS))
    for name, model in models.items():
        for text in options.settings:
            values = measured(model, samples, setting(text))
            cells = " | ".join(f"{v:.{2 + i % 2}f}" for i, v in enumerate(values))
            lines.append(f"| {name} | {text} | {cells} |")
            print(lines[-1], flush=True)
    if options.out is not None:
        write_files({options.out: ("\n".join(lines) + "\n").encode()}, overwrite=True)


if __name__ == "__main__":
    main()
