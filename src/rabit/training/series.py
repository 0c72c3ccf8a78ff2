"""What is remembered of a series of values while it comes in: spells, levels, constants.

All fields are plain numbers and tuples of them, so that a checkpoint can hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

# The levels of a loss are medians of this many values, so that no single batch sets one.
BLOCK = 16
# A loss explodes where most of its last values are this many times its lowest level, and more than
# twice its level at the start: that of cst falls to a fortieth in a healthy run.
EXPLOSION = 8.0
RECENT = 5
# Values that differ by less than this share of them are the same.
CONSTANT = 1e-4
FEWEST_VALUES = 20
SMOOTHING = 0.1


@dataclass
class Spell:
    """How long something has held without a break, and whether it was told."""

    since: int = 0
    count: int = 0
    told: bool = False

    def news(self, holds: bool, step: int, steps: int = 0, count: int = 1) -> bool:
        """Takes in whether it holds; true once a spell, when it has lasted long enough.

        Args:
            holds: whether it does at this step.
            step: the step.
            steps: how many it has to last.
            count: how often it has to be seen.
        """
        if not holds:
            self.count, self.told = 0, False
            return False
        if self.count == 0:
            self.since = step
        self.count += 1
        lasted = self.count >= count and step - self.since >= steps
        news = lasted and not self.told
        self.told = self.told or lasted
        return news


@dataclass
class Level:
    """What is usual for a loss: its levels so far, and its last values with their steps."""

    block: tuple[float, ...] = ()
    start: float | None = None
    lowest: float | None = None
    recent: tuple[tuple[int, float], ...] = ()
    told: bool = False

    def news(self, step: int, value: float, scale: float) -> tuple[int, float, float] | None:
        """Takes in a value; where an explosion begins returns its step, height and the level.

        A 0 is no value: losses of pairs are 0 where a batch has none.
        """
        if not value:
            return None
        self.recent = (*self.recent, (step, abs(value)))[-RECENT:]
        found = None
        if self.start is not None and self.lowest is not None:
            level = max(self.lowest, scale)
            limit = max(EXPLOSION * level, 2 * self.start)
            above = [(at, height) for at, height in self.recent if height > limit]
            if len(above) > RECENT // 2 and not self.told:
                self.told = True
                found = above[0][0], median(height for _, height in above), level
            elif self.told and all(height < limit / 2 for _, height in self.recent):
                self.told = False
        self.block = (*self.block, abs(value))
        if len(self.block) == BLOCK:
            level = median(self.block)
            self.start = level if self.start is None else self.start
            self.lowest = level if self.lowest is None else min(level, self.lowest)
            self.block = ()
        return found


@dataclass
class Constant:
    """The range of a loss since it last changed."""

    low: float = 0.0
    high: float = 0.0
    since: int = 0
    count: int = 0
    told: bool = False

    def news(self, step: int, value: float, patience: int) -> bool:
        """Takes in a value; true once, when none has differed for long."""
        low, high = min(self.low, value), max(self.high, value)
        if self.count == 0 or high - low > CONSTANT * max(abs(low), abs(high)):
            self.low, self.high, self.since, self.count, self.told = value, value, step, 1, False
            return False
        self.low, self.high, self.count = low, high, self.count + 1
        if self.told or self.count < FEWEST_VALUES or step - self.since < patience:
            return False
        self.told = True
        return True


@dataclass
class Smooth:
    """The smoothed hinge loss and score, and how far scores lie from the smoothed one."""

    loss: float | None = None
    adv: float | None = None
    deviation: float = 1.0

    def take(self, loss: float, adv: float | None) -> None:
        """Takes in a step; adv is None where that loss is off."""
        self.loss = loss if self.loss is None else self.loss + SMOOTHING * (loss - self.loss)
        if adv is not None:
            self.adv = adv if self.adv is None else self.adv + SMOOTHING * (adv - self.adv)
            self.deviation += SMOOTHING * (abs(adv - self.adv) - self.deviation)
