from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rabit.training.watch import Watch

STEPS = 2000
PATIENCE = 100

Losses = dict[str, float]
Change = Callable[[int, Losses], Losses]

# Levels of a run of 1000 steps of a tiny model on scenes: at the start, at the end, and how far a
# batch lies from them (as a share; absolute for the last two).
LEVELS = {
    "cyc": (0.06, 0.09, 0.2),
    "cst": (1.15, 0.028, 0.1),
    "warp": (0.37, 0.25, 0.13),
    "perc": (0.35, 0.22, 0.14),
    "cxt": (6.0, 2.5, 0.27),
    "pse": (0.75, 0.4, 0.13),
    "fm": (1.4, 0.9, 0.13),
    "adv": (0.1, 0.58, 0.3),
    "discriminator": (2.05, 1.3, 0.2),
}


def healthy(steps: int = STEPS, seed: int = 0, unpaired: float = 0.3) -> Iterator[Losses]:
    """Losses by step; pse and warp are 0 in the share of batches without a pair."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        losses: Losses = {"cycle_masked": 0.0, "residual": 4e-6}
        for name, (start, end, noise) in LEVELS.items():
            level = end + (start - end) * math.exp(-step / 80)
            if name in ("adv", "discriminator"):
                losses[name] = level + noise * float(rng.normal())
            else:
                losses[name] = level * math.exp(noise * float(rng.normal()))
        if rng.random() < unpaired:
            losses |= {"warp": 0.0, "pse": 0.0}
        losses["discriminator"] = max(losses["discriminator"], 0.0)
        yield losses


def watched(change: Change | None = None, watch: Watch | None = None) -> list[tuple[int, str]]:
    """The warnings of a run and when they come."""
    watch = watch or Watch(STEPS)
    return [
        (step, warning)
        for step, losses in enumerate(healthy(), 1)
        for warning in watch.step(step, losses if change is None else change(step, losses))
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("every", [1, 10])
def test_a_healthy_run_is_left_in_peace(seed: int, every: int) -> None:
    watch = Watch(STEPS)
    for step, losses in enumerate(healthy(seed=seed), 1):
        if step % every == 0:
            assert watch.step(step, losses) == []


def test_single_spikes_are_no_explosion() -> None:
    assert watched(lambda step, v: v | {"perc": 90.0 if step % 50 == 0 else v["perc"]}) == []


@pytest.mark.parametrize("name", LEVELS)
def test_every_loss_may_explode(name: str) -> None:
    def explode(step: int, losses: Losses) -> Losses:
        growth = math.exp(max(step - 700, 0) / 20)
        sign = -1 if name == "adv" else 1
        return losses | {name: sign * abs(losses[name]) * growth}

    warnings = [(step, w) for step, w in watched(explode) if "diverges" in w]
    ((step, warning),) = warnings
    assert 710 < step < 850
    since = re.match(rf"since step (\d+) the loss {name} is ", warning)
    assert since is not None and step - 4 <= int(since[1]) <= step
    rate = "train.lr_discriminator" if name == "discriminator" else f"or losses.{name} "
    assert rate in warning and "resume from a checkpoint before that step" in warning


def test_a_slow_explosion_is_seen_too() -> None:
    ((step, warning),) = watched(lambda s, v: v | {"cyc": v["cyc"] * math.exp(s / 500)})
    assert "the loss cyc is" in warning and step > 700


def test_an_explosion_that_ends_and_comes_again_is_told_twice() -> None:
    def burst(step: int, losses: Losses) -> Losses:
        high = 500 < step < 560 or 900 < step < 960
        return losses | {"perc": losses["perc"] * (60 if high else 1)}

    assert [step for step, _ in watched(burst)] == [503, 903]


def test_a_discriminator_that_always_wins() -> None:
    def wins(step: int, losses: Losses) -> Losses:
        return losses | ({"discriminator": 0.02 * (step % 3)} if step > 500 else {})

    ((step, warning),) = watched(wins)
    assert 500 + PATIENCE < step < 560 + PATIENCE
    assert "the discriminator wins every time" in warning
    assert "lower train.lr_discriminator" in warning
    assert f"since step {step - PATIENCE} " in warning


def test_a_discriminator_that_wins_now_and_then_is_healthy() -> None:
    assert watched(lambda s, v: v | ({"discriminator": 0.0} if s % 120 < 90 else {})) == []


def test_a_discriminator_that_tells_nothing() -> None:
    def idle(step: int, losses: Losses) -> Losses:
        still = {"discriminator": 2.0 + 1e-3 * (step % 3), "adv": 0.31 + 1e-3 * (step % 5)}
        return losses | (still if step > 500 else {})

    ((step, warning),) = watched(idle)
    assert 500 + PATIENCE < step < 600 + PATIENCE
    assert "the discriminator tells nothing" in warning and "raise train.lr_discr" in warning


def test_a_discriminator_near_2_whose_scores_move_is_healthy() -> None:
    assert watched(lambda s, v: v | {"discriminator": 2.0 + 0.01 * (s % 3)}) == []


def test_a_strong_discriminator_is_healthy() -> None:
    assert watched(lambda s, v: v | {"discriminator": 0.3, "adv": 1.2 + 0.01 * (s % 3)}) == []


def test_a_loss_that_is_stuck() -> None:
    ((step, warning),) = watched(lambda s, v: v | ({"cst": 0.7391} if s > 600 else {}))
    assert step == 601 + PATIENCE
    assert "since step 601 the loss cst stays at 0.7391" in warning and "sample grids" in warning


def test_a_loss_that_moves_a_little_is_not_stuck() -> None:
    assert watched(lambda s, v: v | {"cst": 0.7 + 1e-3 * (s % 7)}) == []


def test_losses_of_pairs_that_never_come_are_one_warning() -> None:
    ((step, warning),) = watched(lambda s, v: v | {"pse": 0.0, "warp": 0.0})
    assert step == 1 + PATIENCE
    assert "warp and pse stay at 0" in warning and "raise train.mix.itself" in warning
    assert "losses.warp=0 and losses.pse=0" in warning


def test_long_runs_are_given_more_time() -> None:
    assert [Watch(n).patience for n in (8, 2100, 8000, 400_000)] == [100, 105, 400, 1000]
    with pytest.raises(ValueError, match="steps is 0"):
        Watch(0)


GOOD = {"copied_structure": 0.02, "spread": 0.9, "saturated": 0.01, "psnr": 17.0}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"copied_structure": 0.8}, ("copy the exemplar", "train.mix.hard")),
        ({"spread": 0.02}, ("of one colour", "train.warmup_steps")),
        ({"saturated": 0.9}, ("darkest and brightest", "90 %")),
    ],
)
def test_bad_results_are_told_once_if_they_stay(bad: Losses, words: tuple[str, str]) -> None:
    watch = Watch(STEPS)
    told = [watch.validated(step, GOOD | bad) for step in (250, 500, 750)]
    assert [len(each) for each in told] == [0, 1, 0]
    assert "since the validation at step 250 " in told[1][0]
    assert all(word in told[1][0] for word in words)
    assert watch.validated(1000, GOOD) == []
    again = [watch.validated(step, GOOD | bad) for step in (1250, 1500)]
    assert [len(each) for each in again] == [0, 1]


def test_values_at_an_end_of_the_range_are_told_within_ten_steps() -> None:
    def at_an_end(step: int, losses: Losses) -> Losses:
        return losses | {"saturated": 0.9 if 300 <= step < 400 or step % 40 < 9 else 0.01}

    ((step, warning),) = watched(at_an_end)
    assert step == 309
    assert warning.startswith("since step 300 results are black and white (90 % ")
    assert "before step 300" in warning


def test_a_state_without_a_spell_that_came_later_is_taken() -> None:
    watch = Watch(STEPS)
    watch.step(1, {"discriminator": 0.01, "saturated": 0.9})
    state = watch.state_dict()
    watch.load_state_dict(state | {"spells": {"wins": state["spells"]["wins"]}})
    assert watch.state_dict()["spells"] == state["spells"] | {"ends": state["spells"]["idle"]}


def test_good_or_missing_figures_are_no_warning() -> None:
    watch = Watch(STEPS)
    assert [watch.validated(step, f) for step in (1, 2, 3) for f in (GOOD, {})] == [[]] * 6


def troubled(step: int, losses: Losses) -> Losses:
    """A run with every trouble in turn."""
    losses = losses | {"cyc": losses["cyc"] * math.exp(max(step - 300, 0) / 40)}
    if 400 < step < 700:
        losses["discriminator"] = 0.01
    elif 900 < step < 1300:
        losses |= {"discriminator": 2.0, "adv": 0.3}
    if step > 1500:
        losses["fm"] = 1.0
    return losses


def run(watch: Watch, first: int, last: int) -> list[tuple[int, str]]:
    """The warnings of some steps of the troubled run, with a validation every 50 steps."""
    warnings = []
    for step, losses in enumerate(healthy(last), 1):
        if step <= first:
            continue
        told = watch.step(step, troubled(step, losses))
        if step % 50 == 0:
            bad = {"copied_structure": 0.9} if 300 < step < 900 else {"spread": 0.01}
            told += watch.validated(step, GOOD | bad)
        warnings += [(step, warning) for warning in told]
    return warnings


def test_a_resumed_run_warns_as_one_that_was_never_stopped() -> None:
    whole = run(Watch(STEPS), 0, STEPS)
    assert len(whole) >= 6
    stops = (0, 1, 7, 330, 455, 460, 999, 1550, STEPS)
    parts: list[tuple[int, str]] = []
    watch = Watch(STEPS)
    for first, last in pairwise(stops):
        parts += run(watch, first, last)
        saved = json.dumps(watch.state_dict(), allow_nan=False)
        watch = Watch(STEPS)
        watch.load_state_dict(json.loads(saved))
    assert parts == whole


@pytest.mark.parametrize(
    "change",
    [
        {"smooth": {"loss": "high"}},
        {"smooth": {"other": 1.0}},
        {"levels": {"cyc": {"recent": [[1.5, 2.0]]}}},
        {"constants": []},
        {"spells": {"other": {}}},
        {"more": {}},
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    watch = Watch(STEPS)
    watch.step(1, {"cyc": 0.1, "discriminator": 2.0})
    state = watch.state_dict()
    with pytest.raises(ValueError, match="state of the watch"):
        watch.load_state_dict(state | change)
    assert watch.state_dict() == state
