"""Watching a training: what goes wrong without an error is said in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rabit.fields import from_dict, to_dict
from rabit.training.series import Constant, Level, Smooth, Spell

# Scales of the losses that may be 0, or change sign, in a healthy run.
SCALES = {"adv": 1.0, "discriminator": 2.0}
# Values that are logged with the losses, but are none.
NO_LOSSES = ("cycle_masked", "residual", "saturated")
# The losses that a discriminator's verdict shows in.
JUDGED = ("adv", "discriminator")
PAIRED = ("pse", "warp")
SPELLS = ("wins", "idle", "copied", "colour", "ends")
# How near the discriminator's smoothed loss is to 0 if it always wins; how near to 2 and how still
# adv is if it tells nothing. Healthy short runs have losses of 1 to 2 and deviations above 0.1.
WINS = 0.1
IDLE_LOSS, IDLE_ADV = 0.03, 0.02
SATURATION = (
    "the last tanh is saturated and learns no more; start again with train.warmup_steps of 200 or "
    "more and lower train.lr_generator and train.lr_discriminator"
)
# Figures of validations that are wrong, if they are found twice in a row; the last of steps too, if
# it is found this often in a row.
COPIED = 0.4
ONE_COLOUR = 0.1
SATURATED = 0.5
VALIDATIONS = 2
STEPS = 10


class Watch:
    """Tells once an episode what goes wrong in a training, by its losses and validations.

    It knows: a loss that explodes, one that stays at a constant, a discriminator that always wins
    or tells nothing, results that copy the exemplar, results of one colour, and results of the
    darkest and brightest values alone. Values that are no numbers are not its matter: steps and
    validations raise.

    All that it remembers is `state_dict`, so that a run that goes on from a checkpoint warns as
    one that was never stopped.

    Args:
        steps: of the training in all; "for long" is a twentieth of it, from 100 to 1000 steps.

    Example:
        >>> watch = Watch(steps=2000)
        >>> for step in range(1, 60):
        ...     for warning in watch.step(step, {"perc": 1.0 if step < 50 else 40.0}):
        ...         print(warning.partition(":")[0])
        since step 50 the loss perc is 40 times its level before (40, was 1)
    """

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"steps is {steps}, expected 1 or more")
        self.patience = min(max(steps // 20, 100), 1000)
        self._levels: dict[str, Level] = {}
        self._constants: dict[str, Constant] = {}
        self._smooth = Smooth()
        self._spells = {name: Spell() for name in SPELLS}

    def step(self, step: int, losses: Mapping[str, float]) -> list[str]:
        """Takes in a step.

        Args:
            step: its number, from 1 on; steps may be left out.
            losses: unweighted losses by name, and what is logged with them.

        Returns:
            New warnings, each a sentence.
        """
        values = {
            name: value
            for name, value in losses.items()
            if name not in NO_LOSSES and math.isfinite(value)
        }
        warnings = []
        for name, value in values.items():
            found = self._levels.setdefault(name, Level()).news(step, value, SCALES.get(name, 0.0))
            if found is not None:
                warnings.append(_exploding(name, *found))
        stuck = [
            name
            for name, value in values.items()
            if name not in JUDGED
            and self._constants.setdefault(name, Constant()).news(step, value, self.patience)
        ]
        return [
            *warnings, *self._stuck(stuck), *self._opponent(step, values),
            *self._ends(step, losses.get("saturated", 0.0)),
        ]  # fmt: skip

    def validated(self, step: int, figures: Mapping[str, float]) -> list[str]:
        """Takes in the figures of a validation, see `rabit.training.validation`.

        Args:
            step: the steps taken before it.
            figures: by name.

        Returns:
            New warnings, each a sentence.
        """
        warnings = []
        copied, spread = figures.get("copied_structure", 0.0), figures.get("spread", 1.0)
        spell = self._spells["copied"]
        if spell.news(copied > COPIED, step, count=VALIDATIONS):
            warnings.append(
                f"since the validation at step {spell.since} results copy the exemplar (its "
                f"structure shows by {copied:.2f}, where 0 is as little as in the truth and 1 a "
                "copy): the condition is not followed; train with a smaller train.mix.itself and a "
                "larger train.mix.hard, and see with rabit data check whether every condition "
                "belongs to its photograph"
            )
        saturated = figures.get("saturated", 0.0)
        spell = self._spells["colour"]
        if spell.news(spread < ONE_COLOUR or saturated > SATURATED, step, count=VALIDATIONS):
            warnings.append(
                f"since the validation at step {spell.since} results are of one colour or of the "
                f"darkest and brightest alone (spread is {spread:.2f} of the photographs', "
                f"{100 * saturated:.0f} % of the values lie at an end of the range): {SATURATION}"
            )
        return warnings

    def state_dict(self) -> dict[str, Any]:
        """Returns all that is remembered, as plain numbers, tuples and mappings."""
        return {
            "levels": {name: to_dict(level) for name, level in self._levels.items()},
            "constants": {name: to_dict(each) for name, each in self._constants.items()},
            "smooth": to_dict(self._smooth),
            "spells": {name: to_dict(spell) for name, spell in self._spells.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned, also from JSON.

        Raises:
            ValueError: it is something else; nothing is changed.
        """
        where = "state of the watch"
        parts = ("levels", "constants", "smooth", "spells")
        if not isinstance(state, Mapping) or set(state) != set(parts):
            raise ValueError(f"{where}: expected {', '.join(parts)}; the checkpoint is damaged")
        if not all(isinstance(state[part], dict) for part in parts):
            raise ValueError(f"{where}: a part is no mapping; the checkpoint is damaged")
        levels = {n: from_dict(Level, d, f"{where}: {n}") for n, d in state["levels"].items()}
        constants = {
            n: from_dict(Constant, d, f"{where}: {n}") for n, d in state["constants"].items()
        }
        smooth = from_dict(Smooth, state["smooth"], where)
        spells = {n: from_dict(Spell, d, f"{where}: {n}") for n, d in state["spells"].items()}
        if not set(spells) <= set(SPELLS):
            raise ValueError(f"{where}: spells are {', '.join(spells)}; the checkpoint is damaged")
        self._levels, self._constants, self._smooth, self._spells = (
            levels, constants, smooth, {name: Spell() for name in SPELLS} | spells,
        )  # fmt: skip

    def _stuck(self, names: Sequence[str]) -> list[str]:
        """Says which losses have not changed for long; those without pairs in one sentence."""
        constants = self._constants
        unpaired = [n for n in names if n in PAIRED and constants[n].high == 0 == constants[n].low]
        warnings = [
            f"since step {constants[name].since} the loss {name} stays at "
            f"{constants[name].high:.4g} whatever the batch: nothing is learned from it; look at "
            "the sample grids, and if they stay the same too, start again with a lower "
            "train.lr_generator"
            for name in names
            if name not in unpaired
        ]
        if unpaired:
            off = " and ".join(f"losses.{name}=0" for name in unpaired)
            warnings.append(
                f"since step {constants[unpaired[0]].since} {' and '.join(unpaired)} stay at 0, "
                "as no sample's truth has its exemplar's look: nothing teaches to keep that look; "
                f"raise train.mix.itself, or set {off}"
            )
        return warnings

    def _ends(self, step: int, saturated: float) -> list[str]:
        """Says if most values of the results that a step was taken with lie at an end."""
        spell = self._spells["ends"]
        if not spell.news(saturated > SATURATED, step, count=STEPS):
            return []
        return [
            f"since step {spell.since} results are black and white ({100 * saturated:.0f} % of the "
            f"values lie at an end of the range): {SATURATION}, or resume from a checkpoint before "
            f"step {spell.since}"
        ]

    def _opponent(self, step: int, values: Mapping[str, float]) -> list[str]:
        """Says if the discriminator's hinge loss shows that it always wins or tells nothing."""
        loss, smooth = values.get("discriminator"), self._smooth
        if loss is None:
            return []
        smooth.take(loss, values.get("adv"))
        assert smooth.loss is not None
        warnings = []
        # A spell that was told ends only well away from its limit, so that it is not told again.
        wins, idle = self._spells["wins"], self._spells["idle"]
        if wins.news(smooth.loss < WINS * (1 + wins.told), step, self.patience):
            warnings.append(
                f"since step {wins.since} the discriminator wins every time (its loss is "
                f"{smooth.loss:.2g}): adv no longer tells the generator where to go; lower "
                "train.lr_discriminator, or both learning rates"
            )
        still = values.get("adv") is None or smooth.deviation < IDLE_ADV * (1 + idle.told)
        near = abs(smooth.loss - 2) < IDLE_LOSS * (1 + idle.told)
        if idle.news(near and still, step, self.patience):
            warnings.append(
                f"since step {idle.since} the discriminator tells nothing (its loss stays at 2 and "
                "its scores are the same for every image): adv is without effect; raise "
                "train.lr_discriminator, or start again with another train.seed"
            )
        return warnings


def _exploding(name: str, since: int, height: float, level: float) -> str:
    """Says that a loss explodes, and what to do."""
    rate = "train.lr_discriminator" if name == "discriminator" else "train.lr_generator"
    weight = "" if name == "discriminator" else f" or losses.{name}"
    return (
        f"since step {since} the loss {name} is {height / level:.3g} times its level before "
        f"({height:.3g}, was {level:.3g}): the training diverges; lower {rate}{weight} and resume "
        "from a checkpoint before that step"
    )
