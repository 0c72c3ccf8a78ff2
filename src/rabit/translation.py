"""What a translation gives, and its way from the sizes of a network back to the condition's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from rabit.alignment.correspondence import Correspondence
from rabit.config import ModelConfig
from rabit.data.images import save_png, to_image
from rabit.data.pictures import Pixels
from rabit.functional.condition import Condition
from rabit.sizing import Layout, padded_size, resize_images, working_size


@dataclass(frozen=True, kw_only=True, eq=False)
class Matching:
    """Where the look of a condition's places comes from, at the condition's size.

    Args:
        warped: (B, 3, H, W) the exemplar warped to the condition, in [-1, 1].
        confidence: (B, 1, H, W) CMAP in [0, 1]: how reliable the correspondence is.
        matches: (B, H, W, 2) the place (x, y) in the exemplar as it was given, in its pixels, that
            each pixel of the condition matches best; None for a model without alignment.
        correspondence: what was built, between feature maps of 1 / `alignment.stride` of the sides
            that the network worked at (padded to its stride); None for a model without alignment,
            and of several exemplars.
        sources: (B, H, W) which of several exemplars each match lies in, that of the largest
            weight; None of one exemplar.
    """

    warped: Float[Tensor, "B 3 H W"]
    confidence: Float[Tensor, "B 1 H W"]
    matches: Float[Tensor, "B H W 2"] | None
    correspondence: Correspondence | None
    sources: Int[Tensor, "B H W"] | None = None

    def __repr__(self) -> str:
        """Says what it is, without the numbers of all pixels."""
        count, _, height, width = self.warped.shape
        conditions = "one condition" if count == 1 else f"{count} conditions"
        return f"Matching({conditions} of {height}×{width} pixels, height × width)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Translation(Matching):
    """The result of a translation or an edit, at the condition's size.

    Args:
        image: (B, 3, H, W) float32 in [-1, 1].
    """

    image: Float[Tensor, "B 3 H W"]

    def pil(self, index: int | None = None) -> Image.Image:
        """Returns one of the images as a PIL image.

        Args:
            index: which; it may be left out where there is one.

        Raises:
            ValueError: there are several, and none is named.
        """
        return Image.fromarray(self._pixels(index))

    def save(self, path: str | Path, index: int | None = None, overwrite: bool = False) -> None:
        """Writes one of the images as a PNG.

        Args:
            path: the file.
            index: which image; it may be left out where there is one.
            overwrite: whether a file that is there may be replaced.

        Raises:
            FileExistsError: the file is there and overwrite is off.
            ValueError: there are several images, and none is named.
        """
        save_png(path, self._pixels(index), overwrite=overwrite)

    def _pixels(self, index: int | None) -> Pixels:
        if index is None and len(self.image) != 1:
            raise ValueError(
                f"the translation has {len(self.image)} images; say which one with index=0 to "
                f"{len(self.image) - 1}"
            )
        return to_image(self.image[index or 0])

    def __repr__(self) -> str:
        """Says what it is, without the numbers of all pixels."""
        count, _, height, width = self.image.shape
        images = "one image" if count == 1 else f"{count} images"
        return f"Translation({images} of {height}×{width} pixels, height × width)"


@dataclass(frozen=True)
class Sizes:
    """The sizes that a condition is translated at, each height and width.

    Args:
        given: of the condition, and of what comes out.
        inner: that it is worked at.
        padded: the same, padded to the model's stride.
    """

    given: tuple[int, int]
    inner: tuple[int, int]
    padded: tuple[int, int]

    @classmethod
    def of(cls, given: tuple[int, int], config: ModelConfig) -> Sizes:
        """Returns the sizes for a condition of a size."""
        inner = working_size(given, config)
        return cls(given, inner, padded_size(inner, config.stride))

    def condition(self, layout: Layout) -> Condition:
        """Returns a layout as the network reads it."""
        return layout.resize(self.inner).pad(self.padded).condition()

    def back(self, images: Tensor, mode: str) -> Float[Tensor, "B C H W"]:
        """Brings what a network gives, at any scale, to the condition's own size."""
        whole = resize_images(images.float(), self.padded, "nearest")
        inner = whole[..., : self.inner[0], : self.inner[1]]
        return resize_images(inner, self.given, mode).contiguous()


def exemplar_pixels(
    correspondence: Correspondence, size: tuple[int, int]
) -> Float[Tensor, "B H W 2"]:
    """Returns where each feature of the condition matches best, in pixels of the exemplar.

    Args:
        correspondence: between feature maps.
        size: the exemplar's height and width in pixels.

    Returns:
        (x, y), pixel centres at whole numbers: a feature's centre, scaled to the exemplar.
    """
    places = correspondence.matches().float()
    scale = places.new_tensor(
        [size[1] / correspondence.exemplar_size[1], size[0] / correspondence.exemplar_size[0]]
    )
    return (places + 0.5) * scale - 0.5
