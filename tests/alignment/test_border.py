"""Borders of retrieved blocks, and blocks that overlap, against a plain reference."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rabit.alignment import correspond
from rabit.alignment.border import bordered
from rabit.alignment.levels import rank_levels
from rabit.functional.blocks import from_blocks
from rabit.functional.normalise import unit_blocks, unit_features


def features(height: int, width: int, channels: int = 5, seed: int = 0, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, height, width, dtype=torch.float64, generator=generator)


def reference(
    x: Tensor,
    z: Tensor,
    block: int,
    k: int,
    border: int,
    overlap: bool,
    temperature: float,
    epsilon: float,
) -> Tensor:
    """The whole matrix T of one image, written out place by place: (H W, Hz Wz)."""
    (height, width), (deep, wide) = x.shape[2:], z.shape[2:]
    step = 1 if overlap else block
    corners = [
        (top, left)
        for top in range(0, deep - block + 1, step)
        for left in range(0, wide - block + 1, step)
    ]
    unit = unit_features(z)
    blocks = [unit[:, :, y : y + block, w : w + block].flatten(2).mT for y, w in corners]
    ranking = rank_levels(
        unit_blocks(x, (block,)), torch.stack(blocks, dim=1), (block,), (k,), epsilon
    )
    cosine = unit_features(x).flatten(2)[0].T @ unit_features(z).flatten(2)[0]
    rows = []
    for place in range(height * width):
        y, column = divmod(place, width)
        own = (y // block) * (width // block) + column // block
        prior: dict[int, Tensor] = {}
        for rank in range(k):
            top, left = corners[int(ranking.indices[0, own, rank])]
            for down in range(top - border, top + block + border):
                for right in range(left - border, left + block + border):
                    if 0 <= down < deep and 0 <= right < wide:
                        prior.setdefault(down * wide + right, ranking.log_mass[0, own, rank])
        seen = sorted(prior)
        logits = cosine[place, seen] / temperature + torch.stack([prior[i] for i in seen])
        empty = torch.zeros(deep * wide, dtype=x.dtype)
        rows.append(empty.index_put((torch.tensor(seen),), logits.softmax(0)))
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("block", "k", "border", "overlap"),
    [
        *((2, 3, 1, False), (2, 2, 2, False), (4, 1, 2, False), (1, 3, 1, False), (2, 8, 9, False)),
        *((2, 3, 0, True), (2, 1, 0, True), (4, 2, 0, True), (1, 3, 0, True), (2, 3, 1, True)),
    ],
)
def test_values_and_gradients_are_the_reference(
    block: int, k: int, border: int, overlap: bool
) -> None:
    x = features(8, 4).requires_grad_()
    z = features(4, 8, seed=1).requires_grad_()
    values = features(4, 8, channels=3, seed=2).requires_grad_()
    options: dict[str, Any] = {"temperature": 0.3, "epsilon": 0.4}
    k = min(k, 32 // block**2)
    built = correspond(x, z, block=block, k=k, border=border, overlap=overlap, **options)
    matrix = reference(x, z, block, k, border, overlap, **options)
    expected = (matrix @ values.flatten(2)[0].T).T.view(1, 3, 8, 4)
    warped = built.warp(values)
    assert torch.allclose(warped, expected, rtol=0, atol=1e-12)
    best = matrix.argmax(1).view(1, 8, 4)
    assert torch.equal(built.matrix.best(), best)
    back = built.warp_back(x)
    sums = matrix.T @ x.flatten(2)[0].T
    wanted = sums / matrix.sum(0).clamp(min=1e-3).unsqueeze(1)
    wanted = wanted.masked_fill(matrix.sum(0).unsqueeze(1) < 1e-3, 0)
    assert torch.allclose(back.values.flatten(2)[0].T, wanted, rtol=0, atol=1e-10)
    cost = torch.randn(warped.shape, dtype=torch.float64)
    found = torch.autograd.grad((warped * cost).sum(), (x, z, values))
    right = torch.autograd.grad((expected * cost).sum(), (x, z, values))
    for gradient, plain in zip(found, right, strict=True):
        assert torch.allclose(gradient, plain, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "options", [{"coarse": (4,), "coarse_k": 2, "border": 1}, {"overlap": True}]
)
def test_gradcheck(options: dict[str, Any]) -> None:
    x = features(4, 4, channels=3).requires_grad_()
    z = features(4, 8, channels=3, seed=1).requires_grad_()

    def function(x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        built = correspond(x, z, k=2, epsilon=0.5, temperature=0.5, **options)
        return built.warp(z), built.confidence

    assert torch.autograd.gradcheck(function, (x, z))


@pytest.mark.parametrize("coarse", [(4,), (8, 4)])
def test_levels_that_lose_nothing_give_two(coarse: tuple[int, ...]) -> None:
    x, z = features(8, 16, batch=2), features(16, 8, batch=2, seed=1)
    expected = correspond(x, z, border=1)
    built = correspond(x, z, coarse=coarse, coarse_k=8, border=1)
    assert torch.equal(built.matches(), expected.matches())
    assert torch.allclose(built.warp(z), expected.warp(z), atol=1e-9)
    wanted = expected.warp_back(x)
    assert torch.allclose(built.warp_back(x).values, wanted.values, atol=1e-6)


def test_no_border_is_the_paper_and_all_of_the_map_is_dense() -> None:
    x, z = features(8, 8), features(8, 8, seed=1)
    assert torch.equal(correspond(x, z, border=0).warp(z), correspond(x, z).warp(z))
    dense = correspond(x, z, "dense")
    whole = correspond(x, z, border=8)
    assert torch.equal(whole.matches(), dense.matches())
    assert not torch.equal(correspond(x, z, border=1).matches(), dense.matches())
    # Of one block the mass is the same for all places, so that it drops out.
    alone = correspond(x, z, border=8, k=1)
    assert torch.allclose(alone.warp(z), dense.warp(z), atol=1e-12)


def test_a_shift_by_one_is_found_across_the_grid() -> None:
    """Blocks of a map that is shifted by one place are none of the other's."""
    wide = features(16, 17, channels=16)
    x, z = wide[..., 1:], wide[..., :-1]
    true = torch.arange(16).view(16, 1) * 16 + torch.arange(16) + 1

    def found(**options: Any) -> float:
        best = correspond(x, z, **options).matrix.best()[0]
        return float((best == true)[:, :-2].double().mean())

    assert found(descriptor="mean") < 0.6 < 0.8 < found(descriptor="mean", border=1)
    assert found(k=1) < 0.3
    assert found(k=1, overlap=True) == found(k=3, overlap=True) == 1


def test_blocks_that_overlap_are_at_least_as_alike() -> None:
    """Those on the grid are among them; blocks of one position are all there either way."""
    x, z = features(8, 8, batch=2), features(8, 12, batch=2, seed=1)
    on_grid, anywhere = (correspond(x, z, overlap=each).peak for each in (False, True))
    assert bool((anywhere >= on_grid - 1e-12).all()) and bool((anywhere > on_grid + 0.01).any())
    small, same = (correspond(x, z, block=1, k=5, overlap=each) for each in (False, True))
    assert torch.allclose(small.warp(z), same.warp(z), atol=1e-12)
    every = correspond(x, z, overlap=True, k=77, confidence="position")
    assert torch.allclose(every.peak, correspond(x, z, "dense").peak, atol=1e-12)


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    block=st.integers(1, 3),
    border=st.integers(0, 4),
    overlap=st.booleans(),
    k=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_places_are_those_around_the_blocks(
    rows: int, columns: int, block: int, border: int, overlap: bool, k: int, seed: int
) -> None:
    """As many count as the union has, each once, with the first block that lists it."""
    count, step = rows * columns, 1 if overlap else block
    k = min(k, count)
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:k]
    size = ((rows - 1) * step + block, (columns - 1) * step + block)
    places, counted = bordered(chosen.view(1, 1, k), size, block, border, overlap)
    side = block + 2 * border
    assert places.shape == counted.shape == (1, 1, k * side**2)
    assert int(places.min()) >= 0 and int(places.max()) < size[0] * size[1]
    first: dict[int, int] = {}
    for rank, each in enumerate(chosen.tolist()):
        top, left = (number * step for number in divmod(each, columns))
        for y in range(max(0, top - border), min(size[0], top + block + border)):
            for x in range(max(0, left - border), min(size[1], left + block + border)):
                first.setdefault(y * size[1] + x, rank)
    ranks = torch.arange(k).repeat_interleave(side**2)
    found = [(int(p), int(r)) for p, r in zip(places[counted], ranks[counted[0, 0]], strict=True)]
    assert len(found) == len(first) and dict(found) == first


def test_half_precision_and_bad_values() -> None:
    x, z = features(8, 8).bfloat16(), features(8, 8, seed=1).bfloat16()
    for options in ({"border": 1}, {"overlap": True}):
        built = correspond(x, z, **options)
        assert built.warp(z).dtype == torch.bfloat16
        exact = correspond(x.double(), z.double(), **options).warp(from_blocks_of(z))
        assert torch.allclose(built.warp(from_blocks_of(z).float()).double(), exact, atol=0.05)
    with pytest.raises(ValueError, match="border is -1, expected 0"):
        correspond(x, z, border=-1)
    with pytest.raises(ValueError, match=r"overlap is on and coarse is \(4,\): .* leave one"):
        correspond(x, z, overlap=True, coarse=(4,))
    with pytest.raises(ValueError, match="k is 50, expected 1 to 49"):
        correspond(x, z, overlap=True, k=50)


def from_blocks_of(z: Tensor) -> Tensor:
    """Returns smooth values of a map's size, in float64."""
    ramp = torch.linspace(0, 1, z.shape[2] * z.shape[3], dtype=torch.float64)
    return from_blocks(ramp.view(1, -1, 1, 1), (z.shape[2], z.shape[3]), 1)
