"""What the demo shows: held-out scenes translated with several exemplars, and edits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rabit.data.images import to_image, to_tensor
from rabit.data.pictures import Pixels, condition_pixels, confidence_pixels
from rabit.data.scenes import CLASSES, SceneExemplar, Scenes
from rabit.data.scenes.edits import SceneEdit, sample_edits
from rabit.functional.condition import Condition
from rabit.inference import Translation, Translator
from rabit.inputs import condition_batch
from rabit.metrics.pixels import psnr

HELD_OUT_SEED = 20_000_000
EXEMPLARS = 3


@dataclass(frozen=True)
class Shown:
    """One translation; pictures are (H, W, 3) uint8.

    Args:
        exemplar: the photograph that gives the look.
        exemplar_map: its condition in colours.
        warped: the exemplar warped to the condition.
        confidence: how reliable the correspondence is, in colours.
        result: the translation.
        truth: the true translation.
        psnr: of the result, in decibels.
        warped_psnr: of the warped exemplar.
    """

    exemplar: Pixels
    exemplar_map: Pixels
    warped: Pixels
    confidence: Pixels
    result: Pixels
    truth: Pixels
    psnr: float
    warped_psnr: float


@dataclass(frozen=True)
class ShownScene:
    """A condition and its translations.

    Args:
        condition: (H, W, 3) uint8, in colours.
        rows: one an exemplar.
    """

    condition: Pixels
    rows: tuple[Shown, ...]


@dataclass(frozen=True)
class ShownEdit:
    """An edit; pictures are (H, W, 3) uint8.

    Args:
        title: what the edit does.
        image: the photograph.
        condition: its map in colours.
        edited: the edited map in colours, what did not change pale.
        result: the edited photograph.
        truth: what should have come out.
        psnr: of the result inside the edit, in decibels.
        share: of the picture's pixels whose class the edit changes.
    """

    title: str
    image: Pixels
    condition: Pixels
    edited: Pixels
    result: Pixels
    truth: Pixels
    psnr: float
    share: float


def require_scenes(translator: Translator) -> None:
    """Refuses a model of something else than the generated scenes.

    Raises:
        ValueError: the model was trained on other classes.
    """
    if translator.classes != CLASSES:
        raise ValueError(
            f"the model {translator.config.name} knows the classes "
            f"{', '.join(translator.classes)}, but scenes have {', '.join(CLASSES)}; choose a "
            "model that was trained on scenes"
        )


@dataclass(frozen=True)
class Showcase:
    """Everything that the demo shows.

    Args:
        scenes: translations.
        edits: edits.
        seconds: for one translation, the median.
        seed: of the scenes.
    """

    scenes: tuple[ShownScene, ...]
    edits: tuple[ShownEdit, ...]
    seconds: float
    seed: int


def make_showcase(
    translator: Translator,
    scenes: int,
    seed: int = HELD_OUT_SEED,
    progress: Callable[[int, int], None] | None = None,
) -> Showcase:
    """Translates and edits held-out scenes.

    Args:
        translator: a model that was trained on scenes.
        scenes: how many to translate, each with three exemplars.
        seed: of the scenes, one that was not trained on.
        progress: called with the number of pictures made and their total.

    Raises:
        ValueError: the model was trained on other classes.
    """
    require_scenes(translator)
    size = translator.config.image_size
    corpus = Scenes(scenes, size, seed)
    edits = sample_edits(seed + 1, size)
    total, times = scenes * EXEMPLARS + len(edits), list[float]()

    def timed(make: Callable[[], Translation]) -> Translation:
        started = time.perf_counter()
        made = make()
        times.append(time.perf_counter() - started)
        if progress is not None:
            progress(len(times), total)
        return made

    shown = tuple(_show_scene(translator, corpus, index, timed) for index in range(scenes))
    shown_edits = tuple(_show_edit(translator, edit, timed) for edit in edits)
    return Showcase(shown, shown_edits, float(np.median(times)), seed)


Timed = Callable[[Callable[[], Translation]], Translation]


def _show_scene(translator: Translator, corpus: Scenes, index: int, timed: Timed) -> ShownScene:
    """Translates one scene with its exemplars."""
    labels = corpus[index].condition.regions.numpy()
    rows = []
    for exemplar in corpus.exemplars(index, EXEMPLARS):
        result = timed(_translation(translator, labels, exemplar))
        truth = to_tensor(exemplar.truth)[None]
        rows.append(
            Shown(
                exemplar=exemplar.image,
                exemplar_map=_map_pixels(translator, exemplar.labels),
                warped=to_image(result.warped[0]),
                confidence=confidence_pixels(result.confidence[0], corpus.size),
                result=to_image(result.image[0]),
                truth=exemplar.truth,
                psnr=float(psnr(result.image.cpu(), truth)),
                warped_psnr=float(psnr(result.warped.cpu(), truth)),
            )
        )
    return ShownScene(_map_pixels(translator, labels), tuple(rows))


def _translation(
    translator: Translator, labels: np.ndarray, exemplar: SceneExemplar
) -> Callable[[], Translation]:
    return lambda: translator.translate(labels, exemplar.image, exemplar.labels)


def _show_edit(translator: Translator, edit: SceneEdit, timed: Timed) -> ShownEdit:
    """Edits one photograph."""
    result = timed(lambda: translator.edit(edit.image, edit.labels, edit.edited))
    changed = edit.changed
    made, wanted = (
        to_tensor(picture[changed][None])[None]
        for picture in (to_image(result.image[0]), edit.truth)
    )
    pale = _map_pixels(translator, edit.labels) // 4 + 192
    return ShownEdit(
        title=edit.title,
        image=edit.image,
        condition=_map_pixels(translator, edit.labels),
        edited=np.where(changed[..., None], _map_pixels(translator, edit.edited), pale),
        result=to_image(result.image[0]),
        truth=edit.truth,
        psnr=float(psnr(made, wanted)),
        share=float(changed.mean()),
    )


def _map_pixels(translator: Translator, labels: np.ndarray) -> Pixels:
    """Returns a map in the colours of its classes."""
    condition: Condition = condition_batch(labels, translator.config.condition, "labels")
    return condition_pixels(condition.channels[0])
