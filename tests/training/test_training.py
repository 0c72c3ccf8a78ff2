"""Steps, schedule, checkpoints and resuming."""

from __future__ import annotations

import json
import signal
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from rabit.config import TrainConfig
from rabit.data.scenes import CLASSES, Scenes
from rabit.layers.perceptual import load_backbone
from rabit.model.storage import load_model
from rabit.training import loop
from rabit.training.checkpoint import (
    TrainState,
    list_checkpoints,
    load_checkpoint,
    new_state,
    save_checkpoint,
)
from rabit.training.loop import Progress, learning_rate_factor, stop_on_interrupt, train_step
from rabit.training.order import StepBatches
from rabit.training.step import check_finite, generator_losses
from tiny import tiny_batch, tiny_experiment, unpaired

BACKBONE = load_backbone("random")
LOSSES = ("cyc", "cst", "perc", "cxt", "pse", "adv", "fm", "warp")


def weights(state: TrainState) -> torch.Tensor:
    """Returns all weights of the network in one row."""
    return torch.cat([p.detach().flatten() for p in state.network.parameters()])


@pytest.fixture(scope="module")
def all_on() -> torch.Tensor:
    state = new_state(tiny_experiment())
    train_step(state, BACKBONE, tiny_batch(), True)
    return weights(state)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_changes_what_is_learned(name: str, all_on: torch.Tensor) -> None:
    state = new_state(tiny_experiment(64, **{f"losses__{name}": 0.0}))
    values = train_step(state, BACKBONE, tiny_batch(), True)
    assert name not in values
    assert set(LOSSES) - {name} <= set(values)
    assert not torch.equal(weights(state), all_on)


def test_a_step_changes_network_average_and_discriminator() -> None:
    state = new_state(tiny_experiment())
    before = [weights(state), *(p.detach().clone() for p in state.discriminator.parameters())]
    train_step(state, BACKBONE, tiny_batch(), True)
    after = [weights(state), *(p.detach() for p in state.discriminator.parameters())]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert state.step == 1
    train_step(state, BACKBONE, tiny_batch(seed=4), True)
    average = torch.cat([p.detach().flatten() for p in state.averaged.parameters()])
    share = 2 / 11  # (1 + n) / (10 + n) after one update
    torch.testing.assert_close(average, share * after[0] + (1 - share) * weights(state))


def test_equal_settings_learn_the_same(all_on: torch.Tensor) -> None:
    state = new_state(tiny_experiment())
    train_step(state, BACKBONE, tiny_batch(), True)
    assert torch.equal(weights(state), all_on)


def test_the_learning_rates_of_a_step_follow_the_schedule() -> None:
    state = new_state(tiny_experiment(64, train__steps=8, train__decay_steps=4))
    state.step = 7
    train_step(state, BACKBONE, tiny_batch(), True)
    config = state.config.train
    rates = (config.lr_generator, config.lr_discriminator)
    for optimiser, rate in zip(
        (state.generator_optimiser, state.discriminator_optimiser), rates, strict=True
    ):
        assert optimiser.param_groups[0]["lr"] == pytest.approx(rate / 4)


def test_a_share_of_the_steps_hides_the_exemplars_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_experiment().train
    hidden = [not loop._sees_map(config, step) for step in range(2000)]
    assert 0.07 < sum(hidden) / 2000 < 0.13
    seen: list[bool] = []

    def step(state: TrainState, backbone: Any, batch: Any, sees_map: bool) -> dict[str, float]:
        seen.append(sees_map)
        state.step += 1
        return {}

    monkeypatch.setattr(loop, "train_step", step)
    run(tmp_path, new_state(tiny_experiment(64, train__drop_exemplar_condition=0.5)))
    assert set(seen) == {True, False}


def test_losses_that_need_a_backbone_do_not_vanish_without_one() -> None:
    state = new_state(tiny_experiment())
    with pytest.raises(ValueError, match="no perceptual backbone is given"):
        train_step(state, None, tiny_batch(), True)


def test_the_ranking_reports_its_residual() -> None:
    values = train_step(new_state(tiny_experiment()), BACKBONE, tiny_batch(), True)
    assert 0 <= values["residual"] < 1e-4


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_gradients_that_are_not_finite_are_not_applied(side: str) -> None:
    state = new_state(tiny_experiment())
    network = state.network.generator if side == "generator" else state.discriminator
    parameter = next(network.parameters())
    parameter.register_hook(lambda gradient: gradient * float("nan"))
    before = parameter.detach().clone()
    with pytest.raises(FloatingPointError, match=f"step 0: a gradient of the {side} is not"):
        train_step(state, BACKBONE, tiny_batch(), True)
    assert torch.equal(parameter, before)


def test_pseudo_pairs_count_paired_samples_only() -> None:
    state = new_state(tiny_experiment())
    losses = partial(generator_losses, state.network.eval(), state.discriminator, BACKBONE)
    with torch.no_grad():
        paired = losses(tiny_batch(), state.config.losses).values
        without = losses(unpaired(tiny_batch()), state.config.losses).values
    assert float(without["pse"]) == float(without["warp"]) == 0
    assert float(paired["pse"]) > 0 and float(paired["warp"]) > 0
    assert float(paired["perc"]) == float(without["perc"])


def test_learning_rates_stay_then_fall_to_zero() -> None:
    config = TrainConfig(steps=10, decay_steps=4)
    factors = [learning_rate_factor(step, config) for step in range(11)]
    assert factors == [1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]
    assert learning_rate_factor(5, TrainConfig(steps=10, decay_steps=0)) == 1
    warming = TrainConfig(steps=10, decay_steps=4, warmup_steps=4)
    factors = [learning_rate_factor(step, warming) for step in range(9)]
    assert factors == [0.25, 0.5, 0.75, 1, 1, 1, 1, 0.75, 0.5]


def test_schedule_of_another_length_keeps_its_shape() -> None:
    config = loop.with_steps(TrainConfig(steps=10, decay_steps=4), 100)
    assert (config.steps, config.decay_steps) == (100, 40)


def test_step_batches_cover_each_epoch_once_and_resume_anywhere() -> None:
    whole = list(StepBatches(10, 4, 0, 10, seed=2))
    flat = [i for batch in whole for i in batch]
    assert len(whole) == len(StepBatches(10, 4, 0, 10, seed=2)) == 10
    for epoch in range(4):
        items = flat[10 * epoch : 10 * (epoch + 1)]
        assert sorted(items) == list(range(10 * epoch, 10 * (epoch + 1)))
    assert [i % 10 for i in flat[:10]] != [i % 10 for i in flat[10:20]]
    assert list(StepBatches(10, 4, 6, 10, seed=2)) == whole[6:]
    assert list(StepBatches(10, 4, 0, 10, seed=3)) != whole
    with pytest.raises(ValueError, match="no samples"):
        StepBatches(0, 4, 0, 10, seed=2)


def run(folder: Path, state: TrainState) -> loop.Finished:
    """Trains on scenes without a display."""
    return loop.train(
        state, BACKBONE, Scenes(50, (64, 64), seed=1), tiny_batch(), folder, lambda _: None
    )


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    config = tiny_experiment(train__steps=6)
    whole = new_state(config)
    run(tmp_path / "whole", whole)
    path = next(
        p for p in list_checkpoints(tmp_path / "whole" / "checkpoints") if "0000004" in p.name
    )
    resumed = load_checkpoint(path)
    assert resumed.step == 4
    finished = run(tmp_path / "resumed", resumed)
    assert finished.step == 6 and not finished.interrupted
    for (name, a), b in zip(
        whole.network.state_dict().items(), resumed.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    for a, b in zip(whole.averaged.parameters(), resumed.averaged.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_run_leaves_what_it_says(tmp_path: Path) -> None:
    state = new_state(tiny_experiment(train__steps=5, train__keep_checkpoints=2))
    seen: list[Progress] = []
    finished = loop.train(
        state, BACKBONE, Scenes(50, (64, 64), seed=1), tiny_batch(), tmp_path, seen.append
    )
    names = [path.name for path in list_checkpoints(tmp_path / "checkpoints")]
    assert names == ["step-0000004.pt", "step-0000005.pt"]
    assert [p.step for p in seen] == [1, 2, 3, 4, 5] and seen[-1].seconds_left == 0
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert set(LOSSES) <= set(lines[0])
    assert {p.name for p in (tmp_path / "samples").iterdir()} == {
        "step-0000004.png",
        "step-0000005.png",
    }
    stored = load_model(finished.model)
    assert stored.config == state.config.model
    assert torch.equal(
        next(stored.network.parameters()), next(state.averaged.parameters()).detach()
    )
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_loss_that_is_not_finite_stops_before_it_is_applied(tmp_path: Path) -> None:
    state = new_state(tiny_experiment())
    with torch.no_grad():
        next(state.network.generator.last.parameters()).fill_(float("nan"))
    before = [p.detach().clone() for p in state.network.parameters()]
    with pytest.raises(FloatingPointError, match=r"step 0: the loss .*perc = nan.* resume from"):
        train_step(state, BACKBONE, tiny_batch(), True)
    for a, b in zip(before, state.network.parameters(), strict=True):
        assert torch.equal(a, b) or bool(torch.isnan(a).all())
    with pytest.raises(FloatingPointError, match="step 7: the loss cyc = inf is"):
        check_finite({"perc": 1.0, "cyc": float("inf")}, 7)


def test_a_failed_run_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = new_state(tiny_experiment())

    def step(state: TrainState, *rest: Any) -> dict[str, float]:
        if state.step == 3:
            check_finite({"adv": float("nan")}, state.step)
        return train_step(state, *rest)

    monkeypatch.setattr(loop, "train_step", step)
    with pytest.raises(FloatingPointError, match="step 3"):
        run(tmp_path, state)
    [path] = list_checkpoints(tmp_path / "checkpoints")
    assert load_checkpoint(path).step == 2


def test_ctrl_c_finishes_the_step_and_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = new_state(tiny_experiment())

    def step(state: TrainState, *rest: Any) -> dict[str, float]:
        if state.step == 2:
            signal.raise_signal(signal.SIGINT)
        return train_step(state, *rest)

    monkeypatch.setattr(loop, "train_step", step)
    finished = run(tmp_path, state)
    assert finished.interrupted and finished.step == 3
    assert load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1]).step == 3
    load_model(finished.model)


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_cannot_catch_signals_and_do_not_try() -> None:
    seen: list[bool] = []

    def enter() -> None:
        with stop_on_interrupt() as stop:
            seen.append(stop.is_set())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]


def test_unreadable_checkpoints_are_named(tmp_path: Path) -> None:
    state = new_state(tiny_experiment())
    path = save_checkpoint(tmp_path, state, keep=3)
    data = path.read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"format": 99}, tmp_path / "other.pt")
    for name in ("cut.pt", "text.pt"):
        with pytest.raises(ValueError, match=f"{name}: not a readable checkpoint.*truncated"):
            load_checkpoint(tmp_path / name)
    with pytest.raises(ValueError, match=r"other.pt: not a checkpoint of this program"):
        load_checkpoint(tmp_path / "other.pt")
    torch.save({"format": 1}, tmp_path / "empty.pt")
    with pytest.raises(ValueError, match=r"empty.pt: a checkpoint without config, python_random"):
        load_checkpoint(tmp_path / "empty.pt")
    with pytest.raises(ValueError, match=r"absent.pt: no such checkpoint"):
        load_checkpoint(tmp_path / "absent.pt")


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    state = new_state(tiny_experiment())
    good = save_checkpoint(tmp_path, state, keep=1)
    with torch.no_grad():
        next(state.discriminator.parameters()).fill_(float("inf"))
    state.step = 5
    with pytest.raises(FloatingPointError, match="step 5: the discriminator has weights"):
        save_checkpoint(tmp_path, state, keep=1)
    assert list(tmp_path.iterdir()) == [good]


def test_features_that_are_not_finite_stop_with_the_step() -> None:
    state = new_state(tiny_experiment())
    with torch.no_grad():
        parameter = state.network.get_parameter("alignment.head.enter.bias")
        parameter.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="step 0: the network's own features are not"):
        train_step(state, BACKBONE, tiny_batch(), True)


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = new_state(tiny_experiment())
    good = save_checkpoint(tmp_path, state, keep=3)

    def full(data: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    state.step = 5
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, state, keep=3)
    assert list(tmp_path.iterdir()) == [good]


def test_class_ids_of_a_corpus_are_checked(tmp_path: Path) -> None:
    corpus = Scenes(4, (64, 64), seed=1)
    loader = loop.training_batches(corpus, tiny_experiment().train, 0)
    assert next(iter(loader)).unpack("cpu").condition.channels.shape == (2, len(CLASSES), 64, 64)
