"""Image in, image out: the translator that the command line, editors and evaluation call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from rabit.alignment.correspondence import Correspondence
from rabit.config import ModelConfig
from rabit.data.images import save_png, to_image
from rabit.inputs import ConditionInput, ImageInput, image_batch, layout_batch
from rabit.model.network import TranslationNetwork
from rabit.model.sources import find_model
from rabit.model.storage import load_model, save_model
from rabit.sizing import (
    Layout,
    edit_share,
    exemplar_size,
    padded_size,
    resize_images,
    working_size,
)


@dataclass(frozen=True)
class Translation:
    """The result of a translation or an edit, at the condition's size.

    Args:
        image: (B, 3, H, W) float32 in [-1, 1].
        warped: (B, 3, H, W) the exemplar warped to the condition, in [-1, 1].
        confidence: (B, 1, H, W) CMAP in [0, 1]: how reliable the correspondence is.
        matches: (B, H, W, 2) the place (x, y) in the exemplar as it was given, in its pixels, that
            each pixel of the condition matches best; None for a model without alignment.
        correspondence: what was built, between feature maps of 1 / `alignment.stride` of the sides
            that the network worked at (padded to its stride); None for a model without alignment.
    """

    image: Float[Tensor, "B 3 H W"]
    warped: Float[Tensor, "B 3 H W"]
    confidence: Float[Tensor, "B 1 H W"]
    matches: Float[Tensor, "B H W 2"] | None
    correspondence: Correspondence | None

    def pil(self, index: int = 0) -> Image.Image:
        """Returns one of the images as a PIL image."""
        return Image.fromarray(to_image(self.image[index]))

    def save(self, path: str | Path, index: int = 0, overwrite: bool = False) -> None:
        """Writes one of the images as a PNG.

        Raises:
            FileExistsError: the file is there and overwrite is off.
        """
        save_png(path, to_image(self.image[index]), overwrite=overwrite)


class Translator:
    """Translates conditions into photographs with an exemplar's look, and edits photographs.

    Args:
        network: the trained network; it is put into evaluation mode.
        config: its configuration.

    Example:
        >>> import numpy, rabit
        >>> translator = rabit.load("scenes-small")
        >>> labels = numpy.zeros((128, 128), numpy.uint8)
        >>> exemplar = numpy.full((128, 128, 3), 200, numpy.uint8)
        >>> translator.translate(labels, exemplar, labels).image.shape
        torch.Size([1, 3, 128, 128])
    """

    def __init__(self, network: TranslationNetwork, config: ModelConfig) -> None:
        self.network = network.eval()
        self.config = config

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the condition's classes, by id."""
        return self.config.condition.classes

    @property
    def device(self) -> torch.device:
        """Where the network is; inputs are moved there."""
        return next(self.network.parameters()).device

    def to(self, device: torch.device | str) -> Translator:
        """Moves the network to a device and returns the translator."""
        self.network.to(device)
        return self

    def save(
        self, folder: str | Path, overwrite: bool = False, dtype: torch.dtype | None = None
    ) -> None:
        """Writes the model so that `rabit.load` gives the same one, bit for bit.

        Args:
            folder: gets model.safetensors and config.json.
            overwrite: whether a model already there may be replaced.
            dtype: what weights are rounded to on disk, such as torch.float16 for half the size;
                they are loaded as float32 again. Nothing is rounded if left out.

        Raises:
            FileExistsError: the folder holds a model and overwrite is off.
            ValueError: dtype is no floating-point type.
        """
        if dtype is not None and not dtype.is_floating_point:
            raise ValueError(f"dtype is {dtype}, expected a floating-point type or None")
        save_model(Path(folder), self.network, self.config, dtype=dtype, overwrite=overwrite)

    def translate(
        self,
        condition: ConditionInput | Sequence[ConditionInput],
        exemplar: ImageInput | Sequence[ImageInput],
        exemplar_condition: ConditionInput | Sequence[ConditionInput] | None = None,
        seed: int = 0,
    ) -> Translation:
        """Makes photographs with the layout of the condition and the look of the exemplar.

        Args:
            condition: one or a batch; see `rabit.inputs.layout_batch` for the types. The joints of
                a pose file are places in a picture of the exemplar's size.
            exemplar: one for every condition or one for all, of any size; see
                `rabit.inputs.image_batch` for the types.
            exemplar_condition: the exemplars' own conditions. Without them the maps are not
                matched and both sides use one coordinate system for the image.
            seed: seed of whatever a correspondence method draws at random, from 0.

        Returns:
            The translation, at the condition's size.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: an input is of the wrong kind, size, range or number; it is named.
        """
        images = image_batch(exemplar, "exemplar")
        canvas = (images.shape[-2], images.shape[-1])
        layout = layout_batch(condition, self.config.condition, "condition", canvas)
        maps = None
        if exemplar_condition is not None:
            maps = layout_batch(
                exemplar_condition, self.config.condition, "exemplar_condition", canvas
            )
            maps = _fitted(maps, canvas)
            _require_equal(images, maps, "exemplar", "exemplar_condition")
        if len(images) == 1:
            images = images.expand(len(layout), -1, -1, -1)
            maps = None if maps is None else maps.expand(len(layout))
        if len(images) != len(layout):
            raise ValueError(
                f"condition has {len(layout)} items but exemplar {len(images)}; give one exemplar "
                "each, or one for all"
            )
        return self._run(layout, images, maps, seed)

    @torch.no_grad()
    def edit(
        self,
        image: ImageInput | Sequence[ImageInput],
        condition: ConditionInput | Sequence[ConditionInput],
        edited_condition: ConditionInput | Sequence[ConditionInput],
        keep_unedited: bool = True,
        seed: int = 0,
    ) -> Translation:
        """Edits photographs: the photograph is the exemplar of its own edited condition.

        Args:
            image: one or a batch.
            condition: the photographs' conditions, of their size.
            edited_condition: the same conditions with the edit, of the same size.
            keep_unedited: whether pixels away from the edit are the photograph's own, blended
                into the result around the edit; otherwise the whole image is generated.
            seed: as for `translate`.

        Returns:
            The edited photographs, at their own size.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: an input is of the wrong kind, size, range or number; it is named.
        """
        images = image_batch(image, "image")
        canvas = (images.shape[-2], images.shape[-1])
        before = layout_batch(condition, self.config.condition, "condition", canvas)
        after = layout_batch(edited_condition, self.config.condition, "edited_condition", canvas)
        before, after = _fitted(before, canvas), _fitted(after, canvas)
        _require_equal(images, before, "image", "condition")
        _require_equal(images, after, "image", "edited_condition")
        result = self._run(after, images, before, seed)
        if not keep_unedited:
            return result
        share = edit_share(before.to(self.device).differs(after.to(self.device)))
        # Where the share is 0 this adds 0: the photograph's pixels stay theirs bit for bit.
        return replace(result, image=torch.lerp(images.to(self.device), result.image, share))

    @torch.no_grad()
    def _run(self, layout: Layout, exemplar: Tensor, maps: Layout | None, seed: int) -> Translation:
        """Brings both sides to sizes that the network takes, runs it, and goes back."""
        size, device = layout.size, self.device
        inner = working_size(size, self.config)
        padded = padded_size(inner, self.config.stride)
        given = (exemplar.shape[-2], exemplar.shape[-1])
        side = exemplar_size(given, inner, self.config)
        condition = layout.to(device).resize(inner).pad(padded).condition()
        exemplar = resize_images(exemplar.to(device), side)
        exemplar_condition = None if maps is None else maps.to(device).resize(side).condition()
        with _seeded(seed, device), torch.autocast(device.type, enabled=False):
            output = self.network(condition, exemplar, exemplar_condition)

        def back(images: Tensor, mode: str) -> Tensor:
            whole = resize_images(images.float(), padded, "nearest")
            return resize_images(whole[..., : inner[0], : inner[1]], size, mode).contiguous()

        correspondence = output.alignment.correspondence
        matches = None
        if correspondence is not None:
            places = exemplar_pixels(correspondence, given).permute(0, 3, 1, 2)
            matches = back(places, "nearest").permute(0, 2, 3, 1)
        return Translation(
            image=back(output.image, "bilinear"),
            warped=back(output.alignment.warped_exemplar, "bilinear"),
            confidence=back(output.alignment.confidence, "nearest"),
            matches=matches,
            correspondence=correspondence,
        )


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


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds the generators that a device draws from, and gives the caller's states back."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ValueError(f"seed is {seed!r}, expected a whole number from 0 to 2^63 - 1")
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(int(seed))  # torch.manual_seed seeds every GPU
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(int(seed))
        yield


def load(name_or_path: str | Path) -> Translator:
    """Loads a translator.

    Args:
        name_or_path: the name of an embedded model, a folder or .safetensors file that
            `Translator.save` or training wrote, or a Hugging Face hub id (owner/name).

    Returns:
        The translator, on the CPU.

    Raises:
        ValueError: there is no such model, or its files are damaged.
    """
    stored = load_model(find_model(name_or_path))
    return Translator(stored.network, stored.config)


def _fitted(layout: Layout, size: tuple[int, int]) -> Layout:
    """Brings conditions of a photograph's shape, such as maps of half its sides, to its size."""
    (height, width), (rows, columns) = layout.size, size
    same_shape = height * columns == width * rows
    return layout.resize(size) if same_shape or layout.pictures else layout


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
