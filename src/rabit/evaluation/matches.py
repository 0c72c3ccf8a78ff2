"""What a translation's correspondence looks like: the match picture and its figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from rabit.data.images import to_image
from rabit.data.match_colours import CONFIDENT
from rabit.data.match_picture import draw_matches
from rabit.data.pictures import Pixels, condition_pixels, palette
from rabit.inference import Translation, Translator
from rabit.inputs import ConditionInput, ImageInput, image_batch, layout_batch


@dataclass(frozen=True)
class MatchFigures:
    """How confident a correspondence is.

    Args:
        confident: share of the condition's places with a confidence above CONFIDENT, in [0, 1].
        median: the median confidence, in [0, 1].
    """

    confident: float
    median: float


def match_picture(
    translator: Translator,
    translation: Translation,
    condition: ConditionInput,
    exemplar: ImageInput,
    lines: int = 32,
    index: int = 0,
) -> Image.Image:
    """Draws which places of the exemplar the condition's places match.

    The condition is on the left, the exemplar on the right. Above, every place of the condition
    has the colour of the exemplar's place that it matches, dark where the confidence is low;
    below, lines join places that are confident and far from each other.

    Args:
        translator: what made the translation.
        translation: of the two.
        condition: the one condition, or the batch, that was translated.
        exemplar: the one exemplar, or the batch, that was given with it.
        lines: the most lines, 0 for none.
        index: which item of a batch.

    Returns:
        A picture 1304 pixels wide.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the model has no alignment, the inputs are not those of the translation, or
            the number of lines is out of its range.

    Example:
        >>> import numpy, rabit
        >>> translator = rabit.load("scenes-small")
        >>> labels = numpy.zeros((64, 96), numpy.uint8)
        >>> exemplar = numpy.full((64, 64, 3), 200, numpy.uint8)
        >>> translation = translator.translate(labels, exemplar)
        >>> match_picture(translator, translation, labels, exemplar).width
        1304
    """
    check_alignment(translator)
    if translation.matches is None:
        raise ValueError(
            "the translation has no matches: a model without alignment made it; give the "
            "translator that made it"
        )
    images = image_batch(exemplar, "exemplar")
    size = (translation.image.shape[-2], translation.image.shape[-1])
    return Image.fromarray(
        draw_matches(
            _layout_pixels(translator, condition, index, size),
            to_image(images[index if len(images) > 1 else 0]),
            translation.matches[index].cpu().numpy(),
            translation.confidence[index, 0].cpu().numpy(),
            lines,
        )
    )


def match_figures(translation: Translation, index: int = 0) -> MatchFigures:
    """Returns how confident the correspondence of one item of a translation is."""
    confidence = translation.confidence[index].cpu().numpy()
    return MatchFigures(float((confidence > CONFIDENT).mean()), float(np.median(confidence)))


def check_alignment(translator: Translator) -> None:
    """Checks that a model matches condition and exemplar at all.

    Raises:
        ValueError: it was trained without alignment.
    """
    if translator.config.alignment.method == "none":
        raise ValueError(
            f"the model {translator.config.name} has no alignment, so there are no matches to "
            "show; choose a model with one, such as scenes-small"
        )


def _layout_pixels(
    translator: Translator, condition: ConditionInput, index: int, size: tuple[int, int]
) -> Pixels:
    """Returns a condition in colours; of a map without spreading it into a channel a class."""
    config = translator.config.condition
    layout = layout_batch(condition, config, "condition", size)
    if layout.channels is not None:
        return condition_pixels(layout.channels[index], config.kind)
    return palette(layout.classes)[layout.regions[index].cpu().numpy()]
