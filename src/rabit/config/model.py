"""Configuration of a translator's networks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from rabit.fields import check_at_least_zero, check_choice, check_positive

Kind = Literal["semantic", "edge", "pose"]
KINDS = ("semantic", "edge", "pose")
METHODS = ("ranking", "dense", "dense-stored", "transport", "patchmatch", "none")
STRIDES = (2, 4)
POSITIONS = ("semantic", "image", "none")
DESCRIPTORS = ("concat", "mean")
CONFIDENCES = ("block", "position")
# Cosines in float32 are not known finer: weights would be what rounding left of them.
SMALLEST_TEMPERATURE = 1e-4
# Scores in float32 differ by more: the selection is that of the best k.
SMALLEST_EPSILON = 1e-12
INJECTIONS = ("confi", "concat")
NORMS = ("batch", "instance", "position")
SHORTCUTS = ("plain", "spade")
Fit = Literal["stretch", "crop"]
FITS = ("stretch", "crop")


@dataclass(frozen=True)
class ConditionConfig:
    """What a model translates from: the `kind` of condition and the names of its channels.

    The channels are called `classes` for every kind: those of a label map, the parts of a face's
    edges or the joints of a pose. Both fields follow from the data.
    """

    kind: Kind = "semantic"
    classes: tuple[str, ...] = ("background", "object")

    def __post_init__(self) -> None:
        check_choice("condition.kind", self.kind, KINDS)
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"condition.classes is {self.classes}, expected distinct names")

    @property
    def channels(self) -> int:
        """Number of channels of the condition."""
        return len(self.classes)


@dataclass(frozen=True)
class FeatureConfig:
    """Widths of the feature extractors F_X and F_Z.

    `widths` are the channels of the first convolution (full resolution), x2 and x3 (half),
    x4 and x5 (a quarter) and x6 (half); `hidden` those inside each SPADE layer. `attention` adds a
    non-local block after x4. `norm` stands in front of every SPADE modulation: batch, instance or
    position (over the channels of each position). Where a residual block's channels change, its
    `shortcut` is a convolution ("plain"), or one behind a SPADE layer of its own. `last_norm` gives
    x6's convolution the norms of the first five.
    """

    widths: tuple[int, int, int, int, int, int] = (64, 128, 256, 512, 256, 256)
    hidden: int = 128
    norm: Literal["batch", "instance", "position"] = "batch"
    attention: bool = False
    shortcut: Literal["plain", "spade"] = "plain"
    last_norm: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != 6:
            raise ValueError(f"features.widths has {len(self.widths)} entries, expected 6")
        check_positive(**{f"features.widths[{i}]": w for i, w in enumerate(self.widths)})
        check_positive(**{"features.hidden": self.hidden})
        check_choice("features.norm", self.norm, NORMS)
        check_choice("features.shortcut", self.shortcut, SHORTCUTS)


@dataclass(frozen=True)
class PatchMatchConfig:
    """The search and the refinement of the method patchmatch.

    `candidates` are the exemplar positions kept for each position, `iterations` those of the
    search at each level, `start` the longest side of the coarsest level in positions. The refiner
    moves a match by up to `refiner_reach` positions on each axis; with `refiner_width` 0 there is
    none.
    """

    candidates: int = 16
    iterations: int = 4
    start: int = 64
    refiner_width: int = 32
    refiner_reach: float = 2.0

    def __post_init__(self) -> None:
        positive = ("candidates", "iterations", "start", "refiner_reach")
        check_positive(**{f"alignment.patchmatch.{n}": getattr(self, n) for n in positive})
        check_at_least_zero(**{"alignment.patchmatch.refiner_width": self.refiner_width})

    def options(self) -> dict[str, Any]:
        """Options of the search."""
        return {name: getattr(self, name) for name in ("candidates", "iterations", "start")}


@dataclass(frozen=True)
class TransportConfig:
    """The solver of the method transport.

    `tolerance` is that of the column sums in the 1-norm, of a total of 1; `iterations` are the most
    passes over the scores.
    """

    tolerance: float = 1e-4
    iterations: int = 500

    def __post_init__(self) -> None:
        check_positive(
            **{
                "alignment.transport.tolerance": self.tolerance,
                "alignment.transport.iterations": self.iterations,
            }
        )

    def options(self) -> dict[str, Any]:
        """Options of the solver."""
        return {"tolerance": self.tolerance, "iterations": self.iterations}


@dataclass(frozen=True)
class AlignmentConfig:
    """How condition and exemplar are matched (paper 3.1 and 3.2).

    `method` none leaves the exemplar where it is (the ablation without alignment). `stride` is the
    factor between an image's side and the correspondence's: 2 matches 128x128 places of 256x256
    pixels, 4 matches 64x64, all that dense matching could afford in CoCosNet. The head that makes
    the matched features of `channels` channels has `head_blocks` residual blocks of `head_width`.
    `position` is the encoding that is matched with them: by region (the paper's semantic one), by
    the whole image, or none. With semantic positions, `components` makes every connected component
    of a class a region of its own, and `radius` adds the distance to the region's centre as a
    channel.

    Ranking retrieves `k` blocks of `block` positions a side for every block of the condition,
    differentiably with the entropy's weight `epsilon`; attention inside them divides cosines by
    `temperature`. A block's `descriptor` is its features side by side, or their mean. `coarse` are
    the sides of larger blocks that are ranked first, largest first, `coarse_k` of each retrieved;
    `border` are
    positions around each retrieved block that attention sees as well, and with `overlap` the
    exemplar's blocks begin at every position, not on a grid. Of a `shortlist` only the blocks with
    the most similar means are ranked, instead of all (none of these three is in the paper).
    `confidence` is that of a block, from the ranking (the paper), or of each position.
    """

    method: Literal["ranking", "dense", "dense-stored", "transport", "patchmatch", "none"] = (
        "ranking"
    )
    stride: int = 2
    channels: int = 256
    head_width: int = 256
    head_blocks: int = 2
    block: int = 2
    k: int = 3
    temperature: float = 0.01
    epsilon: float = 0.04
    descriptor: Literal["concat", "mean"] = "concat"
    coarse: tuple[int, ...] = ()
    coarse_k: int = 16
    border: int = 0
    overlap: bool = False
    shortlist: int = 0
    confidence: Literal["block", "position"] = "block"
    position: Literal["semantic", "image", "none"] = "semantic"
    components: bool = False
    radius: bool = False
    patchmatch: PatchMatchConfig = field(default_factory=PatchMatchConfig)
    transport: TransportConfig = field(default_factory=TransportConfig)

    def __post_init__(self) -> None:
        check_choice("alignment.method", self.method, METHODS)
        check_choice("alignment.descriptor", self.descriptor, DESCRIPTORS)
        check_choice("alignment.confidence", self.confidence, CONFIDENCES)
        check_choice("alignment.position", self.position, POSITIONS)
        if self.stride not in STRIDES:
            raise ValueError(
                f"alignment.stride is {self.stride}, expected 2 (matched at half of the image's "
                "sides) or 4 (at a quarter)"
            )
        check_positive(
            **{
                "alignment.channels": self.channels,
                "alignment.head_width": self.head_width,
                "alignment.block": self.block,
                "alignment.k": self.k,
                "alignment.coarse_k": self.coarse_k,
                "alignment.temperature": self.temperature,
                "alignment.epsilon": self.epsilon,
            }
        )
        for name, least in (
            ("temperature", SMALLEST_TEMPERATURE),
            ("epsilon", SMALLEST_EPSILON),
            ("channels", 2),  # they are centred, which leaves nothing of one
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"alignment.{name} is {getattr(self, name)}, expected at least {least}"
                )
        check_at_least_zero(
            **{
                "alignment.head_blocks": self.head_blocks,
                "alignment.border": self.border,
                "alignment.shortlist": self.shortlist,
            }
        )
        self._check_shortlist()
        if self.overlap and self.coarse:
            raise ValueError(
                f"alignment.overlap is on and alignment.coarse is {self.coarse}: blocks inside "
                "larger ones lie on their grid; leave one of them out"
            )
        if any(large <= small or large % small for large, small in pairwise(self.sides)):
            raise ValueError(
                f"alignment.coarse is {self.coarse}, expected block sides, largest first, each a "
                f"multiple of the next and the last of alignment.block, {self.block}"
            )

    def _check_shortlist(self) -> None:
        if not self.shortlist:
            return
        if self.coarse or self.descriptor == "mean":
            raise ValueError(
                f"alignment.shortlist is {self.shortlist}, alignment.coarse {self.coarse} and "
                f"alignment.descriptor {self.descriptor}: a shortlist stands in front of two "
                "levels and concatenated features; leave one out"
            )
        if self.k > self.shortlist:
            raise ValueError(
                f"alignment.k is {self.k}, but alignment.shortlist has {self.shortlist} blocks"
            )

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the blocks of every level, largest first."""
        return (*self.coarse, self.block)

    def options(self) -> dict[str, Any]:
        """Options of the method, as `rabit.alignment.correspond` takes them."""
        if self.method == "ranking":
            names = ("block", "k", "temperature", "epsilon", "descriptor")
            more = ("coarse", "coarse_k", "border", "overlap", "shortlist", "confidence")
            return {name: getattr(self, name) for name in (*names, *more)}
        if self.method == "patchmatch":
            return {"temperature": self.temperature, **self.patchmatch.options()}
        if self.method == "transport":
            return {"temperature": self.temperature, **self.transport.options()}
        return {} if self.method == "none" else {"temperature": self.temperature}


@dataclass(frozen=True)
class GeneratorConfig:
    """Widths of the generator, coarsest resolution first, finest (the image's) last.

    `widths` are those of the residual blocks; every further resolution doubles the one before, so
    five widths start at 1/16 of the image and six at 1/32. `stem` are the channels that the first
    convolution makes of both sides' features, `hidden` those inside each SPADE layer. `injection`
    confi weights the warped exemplar's modulation by its confidence (paper 3.3), concat does not;
    `injection_width` are the channels inside it. `attention` adds a non-local block; `norm` and
    `shortcut` are as in `model.features`.
    """

    widths: tuple[int, ...] = (1024, 1024, 512, 256, 128, 64)
    stem: int = 1024
    hidden: int = 128
    injection: Literal["confi", "concat"] = "confi"
    injection_width: int = 128
    norm: Literal["batch", "instance", "position"] = "batch"
    attention: bool = True
    shortcut: Literal["plain", "spade"] = "plain"

    def __post_init__(self) -> None:
        if len(self.widths) not in (5, 6):
            raise ValueError(f"generator.widths has {len(self.widths)} entries, expected 5 or 6")
        check_positive(**{f"generator.widths[{i}]": w for i, w in enumerate(self.widths)})
        check_positive(
            **{
                "generator.stem": self.stem,
                "generator.hidden": self.hidden,
                "generator.injection_width": self.injection_width,
            }
        )
        check_choice("generator.injection", self.injection, INJECTIONS)
        check_choice("generator.norm", self.norm, NORMS)
        check_choice("generator.shortcut", self.shortcut, SHORTCUTS)

    @property
    def stride(self) -> int:
        """Factor between the image's resolution and the coarsest one."""
        return int(2 ** (len(self.widths) - 1))


@dataclass(frozen=True)
class ModelConfig:
    """Everything that a translator's networks are built from, and the size of its pictures.

    `name` is what the model is called. Pictures of another shape are brought to `image_size`
    (height and width in pixels) by `fit` in training and evaluation: stretched, or cropped.
    Convolutions start from Xavier's normal weights times `init_gain`.
    """

    name: str = "rabit"
    image_size: tuple[int, int] = (256, 256)
    fit: Fit = "stretch"
    condition: ConditionConfig = field(default_factory=ConditionConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    init_gain: float = 0.02

    def __post_init__(self) -> None:
        check_positive(init_gain=self.init_gain)
        check_choice("fit", self.fit, FITS)
        if len(self.image_size) != 2 or any(
            side <= 0 or side % self.stride for side in self.image_size
        ):
            raise ValueError(
                f"image_size is {self.image_size}, expected height and width that are multiples "
                f"of {self.stride} (of the generator's stride, {self.generator.stride}, and of the "
                f"pixels of the largest block, {self._block_stride})"
            )
        height, width = (side // self.alignment.stride for side in self.image_size)
        side = self.alignment.block
        blocks = (height // side) * (width // side)
        if self.alignment.overlap:
            blocks = (height - side + 1) * (width - side + 1)
        if self.alignment.k > blocks:
            raise ValueError(f"alignment.k is {self.alignment.k}, but there are {blocks} blocks")
        positions = height * width
        candidates = self.alignment.patchmatch.candidates
        if self.alignment.method == "patchmatch" and candidates > positions:
            raise ValueError(
                f"alignment.patchmatch.candidates is {candidates}, but there are {positions} "
                "positions"
            )

    @property
    def stride(self) -> int:
        """What height and width of an image must be a multiple of."""
        return math.lcm(self.generator.stride, self._block_stride)

    @property
    def _block_stride(self) -> int:
        """Side of the largest block in pixels of the image."""
        return self.alignment.stride * self.alignment.sides[0]
