"""`rabit translate` and `rabit edit`: files in, PNG files out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from rabit.app.errors import note
from rabit.app.options import pick_device, pick_precision
from rabit.config import ConditionConfig
from rabit.data.decoding import decode_file
from rabit.data.edges import PLAIN_EDGES
from rabit.data.images import png_bytes, read_image, to_image
from rabit.data.pictures import Pixels, condition_pixels, confidence_pixels, grid
from rabit.inference import Translation, Translator, load
from rabit.inputs import condition_batch, image_batch
from rabit.sizing import resize_images
from rabit.translation import Sizes
from rabit.writing import check_target, write_files

TITLES = ("condition", "exemplar", "warped exemplar", "confidence", "result")


@dataclass(frozen=True)
class Outputs:
    """The files that a translation writes; None for none.

    Args:
        out: the result.
        warped: the exemplar warped to the condition.
        confidence: how reliable the correspondence is, in colours.
        grid: inputs and outputs side by side.
        overwrite: whether files that are there may be replaced.
    """

    out: Path
    warped: Path | None = None
    confidence: Path | None = None
    grid: Path | None = None
    overwrite: bool = False

    def named(self) -> dict[str, Path]:
        """The files by the option that names them."""
        return {
            f"--{name}": path
            for name in ("out", "warped", "confidence", "grid")
            if (path := getattr(self, name)) is not None
        }

    def check(self, *inputs: Path | None) -> None:
        """Refuses, before any work, files that cannot be written.

        Args:
            inputs: files that are read, none of which may be replaced.

        Raises:
            FileExistsError: a file is there and may not be replaced.
            ValueError: a name does not end in .png, two are the same, or one is an input.
            OSError: a place cannot be written to.
        """
        taken: dict[Path, str] = {}
        for option, path in self.named().items():
            if path.suffix.lower() != ".png":
                raise ValueError(f"{option} {path}: expected a name that ends in .png")
            if path.resolve() in taken:
                raise ValueError(f"{taken[path.resolve()]} and {option} name one file, {path}")
            taken[path.resolve()] = option
            check_output(path, option, self.overwrite, inputs)

    def write(self, result: Translation, inputs: Callable[[], list[Pixels]]) -> None:
        """Writes the files: all of them, or none.

        Args:
            result: of one condition.
            inputs: returns condition and exemplar as pictures of the result's size.
        """
        size = (result.image.shape[-2], result.image.shape[-1])
        warped = to_image(result.warped[0])
        confidence = confidence_pixels(result.confidence[0], size)
        image = to_image(result.image[0])
        pictures = {self.out: image}
        if self.warped is not None:
            pictures[self.warped] = warped
        if self.confidence is not None:
            pictures[self.confidence] = confidence
        if self.grid is not None:
            pictures[self.grid] = grid([[*inputs(), warped, confidence, image]], TITLES)
        files = {path: png_bytes(picture) for path, picture in pictures.items()}
        write_files(files, overwrite=self.overwrite)


def print_outputs(outputs: Outputs) -> None:
    """Says where the files are."""
    for option, path in outputs.named().items():
        typer.echo(f"{option.removeprefix('--')}: {path}")


def check_output(path: Path, option: str, overwrite: bool, inputs: Sequence[Path | None]) -> None:
    """Refuses, before any work, one file that cannot be written.

    Args:
        path: the file to write.
        option: the option that names it or its folder.
        overwrite: whether it may be replaced.
        inputs: files that are read, none of which may be replaced.

    Raises:
        FileExistsError: it is there and may not be replaced.
        ValueError: it is an input.
        OSError: the place cannot be written to.
    """
    if any(given is not None and _same_file(given, path) for given in inputs):
        raise ValueError(
            f"{option} {path} is one of the files to read, which would be lost; choose another name"
        )
    check_target(path)
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{path} exists already; choose another name with {option}, or replace it with "
            "--overwrite"
        )


def _same_file(one: Path, other: Path) -> bool:
    """Tells whether two names are one file, under links as well."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def open_model(model: str, device: str, precision: str = "float32") -> Translator:
    """Loads a model onto a device.

    Raises:
        ValueError: there is no such model, device or precision.
    """
    return load(model, pick_precision(precision)).to(pick_device(device))


def run_translate(
    condition: Path,
    exemplar: Path,
    exemplar_condition: Path | None,
    model: str,
    device: str,
    precision: str,
    seed: int,
    outputs: Outputs,
) -> None:
    """Translates one condition.

    Raises:
        FileExistsError: an output is there and may not be replaced.
        FileNotFoundError: an input is missing.
        ValueError: an input does not fit the model; its file is named.
    """
    if not condition.exists():
        raise FileNotFoundError(f"{condition}: no such file or folder")
    outputs.check(condition, exemplar, exemplar_condition)
    translator = open_model(model, device, precision)
    result = translate_files(translator, condition, exemplar, exemplar_condition, seed)
    outputs.write(result, lambda: picture_inputs(translator, condition, exemplar, result))


def translate_files(
    translator: Translator,
    condition: Path,
    exemplar: Path,
    exemplar_condition: Path | None,
    seed: int,
) -> Translation:
    """Translates files, and says what is lost without the exemplar's map.

    Raises:
        FileNotFoundError: an input is missing.
        ValueError: an input does not fit the model; its file is named.
    """
    result = translate_checked(translator, condition, exemplar, exemplar_condition, seed)
    tell_size(translator, condition, (result.image.shape[-2], result.image.shape[-1]))
    if lacks_map(exemplar_condition, translator.config.condition):
        note_missing_map()
    return result


def translate_checked(
    translator: Translator,
    condition: Path,
    exemplar: Path,
    exemplar_condition: Path | None,
    seed: int,
) -> Translation:
    """Translates files whose exemplar has the shape of its map.

    Raises:
        FileNotFoundError: an input is missing.
        ValueError: an input does not fit the model; its file is named.
    """
    if exemplar_condition is not None and translator.config.condition.kind == "semantic":
        check_sizes(exemplar, exemplar_condition)
    return translator.translate(condition, exemplar, exemplar_condition, seed=seed)


def lacks_map(exemplar_condition: Path | None, config: ConditionConfig) -> bool:
    """Tells whether an exemplar has no condition: plain edges are found in it."""
    return exemplar_condition is None and config.classes not in PLAIN_EDGES


def note_missing_map() -> None:
    """Says what is lost without the exemplar's condition."""
    note(
        "no --exemplar-condition: the maps are not matched class by class, and both sides "
        "share one coordinate system, so regions of the exemplar may land in other classes"
    )


def tell_size(translator: Translator, condition: Path, size: tuple[int, int]) -> bool:
    """Says that a result was made at another size than it has, and returns whether it was."""
    inner = Sizes.of(size, translator.config).inner
    smaller = inner[0] * inner[1] < size[0] * size[1]
    if smaller:
        trained = translator.config.image_size
        note(
            f"{condition} is {size[1]}×{size[0]} (width×height), far more than the model's "
            f"{trained[1]}×{trained[0]}: the result was made at {inner[1]}×{inner[0]} and enlarged"
        )
    return smaller


def run_edit(
    image: Path,
    condition: Path,
    edited: Path,
    keep_unedited: bool,
    model: str,
    device: str,
    precision: str,
    seed: int,
    outputs: Outputs,
) -> None:
    """Edits one photograph.

    Raises:
        FileExistsError: an output is there and may not be replaced.
        FileNotFoundError: an input is missing.
        ValueError: an input does not fit the model; its file is named.
    """
    outputs.check(image, condition, edited)
    translator = open_model(model, device, precision)
    if translator.config.condition.kind == "semantic":
        check_sizes(image, condition)
        check_sizes(image, edited)
    result = translator.edit(image, condition, edited, keep_unedited=keep_unedited, seed=seed)
    tell_size(translator, edited, (result.image.shape[-2], result.image.shape[-1]))
    outputs.write(result, lambda: picture_inputs(translator, edited, image, result))


def check_sizes(photograph: Path, condition: Path) -> None:
    """Checks that a photograph, upright, and its map have one shape.

    Raises:
        FileNotFoundError: one of them is missing.
        ValueError: they have two shapes, or one cannot be read.
    """
    height, width = read_image(photograph).shape[:2]
    found = decode_file(condition, "label map").image.size
    if found[0] * height != found[1] * width:
        raise ValueError(
            f"{photograph} is {width}×{height} pixels but its map {condition} "
            f"{found[0]}×{found[1]} (width×height); make them the same size, the map without "
            "smoothing (nearest neighbour)"
        )


def picture_inputs(
    translator: Translator, condition: Path, exemplar: Path, result: Translation
) -> list[Pixels]:
    """Returns the inputs as pictures of the result's size."""
    config = translator.config.condition
    images = image_batch(exemplar, "exemplar")
    size = (result.image.shape[-2], result.image.shape[-1])
    layout = condition_batch(condition, config, "condition", size)
    return [
        condition_pixels(layout.channels[0], config.kind),
        to_image(resize_images(images, size)[0]),
    ]
