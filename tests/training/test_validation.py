from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rabit.config.training import BEST_BY
from rabit.data.batch import Batch
from rabit.layers.perceptual import load_backbone
from rabit.metrics.perceptual import PerceptualDistance
from rabit.metrics.pixels import psnr, ssim
from rabit.model.network import NetworkOutput, TranslationNetwork, build_network
from rabit.training.validation import BEST, copied_structure, evaluating, validate
from rabit.training.watch import Watch
from tiny import tiny_batch, tiny_experiment, unpaired


class Fixed(TranslationNetwork):
    """A network that gives certain images, whatever its weights say."""

    images: Sequence[Tensor] = ()

    def forward(self, *inputs: Any) -> NetworkOutput:
        output = super().forward(*inputs)
        image, *self.images = self.images
        return NetworkOutput(image=image, alignment=output.alignment)


def tiny_network(**changes: Any) -> TranslationNetwork:
    return build_network(tiny_experiment(**changes).model)


def fixed(*images: Tensor, **changes: Any) -> Fixed:
    network = tiny_network(**changes)
    replaced = Fixed(network.alignment, network.generator)
    replaced.images = images
    return replaced


BATCHES = (tiny_batch(2, seed=3), tiny_batch(1, seed=4))


def mixed() -> tuple[Batch, Batch]:
    """Of three samples the second is not paired."""
    first, second = BATCHES
    return dataclasses.replace(first, paired=torch.tensor([True, False])), second


def test_figures_are_those_of_the_metrics() -> None:
    backbone = load_backbone("random")
    assert backbone is not None
    batches = mixed()
    images = [b.truth * 0.7 + 0.1 for b in batches]
    network = fixed(*images)
    figures = validate(network, batches, backbone)
    ours, truth = torch.cat(images), torch.cat([b.truth for b in batches])
    paired = torch.cat([b.paired for b in batches])
    assert figures["psnr"] == pytest.approx(float(psnr(ours, truth)[paired].mean()))
    assert figures["ssim"] == pytest.approx(float(ssim(ours, truth)[paired].mean()))
    assert figures["l1"] == pytest.approx(float((ours - truth).abs().mean()), rel=1e-5)
    distance = PerceptualDistance(backbone)
    distance.update(ours, truth)
    assert figures["perceptual"] == pytest.approx(distance.compute().mean, rel=1e-4)
    assert figures["spread"] == pytest.approx(0.7, rel=1e-4)
    assert figures["copied_structure"] == pytest.approx(0, abs=1e-3)
    assert figures["saturated"] == 0


def test_the_warped_exemplar_is_measured_on_pairs() -> None:
    network, batches = tiny_network().eval(), mixed()
    values = []
    for batch in batches:
        with torch.no_grad():
            output = network(batch.condition, batch.exemplar, batch.exemplar_condition)
        warped = output.alignment.warped_exemplar
        values += psnr(warped, batch.truth)[batch.paired].tolist()
    figures = validate(network, batches, None)
    assert figures["warped_psnr"] == pytest.approx(sum(values) / 2, rel=1e-6)


def test_figures_that_nothing_is_known_of_are_left_out() -> None:
    all_known = validate(tiny_network(), BATCHES, load_backbone("random"))
    assert set(BEST) == set(BEST_BY) <= set(all_known)
    figures = validate(tiny_network(), [unpaired(b) for b in BATCHES], None)
    assert set(figures) == {"l1", "copied_structure", "spread", "saturated"}
    assert all(math.isfinite(value) for value in all_known.values())
    unaligned = tiny_network(alignment__method="none", generator__injection="concat")
    assert "warped_psnr" not in validate(unaligned, BATCHES, None)
    itself = [dataclasses.replace(b, exemplar=b.truth) for b in BATCHES]
    assert "copied_structure" not in validate(tiny_network(), itself, None)


def test_weights_modes_and_random_states_stay() -> None:
    network = tiny_network()
    network.train()
    network.generator.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    torch.rand(3)
    state = torch.get_rng_state()
    validate(network, BATCHES, None)
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_modes_are_restored_after_an_error() -> None:
    network = tiny_network().train()
    with pytest.raises(RuntimeError), evaluating(network):
        assert not any(module.training for module in network.modules())
        raise RuntimeError
    assert all(module.training for module in network.modules())


def test_the_same_weights_give_the_same_figures() -> None:
    network = tiny_network(alignment__method="patchmatch").train()
    first = validate(network, BATCHES, None)
    torch.rand(5)
    assert validate(network, BATCHES, None) == first


def test_copies_of_the_exemplar_are_found_by_the_watch() -> None:
    watch, copies = Watch(100), [b.exemplar * 0.8 - 0.1 for b in BATCHES]
    figures = validate(fixed(*copies), BATCHES, None)
    assert figures["copied_structure"] == pytest.approx(1, abs=1e-4)
    assert watch.validated(1, figures) == []
    (warning,) = watch.validated(2, figures)
    assert "copy the exemplar" in warning


@pytest.mark.parametrize("value", [-1.0, 1.0, 0.2])
def test_results_of_one_colour_are_found_by_the_watch(value: float) -> None:
    figures = validate(fixed(*(torch.full_like(b.truth, value) for b in BATCHES)), BATCHES, None)
    assert figures["spread"] == 0
    assert (figures["saturated"] > 0.9) == (abs(value) == 1)
    watch = Watch(100)
    watch.validated(1, figures)
    assert "of one colour" in watch.validated(2, figures)[0]


def test_a_saturated_tanh_is_found_where_results_have_two_colours() -> None:
    figures = validate(fixed(*(b.truth.sign() for b in BATCHES)), BATCHES, None)
    assert figures["spread"] > 1 and figures["saturated"] > 0.9


def test_real_pictures_are_neither_copies_nor_saturated() -> None:
    watch = Watch(100)
    figures = validate(fixed(*(b.truth for b in BATCHES)), BATCHES, None)
    assert figures["spread"] == 1 and figures["l1"] == 0
    assert figures["saturated"] == figures["copied_structure"] == 0
    assert watch.validated(1, figures) == watch.validated(2, figures) == []


def test_results_that_are_not_finite_are_an_error() -> None:
    broken = [b.truth * torch.nan for b in BATCHES]
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        validate(fixed(*broken), BATCHES, None)


def test_no_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        validate(tiny_network(), [], None)


def test_structure_does_not_depend_on_colours_and_falls_with_blur() -> None:
    batch = tiny_batch(4, seed=9)
    exemplar, truth = batch.exemplar, batch.truth

    def found(images: Tensor) -> float:
        return float(copied_structure(images, exemplar, truth).mean())

    recoloured = exemplar.flip(1) * torch.tensor([0.3, 0.2, 0.4]).view(3, 1, 1) + 0.1
    blurred = [F.avg_pool2d(exemplar, n, 1, n // 2, count_include_pad=False) for n in (3, 7)]
    assert found(truth) == 0
    assert found(exemplar) == pytest.approx(1)
    assert found(recoloured) > 0.8
    assert 0.9 > found(blurred[0]) > found(blurred[1]) > 0.1
    assert found(torch.zeros_like(truth)) == 0


def test_an_exemplar_that_is_the_truth_says_nothing_of_copies() -> None:
    batch = tiny_batch(2)
    exemplar = torch.stack([batch.truth[0], batch.exemplar[1]])
    found = copied_structure(exemplar, exemplar, batch.truth)
    assert found.isnan().tolist() == [True, False]
    larger = F.interpolate(batch.exemplar, scale_factor=2)
    assert copied_structure(batch.truth, larger, batch.truth).isnan().all()
