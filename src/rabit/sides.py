"""Both sides of a translation as users hand them in: conditions, and exemplars with their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from rabit.config import ConditionConfig
from rabit.data.condition_files import own_edges
from rabit.data.edges import PLAIN_EDGES
from rabit.data.images import to_image
from rabit.inputs import ConditionInput, ImageInput, image_batch, layout_batch
from rabit.sizing import Layout

Conditions: TypeAlias = ConditionInput | Layout | Sequence[ConditionInput]


@dataclass(frozen=True)
class Side:
    """Exemplars at their own size.

    Args:
        images: (B, 3, Hz, Wz) in [-1, 1].
        layout: their conditions, of the same size; None if they are not known.
    """

    images: Float[Tensor, "B 3 Hz Wz"]
    layout: Layout | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[-2], self.images.shape[-1]

    def __len__(self) -> int:
        return len(self.images)

    def expand(self, count: int) -> Side:
        """Returns a single exemplar as a batch of equal ones."""
        layout = None if self.layout is None else self.layout.expand(count)
        return Side(self.images.expand(count, -1, -1, -1), layout)


def read_layout(
    given: Conditions, config: ConditionConfig, name: str, canvas: tuple[int, int]
) -> Layout:
    """Reads conditions.

    Args:
        given: as for `rabit.inputs.layout_batch`, or what that returned.
        config: what the model translates from.
        name: the argument's name, for errors.
        canvas: height and width of the picture that the joints of a file are places in.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it does not fit the model; it is named.
    """
    if not isinstance(given, Layout):
        return layout_batch(given, config, name, canvas)
    if given.classes != config.channels:
        raise ValueError(
            f"{name} has {given.classes} channels, the model's {config.kind} condition has "
            f"{config.channels}"
        )
    return given


def read_side(
    image: ImageInput | Sequence[ImageInput],
    condition: Conditions | None,
    config: ConditionConfig,
    name: str,
    condition_name: str,
) -> Side:
    """Reads exemplars with their own conditions.

    Args:
        image: as for `rabit.inputs.image_batch`.
        condition: as for `read_layout`, of the exemplars' shape; None if they are not known. Plain
            edges are then found in the exemplars.
        config: what the model translates from.
        name: the exemplars' name, for errors.
        condition_name: their conditions' name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: one of them cannot be used, or they are of two shapes or numbers.
    """
    images = image_batch(image, name)
    size = (images.shape[-2], images.shape[-1])
    if condition is None and config.classes in PLAIN_EDGES:
        pictures = tuple(own_edges(to_image(image)).picture for image in images)
        return Side(images, Layout.of_pictures(pictures, size, config.channels))
    if condition is None:
        return Side(images, None)
    layout = _fitted(read_layout(condition, config, condition_name, size), size)
    _require_equal(images, layout, name, condition_name)
    return Side(images, layout)


def check_edit(condition: Layout, edited: Layout) -> None:
    """Refuses an edited condition of another size, which differs wherever anything ends.

    Raises:
        ValueError: names both sizes.
    """
    slack = 2 if condition.pictures and edited.pictures else 0
    if any(abs(a - b) > slack for a, b in zip(condition.size, edited.size, strict=True)):
        (height, width), (rows, columns) = condition.size, edited.size
        raise ValueError(
            f"edited_condition is {rows}x{columns} and condition {height}x{width}, height x width: "
            "edit the condition at its own size, so that what differs is what was edited"
        )


def _fitted(layout: Layout, size: tuple[int, int]) -> Layout:
    """Brings conditions of a photograph's shape, such as maps of half its sides, to its size.

    Pictures of lines are drawn anew at any size, so theirs may be a row or a column off.
    """
    (height, width), (rows, columns) = layout.size, size
    slack = max(size) if layout.pictures else 0
    same_shape = abs(height * columns - width * rows) <= slack
    return layout.resize(size) if same_shape else layout


def _require_equal(images: Tensor, layout: Layout, name: str, layout_name: str) -> None:
    """Checks that photographs and their conditions are equal in size and number."""
    height, width = images.shape[-2:]
    if (height, width) != layout.size:
        raise ValueError(
            f"{name} is {height}x{width} and {layout_name} is {layout.size[0]}x{layout.size[1]} "
            "(height x width); they must be of one size, or of one shape"
        )
    if len(images) != len(layout):
        raise ValueError(
            f"{name} has {len(images)} items but {layout_name} {len(layout)}; give one each"
        )
