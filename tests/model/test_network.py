"""The whole network: every preset lives, and every part of the method changes the result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from rabit.config import ExperimentConfig, ModelConfig
from rabit.data.scenes import CLASSES
from rabit.functional.condition import Condition
from rabit.model.network import NetworkOutput, build_discriminator, build_network
from rabit.presets import KINDS_OF_TASKS, PRESETS, preset
from rabit.training.checkpoint import new_state
from tiny import step, tiny_batch, tiny_experiment


def lively(name: str) -> ExperimentConfig:
    """Returns a preset at 64x64 pixels with a perceptual backbone that needs no file."""
    config, narrow = preset(name, CLASSES), preset("small", CLASSES)
    model = replace(config.model, image_size=(64, 64))
    if name in KINDS_OF_TASKS:  # they are as wide as `paper`
        narrow_features, narrow_generator = narrow.model.features, narrow.model.generator
        widths, hidden = narrow_features.widths, narrow_features.hidden
        features = replace(model.features, widths=widths, hidden=hidden, norm="position")
        model = replace(
            model,
            features=features,
            alignment=narrow.model.alignment,
            generator=replace(narrow_generator, shortcut=model.generator.shortcut),
        )
        config = replace(config, discriminator=narrow.discriminator)
    return replace(config, model=model, losses=replace(config.losses, backbone="random"))


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_takes_a_step_in_which_every_parameter_learns(name: str) -> None:
    config = lively(name)
    state = new_state(config)
    values = step(state, tiny_batch(2))
    expected = {n for n, w in config.losses.weights().items() if w > 0}
    assert expected <= set(values)
    for network in (state.network, state.discriminator):
        for parameter_name, parameter in network.named_parameters():
            gradient = parameter.grad
            assert gradient is not None, parameter_name
            assert bool(torch.isfinite(gradient).all()), parameter_name
            assert bool((gradient != 0).any()), parameter_name


@pytest.mark.parametrize("method", ["ranking", "dense", "transport", "patchmatch", "none"])
def test_a_model_that_matches_at_a_quarter_takes_a_step_and_every_parameter_learns(
    method: str,
) -> None:
    config = tiny_experiment(64, alignment__stride=4, alignment__method=method)
    state = new_state(config)
    values = step(state, tiny_batch(2))
    assert ("cyc" in values) == (method != "none")
    for name, parameter in state.network.named_parameters():
        gradient = parameter.grad
        assert gradient is not None and bool(gradient.isfinite().all()), name
        assert bool((gradient != 0).any()), name


def run(model: ModelConfig, **inputs: Any) -> NetworkOutput:
    """Translates two scenes with a freshly built network; equal seeds give equal weights."""
    batch = tiny_batch(2)
    network = build_network(model, seed=1).eval()
    arguments = {
        "condition": batch.condition,
        "exemplar": batch.exemplar,
        "exemplar_condition": batch.exemplar_condition,
    }
    with torch.no_grad():
        return network(**(arguments | inputs))


@pytest.mark.parametrize("option", ["position", "components"])
def test_semantic_position_encoding_changes_the_match(option: str) -> None:
    """The networks have equal weights: only the positions differ."""
    full = tiny_experiment(64).model
    value: Any = "image" if option == "position" else True
    other = tiny_experiment(64, **{f"alignment__{option}": value}).model
    warped = run(full).alignment.warped_exemplar
    assert float((warped - run(other).alignment.warped_exemplar).abs().mean()) > 1e-3


def test_positions_are_channels_of_the_matching_head() -> None:
    experiments = (
        tiny_experiment(64, alignment__position="none"),
        tiny_experiment(64, alignment__position="image"),
        tiny_experiment(64, alignment__radius=True),
    )
    widths = [
        build_network(e.model).get_parameter("alignment.head.enter.weight").shape[1]
        for e in experiments
    ]
    assert [width - widths[0] for width in widths] == [0, 2, 3]
    radius = run(experiments[2].model)
    unknown = run(experiments[2].model, exemplar_condition=None)
    assert not torch.equal(radius.image, unknown.image)


def test_confidence_is_that_of_the_correspondence() -> None:
    alignment = run(tiny_experiment(64).model).alignment
    assert alignment.correspondence is not None
    assert torch.equal(alignment.confidence, alignment.correspondence.confidence)
    assert 0 < float(alignment.confidence.min()) < float(alignment.confidence.max()) <= 1


def test_semantic_position_encoding_follows_the_exemplars_own_regions() -> None:
    """Renaming the exemplar's regions leaves its one-hot map alone and still changes the match."""
    model = tiny_experiment(64).model
    batch = tiny_batch(2)
    channels = batch.exemplar_condition.channels
    one_region = Condition(channels, torch.zeros_like(batch.exemplar_condition.regions))
    warped = run(model).alignment.warped_exemplar
    other = run(model, exemplar_condition=one_region).alignment.warped_exemplar
    assert not torch.equal(warped, other)


@pytest.mark.parametrize("method", ["dense", "transport", "none"])
def test_ranking_changes_the_match(method: str) -> None:
    full = tiny_experiment(64).model
    other = tiny_experiment(64, alignment__method=method).model
    difference = run(full).alignment.warped_exemplar - run(other).alignment.warped_exemplar
    assert float(difference.abs().mean()) > 1e-3


@pytest.mark.parametrize(
    ("field", "value"),
    [("k", 1), ("block", 4), ("epsilon", 1.0), ("descriptor", "mean"), ("coarse", (4,))],
)
def test_options_of_the_ranking_change_the_match(field: str, value: Any) -> None:
    full = tiny_experiment(64).model
    other = tiny_experiment(64, **{f"alignment__{field}": value}).model
    assert not torch.equal(
        run(full).alignment.warped_exemplar, run(other).alignment.warped_exemplar
    )


def test_confidence_injection_changes_the_image_and_not_the_match() -> None:
    confi = run(tiny_experiment(64).model)
    concat = run(tiny_experiment(64, generator__injection="concat").model)
    assert not torch.equal(confi.image, concat.image)
    torch.testing.assert_close(confi.alignment.warped_exemplar, concat.alignment.warped_exemplar)


def test_generator_reads_the_confidence() -> None:
    network = build_network(tiny_experiment(64).model).eval()
    batch = tiny_batch(1)
    with torch.no_grad():
        alignment = network.alignment(batch.condition, batch.exemplar, batch.exemplar_condition)
        doubted = replace(alignment, confidence=torch.zeros_like(alignment.confidence))
        image, other = network.generator(alignment), network.generator(doubted)
    assert float((image - other).abs().mean()) > 1e-4


@pytest.mark.parametrize("scale", ["x1", "x2", "x3", "x4", "x5"])
def test_generator_reads_every_warped_scale(scale: str) -> None:
    network = build_network(tiny_experiment(64).model).eval()
    batch = tiny_batch(1)
    with torch.no_grad():
        alignment = network.alignment(batch.condition, batch.exemplar, batch.exemplar_condition)
        warped = alignment.warped_features
        changed = replace(warped, **{scale: getattr(warped, scale) + 1})
        image = network.generator(alignment)
        other = network.generator(replace(alignment, warped_features=changed))
    assert not torch.equal(image, other)


def test_a_batch_gives_what_its_samples_give_alone() -> None:
    model = tiny_experiment(64).model
    batch = tiny_batch(2)
    together = run(model).image
    alone = run(
        model,
        condition=batch.condition[1:2],
        exemplar=batch.exemplar[1:2],
        exemplar_condition=batch.exemplar_condition[1:2],
    ).image
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


def test_exemplar_may_have_another_size() -> None:
    model = tiny_experiment(64).model
    wide = torch.nn.functional.interpolate(tiny_batch(2).exemplar, size=(64, 96))
    output = run(model, exemplar=wide, exemplar_condition=None)
    assert output.image.shape == output.alignment.warped_exemplar.shape == (2, 3, 64, 64)


def test_without_an_exemplar_map_neither_map_is_matched() -> None:
    """The match then depends on features and image coordinates, not on region ids."""
    model = tiny_experiment(64).model
    batch = tiny_batch(2)
    moved = Condition(batch.condition.channels, batch.condition.regions.flip(-1))
    first = run(model, exemplar_condition=None).alignment.warped_exemplar
    torch.testing.assert_close(
        first, run(model, condition=moved, exemplar_condition=None).alignment.warped_exemplar
    )


def test_same_seed_same_weights_and_no_trace_in_the_global_generator() -> None:
    config = tiny_experiment(64)
    before = torch.get_rng_state()
    first, second = build_network(config.model, 5), build_network(config.model, 5)
    build_discriminator(config.model, config.discriminator, 5)
    assert torch.equal(before, torch.get_rng_state())
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    other = build_network(config.model, 6).state_dict()
    assert any(not torch.equal(a, other[n]) for n, a in first.state_dict().items())


def test_discriminators_patch_sizes_are_those_of_the_family() -> None:
    config = tiny_experiment(64)
    network = build_discriminator(config.model, config.discriminator)
    channels = len(CLASSES)
    with torch.no_grad():
        judgements = network(torch.zeros(1, channels, 256, 256), torch.zeros(1, 3, 256, 256))
    assert [tuple(j.scores.shape[-2:]) for j in judgements] == [(30, 30), (14, 14)]


def test_the_generator_s_adam_adds_what_the_configuration_says() -> None:
    state = new_state(tiny_experiment(64, train__eps_generator=0.25))
    assert state.generator_optimiser.defaults["eps"] == 0.25
    assert state.discriminator_optimiser.defaults["eps"] == 1e-8


@pytest.mark.parametrize("normed", (False, True))
def test_what_is_matched_is_normalised_where_it_is_asked_for(normed: bool) -> None:
    features = tiny_experiment(64, features__last_norm=normed).model
    extractor = build_network(features).alignment.exemplar_extractor
    x6 = extractor(torch.rand(1, 3, 64, 64)).x6
    assert x6 is not None
    unit = torch.ones(1, x6.shape[1])
    assert torch.allclose(x6.std((2, 3), correction=0), unit, atol=1e-2) == normed


def test_images_without_scores_at_the_coarsest_scale_are_refused() -> None:
    config = tiny_experiment(64)
    judge = build_discriminator(config.model, config.discriminator)
    condition = torch.rand(2, len(CLASSES), 32, 48)
    with pytest.raises(ValueError, match="images of 32x48 are too small for 2 scales .* of 48"):
        judge(condition, torch.rand(2, 3, 32, 48))
