"""One alternating step over all parts of a batch: the generator's side, the discriminator's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from rabit.config import TrainConfig
from rabit.data.batch import Batch
from rabit.layers.convolution import advance_spectral
from rabit.layers.vgg import Vgg
from rabit.training.engine import Engine
from rabit.training.step import (
    GeneratorLosses,
    check_finite,
    check_gradients,
    discriminator_loss,
    generator_losses,
    weigh,
)
from rabit.training.validation import saturated


def learning_rate_factor(step: int, train: TrainConfig) -> float:
    """Returns what the learning rates are multiplied by: a line up to 1, 1, then a line down to 0.

    Args:
        step: steps taken before this one.
        train: total, warming and decaying steps.
    """
    left = train.steps - step
    decayed = 1.0 if left > train.decay_steps else left / max(train.decay_steps, 1)
    return decayed * min(1.0, (step + 1) / max(train.warmup_steps, 1))


def train_step(
    engine: Engine, backbone: Vgg | None, parts: Sequence[Batch], with_exemplar_condition: bool
) -> dict[str, float]:
    """Takes one alternating step: the generator's side, then the discriminator's.

    Args:
        engine: its training is changed in place.
        backbone: perceptual features.
        parts: this process's share of the batch, on its device.
        with_exemplar_condition: whether the network sees the exemplar's condition.

    Returns:
        Unweighted losses by name, means over the whole batch.

    Raises:
        FloatingPointError: a loss or gradient is not finite; it was not applied.
    """
    state = engine.state
    _set_learning_rates(engine)
    images, values = _generator_side(engine, backbone, parts, with_exemplar_condition)
    if state.config.losses.adv or state.config.losses.fm:
        values |= _discriminator_side(engine, parts, images)
    state.step += 1
    return values


def _set_learning_rates(engine: Engine) -> None:
    """Gives both optimisers the rates of the step to come."""
    state, train = engine.state, engine.state.config.train
    factor = learning_rate_factor(state.step, train)
    rates = (train.lr_generator, train.lr_discriminator)
    optimisers = (state.generator_optimiser, state.discriminator_optimiser)
    for optimiser, rate in zip(optimisers, rates, strict=True):
        optimiser.param_groups[0]["lr"] = rate * factor


def _generator_side(
    engine: Engine, backbone: Vgg | None, parts: Sequence[Batch], with_exemplar_condition: bool
) -> tuple[list[Tensor], dict[str, float]]:
    """Steps the network and its average; returns every part's images, and the losses."""
    state, config = engine.state, engine.state.config
    state.discriminator.requires_grad_(False)
    advance_spectral(state.network)
    engine.generator_optimiser.zero_grad(set_to_none=True)
    expected = engine.pairs_of_a_part(parts)
    images, values, residuals = [], [], [0.0]
    for index, part in enumerate(parts):
        with engine.part(engine.network, index == len(parts) - 1):
            with engine.precision(), _diverging(state.step):
                result = generator_losses(
                    state.network,
                    state.discriminator,
                    backbone,
                    part,
                    config.losses,
                    with_exemplar_condition,
                    expected,
                    engine.network,
                )
            engine.backward(weigh(result.values, config.losses))
        images.append(result.output.image.detach())
        values.append(_figures(result, part))
        residuals += [] if result.residual is None else [result.residual]
    means = engine.mean(values)
    check_finite(means, state.step)
    if not engine.scaled:
        check_gradients(state.network, "generator", state.step)
    if engine.apply(engine.generator_optimiser, state.network, config.train.clip):
        state.ema.update_parameters(state.network)
    if len(residuals) > 1:
        means["residual"] = engine.processes.largest(max(residuals))
    return images, means


def _figures(result: GeneratorLosses, part: Batch) -> dict[str, Tensor | float]:
    """Returns a part's losses, and shares: what the cycle leaves out, what is saturated."""
    figures: dict[str, Tensor | float] = {n: v.detach() for n, v in result.values.items()}
    figures["saturated"] = saturated(result.output.image.detach(), part.truth).mean()
    if result.masked is not None:
        figures["cycle_masked"] = result.masked
    return figures


@contextmanager
def _diverging(step: int) -> Iterator[None]:
    """Says of features that are not finite what that means for a training."""
    try:
        yield
    except ValueError as error:
        if not any(sign in str(error) for sign in ("NaN", "overflow")):
            raise ValueError(f"step {step}: {error}") from error
        raise FloatingPointError(
            f"step {step}: the network's own features cannot be compared, so no loss could be "
            f"computed ({error}). The weights have diverged: lower the learning rate, and resume "
            "from an earlier checkpoint"
        ) from error


def _discriminator_side(
    engine: Engine, parts: Sequence[Batch], images: Sequence[Tensor]
) -> dict[str, float]:
    """Steps the discriminator on the images that the network has just made."""
    state = engine.state
    state.discriminator.requires_grad_(True)
    advance_spectral(state.discriminator)
    engine.discriminator_optimiser.zero_grad(set_to_none=True)
    values = []
    for index, (part, image) in enumerate(zip(parts, images, strict=True)):
        with engine.part(engine.discriminator, index == len(parts) - 1):
            with engine.precision():
                loss = discriminator_loss(engine.discriminator, part, image)
            engine.backward(loss)
        values.append({"discriminator": loss.detach()})
    means = engine.mean(values)
    check_finite(means, state.step)
    if not engine.scaled:
        check_gradients(state.discriminator, "discriminator", state.step)
    engine.apply(engine.discriminator_optimiser, state.discriminator, state.config.train.clip)
    return means
