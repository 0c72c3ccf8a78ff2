"""Image in, image out: the translator that the command line, editors and evaluation call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rabit.combining import Aligned, Blend, Exemplar, class_shares
from rabit.config import ModelConfig
from rabit.data.condition_files import drawn_channels
from rabit.fields import check_choice, is_whole
from rabit.functional.condition import Condition
from rabit.functional.draws import drawing_from
from rabit.inputs import ConditionInput, ImageInput, image_batch
from rabit.model.network import TranslationNetwork, check_network
from rabit.model.sources import find_model
from rabit.model.storage import load_model, network_of, save_model
from rabit.precision import PRECISIONS, Computed, Precision, computed_in
from rabit.sides import Conditions, Side, check_edit, read_layout, read_side
from rabit.sizing import Layout, edit_share, exemplar_size, resize_images
from rabit.translation import Matching, Sizes, Translation, exemplar_pixels

__all__ = ["Exemplar", "Matching", "Translation", "Translator", "exemplar_pixels", "load"]


class Translator:
    """Translates conditions into photographs with an exemplar's look, and edits photographs.

    Args:
        network: the trained network; it is put into evaluation mode, and its weights are laid out
            channels-last.
        config: its configuration.
        folder: where it was loaded from; None for one that was not.
        precision: what the networks compute in: "float32"; "bfloat16", their convolutions and
            products of features rounded to 8 binary digits, which is faster where the device has
            instructions for it (the correspondence, statistics and sums stay float32); or "auto",
            bfloat16 on such a device.

    Raises:
        ValueError: there is no such precision, the network is wrapped in another module, or its
            weights are not float32.

    Example:
        >>> import numpy, rabit
        >>> translator = rabit.load("scenes-small")
        >>> labels = numpy.zeros((128, 128), numpy.uint8)
        >>> exemplar = numpy.full((128, 128, 3), 200, numpy.uint8)
        >>> translator.translate(labels, exemplar, labels).image.shape
        torch.Size([1, 3, 128, 128])
    """

    def __init__(
        self,
        network: TranslationNetwork,
        config: ModelConfig,
        folder: Path | None = None,
        precision: Precision = "float32",
    ) -> None:
        check_choice("precision", precision, PRECISIONS)
        check_network(network)
        # In this order of the weights a picture takes a CPU 5 to 25% less time.
        placed: Any = network.eval()
        self.network: TranslationNetwork = placed.to(memory_format=torch.channels_last)
        self.config = config
        self.folder = folder
        self.precision = precision

    def __repr__(self) -> str:
        """Says what it translates, at which size it was trained, and where it computes."""
        kind, count = self.config.condition.kind, len(self.classes)
        height, width = self.config.image_size
        return (
            f"Translator({kind} conditions of {count} channels, trained at {height}×{width}, "
            f"{self.computed_in} on {self.device})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets other processes have it: pickled is what a model's folder holds."""
        weights = self.network.state_dict()
        return _restored, (self.config, weights, self.folder, self.precision, self.device)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the condition's classes, by id."""
        return self.config.condition.classes

    @property
    def device(self) -> torch.device:
        """Where the network is; inputs are moved there."""
        return next(self.network.parameters()).device

    @property
    def computed_in(self) -> Computed:
        """What the networks compute in on this device."""
        return computed_in(self.precision, self.device)

    def with_precision(self, precision: Precision) -> Translator:
        """Returns a translator of the same network that computes in another precision.

        Raises:
            ValueError: there is no such precision.
        """
        return Translator(self.network, self.config, self.folder, precision)

    def to(self, device: torch.device | str) -> Translator:
        """Moves the network to a device and returns the translator.

        Raises:
            ValueError: it is a dtype; what is computed in has `with_precision`.
        """
        if isinstance(device, torch.dtype):
            raise ValueError(
                f"{device} is no device; weights stay float32, and with_precision('bfloat16') "
                "computes in less"
            )
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
        if not (dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point)):
            raise ValueError(f"dtype is {dtype!r}, expected a floating-point type of torch or None")
        save_model(Path(folder), self.network, self.config, dtype=dtype, overwrite=overwrite)

    def translate(
        self,
        condition: Conditions,
        exemplar: ImageInput | Sequence[ImageInput],
        exemplar_condition: Conditions | None = None,
        seed: int = 0,
    ) -> Translation:
        """Makes photographs with the layout of the condition and the look of the exemplar.

        Args:
            condition: one or a batch; see `rabit.inputs.layout_batch` for the types. The joints of
                a pose file are places in a picture of the exemplar's size.
            exemplar: one for every condition or one for all, of any size; see
                `rabit.inputs.image_batch` for the types.
            exemplar_condition: the exemplars' own conditions. Without them the maps are not
                matched and both sides use one coordinate system for the image; plain edges are
                found in the exemplars.
            seed: seed of whatever a correspondence method draws at random, from 0.

        Returns:
            The translation, at the condition's size.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: an input is of the wrong kind, size, range or number; it is named.
        """
        config = self.config.condition
        side = read_side(exemplar, exemplar_condition, config, "exemplar", "exemplar_condition")
        layout = read_layout(condition, config, "condition", side.size)
        side = side.expand(len(layout)) if len(side) == 1 else side
        if len(side) != len(layout):
            raise ValueError(
                f"condition has {len(layout)} items but exemplar {len(side)}; give one exemplar "
                "each, or one for all"
            )
        return self._run(layout, side, seed)

    @torch.no_grad()
    def combine(
        self,
        condition: ConditionInput | Layout,
        exemplars: Sequence[Exemplar],
        seed: int = 0,
    ) -> Translation:
        """Makes a photograph with the layout of one condition and the looks of several exemplars.

        Each is matched and warped for itself; warped exemplars, their features and confidences are
        summed, place by place, with the exemplars' shares of the place's class. A class that one
        exemplar alone claims looks like that one; exemplars that share a class give a style
        between theirs.

        Args:
            condition: one; see `translate`. The joints of a pose file are places in a picture of
                the first exemplar's size.
            exemplars: at least one. One gives what `translate` gives.
            seed: as for `translate`, the same for every exemplar.

        Returns:
            The translation, at the condition's size. Matches and sources are those of the exemplar
            with the largest share.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: an input is of the wrong kind, size, range or number; it is named.
        """
        aligned = self._align(condition, exemplars, seed)
        with self._running(seed):
            image = self.network.generator(aligned.merged)
        return aligned.translation(image)

    @torch.no_grad()
    def match(
        self,
        condition: ConditionInput | Layout,
        exemplars: Sequence[Exemplar],
        seed: int = 0,
    ) -> Matching:
        """Matches a condition with exemplars as `combine` does, without making the photograph.

        Args:
            condition: as for `combine`.
            exemplars: as for `combine`.
            seed: as for `combine`.

        Returns:
            What `combine` returns but for the image.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: an input is of the wrong kind, size, range or number; it is named.
        """
        return self._align(condition, exemplars, seed).matching()

    @torch.no_grad()
    def edit(
        self,
        image: ImageInput | Sequence[ImageInput],
        condition: Conditions,
        edited_condition: Conditions,
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
        config = self.config.condition
        images = image_batch(image, "image")
        size = (images.shape[-2], images.shape[-1])
        given = read_layout(condition, config, "condition", size)
        edited = read_layout(edited_condition, config, "edited_condition", size)
        side = read_side(images, given, config, "image", "condition")
        after = read_side(images, edited, config, "image", "edited_condition").layout
        check_edit(given, edited)
        before = side.layout
        assert before is not None and after is not None
        result = self._run(after, side, seed)
        if not keep_unedited:
            return result
        # A line that moves changes distances to it far away, where nothing is edited.
        changed = before.differs(after, drawn_channels(config.classes))
        share = edit_share(changed.to(self.device))
        # Where the share is 0 this adds 0: the photograph's pixels stay theirs bit for bit.
        return replace(result, image=torch.lerp(side.images.to(self.device), result.image, share))

    @torch.no_grad()
    def _run(self, layout: Layout, side: Side, seed: int) -> Translation:
        """Brings both sides to sizes that the network takes, runs it, and goes back."""
        sizes = Sizes.of(layout.size, self.config)
        condition = sizes.condition(layout.to(self.device))
        exemplar, maps = self._fitting(side, sizes)
        with self._running(seed):
            output = self.network(condition, exemplar, maps)
        aligned = Aligned(sizes, (output.alignment,), (side.size,))
        return aligned.translation(output.image)

    def _align(
        self, condition: ConditionInput | Layout, exemplars: Sequence[Exemplar], seed: int
    ) -> Aligned:
        """Matches one condition with every exemplar that it has a use for."""
        config = self.config.condition
        shares = class_shares(exemplars, config)
        sides = [
            read_side(
                exemplar.image, exemplar.condition, config, f"{name}.image", f"{name}.condition"
            )
            for name, exemplar in ((f"exemplars[{i}]", e) for i, e in enumerate(exemplars))
        ]
        layout = read_layout(condition, config, "condition", sides[0].size)
        counts = {"condition": len(layout)}
        counts |= {f"exemplars[{i}]": len(side) for i, side in enumerate(sides)}
        for name, count in counts.items():
            if count != 1:
                raise ValueError(f"{name} has {count} items, expected one; combine them one by one")
        sizes = Sizes.of(layout.size, self.config)
        network_condition = sizes.condition(layout.to(self.device))
        blend = Blend.of(shares, network_condition.regions)
        sides = [sides[i] for i in blend.exemplars]
        alignments = []
        for side in sides:
            exemplar, maps = self._fitting(side, sizes)
            with self._running(seed):
                alignments.append(self.network.alignment(network_condition, exemplar, maps))
        return Aligned(sizes, tuple(alignments), tuple(side.size for side in sides), blend)

    @contextmanager
    def _running(self, seed: int) -> Iterator[None]:
        """Lets the network run with a seed and in the translator's precision, not the caller's."""
        half = self.computed_in == "bfloat16"
        with (
            drawing_from(_seeded(seed, self.device)),
            torch.autocast(self.device.type, torch.bfloat16, enabled=half),
        ):
            yield

    def _fitting(self, side: Side, sizes: Sizes) -> tuple[Tensor, Condition | None]:
        """Brings exemplars and their conditions to the size that they are matched at."""
        size, layout = exemplar_size(side.size, sizes.inner, self.config), side.layout
        images = resize_images(side.images.to(self.device), size)
        return images, None if layout is None else layout.to(self.device).resize(size).condition()


def _seeded(seed: int, device: torch.device) -> torch.Generator:
    """Returns a device's generator with a seed; torch's own, which others draw from, stay."""
    if not is_whole(seed) or not 0 <= seed < 2**63:
        raise ValueError(f"seed is {seed!r}, expected a whole number from 0 to 2^63 - 1")
    return torch.Generator(device).manual_seed(int(seed))


def _restored(
    config: ModelConfig,
    weights: dict[str, Tensor],
    folder: Path | None,
    precision: Precision,
    device: torch.device,
) -> Translator:
    """Returns a translator that was pickled."""
    network = network_of(config, weights, "a pickled translator")
    return Translator(network, config, folder, precision).to(device)


def load(name_or_path: str | Path, precision: Precision = "float32") -> Translator:
    """Loads a translator.

    Args:
        name_or_path: the name of an embedded model, a folder or .safetensors file that
            `Translator.save` or training wrote, or a Hugging Face hub id (owner/name).
        precision: what its networks compute in, see `Translator`.

    Returns:
        The translator, on the CPU.

    Raises:
        ValueError: there is no such model or precision, or its files are damaged.
    """
    path = find_model(name_or_path)
    stored = load_model(path)
    folder = path.parent if path.is_file() else path
    return Translator(stored.network, stored.config, folder, precision)
