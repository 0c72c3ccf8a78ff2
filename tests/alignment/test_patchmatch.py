from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rabit.alignment import Correspondence, correspond, nearest
from rabit.alignment.nearest import inner_products, nearest_positions
from rabit.alignment.patchmatch import Level, children, levels, merged, surrounding
from rabit.alignment.refiner import PatchMatchRefiner
from rabit.functional.normalise import unit_features

sides = st.integers(1, 9)


def features(*size: int, batch: int = 2, channels: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, *size, generator=generator)


def smooth(*size: int, channels: int, seed: int) -> Tensor:
    """A random field that changes over eight positions."""
    coarse = features(*(max(2, side // 8) for side in size), channels=channels, seed=seed)
    return F.interpolate(coarse, size=size, mode="bicubic")


def patches(image: np.ndarray, *size: int) -> Tensor:
    """The 5x5 pixels around each pixel of a photograph, resized."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None] / 255
    pixels = F.interpolate(pixels, size=size, mode="bilinear", antialias=True)
    return F.unfold(F.pad(pixels, (2, 2, 2, 2), mode="reflect"), 5).view(1, -1, *size)


def cosines(x: Tensor, z: Tensor) -> Tensor:
    return unit_features(x).flatten(2).transpose(1, 2) @ unit_features(z).flatten(2)


def share_found(x: Tensor, z: Tensor, **options: Any) -> float:
    """The mean best cosine as a share of the exact one."""
    torch.manual_seed(0)
    found = correspond(x, z, "patchmatch", **options).peak.mean()
    return float(found / cosines(x, z).amax(-1).mean())


def refiner(channels: int, candidates: int, still: bool = False) -> PatchMatchRefiner:
    """A refiner in float64 that moves matches by tenths of a position."""
    built = PatchMatchRefiner(channels, candidates, width=4, reach=1.5)
    if still:
        built.start_still()
    return built.double()


def pair(name: str) -> tuple[Tensor, Tensor]:
    if name == "two photographs":
        return patches(skimage.data.astronaut(), 64, 64), patches(skimage.data.chelsea(), 48, 72)
    if name == "mirrored photograph":
        image = skimage.data.coffee()
        return patches(image, 64, 80), patches(image[:, ::-1], 64, 80)
    channels = int(name.split()[0])
    return smooth(64, 96, channels=channels, seed=0), smooth(88, 72, channels=channels, seed=1)


@pytest.mark.parametrize(
    "name", ("two photographs", "mirrored photograph", "8 channels", "32 channels")
)
def test_search_reaches_the_exact_neighbours_score(name: str) -> None:
    x, z = pair(name)
    assert share_found(x, z, start=32) > 0.99
    assert share_found(x, z, start=32, candidates=4) > 0.98


def test_propagation_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    x, z = pair("two photographs")
    full = share_found(x, z, start=32)
    monkeypatch.setattr(nearest, "propagated", lambda places, step, size: places)
    assert share_found(x, z, start=32) < full - 0.03


def test_random_search_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    x, z = pair("two photographs")
    full = share_found(x, z, candidates=2)
    monkeypatch.setattr(nearest, "nearby", lambda places, size: places)
    assert share_found(x, z, candidates=2) < full - 0.03


def test_coarse_to_fine_matters() -> None:
    x, z = pair("two photographs")
    fine, coarse = (share_found(x, z, iterations=1, start=start) for start in (72, 18))
    assert fine < coarse - 0.02


def test_iterations_matter() -> None:
    x, z = pair("8 channels")
    few, more = (share_found(x, z, iterations=n, start=96) for n in (1, 3))
    assert few < more - 0.02


def test_neighbours_come_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[int, int]] = []
    plain = nearest.propagated

    def spy(places: Tensor, step: tuple[int, int], size: tuple[int, int]) -> Tensor:
        steps.append(step)
        return plain(places, step, size)

    monkeypatch.setattr(nearest, "propagated", spy)
    correspond(features(8, 8), features(8, 8, seed=1), "patchmatch", iterations=3)
    assert [max(map(abs, step)) for step in steps] == [4] * 4 + [2] * 4 + [1] * 4
    assert set(steps[-4:]) == {(1, 0), (-1, 0), (0, 1), (0, -1)}


def test_matches_move_along_with_their_neighbours() -> None:
    places = torch.arange(12).view(1, 3, 4, 1) + 20
    moved = nearest.propagated(places, (1, 0), (9, 10))
    assert torch.equal(moved[:, 1:], places[:, :-1] + 10)
    moved = nearest.propagated(places, (0, -2), (9, 10))
    # From 22, 26 and 30, which is at the edge.
    assert moved[0, :, 0, 0].tolist() == [20, 24, 30]
    edge = torch.full((1, 3, 4, 1), 89)
    assert torch.equal(nearest.propagated(edge, (1, 0), (9, 10)), edge)


def test_random_search_is_around_the_best_at_shrinking_distances() -> None:
    places = torch.tensor([16 * 32 + 16, 5, 7]).expand(1, 40, 40, 3)
    drawn = nearest.nearby(places, (32, 32)).view(1600, -1, 5)
    distance = torch.stack([drawn[:, 0] // 32 - 16, drawn[:, 0] % 32 - 16]).abs().amax((0, 1))
    assert distance.tolist() == [1, 2, 4, 8, 16]
    assert drawn.shape[1] == nearest.CENTRES
    assert bool(((drawn >= 0) & (drawn < 32 * 32)).all())


@settings(max_examples=60, deadline=None)
@given(h=sides, w=sides, hz=sides, wz=sides, batch=st.integers(1, 2), data=st.data())
def test_lists_of_any_shape(h: int, w: int, hz: int, wz: int, batch: int, data: Any) -> None:
    count = data.draw(st.integers(1, hz * wz))
    x = features(batch, h, w, batch=3).movedim(0, -1).contiguous()
    z = features(batch, hz, wz, batch=3, seed=1).movedim(0, -1).contiguous()
    x, z = x[0], z[0]
    first = torch.zeros(batch, h, w, 3, dtype=torch.int64)
    found = nearest_positions(x, z, count, data.draw(st.integers(0, 2)), first)
    assert found.places.shape == (batch, h, w, count)
    assert bool(((found.places >= 0) & (found.places < hz * wz)).all())
    ordered = found.places.sort(-1).values
    assert bool((ordered[..., 1:] != ordered[..., :-1]).all())
    assert bool((found.scores[..., 1:] <= found.scores[..., :-1]).all())
    table = torch.einsum("bhwc,bjc->bhwj", x, z.flatten(1, 2))
    torch.testing.assert_close(table.gather(-1, found.places), found.scores)
    torch.testing.assert_close(inner_products(x, z, found.places), found.scores)
    assert bool((found.scores[..., 0] >= table[..., 0] - 1e-5).all())


def table(built: Correspondence) -> Tensor:
    """T, read off by warping the identity: (B, H W, Hz Wz)."""
    height, width = built.exemplar_size
    identity = torch.eye(height * width, dtype=built.peak.dtype).view(1, -1, height, width)
    return built.warp(identity.expand(len(built.peak), -1, -1, -1)).flatten(2).transpose(1, 2)


@settings(max_examples=60, deadline=None)
@given(h=sides, w=sides, hz=sides, wz=sides, refine=st.booleans(), data=st.data())
def test_correspondence_of_any_shape(
    h: int, w: int, hz: int, wz: int, refine: bool, data: Any
) -> None:
    count = data.draw(st.integers(1, hz * wz))
    x, z = features(h, w).double(), features(hz, wz, seed=1).double()
    options = {"refiner": refiner(6, count)} if refine else {}
    start = data.draw(st.integers(1, 9))
    built = correspond(x, z, "patchmatch", candidates=count, start=start, iterations=1, **options)
    rows = table(built).detach()
    assert rows.shape == (2, h * w, hz * wz)
    torch.testing.assert_close(rows.sum(2), torch.ones(2, h * w).double())
    assert float(rows.min()) >= 0
    assert int((rows > 0).sum(2).max()) <= count * (4 if refine else 1)
    best = rows.argmax(2).view(2, h, w)
    assert torch.equal(built.matches(), torch.stack([best % wz, best // wz], dim=-1).double())
    assert built.peak.shape == (2, 1, h, w)
    assert bool((built.peak.detach().flatten(1) <= cosines(x, z).amax(-1) + 1e-9).all())
    rest = table(built[1:]).detach()
    torch.testing.assert_close(rest, rows[1:])


@pytest.mark.parametrize("start", (2, 64))
def test_all_positions_as_candidates_are_dense(start: int) -> None:
    x, z, values = features(5, 6), features(4, 7, seed=1), features(4, 7, channels=2, seed=2)
    options = {"temperature": 0.1}
    built = correspond(x, z, "patchmatch", candidates=28, start=start, **options)
    dense = correspond(x, z, "dense", **options)
    torch.testing.assert_close(built.warp(values), dense.warp(values))
    back = features(5, 6, channels=2, seed=3)
    torch.testing.assert_close(built.warp_back(back).values, dense.warp_back(back).values)
    torch.testing.assert_close(built.confidence, dense.confidence)
    assert torch.equal(built.matches(), dense.matches())


def test_fewer_candidates_are_not_dense() -> None:
    x, z, values = features(5, 6), features(4, 7, seed=1), features(4, 7, channels=2, seed=2)
    built = correspond(x, z, "patchmatch", candidates=27, temperature=1.0)
    dense = correspond(x, z, "dense", temperature=1.0)
    assert not torch.allclose(built.warp(values), dense.warp(values), atol=1e-4)


def test_equal_seeds_give_equal_matches() -> None:
    x, z = features(16, 16), features(16, 16, seed=1)
    seeds = (3, 3, 4)
    matches = []
    for seed in seeds:
        torch.manual_seed(seed)
        matches.append(correspond(x, z, "patchmatch", iterations=1).matches())
    assert torch.equal(matches[0], matches[1])
    assert not torch.equal(matches[0], matches[2])


def test_levels_halve_until_they_are_small_enough() -> None:
    x, z = unit_features(features(40, 21)), unit_features(features(9, 70, seed=1))
    found = levels(Level(*(side.movedim(1, -1).contiguous() for side in (x, z))), start=20)
    assert [level.size for level in found] == [(10, 6), (20, 11), (40, 21)]
    assert [level.exemplar_size for level in found] == [(3, 18), (5, 35), (9, 70)]
    expected = F.normalize(x[..., 2:4, 4:6].mean((2, 3)), dim=1)
    torch.testing.assert_close(found[1].x[:, 1, 2], expected)
    edge = F.normalize(x[..., 2:4, 20:].mean((2, 3)), dim=1)
    torch.testing.assert_close(found[1].x[:, 1, 10], edge)


def test_children_keep_their_place_in_the_match() -> None:
    level = Level(torch.zeros(1, 5, 4, 1), torch.zeros(1, 7, 9, 1))
    points = torch.zeros(1, 3, 2, 1, 2)
    points[0, 1, 1, 0] = torch.tensor([2.0, 1.3])
    places = children(points, level)[..., 0]
    assert places.shape == (1, 5, 4)
    rows, columns = places // 9, places % 9
    assert rows[0, 2:4, 2:].tolist() == [[4, 4], [5, 5]]
    assert columns[0, 2:4, 2:].tolist() == [[3, 4], [3, 4]]
    points[0, 2, 0, 0] = torch.tensor([3.0, 4.0])
    places = children(points, level)[..., 0]
    assert (places[0, 4, :2] // 9).tolist() == [6, 6]
    assert (places[0, 4, :2] % 9).tolist() == [8, 8]


def test_corners_sample_bilinearly() -> None:
    generator = torch.Generator().manual_seed(0)
    size = (5, 8)
    limit = torch.tensor([4.0, 7.0])
    points = torch.rand(2, 3, 4, 6, 2, generator=generator) * limit
    points[0, 0, 0, :3] = torch.tensor([[4.0, 7.0], [0.0, 0.0], [4.0, 2.5]])
    corners = surrounding(points, size)
    assert bool((corners.shares >= 0).all())
    values = features(*size, channels=1)
    taken = torch.stack([v[i] for v, i in zip(values.flatten(1), corners.places, strict=True)])
    found = (taken.view(corners.shares.shape) * corners.shares).sum(-1)
    grid = (2 * points / limit - 1).flip(-1).view(2, 12, 6, 2)
    expected = F.grid_sample(values, grid, align_corners=True).view(found.shape)
    torch.testing.assert_close(found, expected)


def test_weights_of_equal_places_are_added() -> None:
    places = torch.tensor([[[[5, 2, 5, 2, 9]]]])
    weights = torch.tensor([[[[0.1, 0.2, 0.3, 0.1, 0.3]]]])
    sums, kept = merged(weights, places)
    assert kept[0, 0, 0, :3].tolist() == [2, 5, 9]
    torch.testing.assert_close(sums[0, 0, 0], torch.tensor([0.3, 0.4, 0.3, 0.0, 0.0]))


@pytest.mark.parametrize(("refine", "start"), ((False, 64), (False, 3), (True, 64), (True, 3)))
def test_gradients_are_exact(refine: bool, start: int) -> None:
    """The candidates are the same at every call: equal seeds, and changes far from any tie."""
    x = features(3, 4, batch=1, channels=3).double().requires_grad_()
    z = features(3, 5, batch=1, channels=3, seed=1).double().requires_grad_()
    there = features(3, 5, batch=1, channels=2, seed=2).double().requires_grad_()
    options: dict[str, Any] = {"candidates": 4, "temperature": 0.5, "start": start}
    weights: list[Tensor] = []
    if refine:
        options["refiner"] = refiner(3, 4)
        weights = list(options["refiner"].parameters())

    def function(*inputs: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(1)
        built = correspond(inputs[0], inputs[1], "patchmatch", **options)
        return built.warp(inputs[2]), built.peak

    # Random projections of the Jacobian, which is large, in all cases but one.
    inputs = (x, z, there, *weights)
    assert torch.autograd.gradcheck(function, inputs, fast_mode=refine or start == 3)


@pytest.mark.parametrize("start", (64, 3))
def test_every_weight_of_the_refiner_learns(start: int) -> None:
    x, z = features(8, 6), features(8, 6, seed=1)
    built = PatchMatchRefiner(6, 5, width=4, reach=2.0)
    built.start_still()
    options = {"candidates": 5, "start": start, "temperature": 0.2, "refiner": built}
    found = correspond(x, z, "patchmatch", **options)
    found.warp(features(8, 6, channels=3, seed=2)).square().sum().backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name


def changes(built: PatchMatchRefiner, x: Tensor, **replaced: Any) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    size = x.shape[2:]
    inputs = {
        "features": unit_features(x),
        "offset": torch.rand(len(x), 2, *size, generator=generator).to(x),
        "score": torch.rand(len(x), 1, *size, generator=generator).to(x),
        "hidden": torch.rand(len(x), 4, 4, 3, generator=generator).to(x),
    }
    with torch.no_grad():
        change: Tensor = built(**(inputs | replaced)).change
    return change


def test_refiner_reads_all_that_it_is_given() -> None:
    x = features(8, 6).double()
    built = refiner(6, 5)
    change = changes(built, x)
    assert change.shape == (2, 8, 6, 5, 2)
    for name, other in (
        ("features", unit_features(features(8, 6, seed=3).double())),
        ("offset", torch.zeros(2, 2, 8, 6).double()),
        ("score", torch.zeros(2, 1, 8, 6).double()),
        ("hidden", None),
    ):
        assert float((changes(built, x, **{name: other}) - change).abs().mean()) > 1e-4, name


def test_changes_start_small_and_stay_within_reach() -> None:
    x = features(8, 6).double()
    built = refiner(6, 5, still=True)
    first = changes(built, x).abs()
    assert 0 < float(first.min()) < float(first.max()) < 0.05
    with torch.no_grad():
        built.change.weight.mul_(1e6)
    largest = changes(built, x).abs()
    assert float(largest.max()) == pytest.approx(1.5)


def test_refiner_moves_matches_between_the_positions() -> None:
    """One candidate: the warped coordinates are the match itself."""
    x, z = smooth(12, 12, channels=6, seed=0), smooth(12, 12, channels=6, seed=1)
    rows = torch.arange(12.0).view(1, 1, 12, 1).expand(2, 1, 12, 12)
    whole = correspond(x, z, "patchmatch", candidates=1).warp(rows)
    torch.testing.assert_close(whole, whole.round())
    built = PatchMatchRefiner(6, 1, width=4, reach=0.5)
    torch.manual_seed(0)
    moved = correspond(x, z, "patchmatch", candidates=1, refiner=built).warp(rows)
    difference = (moved - whole).detach().abs()
    assert 1e-3 < float(difference.max()) <= 0.5


def test_refiner_learns_a_shift_of_half_a_position() -> None:
    fine = smooth(32, 33, channels=6, seed=0)
    x, z = fine[..., :-1], (fine[..., :-1] + fine[..., 1:]) / 2
    values = torch.arange(32.0).expand(2, 1, 32, 32)
    truth = (values - 0.5)[..., 2:-2, 2:-2]
    built = PatchMatchRefiner(6, 1, width=8, reach=1.0)
    built.start_still()
    optimiser = torch.optim.Adam(built.parameters(), lr=0.01)
    errors = []
    for step in range(60):
        torch.manual_seed(step)
        found = correspond(x, z, "patchmatch", candidates=1, iterations=3, refiner=built)
        error = (found.warp(values)[..., 2:-2, 2:-2] - truth).abs().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(float(error.detach()))
    assert sum(errors[-5:]) < 0.7 * sum(errors[:5])


def test_coarse_levels_pass_the_refiners_state_on() -> None:
    x, z = features(8, 8), features(8, 8, seed=1)
    built = PatchMatchRefiner(6, 4, width=4, reach=0.5)
    seen: list[Any] = []
    built.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[3]))
    correspond(x, z, "patchmatch", candidates=4, start=2, refiner=built)
    assert seen[0] is None
    assert [tuple(hidden.shape) for hidden in seen[1:]] == [(2, 4, 2, 2), (2, 4, 4, 4)]


def test_nothing_of_the_matrix_is_saved() -> None:
    x, z = features(64, 64, batch=1), features(64, 64, batch=1, seed=1)
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    x.requires_grad_()
    built = PatchMatchRefiner(6, 8, width=4, reach=0.5)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        found = correspond(x, z, "patchmatch", candidates=8, iterations=1, refiner=built)
        found.warp(z).sum()
    positions = 64 * 64
    assert positions * 32 <= max(sizes) < positions * positions / 100


def test_half_precision_and_autocast() -> None:
    x, z = features(8, 8).bfloat16(), features(8, 8, seed=1).bfloat16()
    built = PatchMatchRefiner(6, 16, width=4, reach=0.5)
    for options in ({}, {"refiner": built}, {"start": 4, "refiner": built}):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = correspond(x, z, "patchmatch", **options)
        assert found.peak.dtype == torch.float32
        assert found.warp(z).dtype == torch.bfloat16


def test_constant_features_have_finite_gradients() -> None:
    x = torch.ones(1, 4, 8, 8, requires_grad=True)
    z = torch.ones(1, 4, 8, 8, requires_grad=True)
    built = PatchMatchRefiner(4, 16, width=4, reach=0.5)
    found = correspond(x, z, "patchmatch", start=4, refiner=built)
    for gradient in torch.autograd.grad(found.warp(z).sum() + found.peak.sum(), (x, z)):
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"candidates": 13}, "candidates is 13, expected a whole number, 1 to 12, the exemplar's"),
        ({"candidates": 0}, "candidates is 0"),
        ({"candidates": 2.0}, "candidates is 2.0"),
        ({"candidates": 4, "iterations": 0}, "iterations is 0, expected a whole number, at least"),
        ({"candidates": 4, "start": True}, "start is True"),
        ({"candidates": 4, "temperature": 0.0}, "temperature is 0.0"),
        ({"candidates": 4, "block": 2}, "no option block; it has temperature, candidates"),
        (
            {"candidates": 4, "refiner": PatchMatchRefiner(6, 5, width=4, reach=0.5)},
            "candidates is 4, but the refiner was built for 5",
        ),
    ),
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correspond(features(4, 4), features(3, 4, seed=1), "patchmatch", **options)
