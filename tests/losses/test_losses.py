"""Every loss against hand-computed cases."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from rabit.losses.adversarial import discriminator_hinge, feature_matching, generator_hinge
from rabit.losses.alignment import consistency_loss, cycle_loss, paired_l1
from rabit.losses.perceptual import (
    contextual_distance,
    contextual_loss,
    perceptual_loss,
    pseudo_loss,
)


def test_cycle_loss_counts_received_positions_only() -> None:
    original = torch.zeros(1, 2, 2, 2)
    returned = torch.tensor([[[[1.0, 2.0], [3.0, 100.0]], [[1.0, 0.0], [5.0, 100.0]]]])
    received = torch.tensor([[[[True, True], [True, False]]]])
    loss = cycle_loss(returned, original, received)
    assert float(loss.value) == pytest.approx((1 + 2 + 3 + 1 + 0 + 5) / 6)
    assert loss.masked == pytest.approx(0.25)


def test_the_cycle_loss_of_a_batch_is_the_mean_of_its_samples() -> None:
    torch.manual_seed(0)
    returned, original = torch.rand(2, 2, 3, 4, 4)
    received = torch.rand(2, 1, 4, 4) > torch.tensor([0.2, 0.8]).view(2, 1, 1, 1)
    one_by_one = [
        float(cycle_loss(returned[i : i + 1], original[i : i + 1], received[i : i + 1]).value)
        for i in range(2)
    ]
    whole = cycle_loss(returned, original, received)
    assert float(whole.value) == pytest.approx(sum(one_by_one) / 2)


def test_paired_l1_of_a_batch_is_the_mean_of_its_parts_with_their_expected_number() -> None:
    torch.manual_seed(0)
    images, truth = torch.rand(2, 4, 3, 2, 2)
    paired = torch.tensor([True, False, True, True])
    parts = [
        float(paired_l1(images[part], truth[part], paired[part], expected=1.5))
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert sum(parts) / 2 == pytest.approx(float(paired_l1(images, truth, paired)))


def test_cycle_loss_of_nothing_received_is_zero() -> None:
    zeros = torch.zeros(1, 1, 2, 2)
    loss = cycle_loss(zeros + 1, zeros, zeros.bool())
    assert float(loss.value) == 0 and loss.masked == 1


def test_consistency_ignores_scale_and_sees_direction() -> None:
    x = torch.randn(2, 4, 3, 3)
    assert float(consistency_loss((x,), (5 * x,))) == pytest.approx(0, abs=1e-6)
    first = torch.tensor([1.0, 0, 0, 0]).view(1, 4, 1, 1)
    second = torch.tensor([0, 1.0, 0, 0]).view(1, 4, 1, 1)
    assert float(consistency_loss((first,), (second,))) == pytest.approx(2 / 4 * math.sqrt(4))


def test_paired_l1_leaves_unpaired_samples_out() -> None:
    images = torch.stack([torch.full((3, 2, 2), 0.5), torch.full((3, 2, 2), 100.0)])
    truth = torch.zeros_like(images)
    assert float(paired_l1(images, truth, torch.tensor([True, False]))) == pytest.approx(0.5)
    assert float(paired_l1(images, truth, torch.tensor([False, False]))) == 0


def test_perceptual_and_pseudo_losses_weigh_layers() -> None:
    generated = {"a": torch.ones(2, 1, 2, 2), "b": torch.full((2, 1, 1, 1), 3.0)}
    truth = {"a": torch.zeros(2, 1, 2, 2), "b": torch.zeros(2, 1, 1, 1)}
    layers = (("a", 0.5), ("b", 2.0))
    assert float(perceptual_loss(generated, truth, layers)) == pytest.approx(0.5 + 6)
    truth["b"][1] = 3.0
    paired = torch.tensor([False, True])
    assert float(pseudo_loss(generated, truth, paired, layers)) == pytest.approx(0.5)


def test_contextual_distance_equals_a_loop() -> None:
    y, z = torch.randn(1, 5, 2, 3), torch.randn(1, 5, 3, 2)
    centre = z.mean(dim=(2, 3), keepdim=True)
    a = F.normalize((y - centre).flatten(2)[0], dim=0)
    b = F.normalize((z - centre).flatten(2)[0], dim=0)
    best = []
    for i in range(a.shape[1]):
        distances = [1 - float(a[:, i] @ b[:, j]) for j in range(b.shape[1])]
        weights = [math.exp((1 - d / (min(distances) + 1e-3)) / 0.5) for d in distances]
        best.append(max(weights) / sum(weights))
    expected = -math.log(sum(best) / len(best))
    assert float(contextual_distance(y, z, 0.5)) == pytest.approx(expected, rel=1e-4)


def test_contextual_loss_prefers_the_exemplars_own_features() -> None:
    z = torch.randn(2, 16, 6, 6)
    shuffled = z.flatten(2)[:, :, torch.randperm(36)].view_as(z)
    layers = (("relu4_2", 1.0),)
    same = contextual_loss({"relu4_2": shuffled}, {"relu4_2": z}, layers)
    other = contextual_loss({"relu4_2": torch.randn_like(z)}, {"relu4_2": z}, layers)
    assert float(same) < 0.05 < float(other)


def test_contextual_loss_pools_the_third_stage_only() -> None:
    y, z = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 4)
    pooled = contextual_distance(F.avg_pool2d(y, 2), F.avg_pool2d(z, 2), 0.1)
    third = contextual_loss({"relu3_2": y}, {"relu3_2": z}, (("relu3_2", 2.0),))
    fourth = contextual_loss({"relu4_2": y}, {"relu4_2": z}, (("relu4_2", 1.0),))
    torch.testing.assert_close(third, 2 * pooled)
    torch.testing.assert_close(fourth, contextual_distance(y, z, 0.1))


def test_hinge_losses() -> None:
    real = (torch.tensor([2.0, 0.5]), torch.tensor([1.0]))
    fake = (torch.tensor([-2.0, 0.0]), torch.tensor([-0.5]))
    expected = ((0 + 0.5) / 2 + (0 + 1) / 2 + 0 + 0.5) / 2
    assert float(discriminator_hinge(real, fake)) == pytest.approx(expected)
    assert float(generator_hinge(fake)) == pytest.approx(-(-1.0 - 0.5) / 2)


def test_feature_matching_stops_the_gradient_to_real_features() -> None:
    real = torch.ones(1, 2, requires_grad=True)
    fake = torch.zeros(1, 2, requires_grad=True)
    loss = feature_matching(((real, real),), ((fake, fake),))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2)
    assert real.grad is None and fake.grad is not None
