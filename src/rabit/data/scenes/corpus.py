"""The generated corpus: street scenes whose true translation is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from rabit.data.batch import PictureCondition, Sample
from rabit.data.scenes.canvas import CLASSES
from rabit.data.scenes.layout import check_size, sample_layout
from rabit.data.scenes.style import render, sample_style


@dataclass(frozen=True)
class SceneExemplar:
    """An exemplar of a scene, with what the scene looks like in the exemplar's style.

    Args:
        labels: (H, W) uint8 class ids of the exemplar.
        image: (H, W, 3) uint8 RGB, the exemplar.
        truth: (H, W, 3) uint8 RGB, the scene's own layout in the exemplar's style.
    """

    labels: UInt8[np.ndarray, "H W"]
    image: UInt8[np.ndarray, "H W 3"]
    truth: UInt8[np.ndarray, "H W 3"]


class Scenes(Dataset[Sample]):
    """Generated street scenes, each with an exemplar of another layout and the true translation.

    Item i depends on nothing but the seed, i and the size. Its condition is a layout A, its
    exemplar another layout B in a style s, and its truth A in the style s.

    Args:
        count: number of items.
        size: height and width in pixels, each at least 64.
        seed: of all items, at least 0.

    Raises:
        ValueError: a negative count or seed, or a side shorter than 64 pixels.

    Example:
        >>> Scenes(2, size=(64, 96))[0].truth.shape
        torch.Size([3, 64, 96])
    """

    def __init__(self, count: int, size: tuple[int, int] = (128, 128), seed: int = 0) -> None:
        if count < 0:
            raise ValueError(f"count {count} of scenes, expected 0 or more; give another count")
        if seed < 0:
            raise ValueError(f"seed {seed} of scenes, expected 0 or more; give another seed")
        check_size(size)
        self.count = count
        self.size = size
        self.seed = seed

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; a class id is an index into them."""
        return CLASSES

    def __len__(self) -> int:
        """Returns the number of items."""
        return self.count

    def set_epoch(self, epoch: int) -> None:
        """Does nothing: an item is the same in every epoch."""

    def __getitem__(self, index: int) -> Sample:
        """Draws one item.

        Args:
            index: in [0, count).

        Returns:
            The sample; it is paired, for its truth has the exemplar's style.

        Raises:
            IndexError: the index lies outside [0, count).
        """
        layout, (first,) = self._draw(index, 1)
        return Sample(
            condition=PictureCondition(torch.from_numpy(layout).long()),
            exemplar=_to_tensor(first.image),
            exemplar_condition=PictureCondition(torch.from_numpy(first.labels).long()),
            truth=_to_tensor(first.truth),
            paired=True,
            name=f"scene-{self.seed}-{index}",
        )

    def exemplars(self, index: int, count: int) -> list[SceneExemplar]:
        """Draws several exemplars for the layout of one item.

        Args:
            index: in [0, count of the corpus).
            count: number of exemplars, at least 1.

        Returns:
            The exemplars; the first one is the item's own.

        Raises:
            IndexError: the index lies outside [0, count of the corpus).
            ValueError: the count is below 1.
        """
        if count < 1:
            raise ValueError(f"count {count} of exemplars, expected 1 or more")
        return self._draw(index, count)[1]

    def _draw(self, index: int, count: int) -> tuple[UInt8[np.ndarray, "H W"], list[SceneExemplar]]:
        """Draws the layout of an item and its first `count` exemplars."""
        if not 0 <= index < self.count:
            raise IndexError(f"scene {index} of a corpus of {self.count}")
        rng = np.random.default_rng([self.seed, index])
        layout = sample_layout(rng, self.size)
        drawn = []
        for _ in range(count):
            labels = sample_layout(rng, self.size)
            style = sample_style(rng)
            drawn.append(SceneExemplar(labels, render(labels, style), render(layout, style)))
        return layout, drawn


def _to_tensor(image: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "3 H W"]:
    """Returns an image as float32 in [-1, 1], channels first."""
    return torch.from_numpy(image).permute(2, 0, 1).contiguous().float() / 127.5 - 1
