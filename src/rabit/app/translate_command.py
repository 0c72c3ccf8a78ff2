"""`rabit translate` and `rabit edit`: files in, PNG files out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rabit.app.errors import note
from rabit.app.options import pick_device
from rabit.data.images import save_png, to_image
from rabit.data.pictures import Pixels, condition_pixels, confidence_pixels, grid
from rabit.inference import Translation, Translator, load
from rabit.inputs import condition_batch, image_batch
from rabit.sizing import resize_images

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

    def check(self) -> None:
        """Refuses, before any work, files that cannot be written.

        Raises:
            FileExistsError: a file is there and may not be replaced.
            ValueError: a name does not end in .png, or two are the same.
        """
        taken: dict[Path, str] = {}
        for option, path in self.named().items():
            if path.suffix.lower() != ".png":
                raise ValueError(f"{option} {path}: expected a name that ends in .png")
            if path.resolve() in taken:
                raise ValueError(f"{taken[path.resolve()]} and {option} name one file, {path}")
            taken[path.resolve()] = option
            if path.exists() and not self.overwrite:
                raise FileExistsError(
                    f"{path} exists already; choose another name with {option}, or replace it "
                    "with --overwrite"
                )

    def write(self, result: Translation, inputs: Callable[[], list[Pixels]]) -> None:
        """Writes the files.

        Args:
            result: of one condition.
            inputs: returns condition and exemplar as pictures of the result's size.
        """
        size = (result.image.shape[-2], result.image.shape[-1])
        warped = to_image(result.warped[0])
        confidence = confidence_pixels(result.confidence[0], size)
        result.save(self.out, overwrite=self.overwrite)
        if self.warped is not None:
            save_png(self.warped, warped, overwrite=self.overwrite)
        if self.confidence is not None:
            save_png(self.confidence, confidence, overwrite=self.overwrite)
        if self.grid is not None:
            row = [*inputs(), warped, confidence, to_image(result.image[0])]
            save_png(self.grid, grid([row], TITLES), overwrite=self.overwrite)


def open_model(model: str, device: str) -> Translator:
    """Loads a model onto a device.

    Raises:
        ValueError: there is no such model or device.
    """
    return load(model).to(pick_device(device))


def run_translate(
    condition: Path,
    exemplar: Path,
    exemplar_condition: Path | None,
    model: str,
    device: str,
    seed: int,
    outputs: Outputs,
) -> None:
    """Translates one condition.

    Raises:
        FileExistsError: an output is there and may not be replaced.
        FileNotFoundError: an input is missing.
        ValueError: an input does not fit the model; its file is named.
    """
    outputs.check()
    translator = open_model(model, device)
    if exemplar_condition is None:
        note(
            "no --exemplar-condition: the maps are not matched class by class, and both sides "
            "share one coordinate system, so regions of the exemplar may land in other classes"
        )
    result = translator.translate(condition, exemplar, exemplar_condition, seed=seed)
    outputs.write(result, lambda: _inputs(translator, condition, exemplar, result))


def run_edit(
    image: Path,
    condition: Path,
    edited: Path,
    keep_unedited: bool,
    model: str,
    device: str,
    seed: int,
    outputs: Outputs,
) -> None:
    """Edits one photograph.

    Raises:
        FileExistsError: an output is there and may not be replaced.
        FileNotFoundError: an input is missing.
        ValueError: an input does not fit the model; its file is named.
    """
    outputs.check()
    translator = open_model(model, device)
    result = translator.edit(image, condition, edited, keep_unedited=keep_unedited, seed=seed)
    outputs.write(result, lambda: _inputs(translator, edited, image, result))


def _inputs(
    translator: Translator, condition: Path, exemplar: Path, result: Translation
) -> list[Pixels]:
    """Returns the inputs as pictures of the result's size."""
    layout = condition_batch(condition, translator.config.condition, "condition")
    images = image_batch(exemplar, "exemplar")
    size = (result.image.shape[-2], result.image.shape[-1])
    return [condition_pixels(layout.channels[0]), to_image(resize_images(images, size)[0])]
