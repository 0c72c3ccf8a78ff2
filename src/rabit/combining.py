"""Several exemplars for one condition: one for each region, or a style between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rabit.alignment.features import FeaturePyramid
from rabit.alignment.network import Alignment, resize_regions
from rabit.config import ConditionConfig
from rabit.fields import is_number, is_whole
from rabit.inputs import ConditionInput, ImageInput
from rabit.sizing import Layout
from rabit.translation import Matching, Sizes, Translation, exemplar_pixels

MAX_WEIGHT = 1e6
"""The largest weight of an exemplar."""


@dataclass(frozen=True)
class Exemplar:
    """A photograph that gives its look to all of a condition or to some of its classes.

    Args:
        image: see `rabit.inputs.image_batch` for the types.
        condition: its own condition; without it the maps are not matched.
        classes: ids of the classes of a semantic condition that it paints; None for those that no
            other exemplar claims.
        weight: its share among the exemplars that paint the same class, 0 to MAX_WEIGHT.
    """

    image: ImageInput
    condition: ConditionInput | Layout | None = None
    classes: Sequence[int] | None = None
    weight: float = 1.0


def class_shares(exemplars: Sequence[Exemplar], config: ConditionConfig) -> Float[Tensor, "E K"]:
    """Returns how much each exemplar gives to each class.

    A class belongs to the exemplars that claim it; one that none claims to those that claim
    nothing; and where there are none of these either, to all.

    Args:
        exemplars: at least one.
        config: what the model translates from.

    Returns:
        Shares of a sum of 1 in each of K columns: the classes, or 1 column for all of a condition
        that has no classes.

    Raises:
        ValueError: there are no exemplars, one is something else, a weight is negative or no
            number, a class is not the model's, or the exemplars of a class have no weight.
    """
    if not isinstance(exemplars, Sequence) or not exemplars:
        found = "empty" if isinstance(exemplars, Sequence) else f"a {type(exemplars).__name__}"
        raise ValueError(f"exemplars is {found}, expected a list of at least one rabit.Exemplar")
    columns = config.channels if config.kind == "semantic" else 1
    weights = torch.zeros(len(exemplars), columns, dtype=torch.float64)
    claims = torch.zeros(len(exemplars), columns, dtype=torch.bool)
    for i, exemplar in enumerate(exemplars):
        name = f"exemplars[{i}]"
        if not isinstance(exemplar, Exemplar):
            raise ValueError(
                f"{name} is a {type(exemplar).__name__}, expected rabit.Exemplar(photograph, its "
                "condition, …)"
            )
        if not is_number(exemplar.weight) or not 0 <= exemplar.weight <= MAX_WEIGHT:
            raise ValueError(
                f"{name}.weight is {exemplar.weight!r}, expected a number from 0 to {MAX_WEIGHT:g}"
            )
        weights[i] = exemplar.weight
        if exemplar.classes is not None:
            claims[i, _class_ids(exemplar.classes, f"{name}.classes", config)] = True
    free = torch.tensor([exemplar.classes is None for exemplar in exemplars])
    claims |= free[:, None] & ~claims.any(dim=0)
    claims |= ~claims.any(dim=0)
    weights = weights.masked_fill(~claims, 0)
    total = weights.sum(dim=0)
    for column in (total == 0).nonzero().flatten().tolist():
        painters = ", ".join(f"exemplars[{i}]" for i in claims[:, column].nonzero().flatten())
        what = config.classes[column] if config.kind == "semantic" else "the condition"
        raise ValueError(f"{painters}: weights of 0 for {what}, expected one above 0")
    return (weights / total).float()


def _class_ids(classes: Sequence[int], name: str, config: ConditionConfig) -> list[int]:
    if config.kind != "semantic":
        raise ValueError(
            f"{name} is {classes!r}, but {config.kind} conditions have no classes; expected None"
        )
    if not isinstance(classes, Iterable):
        raise ValueError(f"{name} is {classes!r}, expected a list of ids, or None")
    ids = list(classes)
    for i in ids:
        if not is_whole(i) or not 0 <= i < config.channels:
            raise ValueError(f"{name} has {i!r}, expected ids from 0 to {config.channels - 1}")
    if not ids:
        raise ValueError(f"{name} is empty, expected ids of classes, or None")
    return ids


@dataclass(frozen=True)
class Blend:
    """What each exemplar gives to each place of one condition.

    Args:
        shares: (E, K) of the exemplars that give anything.
        columns: (1, H, W) which of the K columns each pixel of the condition has.
        exemplars: numbers of these exemplars, counted among all.
    """

    shares: Float[Tensor, "E K"]
    columns: Int[Tensor, "1 H W"]
    exemplars: tuple[int, ...]

    @classmethod
    def of(cls, shares: Float[Tensor, "E K"], regions: Int[Tensor, "1 H W"]) -> Blend:
        """Leaves out exemplars that a condition's regions have no use for.

        Args:
            shares: as `class_shares` gives them.
            regions: of the condition, as the network reads it.

        Raises:
            ValueError: a region is no class.
        """
        if shares.shape[1] > 1 and int(regions.max()) >= shares.shape[1]:
            raise ValueError(
                f"condition has regions up to {int(regions.max())}, expected ids of classes, 0 to "
                f"{shares.shape[1] - 1}"
            )
        shares = shares.to(regions.device)
        columns = regions if shares.shape[1] > 1 else torch.zeros_like(regions)
        used = (shares[:, columns.unique()] > 0).any(dim=1)
        return cls(shares[used], columns, tuple(used.nonzero().flatten().tolist()))

    def weights(self, size: tuple[int, int]) -> Float[Tensor, "E 1 1 h w"]:
        """Returns the share of each exemplar at each place of a feature map."""
        return self.shares[:, resize_regions(self.columns, size)][:, :, None]

    def strongest(self, size: tuple[int, int]) -> Int[Tensor, "1 h w"]:
        """Returns which exemplar of those left has the largest share at each place."""
        return self.weights(size).argmax(dim=0)[:, 0]

    def merge(self, alignments: Sequence[Alignment]) -> Alignment:
        """Returns one alignment: warped exemplar, warped features and confidence are the sums.

        Args:
            alignments: of one condition, with each exemplar that is left.

        Returns:
            The alignment that the generator reads, without a correspondence; its features of the
            exemplar are the first one's.
        """
        first = alignments[0]
        if len(alignments) == 1:
            return first
        return replace(
            first,
            warped_features=FeaturePyramid(
                *(
                    self._sum([alignment.warped_features.scale(i) for alignment in alignments])
                    for i in range(1, 6)
                )
            ),
            confidence=self._sum([alignment.confidence for alignment in alignments]),
            correspondence=None,
        )

    def _sum(self, parts: Sequence[Tensor]) -> Tensor:
        """Returns the weighted sum of what lies at one scale."""
        weights = self.weights((parts[0].shape[-2], parts[0].shape[-1]))
        return (torch.stack(list(parts)) * weights).sum(dim=0)


@dataclass(frozen=True)
class Aligned:
    """A condition matched with exemplars, as the network gives it.

    Args:
        sizes: that the condition was worked at.
        alignments: with each exemplar; of a single one it may be a batch.
        given: the exemplars' own heights and widths in pixels.
        blend: of several exemplars for one condition; None for one each.
    """

    sizes: Sizes
    alignments: tuple[Alignment, ...]
    given: tuple[tuple[int, int], ...]
    blend: Blend | None = None

    @cached_property
    def merged(self) -> Alignment:
        """The one alignment that the generator reads."""
        return self.alignments[0] if self.blend is None else self.blend.merge(self.alignments)

    def translation(self, image: Float[Tensor, "B 3 H W"]) -> Translation:
        """Returns the result at the condition's size.

        Args:
            image: what the generator made of the merged alignment.
        """
        return Translation(image=self.sizes.back(image, "bilinear"), **vars(self.matching()))

    def matching(self) -> Matching:
        """Returns what was matched, at the condition's size."""
        matches, sources = self._places()
        return Matching(
            warped=self.sizes.back(self.merged.warped_exemplar, "bilinear"),
            confidence=self.sizes.back(self.merged.confidence, "nearest"),
            matches=matches,
            correspondence=self.merged.correspondence,
            sources=sources,
        )

    def _places(self) -> tuple[Tensor | None, Tensor | None]:
        """Returns the matches in pixels, and which of several exemplars they lie in."""
        found = [alignment.correspondence for alignment in self.alignments]
        places = [
            exemplar_pixels(correspondence, size)
            for correspondence, size in zip(found, self.given, strict=True)
            if correspondence is not None
        ]
        if not places:
            return None, None
        chosen, sources = places[0], None
        if self.blend is not None:
            strongest = self.blend.strongest((chosen.shape[1], chosen.shape[2]))
            index = strongest[None, ..., None]
            chosen = torch.take_along_dim(torch.stack(places), index, dim=0)[0]
            numbers = torch.tensor(self.blend.exemplars, device=strongest.device)[strongest]
            sources = self.sizes.back(numbers[:, None], "nearest")[:, 0].long()
        matches = self.sizes.back(chosen.permute(0, 3, 1, 2), "nearest").permute(0, 2, 3, 1)
        return matches, sources
