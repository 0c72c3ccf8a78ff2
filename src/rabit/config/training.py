"""Configuration of a training: the opponent, the losses, the exemplars and the optimisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from rabit.config.model import ModelConfig
from rabit.fields import check_at_least_zero, check_choice, check_positive

BACKBONES = ("vgg19", "vgg19-distilled", "random", "none")
BEST_BY = ("perceptual", "l1", "psnr", "ssim")
MOST_SCALES = 10
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Widths of the patch discriminators (one per scale).

    `widths` are the channels of their first four convolutions, `scales` how many look, each at half
    of the size before; `attention` adds a non-local block behind the third convolution.
    """

    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    scales: int = 2
    attention: bool = True

    def __post_init__(self) -> None:
        if len(self.widths) != 4:
            raise ValueError(f"discriminator.widths has {len(self.widths)} entries, expected 4")
        check_positive(**{f"discriminator.widths[{i}]": w for i, w in enumerate(self.widths)})
        if not 1 <= self.scales <= MOST_SCALES:
            raise ValueError(f"discriminator.scales is {self.scales}, expected 1 to {MOST_SCALES}")

    @property
    def smallest(self) -> int:
        """Side in pixels from which on the coarsest scale has scores."""
        return smallest_side(self.scales)


def smallest_side(scales: int) -> int:
    """Returns the side in pixels from which on a discriminator's coarsest scale has scores.

    They are an eighth of its input, and that is half of the next finer one's.

    Args:
        scales: their number.
    """
    return 24 * 2 ** (scales - 1)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; 0 switches one off (paper 3.4, Eq. 5).

    The paper's six are `cyc` (the exemplar warped there and back), `cst` (features of truth and
    condition agree), `perc` (features of result and truth), `cxt` (features of result and exemplar,
    wherever they are), `pse` (features of result and truth of pseudo pairs) and `adv` (the
    discriminator's). `fm` (feature matching in the discriminator) and `warp` (L1 between the warped
    exemplar and the truth, where they show the same look) are extras of this family of systems.
    Features of `perc`, `cxt` and `pse` are those of the perceptual network `backbone`;
    `perc_layers`, `cxt_layers` and `pse_layers` are pairs of its layers' names and weights.
    `cxt_bandwidth` is h of the contextual similarity.
    """

    cyc: float = 1.0
    cst: float = 10.0
    perc: float = 0.001
    cxt: float = 10.0
    pse: float = 2.5
    adv: float = 10.0
    fm: float = 10.0
    warp: float = 0.0
    backbone: Literal["vgg19", "vgg19-distilled", "random", "none"] = "vgg19"
    perc_layers: tuple[tuple[str, float], ...] = (("relu4_2", 1.0),)
    cxt_layers: tuple[tuple[str, float], ...] = (
        ("relu3_2", 2.0),
        ("relu4_2", 4.0),
        ("relu5_2", 8.0),
    )
    pse_layers: tuple[tuple[str, float], ...] = (
        ("relu1_2", 1 / 32),
        ("relu2_2", 1 / 16),
        ("relu3_2", 1 / 8),
        ("relu4_2", 1 / 4),
        ("relu5_2", 1.0),
    )
    cxt_bandwidth: float = 0.1

    def __post_init__(self) -> None:
        check_choice("losses.backbone", self.backbone, BACKBONES)
        check_at_least_zero(**{f"losses.{name}": weight for name, weight in self.weights().items()})
        check_positive(**{"losses.cxt_bandwidth": self.cxt_bandwidth})
        if not any(self.weights().values()):
            raise ValueError("every weight in losses is 0, expected at least one above 0")
        needs = [n for n in ("perc", "cxt", "pse") if getattr(self, n) > 0]
        for name in ("perc", "cxt", "pse"):
            field = f"losses.{name}_layers"
            weights = [weight for _, weight in getattr(self, f"{name}_layers")]
            check_at_least_zero(**{f"{field}[{i}][1]": w for i, w in enumerate(weights)})
            if name in needs and not any(weights):
                raise ValueError(
                    f"{field} has no layer of a weight above 0, but losses.{name} is on; name one, "
                    "or set that to 0"
                )
        if self.backbone == "none" and needs:
            raise ValueError(
                f"losses.backbone is none, but {', '.join(needs)} need one; set their weights to 0 "
                "or choose a backbone"
            )

    def weights(self) -> dict[str, float]:
        """Every loss's weight by name."""
        names = ("cyc", "cst", "perc", "cxt", "pse", "adv", "fm", "warp")
        return {name: getattr(self, name) for name in names}

    def layers(self) -> tuple[str, ...]:
        """Names of the backbone's layers that the losses which are on read."""
        used = [
            (self.perc, self.perc_layers),
            (self.cxt, self.cxt_layers),
            (self.pse, self.pse_layers),
        ]
        return tuple(name for weight, pairs in used if weight for name, _ in pairs)


@dataclass(frozen=True)
class ExemplarMix:
    """Where exemplars come from while training: the probabilities of three sources.

    `hard` is the last reference of the image's list, the least like it; `easy` the first, the most
    like it; `itself` the image itself in another view: a pseudo pair, whose truth has the
    exemplar's look. Without it nothing tells the network to keep the exemplar's style; without the
    others it learns to copy the exemplar.
    """

    hard: float = 0.2
    easy: float = 0.5
    itself: float = 0.3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f"mix.{name} is {value}, expected a probability in [0, 1]")
        total = math.fsum(vars(self).values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"mix.hard, mix.easy and mix.itself sum to {total}, expected 1")

    @property
    def needs_references(self) -> bool:
        """Whether exemplars other than the image itself occur."""
        return self.hard > 0 or self.easy > 0


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation: steps, batch, learning rates and what is written how often.

    Of `steps`, each of a `batch` of samples over all processes, the learning rates `lr_generator`
    and `lr_discriminator` rise linearly over the first `warmup_steps`, stay constant, and fall
    linearly to 0 over the last `decay_steps`. Adam has `beta1` and `beta2`; `eps_generator` is
    added to the root in the generator's: gradients far below it move weights in proportion to their
    size. The model is the exponential average of the weights, with `ema` of it kept at each step.
    `seed` is that of weights, samples and their order; `workers` processes prepare samples, 0 none.

    `drop_exemplar_condition` is the share of batches trained as if the exemplar had no map; `mix`
    says where the exemplars of a folder come from, and `jitter` how much the colours of both
    pictures of a folder's sample change, in [0, 1]. `window` is the share of a picture's sides
    that a sample of a folder shows: at 0.5 samples are a quarter of the model's image size, as
    sharp, and cost a quarter; what is validated and shown stays whole. Gradients of a norm above
    `clip` are shortened to it; 0 leaves them as they are.

    Losses are logged every `log_every` steps, sample grids drawn every `sample_every`; a checkpoint
    is written every `checkpoint_every`, and the last `keep_checkpoints` are kept. At every
    checkpoint `validation` held-out samples are translated, and the checkpoint that is best by the
    figure `best_by` is kept; 0 samples validate nothing.
    """

    steps: int = 400_000
    decay_steps: int = 200_000
    warmup_steps: int = 0
    batch: int = 8
    lr_generator: float = 1e-4
    lr_discriminator: float = 4e-4
    eps_generator: float = 1e-8
    beta1: float = 0.0
    beta2: float = 0.999
    ema: float = 0.999
    clip: float = 0.0
    drop_exemplar_condition: float = 0.1
    mix: ExemplarMix = field(default_factory=ExemplarMix)
    jitter: float = 0.0
    window: float = 1.0
    seed: int = 0
    workers: int = 0
    log_every: int = 20
    sample_every: int = 1000
    checkpoint_every: int = 1000
    keep_checkpoints: int = 3
    validation: int = 8
    best_by: Literal["perceptual", "l1", "psnr", "ssim"] = "perceptual"

    def __post_init__(self) -> None:
        positive = ("steps", "batch", "log_every", "sample_every", "checkpoint_every")
        check_positive(**{f"train.{n}": getattr(self, n) for n in positive})
        check_positive(
            **{
                "train.lr_generator": self.lr_generator,
                "train.lr_discriminator": self.lr_discriminator,
                "train.eps_generator": self.eps_generator,
                "train.keep_checkpoints": self.keep_checkpoints,
            }
        )
        rates = ("beta1", "beta2", "ema", "clip")
        not_negative = (*rates, "decay_steps", "warmup_steps", "seed", "workers", "validation")
        check_at_least_zero(**{f"train.{n}": getattr(self, n) for n in not_negative})
        check_choice("train.best_by", self.best_by, BEST_BY)
        for name in ("beta1", "beta2", "ema", "drop_exemplar_condition"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"train.{name} is {getattr(self, name)}, expected [0, 1)")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"train.jitter is {self.jitter}, expected a strength from 0 to 1")
        if not 0 < self.window <= 1:
            raise ValueError(f"train.window is {self.window}, expected a share above 0, up to 1")
        if self.decay_steps > self.steps:
            raise ValueError(
                f"train.decay_steps is {self.decay_steps}, more than train.steps {self.steps}"
            )


@dataclass(frozen=True)
class EngineConfig:
    """How steps are computed, which changes what they cost and not what they mean.

    `precision` is that of the convolutions; weights, correspondence, norms and losses stay float32.
    A batch is split into `accumulate` parts that follow each other. `recompute` computes the heavy
    blocks again in the backward pass instead of keeping them; `compile` has torch compile them.
    """

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    accumulate: int = 1
    recompute: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        check_choice("engine.precision", self.precision, PRECISIONS)
        check_positive(**{"engine.accumulate": self.accumulate})
        if self.recompute and self.compile:
            raise ValueError(
                "engine.recompute and engine.compile are both on, but a compiled network chooses "
                "itself what it keeps; turn one of them off"
            )


@dataclass(frozen=True)
class ExperimentConfig:
    """A whole experiment: what a preset returns and a checkpoint records."""

    model: ModelConfig = field(default_factory=ModelConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)

    def __post_init__(self) -> None:
        if self.train.batch % self.engine.accumulate:
            raise ValueError(
                f"train.batch is {self.train.batch}, expected a multiple of engine.accumulate, "
                f"{self.engine.accumulate}"
            )
        sides = tuple(side * self.train.window for side in self.model.image_size)
        if any(side % self.model.stride for side in sides):
            raise ValueError(
                f"train.window is {self.train.window}, so that samples of image_size "
                f"{self.model.image_size} have {sides} pixels; expected multiples of "
                f"{self.model.stride}"
            )
        judged = self.losses.adv > 0 or self.losses.fm > 0
        if judged and min(sides) < self.discriminator.smallest:
            found = " x ".join(f"{side:g}" for side in sides)
            raise ValueError(
                f"samples have {found} pixels (model.image_size times train.window), expected at "
                f"least {self.discriminator.smallest} a side for {self.discriminator.scales} "
                "scales of the discriminator; ask for a larger size or lower discriminator.scales"
            )
        losses = {n: getattr(self.losses, n) for n in ("cyc", "cst", "warp")}
        on = [name for name, weight in losses.items() if weight > 0]
        if self.model.alignment.method == "none" and on:
            raise ValueError(
                f"model.alignment.method is none, but the losses {', '.join(on)} need a "
                "correspondence; set their weights to 0"
            )
