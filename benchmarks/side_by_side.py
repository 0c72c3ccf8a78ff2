"""Shows the results of an evaluation's methods side by side, without any photograph.

    python benchmarks/side_by_side.py EVALUATION --samples 0,30,61 --out rivals.jpg \\
        --methods "RABIT,CoCosNet-v2-patchmatch=CoCosNet v2"

A row is one condition with one exemplar, a column one method: a folder of EVALUATION/pictures, with
what to call it behind an equals sign.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from rabit.data.images import read_image
from rabit.data.pictures import grid
from rabit.evaluation.folder import EvaluationFolder
from rabit.evaluation.testset import file_name
from rabit.writing import write_files


def side_by_side(
    folder: Path, part: str, samples: list[int], methods: dict[str, str]
) -> np.ndarray:
    """Returns a picture of results, a row a sample and a column a method.

    Args:
        folder: of the evaluation.
        part: translation or manipulation.
        samples: their numbers.
        methods: titles by the methods' folders.
    """
    files = EvaluationFolder(folder)
    rows = [
        [read_image(files.picture(method, file_name(part, number))) for method in methods]
        for number in samples
    ]
    return grid(rows, list(methods.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--part", default="translation")
    parser.add_argument("--samples", required=True, help="Numbers, with commas between.")
    parser.add_argument("--methods", required=True, help="FOLDER or FOLDER=TITLE, with commas.")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pairs = [each.partition("=") for each in options.methods.split(",")]
    methods = {name: title or name for name, _, title in pairs}
    samples = [int(number) for number in options.samples.split(",")]
    sheet = side_by_side(options.evaluation, options.part, samples, methods)
    picture = io.BytesIO()
    Image.fromarray(sheet).save(picture, "JPEG", quality=90)
    write_files({options.out: picture.getvalue()}, overwrite=True)
    print(f"picture: {options.out}")


if __name__ == "__main__":
    main()
