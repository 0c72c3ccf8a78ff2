"""What distances between sets read besides pictures as they are, and what they are called."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from rabit.metrics.frechet import Extractor, distribution_label
from rabit.metrics.jpeg import SUBSAMPLING, as_jpeg


class OfJpeg(nn.Module):
    """An extractor of pictures as JPEG files hold them.

    Args:
        inner: the extractor.
        quality: of the files, 1 to 95.
    """

    def __init__(self, inner: Extractor, quality: int) -> None:
        super().__init__()
        self.inner = inner
        self.quality = quality
        self.files = f"JPEG files of quality {quality}, {SUBSAMPLING}"
        self.label = f"{inner.label}, {self.files}"

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Returns the features of images in [-1, 1]."""
        return self.inner(as_jpeg(images, self.quality))


def set_label(extractor: Extractor, genuine: str, other: str) -> str:
    """Returns what a distance between sets is called, with its files where they are no PNG.

    Args:
        extractor: whose features it compares.
        genuine: the name under the published Inception of 2015, such as FID.
        other: the name under every other network.
    """
    if isinstance(extractor, OfJpeg):
        return f"{distribution_label(extractor.inner, genuine, other)}, {extractor.files}"
    return distribution_label(extractor, genuine, other)


def set_heading(extractor: Extractor, genuine: str, other: str, main: bool) -> str:
    """Returns a short form of `set_label`.

    Args:
        extractor: whose features it compares.
        genuine: as in `set_label`.
        other: as in `set_label`.
        main: whether it is the main extractor, whose network needs no name.
    """
    if isinstance(extractor, OfJpeg):
        short = set_heading(extractor.inner, genuine, other, main=True)
        return f"{short}, JPEG {extractor.quality}"
    label = distribution_label(extractor, genuine, other)
    return label if label == genuine or not main else other
