"""Image in, image out: the translator that the command line, editors and evaluation call."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from rabit.alignment.correspondence import Correspondence
from rabit.alignment.network import resize_regions
from rabit.config import ModelConfig
from rabit.data.images import save_png, to_image
from rabit.functional.condition import Condition
from rabit.inputs import ConditionInput, ImageInput, condition_batch, image_batch
from rabit.model.network import TranslationNetwork
from rabit.model.storage import CONFIG, WEIGHTS, load_model, save_model

# Larger conditions are translated at this multiple of the area that the model was trained on.
MAX_AREA_FACTOR = 4
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Translation:
    """The result of a translation or an edit, at the condition's size.

    Args:
        image: (B, 3, H, W) float32 in [-1, 1].
        warped: (B, 3, H, W) the exemplar warped to the condition, in [-1, 1].
        confidence: (B, 1, H, W) CMAP in [0, 1]: how reliable the correspondence is.
        correspondence: what was built, between feature maps of half the sides that the network
            worked at; None for a model without alignment.
    """

    image: Float[Tensor, "B 3 H W"]
    warped: Float[Tensor, "B 3 H W"]
    confidence: Float[Tensor, "B 1 H W"]
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

    def save(self, folder: str | Path, overwrite: bool = False) -> None:
        """Writes the model so that `rabit.load` gives the same one, bit for bit.

        Args:
            folder: gets model.safetensors and config.json.
            overwrite: whether a model already there may be replaced.

        Raises:
            FileExistsError: the folder holds a model and overwrite is off.
        """
        save_model(Path(folder), self.network, self.config, overwrite=overwrite)

    def translate(
        self,
        condition: ConditionInput | Sequence[ConditionInput],
        exemplar: ImageInput | Sequence[ImageInput],
        exemplar_condition: ConditionInput | Sequence[ConditionInput] | None = None,
        seed: int = 0,
    ) -> Translation:
        """Makes photographs with the layout of the condition and the look of the exemplar.

        Args:
            condition: one or a batch; see `rabit.inputs.condition_batch` for the types.
            exemplar: one or as many as there are conditions, or one for all of them; any size.
            exemplar_condition: the exemplars' own conditions. Without them the maps are not
                matched and both sides use one coordinate system for the image.
            seed: seed of whatever a correspondence method draws at random.

        Returns:
            The translation, at the condition's size.

        Raises:
            ValueError: an input is of the wrong kind, size, range or number; it is named.
        """
        layout = condition_batch(condition, self.config.condition, "condition")
        images = image_batch(exemplar, "exemplar")
        maps = None
        if exemplar_condition is not None:
            maps = condition_batch(exemplar_condition, self.config.condition, "exemplar_condition")
            _same_size(images, maps, "exemplar", "exemplar_condition")
        images, maps = _match_batch(layout, images, maps)
        return self._run(layout, images, maps, seed)

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
            ValueError: an input is of the wrong kind, size, range or number; it is named.
        """
        images = image_batch(image, "image")
        before = condition_batch(condition, self.config.condition, "condition")
        after = condition_batch(edited_condition, self.config.condition, "edited_condition")
        _same_size(images, before, "image", "condition")
        _same_size(images, after, "image", "edited_condition")
        result = self._run(after, images, before, seed)
        if not keep_unedited:
            return result
        images = images.to(result.image.device)
        share = edit_share(before.to(images.device), after.to(images.device))
        blended = torch.where(share > 0, torch.lerp(images, result.image, share), images)
        return Translation(blended, result.warped, result.confidence, result.correspondence)

    @torch.no_grad()
    def _run(
        self,
        condition: Condition,
        exemplar: Tensor,
        exemplar_condition: Condition | None,
        seed: int,
    ) -> Translation:
        """Brings both sides to sizes that the network takes, runs it, and goes back."""
        size, device = condition.size, self.device
        inner = working_size(size, self.config)
        padded = tuple(math.ceil(side / self.config.stride) * self.config.stride for side in inner)
        condition = pad_condition(resize_condition(condition.to(device), inner), padded)
        exemplar = exemplar.to(device)
        side = exemplar_size((exemplar.shape[-2], exemplar.shape[-1]), inner, self.config)
        exemplar = resize_images(exemplar, side)
        if exemplar_condition is not None:
            exemplar_condition = resize_condition(exemplar_condition.to(device), side)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            output = self.network(condition, exemplar, exemplar_condition)

        def back(images: Tensor, mode: str) -> Tensor:
            whole = images
            if images.shape[-2:] != padded:
                whole = F.interpolate(images, size=padded, mode="nearest")
            cropped = whole[..., : inner[0], : inner[1]]
            return resize_images(cropped, size, mode)

        return Translation(
            image=back(output.image, "bilinear"),
            warped=back(output.alignment.warped_exemplar, "bilinear"),
            confidence=back(output.alignment.confidence, "nearest"),
            correspondence=output.alignment.correspondence,
        )


def working_size(size: tuple[int, int], config: ModelConfig) -> tuple[int, int]:
    """Returns the size that a condition is translated at, before padding to the stride.

    The condition's own, unless its area is over MAX_AREA_FACTOR times the trained one (then
    smaller) or its shorter side under two strides (then larger).
    """
    limit = MAX_AREA_FACTOR * config.image_size[0] * config.image_size[1]
    scale = min(1.0, math.sqrt(limit / (size[0] * size[1])))
    scale = max(scale, 2 * config.stride / min(size))
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def exemplar_size(
    size: tuple[int, int], target: tuple[int, int], config: ModelConfig
) -> tuple[int, int]:
    """Returns the size that an exemplar is matched at: about the condition's area, its own shape,
    both sides multiples of the model's stride."""
    scale = math.sqrt(target[0] * target[1] / (size[0] * size[1]))
    height, width = (max(round(side * scale / config.stride), 2) * config.stride for side in size)
    return height, width


def resize_images(
    images: Float[Tensor, "B C H W"], size: tuple[int, int], mode: str = "bilinear"
) -> Float[Tensor, "B C h w"]:
    """Returns images at another size; antialiased when bilinear, untouched if it is theirs."""
    if images.shape[-2:] == size:
        return images
    if mode == "nearest":
        return F.interpolate(images, size=size, mode="nearest")
    return F.interpolate(images, size=size, mode="bilinear", antialias=True).clamp(-1, 1)


def resize_condition(condition: Condition, size: tuple[int, int]) -> Condition:
    """Returns a condition at another size, by nearest neighbours."""
    if condition.size == size:
        return condition
    return Condition(
        F.interpolate(condition.channels, size=size, mode="nearest"),
        resize_regions(condition.regions, size),
    )


def pad_condition(condition: Condition, size: tuple[int, ...]) -> Condition:
    """Returns a condition padded at the bottom and right by repeating its last row and column."""
    height, width = condition.size
    rows = torch.arange(size[0], device=condition.regions.device).clamp(max=height - 1)
    columns = torch.arange(size[1], device=condition.regions.device).clamp(max=width - 1)
    return Condition(
        condition.channels[:, :, rows[:, None], columns],
        condition.regions[:, rows[:, None], columns],
    )


def edit_share(before: Condition, after: Condition) -> Float[Tensor, "B 1 H W"]:
    """Returns how much of each pixel is generated: 1 in the edit, falling to 0 around it.

    With r = 1/32 of the shorter side: 1 up to r from the edit, 0 beyond 3 r.
    """
    changed: Bool[Tensor, "B H W"] = (before.channels != after.channels).any(dim=1)
    reach = max(min(before.size) // 32, 1)
    kernel = 2 * reach + 1
    grown = F.max_pool2d(changed[:, None].float(), 2 * kernel - 1, stride=1, padding=kernel - 1)
    soft = F.avg_pool2d(grown, kernel, stride=1, padding=reach, count_include_pad=False)
    return soft


def _same_size(images: Tensor, condition: Condition, name: str, condition_name: str) -> None:
    size = (images.shape[-2], images.shape[-1])
    if size != condition.size:
        raise ValueError(
            f"{name} is {size[0]}x{size[1]} and {condition_name} is "
            f"{condition.size[0]}x{condition.size[1]} (height x width); they must be of one size"
        )
    if images.shape[0] != condition.channels.shape[0]:
        raise ValueError(
            f"{images.shape[0]} of {name}, but {condition.channels.shape[0]} of {condition_name}; "
            "give one each"
        )


def _match_batch(
    condition: Condition, images: Tensor, maps: Condition | None
) -> tuple[Tensor, Condition | None]:
    """Repeats a single exemplar for every condition."""
    count = condition.channels.shape[0]
    if images.shape[0] == 1 and count > 1:
        images = images.expand(count, -1, -1, -1)
        if maps is not None:
            maps = Condition(
                maps.channels.expand(count, -1, -1, -1), maps.regions.expand(count, -1, -1)
            )
    if images.shape[0] != count:
        raise ValueError(
            f"{count} conditions but {images.shape[0]} exemplars; give one each, or one exemplar"
        )
    return images, maps


def embedded_models() -> tuple[str, ...]:
    """Returns the names of the models that come with the package."""
    root = resources.files("rabit") / "models"
    if not root.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in root.iterdir() if (entry / WEIGHTS).is_file()))


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
    path = Path(name_or_path)
    if not path.exists():
        name = str(name_or_path)
        if name in embedded_models():
            with resources.as_file(resources.files("rabit") / "models" / name) as folder:
                stored = load_model(folder)
            return Translator(stored.network, stored.config)
        if not HUB_ID.fullmatch(name):
            raise ValueError(
                f"no model {name!r}: not an embedded one ({', '.join(embedded_models())}), not a "
                "file or folder that exists, and not a hub id (owner/name)"
            )
        path = _download(name)
    stored = load_model(path)
    return Translator(stored.network, stored.config)


def _download(name: str) -> Path:
    """Fetches a model's files from the Hugging Face hub, or finds them in its cache."""
    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"{name}: not a local file or folder, and it could not be fetched from the Hugging "
            f"Face hub ({type(error).__name__}: {error}); check the name and the connection, or "
            "give a folder"
        ) from error
