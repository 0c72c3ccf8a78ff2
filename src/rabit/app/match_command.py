"""`rabit match`: which places of the exemplar the condition's places match, as files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from rabit.app.translate_command import check_output, open_model, translate_files
from rabit.data.images import png_bytes, to_image
from rabit.data.match_picture import check_lines
from rabit.data.pictures import confidence_pixels
from rabit.evaluation.matches import MatchFigures, check_alignment, match_figures, match_picture
from rabit.writing import write_files

WARPED, CONFIDENCE = "warped.png", "confidence.png"
PICTURE, COORDINATES = "matches.png", "matches.npy"


@dataclass(frozen=True)
class MatchOptions:
    """The options of `rabit match`.

    Args:
        condition: the label map.
        exemplar: the photograph.
        exemplar_condition: its label map; None if there is none.
        model: an embedded name, a folder, a file or a hub id.
        out: the folder to write.
        lines: the most lines of the match picture.
        seed: of what a method draws at random.
        device: cpu or cuda.
        precision: what the networks compute in.
        overwrite: whether files that are there may be replaced.
    """

    condition: Path
    exemplar: Path
    exemplar_condition: Path | None
    model: str
    out: Path
    lines: int
    seed: int
    device: str
    precision: str
    overwrite: bool

    @property
    def files(self) -> dict[str, Path]:
        """The files that are written, by what is in them."""
        return {
            "warped exemplar": self.out / WARPED,
            "confidence": self.out / CONFIDENCE,
            "match picture": self.out / PICTURE,
            "coordinates": self.out / COORDINATES,
        }


def run_match(options: MatchOptions) -> MatchFigures:
    """Matches one condition with one exemplar and writes the files: all of them, or none.

    Raises:
        FileExistsError: a file is there and may not be replaced.
        FileNotFoundError: an input is missing.
        OSError: the folder cannot be written; it is named.
        ValueError: an input does not fit the model, or the model has no alignment.
    """
    check_lines(options.lines, "--lines")
    inputs = (options.condition, options.exemplar, options.exemplar_condition)
    for path in options.files.values():
        check_output(path, "--out", options.overwrite, inputs)
    translator = open_model(options.model, options.device, options.precision)
    check_alignment(translator)
    result = translate_files(translator, *inputs, options.seed)
    assert result.matches is not None, "a model with an alignment gives matches"
    picture = match_picture(translator, result, options.condition, options.exemplar, options.lines)
    size = (result.image.shape[-2], result.image.shape[-1])
    contents = {
        WARPED: png_bytes(to_image(result.warped[0])),
        CONFIDENCE: png_bytes(confidence_pixels(result.confidence[0], size)),
        PICTURE: png_bytes(np.asarray(picture)),
        COORDINATES: _npy_bytes(result.matches[0].cpu().numpy()),
    }
    files = {options.out / name: data for name, data in contents.items()}
    write_files(files, overwrite=options.overwrite)
    return match_figures(result)


def _npy_bytes(array: Float32[np.ndarray, "H W 2"]) -> bytes:
    """Encodes an array as a NumPy file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
