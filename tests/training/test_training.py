"""Steps, schedule, checkpoints and resuming."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from rabit.config import TrainConfig
from rabit.data.scenes import CLASSES, Scenes
from rabit.layers.perceptual import load_backbone
from rabit.model.storage import load_model
from rabit.training import checkpoint, loop
from rabit.training.checkpoint import (
    TrainState,
    clear_unfinished,
    list_checkpoints,
    load_checkpoint,
    new_state,
    save_checkpoint,
)
from rabit.training.engine import Engine
from rabit.training.loop import Progress, TrainingSet
from rabit.training.order import StepBatches, training_batches
from rabit.training.processes import Processes
from rabit.training.samples import sample_grid
from rabit.training.step import check_finite, generator_losses
from rabit.training.stopping import stop_on_interrupt
from rabit.training.update import learning_rate_factor, train_step
from tiny import step, tiny_batch, tiny_experiment, unpaired

BACKBONE = load_backbone("random")
LOSSES = ("cyc", "cst", "perc", "cxt", "pse", "adv", "fm", "warp")


def weights(state: TrainState) -> torch.Tensor:
    """Returns all weights of the network in one row."""
    return torch.cat([p.detach().flatten() for p in state.network.parameters()])


@pytest.fixture(scope="module")
def all_on() -> torch.Tensor:
    state = new_state(tiny_experiment())
    step(state, tiny_batch())
    return weights(state)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_changes_what_is_learned(name: str, all_on: torch.Tensor) -> None:
    state = new_state(tiny_experiment(64, **{f"losses__{name}": 0.0}))
    values = step(state, tiny_batch())
    assert name not in values
    assert set(LOSSES) - {name} <= set(values)
    assert not torch.equal(weights(state), all_on)


def test_a_step_changes_network_average_and_discriminator() -> None:
    state = new_state(tiny_experiment())
    before = [weights(state), *(p.detach().clone() for p in state.discriminator.parameters())]
    step(state, tiny_batch())
    after = [weights(state), *(p.detach() for p in state.discriminator.parameters())]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert state.step == 1
    step(state, tiny_batch(seed=4))
    average = torch.cat([p.detach().flatten() for p in state.averaged.parameters()])
    share = 2 / 11  # (1 + n) / (10 + n) after one update
    torch.testing.assert_close(average, share * after[0] + (1 - share) * weights(state))


def test_equal_settings_learn_the_same(all_on: torch.Tensor) -> None:
    state = new_state(tiny_experiment())
    step(state, tiny_batch())
    assert torch.equal(weights(state), all_on)


def test_the_learning_rates_of_a_step_follow_the_schedule() -> None:
    state = new_state(tiny_experiment(64, train__steps=8, train__decay_steps=4))
    state.step = 7
    step(state, tiny_batch())
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

    def take(engine: Engine, backbone: Any, parts: Any, sees_map: bool) -> dict[str, float]:
        seen.append(sees_map)
        engine.state.step += 1
        return {}

    monkeypatch.setattr(loop, "train_step", take)
    run(tmp_path, new_state(tiny_experiment(64, train__drop_exemplar_condition=0.5)))
    assert set(seen) == {True, False}


def test_losses_that_need_a_backbone_do_not_vanish_without_one() -> None:
    state = new_state(tiny_experiment())
    with pytest.raises(ValueError, match="no perceptual backbone is given"):
        train_step(Engine(state, Processes()), None, [tiny_batch()], True)


def test_a_step_reports_values_at_an_end_of_the_range() -> None:
    state = new_state(tiny_experiment())
    assert step(state, tiny_batch())["saturated"] < 0.1
    with torch.no_grad():
        for parameter in state.network.generator.last.parameters():
            parameter.mul_(1000)
    assert step(state, tiny_batch())["saturated"] > 0.9


def test_the_ranking_reports_its_residual() -> None:
    values = step(new_state(tiny_experiment()), tiny_batch())
    assert 0 <= values["residual"] < 1e-4


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_gradients_that_are_not_finite_are_not_applied(side: str) -> None:
    state = new_state(tiny_experiment())
    network = state.network.generator if side == "generator" else state.discriminator
    parameter = next(network.parameters())
    parameter.register_hook(lambda gradient: gradient * float("nan"))
    before = parameter.detach().clone()
    with pytest.raises(FloatingPointError, match=f"step 0: a gradient of the {side} is not"):
        step(state, tiny_batch())
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


def test_the_network_may_be_run_by_what_has_a_length() -> None:
    """As torch.compile's wrapper, whose length is asked of the network."""

    class Run(torch.nn.Sequential):
        def forward(self, *inputs: Any) -> Any:
            ran.append(1)
            return state.network(*inputs)

    state, ran = new_state(tiny_experiment()), list[int]()
    losses = state.config.losses
    with torch.no_grad():
        generator_losses(
            state.network, state.discriminator, BACKBONE, tiny_batch(), losses, run=Run()
        )
    assert ran == [1]


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


def run(
    folder: Path, state: TrainState, report: Callable[[Progress], None] = lambda _: None
) -> loop.Finished:
    """Trains on scenes without a display."""
    data = TrainingSet(Scenes(50, (64, 64), seed=1), tiny_batch(), (tiny_batch(seed=9),))
    return loop.train(Engine(state, Processes()), BACKBONE, data, folder, report)


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
    finished = run(tmp_path, state, seen.append)
    names = [path.name for path in list_checkpoints(tmp_path / "checkpoints")]
    best = f"step-{state.best['step']:07d}"
    assert names == sorted({best, "step-0000004", "step-0000005"})
    assert json.loads((tmp_path / "status.json").read_text())["best"] == state.best
    validations = {
        line["step"]: line["validation/perceptual"]
        for line in map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
        if "validation/perceptual" in line
    }
    assert set(validations) == {2, 4, 5}
    assert min(validations, key=validations.__getitem__) == state.best["step"]
    assert [p.step for p in seen] == [1, 2, 3, 4, 5] and seen[-1].seconds_left == 0
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "cyc" in line]
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
        step(state, tiny_batch())
    for a, b in zip(before, state.network.parameters(), strict=True):
        assert torch.equal(a, b) or bool(torch.isnan(a).all())
    with pytest.raises(FloatingPointError, match="step 7: the loss cyc = inf is"):
        check_finite({"perc": 1.0, "cyc": float("inf")}, 7)


def test_a_failed_run_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = new_state(tiny_experiment())

    def take(engine: Engine, *rest: Any) -> dict[str, float]:
        if engine.state.step == 3:
            check_finite({"adv": float("nan")}, engine.state.step)
        return train_step(engine, *rest)

    monkeypatch.setattr(loop, "train_step", take)
    with pytest.raises(FloatingPointError, match="step 3"):
        run(tmp_path, state)
    [path] = list_checkpoints(tmp_path / "checkpoints")
    assert load_checkpoint(path).step == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_stop_finishes_the_step_and_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    state = new_state(tiny_experiment())

    def take(engine: Engine, *rest: Any) -> dict[str, float]:
        if engine.state.step == 2:
            signal.raise_signal(number)
        return train_step(engine, *rest)

    monkeypatch.setattr(loop, "train_step", take)
    finished = run(tmp_path, state)
    assert finished.interrupted and finished.step == 3
    assert load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1]).step == 3
    load_model(finished.model)
    log = (tmp_path / "log.jsonl").read_text()
    validated = [line["step"] for line in map(json.loads, log.splitlines()) if "cyc" not in line]
    assert validated == [2] and not any((tmp_path / "samples").iterdir())  # no more than was due


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminals that hang up")
def test_a_closed_terminal_stops_unless_nohup_says_otherwise() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_interrupt() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with stop_on_interrupt() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert stop.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_ctrl_c_that_torchrun_passes_on_as_sigterm_is_one_stop() -> None:
    with stop_on_interrupt() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_other_threads_cannot_catch_signals_and_do_not_try() -> None:
    seen: list[bool] = []

    def enter() -> None:
        with stop_on_interrupt() as stop:
            seen.append(stop.is_set())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]


def test_damaged_checkpoints_are_named(tmp_path: Path) -> None:
    state = new_state(tiny_experiment())
    path = save_checkpoint(tmp_path, state, keep=3)
    data = (path / "state.pt").read_bytes()
    for damaged in (data[: len(data) // 2], data[:-1] + b"?", b"hello"):
        (path / "state.pt").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"state.pt: not what was written .*SHA-256"):
            load_checkpoint(path)
    (path / "state.pt").unlink()
    with pytest.raises(ValueError, match=r"state.pt: not what was written"):
        load_checkpoint(path)
    (path / "state.pt").write_bytes(data)
    load_checkpoint(path)
    manifest = path / "checkpoint.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    with pytest.raises(ValueError, match="not a checkpoint of this program"):
        load_checkpoint(path)
    manifest.write_text("{")
    with pytest.raises(ValueError, match=r"checkpoint.json: missing or damaged"):
        load_checkpoint(path)
    with pytest.raises(ValueError, match=r"absent: no such checkpoint"):
        load_checkpoint(tmp_path / "absent")


def test_the_last_checkpoints_and_the_best_one_are_kept(tmp_path: Path) -> None:
    state = new_state(tiny_experiment())
    for number in range(1, 6):
        state.step = number
        if number == 2:
            state.best = {"step": 2, "l1": 0.1}
        save_checkpoint(tmp_path, state, keep=2)
    kept = [path.name for path in list_checkpoints(tmp_path)]
    assert kept == ["step-0000002", "step-0000004", "step-0000005"]
    assert load_checkpoint(tmp_path / kept[0]).best == {"step": 2, "l1": 0.1}


def test_what_a_killed_process_left_is_no_checkpoint_and_is_cleared(tmp_path: Path) -> None:
    state = new_state(tiny_experiment())
    path = save_checkpoint(tmp_path, state, keep=3)
    (tmp_path / ".rabit-x1" / "step-0000009").mkdir(parents=True)
    (tmp_path / ".rabit-step-0000001").mkdir()
    assert list_checkpoints(tmp_path) == [path]
    clear_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    state = new_state(tiny_experiment())
    good = save_checkpoint(tmp_path, state, keep=1)
    with torch.no_grad():
        next(state.discriminator.parameters()).fill_(float("inf"))
    state.step = 5
    with pytest.raises(FloatingPointError, match="step 5: the discriminator has weights"):
        save_checkpoint(tmp_path, state, keep=1)
    assert list(tmp_path.iterdir()) == [good]


@pytest.mark.parametrize("number", (float("nan"), 1e30))
def test_features_that_cannot_be_compared_stop_with_the_step(number: float) -> None:
    state = new_state(tiny_experiment())
    with torch.no_grad():
        parameter = state.network.get_parameter("alignment.head.enter.bias")
        parameter.normal_(generator=torch.Generator().manual_seed(0)).mul_(number)
    with pytest.raises(FloatingPointError, match="step 0: the network's own features cannot"):
        step(state, tiny_batch())


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
    loader = training_batches(corpus, tiny_experiment().train, 0)
    assert next(iter(loader)).unpack("cpu").condition.channels.shape == (2, len(CLASSES), 64, 64)


class Optimiser:
    """One whose steps are skipped, as with float16 gradients that overflow."""

    def __init__(self, skips: bool) -> None:
        self.step_was_skipped = skips

    def step(self) -> None:
        """Takes no step."""


def test_a_network_whose_gradients_always_overflow_is_noticed() -> None:
    state = new_state(tiny_experiment())
    engine = Engine(state, Processes())
    with pytest.raises(FloatingPointError, match=r"overflowed float16 100 times in a row"):
        for _ in range(200):
            assert not engine.apply(Optimiser(True), state.network, 0)
            assert engine.apply(Optimiser(False), state.discriminator, 0)


def change(**options: Any) -> torch.Tensor:
    """Returns how a step changes the weights."""
    state = new_state(tiny_experiment(64, **options))
    before = weights(state).clone()
    step(state, tiny_batch())
    return weights(state) - before


def test_gradients_are_clipped_if_asked_for() -> None:
    """Adam's first step has the size of the rate; its divisor hides the gradient unless tiny."""
    assert torch.equal(change(train__clip=0.0), change(train__clip=1e9))
    assert float(change(train__clip=1e-9).norm()) < 0.9 * float(change().norm())


def test_precision_and_recomputation_reach_the_step() -> None:
    plain = change()
    assert torch.equal(plain, change(engine__recompute=True))
    assert not torch.equal(plain, change(engine__precision="bfloat16"))
    state = new_state(tiny_experiment(64, engine__recompute=True))
    Engine(state, Processes())
    assert any(getattr(module, "recompute", False) for module in state.discriminator.modules())
    with pytest.raises(ValueError, match="float16, which is scaled for GPUs"):
        Engine(new_state(tiny_experiment(64, engine__precision="float16")), Processes())
    with pytest.raises(ValueError, match=r"engine.recompute and engine.compile are both on"):
        tiny_experiment(64, engine__recompute=True, engine__compile=True)


def test_damaged_newer_checkpoints_push_no_good_one_out(tmp_path: Path) -> None:
    state = new_state(tiny_experiment())
    state.step = 9
    newer = save_checkpoint(tmp_path, state, keep=1)
    (newer / "state.pt").write_bytes(b"")
    for state.step in (2, 3):
        good = save_checkpoint(tmp_path, state, keep=1)
    assert list_checkpoints(tmp_path) == [good, newer]
    (tmp_path / "step-0000003-copy").mkdir()
    state.step = 4
    save_checkpoint(tmp_path, state, keep=1)
    assert (tmp_path / "step-0000003-copy").is_dir()


def test_a_checkpoint_that_cannot_be_read_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_checkpoint(tmp_path, new_state(tiny_experiment()), keep=1)

    def fail(path: Path) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checkpoint, "file_digest", fail)
    with pytest.raises(ValueError, match=r"cannot be read \(Input/output error\)"):
        load_checkpoint(path)


def test_sample_grids_draw_no_numbers_of_the_training() -> None:
    state = new_state(tiny_experiment(64, alignment__method="patchmatch"))
    before = torch.get_rng_state()
    sample_grid(state.averaged, tiny_batch())
    assert torch.equal(torch.get_rng_state(), before)
